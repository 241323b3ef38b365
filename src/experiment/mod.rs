//! Experiments: the file, its stages and their cache, the run directory, the report.

pub mod bench;
mod budget;
mod chain;
mod config;
mod data;
mod domain;
mod identity;
mod language;
mod material;
mod measure;
mod memory;
mod network;
mod plan;
mod plot;
mod report;
mod results;
mod run;
mod sets;
mod start;

pub use config::{Experiment, Features};
pub use data::{Data, SetConfig};
pub use domain::DomainConfig;
pub use language::LanguageConfig;
pub use measure::dev_utterances;
pub use memory::{Point, Study, StudyResults, run_study};
pub use plan::plan_of;
pub use report::write_report;
pub use results::{Results, SetResult};
pub use run::{RunOptions, run};
pub use start::Start;

use std::path::PathBuf;

/// Why an experiment stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The experiment file is wrong.
    #[error("{file}{}: {what}", line.map_or(String::new(), |line| format!(":{line}")))]
    Config {
        /// The file.
        file: String,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// The key and what it must be.
        what: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The corpora are not there.
    #[error("{0}")]
    Data(String),
    /// A corpus could not be imported.
    #[error(transparent)]
    Corpus(#[from] crate::corpus::Error),
    /// Features could not be extracted or read.
    #[error(transparent)]
    Features(#[from] crate::features::Error),
    /// Text or lexicon.
    #[error(transparent)]
    Text(#[from] crate::text::Error),
    /// Kernels and layers.
    #[error(transparent)]
    Nn(#[from] crate::nn::Error),
    /// The acoustic model or its data.
    #[error(transparent)]
    Acoustic(#[from] crate::acoustic::Error),
    /// Training stopped.
    #[error(transparent)]
    Train(#[from] crate::train::Error),
    /// The language model.
    #[error(transparent)]
    Language(Box<crate::lm::Error>),
    /// Letter-to-sound.
    #[error(transparent)]
    Pronounce(#[from] crate::pronounce::Error),
    /// The search.
    #[error(transparent)]
    Decode(#[from] crate::decode::Error),
    /// The model directory.
    #[error(transparent)]
    Recognise(#[from] crate::recognise::Error),
}

impl From<crate::lm::Error> for Error {
    fn from(error: crate::lm::Error) -> Self {
        Self::Language(Box::new(error))
    }
}
