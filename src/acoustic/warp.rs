//! Frequency warping: other vocal tracts, drawn while training.

use ndarray::{Array2, ArrayViewMut1, s};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::train::Rng;

/// The `[augment.warp]` table: each utterance of each epoch is heard as if from a longer or a
/// shorter vocal tract (vocal tract length perturbation, Jaitly & Hinton 2013), here on the mel
/// bins of the stored features: what stood at bin `a·b` moves to bin `b`, up to a knee from which
/// a straight line leads to the last bin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Warp {
    /// The factors `a` are drawn uniformly from `1 - most` to `1 + most`; in (0, 0.3].
    pub most: f64,
}

/// Where the knee lies, as a share of all bins.
const KNEE: f32 = 0.75;

impl Warp {
    /// Refuses impossible values.
    ///
    /// # Errors
    /// [`Error::Config`] with the key.
    pub fn check(&self) -> Result<(), Error> {
        if !(self.most > 0.0 && self.most <= 0.3) {
            return Err(Error::Config(
                "`augment.warp.most` must be in (0, 0.3]".into(),
            ));
        }
        Ok(())
    }

    /// Warps `features` `[T, D]` in place by a factor that it draws. `D` is `groups` blocks of equal
    /// size that show the same bins (stacked frames, deltas).
    pub fn apply(&self, features: &mut Array2<f32>, groups: usize, rng: &mut Rng) {
        let most = self.most as f32;
        warp(features, groups, rng.random_range(1.0 - most..=1.0 + most));
    }
}

fn warp(features: &mut Array2<f32>, groups: usize, factor: f32) {
    let bins = features.ncols() / groups.max(1);
    if bins < 2 {
        return;
    }
    let last = (bins - 1) as f32;
    let knee = KNEE * last / factor.max(1.0);
    let sources: Vec<(usize, f32)> = (0..bins)
        .map(|bin| {
            let bin = bin as f32;
            let source = match bin <= knee {
                true => factor * bin,
                false => last - (last - bin) * (last - factor * knee) / (last - knee),
            };
            let below = (source as usize).min(bins - 2);
            (below, source - below as f32)
        })
        .collect();
    let mut before = vec![0.0; bins];
    let warp_frame = |mut frame: ArrayViewMut1<f32>, before: &mut [f32]| {
        before
            .iter_mut()
            .zip(&frame)
            .for_each(|(to, from)| *to = *from);
        for (value, &(below, share)) in frame.iter_mut().zip(&sources) {
            *value = before[below] + share * (before[below + 1] - before[below]);
        }
    };
    for mut frame in features.rows_mut() {
        for group in 0..groups {
            let bins = frame.slice_mut(s![group * bins..(group + 1) * bins]);
            warp_frame(bins, &mut before);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::train::stream;

    proptest! {
        /// Of features that say which bin they are, every group shows the map itself: it keeps both
        /// ends, goes up, and is a multiple below the knee.
        #[test]
        fn bins_move_by_the_factor_and_the_ends_stay(factor in 0.7f32..1.3, bins in 2usize..90) {
            let mut features = Array2::from_shape_fn((2, 3 * bins), |(_, column)| (column % bins) as f32);
            warp(&mut features, 3, factor);
            let last = (bins - 1) as f32;
            for frame in features.rows() {
                let frame = frame.to_vec();
                for group in frame.chunks(bins) {
                    prop_assert!(group[0] == 0.0 && (group[bins - 1] - last).abs() < 1e-3);
                    prop_assert!(group.windows(2).all(|pair| pair[0] < pair[1]));
                    for (bin, value) in group.iter().enumerate() {
                        if bin as f32 <= 0.5 * last {
                            prop_assert!((value - factor * bin as f32).abs() < 1e-3);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_factor_of_one_changes_nothing_and_each_draw_is_another() {
        let original = Array2::from_shape_fn((5, 40), |(t, bin)| ((t * 7 + bin * 13) % 11) as f32);
        let mut same = original.clone();
        warp(&mut same, 1, 1.0);
        assert!(
            same.iter()
                .zip(&original)
                .all(|(a, b)| (a - b).abs() < 1e-4)
        );
        let drawn = |seed| {
            let mut features = original.clone();
            Warp { most: 0.2 }.apply(&mut features, 1, &mut stream(seed, "test", 0, 0));
            features
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn impossible_values_are_refused() {
        for most in [0.0, -0.1, 0.5, f64::NAN] {
            assert!(Warp { most }.check().is_err());
        }
    }
}
