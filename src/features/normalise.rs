//! Mean–variance normalisation.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::Error;

/// Added to every standard deviation before it divides: a dimension that never changes becomes 0
/// and not a division by 0.
pub(crate) const STD_FLOOR: f32 = 1e-3;

/// Mean and standard deviation of each feature dimension (before stacking).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stats {
    /// Mean, `[D]`.
    pub mean: Vec<f32>,
    /// Population standard deviation, `[D]`.
    pub std: Vec<f32>,
}

impl Stats {
    /// Refuses statistics that are not for frames of `dim` dimensions before stacking.
    pub(crate) fn check(&self, dim: usize) -> Result<(), Error> {
        match [self.mean.len(), self.std.len()]
            .into_iter()
            .find(|&found| found != dim)
        {
            Some(found) => Err(Error::StatisticsDimension {
                found,
                expected: dim,
            }),
            None => Ok(()),
        }
    }

    /// `x ← (x − mean) / (std + 1e-3)` for every frame. Columns beyond `D` are further stacked frames:
    /// they repeat the statistics.
    ///
    /// # Errors
    /// [`Error::StatisticsDimension`] when the frames are not a whole number of `D` wide.
    pub fn normalise(&self, features: &mut Array2<f32>) -> Result<(), Error> {
        let dim = self.mean.len();
        if dim == 0 || self.std.len() != dim || !features.ncols().is_multiple_of(dim) {
            return Err(Error::StatisticsDimension {
                found: dim.min(self.std.len()),
                expected: features.ncols(),
            });
        }
        let scale: Vec<f32> = self.std.iter().map(|std| 1.0 / (std + STD_FLOOR)).collect();
        for mut row in features.outer_iter_mut() {
            for mut frame in row.exact_chunks_mut(dim) {
                for ((x, mean), scale) in frame.iter_mut().zip(&self.mean).zip(&scale) {
                    *x = (*x - mean) * scale;
                }
            }
        }
        Ok(())
    }
}

/// Count, means and squared deviations of many frames, gathered piece by piece in f64.
///
/// Pieces are merged by the formula of Chan, Golub & LeVeque 1983, so that nothing cancels.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    frames: u64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// No frames yet, of dimension `dim`.
    pub fn new(dim: usize) -> Self {
        Self {
            frames: 0,
            mean: vec![0.0; dim],
            squares: vec![0.0; dim],
        }
    }

    /// The moments of `features`, `[T, D]`.
    pub fn of(features: ArrayView2<f32>) -> Self {
        let mut moments = Self::new(features.ncols());
        if features.nrows() == 0 {
            return moments;
        }
        moments.frames = features.nrows() as u64;
        for row in features.outer_iter() {
            for (mean, &x) in moments.mean.iter_mut().zip(row) {
                *mean += f64::from(x);
            }
        }
        for mean in &mut moments.mean {
            *mean /= features.nrows() as f64;
        }
        for row in features.outer_iter() {
            for ((square, mean), &x) in moments.squares.iter_mut().zip(&moments.mean).zip(row) {
                let deviation = f64::from(x) - mean;
                *square += deviation * deviation;
            }
        }
        moments
    }

    /// Adds the frames of `other`, of the same dimension.
    pub fn merge(&mut self, other: &Self) {
        if other.frames == 0 {
            return;
        }
        let (n, m) = (self.frames as f64, other.frames as f64);
        for (((mean, square), other_mean), other_square) in self
            .mean
            .iter_mut()
            .zip(&mut self.squares)
            .zip(&other.mean)
            .zip(&other.squares)
        {
            let delta = other_mean - *mean;
            *mean += delta * m / (n + m);
            *square += other_square + delta * delta * n * m / (n + m);
        }
        self.frames += other.frames;
    }

    /// Frames seen.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Mean and population standard deviation; both 0 where no frame was seen.
    pub fn stats(&self) -> Stats {
        let frames = self.frames.max(1) as f64;
        Stats {
            mean: self.mean.iter().map(|&mean| mean as f32).collect(),
            std: self
                .squares
                .iter()
                .map(|&square| (square / frames).sqrt() as f32)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::s;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn moments_of_pieces_merge_to_those_of_the_whole(values in prop::collection::vec(-50.0f32..50.0, 6..60), cut in 0usize..20) {
            let x = Array2::from_shape_vec((values.len() / 3, 3), values[..values.len() / 3 * 3].to_vec()).unwrap();
            let cut = cut.min(x.nrows());
            let mut merged = Moments::of(x.slice(s![..cut, ..]));
            merged.merge(&Moments::of(x.slice(s![cut.., ..])));
            let whole = Moments::of(x.view());
            prop_assert_eq!(merged.frames, whole.frames);
            for (a, b) in merged.stats().std.iter().zip(whole.stats().std) {
                prop_assert!((a - b).abs() < 1e-4);
            }
            for (a, b) in merged.mean.iter().zip(whole.mean) {
                prop_assert!((a - b).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn normalised_features_have_mean_zero_and_unit_variance() {
        let mut x = Array2::from_shape_fn((100, 2), |(t, d)| (t * (d + 1)) as f32 + 7.0);
        Moments::of(x.view()).stats().normalise(&mut x).unwrap();
        let stats = Moments::of(x.view()).stats();
        assert!(stats.mean.iter().all(|mean| mean.abs() < 1e-5));
        assert!(stats.std.iter().all(|std| (std - 1.0).abs() < 1e-3));
    }

    #[test]
    fn a_constant_dimension_becomes_zero() {
        let mut x = Array2::from_elem((10, 1), 5.0f32);
        Moments::of(x.view()).stats().normalise(&mut x).unwrap();
        assert!(x.iter().all(|&x| x == 0.0));
    }

    #[test]
    fn statistics_repeat_over_stacked_frames() {
        let mut x = Array2::from_shape_vec((1, 4), vec![1.0f32, 2.0, 1.0, 2.0]).unwrap();
        let stats = Stats {
            mean: vec![1.0, 2.0],
            std: vec![1.0, 1.0],
        };
        stats.normalise(&mut x).unwrap();
        assert!(x.iter().all(|&x| x == 0.0));
    }

    #[test]
    fn statistics_of_another_dimension_are_refused() {
        let stats = Stats {
            mean: vec![0.0; 3],
            std: vec![1.0; 3],
        };
        assert!(stats.normalise(&mut Array2::zeros((2, 4))).is_err());
    }
}
