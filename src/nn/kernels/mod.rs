//! The fused recurrence: one direction of one layer on a fast path.
//!
//! What [`super::recurrence`] says in plain loops, done with packed weights and SIMD:
//!
//! - `W_hh` is packed once a pass (and in inference once for all), so that the four gates of the same cells come out of the
//!   product together and their non-linearities follow while the sums are still in the first
//!   level of cache.
//! - Panels of `W_hh` are walked forwards at one time step and backwards at the next, so that
//!   what the last step left in cache is what the next one begins with.
//! - Rows are dealt evenly to register tiles; the batch shrinks and grows as utterances end and
//!   begin, and nothing is computed for frames that do not exist.
//!
//! Layouts are those of the plain twin (`gates [N, G·H]`, order i f g o), so that the two can be
//! compared value by value, and a layer's passes can come from either.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod cells;
mod recurrence;

use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::gemm::kernel::Kernel;
#[cfg(target_arch = "x86_64")]
use super::gemm::panels::Packed;
use super::gemm::{PackedB, Start};
#[cfg(target_arch = "x86_64")]
use super::gemm::{amx::Amx, avx2::Avx2, avx512::Avx512, bf16::Bf16};
use super::packing::Stretch;
use super::recurrence::{self as plain, Carry, Direction, WeightGradients, matrix, matrix_mut};
use super::spare::Spare;
use super::{Cell, Path};

/// One direction's weights as the kernels of its path read them: made once a pass in training, and
/// once for all in inference.
pub(super) struct Weights {
    input: PackedB,
    recurrent: Recurrent,
}

/// `W_hh^T` in the panels of its path; the plain twin reads it as it is.
enum Recurrent {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2(Packed<Avx2>),
    #[cfg(target_arch = "x86_64")]
    Avx512(Packed<Avx512>),
    #[cfg(target_arch = "x86_64")]
    Bf16(Packed<Bf16>),
    #[cfg(target_arch = "x86_64")]
    Amx(Packed<Amx>),
}

impl Weights {
    /// Packs the weights of a direction for its path.
    pub(super) fn new(direction: &Direction<'_, f32>) -> Self {
        let recurrent =
            match direction.path {
                #[cfg(target_arch = "x86_64")]
                Path::Avx2 => Avx2::detect()
                    .map(|kernel| Recurrent::Avx2(recurrence::pack(kernel, direction))),
                #[cfg(target_arch = "x86_64")]
                Path::Avx512 => Avx512::detect()
                    .map(|kernel| Recurrent::Avx512(recurrence::pack(kernel, direction))),
                #[cfg(target_arch = "x86_64")]
                Path::Bf16Avx512 => Bf16::detect()
                    .map(|kernel| Recurrent::Bf16(recurrence::pack(kernel, direction))),
                #[cfg(target_arch = "x86_64")]
                Path::Bf16Amx => {
                    Amx::detect().map(|kernel| Recurrent::Amx(recurrence::pack(kernel, direction)))
                }
                _ => None,
            };
        Self {
            input: PackedB::new(direction.path, direction.input.reversed_axes()),
            recurrent: recurrent.unwrap_or(Recurrent::Plain),
        }
    }
}

/// `x W_ih^T + b` for many frames at once: `x` `[N, D]` into `gates` `[N, G·H]`.
pub(super) fn project(
    weights: &Weights,
    direction: &Direction<'_, f32>,
    x: ArrayView2<'_, f32>,
    gates: &mut [f32],
) {
    let (start, width) = (Start::Row(direction.bias), direction.bias.len());
    weights.input.product(x, start, gates, width);
}

