//! Channels to one: their mean, and the check that every sample is a number.

use super::error::Error;

/// Mixes the blocks of one recording and counts its frames.
pub(super) struct Mixer {
    file: String,
    channels: usize,
    sample_rate: u32,
    frames: u64,
}

impl Mixer {
    /// `channels` is not 0.
    pub(super) fn new(file: &str, channels: usize, sample_rate: u32) -> Self {
        Self {
            file: file.to_owned(),
            channels,
            sample_rate,
            frames: 0,
        }
    }

    /// Counts frames that were gone past.
    pub(super) fn skip(&mut self, frames: u64) {
        self.frames += frames;
    }

    /// Frames mixed or gone past so far.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// The same in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.frames as f64 / f64::from(self.sample_rate)
    }

    /// The mean of the channels of whole interleaved frames. A sample that is not finite is an error
    /// that gives its place.
    pub(super) fn mix(&mut self, interleaved: &[f32]) -> Result<Vec<f32>, Error> {
        if let Some(bad) = interleaved.iter().position(|sample| !sample.is_finite()) {
            let sample = self.frames + (bad / self.channels) as u64;
            return Err(Error::NotFinite {
                file: self.file.clone(),
                sample,
                seconds: sample as f64 / f64::from(self.sample_rate),
                value: interleaved[bad],
            });
        }
        let mono: Vec<f32> = match self.channels {
            1 => interleaved.to_vec(),
            channels => interleaved
                .chunks_exact(channels)
                .map(|frame| {
                    let sum: f64 = frame.iter().map(|&sample| f64::from(sample)).sum();
                    (sum / channels as f64) as f32
                })
                .collect(),
        };
        self.frames += mono.len() as u64;
        Ok(mono)
    }
}
