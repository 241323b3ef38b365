//! Files of transcripts, and the joining of references with hypotheses.

use std::collections::{HashMap, HashSet};

use super::Error;

/// How a line of a transcript file says whose words it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `ID words…`: Kaldi's `text`.
    Kaldi,
    /// `words… (ID)`: sclite's `trn`.
    Trn,
    /// `FILE<TAB>words`: what `hearken transcribe FILE…` prints.
    Tab,
}

/// The transcripts of one file, in its order.
#[derive(Debug, Clone)]
pub struct Transcripts {
    name: String,
    layout: Layout,
    entries: Vec<(String, String)>,
}

/// Splits a line of one layout into ID and text; `None` if the line is not of that layout.
type Split = fn(&str) -> Option<(&str, &str)>;

impl Transcripts {
    /// Reads transcripts from memory; `name` stands for the file in messages.
    ///
    /// The layout is found from the lines: `trn` if every line ends with a parenthesised ID,
    /// `FILE<TAB>words` if every line has a tab after something that is one word or the name of an
    /// audio file, `ID words…` otherwise. Empty lines and lines that begin with `;;` do not count; a
    /// BOM and CRLF are accepted.
    ///
    /// # Errors
    /// [`Error::NotUtf8`] and [`Error::Duplicate`] name the line, [`Error::Empty`] the file.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self, Error> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
            let line = std::str::from_utf8(line).map_err(|_| Error::NotUtf8 {
                file: name.into(),
                line: number,
            })?;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if !line.trim().is_empty() && !line.trim_start().starts_with(";;") {
                lines.push((number, line));
            }
        }
        if lines.is_empty() {
            return Err(Error::Empty { file: name.into() });
        }

        let all = |split: Split| lines.iter().all(|(_, line)| split(line).is_some());
        let (layout, split): (_, Split) = if all(split_trn) {
            (Layout::Trn, split_trn)
        } else if lines.iter().any(|(_, line)| line.contains('\t')) && all(split_tab) {
            (Layout::Tab, split_tab)
        } else {
            (Layout::Kaldi, split_kaldi)
        };

        let mut seen = HashMap::new();
        let mut entries = Vec::with_capacity(lines.len());
        for (number, line) in lines {
            let Some((id, text)) = split(line) else {
                continue;
            };
            if let Some(first) = seen.insert(id, number) {
                let (file, id) = (name.to_owned(), id.to_owned());
                return Err(Error::Duplicate {
                    file,
                    id,
                    line: number,
                    first,
                });
            }
            entries.push((id.to_owned(), text.to_owned()));
        }
        Ok(Self {
            name: name.into(),
            layout,
            entries,
        })
    }

    /// The layout that was found.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// IDs (or file names) and texts as they were written.
    pub fn entries(&self) -> &[(String, String)] {
        &self.entries
    }
}

/// `words… (ID)`.
fn split_trn(line: &str) -> Option<(&str, &str)> {
    let (text, id) = line.trim().strip_suffix(')')?.rsplit_once('(')?;
    let plain = !id.is_empty() && !id.contains(|c: char| c.is_whitespace() || c == ')');
    let apart = text.is_empty() || text.ends_with(char::is_whitespace);
    (plain && apart).then(|| (id, text.trim()))
}

/// `FILE<TAB>words`; a file alone has no words.
fn split_tab(line: &str) -> Option<(&str, &str)> {
    let (file, text) = line.split_once('\t').unwrap_or((line, ""));
    let file = file.trim();
    let one = !file.contains(char::is_whitespace) || stem(file).len() < base_name(file).len();
    (!file.is_empty() && one).then(|| (file, text.trim()))
}

/// `ID words…`.
fn split_kaldi(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (id, text) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    Some((id, text.trim()))
}

fn base_name(file: &str) -> &str {
    file.rsplit(['/', '\\']).next().unwrap_or(file)
}

/// A file's name without its folder and, if it is that of an audio file, its extension. (An ID such
/// as `sp0.9-1272` has a dot too and must stay whole.)
fn stem(file: &str) -> &str {
    const AUDIO: [&str; 16] = [
        "wav", "flac", "mp3", "ogg", "oga", "opus", "m4a", "aac", "sph", "aif", "aiff", "webm",
        "mp4", "mka", "caf", "wv",
    ];
    let name = base_name(file);
    match name.rsplit_once('.') {
        Some((stem, extension))
            if AUDIO
                .iter()
                .any(|audio| audio.eq_ignore_ascii_case(extension)) =>
        {
            stem
        }
        _ => name,
    }
}

