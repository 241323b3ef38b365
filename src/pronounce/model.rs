//! Training a letter-to-sound model, and asking it.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::Path;

use super::Error;
use super::align::align;
use super::graphone::Graphone;
use crate::lm::ngram::{self, Estimation, FALLBACK, InMemory, Limit, NGram, Reading, State, Trie};
use crate::lm::ngram::{VocabularyLimit, estimate, prune};
use crate::lm::{END, MAX_LINE, Source, Unit};
use crate::text::{Lexicon, Tokens};

/// Hypotheses that the search goes on with after each letter.
const BEAM: usize = 64;

/// Those less probable than the best by more than so many powers of ten are dropped.
const MARGIN: f32 = 4.0;

/// How a model is trained.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    /// Graphones of the longest n-grams.
    pub order: usize,
    /// n-grams to keep, by relative entropy.
    pub ngrams: usize,
}

impl Default for Training {
    /// 7.1% of the phones wrong on held-out words of CMUdict, in a megabyte.
    fn default() -> Self {
        Self {
            order: 6,
            ngrams: 140_000,
        }
    }
}

/// Bits of a probability in the compact form.
const BITS: u32 = 8;

/// A letter-to-sound model.
pub struct LetterToSound {
    model: NGram,
    /// By the first letter, the graphones that begin with it.
    graphones: HashMap<char, Vec<Candidate>>,
}

struct Candidate {
    second: Option<char>,
    phones: Vec<u32>,
    word: u32,
}

impl LetterToSound {
    /// Learns from a lexicon. [`ngram::write`] keeps the model, `BITS` bits a value.
    ///
    /// # Errors
    /// [`Error::NothingToLearn`] if no word can be aligned.
    pub fn train(lexicon: &Lexicon, phones: &Tokens, training: Training) -> Result<Trie, Error> {
        let mut text = String::new();
        for graphones in align(lexicon, phones.len()) {
            for graphone in graphones {
                text.push_str(&graphone.spelling(phones));
                text.push(' ');
            }
            text.push('\n');
        }
        if text.is_empty() {
            return Err(Error::NothingToLearn);
        }
        let estimation = Estimation {
            order: training.order,
            prune: Vec::new(),
            vocabulary: VocabularyLimit::All,
            discount_fallback: Some(FALLBACK),
            reading: Reading {
                unit: Unit::Word,
                max_line: MAX_LINE,
                skip_symbols: false,
            },
            memory: 4 << 30,
            folder: std::env::temp_dir(),
        };
        let source = Source::new("the lexicon".into(), Cursor::new(text))?;
        let all = estimate(vec![source], &estimation, InMemory)?;
        Ok(prune(&all, Limit::Ngrams(training.ngrams)))
    }

    /// Writes a trained model.
    ///
    /// # Errors
    /// Those of [`ngram::write`].
    pub fn write(path: &Path, trie: &Trie) -> Result<(), Error> {
        Ok(ngram::write(path, trie, Some(BITS))?)
    }

    /// A trained model, as it would be read back.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub fn from_trie(trie: &Trie, phones: &Tokens) -> Result<Self, Error> {
        let model = NGram::from_trie("the trained model".into(), trie, Some(BITS))?;
        Self::new(model, phones)
    }

    /// Takes an n-gram over graphones, from a mapped file or from bytes in the program.
    ///
    /// # Errors
    /// [`Error::NotGraphones`] if its words are something else.
    pub fn new(model: NGram, phones: &Tokens) -> Result<Self, Error> {
        let mut graphones: HashMap<char, Vec<Candidate>> = HashMap::new();
        for (number, word) in (0..).zip(model.vocabulary().words()).skip(3) {
            let Some(Graphone { letters, phones }) = Graphone::parse(word, phones) else {
                return Err(Error::NotGraphones {
                    name: model.name().into(),
                    word: word.into(),
                });
            };
            graphones.entry(letters[0]).or_default().push(Candidate {
                second: letters.get(1).copied(),
                phones,
                word: number,
            });
        }
        Ok(Self { model, graphones })
    }

    /// Bytes of the model.
    pub fn size(&self) -> usize {
        self.model.size()
    }

    /// The `most` most probable pronunciations of a word, best first, each with its share of the
    /// probability of all that the beam search found. Alignments of one pronunciation are summed.
    /// None for a word with a letter that the model does not know.
    pub fn pronounce(&self, word: &str, most: usize) -> Vec<(Vec<u32>, f32)> {
        let letters: Vec<char> = word.chars().collect();
        let mut said = Said::default();
        let mut waiting: Vec<HashMap<(State, u32), f32>> = vec![HashMap::new(); letters.len() + 1];
        waiting[0].insert((self.model.start(), Said::NOTHING), 0.0);
        for (at, &letter) in letters.iter().enumerate() {
            let Some(candidates) = self.graphones.get(&letter) else {
                return Vec::new();
            };
            let next = letters.get(at + 1);
            for ((state, phones), score) in best(std::mem::take(&mut waiting[at])) {
                for candidate in candidates {
                    if candidate.second.is_some() && candidate.second.as_ref() != next {
                        continue;
                    }
                    let (log10_prob, state) = self.model.score(state, candidate.word);
                    let phones = candidate
                        .phones
                        .iter()
                        .fold(phones, |phones, &phone| said.then(phones, phone));
                    let to = at + 1 + usize::from(candidate.second.is_some());
                    let sum = waiting[to]
                        .entry((state, phones))
                        .or_insert(f32::NEG_INFINITY);
                    *sum = log10_sum(*sum, score + log10_prob);
                }
            }
        }
        let mut whole: HashMap<(State, u32), f32> = HashMap::new();
        for ((state, phones), score) in best(std::mem::take(&mut waiting[letters.len()])) {
            if phones != Said::NOTHING {
                let (end, _) = self.model.score(state, END);
                let sum = whole
                    .entry((self.model.empty(), phones))
                    .or_insert(f32::NEG_INFINITY);
                *sum = log10_sum(*sum, score + end);
            }
        }
        let whole = best(whole);
        let all = whole
            .iter()
            .fold(f32::NEG_INFINITY, |sum, &(_, score)| log10_sum(sum, score));
        whole
            .into_iter()
            .take(most)
            .map(|((_, phones), score)| (said.phones(phones), 10f32.powf(score - all)))
            .collect()
    }
}

