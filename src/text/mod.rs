//! Text as the recogniser sees it: token inventories, normalisation, pronunciation lexicons.

mod lexicon;
mod normalise;
mod tokens;

pub use lexicon::Lexicon;
pub use normalise::{Normalisation, Step};
pub use tokens::{BLANK, Tokens};

use std::path::PathBuf;

/// What can be wrong with an inventory, a normalisation or a lexicon.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No inventory has this name.
    #[error("no token inventory is named `{0}`; there are `characters` and `phones`")]
    UnknownInventory(String),
    /// The symbols of an inventory do not make one.
    #[error("bad token inventory: {0}")]
    BadInventory(String),
    /// A text has something that the inventory lacks.
    #[error(
        "`{symbol}` of \"{text}\" is not in the token inventory: normalise the text or drop the utterance"
    )]
    OutsideInventory {
        /// The character or phone that has no token.
        symbol: String,
        /// The text it stands in.
        text: String,
    },
    /// No normalisation step has this name.
    #[error(
        "no normalisation step is named `{0}`; there are {steps}, and `english` (all of them) and `none`",
        steps = normalise::step_names()
    )]
    UnknownStep(String),
    /// The file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line of a lexicon that is not a word and its phones.
    #[error("{file}, line {line}, `{word}`: {what}")]
    Lexicon {
        /// The lexicon's name.
        file: String,
        /// Counted from 1.
        line: usize,
        /// The line's first field.
        word: String,
        /// What is wrong and what to do.
        what: String,
    },
}
