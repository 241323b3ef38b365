//! From log-probabilities of tokens to words.

mod greedy;
mod guide;
mod hypothesis;
mod prefix_beam;
mod prefixes;

pub use greedy::greedy;
pub use guide::{Guide, Unguided};
pub use hypothesis::Hypothesis;
pub use prefix_beam::PrefixBeam;
