//! The log-probabilities of overlapping windows as one sequence, and that sequence between pauses.

use ndarray::{Array2, ArrayView1, Axis, concatenate, s};

/// Shortest silence between two stretches, seconds.
const PAUSE: f64 = 0.4;

/// A pause ends no stretch that is shorter, seconds. Where sentences follow one another, stretches as
/// long as they may be have a tenth more errors: a list of hypotheses that is long enough for one
/// sentence is too short for several.
const SHORTEST: f64 = 2.0;

/// Longest stretch, seconds: without a pause it ends in the longest silence of its last half. A
/// recording that is no longer is one stretch, whatever its pauses, as the sentences are on which
/// models are tuned and measured: who reads slowly pauses within them (the non-native children of
/// speechocean762 have a tenth more errors when those pauses are taken for ends).
const LONGEST: f64 = 24.0;

/// ln of the probability of silence above which a frame is silent.
const SILENT: f32 = -std::f32::consts::LN_2;

/// Length of what two windows both hear as silence where they are joined, seconds.
const JOINT: f64 = 0.2;

/// The log-probabilities of a recording, joined from those of its windows as they come, and given back
/// in stretches that end in pauses.
///
/// Two windows are joined where, within what they have in common, both are surest of hearing nothing,
/// and stretches end where nothing is heard: so no word is cut, lost or doubled.
pub struct Stretches {
    /// The output that tells silence, and its tokens that are silence.
    output: usize,
    silent: Vec<usize>,
    seconds_per_frame: f64,
    /// Whether pauses end stretches.
    at_pauses: bool,
    /// `[T, V]` of every output, from frame `start` of the recording on.
    pending: Vec<Array2<f32>>,
    start: usize,
    /// The frame up to which windows to come change nothing.
    certain: usize,
}

/// The log-probabilities between two pauses.
pub struct Stretch {
    /// Its first frame.
    pub start: usize,
    /// `[T, V]` of every output, nats.
    pub log_probs: Vec<Array2<f32>>,
}

impl Stretches {
    /// Silence is the tokens `silent` of the output `output`. Unless `at_pauses`, stretches are as
    /// long as they may be.
    pub fn new(output: usize, silent: Vec<usize>, seconds_per_frame: f64, at_pauses: bool) -> Self {
        Self {
            output,
            silent,
            seconds_per_frame,
            at_pauses,
            pending: Vec::new(),
            start: 0,
            certain: 0,
        }
    }

    /// Adds the log-probabilities of the next window, which begins with the recording's frame `begins`;
    /// the one after it will begin with `next_begins`.
    pub fn push(&mut self, begins: usize, next_begins: usize, log_probs: Vec<Array2<f32>>) {
        self.certain = next_begins;
        if self.pending.is_empty() {
            (self.start, self.pending) = (begins, log_probs);
            return;
        }
        let joint = self.joint(begins, &log_probs[self.output]);
        for (pending, right) in self.pending.iter_mut().zip(&log_probs) {
            let left = pending.slice(s![..joint - self.start, ..]);
            let right = right.slice(s![joint.saturating_sub(begins).min(right.nrows()).., ..]);
            *pending = concatenate![Axis(0), left, right];
        }
    }

