//! Language models: n-grams, and what they share with recurrent ones.

mod error;
pub mod ngram;
mod source;
mod vocabulary;

pub use error::Error;
pub use source::{MAX_LINE, Source};
pub use vocabulary::{END, SPACE, START, UNKNOWN, Unit, Vocabulary};
