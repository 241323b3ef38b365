//! What is done to the recordings that a network learns from before their features are computed.

use std::ops::RangeInclusive;

use rand::SeedableRng as _;
use rand_pcg::Pcg64;
use sha2::{Digest as _, Sha256};

use super::{Error, Noise, Reverberation, Volume};
use crate::audio::Waveform;

/// A room, then noise behind the recording, then another level: the order in which a microphone
/// meets them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Perturbation {
    /// The room that is heard with it.
    pub reverberation: Option<Reverberation>,
    /// The noise behind it.
    pub noise: Option<Noise>,
    /// Its level.
    pub volume: Option<Volume>,
}

impl Perturbation {
    /// Refuses impossible values.
    ///
    /// # Errors
    /// [`Error::BadReverberation`], [`Error::BadNoise`], [`Error::BadVolume`].
    pub fn check(&self) -> Result<(), Error> {
        self.reverberation
            .as_ref()
            .map_or(Ok(()), Reverberation::check)?;
        self.noise.as_ref().map_or(Ok(()), Noise::check)?;
        self.volume.as_ref().map_or(Ok(()), Volume::check)
    }

    /// What tells it from others, empty where nothing is done.
    pub fn key(&self) -> String {
        let parts = [
            self.reverberation.map(|it| format!(" {it:?}")),
            self.noise.map(|it| format!(" {it:?}")),
            self.volume.map(|it| format!(" {it:?}")),
        ];
        parts.into_iter().flatten().collect()
    }

    /// Whether it leaves recordings as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The waveform as it is heard under `name`, which alone decides the random numbers.
    pub fn apply(&self, waveform: &mut Waveform, name: &str) {
        if let Some(reverberation) = self.reverberation {
            reverberation.apply(waveform, name);
        }
        if let Some(noise) = self.noise {
            noise.apply(waveform, name);
        }
        if let Some(volume) = self.volume {
            volume.apply(waveform, name);
        }
    }
}

/// Whether these are the two ends of a range, in order, within the possible values.
pub(super) fn is_range([low, high]: [f64; 2], possible: RangeInclusive<f64>) -> bool {
    possible.contains(&low) && possible.contains(&high) && low <= high
}

/// Random numbers that are `name`'s own for one `purpose`, so that neither the order of the
/// recordings nor the number of threads decides them.
pub(super) fn random_of(purpose: &str, name: &str) -> Pcg64 {
    let mut seed = [0; 32];
    seed.copy_from_slice(&Sha256::digest(format!("{purpose} {name}")));
    Pcg64::from_seed(seed)
}