/// The recurrence over what [`project`] left of a stretch's rows; see [`plain::forward`].
pub(super) fn forward(
    weights: &Weights,
    direction: &Direction<'_, f32>,
    stretch: &Stretch,
    gates: &mut [f32],
    output: ArrayViewMut2<'_, f32>,
    cells: Option<&mut [f32]>,
    carry: Carry<'_, f32>,
) {
    match &weights.recurrent {
        Recurrent::Plain => plain::forward_over(direction, stretch, gates, output, cells, carry),
        #[cfg(target_arch = "x86_64")]
        Recurrent::Avx2(w) => {
            recurrence::forward(w, direction, stretch, gates, output, cells, carry)
        }
        #[cfg(target_arch = "x86_64")]
        Recurrent::Avx512(w) => {
            recurrence::forward(w, direction, stretch, gates, output, cells, carry)
        }
        #[cfg(target_arch = "x86_64")]
        Recurrent::Bf16(w) => {
            recurrence::forward(w, direction, stretch, gates, output, cells, carry)
        }
        #[cfg(target_arch = "x86_64")]
        Recurrent::Amx(w) => {
            recurrence::forward(w, direction, stretch, gates, output, cells, carry)
        }
    }
}

/// The gradients of one direction's weights, from what [`forward`] left.
pub(super) struct Backward<'a> {
    /// Activations `[N, G·H]`; they become the gradients of the pre-activations.
    pub gates: &'a mut [f32],
    /// The LSTM's `c` `[N, H]`; empty for other cells.
    pub cells: &'a [f32],
    /// `h` and `c` `[B, H]` that the utterances began with.
    pub start: (&'a [f32], &'a [f32]),
    /// `[N, D]`.
    pub x: ArrayView2<'a, f32>,
    /// `[N, H]`, and its gradient.
    pub output: ArrayView2<'a, f32>,
    pub d_output: ArrayView2<'a, f32>,
}

/// Backpropagation through time ([`plain::backward`]), then one product over all frames for both
/// weight matrices: `d_weights` `[G·H, D+H]` and `d_bias` `[G·H]`.
pub(super) fn backward(
    direction: &Direction<'_, f32>,
    passed: Backward<'_>,
    spare: &Spare,
    d_weights: &mut [f32],
    d_bias: &mut [f32],
) {
    let Backward {
        gates,
        cells,
        start,
        x,
        output,
        d_output,
    } = passed;
    let (width, h) = direction.recurrent.dim();
    let dim = x.ncols();
    let done = match direction.path {
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => Avx2::detect().map(|kernel| {
            recurrence::backward(kernel, direction, gates, cells, start.1, d_output, d_bias)
        }),
        #[cfg(target_arch = "x86_64")]
        Path::Avx512 => Avx512::detect().map(|kernel| {
            recurrence::backward(kernel, direction, gates, cells, start.1, d_output, d_bias)
        }),
        #[cfg(target_arch = "x86_64")]
        Path::Bf16Avx512 => Bf16::detect().map(|kernel| {
            recurrence::backward(kernel, direction, gates, cells, start.1, d_output, d_bias)
        }),
        #[cfg(target_arch = "x86_64")]
        Path::Bf16Amx => Amx::detect().map(|kernel| {
            recurrence::backward(kernel, direction, gates, cells, start.1, d_output, d_bias)
        }),
        _ => None,
    };
    if done.is_none() {
        plain::backward(direction, gates, cells, start.1, d_output);
        let (input, recurrent) = matrix_mut(d_weights, dim + h).split_at(Axis(1), dim);
        let gradients = WeightGradients {
            input,
            recurrent,
            bias: d_bias,
        };
        return plain::weight_gradients(direction, gates, x, output, start.0, gradients);
    }
    let d_gates = matrix(gates, width).reversed_axes();
    let mut previous = spare.take(output.len());
    plain::previous_hidden(
        direction,
        output,
        start.0,
        matrix_mut(previous.as_mut_slice(), h),
    );
    PackedB::beside(direction.path, &[x, matrix(previous.as_slice(), h)]).product(
        d_gates,
        Start::Zero,
        d_weights,
        dim + h,
    );
    spare.put(previous);
}

#[cfg(test)]
mod tests;
