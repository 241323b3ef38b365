//! A language model, made ready for the search over one inventory.

use std::f32::consts::LN_10;

use super::lexicon_tree::LexiconTree;
use super::{Error, pronounce, spell};
use crate::lm::ngram::NGram;
use crate::lm::{END, UNKNOWN, Unit};
use crate::text::{Lexicon, Tokens};

/// An n-gram and the ways to read it in tokens. It can be shared between searches with different
/// weights.
pub struct Language {
    ngram: NGram,
    reading: Reading,
}

/// How a model's units stand in tokens.
pub(super) enum Reading {
    /// Words by their letters or their pronunciations.
    Words(LexiconTree),
    /// A character is a token.
    Characters,
}

impl Language {
    /// A language model for an inventory. Words are spelled where the tokens are characters and
    /// pronounced as `lexicon` says where they are phones.
    ///
    /// # Errors
    /// [`Error::Config`] if phones have no lexicon, a model of characters is to guide a search for
    /// phones, or no word of the model can be found.
    pub fn new(ngram: NGram, tokens: &Tokens, lexicon: Option<&Lexicon>) -> Result<Self, Error> {
        let refuse = |what: String| Err(Error::Config(format!("{}: {what}", ngram.name())));
        let spelled = tokens.space().is_some();
        let reading = match (ngram.vocabulary().unit(), spelled, lexicon) {
            (Unit::Character, true, _) => Reading::Characters,
            (Unit::Character, false, _) => {
                return refuse(
                    "a language model of characters cannot guide a search for phones".into(),
                );
            }
            (Unit::Word, true, _) => Reading::Words(spell(&ngram, tokens)),
            (Unit::Word, false, Some(lexicon)) => Reading::Words(pronounce(&ngram, lexicon)),
            (Unit::Word, false, None) => {
                return refuse(
                    "a search for phones needs a pronunciation lexicon for the model's words: give --lexicon FILE"
                        .into(),
                );
            }
        };
        if matches!(&reading, Reading::Words(tree) if tree.is_empty()) {
            return refuse(
                "none of its words can be spelled in the acoustic model's tokens".into(),
            );
        }
        Ok(Self { ngram, reading })
    }

    /// The n-gram.
    pub fn ngram(&self) -> &NGram {
        &self.ngram
    }

    /// `ln p` of a text and its end; a token that the model does not know adds `unknown` (nats).
    pub fn log_prob(&self, text: &str, unknown: f32) -> f32 {
        self.token_log_probs(text, unknown).iter().sum()
    }

    /// [`Self::log_prob`] by token, `</s>` last.
    pub fn token_log_probs(&self, text: &str, unknown: f32) -> Vec<f32> {
        let vocabulary = self.ngram.vocabulary();
        let mut state = self.ngram.start();
        let words = vocabulary.encode(text, vocabulary.unit());
        let score = |word| {
            let (log10_prob, next) = self.ngram.score(state, word);
            state = next;
            let extra = if word == UNKNOWN { unknown } else { 0.0 };
            log10_prob * LN_10 + extra
        };
        words.into_iter().chain([END]).map(score).collect()
    }

    pub(super) fn reading(&self) -> &Reading {
        &self.reading
    }
}

impl std::fmt::Display for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let order = self.ngram.order();
        match &self.reading {
            Reading::Words(tree) => write!(f, "{order}-gram, {} spellings", tree.len()),
            Reading::Characters => write!(f, "{order}-gram of characters"),
        }
    }
}