    /// The frame at which the window that begins at `begins` takes over.
    fn joint(&self, begins: usize, right: &Array2<f32>) -> usize {
        let left = &self.pending[self.output];
        let from = begins.max(self.start);
        let until = (self.start + left.nrows()).min(begins + right.nrows());
        let silence: Vec<f32> = (from..until)
            .map(|frame| {
                self.silence(left.row(frame - self.start)) + self.silence(right.row(frame - begins))
            })
            .collect();
        let width = self.frames(JOINT).clamp(1, silence.len().max(1));
        let surest = silence
            .windows(width)
            .map(|part| part.iter().sum::<f32>())
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(&b.1));
        (from + surest.map_or(0, |(place, _)| place + width / 2)).min(self.start + left.nrows())
    }

    /// ln of the probability that a frame is silent.
    fn silence(&self, frame: ArrayView1<'_, f32>) -> f32 {
        let sum: f32 = self.silent.iter().map(|token| frame[*token].exp()).sum();
        sum.ln()
    }

    fn frames(&self, seconds: f64) -> usize {
        ((seconds / self.seconds_per_frame).round() as usize).max(1)
    }

    /// The next stretch that ends in a pause; when the recording has `ended`, also what is left.
    pub fn next_stretch(&mut self, ended: bool) -> Option<Stretch> {
        let known = self.known(ended);
        let short = self.start == 0 && known <= self.frames(LONGEST);
        let cut = match short {
            true => None,
            false => self.cut(known),
        };
        let cut = match cut {
            None if ended && known > 0 => known,
            cut => cut?,
        };
        Some(self.take(cut))
    }

    /// All that windows to come do not change: `[T, V]` of every output.
    pub fn take_certain(&mut self, ended: bool) -> Vec<Array2<f32>> {
        self.take(self.known(ended)).log_probs
    }

    /// How many of the pending frames are certain.
    fn known(&self, ended: bool) -> usize {
        let rows = self.pending.first().map_or(0, Array2::nrows);
        match ended {
            true => rows,
            false => rows.min(self.certain.saturating_sub(self.start)),
        }
    }

    fn take(&mut self, frames: usize) -> Stretch {
        let start = self.start;
        self.start += frames;
        let split = |pending: &mut Array2<f32>| {
            let rest = pending.slice(s![frames.., ..]).to_owned();
            let taken = pending.slice(s![..frames, ..]).to_owned();
            *pending = rest;
            taken
        };
        let log_probs = self.pending.iter_mut().map(split).collect();
        Stretch { start, log_probs }
    }

    /// Where a stretch ends within the first `known` frames.
    fn cut(&self, known: usize) -> Option<usize> {
        let (pause, shortest) = (self.frames(PAUSE), self.frames(SHORTEST));
        let longest = self.frames(LONGEST);
        let output = self.pending.get(self.output)?;
        // The longest silence of the last half of the longest stretch: its length and middle.
        let (mut run, mut best) = (0, (0, longest));
        for frame in 0..known.min(longest) {
            let middle = frame - run / 2;
            if self.silence(output.row(frame)) > SILENT {
                run += 1;
                if middle >= longest / 2 && run > best.0 {
                    best = (run, middle);
                }
                continue;
            }
            if self.at_pauses && run >= pause && middle >= shortest {
                return Some(middle);
            }
            run = 0;
        }
        (known >= longest).then_some(best.1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Frames of 0.1 s of a blank and a token: `true` is silent. The token's probability tells frames apart.
    fn log_probs(silent: &[bool]) -> Array2<f32> {
        let mut out = Array2::zeros((silent.len(), 2));
        for (t, silent) in silent.iter().enumerate() {
            let other = 0.1 + 0.01 * (t % 13) as f32;
            let (blank, token) = match silent {
                true => (1.0 - other, other),
                false => (other, 1.0 - other),
            };
            out[[t, 0]] = blank.ln();
            out[[t, 1]] = token.ln();
        }
        out
    }

    /// The stretches of a recording whose windows have cores of `core` frames and 20 of each neighbour.
    fn stretches(all: &Array2<f32>, core: usize) -> Vec<Stretch> {
        let mut stretches = Stretches::new(0, vec![0], 0.1, true);
        let (mut out, frames) = (Vec::new(), all.nrows());
        for start in (0..frames).step_by(core) {
            let begins = start.saturating_sub(20);
            let end = (start + core).min(frames);
            let window = all.slice(s![begins..(end + 20).min(frames), ..]).to_owned();
            stretches.push(
                begins,
                end.saturating_sub(20.min(end - start)),
                vec![window],
            );
            out.extend(std::iter::from_fn(|| stretches.next_stretch(false)));
        }
        out.extend(std::iter::from_fn(|| stretches.next_stretch(true)));
        out
    }

    proptest! {
        /// Runs of silence and sound of any lengths, windows of any size.
        #[test]
        fn stretches_are_the_recording_and_end_in_pauses(
            runs in prop::collection::vec((1usize..80, 0usize..10), 1..40),
            core in 40usize..240,
        ) {
            let silent: Vec<bool> = runs
                .iter()
                .flat_map(|(loud, quiet)| [vec![false; *loud], vec![true; *quiet]].concat())
                .collect();
            let all = log_probs(&silent);
            let found = stretches(&all, core);
            let mut at = 0;
            for stretch in &found {
                let rows = stretch.log_probs[0].nrows();
                prop_assert_eq!(stretch.start, at);
                prop_assert_eq!(&stretch.log_probs[0], &all.slice(s![at..at + rows, ..]));
                at += rows;
                prop_assert!(rows > 0 && rows <= 240);
                let forced = rows >= 120;
                prop_assert!(at == silent.len() || forced || rows >= 20 && silent[at - 1] && silent[at]);
            }
            prop_assert_eq!(at, silent.len());
            prop_assert!(silent.len() > 240 || found.len() == 1);
            // The same whatever the windows.
            let starts = |stretches: &[Stretch]| stretches.iter().map(|s| s.start).collect::<Vec<_>>();
            prop_assert_eq!(starts(&found), starts(&stretches(&all, usize::MAX / 2)));
        }
    }

    #[test]
    fn windows_are_joined_where_both_hear_silence() {
        // Around the cut at 50 one window hears a token late, and the other one early.
        let at = |token: usize, frames: std::ops::Range<usize>| {
            log_probs(&frames.map(|t| t != token).collect::<Vec<_>>())
        };
        for (left, right) in [(51, 49), (49, 51), (50, 50)] {
            // The same whether what is certain is taken as soon as it is.
            let joined = |eager: bool| {
                let mut stretches = Stretches::new(0, vec![0], 0.1, true);
                stretches.push(0, 30, vec![at(left, 0..70)]);
                let mut parts = Vec::new();
                if eager {
                    parts.extend(stretches.take_certain(false));
                    assert_eq!(parts[0].nrows(), 30);
                }
                stretches.push(30, 80, vec![at(right, 30..100)]);
                parts.extend(stretches.take_certain(true));
                let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
                ndarray::concatenate(Axis(0), &views).unwrap()
            };
            let all = joined(false);
            assert_eq!((all.nrows(), &all), (100, &joined(true)));
            let tokens = all.rows().into_iter().filter(|row| row[1] > row[0]);
            assert_eq!(tokens.count(), 1, "{left} {right}");
        }
    }

    #[test]
    fn without_pauses_stretches_are_as_long_as_they_may_be() {
        let silent: Vec<bool> = (0..200).map(|t| t % 30 < 10).collect();
        let mut stretches = Stretches::new(0, vec![0], 0.1, false);
        stretches.push(0, 180, vec![log_probs(&silent)]);
        assert!(stretches.next_stretch(false).is_none());
        let all = stretches.next_stretch(true).unwrap();
        assert_eq!(all.log_probs[0].nrows(), 200);
    }

    #[test]
    fn sound_without_end_is_cut_in_its_longest_silence() {
        let silent: Vec<bool> = (0..400).map(|t| (200..203).contains(&t)).collect();
        let found = stretches(&log_probs(&silent), 100);
        assert_eq!(found[1].start, 201);
        let silent = vec![false; 400];
        assert_eq!(stretches(&log_probs(&silent), 100)[1].start, 240);
    }
}
