//! Pronunciation lexicons in the format of the CMU Pronouncing Dictionary.

use std::collections::HashMap;
use std::path::Path;

use super::{Error, Tokens};

/// Pronunciations of words, as tokens of a phone inventory.
///
/// The format is CMUdict's: a line is a word and its phones, `word(2)` or the same word again is
/// another pronunciation of it, and a field that begins with `#`, or a line that begins with `;;;`,
/// begins a comment. Phones with a stress mark (`AH0`) are read as the phone without it where the
/// inventory has no stress. A BOM and CRLF are accepted.
#[derive(Debug, Clone)]
pub struct Lexicon {
    words: Vec<String>,
    index: HashMap<String, u32>,
    pronunciations: Vec<Vec<Vec<u32>>>,
}

impl Lexicon {
    /// Reads a lexicon file.
    ///
    /// # Errors
    /// [`Error::Read`] and those of [`Lexicon::parse`].
    pub fn read(path: &Path, phones: &Tokens) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|source| Error::Read {
            path: path.into(),
            source,
        })?;
        Self::parse(&bytes, &path.display().to_string(), phones)
    }

    /// Reads a lexicon from memory; `name` stands for it in messages.
    ///
    /// # Errors
    /// [`Error::Lexicon`] names the line and the word: one that is not UTF-8, has no phones, or has
    /// a phone outside the inventory.
    pub fn parse(bytes: &[u8], name: &str, phones: &Tokens) -> Result<Self, Error> {
        let mut lexicon = Self {
            words: Vec::new(),
            index: HashMap::new(),
            pronunciations: Vec::new(),
        };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
            let error = |word: &str, what: String| Error::Lexicon {
                file: name.into(),
                line: number,
                word: word.into(),
                what,
            };
            let line = std::str::from_utf8(line).map_err(|_| {
                error(
                    &String::from_utf8_lossy(line),
                    "not UTF-8: convert the file".into(),
                )
            })?;
            let mut fields = line.split_whitespace();
            let Some(word) = fields.next() else { continue };
            if word.starts_with(";;;") || word == "#" {
                continue;
            }
            let pronunciation = fields
                .take_while(|field| !field.starts_with('#'))
                .map(|phone| {
                    let bare = phone.trim_end_matches(|c: char| c.is_ascii_digit());
                    phones.id(phone).or_else(|| phones.id(bare)).ok_or_else(|| {
                        error(
                            word,
                            format!("the phone `{phone}` is not in the token inventory"),
                        )
                    })
                })
                .collect::<Result<Vec<_>, _>>()?;
            if pronunciation.is_empty() {
                return Err(error(word, "the word has no phones".into()));
            }
            lexicon.add(base_word(word), pronunciation);
        }
        Ok(lexicon)
    }

    /// Adds a pronunciation of a word, unless it has it.
    pub fn add(&mut self, word: &str, pronunciation: Vec<u32>) {
        match self.index.get(word) {
            Some(&id) => {
                let known = &mut self.pronunciations[id as usize];
                // Without stress marks two of CMUdict's entries may be one.
                if !known.contains(&pronunciation) {
                    known.push(pronunciation);
                }
            }
            None => {
                self.index.insert(word.to_owned(), self.words.len() as u32);
                self.words.push(word.to_owned());
                self.pronunciations.push(vec![pronunciation]);
            }
        }
    }

    /// The pronunciations of a word in the file's order, each a sequence of tokens; empty if the
    /// lexicon lacks it.
    pub fn pronunciations(&self, word: &str) -> &[Vec<u32>] {
        self.index
            .get(word)
            .map_or(&[], |&id| &self.pronunciations[id as usize])
    }

    /// Every word with its pronunciations, in the order of first appearance.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &[Vec<u32>])> {
        self.words
            .iter()
            .map(String::as_str)
            .zip(self.pronunciations.iter().map(Vec::as_slice))
    }

    /// The lexicon of those words that `keep` keeps, asked in order.
    pub fn filtered(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.words.len())
            .filter(|&at| keep(&self.words[at]))
            .collect();
        let words: Vec<String> = kept.iter().map(|&at| self.words[at].clone()).collect();
        Self {
            index: words.iter().cloned().zip(0..).collect(),
            words,
            pronunciations: kept
                .iter()
                .map(|&at| self.pronunciations[at].clone())
                .collect(),
        }
    }

    /// The number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

