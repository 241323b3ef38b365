//! From log-probabilities of tokens to words.

mod character_guide;
mod choices;
mod confidence;
mod config;
mod decoder;
mod greedy;
mod guide;
mod hot_words;
mod hypothesis;
mod language;
mod lexicon_tree;
mod prefix_beam;
mod prefixes;
#[cfg(test)]
mod reference;
mod rescore;
mod times;
mod tuning;
mod word_guide;

pub use character_guide::{CharacterGuide, CharacterState, Predicted, Predictor, Recurrent};
pub use choices::Choices;
pub use confidence::{Calibration, cross_entropies, normalised_cross_entropy, word_posteriors};
pub use config::{Config, Method};
pub use decoder::Decoder;
pub use greedy::greedy;
pub use guide::{Guide, Probable, Step, Unguided};
pub use hot_words::{Boosted, HotPhrase, HotWord, HotWords};
pub use hypothesis::{Hypothesis, Parts, Word};
pub use language::Language;
pub use lexicon_tree::{LexiconTree, Spelling};
pub use prefix_beam::PrefixBeam;
pub use rescore::{Rescorer, interpolated, oracle, text_log_probs};
pub use times::{Boundaries, TimedToken, TimedWord, word_times};
pub use tuning::{DevUtterance, Models, Point, Trial, Tuned, tune};
pub use word_guide::{Weights, WordGuide, WordState, pronounce, spell};

/// What can be wrong with a search's settings or its input.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A configuration value is impossible.
    #[error("{0}")]
    Config(String),
    /// The log-probabilities are not finite.
    #[error(transparent)]
    Loss(#[from] crate::ctc::Error),
    /// A language model.
    #[error(transparent)]
    Language(Box<crate::lm::Error>),
    /// The log-probabilities have no frames.
    #[error(transparent)]
    Layout(#[from] crate::nn::Error),
}

impl From<crate::lm::Error> for Error {
    fn from(error: crate::lm::Error) -> Self {
        Self::Language(Box::new(error))
    }
}
