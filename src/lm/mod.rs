//! Language models: n-grams, and what they share with recurrent ones.
//!
//! Every model is a [`LanguageModel`]: a state, the score of the next token, the end of a sentence,
//! many queries at once. [`ngram`] estimates n-gram models and answers from a mapped file, [`rnn`]
//! trains recurrent ones and answers from a model directory, [`Model`] is either; what works for any
//! model stands here: mixing, measuring, generating. Probabilities are `log₁₀`, the unit of ARPA
//! files.

mod any;
mod error;
mod generate;
mod measure;
mod mixture;
mod model;
pub mod ngram;
pub mod rnn;
mod source;
mod vocabulary;

pub use any::{Model, ModelState};
pub use error::Error;
pub use generate::{Sampling, generate, prompt, spelling};
pub use measure::{Sentence, Totals, score, score_lines};
pub use mixture::{Mixture, check_weights, tune_weights};
pub use model::LanguageModel;
pub use source::{MAX_LINE, Source};
pub use vocabulary::{END, SPACE, START, UNKNOWN, Unit, Vocabulary};
