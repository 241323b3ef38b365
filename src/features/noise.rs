//! Noise added to the recordings that a network learns from.

use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use super::Error;
use super::perturb::{is_range, random_of};
use crate::audio::Waveform;

/// Stationary noise behind every copy of a recording, at a level and of a colour of the copy's own.
///
/// A network that has only heard clean recordings takes their silence for what it is: the bins above
/// the cut-off of a coded recording, say, whose energy is that of rounding. Noise of many levels
/// (Hannun et al. 2014, section 4.1) teaches it that speech is what rises above its background.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Noise {
    /// The ratio of the recording's mean power to that of the noise is drawn uniformly between these
    /// two, dB.
    pub snr: [f64; 2],
}

/// The largest coefficient of the noise's filter `n[i] = w[i] + c·n[i-1]`, `w` white: from 0, white,
/// to this, which falls by 6 dB an octave from 130 Hz on at 16 kHz.
const COLOUR: f64 = 0.95;

impl Noise {
    /// Refuses impossible values.
    ///
    /// # Errors
    /// [`Error::BadNoise`].
    pub fn check(&self) -> Result<(), Error> {
        let [low, high] = self.snr;
        match is_range(self.snr, -20.0..=100.0) {
            true => Ok(()),
            false => Err(Error::BadNoise { low, high }),
        }
    }

    /// The waveform with noise that depends on `name` alone. Digital silence stays silent.
    pub fn apply(&self, waveform: &mut Waveform, name: &str) {
        let mut rng = random_of("noise", name);
        let [low, high] = self.snr;
        let snr = rng.random_range(low..=high);
        let colour = rng.random_range(0.0..=COLOUR);
        let power = |sum: f64| sum / waveform.samples.len().max(1) as f64;
        let square = |x: &f32| f64::from(*x) * f64::from(*x);
        let wanted = power(waveform.samples.iter().map(square).sum()) / 10f64.powf(snr / 10.0);
        // Uniform noise in [-1, 1) has a power of 1/3; the filter multiplies it by 1 / (1 - c²).
        let gain = (3.0 * (1.0 - colour * colour) * wanted).sqrt();
        let mut before = 0.0;
        for sample in &mut waveform.samples {
            before = rng.random_range(-1.0..1.0) + colour * before;
            *sample += (gain * before) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(amplitude: f32) -> Waveform {
        Waveform {
            samples: (0..16000)
                .map(|i| amplitude * (i as f32 * 0.3).sin())
                .collect(),
            sample_rate: 16000,
        }
    }

    #[test]
    fn the_noise_has_the_power_that_was_asked_for_and_is_the_copy_s_own() {
        let clean = tone(0.5);
        let noise_of = |name: &str, snr| {
            let mut noisy = clean.clone();
            Noise { snr: [snr, snr] }.apply(&mut noisy, name);
            let pairs = noisy.samples.iter().zip(&clean.samples);
            pairs
                .map(|(noisy, clean)| noisy - clean)
                .collect::<Vec<f32>>()
        };
        let power = |samples: &[f32]| samples.iter().map(|x| x * x).sum::<f32>() / 16000.0;
        for snr in [0.0, 20.0, 40.0] {
            let found = 10.0 * (power(&clean.samples) / power(&noise_of("a", snr))).log10();
            assert!((found - snr as f32).abs() < 0.5, "{found} dB for {snr}");
        }
        assert_eq!(noise_of("a", 20.0), noise_of("a", 20.0));
        assert_ne!(noise_of("a", 20.0), noise_of("b", 20.0));
    }

    #[test]
    fn silence_stays_silent() {
        let mut silent = tone(0.0);
        Noise { snr: [10.0, 10.0] }.apply(&mut silent, "a");
        assert!(silent.samples.iter().all(|x| *x == 0.0));
    }

    #[test]
    fn impossible_ratios_are_refused() {
        for snr in [[30.0, 20.0], [f64::NAN, 20.0], [10.0, 1000.0]] {
            assert!(Noise { snr }.check().is_err());
        }
        assert!(Noise { snr: [10.0, 60.0] }.check().is_ok());
    }
}
