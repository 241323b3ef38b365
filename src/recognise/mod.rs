//! A model directory and a waveform to words: what a Rust user calls, and what `transcribe` is.

mod align;
mod files;
mod formats;
mod language;
mod model;
mod recogniser;
mod stretches;
mod windows;

pub use crate::nn::{Storage, read_weights, write_weights};
pub use files::{ModelFiles, embedded_names};
pub use formats::{ctm, ctm_words, srt, stm, textgrid, trn, vtt};
pub use language::{
    LanguageChoice, read_language, read_lexicon, read_rescorer, rescorer_files, search_files,
};
pub use model::{Description, Provenance, read_description, rewrite_model, write_model};
pub use recogniser::{
    RecognisedWord, Recogniser, Segment, Settings, Transcript, model_weights, read_model,
};
pub use windows::{Window, Windows};

use std::path::PathBuf;

/// Why a model cannot be used or a recording not be recognised.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such model.
    #[error("there is no model `{name}`: give one of {known}, or a model directory")]
    NoSuchModel {
        /// What was asked for.
        name: String,
        /// The models in the binary.
        known: String,
    },
    /// A file of a model directory could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A model directory is not what it says.
    #[error("{model}: {what}")]
    Model {
        /// The model.
        model: String,
        /// What is wrong and what to do.
        what: String,
    },
    /// A text cannot be aligned with its recording.
    #[error("{0}")]
    Align(String),
    /// The recording could not be read.
    #[error(transparent)]
    Audio(#[from] crate::audio::Error),
    /// The features could not be computed.
    #[error(transparent)]
    Features(#[from] crate::features::Error),
    /// The acoustic model refused its input.
    #[error(transparent)]
    Acoustic(#[from] crate::acoustic::Error),
    /// The search refused its settings.
    #[error(transparent)]
    Decode(#[from] crate::decode::Error),
    /// A language model could not be read.
    #[error(transparent)]
    Language(Box<crate::lm::Error>),
    /// A lexicon could not be read.
    #[error(transparent)]
    Text(#[from] crate::text::Error),
    /// A layer refused its settings.
    #[error(transparent)]
    Nn(#[from] crate::nn::Error),
}

impl From<crate::lm::Error> for Error {
    fn from(error: crate::lm::Error) -> Self {
        Self::Language(Box::new(error))
    }
}
