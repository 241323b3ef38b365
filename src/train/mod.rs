//! The one training loop: batches, optimisers, schedules, clipping, weight noise, averaging,
//! checkpoints, metrics.
//!
//! It knows a [`Task`] and no speech: the acoustic model and the recurrent language models are
//! tasks. Everything random is drawn from streams that are a function of the seed and the position
//! ([`stream`]), so a run that was killed and resumed draws what it would have drawn.

mod average;
mod batching;
mod checkpoint;
mod config;
mod epoch;
mod metrics;
mod optimiser;
mod random;
mod resume;
mod schedule;
mod task;
mod tensorboard;
mod weight_noise;

pub use average::average;
pub use batching::{BatchOrder, batches, batches_by_length};
pub use checkpoint::{Checkpoint, State, sha256, write_whole};
pub use config::{Config, OptimiserConfig, OptimiserKind, ScheduleConfig, ScheduleKind};
pub use epoch::{Observer, Outcome, Plan, Progress, Silent, train};
pub use metrics::{EpochRecord, Metrics};
pub use optimiser::{Optimiser, global_norm};
pub use random::{Rng, stream};
pub use schedule::Schedule;
pub use task::{Evaluation, Loss, Task};
pub use weight_noise::WeightNoise;

use std::path::PathBuf;

/// Why training stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tensor operation failed: a bug or a shape that the configuration got wrong.
    #[error("tensor operation: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A layer or a parameter set failed.
    #[error(transparent)]
    Layer(#[from] crate::nn::Error),
    /// A file of the run could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A checkpoint is there but cannot be used.
    #[error("{}: {why}", path.display())]
    Checkpoint {
        /// The checkpoint file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        why: String,
    },
    /// The loss or a gradient is no longer a number.
    #[error(
        "training diverged at epoch {epoch}, step {step}: {what}; the last good checkpoint is kept: lower the learning rate or clip harder and resume"
    )]
    Diverged {
        /// Epoch, from 1.
        epoch: usize,
        /// Optimiser step, from 1.
        step: u64,
        /// The utterance and the layer.
        what: String,
    },
    /// The configuration asks for something impossible.
    #[error("{0}")]
    Config(String),
    /// The task failed: its own message names the file.
    #[error(transparent)]
    Task(Box<dyn std::error::Error + Send + Sync>),
}
