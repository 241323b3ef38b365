//! Recordings louder or softer than they are.

use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use super::Error;
use super::perturb::{is_range, random_of};
use crate::audio::Waveform;

/// Every copy of a recording at a level of its own (as Kaldi's
/// `perturb_data_dir_volume.sh` does, which draws the factor uniformly, not the decibels).
///
/// A recipe that normalises the mean of each utterance's log energies takes it away again; it
/// matters with the mean of a corpus, with none, and beside a recipe's dither, whose level is fixed.
/// Nothing is clipped.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Volume {
    /// The gain is drawn uniformly between these two, dB.
    pub gain: [f64; 2],
}

impl Volume {
    /// Refuses impossible values.
    ///
    /// # Errors
    /// [`Error::BadVolume`].
    pub fn check(&self) -> Result<(), Error> {
        let [low, high] = self.gain;
        match is_range(self.gain, -60.0..=60.0) {
            true => Ok(()),
            false => Err(Error::BadVolume { low, high }),
        }
    }

    /// The waveform at a level that depends on `name` alone.
    pub fn apply(&self, waveform: &mut Waveform, name: &str) {
        let [low, high] = self.gain;
        let gain = random_of("volume", name).random_range(low..=high);
        let factor = 10f64.powf(gain / 20.0) as f32;
        for sample in &mut waveform.samples {
            *sample *= factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{Extractor, Recipe};

    fn syllables() -> Waveform {
        // Some noise in every bin, as in any recording: the energies are far above the floor.
        let sample = |i: usize| {
            let t = i as f32 / 16000.0;
            let noise = (i as u32).wrapping_mul(2_654_435_761) as f32 / u32::MAX as f32 - 0.5;
            0.1 * (1200.0 * t * (1.0 + t)).sin() * (0.6 + 0.4 * (20.0 * t).sin()) + 0.01 * noise
        };
        Waveform {
            samples: (0..16000).map(sample).collect(),
            sample_rate: 16000,
        }
    }

    #[test]
    fn the_gain_lies_in_its_range_and_is_the_copy_s_own() {
        let gain_of = |name: &str| {
            let mut louder = syllables();
            Volume { gain: [-20.0, 6.0] }.apply(&mut louder, name);
            20.0 * (louder.samples[100] / syllables().samples[100]).log10()
        };
        let gains: Vec<f32> = (0..50).map(|i| gain_of(&i.to_string())).collect();
        assert!(gains.iter().all(|gain| (-20.01..6.01).contains(gain)));
        let above = gains.iter().filter(|gain| **gain > -7.0).count();
        assert!(
            (15..=35).contains(&above),
            "{above} of 50 in the upper half"
        );
        assert_eq!(gain_of("a"), gain_of("a"));
    }

    #[test]
    fn the_mean_of_an_utterance_takes_it_away_again() {
        let mut recipe = Recipe::named("fbank80").unwrap();
        recipe.frames.dither = 0.0;
        let mut extractor = Extractor::new(&recipe).unwrap();
        let mut normalised = |waveform: &Waveform| {
            let frames = extractor.frames(waveform).unwrap();
            let mean = frames.mean_axis(ndarray::Axis(0)).unwrap();
            frames - mean
        };
        let plain = normalised(&syllables());
        for gain in [-12.0, 6.0] {
            let mut other = syllables();
            Volume { gain: [gain, gain] }.apply(&mut other, "a");
            let distance = (normalised(&other) - &plain).mapv(f32::abs);
            assert!(distance.iter().all(|d| *d < 2e-3), "at {gain} dB");
        }
    }

    #[test]
    fn impossible_gains_are_refused() {
        for gain in [[3.0, -3.0], [f64::NAN, 0.0], [0.0, 1000.0]] {
            assert!(Volume { gain }.check().is_err());
        }
        assert!(Volume { gain: [-20.0, 6.0] }.check().is_ok());
    }
}
