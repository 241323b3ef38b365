//! Batches without padding.
//!
//! The utterances of a batch stand longest first, and frame `t` of the batch holds one row for each
//! utterance that is longer than `t`. Row `(t, b)` is `offset(t) + b`. Nothing is computed for
//! frames that do not exist, and the backward direction of a layer starts at each utterance's own
//! last frame. PyTorch's `pack_padded_sequence` with `enforce_sorted` lays its data out the same way.

use std::ops::Range;

use candle_core::{Device, Tensor};
use ndarray::{Array2, ArrayView2};

use super::{Error, tensor::with_values};

/// The layout of one packed batch: which row of `[N, D]` is which frame of which utterance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packing {
    lengths: Vec<usize>,
    /// First row of each frame, and `N` at the end: `[T + 1]`.
    offsets: Vec<usize>,
}

/// The rows of one time step, and those of the step before it in a direction's own order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// First row of this frame.
    pub row: usize,
    /// Utterances that are this long.
    pub batch: usize,
    /// First row of the frame from which the state comes.
    pub previous: usize,
    /// Utterances `0..joined` continue from the frame before; `joined..batch` begin here.
    pub joined: usize,
}

/// Consecutive steps of a direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Their places in [`Packing::walk`].
    pub steps: Range<usize>,
    /// The rows of the batch that they are.
    pub rows: Range<usize>,
}

impl Packing {
    /// Lays out a batch of utterances of `lengths` frames, longest first.
    ///
    /// Fails when there is no utterance, when one has no frames, or when the order is another.
    pub fn new(lengths: Vec<usize>) -> Result<Self, Error> {
        if lengths.is_empty() {
            return Err(Error::Packing("it holds no utterances".into()));
        }
        if let Some(b) = lengths.iter().position(|&length| length == 0) {
            return Err(Error::Packing(format!("utterance {b} has no frames")));
        }
        if let Some(b) = lengths.windows(2).position(|pair| pair[0] < pair[1]) {
            return Err(Error::Packing(format!(
                "utterance {} ({} frames) is longer than the one before it ({}); sort them longest first",
                b + 1,
                lengths[b + 1],
                lengths[b]
            )));
        }
        let steps = lengths[0];
        let mut offsets = Vec::with_capacity(steps + 1);
        let mut batch = lengths.len();
        let mut row = 0;
        for t in 0..steps {
            offsets.push(row);
            while lengths[batch - 1] <= t {
                batch -= 1;
            }
            row += batch;
        }
        offsets.push(row);
        Ok(Self { lengths, offsets })
    }

