//! The fused recurrence: one direction of one layer on a fast path.
//!
//! What [`super::recurrence`] says in plain loops, done with packed weights and SIMD:
//!
//! - `W_hh` is packed once a pass, so that the four gates of the same cells come out of the
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
use super::gemm::{self, Start};
#[cfg(target_arch = "x86_64")]
use super::gemm::{avx2::Avx2, avx512::Avx512, bf16::Bf16};
use super::recurrence::{self as plain, Carry, Direction, WeightGradients, matrix, matrix_mut};
use super::{Cell, Path};

/// Calls a function of this room's `recurrence` with the kernel of a path, or its plain twin.
macro_rules! on_path {
    ($path:expr, $function:ident($($argument:expr),*), $twin:expr) => {
        match $path {
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => match Avx2::detect() {
                Some(kernel) => recurrence::$function(kernel, $($argument),*),
                None => $twin,
            },
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 => match Avx512::detect() {
                Some(kernel) => recurrence::$function(kernel, $($argument),*),
                None => $twin,
            },
            #[cfg(target_arch = "x86_64")]
            Path::Bf16Avx512 => match Bf16::detect() {
                Some(kernel) => recurrence::$function(kernel, $($argument),*),
                None => $twin,
            },
            _ => $twin,
        }
    };
}

/// `x W_ih^T + b` for all frames at once: `x` `[N, D]` into `gates` `[N, G·H]`.
pub(super) fn project(direction: &Direction<'_, f32>, x: ArrayView2<'_, f32>, gates: &mut [f32]) {
    let weights = direction.input.reversed_axes();
    let start = Start::Row(direction.bias);
    gemm::product(
        direction.path,
        x,
        weights,
        start,
        gates,
        direction.bias.len(),
    );
}

/// The recurrence over what [`project`] left; see [`plain::forward`].
pub(super) fn forward(
    direction: &Direction<'_, f32>,
    gates: &mut [f32],
    output: ArrayViewMut2<'_, f32>,
    cells: Option<&mut [f32]>,
    carry: Carry<'_, f32>,
) {
    on_path!(
        direction.path,
        forward(direction, gates, output, cells, carry),
        plain::forward(direction, gates, output, cells, carry)
    )
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

/// Backpropagation through time ([`plain::backward`]), then one product for each weight matrix
/// over all frames: `d_weights` `[G·H, D+H]` and `d_bias` `[G·H]`.
pub(super) fn backward(
    direction: &Direction<'_, f32>,
    passed: Backward<'_>,
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
    on_path!(
        direction.path,
        backward(direction, gates, cells, start.1, d_output, d_bias),
        {
            plain::backward(direction, gates, cells, start.1, d_output);
            let (input, recurrent) = matrix_mut(d_weights, dim + h).split_at(Axis(1), dim);
            let gradients = WeightGradients {
                input,
                recurrent,
                bias: d_bias,
            };
            return plain::weight_gradients(direction, gates, x, output, start.0, gradients);
        }
    );
    let d_gates = matrix(gates, width).reversed_axes();
    gemm::product(direction.path, d_gates, x, Start::Zero, d_weights, dim + h);
    let previous = plain::previous_hidden(direction, output, start.0, h);
    let d_recurrent = &mut d_weights[dim..];
    gemm::product(
        direction.path,
        d_gates,
        previous.view(),
        Start::Zero,
        d_recurrent,
        dim + h,
    );
}

#[cfg(test)]
mod tests;
