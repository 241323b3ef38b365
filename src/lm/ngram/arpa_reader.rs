//! Models from ARPA files of any toolkit.
//!
//! Input: the lines of an ARPA file. Output: a [`Trie`].
//!
//! `\data\`, a line `ngram N=COUNT` an order, then a section an order of lines `log₁₀p words…
//! [log₁₀backoff]`, then `\end\`. Fields are separated by tabs or spaces, in SRILM's and KenLM's
//! files alike. `<UNK>` is `<unk>`; a word without back-off has 0; `-inf` is SRILM's −99.

use super::super::source::Source;
use super::super::vocabulary::{SPECIAL, Vocabulary};
use super::super::{Error, MAX_LINE};
use super::key::{Key, Packing};
use super::trie::{Builder, Trie};

/// What SRILM writes for a probability of zero.
const LOG_ZERO: f32 = -99.0;

/// Reads a model; the text's packing (plain, gzip, xz) has been undone by `source`.
pub fn read_arpa(source: Source) -> Result<Trie, Error> {
    let name = source.name().to_string();
    let mut parser = Parser::Header(Header::default());
    let mut last_line = 0;
    source.for_each_line(MAX_LINE, |line, number| -> Result<(), Error> {
        last_line = number;
        parser
            .line(line.trim_matches([' ', '\t']))
            .map_err(|why| Error::Arpa {
                name: name.clone(),
                line: number,
                why,
            })
    })?;
    parser.finish().map_err(|why| Error::Arpa {
        name,
        line: last_line,
        why,
    })
}

enum Parser {
    Header(Header),
    Short(Sections<u64>),
    Long(Sections<u128>),
}

#[derive(Default)]
struct Header {
    data: bool,
    counts: Vec<u64>,
}

struct Sections<K> {
    counts: Vec<u64>,
    packing: Packing,
    /// The section being read, 0 before the first.
    order: usize,
    /// n-grams of it so far.
    read: u64,
    ended: bool,
    builder: Builder<K>,
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<(), String> {
        match self {
            Self::Header(header) => {
                if header.line(line)? {
                    *self = Self::sections(std::mem::take(&mut header.counts))?;
                    self.line(line)?;
                }
                Ok(())
            }
            Self::Short(sections) => sections.line(line),
            Self::Long(sections) => sections.line(line),
        }
    }

    fn sections(counts: Vec<u64>) -> Result<Self, String> {
        // The special words may be missing from the file.
        let words = counts[0].saturating_add(SPECIAL.len() as u64);
        if words > u64::from(u32::MAX) {
            return Err(format!("{words} words are more than can be numbered"));
        }
        let order = counts.len();
        let packing = Packing::new(words as usize, order).map_err(|error| error.to_string())?;
        Ok(if packing.width(order) <= u64::BITS {
            Self::Short(Sections::new(counts, packing))
        } else {
            Self::Long(Sections::new(counts, packing))
        })
    }

    fn finish(self) -> Result<Trie, String> {
        match self {
            Self::Header(Header { data: false, .. }) => {
                Err("not an ARPA file: there is no line `\\data\\`".to_string())
            }
            Self::Header(_) => {
                Err("the file ends before `\\1-grams:`; it is cut short".to_string())
            }
            Self::Short(sections) => sections.finish(),
            Self::Long(sections) => sections.finish(),
        }
    }
}

impl Header {
    /// Whether the line begins the first section.
    fn line(&mut self, line: &str) -> Result<bool, String> {
        if !self.data {
            // Toolkits may say something before the data.
            self.data = line == "\\data\\";
            return Ok(false);
        }
        if line == "\\1-grams:" {
            if self.counts.is_empty() {
                return Err("no line `ngram 1=COUNT` before `\\1-grams:`".to_string());
            }
            return Ok(true);
        }
        if line.is_empty() {
            return Ok(false);
        }
        let next = self.counts.len() + 1;
        let count = line
            .strip_prefix("ngram ")
            .and_then(|rest| rest.split_once('='));
        match count.map(|(order, count)| (order.trim().parse::<usize>(), count.trim().parse())) {
            Some((Ok(order), Ok(count))) if order == next => {
                self.counts.push(count);
                Ok(false)
            }
            _ => Err(format!(
                "`ngram {next}=COUNT` or `\\1-grams:` is expected, not `{}`",
                excerpt(line)
            )),
        }
    }
}

