//! How wrong a recogniser is: alignment, word and character error rates.

mod align;
mod counts;

pub use align::{Alignment, Costs, Operation, align};
pub use counts::ErrorCounts;