    /// The order that sorts `lengths` longest first; equal lengths keep their order.
    pub fn order(lengths: &[usize]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&b| std::cmp::Reverse(lengths[b]));
        order
    }

    /// Frames of each utterance, longest first: `[B]`.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// `N`, the frames of the whole batch.
    pub fn frames(&self) -> usize {
        self.offsets[self.steps()]
    }

    /// `T`, the frames of the longest utterance.
    pub fn steps(&self) -> usize {
        self.lengths[0]
    }

    /// `B`, the number of utterances.
    pub fn batch(&self) -> usize {
        self.lengths.len()
    }

    /// How many utterances are longer than `t` frames; 0 from `t = T` on.
    pub fn batch_at(&self, t: usize) -> usize {
        match self.offsets.get(t + 1) {
            Some(next) => next - self.offsets[t],
            None => 0,
        }
    }

    /// First row of frame `t ≤ T`.
    pub fn offset(&self, t: usize) -> usize {
        self.offsets[t]
    }

    /// Row of frame `t` of utterance `b`, which must be longer than `t`.
    pub fn row(&self, t: usize, b: usize) -> usize {
        debug_assert!(t < self.lengths[b]);
        self.offsets[t] + b
    }

    /// Frame and utterance `(t, b)` of a row below `N`.
    pub fn frame_of(&self, row: usize) -> (usize, usize) {
        let t = self.offsets.partition_point(|&offset| offset <= row) - 1;
        (t, row - self.offsets[t])
    }

    /// The time steps in the order in which a direction computes them: from the first frame, or
    /// with `reversed` from the last one, where shorter utterances join as `t` falls.
    pub fn walk(&self, reversed: bool) -> impl DoubleEndedIterator<Item = Step> + '_ {
        self.walk_over(reversed, 0..self.steps())
    }

    /// Some of the steps of [`Packing::walk`], counted in its order.
    pub(super) fn walk_over(
        &self,
        reversed: bool,
        some: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = Step> + '_ {
        let steps = self.steps();
        some.map(move |i| {
            let t = if reversed { steps - 1 - i } else { i };
            let batch = self.batch_at(t);
            let (previous, joined) = match (i, reversed) {
                (0, _) => (0, 0),
                (_, false) => (self.offsets[t - 1], batch),
                (_, true) => (self.offsets[t + 1], self.batch_at(t + 1)),
            };
            Step {
                row: self.offsets[t],
                batch,
                previous,
                joined,
            }
        })
    }

    /// The steps of [`Packing::walk`] in stretches of at most `rows` rows, or of a single step.
    pub(super) fn stretches(&self, reversed: bool, rows: usize) -> Vec<Stretch> {
        let mut stretches: Vec<Stretch> = Vec::new();
        for (i, step) in self.walk(reversed).enumerate() {
            let here = step.row..step.row + step.batch;
            match stretches.last_mut() {
                Some(last) if last.rows.len() + step.batch <= rows => {
                    last.steps.end = i + 1;
                    last.rows.start = last.rows.start.min(here.start);
                    last.rows.end = last.rows.end.max(here.end);
                }
                _ => stretches.push(Stretch {
                    steps: i..i + 1,
                    rows: here,
                }),
            }
        }
        stretches
    }

    /// Packs utterances `[T_b, D]`, given longest first, into a tensor `[N, D]`.
    ///
    /// Fails when their lengths are not this packing's, or their dimensions differ.
    pub fn pack(&self, utterances: &[ArrayView2<'_, f32>]) -> Result<Tensor, Error> {
        let dim = utterances.first().map_or(0, |u| u.ncols());
        if utterances.len() != self.batch() {
            return Err(Error::Packing(format!(
                "{} utterances for a layout of {}",
                utterances.len(),
                self.batch()
            )));
        }
        for (b, (utterance, &length)) in utterances.iter().zip(&self.lengths).enumerate() {
            if utterance.dim() != (length, dim) {
                return Err(Error::Shape {
                    what: format!("utterance {b} of a batch"),
                    expected: vec![length, dim],
                    found: vec![utterance.nrows(), utterance.ncols()],
                });
            }
        }
        let mut packed: Vec<f32> = Vec::with_capacity(self.frames() * dim);
        for t in 0..self.steps() {
            for utterance in &utterances[..self.batch_at(t)] {
                packed.extend(utterance.row(t));
            }
        }
        Ok(Tensor::from_vec(
            packed,
            (self.frames(), dim),
            &Device::Cpu,
        )?)
    }

    /// Takes a packed tensor `[N, V]` apart into the utterances' `[T_b, V]`, longest first.
    pub fn unpack(&self, packed: &Tensor) -> Result<Vec<Array2<f32>>, Error> {
        let (rows, dim) = packed.dims2()?;
        self.check_rows("a packed tensor", rows, dim)?;
        with_values(packed, |values| {
            self.lengths
                .iter()
                .enumerate()
                .map(|(b, &length)| {
                    Array2::from_shape_fn((length, dim), |(t, d)| values[self.row(t, b) * dim + d])
                })
                .collect()
        })
    }

    /// Packs a padded tensor `[B, T, D]`: what stands after an utterance's end is dropped.
    pub fn from_padded(&self, padded: &Tensor) -> Result<Tensor, Error> {
        let (batch, steps, dim) = padded.dims3()?;
        if batch != self.batch() || steps < self.steps() {
            return Err(Error::Shape {
                what: "a padded batch".into(),
                expected: vec![self.batch(), self.steps(), dim],
                found: vec![batch, steps, dim],
            });
        }
        let packed = with_values(padded, |values| {
            let mut packed = Vec::with_capacity(self.frames() * dim);
            for t in 0..self.steps() {
                for b in 0..self.batch_at(t) {
                    let start = (b * steps + t) * dim;
                    packed.extend_from_slice(&values[start..start + dim]);
                }
            }
            packed
        })?;
        Ok(Tensor::from_vec(
            packed,
            (self.frames(), dim),
            &Device::Cpu,
        )?)
    }

    /// Spreads a packed tensor `[N, D]` over `[B, T, D]`, zeros after each utterance's end.
    pub fn to_padded(&self, packed: &Tensor) -> Result<Tensor, Error> {
        let (rows, dim) = packed.dims2()?;
        self.check_rows("a packed tensor", rows, dim)?;
        let padded = with_values(packed, |values| {
            let mut padded = vec![0.0; self.batch() * self.steps() * dim];
            for t in 0..self.steps() {
                for b in 0..self.batch_at(t) {
                    let from = self.row(t, b) * dim;
                    let to = (b * self.steps() + t) * dim;
                    padded[to..to + dim].copy_from_slice(&values[from..from + dim]);
                }
            }
            padded
        })?;
        Ok(Tensor::from_vec(
            padded,
            (self.batch(), self.steps(), dim),
            &Device::Cpu,
        )?)
    }

    /// Fails unless `rows` is this batch's `N`.
    pub(super) fn check_rows(&self, what: &str, rows: usize, dim: usize) -> Result<(), Error> {
        if rows == self.frames() {
            return Ok(());
        }
        Err(Error::Shape {
            what: what.into(),
            expected: vec![self.frames(), dim],
            found: vec![rows, dim],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_stand_frame_by_frame() {
        let packing = Packing::new(vec![3, 2, 2]).unwrap();
        assert_eq!(packing.frames(), 7);
        assert_eq!(packing.batch_at(0), 3);
        assert_eq!(packing.batch_at(2), 1);
        assert_eq!(packing.batch_at(3), 0);
        assert_eq!(packing.row(1, 2), 5);
        assert_eq!(packing.row(2, 0), 6);
    }

    #[test]
    fn lengths_that_cannot_be_packed_are_named() {
        assert!(Packing::new(vec![]).is_err());
        let zero = Packing::new(vec![3, 0]).unwrap_err().to_string();
        assert!(zero.contains("utterance 1 has no frames"), "{zero}");
        let order = Packing::new(vec![2, 5]).unwrap_err().to_string();
        assert!(order.contains("longest first"), "{order}");
    }

    #[test]
    fn the_order_is_longest_first_and_stable() {
        assert_eq!(Packing::order(&[2, 5, 2, 7]), [3, 1, 0, 2]);
    }

    proptest! {
        #[test]
        fn unpacking_gives_back_what_was_packed(
            mut lengths in prop::collection::vec(1usize..9, 1..7),
            dim in 1usize..5,
        ) {
            lengths.sort_by(|a, b| b.cmp(a));
            let packing = Packing::new(lengths.clone()).unwrap();
            let utterances: Vec<Array2<f32>> = lengths.iter().enumerate()
                .map(|(b, &t)| Array2::from_shape_fn((t, dim), |(t, d)| (b * 100 + t * 10 + d) as f32))
                .collect();
            let views: Vec<_> = utterances.iter().map(|u| u.view()).collect();
            let packed = packing.pack(&views).unwrap();
            prop_assert_eq!(&packing.unpack(&packed).unwrap(), &utterances);
            let again = packing.from_padded(&packing.to_padded(&packed).unwrap()).unwrap();
            prop_assert_eq!(packing.unpack(&again).unwrap(), utterances);
        }

        #[test]
        fn every_frame_continues_from_its_own_neighbour(
            mut lengths in prop::collection::vec(1usize..9, 1..7),
            reversed in any::<bool>(),
        ) {
            lengths.sort_by(|a, b| b.cmp(a));
            let packing = Packing::new(lengths.clone()).unwrap();
            let mut rows = 0;
            for stretch in packing.stretches(reversed, 5) {
                let steps: Vec<_> = packing.walk_over(reversed, stretch.steps).collect();
                prop_assert!(steps.iter().all(|s| stretch.rows.contains(&s.row)));
                let sum: usize = steps.iter().map(|s| s.batch).sum();
                prop_assert_eq!(stretch.rows.len(), sum);
                prop_assert!(sum <= 5 || steps.len() == 1);
                rows += sum;
            }
            prop_assert_eq!(rows, packing.frames());
            let mut seen = 0;
            for step in packing.walk(reversed) {
                for (b, &length) in lengths.iter().enumerate().take(step.batch) {
                    let (t, _) = packing.frame_of(step.row + b);
                    let first = if reversed { t == length - 1 } else { t == 0 };
                    prop_assert_eq!(first, b >= step.joined);
                    if !first {
                        let neighbour = if reversed { t + 1 } else { t - 1 };
                        prop_assert_eq!(packing.frame_of(step.previous + b), (neighbour, b));
                    }
                    seen += 1;
                }
            }
            prop_assert_eq!(seen, packing.frames());
        }
    }
}
