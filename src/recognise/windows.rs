//! Long recordings in overlapping windows, whose cores are cut where it is quiet.

use crate::audio::{self, Blocks, Waveform};

/// Longest core, seconds: bounds the memory of an hours-long recording. With its overlaps it is a
/// little more than the chains that `english` has heard; LibriSpeech dev joined has more errors with
/// cores of 8 or 16 s and with 40.
const LONGEST: f64 = 24.0;

/// A cut is looked for in the last part of a core, seconds.
const SEARCH: f64 = 8.0;

/// Length over which quietness is measured, seconds: longer than the closure of a stop.
const QUIET: f64 = 0.2;

/// What a window holds of its neighbours at either side, seconds: some words, so that none is heard
/// without what stands around it, and so that two windows have words in common to be joined at.
const OVERLAP: f64 = 2.0;

/// The windows of a recording: each has a core of at most 24 s, cut in the middle of the quietest
/// 0.2 s of its last 8 s, and 2 s of its neighbours. The cores joined are the recording; memory
/// does not grow with its length.
pub struct Windows {
    source: Source,
    sample_rate: u32,
    waiting: Vec<f32>,
    before: Vec<f32>,
    ended: bool,
    start: usize,
}

/// One window.
#[derive(Clone, Debug)]
pub struct Window {
    /// Where its core begins in the recording, seconds.
    pub start: f64,
    /// Where its core ends.
    pub end: f64,
    /// Where its samples begin: at or before `start`.
    pub begins: f64,
    /// Its samples: the core and what overlaps the neighbours.
    pub waveform: Waveform,
}

/// Where samples come from.
enum Source {
    Blocks(Box<Blocks>),
    Memory(Option<Vec<f32>>),
}

impl Windows {
    /// The windows of what `blocks` reads at `sample_rate` Hz.
    pub fn new(blocks: Blocks, sample_rate: u32) -> Self {
        Self::from_source(Source::Blocks(Box::new(blocks)), sample_rate)
    }

    /// The windows of a waveform that is in memory.
    pub fn of(waveform: Waveform) -> Self {
        let samples = Some(waveform.samples).filter(|samples| !samples.is_empty());
        Self::from_source(Source::Memory(samples), waveform.sample_rate)
    }

    fn from_source(source: Source, sample_rate: u32) -> Self {
        Self {
            source,
            sample_rate,
            waiting: Vec::new(),
            before: Vec::new(),
            ended: false,
            start: 0,
        }
    }

    /// The next window; `None` at the end.
    ///
    /// # Errors
    /// The recording is damaged.
    pub fn next_window(&mut self) -> Result<Option<Window>, audio::Error> {
        let rate = f64::from(self.sample_rate);
        let samples = |seconds: f64| (seconds * rate) as usize;
        let (longest, overlap) = (samples(LONGEST), samples(OVERLAP));
        while !self.ended && self.waiting.len() <= longest + overlap {
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
            let from = longest - samples(SEARCH);
            let cut = quietest(&self.waiting[from..longest], samples(QUIET)) + from;
            self.waiting.split_off(cut)
        } else {
            Vec::new()
        };
        let core = std::mem::replace(&mut self.waiting, rest);
        if core.is_empty() {
            return Ok(None);
        }
        let (start, end) = (self.start, self.start + core.len());
        self.start = end;
        let begins = start - self.before.len();
        let mut window = std::mem::take(&mut self.before);
        self.before = core[core.len().saturating_sub(overlap)..].to_vec();
        window.extend(core);
        window.extend(self.waiting.iter().take(overlap));
        let seconds = |samples: usize| samples as f64 / rate;
        Ok(Some(Window {
            start: seconds(start),
            end: seconds(end),
            begins: seconds(begins),
            waveform: Waveform {
                samples: window,
                sample_rate: self.sample_rate,
            },
        }))
    }

    /// The next windows, as many as can be worked on at once; none at the end.
    ///
    /// # Errors
    /// The recording is damaged.
    pub fn next_group(&mut self) -> Result<Vec<Window>, audio::Error> {
        let mut group = Vec::new();
        while group.len() < rayon::current_num_threads() {
            match self.next_window()? {
                Some(window) => group.push(window),
                None => break,
            }
        }
        Ok(group)
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
    fn cores_join_to_the_recording_and_begin_in_silence_and_windows_overlap() {
        let samples = noise(100, 7);
        let mut windows = windows(&samples);
        let mut joined: Vec<f32> = Vec::new();
        let place = |seconds: f64| (seconds * 8000.0).round() as usize;
        while let Some(window) = windows.next_window().unwrap() {
            assert_eq!(place(window.start), joined.len());
            assert!(window.end - window.start <= LONGEST);
            let begins = place(window.begins);
            assert_eq!(begins, joined.len().saturating_sub(2 * 8000));
            let ends = (place(window.end) + 2 * 8000).min(samples.len());
            assert_eq!(begins + window.waveform.samples.len(), ends);
            let core = joined.len() - begins..place(window.end) - begins;
            let core = &window.waveform.samples[core];
            if window.start > 0.0 {
                assert!(core[..400].iter().all(|sample| *sample == 0.0));
            }
            joined.extend(core);
        }
        assert_eq!(joined.len(), samples.len());
    }

    #[test]
    fn a_short_recording_is_one_window() {
        let mut windows = windows(&noise(16, 7));
        assert!(windows.next_window().unwrap().is_some());
        assert!(windows.next_window().unwrap().is_none());
    }
}
