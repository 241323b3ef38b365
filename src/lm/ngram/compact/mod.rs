//! The compact form of an n-gram model: one piece of bytes, mapped from a file or embedded in the
//! program, that answers queries as it lies.
//!
//! A back-off model is an automaton. Its states are the contexts that matter: n-grams that are
//! continued or have a back-off weight, and the empty one. A state holds its back-off weight, the
//! state of its longest proper suffix that matters, and an arc for each word that continues it,
//! sorted by word: the word, its probability, and the state that follows. That next state is
//! already the shortest one that predicts the same (right-state minimisation, Li & Khudanpur 2008;
//! Heafield 2011), so that equal futures are equal numbers. A state *is* the place of its bytes;
//! scoring a word that the context knows reads one place in memory.
//!
//! All fields are packed in as many bits as the model needs; values are 32-bit floats, or codes in
//! a table an order, exact where few values occur and quantised where asked.

mod bits;
mod build;
mod codes;
mod expand;
mod header;
mod map;
mod model;

pub use build::compact;
pub use expand::expand;
pub use model::{Match, NGram, State, is_compact};
