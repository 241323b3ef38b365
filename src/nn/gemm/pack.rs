//! Packing of panels in safe code; the AVX-512 kernels have faster ones of their own.

use std::ops::Range;

use super::view::View;

/// Lanes (rows) of `lanes [·, k]` into the places `to` of each row of `out [k, width]`; places
/// without a lane become zero.
pub(super) fn f32_lanes(lanes: View, to: Range<usize>, width: usize, out: &mut [f32]) {
    for (k, out) in out
        .chunks_exact_mut(width)
        .enumerate()
        .take(lanes.columns())
    {
        let (some, none) = out[to.clone()].split_at_mut(lanes.rows());
        none.fill(0.0);
        if some.is_empty() {
            continue;
        }
        let data = &lanes.data()[k * lanes.column_stride()..];
        if lanes.row_stride() == 1 {
            some.copy_from_slice(&data[..some.len()]);
        } else {
            let values = data.iter().step_by(lanes.row_stride().max(1));
            some.iter_mut()
                .zip(values)
                .for_each(|(out, value)| *out = *value);
        }
    }
}