/// What to do with an utterance that is in one of the two files only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Missing {
    /// A missing hypothesis counts as all words deleted; a hypothesis without a reference is left
    /// out.
    Delete,
    /// Both are left out.
    Skip,
}

/// One utterance with both its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The ID, as the reference file writes it.
    pub id: String,
    /// The reference text.
    pub reference: String,
    /// The hypothesis text.
    pub hypothesis: String,
}

/// References joined with hypotheses.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The utterances to score, in the order of the references.
    pub pairs: Vec<Pair>,
    /// IDs that only the references have.
    pub without_hypothesis: Vec<String>,
    /// IDs that only the hypotheses have.
    pub without_reference: Vec<String>,
}

/// Joins references with hypotheses by ID. A file name stands for its stem, so that
/// `audio/1272-0.flac` is the hypothesis of `1272-0`, unless the IDs agree as they are or two files
/// of one side have the same stem.
///
/// # Errors
/// [`Error::OneSided`] if an ID is in one file only and `missing` does not say what to do then.
pub fn join(
    references: &Transcripts,
    hypotheses: &Transcripts,
    missing: Option<Missing>,
) -> Result<Joined, Error> {
    let exact = |side: &'_ Transcripts| -> HashSet<String> {
        side.entries.iter().map(|(id, _)| id.clone()).collect()
    };
    let ambiguous = |side: &Transcripts| {
        let mut seen = HashSet::new();
        !side.entries.iter().all(|(id, _)| seen.insert(stem(id)))
    };
    let by_id =
        exact(references) == exact(hypotheses) || ambiguous(references) || ambiguous(hypotheses);
    let key: fn(&str) -> &str = if by_id { |id| id } else { stem };

    let mut texts: HashMap<&str, &str> = hypotheses
        .entries
        .iter()
        .map(|(id, text)| (key(id), text.as_str()))
        .collect();
    let mut joined = Joined {
        pairs: Vec::new(),
        without_hypothesis: Vec::new(),
        without_reference: Vec::new(),
    };
    for (id, reference) in &references.entries {
        let hypothesis = texts.remove(key(id));
        if hypothesis.is_none() {
            joined.without_hypothesis.push(id.clone());
        }
        if hypothesis.is_some() || missing == Some(Missing::Delete) {
            joined.pairs.push(Pair {
                id: id.clone(),
                reference: reference.clone(),
                hypothesis: hypothesis.unwrap_or_default().to_owned(),
            });
        }
    }
    let left = hypotheses
        .entries
        .iter()
        .filter(|(id, _)| texts.contains_key(key(id)));
    joined.without_reference = left.map(|(id, _)| id.clone()).collect();

    let one_sided = match (
        joined.without_hypothesis.first(),
        joined.without_reference.first(),
    ) {
        (Some(id), _) => Some((id, &references.name, &hypotheses.name)),
        (None, Some(id)) => Some((id, &hypotheses.name, &references.name)),
        (None, None) => None,
    };
    if let (Some((id, present, absent)), None) = (one_sided, missing) {
        return Err(Error::OneSided {
            id: id.clone(),
            present: present.clone(),
            absent: absent.clone(),
            without_hypothesis: joined.without_hypothesis.len(),
            without_reference: joined.without_reference.len(),
        });
    }
    if joined.pairs.is_empty() {
        return Err(Error::NothingInCommon {
            references: references.name.clone(),
            hypotheses: hypotheses.name.clone(),
        });
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Transcripts {
        Transcripts::parse(text.as_bytes(), "f").unwrap()
    }

    fn entries(text: &str) -> Vec<(String, String)> {
        parse(text).entries
    }

    fn own(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(id, text)| (id.to_string(), text.to_string()))
            .collect()
    }

    #[test]
    fn the_three_layouts_are_told_apart() {
        let expected = own(&[("a-1", "one two"), ("a-2", "")]);
        for (text, layout) in [
            ("a-1 one two\na-2\n", Layout::Kaldi),
            ("a-1  one two \n\na-2 \n", Layout::Kaldi),
            ("one two (a-1)\n(a-2)\n", Layout::Trn),
            (";; made by sclite\none two (a-1)\n(a-2)", Layout::Trn),
            ("a-1\tone two\na-2\t\n", Layout::Tab),
            ("a-1\tone two\na-2\n", Layout::Tab),
            ("\u{feff}a-1 one two\r\na-2\r\n", Layout::Kaldi),
            ("\u{feff}one two (a-1)\r\n(a-2)\r\n", Layout::Trn),
            ("a-1\u{a0}one two\na-2\n", Layout::Kaldi),
        ] {
            assert_eq!(parse(text).layout(), layout, "{text:?}");
            assert_eq!(entries(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_word_in_parentheses_or_a_tab_between_words_changes_nothing() {
        assert_eq!(
            entries("u1 well (laughs)\nu2 yes\n"),
            own(&[("u1", "well (laughs)"), ("u2", "yes")])
        );
        assert_eq!(
            entries("u1 a\tb\nu2 c\n"),
            own(&[("u1", "a\tb"), ("u2", "c")])
        );
        assert_eq!(
            entries("well(u1)\nu2 yes\n")[1],
            ("u2".into(), "yes".into())
        );
    }

    #[test]
    fn a_file_name_may_have_spaces() {
        let transcripts = parse("my take.wav\thello\nb/c d.flac\tthere\n");
        assert_eq!(transcripts.layout(), Layout::Tab);
        assert_eq!(transcripts.entries[1].0, "b/c d.flac");
        assert_eq!(stem("b/c d.flac"), "c d");
        assert_eq!(stem("C:\\x\\y.WAV"), "y");
        assert_eq!(stem("sp0.9-1272"), "sp0.9-1272");
    }

    #[test]
    fn bad_files_are_named_with_their_line() {
        let refuse = |bytes: &[u8]| Transcripts::parse(bytes, "hyp").unwrap_err().to_string();
        assert!(refuse(b"a b\n\xff\n").starts_with("hyp, line 2: not UTF-8"));
        let error = refuse(b"a b\nc d\na e\n");
        assert!(
            error.starts_with("hyp, line 3: `a` is there twice"),
            "{error}"
        );
        assert!(refuse(b" \n\n").starts_with("hyp has no transcripts"));
    }

    #[test]
    fn files_are_joined_with_ids_by_their_stem() {
        let references = parse("1-0 one\n1-1 two\n");
        let hypotheses = parse("x/1-1.flac\ttwo\nx/1-0.flac\tone\n");
        let joined = join(&references, &hypotheses, None).unwrap();
        let texts: Vec<_> = joined.pairs.iter().map(|p| p.hypothesis.as_str()).collect();
        assert_eq!(texts, ["one", "two"]);
    }

    #[test]
    fn files_of_the_same_name_in_two_folders_are_kept_apart() {
        let references = parse("s1/0.wav\tone\ns2/0.wav\ttwo\n");
        let hypotheses = parse("s2/0.wav\ttwo\ns1/0.wav\tone\n");
        let joined = join(&references, &hypotheses, None).unwrap();
        assert!(
            joined
                .pairs
                .iter()
                .all(|pair| pair.reference == pair.hypothesis)
        );
    }

    #[test]
    fn an_id_in_one_file_only_is_an_error_that_names_it() {
        let one = Transcripts::parse(b"a x\nb y\n", "ref").unwrap();
        let two = Transcripts::parse(b"a x\nc z\n", "hyp").unwrap();
        let error = join(&one, &two, None).unwrap_err().to_string();
        assert!(error.contains("`b` is in ref and not in hyp"), "{error}");
        let error = join(&parse("a x\n"), &two, None).unwrap_err().to_string();
        assert!(error.contains("`c` is in hyp and not in f"), "{error}");

        let deleted = join(&one, &two, Some(Missing::Delete)).unwrap();
        assert_eq!(deleted.pairs.len(), 2);
        assert_eq!(deleted.pairs[1].hypothesis, "");
        let skipped = join(&one, &two, Some(Missing::Skip)).unwrap();
        assert_eq!(skipped.pairs.len(), 1);
        for joined in [deleted, skipped] {
            assert_eq!(joined.without_hypothesis, ["b"]);
            assert_eq!(joined.without_reference, ["c"]);
        }
    }

    #[test]
    fn nothing_in_common_is_an_error_even_if_missing_is_allowed() {
        let error = join(&parse("a x\n"), &parse("b x\n"), Some(Missing::Skip)).unwrap_err();
        assert!(matches!(error, Error::NothingInCommon { .. }));
    }
}
