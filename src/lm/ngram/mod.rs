//! n-gram models: estimation in stages, ARPA files, and the compact form that answers queries.
//!
//! Estimation runs through the files in this order, each with its input, output and order at its
//! head: `tokens`, `count`, `adjust`, `discount`, `normalise`, `smooth`; `estimate` joins them.

mod adjust;
mod arpa_writer;
mod count;
mod discount;
mod estimate;
mod key;
mod normalise;
mod radix;
mod smooth;
mod sort;
mod spool;
mod tokens;

pub use arpa_writer::ArpaFile;
pub use discount::FALLBACK;
pub use estimate::{Estimation, VocabularyLimit, estimate};
pub use tokens::Reading;
