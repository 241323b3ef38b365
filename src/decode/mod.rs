//! From log-probabilities of tokens to words.

mod greedy;
mod hypothesis;

pub use greedy::{best_path, greedy};
pub use hypothesis::Hypothesis;
