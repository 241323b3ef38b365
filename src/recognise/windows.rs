//! Long recordings in overlapping windows, whose cores are cut where it is quiet.

use std::ops::Range;

use crate::audio::{self, Blocks, Waveform};
use crate::features::Recipe;

/// Longest core, seconds: bounds the memory of an hours-long recording. With its overlaps it is a
/// little more than the chains that `english` has heard; LibriSpeech dev joined has more errors with
/// cores of 8 or 16 s and with 40.
const LONGEST: f64 = 24.0;

/// A cut is looked for in the last part of a core, seconds.
const SEARCH: f64 = 8.0;

/// Length over which quietness is measured, seconds: longer than the closure of a stop.
const QUIET: f64 = 0.2;

/// What a window holds of its neighbours at either side, seconds, and twice what a frame covers at
/// least: some words, so that none is heard without what stands around it, and a pause, so that the
/// two can be joined in one.
const OVERLAP: f64 = 2.0;

/// The windows of a recording: each has a core of at most 24 s, cut in the middle of the quietest
/// 0.2 s of its last 8 s, and 2 s of its neighbours. The cores joined are the recording; memory
/// does not grow with its length. All begin and all cores end on one grid of frames.
pub struct Windows {
    source: Source,
    sample_rate: u32,
    hop: usize,
    overlap: usize,
    waiting: Vec<f32>,
    before: Vec<f32>,
    ended: bool,
    start: usize,
}

/// One window.
#[derive(Clone, Debug)]
pub struct Window {
    /// Its core, in frames of the recording: the last core ends beyond all of them.
    pub core: Range<usize>,
    /// The frame with which its samples begin: at or before the core.
    pub begins: usize,
    /// The frame with which those of the next window begin.
    pub next_begins: usize,
    /// Its samples: the core and what overlaps the neighbours.
    pub waveform: Waveform,
}

/// Where samples come from.
enum Source {
    Blocks(Box<Blocks>),
    Memory(Option<Vec<f32>>),
}

impl Windows {
    /// The windows of what `blocks` reads at the rate of `recipe`, on its grid of frames.
    pub fn new(blocks: Blocks, recipe: &Recipe) -> Self {
        Self::from_source(Source::Blocks(Box::new(blocks)), recipe)
    }

    /// The windows of a waveform that is in memory, at the same rate.
    pub fn of(waveform: Waveform, recipe: &Recipe) -> Self {
        let samples = Some(waveform.samples).filter(|samples| !samples.is_empty());
        Self::from_source(Source::Memory(samples), recipe)
    }

    fn from_source(source: Source, recipe: &Recipe) -> Self {
        let (sample_rate, hop) = (recipe.sample_rate(), recipe.samples_per_frame().max(1));
        let overlap = (OVERLAP * f64::from(sample_rate)) as usize;
        let least = 2 * (recipe.min_samples() + hop);
        Self {
            source,
            sample_rate,
            hop,
            overlap: overlap.max(least).next_multiple_of(hop),
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
        let (longest, overlap) = (samples(LONGEST), self.overlap);
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
            let cut = (cut / self.hop * self.hop).max(self.hop);
            self.waiting.split_off(cut.min(self.waiting.len()))
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
        Ok(Some(Window {
            core: start / self.hop..end.div_ceil(self.hop),
            begins: begins / self.hop,
            next_begins: (end - self.before.len()) / self.hop,
            waveform: Waveform {
                samples: window,
                sample_rate: self.sample_rate,
            },
        }))
    }

    /// The length of all cores so far, seconds.
    pub fn seconds(&self) -> f64 {
        self.start as f64 / f64::from(self.sample_rate)
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
        let recipe = "kind = \"fbank\"\nsample_rate = 8000\n[mel]\nbins = 23\n[stacking]\nframes = 3\nskip = 3\n";
        let recipe = Recipe::parse(recipe, "test").unwrap();
        Windows::new(Blocks::from_wav(bytes, "noise", 8000).unwrap(), &recipe)
    }

    #[test]
    fn cores_join_to_the_recording_and_begin_in_silence_and_windows_overlap() {
        let samples = noise(100, 7);
        let mut windows = windows(&samples);
        let mut joined: Vec<f32> = Vec::new();
        let overlap = 67 * 240;
        while let Some(window) = windows.next_window().unwrap() {
            assert_eq!(window.core.start * 240, joined.len());
            assert!(window.core.len() * 240 <= LONGEST as usize * 8000);
            let begins = window.begins * 240;
            assert_eq!(begins, joined.len().saturating_sub(overlap));
            assert!(window.next_begins + 68 >= window.core.end);
            let ends = (window.core.end * 240 + overlap).min(samples.len());
            assert_eq!(begins + window.waveform.samples.len(), ends);
            let core = joined.len() - begins..(window.core.end * 240).min(samples.len()) - begins;
            let core = &window.waveform.samples[core];
            if window.core.start > 0 {
                assert!(core[..400].iter().all(|sample| *sample == 0.0));
            }
            joined.extend(core);
        }
        assert_eq!(joined.len(), samples.len());
        assert_eq!(windows.seconds(), 100.0);
    }

    #[test]
    fn a_short_recording_is_one_window() {
        let mut windows = windows(&noise(16, 7));
        assert!(windows.next_window().unwrap().is_some());
        assert!(windows.next_window().unwrap().is_none());
    }
}
