//! Letter-to-sound: pronunciations of words that a lexicon lacks.
//!
//! A joint-sequence model (Bisani & Ney 2008): a word and its pronunciation are spelled together by
//! one sequence of *graphones*, pairs of one or two letters and up to two phones. `align` finds
//! the graphones of a lexicon's entries by expectation maximisation, an n-gram of the `lm` room is
//! estimated over them as if each entry were a sentence, and a beam search over the graphones that
//! spell a word finds its most probable phones.

mod align;
mod complete;
mod graphone;
mod measure;
mod model;

pub use complete::{Entry, Guesses, complete};
pub use measure::{Measured, held_out};
pub use model::{LetterToSound, Training};

use crate::lm;

/// What can go wrong with a letter-to-sound model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A lexicon without an entry that letters can be aligned with.
    #[error(
        "no word of the lexicon can be aligned with its phones; give one with a word and its phones on each line"
    )]
    NothingToLearn,
    /// A language model whose words are not graphones of this inventory.
    #[error(
        "{name}: its word `{word}` is not letters and phones of the inventory; train it with `hearken lexicon train`"
    )]
    NotGraphones {
        /// The model.
        name: String,
        /// The first bad word.
        word: String,
    },
    /// The n-gram could not be estimated, read or written.
    #[error(transparent)]
    Model(#[from] lm::Error),
}
