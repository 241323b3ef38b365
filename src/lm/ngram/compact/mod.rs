//! The compact form of an n-gram model: one piece of bytes, mapped from a file or embedded in the
//! program, that answers queries as it lies.
//!
//! It is the trie of Pibiri & Venturini 2017. The n-grams of an order stand in reading order, those
//! of one context side by side. An n-gram `u v w` is not kept with the number of `w` but with its
//! rank among the continuations of `v`, which is far smaller; that `v w` is there is seen to
//! ([`close`]). Of the n-grams, those that are contexts (continued, or with a back-off weight) are
//! marked ([`marks`]), each with the bounds of its continuations in the next order and its weight.
//! Ranks and bounds are rising sequences ([`rising`]), about two bits a number more than the
//! logarithm of their mean distance. Probabilities and weights are 32-bit floats, or codes in a table an order,
//! exact where few values occur and quantised where asked.
//!
//! A state is the chain of the contexts that end here, from one word up to as many as matter: no
//! longer than it must be to predict the same (right-state minimisation, Li & Khudanpur 2008;
//! Heafield 2011), so that equal futures are equal states. A query climbs that chain, looking for
//! the rank that it found among the continuations of one context among those of the next longer.

mod bits;
mod build;
mod close;
mod codes;
mod counting;
mod expand;
mod header;
mod map;
mod marks;
mod model;
mod rising;
mod state;

pub use build::compact;
pub use expand::expand;
pub use header::FORMAT;
pub use model::{Match, NGram, is_compact};
pub use state::State;
