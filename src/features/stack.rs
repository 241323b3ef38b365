//! Frame stacking and skipping: a low frame rate for the recurrent layers.

use ndarray::Array2;

use super::recipe::Stacking;

/// Output frames of `frames` input frames; a trailing incomplete stack is dropped.
pub(crate) fn stacked_frames(stacking: Stacking, frames: usize) -> usize {
    match frames.checked_sub(stacking.frames) {
        Some(room) => 1 + room / stacking.skip,
        None => 0,
    }
}

/// `[T, D]` → `[T', frames · D]`: row `k` holds the input frames `k·skip … k·skip + frames − 1`, one
/// after the other.
pub(crate) fn stack(stacking: Stacking, features: Array2<f32>) -> Array2<f32> {
    let (frames, dim) = features.dim();
    let out_frames = stacked_frames(stacking, frames);
    if stacking.frames == stacking.skip && features.is_standard_layout() {
        // No frame is repeated and none left out between stacks: the same numbers in longer rows.
        let (mut values, _) = features.into_raw_vec_and_offset();
        values.truncate(out_frames * stacking.frames * dim);
        return Array2::from_shape_vec((out_frames, stacking.frames * dim), values)
            .expect("a whole number of rows was kept");
    }
    let mut out = Array2::zeros((out_frames, stacking.frames * dim));
    for (k, mut row) in out.outer_iter_mut().enumerate() {
        for (j, mut part) in row.exact_chunks_mut(dim).into_iter().enumerate() {
            part.assign(&features.row(k * stacking.skip + j));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_frames_every_third_reshape_and_drop_the_rest() {
        let x = Array2::from_shape_fn((8, 2), |(t, d)| (10 * t + d) as f32);
        let y = stack(Stacking { frames: 3, skip: 3 }, x);
        assert_eq!(y.dim(), (2, 6));
        assert_eq!(y.row(1).to_vec(), [30.0, 31.0, 40.0, 41.0, 50.0, 51.0]);
    }

    #[test]
    fn overlapping_stacks_repeat_frames() {
        let x = Array2::from_shape_fn((5, 1), |(t, _)| t as f32);
        let y = stack(Stacking { frames: 3, skip: 1 }, x);
        assert_eq!(y.dim(), (3, 3));
        assert_eq!(y.row(2).to_vec(), [2.0, 3.0, 4.0]);
    }

    #[test]
    fn skipped_frames_are_left_out() {
        let x = Array2::from_shape_fn((7, 1), |(t, _)| t as f32);
        let y = stack(Stacking { frames: 1, skip: 3 }, x);
        assert_eq!(y.into_raw_vec_and_offset().0, [0.0, 3.0, 6.0]);
    }

    #[test]
    fn fewer_frames_than_a_stack_give_none() {
        let y = stack(Stacking { frames: 3, skip: 3 }, Array2::zeros((2, 4)));
        assert_eq!(y.dim(), (0, 12));
    }
}
