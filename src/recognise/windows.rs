//! Long recordings in pieces, cut where it is quiet.

use crate::audio::{self, Blocks, Waveform};

/// Longest piece that is recognised at once, seconds: bounds the memory of an hours-long recording.
const LONGEST: f64 = 30.0;

/// A cut is looked for in the last part of a piece, seconds.
const SEARCH: f64 = 10.0;

/// Length over which quietness is measured, seconds: longer than the closure of a stop.
const QUIET: f64 = 0.2;

/// The pieces of a recording: each at most 30 s, cut in the middle of the quietest 0.2 s of its last
/// 10 s. Joined, they are the recording; memory does not grow with its length.
pub struct Windows {
    source: Source,
    sample_rate: u32,
    waiting: Vec<f32>,
    ended: bool,
    start: usize,
}

/// Where samples come from.
enum Source {
    Blocks(Box<Blocks>),
    Memory(Option<Vec<f32>>),
}

impl Windows {
    /// The pieces of what `blocks` reads at `sample_rate` Hz.
    pub fn new(blocks: Blocks, sample_rate: u32) -> Self {
        Self::from_source(Source::Blocks(Box::new(blocks)), sample_rate)
    }

    /// The pieces of a waveform that is in memory.
    pub fn of(waveform: Waveform) -> Self {
        let samples = Some(waveform.samples).filter(|samples| !samples.is_empty());
        Self::from_source(Source::Memory(samples), waveform.sample_rate)
    }

    fn from_source(source: Source, sample_rate: u32) -> Self {
        Self {
            source,
            sample_rate,
            waiting: Vec::new(),
            ended: false,
            start: 0,
        }
    }

    /// The next piece with the second at which it begins; `None` at the end.
    ///
    /// # Errors
    /// The recording is damaged.
    pub fn next_window(&mut self) -> Result<Option<(f64, Waveform)>, audio::Error> {
        let rate = f64::from(self.sample_rate);
        let longest = (LONGEST * rate) as usize;
        while !self.ended && self.waiting.len() <= longest {
            let block = match &mut self.source {
                Source::Blocks(blocks) => blocks.next_block()?,
                Source::Memory(samples) => samples.take(),
            };
            match block {
                Some(block) => self.waiting.extend(block),
                None => self.ended = true,
            }
        }
        let rest = if self.waiting.len() > longest {
            let from = longest - (SEARCH * rate) as usize;
            let cut = quietest(&self.waiting[from..longest], (QUIET * rate) as usize) + from;
            self.waiting.split_off(cut)
        } else {
            Vec::new()
        };
        let samples = std::mem::replace(&mut self.waiting, rest);
        if samples.is_empty() {
            return Ok(None);
        }
        let begins = self.start as f64 / rate;
        self.start += samples.len();
        let waveform = Waveform {
            samples,
            sample_rate: self.sample_rate,
        };
        Ok(Some((begins, waveform)))
    }

    /// What was done to the recording on the way in; complete at its end.
    pub fn notices(&self) -> Vec<audio::Notice> {
        match &self.source {
            Source::Blocks(blocks) => blocks.notices(),
            Source::Memory(_) => Vec::new(),
        }
    }
}

/// The middle of the `width` samples with the least energy.
fn quietest(samples: &[f32], width: usize) -> usize {
    let width = width.clamp(1, samples.len().max(1));
    let square = |sample: &f32| f64::from(*sample) * f64::from(*sample);
    let mut energy: f64 = samples.iter().take(width).map(square).sum();
    let (mut best, mut place) = (energy, 0);
    for (start, (leaving, joining)) in samples.iter().zip(samples.iter().skip(width)).enumerate() {
        energy += square(joining) - square(leaving);
        if energy < best {
            (best, place) = (energy, start + 1);
        }
    }
    place + width / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAV of `seconds` of noise with silence of half a second every `period` seconds.
    fn noise(seconds: usize, period: usize) -> Vec<f32> {
        let mut state = 1u32;
        (0..seconds * 8000)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let loud = i % (period * 8000) >= 4000;
                if loud {
                    (state >> 16) as f32 / 65536.0 - 0.5
                } else {
                    0.0
                }
            })
            .collect()
    }

    fn windows(samples: &[f32]) -> Windows {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("noise.wav");
        let waveform = Waveform {
            samples: samples.to_vec(),
            sample_rate: 8000,
        };
        audio::write_wav(&path, &waveform).unwrap();
        let bytes = std::io::Cursor::new(std::fs::read(&path).unwrap());
        Windows::new(Blocks::from_wav(bytes, "noise", 8000).unwrap(), 8000)
    }

    #[test]
    fn pieces_join_to_the_recording_and_begin_in_silence() {
        let samples = noise(100, 7);
        let mut windows = windows(&samples);
        let mut joined = Vec::new();
        while let Some((start, piece)) = windows.next_window().unwrap() {
            assert_eq!(start, joined.len() as f64 / 8000.0);
            assert!(piece.seconds() <= 30.0);
            if start > 0.0 {
                assert!(
                    piece.samples[..400].iter().all(|sample| *sample == 0.0),
                    "cut at {start}"
                );
            }
            joined.extend(piece.samples);
        }
        assert_eq!(joined.len(), samples.len());
    }

    #[test]
    fn a_short_recording_is_one_piece() {
        let mut windows = windows(&noise(29, 7));
        assert!(windows.next_window().unwrap().is_some());
        assert!(windows.next_window().unwrap().is_none());
    }
}
