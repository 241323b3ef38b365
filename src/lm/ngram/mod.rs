//! n-gram models: estimation in stages, ARPA files, and the compact form that answers queries.
//!
//! Estimation runs through the files in this order, each with its input, output and order at its
//! head: `tokens`, `count`, `adjust`, `discount`, `normalise`, `smooth`; `estimate` joins them.

mod adjust;
mod arpa_reader;
mod arpa_writer;
mod backoff;
mod compact;
mod count;
mod discount;
mod estimate;
mod file;
mod key;
mod mix;
mod normalise;
mod occupancy;
mod prune;
mod radix;
mod smooth;
mod sort;
mod spool;
#[cfg(test)]
mod testing;
mod tokens;
mod trie;

pub use arpa_reader::read_arpa;
pub use arpa_writer::ArpaFile;
pub use compact::{FORMAT, Match, NGram, State, compact, expand};
pub use discount::FALLBACK;
pub use estimate::{Estimation, VocabularyLimit, estimate};
pub use file::{Kind, read, read_compact, write};
pub use mix::mix;
pub use prune::{Limit, prune};
pub use tokens::Reading;
pub use trie::{InMemory, Level, Place, Trie};
