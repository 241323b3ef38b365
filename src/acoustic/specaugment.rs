//! SpecAugment: bands of frequency and of time masked out while training.

use ndarray::{Array2, s};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::train::Rng;

/// Masks drawn anew for every utterance of every epoch (Park et al. 2019, section 2, without time
/// warping); a masked value becomes 0, the mean of normalised features. A width is drawn uniformly
/// from 0 to its maximum, both included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SpecAugment {
    /// First epoch (from 1) with masks; 0 is never.
    pub from_epoch: usize,
    /// Bands of frequency an utterance.
    pub frequency_masks: usize,
    /// Largest width of a band, mel bins.
    pub frequency_width: usize,
    /// One mask of time for every so many frames, and at least one.
    pub frames_per_time_mask: usize,
    /// Largest width of a time mask, frames; never over a sixth of the utterance.
    pub time_width: usize,
}

impl Default for SpecAugment {
    fn default() -> Self {
        Self {
            from_epoch: 0,
            frequency_masks: 2,
            frequency_width: 14,
            frames_per_time_mask: 80,
            time_width: 8,
        }
    }
}

impl SpecAugment {
    /// Refuses impossible values.
    ///
    /// # Errors
    /// [`Error::Config`] with the key.
    pub fn check(&self) -> Result<(), Error> {
        if self.frames_per_time_mask == 0 {
            return Err(Error::Config(
                "`augment.specaugment.frames-per-time-mask` must be at least 1".into(),
            ));
        }
        Ok(())
    }

    /// Masks `features` `[T, D]` in place. `D` is `groups` blocks of equal size that show the same
    /// bins (stacked frames, deltas): a band is masked in all of them.
    pub fn apply(&self, epoch: usize, features: &mut Array2<f32>, groups: usize, rng: &mut Rng) {
        if self.from_epoch == 0 || epoch + 1 < self.from_epoch {
            return;
        }
        let (frames, dim) = features.dim();
        let bins = dim / groups.max(1);
        for _ in 0..self.frequency_masks {
            let width = rng.random_range(0..=self.frequency_width.min(bins));
            let from = rng.random_range(0..=bins - width);
            for group in 0..groups {
                let from = group * bins + from;
                features.slice_mut(s![.., from..from + width]).fill(0.0);
            }
        }
        for _ in 0..(frames / self.frames_per_time_mask).max(1) {
            let width = rng.random_range(0..=self.time_width.min(frames / 6));
            let from = rng.random_range(0..=frames - width);
            features.slice_mut(s![from..from + width, ..]).fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::stream;

    #[test]
    fn masks_are_bands_in_every_group_and_stay_within_their_widths() {
        let augment = SpecAugment {
            from_epoch: 3,
            ..SpecAugment::default()
        };
        let mut masked_bins = 0;
        for seed in 0..50 {
            let mut features = Array2::ones((200, 240));
            augment.apply(2, &mut features, 3, &mut stream(seed, "test", 0, 0));
            let dead_rows = features
                .rows()
                .into_iter()
                .filter(|r| r.sum() == 0.0)
                .count();
            assert!(dead_rows <= 2 * 8);
            let dead: Vec<bool> = (0..240).map(|c| features.column(c).sum() == 0.0).collect();
            assert_eq!(dead[..80], dead[80..160]);
            assert_eq!(dead[..80], dead[160..]);
            let bins = dead[..80].iter().filter(|&&d| d).count();
            assert!(bins <= 2 * 14);
            masked_bins += bins;
        }
        assert!(masked_bins > 0);
    }

    #[test]
    fn nothing_is_masked_before_its_epoch() {
        let augment = SpecAugment {
            from_epoch: 3,
            ..SpecAugment::default()
        };
        let mut features = Array2::ones((50, 40));
        augment.apply(1, &mut features, 1, &mut stream(1, "test", 0, 0));
        assert_eq!(features.sum(), 2000.0);
    }

    #[test]
    fn one_frame_survives() {
        let augment = SpecAugment {
            from_epoch: 1,
            ..SpecAugment::default()
        };
        let mut features = Array2::ones((1, 40));
        augment.apply(0, &mut features, 1, &mut stream(1, "test", 0, 0));
        assert!(features.sum() > 0.0);
    }
}
