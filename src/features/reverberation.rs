//! Rooms around the recordings that a network learns from.

use rand::RngExt as _;
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

use super::Error;
use super::perturb::{is_range, random_of};
use crate::audio::Waveform;

/// A share of the copies heard in a room of their own: the direct sound, and behind it a tail of
/// white noise that decays exponentially (Polack 1988; Lebart et al. 2001, section 2).
///
/// The echoes of a real room are sparse at first; what blurs a spectrogram is its late tail, which
/// these two numbers describe. The recording keeps its length and the place of its sounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reverberation {
    /// The time in which the tail falls by 60 dB is drawn uniformly between these two, s.
    pub rt60: [f64; 2],
    /// The ratio of the direct sound's energy to that of the tail is drawn uniformly between these
    /// two, dB.
    pub direct: [f64; 2],
    /// How many of the copies are heard in a room, 0 to 1.
    pub share: f64,
}

impl Reverberation {
    /// Refuses impossible values.
    ///
    /// # Errors
    /// [`Error::BadReverberation`].
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |key, range| Err(Error::BadReverberation { key, range });
        if !is_range(self.rt60, 0.01..=5.0) {
            return refuse("rt60", "two times from 0.01 to 5 s, the shorter one first");
        }
        if !is_range(self.direct, -20.0..=60.0) {
            return refuse(
                "direct",
                "two ratios from -20 to 60 dB, the lower one first",
            );
        }
        if !(0.0..=1.0).contains(&self.share) {
            return refuse("share", "from 0 to 1");
        }
        Ok(())
    }

    /// The waveform in a room that depends on `name` alone.
    pub fn apply(&self, waveform: &mut Waveform, name: &str) {
        let mut rng = random_of("reverberation", name);
        if waveform.samples.is_empty() || rng.random_range(0.0..1.0) >= self.share {
            return;
        }
        let rt60 = rng.random_range(self.rt60[0]..=self.rt60[1]);
        let direct = rng.random_range(self.direct[0]..=self.direct[1]);
        let length = (rt60 * f64::from(waveform.sample_rate)).ceil() as usize;
        // 60 dB are a factor of 1000 in amplitude.
        let decay = -1000f64.ln() / length as f64;
        let mut response: Vec<f64> = (0..=length)
            .map(|n| rng.random_range(-1.0..1.0) * (decay * n as f64).exp())
            .collect();
        response[0] = 0.0;
        let energy: f64 = response.iter().map(|x| x * x).sum();
        let gain = (10f64.powf(-direct / 10.0) / energy).sqrt();
        response.iter_mut().for_each(|x| *x *= gain);
        response[0] = 1.0;
        waveform.samples = convolve(&waveform.samples, &response);
    }
}

/// The first samples of `Σ_k response[k] samples[n − k]`, as many as there are in `samples`, by
/// way of the spectrum.
fn convolve(samples: &[f32], response: &[f64]) -> Vec<f32> {
    let length = (samples.len() + response.len()).next_power_of_two();
    // Signal and response pass as real and imaginary part of one sequence; the imaginary part of its
    // square is twice their convolution: (a + ib)² = a² − b² + 2iab.
    let mut packed = vec![Complex::new(0f64, 0f64); length];
    for (z, sample) in packed.iter_mut().zip(samples) {
        z.re = f64::from(*sample);
    }
    for (z, tap) in packed.iter_mut().zip(response) {
        z.im = *tap;
    }
    let mut planner = FftPlanner::new();
    planner.plan_fft_forward(length).process(&mut packed);
    packed.iter_mut().for_each(|z| *z *= *z);
    planner.plan_fft_inverse(length).process(&mut packed);
    let scale = 0.5 / length as f64;
    let kept = packed.iter().take(samples.len());
    kept.map(|z| (z.im * scale) as f32).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_spectrum_convolves_as_the_definition_does(
            samples in prop::collection::vec(-1f32..1.0, 1..200),
            response in prop::collection::vec(-1f64..1.0, 1..80),
        ) {
            let found = convolve(&samples, &response);
            prop_assert_eq!(found.len(), samples.len());
            for (n, found) in found.iter().enumerate() {
                let taps = response.iter().take(n + 1).enumerate();
                let expected: f64 = taps.map(|(k, tap)| tap * f64::from(samples[n - k])).sum();
                prop_assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} for {expected}");
            }
        }
    }

    /// An impulse in a room of 0.4 s whose tail has a quarter of the direct energy.
    fn impulse(name: &str, share: f64) -> Vec<f32> {
        let mut waveform = Waveform {
            samples: vec![0.0; 16000],
            sample_rate: 16000,
        };
        waveform.samples[1000] = 1.0;
        let room = Reverberation {
            rt60: [0.4, 0.4],
            direct: [6.0, 6.0],
            share,
        };
        room.apply(&mut waveform, name);
        waveform.samples
    }

    #[test]
    fn the_tail_has_the_energy_and_the_decay_that_were_asked_for() {
        let heard = impulse("a", 1.0);
        assert!(heard[..1000].iter().all(|x| x.abs() < 1e-6));
        assert!((heard[1000] - 1.0).abs() < 1e-5);
        // Schroeder 1965: the energy still to come falls as the room decays.
        let to_come = |from: usize| heard[from..].iter().map(|x| f64::from(x * x)).sum::<f64>();
        assert!((10.0 * to_come(1001).log10() + 6.0).abs() < 0.01);
        let fall = 10.0 * (to_come(1001) / to_come(1001 + 3200)).log10();
        assert!(
            (fall - 30.0).abs() < 1.5,
            "{fall} dB in half of the time of 60"
        );
    }

    #[test]
    fn a_share_of_the_copies_is_in_a_room_and_each_in_its_own() {
        let dry = impulse("a", 0.0);
        assert_eq!(dry.iter().filter(|x| **x != 0.0).count(), 1);
        let wet = (0..60)
            .filter(|i| impulse(&i.to_string(), 0.5) != dry)
            .count();
        assert!((18..=42).contains(&wet), "{wet} of 60");
        assert_eq!(impulse("a", 1.0), impulse("a", 1.0));
        assert_ne!(impulse("a", 1.0), impulse("b", 1.0));
    }

    #[test]
    fn impossible_rooms_are_refused() {
        let room = Reverberation {
            rt60: [0.1, 0.6],
            direct: [0.0, 15.0],
            share: 0.5,
        };
        assert!(room.check().is_ok());
        let bad = [
            Reverberation {
                rt60: [0.6, 0.1],
                ..room
            },
            Reverberation {
                rt60: [0.0, 0.1],
                ..room
            },
            Reverberation {
                direct: [f64::NAN, 1.0],
                ..room
            },
            Reverberation { share: 1.5, ..room },
        ];
        assert!(bad.iter().all(|room| room.check().is_err()));
    }
}
