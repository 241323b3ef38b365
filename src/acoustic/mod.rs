//! The acoustic model: features to token log-probabilities, and the task that trains it.
//!
//! A stack of recurrent layers (bidirectional LSTM in the main line) with one or more CTC outputs,
//! each a linear layer on the recurrent layer that the configuration names (Graves, Mohamed &
//! Hinton 2013; Graves & Jaitly 2014).

mod concatenation;
mod config;
mod data;
mod evaluate;
mod init;
mod model;
mod objective;
mod specaugment;
mod task;
mod warp;

pub use concatenation::Concatenation;
pub use config::{Average, Config, OutputConfig, TaskConfig};
pub use data::{DataSet, Example};
pub use init::{Initial, initialise_from};
pub use model::{AcousticModel, Output};
pub use objective::{ErrorUnit, ExpectedLoss};
pub use specaugment::SpecAugment;
pub use task::AcousticTask;
pub use warp::Warp;

/// What can be wrong with an acoustic model or its data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tensor operation failed.
    #[error("tensor operation: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A layer refused its configuration or its input.
    #[error(transparent)]
    Layer(#[from] crate::nn::Error),
    /// The loss refused its input.
    #[error(transparent)]
    Ctc(#[from] crate::ctc::Error),
    /// A feature store could not be read.
    #[error(transparent)]
    Features(#[from] crate::features::Error),
    /// A configuration value is impossible.
    #[error("{0}")]
    Config(String),
    /// The training data cannot be used.
    #[error("{0}")]
    Data(String),
    /// The weights do not fit the architecture.
    #[error("the weights do not fit the model: {0}")]
    Weights(String),
}

impl From<Error> for crate::train::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Tensor(error) => Self::Tensor(error),
            Error::Layer(error) => Self::Layer(error),
            other => Self::Task(Box::new(other)),
        }
    }
}