/// The best hypotheses, best first; of equal ones those with the smaller numbers.
fn best(hypotheses: HashMap<(State, u32), f32>) -> Vec<((State, u32), f32)> {
    let mut sorted: Vec<_> = hypotheses.into_iter().collect();
    sorted.sort_unstable_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
    let least = sorted.first().map_or(0.0, |(_, score)| score - MARGIN);
    sorted.truncate(BEAM);
    sorted.retain(|&(_, score)| score >= least);
    sorted
}

/// `log₁₀(10^a + 10^b)`.
fn log10_sum(a: f32, b: f32) -> f32 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f32::NEG_INFINITY {
        return high;
    }
    high + 10f32.powf(low - high).ln_1p() * std::f32::consts::LOG10_E
}

/// Sequences of phones, equal ones once: a number for each.
#[derive(Default)]
struct Said {
    numbers: HashMap<(u32, u32), u32>,
    /// By number from 1: the sequence without its last phone, and that phone.
    sequences: Vec<(u32, u32)>,
}

impl Said {
    /// The empty sequence.
    const NOTHING: u32 = 0;

    fn then(&mut self, phones: u32, phone: u32) -> u32 {
        let next = self.sequences.len() as u32 + 1;
        let number = *self.numbers.entry((phones, phone)).or_insert(next);
        if number == next {
            self.sequences.push((phones, phone));
        }
        number
    }

    fn phones(&self, mut number: u32) -> Vec<u32> {
        let mut phones = Vec::new();
        while number != Self::NOTHING {
            let (before, phone) = self.sequences[number as usize - 1];
            phones.push(phone);
            number = before;
        }
        phones.reverse();
        phones
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "fix F IH K S\nfox F AA K S\nphone F OW N\nphil F IH L\nlax L AE K S\n\
        no N OW\nfin F IH N\nlid L IH D\nda D AA\npal P AE L\npan P AE N\nnib N IH B\n\
        nine N AY N\nlone L OW N\ntone T OW N\nbone B OW N\nzone Z OW N\npin P IH N\nbin B IH N\n";

    fn trained() -> (LetterToSound, Tokens) {
        let phones = Tokens::phones();
        let lexicon = Lexicon::parse(TEXT.as_bytes(), "x", &phones).unwrap();
        let training = Training {
            order: 3,
            ngrams: 1000,
        };
        let trie = LetterToSound::train(&lexicon, &phones, training).unwrap();
        (LetterToSound::from_trie(&trie, &phones).unwrap(), phones)
    }

    #[test]
    fn words_that_the_lexicon_lacks_are_pronounced_like_those_it_has() {
        let (model, phones) = trained();
        let first = |word: &str| phones.decode(&model.pronounce(word, 1)[0].0);
        assert_eq!(first("phix"), "F IH K S");
        assert_eq!(first("phone"), "F OW N");
        assert_eq!(first("pone"), "P OW N");
    }

    #[test]
    fn alternatives_differ_come_best_first_and_share_one() {
        let (model, _) = trained();
        let all = model.pronounce("nine", 1000);
        assert!(all.len() > 1);
        assert!(all.is_sorted_by(|a, b| a.1 >= b.1));
        let sum: f32 = all.iter().map(|(_, share)| share).sum();
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
        for (at, (phones, _)) in all.iter().enumerate() {
            assert!(all[..at].iter().all(|(other, _)| other != phones));
        }
        assert_eq!(model.pronounce("nine", 1)[0].0, all[0].0);
    }

    #[test]
    fn a_letter_that_the_model_does_not_know_has_no_pronunciation() {
        let (model, _) = trained();
        assert!(model.pronounce("qi", 3).is_empty());
        assert!(model.pronounce("", 3).is_empty());
    }

    #[test]
    fn an_ngram_over_words_is_refused() {
        let text =
            "\\data\\\nngram 1=4\n\n\\1-grams:\n-1 <unk>\n-1 <s>\n-1 </s>\n-1 word\n\n\\end\\\n";
        let source = Source::new("x".into(), Cursor::new(text)).unwrap();
        let trie = ngram::read_arpa(source).unwrap();
        let model = NGram::from_trie("words.bin".into(), &trie, None).unwrap();
        let error = LetterToSound::new(model, &Tokens::phones()).err().unwrap();
        assert!(error.to_string().starts_with("words.bin: its word `word`"));
    }

    #[test]
    fn a_lexicon_without_a_word_that_aligns_is_refused() {
        let phones = Tokens::phones();
        let lexicon = Lexicon::parse(b"x EH K S IH Z\n", "x", &phones).unwrap();
        let training = Training {
            order: 2,
            ngrams: 10,
        };
        let error = LetterToSound::train(&lexicon, &phones, training).unwrap_err();
        assert!(matches!(error, Error::NothingToLearn));
    }
}
