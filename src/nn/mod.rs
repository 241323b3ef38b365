//! Recurrent layers (simple RNN and LSTM, uni- and bidirectional, stacked), linear and embedding
//! layers, forward and backward, on packed batches.
//!
//! A batch has no padding: see [`Packing`]. A layer is one custom op of the tensor library with a
//! hand-written backward pass ([`RecurrentLayer`]); its arithmetic stands in [`recurrence`], as
//! plain loops over slices with one product a time step.

mod allocator;
mod cell;
mod dropout;
mod embedding;
mod error;
pub mod gemm;
mod kernels;
mod layer_op;
mod linear;
mod memory;
mod packing;
mod parameters;
mod path;
pub mod product;
pub mod recurrence;
mod recurrent;
mod spare;
mod stack;
mod tensor;
mod version;
mod weights;

pub use allocator::keep_freed_memory;
pub use cell::Cell;
pub use dropout::dropout;
pub use embedding::Embedding;
pub use error::Error;
pub use linear::Linear;
pub use memory::Memory;
pub use packing::{Packing, Step};
pub use parameters::Parameters;
pub use path::{Path, Precision, Runtime};
pub use recurrent::{LayerConfig, RecurrentLayer, State};
pub use stack::{NotFinite, Outputs, Recurrent, RecurrentConfig};
pub use tensor::with_values;
pub use version::{Derived, Version};
pub use weights::{Storage, read_weights, write_weights};

use candle_core::Tensor;

/// What a forward pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Outputs only: no dropout, nothing kept for a backward pass.
    Infer,
    /// A backward pass follows.
    Train {
        /// Decides the dropout masks of this pass.
        seed: u64,
    },
}

impl Mode {
    /// [`dropout`] in training, with a mask of its own for each `place` in the model; the tensor
    /// itself otherwise.
    ///
    /// Fails when `p` is not in `[0, 1)`.
    pub fn dropout(self, x: &Tensor, p: f32, place: u64) -> Result<Tensor, Error> {
        match self {
            Mode::Infer => Ok(x.clone()),
            // An odd factor keeps the seeds of two places, and of two steps, apart.
            Mode::Train { seed } => dropout(
                x,
                p,
                seed.wrapping_add(place.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            ),
        }
    }
}