/// `word` of `word(2)`.
fn base_word(word: &str) -> &str {
    let base = word
        .strip_suffix(')')
        .and_then(|word| word.rsplit_once('('));
    match base {
        Some((base, number))
            if !base.is_empty()
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            base
        }
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCERPT: &str = "\u{feff};;; a comment\r\n\
        # another\r\n\
        a AH0\r\n\
        a(2) EY1\r\n\
        'tis T IH1 Z\r\n\
        \r\n\
        aalborg AO1 L B AO0 R G # place, danish\r\n\
        read R EH1 D\r\n\
        read R IY1 D\r\n\
        record R AH0 K AO1 R D\r\n\
        record(2) R AH1 K AO2 R D\r\n";

    fn spelled(lexicon: &Lexicon, word: &str) -> Vec<String> {
        let phones = Tokens::phones();
        lexicon
            .pronunciations(word)
            .iter()
            .map(|tokens| phones.decode(tokens))
            .collect()
    }

    #[test]
    fn comments_alternatives_and_stress_are_read_as_cmudict_means_them() {
        let lexicon = Lexicon::parse(EXCERPT.as_bytes(), "excerpt", &Tokens::phones()).unwrap();
        assert_eq!(lexicon.len(), 5);
        assert_eq!(spelled(&lexicon, "a"), ["AH", "EY"]);
        assert_eq!(spelled(&lexicon, "'tis"), ["T IH Z"]);
        assert_eq!(spelled(&lexicon, "aalborg"), ["AO L B AO R G"]);
        assert_eq!(spelled(&lexicon, "read"), ["R EH D", "R IY D"]);
        assert_eq!(spelled(&lexicon, "record"), ["R AH K AO R D"]);
        assert!(lexicon.pronunciations("zebra").is_empty());
        let words: Vec<_> = lexicon.entries().map(|(word, _)| word).collect();
        assert_eq!(words, ["a", "'tis", "aalborg", "read", "record"]);
    }

    #[test]
    fn an_inventory_with_stress_keeps_it() {
        let symbols = ["<blank>", "AH0", "EY1"].map(String::from).to_vec();
        let phones = Tokens::from_symbols(symbols).unwrap();
        let lexicon = Lexicon::parse(b"a AH0\na(2) EY1\n", "x", &phones).unwrap();
        assert_eq!(lexicon.pronunciations("a"), [[1], [2]]);
    }

    #[test]
    fn a_bad_line_is_named_with_its_word() {
        let refuse = |text: &[u8]| {
            Lexicon::parse(text, "my.dict", &Tokens::phones())
                .unwrap_err()
                .to_string()
        };
        let error = refuse(b"a AH0\nbad B QQ D\n");
        assert!(
            error.starts_with("my.dict, line 2, `bad`: the phone `QQ`"),
            "{error}"
        );
        let error = refuse(b"a AH0\nempty # nothing\n");
        assert!(
            error.starts_with("my.dict, line 2, `empty`: the word has no phones"),
            "{error}"
        );
        assert!(refuse(b"d\xe9j\xe0 D EY1").contains("line 1"), "not UTF-8");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Lexicon::read(Path::new("no/such.dict"), &Tokens::phones()).unwrap_err();
        assert!(error.to_string().contains("no/such.dict"));
    }

    #[test]
    fn cmudict_reads_whole_where_the_corpora_are() {
        let Some(root) = std::env::var_os("HEARKEN_DATA") else {
            return;
        };
        let path = Path::new(&root).join("lexicon/cmudict.dict");
        let lexicon = Lexicon::read(&path, &Tokens::phones()).unwrap();
        assert!(lexicon.len() > 120_000);
        assert_eq!(spelled(&lexicon, "the"), ["DH AH", "DH IY"]);
    }
}
