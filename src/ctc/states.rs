//! The states of a target's lattice, and the arrays in which the kernels keep their numbers.

use std::ops::Range;

use super::lanes::{LANES, Lanes, lanes, lanes_mut, padded};
use super::scaled::{FLOOR, exp};

/// The logits of one utterance, frame by frame.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// All logits of the batch, `[N, V]`.
    pub logits: &'a [f32],
    /// `V`.
    pub vocabulary: usize,
    /// The row of each of this utterance's frames: `[T]`.
    pub index: &'a [usize],
}

impl<'a> Rows<'a> {
    pub fn row(&self, t: usize) -> &'a [f32] {
        let start = self.index[t] * self.vocabulary;
        &self.logits[start..start + self.vocabulary]
    }

    pub fn frames(&self) -> usize {
        self.index.len()
    }
}

/// A logit at this frame is NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotFinite {
    pub frame: usize,
}

/// The states of a target, padded to whole lanes.
pub(super) struct Lattice<'a> {
    pub target: &'a [u32],
    /// Labels and, after them, states that nothing real comes out of.
    pub width: usize,
    /// Exponents: 0 where the path may go from the label before straight to this one (they
    /// differ), [`FLOOR`] where it may not. `[width + 1]`: from `[1]` on it says the same of going
    /// from label u to the next.
    pub skip: Vec<i32>,
}

impl<'a> Lattice<'a> {
    pub fn new(target: &'a [u32]) -> Self {
        let width = padded(target.len() + 1);
        let mut skip = vec![FLOOR; width + 1];
        for (u, pair) in target.windows(2).enumerate() {
            if pair[0] != pair[1] {
                skip[u + 1] = 0;
            }
        }
        Self {
            target,
            width,
            skip,
        }
    }

    /// Where `B(0)` stands in a column.
    pub fn blanks(&self) -> usize {
        self.width + 2
    }

    /// Numbers of a column: an impossible one, `L`, another, `B`, another.
    pub fn column(&self) -> usize {
        2 * self.width + 3
    }

    /// The states that count in frames `start .. end` of `frames`.
    pub fn window(&self, start: usize, end: usize, frames: usize) -> Window<'_> {
        let labels = self.target.len();
        let low = labels.saturating_sub(frames - start) / LANES * LANES;
        let high = padded(labels.min(end) + 1);
        Window {
            lattice: self,
            states: low..high,
            labels: low..high.min(labels),
        }
    }

    /// Numbers of a frame's emissions: those of the labels, then the blank's sixteen times.
    pub fn emissions(&self) -> usize {
        self.width + LANES
    }
}

/// The part of a lattice that a stretch of frames can use: state `u` is not reached before frame
/// `u`, and from a state too far from the last one the end is out of reach. What stands outside is
/// not written; it flows only into states that are outside the true band themselves.
pub(super) struct Window<'a> {
    pub lattice: &'a Lattice<'a>,
    /// In whole lanes.
    pub states: Range<usize>,
    /// Those that are labels of the target.
    pub labels: Range<usize>,
}

impl Window<'_> {
    /// Where each sixteen states begin.
    #[inline(always)]
    pub fn steps(&self) -> impl Iterator<Item = usize> + use<> {
        self.states.clone().step_by(LANES)
    }

    /// The window's labels.
    pub fn target(&self) -> &[u32] {
        &self.lattice.target[self.labels.clone()]
    }
}

/// Mantissas and exponents of a piece.
pub(super) type Part<'a> = (&'a [f32], &'a [i32]);
pub(super) type PartMut<'a> = (&'a mut [f32], &'a mut [i32]);

/// Arrays of scaled numbers, cut into pieces of one length: columns of states, or emissions.
pub(super) struct Pieces {
    mantissa: Vec<f32>,
    exponent: Vec<i32>,
    len: usize,
}

impl Pieces {
    /// `count` pieces in which everything is impossible.
    pub fn new(count: usize, len: usize) -> Self {
        Self {
            mantissa: vec![1.0; count * len],
            exponent: vec![FLOOR; count * len],
            len,
        }
    }

    pub fn get(&self, i: usize) -> Part<'_> {
        let range = i * self.len..(i + 1) * self.len;
        (&self.mantissa[range.clone()], &self.exponent[range])
    }

    pub fn get_mut(&mut self, i: usize) -> PartMut<'_> {
        let range = i * self.len..(i + 1) * self.len;
        (&mut self.mantissa[range.clone()], &mut self.exponent[range])
    }

    /// Piece `i`, and piece `i + 1` to write to.
    pub fn pair(&mut self, i: usize) -> (Part<'_>, PartMut<'_>) {
        let middle = (i + 1) * self.len;
        let (m0, m1) = self.mantissa.split_at_mut(middle);
        let (e0, e1) = self.exponent.split_at_mut(middle);
        (
            (&m0[i * self.len..], &e0[i * self.len..]),
            (&mut m1[..self.len], &mut e1[..self.len]),
        )
    }

    pub fn copy(&mut self, i: usize, from: &Self, j: usize) {
        let (mantissa, exponent) = self.get_mut(i);
        let (from_mantissa, from_exponent) = from.get(j);
        mantissa.copy_from_slice(from_mantissa);
        exponent.copy_from_slice(from_exponent);
    }

    pub fn set(&mut self, i: usize, at: usize) {
        let (mantissa, exponent) = self.get_mut(i);
        mantissa[at] = 1.0;
        exponent[at] = 0;
    }
}

/// Gathers the logits of the window's labels and of the blank, less the frame's largest.
pub(super) fn gather(window: &Window<'_>, row: &[f32], max: f32, scores: &mut [f32]) {
    let labels = scores[window.labels.clone()].iter_mut();
    for (score, &token) in labels.zip(window.target()) {
        *score = row[token as usize] - max;
    }
    scores[window.lattice.width..].fill(row[super::BLANK as usize] - max);
}

/// `y` of the window's labels and of the blank at one frame.
#[inline(always)]
pub(super) fn emit<L: Lanes>(l: L, window: &Window<'_>, scores: &[f32], (y, ye): PartMut<'_>) {
    for at in window.steps() {
        exp(l, l.load(lanes(scores, at))).store(l, lanes_mut(y, at), lanes_mut(ye, at));
    }
    let at = window.lattice.width;
    exp(l, l.load(lanes(scores, at))).store(l, lanes_mut(y, at), lanes_mut(ye, at));
}
