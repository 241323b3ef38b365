//! The softmax of rows of logits.

use super::lanes::{LANES, Lanes, lanes, lanes_mut};
use super::scaled::{exp, power_of_two};

/// What a row's softmax needs: `softmax(x) = exp(x − max) / sum`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RowStatistics {
    /// The largest logit.
    pub max: f32,
    /// Σ exp(x − max), in `[1, V]`.
    pub sum: f32,
}

/// The exponential as a float: 0 below e^−87.
#[inline(always)]
fn exp_float<L: Lanes>(l: L, x: L::F) -> L::F {
    let y = exp(l, x);
    l.mul(y.mantissa, power_of_two(l, y.exponent))
}

/// The last lanes of a row that is not a multiple of sixteen long, filled up with `fill`.
#[inline(always)]
fn tail(row: &[f32], fill: f32) -> Option<[f32; LANES]> {
    let rest = row.chunks_exact(LANES).remainder();
    (!rest.is_empty()).then(|| {
        let mut padded = [fill; LANES];
        padded[..rest.len()].copy_from_slice(rest);
        padded
    })
}

/// Maximum and sum of exponentials of a row, or `None` where a logit is NaN or infinite.
///
/// The next row of an utterance is a batch away, where no processor expects it: `next` says which
/// one is wanted after this.
#[inline(always)]
pub(super) fn row_statistics<L: Lanes>(l: L, row: &[f32], next: &[f32]) -> Option<RowStatistics> {
    let whole = row.len() / LANES * LANES;
    let mut max = l.splat(f32::MIN);
    let mut magnitude = l.splat_i(0);
    for at in (0..whole).step_by(LANES) {
        l.prefetch(lanes(next, at));
        let x = l.load(lanes(row, at));
        max = l.max(max, x);
        magnitude = l.max_i(magnitude, l.and_i(l.bits(x), l.splat_i(i32::MAX)));
    }
    let tail = tail(row, f32::MIN);
    if let Some(tail) = &tail {
        let x = l.load(tail);
        max = l.max(max, x);
        magnitude = l.max_i(magnitude, l.and_i(l.bits(x), l.splat_i(i32::MAX)));
    }
    if l.peak_i(magnitude) > f32::MAX.to_bits() as i32 {
        return None;
    }
    let max = l.peak(max);

    let mut sum = l.splat(0.0);
    let largest = l.splat(max);
    for at in (0..whole).step_by(LANES) {
        let x = l.sub(l.load(lanes(row, at)), largest);
        sum = l.add(sum, exp_float(l, x));
    }
    if let Some(tail) = &tail {
        // The filling, f32::MIN, is far below any logit unless all are: it is left out by its
        // place, not by its value.
        let mut y = [0.0; LANES];
        l.store(exp_float(l, l.sub(l.load(tail), largest)), &mut y);
        y[row.len() - whole..].fill(0.0);
        sum = l.add(sum, l.load(&y));
    }
    Some(RowStatistics {
        max,
        sum: l.total(sum),
    })
}

/// `scale · softmax(x)` of a row, `factor` being `scale / sum`.
#[inline(always)]
fn softmax<L: Lanes>(l: L, x: &[f32; LANES], max: L::F, factor: L::F) -> L::F {
    l.mul(exp_float(l, l.sub(l.load(x), max)), factor)
}

/// Writes `scale · softmax(x)` of a row; `next` are the rows that will be read and written after it.
#[inline(always)]
pub(super) fn softmax_row<L: Lanes>(
    l: L,
    row: &[f32],
    statistics: RowStatistics,
    scale: f32,
    to: &mut [f32],
    next: (&[f32], &[f32]),
) {
    let whole = row.len() / LANES * LANES;
    let max = l.splat(statistics.max);
    let factor = l.splat(scale / statistics.sum);
    for at in (0..whole).step_by(LANES) {
        l.prefetch(lanes(next.0, at));
        l.prefetch(lanes(next.1, at));
        l.store(softmax(l, lanes(row, at), max, factor), lanes_mut(to, at));
    }
    if let Some(tail) = tail(row, statistics.max) {
        let mut y = [0.0; LANES];
        l.store(softmax(l, &tail, max, factor), &mut y);
        to[whole..].copy_from_slice(&y[..row.len() - whole]);
    }
}