impl<K: Key> Sections<K> {
    fn new(counts: Vec<u64>, packing: Packing) -> Self {
        Self {
            packing,
            order: 0,
            read: 0,
            ended: false,
            builder: Builder::new(Vocabulary::new(), packing, counts.len()),
            counts,
        }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() || self.ended {
            return Ok(());
        }
        if line.starts_with('\\') && (line == "\\end\\" || line.ends_with("-grams:")) {
            return self.title(line);
        }
        let mut fields = line.split([' ', '\t']).filter(|field| !field.is_empty());
        let prob = fields.next().ok_or_else(|| self.missing(line))?;
        let log10_prob = self.number(prob, "probability")?;
        if log10_prob > 0.0 {
            return Err(format!("a log10 probability above 0: {prob}"));
        }
        let mut key = K::ZERO;
        for _ in 0..self.order {
            let word = fields.next().ok_or_else(|| self.missing(line))?;
            let word = self.word(word)?;
            key = key.up(self.packing.bits).or(K::from_word(word));
        }
        let backoff = match fields.next() {
            Some(backoff) => self.number(backoff, "back-off")?,
            None => 0.0,
        };
        if fields.next().is_some() {
            return Err(format!(
                "more than a probability, {} words and a back-off: `{}`",
                self.order,
                excerpt(line)
            ));
        }
        self.read += 1;
        if self.read > self.counts[self.order - 1] {
            return Err(self.miscounted("more"));
        }
        // An n-gram of the highest order is no context, whatever the file says.
        let backoff = if self.order < self.counts.len() {
            backoff
        } else {
            0.0
        };
        self.builder.push(self.order, key, log10_prob, backoff);
        Ok(())
    }

    fn title(&mut self, line: &str) -> Result<(), String> {
        if self.order > 0 && self.read < self.counts[self.order - 1] {
            return Err(self.miscounted(&format!("{} only", self.read)));
        }
        let next = self.order + 1;
        let expected = if self.order < self.counts.len() {
            format!("\\{next}-grams:")
        } else {
            "\\end\\".to_string()
        };
        if line != expected {
            return Err(format!("`{expected}` is expected, not `{}`", excerpt(line)));
        }
        self.ended = self.order == self.counts.len();
        self.order = next;
        self.read = 0;
        Ok(())
    }

    fn finish(self) -> Result<Trie, String> {
        if !self.ended {
            return Err("the file ends without `\\end\\`; it is cut short".to_string());
        }
        self.builder.finish()
    }

    fn word(&mut self, word: &str) -> Result<u32, String> {
        let word = if word == "<UNK>" { "<unk>" } else { word };
        let vocabulary = self.builder.vocabulary_mut();
        if self.order == 1 {
            return Ok(vocabulary.insert(word));
        }
        vocabulary
            .find(word)
            .ok_or_else(|| format!("`{}` is not among the 1-grams", excerpt(word)))
    }

    fn number(&self, field: &str, what: &str) -> Result<f32, String> {
        match field.parse::<f32>() {
            Ok(f32::NEG_INFINITY) => Ok(LOG_ZERO),
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(format!("`{}` is no log10 {what}", excerpt(field))),
        }
    }

    fn missing(&self, line: &str) -> String {
        let order = self.order;
        format!(
            "a log10 probability and {order} words are expected, not `{}`",
            excerpt(line)
        )
    }

    fn miscounted(&self, found: &str) -> String {
        let order = self.order;
        let count = self.counts[order - 1];
        format!(
            "the header promises {count} {order}-grams, and there are {found}; the file is damaged"
        )
    }
}

