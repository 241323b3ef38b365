//! From log-probabilities of tokens to words.

mod choices;
mod config;
mod greedy;
mod guide;
mod hypothesis;
mod prefix_beam;
mod prefixes;

pub use choices::Choices;
pub use config::{Config, Method};
pub use greedy::greedy;
pub use guide::{Guide, Unguided};
pub use hypothesis::Hypothesis;
pub use prefix_beam::PrefixBeam;

/// What can be wrong with a search's settings or its input.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A configuration value is impossible.
    #[error("{0}")]
    Config(String),
    /// The log-probabilities are not finite.
    #[error(transparent)]
    Loss(#[from] crate::ctc::Error),
    /// The log-probabilities have no frames.
    #[error(transparent)]
    Layout(#[from] crate::nn::Error),
}
