//! A language model, made ready for the search over one inventory.

use std::collections::{BTreeMap, BTreeSet};

use super::lexicon_tree::LexiconTree;
use super::{Error, HotPhrase, HotWord, Rescorer as _, pronounce, spell};
use crate::lm::ngram::NGram;
use crate::lm::rnn::Rnn;
use crate::lm::{LanguageModel as _, Unit};
use crate::text::{Lexicon, Tokens};

/// A language model and the ways to read it in tokens. It can be shared between searches with
/// different weights.
pub struct Language {
    reading: Reading,
    /// Words that it does not know and that may be found all the same.
    more: Vec<String>,
    /// The words of hot phrases as they are pronounced.
    hot: BTreeMap<String, HotWord>,
}

/// A model and how its units stand in tokens.
pub(super) enum Reading {
    /// Words by their letters or their pronunciations.
    Words(NGram, LexiconTree),
    /// A character is a token.
    Characters(NGram),
    /// The same, of a recurrent model.
    Recurrent(Box<Rnn>),
}

impl Language {
    /// A language model for an inventory. Words are spelled where the tokens are characters and
    /// pronounced as `lexicon` says where they are phones. The words of `hot` phrases may be found
    /// although the model does not know them.
    ///
    /// # Errors
    /// [`Error::Config`] if phones have no lexicon, a model of characters is to guide a search for
    /// phones, or no word of the model can be found.
    pub fn new(
        ngram: NGram,
        tokens: &Tokens,
        lexicon: Option<&Lexicon>,
        hot: &[HotPhrase],
    ) -> Result<Self, Error> {
        let refuse = |what: String| Err(Error::Config(format!("{}: {what}", ngram.name())));
        let spelled = tokens.space().is_some();
        let hot: BTreeSet<&str> = hot.iter().flat_map(|p| p.text.split_whitespace()).collect();
        let unknown = |word: &&&str| ngram.vocabulary().find(word).is_none();
        let more: Vec<String> = hot
            .iter()
            .filter(unknown)
            .map(|w| (*w).to_owned())
            .collect();
        let tree = match (ngram.vocabulary().unit(), spelled, lexicon) {
            (Unit::Character, true, _) => None,
            (Unit::Character, false, _) => {
                return refuse(
                    "a language model of characters cannot guide a search for phones".into(),
                );
            }
            (Unit::Word, true, _) => Some(spell(&ngram, &more, tokens)),
            (Unit::Word, false, Some(lexicon)) => Some(pronounce(&ngram, &more, lexicon)),
            (Unit::Word, false, None) => {
                return refuse(
                    "a search for phones needs a pronunciation lexicon for the model's words: give --lexicon FILE"
                        .into(),
                );
            }
        };
        if tree.as_ref().is_some_and(LexiconTree::is_empty) {
            return refuse(
                "none of its words can be spelled in the acoustic model's tokens".into(),
            );
        }
        let numbers = (ngram.vocabulary().len() as u32..).zip(&more);
        let numbers: BTreeMap<&str, u32> = numbers.map(|(n, word)| (word.as_str(), n)).collect();
        let hot_word = |word: &str| {
            let pronunciations = lexicon?.pronunciations(word).to_vec();
            let number = ngram.vocabulary().find(word);
            let number = number.or_else(|| numbers.get(word).copied())?;
            (!pronunciations.is_empty()).then_some(HotWord {
                number,
                pronunciations,
            })
        };
        let hot = hot
            .into_iter()
            .filter_map(|w| Some((w.to_owned(), hot_word(w)?)));
        let hot = hot.collect();
        let reading = match tree {
            Some(tree) => Reading::Words(ngram, tree),
            None => Reading::Characters(ngram),
        };
        Ok(Self { reading, more, hot })
    }

    /// A recurrent model of characters for an inventory of characters.
    ///
    /// # Errors
    /// [`Error::Config`] if either is of something else.
    pub fn recurrent(rnn: Rnn, tokens: &Tokens) -> Result<Self, Error> {
        if rnn.vocabulary().unit() != Unit::Character || tokens.space().is_none() {
            return Err(Error::Config(format!(
                "{}: a recurrent model in the search is one of characters, where characters are decoded: give one of words with --rnn-lm, which rescores",
                rnn.name()
            )));
        }
        Ok(Self {
            reading: Reading::Recurrent(Box::new(rnn)),
            more: Vec::new(),
            hot: BTreeMap::new(),
        })
    }

    /// Words that the model does not know and that may be found all the same.
    pub(super) fn more(&self) -> &[String] {
        &self.more
    }

    /// A word of the hot phrases, where words are pronounced.
    pub(super) fn hot_word(&self, word: &str) -> Option<&HotWord> {
        self.hot.get(word)
    }

    /// `ln p` of a text by token, `</s>` last; a token that the model does not know adds `unknown`
    /// (nats).
    ///
    /// # Errors
    /// Those of a recurrent model.
    pub fn token_log_probs(&self, text: &str, unknown: f32) -> Result<Vec<f32>, Error> {
        let found = match &self.reading {
            Reading::Words(ngram, _) | Reading::Characters(ngram) => {
                ngram.token_log_probs(&[text], unknown)
            }
            Reading::Recurrent(rnn) => rnn.token_log_probs(&[text], unknown),
        }?;
        let mut scores = found.into_iter().next().unwrap_or_default();
        if !self.more.is_empty() {
            // The search does not hold it against them that the model does not know them.
            for (score, word) in scores.iter_mut().zip(text.split_whitespace()) {
                if self.more.iter().any(|more| more == word) {
                    *score -= unknown;
                }
            }
        }
        Ok(scores)
    }

    pub(super) fn reading(&self) -> &Reading {
        &self.reading
    }
}

impl std::fmt::Display for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.reading {
            Reading::Words(ngram, tree) => {
                write!(f, "{}-gram, {} spellings", ngram.order(), tree.len())
            }
            Reading::Characters(ngram) => write!(f, "{}-gram of characters", ngram.order()),
            Reading::Recurrent(_) => f.write_str("recurrent model of characters"),
        }
    }
}
