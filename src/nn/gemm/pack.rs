//! Packing of panels in safe code; the AVX-512 kernels have faster ones of their own.

use std::ops::Range;

use ndarray::{ArrayView2, CowArray, Ix2};

/// Lanes (rows) of `lanes [·, k]` into the places `to` of each row of `out [k, width]`; places
/// without a lane become zero.
pub(super) fn f32_lanes(lanes: ArrayView2<f32>, to: Range<usize>, width: usize, out: &mut [f32]) {
    for (lanes, out) in lanes.columns().into_iter().zip(out.chunks_exact_mut(width)) {
        let (some, none) = out[to.clone()].split_at_mut(lanes.len());
        some.iter_mut()
            .zip(lanes)
            .for_each(|(out, lane)| *out = *lane);
        none.fill(0.0);
    }
}

/// A matrix of which one axis is contiguous: itself, or a copy.
pub(super) fn with_unit_stride(lanes: ArrayView2<f32>) -> CowArray<f32, Ix2> {
    let unit = |axis: usize| lanes.shape()[axis] <= 1 || lanes.strides()[axis] == 1;
    match unit(0) || unit(1) {
        true => lanes.into(),
        false => lanes.to_owned().into(),
    }
}