/// Enough of a line for a message.
fn excerpt(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short + "…"
    } else {
        short
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Trie, Error> {
        let bytes = std::io::Cursor::new(text.to_string().into_bytes());
        read_arpa(Source::new("x.arpa".into(), bytes)?)
    }

    const SRILM: &str = "\nsome words of a toolkit\n\n\\data\\\nngram 1=4\nngram 2=2\nngram 3=1\n\n\\1-grams:\n\
        -0.5\t</s>\n-99\t<s>\t-0.3\n-0.7\ta\t-0.2\n-0.9\tb\t-0.1\n\n\\2-grams:\n-0.4\t<s> a\t-0.25\n-0.6 a  b \n\n\
        \\3-grams:\n-0.05\ta a b\n\n\\end\\\nanything\n";

    #[test]
    fn srilm_files_are_read_and_what_they_lack_is_completed() {
        let trie = read(SRILM).unwrap();
        let id = |word| trie.vocabulary.id(word);
        assert_eq!(trie.counts(), [5, 3, 1]);
        assert_eq!(trie.log10_prob(&[id("<unk>")]), -100.0);
        assert_eq!(trie.log10_prob(&[id("<s>"), id("a")]), -0.4);
        assert_eq!(trie.log10_prob(&[id("<s>"), id("a"), id("b")]), -0.25 - 0.6);
        assert_eq!(trie.log10_prob(&[id("a"), id("a"), id("b")]), -0.05);
        // `a a` is a context that the file does not list: it has the probability of backing off.
        assert_eq!(trie.log10_prob(&[id("a"), id("a")]), -0.2 - 0.7);
        assert_eq!(trie.log10_prob(&[id("b"), id("a")]), -0.1 - 0.7);
    }

    #[test]
    fn a_broken_file_is_refused_with_its_line() {
        for (from, to, expected) in [
            (
                "-0.7\ta\t-0.2",
                "x\ta\t-0.2",
                "line 12: `x` is no log10 probability",
            ),
            (
                "-0.7\ta\t-0.2",
                "0.7\ta\t-0.2",
                "line 12: a log10 probability above 0: 0.7",
            ),
            (
                "-0.7\ta\t-0.2",
                "-0.7\ta\tnan",
                "line 12: `nan` is no log10 back-off",
            ),
            (
                "-0.7\ta\t-0.2",
                "-0.7",
                "line 12: a log10 probability and 1 words are expected",
            ),
            (
                "-0.7\ta\t-0.2",
                "-0.7\ta\t-0.2\t-1",
                "line 12: more than a probability, 1 words and a back-off",
            ),
            (
                "-0.4\t<s> a",
                "-0.4\t<s> c",
                "line 16: `c` is not among the 1-grams",
            ),
            (
                "ngram 2=2",
                "ngram 2=3",
                "line 19: the header promises 3 2-grams, and there are 2 only",
            ),
            (
                "ngram 2=2",
                "ngram 2=1",
                "line 17: the header promises 1 2-grams, and there are more",
            ),
            ("ngram 2=2", "ngram 4=2", "line 6: `ngram 2=COUNT`"),
            (
                "\\3-grams:",
                "\\4-grams:",
                "line 19: `\\3-grams:` is expected",
            ),
            (
                "\\end\\\n",
                "",
                "line 22: the header promises 1 3-grams, and there are more",
            ),
            ("-0.6 a  b", "-0.6 <s> a", "the n-gram `<s> a` comes twice"),
            ("\\data\\", "data", "not an ARPA file"),
        ] {
            let broken = SRILM.replacen(from, to, 1);
            let broken = if expected.contains("and there are more") && from.starts_with("\\end") {
                broken.replace("anything", "-0.1 b a b")
            } else {
                broken
            };
            let message = read(&broken).unwrap_err().to_string();
            assert!(
                message.starts_with("x.arpa") && message.contains(expected),
                "{expected}: {message}"
            );
        }
        let cut = &SRILM[..SRILM.find("\\3-grams").unwrap()];
        let message = read(cut).unwrap_err().to_string();
        assert!(
            message.contains("line 18: the file ends without `\\end\\`"),
            "{message}"
        );
    }
}
