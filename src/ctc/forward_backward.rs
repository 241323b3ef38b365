//! The forward–backward recursions of CTC for one utterance (Graves et al. 2006, section 4.1).
//!
//! With `z` the target of `U` labels and `y(k)` the probability of token `k` at frame `t`, the
//! states are `U` labels and the `U + 1` blanks around them. The paper numbers them `1 … 2U + 1`;
//! here labels and blanks stand in an array each, and sixteen of either are computed at a time:
//!
//! ```text
//! L(u)  in label u            = state 2u + 2 of the paper, u = 0 … U − 1
//! B(u)  in the blank before u = state 2u + 1,              u = 0 … U
//! ```
//!
//! Numbers are [`Scaled`]: log space with the mantissa apart. `y` is taken relative to the frame's
//! largest logit, `y(k) = exp(x(k) − max)`: the normaliser of the softmax is the same for all
//! paths, so it cancels from the occupancies and is subtracted from the log-probability in f64.
//!
//! The forward pass keeps every √T-th column, and the backward pass computes those between again,
//! a block at a time: √T columns of memory instead of T, all of it in cache.

use super::lanes::{Kernel, Lanes, lanes, lanes_mut};
use super::scaled::{DEEPEST, FLOOR, Scaled};
use super::softmax::{RowStatistics, row_statistics, softmax_row};
use super::states::{Lattice, NotFinite, Part, PartMut, Pieces, Rows, Window, emit, gather};

/// One step of the forward recursion, equations (6)–(8) of the paper; returns the largest exponent.
///
/// ```text
/// α_t(L(u)) = y(z(u)) · [α(L(u)) + α(B(u)) + α(L(u−1)) if z(u) ≠ z(u−1)]      (all α at t − 1)
/// α_t(B(u)) = y(blank) · [α(B(u)) + α(L(u−1))]
/// ```
///
/// `shift` is taken off all exponents, so that they stay near zero.
#[inline(always)]
fn advance<L: Lanes>(
    l: L,
    window: &Window<'_>,
    (y, ye): Part<'_>,
    (a, ae): Part<'_>,
    (to, toe): PartMut<'_>,
    shift: i32,
) -> i32 {
    let lattice = window.lattice;
    let blanks = lattice.blanks();
    let shift = l.splat_i(shift);
    let mut peak = l.splat_i(FLOOR);
    let y_blank = Scaled::load(l, lanes(y, lattice.width), lanes(ye, lattice.width));
    for u in window.steps() {
        let before = Scaled::load(l, lanes(a, u), lanes(ae, u));
        let label = Scaled::load(l, lanes(a, u + 1), lanes(ae, u + 1));
        let blank = Scaled::load(l, lanes(a, blanks + u), lanes(ae, blanks + u));
        let y_label = Scaled::load(l, lanes(y, u), lanes(ye, u));
        let skipping = Scaled {
            exponent: l.add_i(before.exponent, l.load_i(lanes(&lattice.skip, u))),
            ..before
        };
        let to_label = label.plus(l, blank).plus(l, skipping).times(l, y_label);
        let to_label = to_label.rounded(l, shift);
        let to_blank = blank.plus(l, before).times(l, y_blank).rounded(l, shift);
        peak = l.max_i(peak, l.max_i(to_label.exponent, to_blank.exponent));
        to_label.store(l, lanes_mut(to, u + 1), lanes_mut(toe, u + 1));
        to_blank.store(l, lanes_mut(to, blanks + u), lanes_mut(toe, blanks + u));
    }
    l.peak_i(peak)
}

/// What the forward pass leaves for the backward one.
pub(super) struct Forward {
    /// `ln p(z|x)`, nats.
    pub log_probability: f64,
    /// Of each frame.
    statistics: Vec<RowStatistics>,
    /// What [`gather`] takes from each frame, `[T, emissions]`: the backward pass need not look
    /// for it again all over memory.
    scores: Vec<f32>,
    /// The column before every `block`-th frame.
    checkpoints: Pieces,
    block: usize,
}

/// Computes [`Forward`]. The target must be feasible in so many frames.
pub(super) struct ForwardPass<'a> {
    pub rows: Rows<'a>,
    pub lattice: &'a Lattice<'a>,
}

impl Kernel for ForwardPass<'_> {
    type Output = Result<Forward, NotFinite>;

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> Self::Output {
        let Self { rows, lattice } = self;
        let frames = rows.frames();
        let block = frames.isqrt().max(1);
        let mut checkpoints = Pieces::new(frames.div_ceil(block), lattice.column());
        let mut emission = Pieces::new(1, lattice.emissions());
        let mut scores = vec![DEEPEST; frames * lattice.emissions()];
        let mut statistics = Vec::with_capacity(frames);
        // Before the first frame the path stands in the first blank, having emitted nothing.
        let mut now = Pieces::new(1, lattice.column());
        now.set(0, lattice.blanks());
        let mut next = Pieces::new(1, lattice.column());
        let mut shift = 0;
        let mut shifted = 0i64;
        let mut log_normaliser = 0.0;
        let mut window = lattice.window(0, block.min(frames), frames);
        for (t, scores) in scores.chunks_exact_mut(lattice.emissions()).enumerate() {
            if t % block == 0 {
                checkpoints.copy(t / block, &now, 0);
                window = lattice.window(t, (t + block).min(frames), frames);
            }
            let row = rows.row(t);
            let Some(frame) = row_statistics(l, row, rows.row((t + 1).min(frames - 1))) else {
                return Err(NotFinite { frame: t });
            };
            log_normaliser += f64::from(frame.sum).ln();
            statistics.push(frame);
            gather(&window, row, frame.max, scores);
            emit(l, &window, scores, emission.get_mut(0));
            let (y, from, to) = (emission.get(0), now.get(0), next.get_mut(0));
            let peak = advance(l, &window, y, from, to, shift);
            shifted += i64::from(shift);
            shift = peak;
            std::mem::swap(&mut now, &mut next);
        }
        // Equation (8): the path ends in the last label or in the blank after it.
        let (mantissa, exponent) = now.get(0);
        let state = |at: usize| (f64::from(mantissa[at]), exponent[at]);
        let (last, last_exponent) = state(lattice.target.len());
        let (blank, blank_exponent) = state(lattice.blanks() + lattice.target.len());
        let largest = last_exponent.max(blank_exponent);
        let sum = last * f64::from(last_exponent - largest).exp2()
            + blank * f64::from(blank_exponent - largest).exp2();
        let exponent = (shifted + i64::from(largest)) as f64;
        Ok(Forward {
            log_probability: sum.ln() + exponent * std::f64::consts::LN_2 - log_normaliser,
            statistics,
            scores,
            checkpoints,
            block,
        })
    }
}

/// The occupancies of one frame, still to be divided by their total.
struct Occupancies {
    labels: Vec<f32>,
    blank: f32,
    total: f32,
    /// Scratch: α · β of labels, then blanks.
    products: Pieces,
}

/// One step of the backward recursion, and with it the occupancies of the frame.
///
/// ```text
/// β_t(L(u)) = g(L(u)) + g(B(u+1)) + g(L(u+1)) if z(u) ≠ z(u+1)      where g = y_{t+1} · β_{t+1}
/// β_t(B(u)) = g(B(u)) + g(L(u))
/// γ_t(s)    = α_t(s) β_t(s) / Σ_s α_t(s) β_t(s)
/// ```
///
/// These are equations (9)–(11) with the emission of frame `t` left to α alone, as in Graves 2012,
/// section 7.3: no division by `y` is needed, and `Σ_s α_t(s) β_t(s) = p(z|x)` at every frame. The
/// occupancies of a frame are divided by that frame's own sum, so that they add up to one whatever
/// the recursions have rounded. On return `g` holds `y_t · β_t`; returns its largest exponent.
#[inline(always)]
fn retreat<L: Lanes>(
    l: L,
    window: &Window<'_>,
    (y, ye): Part<'_>,
    (a, ae): Part<'_>,
    (g, ge): PartMut<'_>,
    shift: i32,
    occupancies: &mut Occupancies,
) -> i32 {
    let lattice = window.lattice;
    let blanks = lattice.blanks();
    let shift = l.splat_i(shift);
    let mut peak = l.splat_i(FLOOR);
    let mut largest = l.splat_i(i32::MIN);
    let y_blank = Scaled::load(l, lanes(y, lattice.width), lanes(ye, lattice.width));
    let (product, product_exponent) = occupancies.products.get_mut(0);
    for u in window.steps() {
        let label = Scaled::load(l, lanes(g, u + 1), lanes(ge, u + 1));
        let after = Scaled::load(l, lanes(g, u + 2), lanes(ge, u + 2));
        let blank = Scaled::load(l, lanes(g, blanks + u), lanes(ge, blanks + u));
        let blank_after = Scaled::load(l, lanes(g, blanks + u + 1), lanes(ge, blanks + u + 1));
        let y_label = Scaled::load(l, lanes(y, u), lanes(ye, u));
        let skipping = Scaled {
            exponent: l.add_i(after.exponent, l.load_i(lanes(&lattice.skip, u + 1))),
            ..after
        };
        let from_label = label.plus(l, blank_after).plus(l, skipping);
        let from_blank = blank.plus(l, label);

        let in_label = from_label.times(l, Scaled::load(l, lanes(a, u + 1), lanes(ae, u + 1)));
        let in_blank = from_blank.times(
            l,
            Scaled::load(l, lanes(a, blanks + u), lanes(ae, blanks + u)),
        );
        largest = l.max_i(largest, l.max_i(in_label.exponent, in_blank.exponent));
        in_label.store(l, lanes_mut(product, u), lanes_mut(product_exponent, u));
        let at = lattice.width + u;
        in_blank.store(l, lanes_mut(product, at), lanes_mut(product_exponent, at));

        let g_label = from_label.times(l, y_label).rounded(l, shift);
        let g_blank = from_blank.times(l, y_blank).rounded(l, shift);
        peak = l.max_i(peak, l.max_i(g_label.exponent, g_blank.exponent));
        g_label.store(l, lanes_mut(g, u + 1), lanes_mut(ge, u + 1));
        g_blank.store(l, lanes_mut(g, blanks + u), lanes_mut(ge, blanks + u));
    }

    let largest = l.splat_i(l.peak_i(largest));
    let mut in_labels = l.splat(0.0);
    let mut in_blanks = l.splat(0.0);
    for u in window.steps() {
        let label = Scaled::load(l, lanes(product, u), lanes(product_exponent, u));
        let label = label.at(l, largest);
        let at = lattice.width + u;
        let blank = Scaled::load(l, lanes(product, at), lanes(product_exponent, at));
        in_labels = l.add(in_labels, label);
        in_blanks = l.add(in_blanks, blank.at(l, largest));
        l.store(label, lanes_mut(&mut occupancies.labels, u));
    }
    occupancies.blank = l.total(in_blanks);
    occupancies.total = l.total(in_labels) + occupancies.blank;
    l.peak_i(peak)
}

/// Writes the gradient of `−scale · ln p(z|x)` with respect to the logits, equation (16):
/// `scale · (softmax(x) − Σ_{u: z(u) = k} γ_t(u))` for token `k` at frame `t`.
pub(super) struct BackwardPass<'a, 'g> {
    pub rows: Rows<'a>,
    pub lattice: &'a Lattice<'a>,
    pub forward: &'a Forward,
    pub scale: f32,
    /// Where each frame's gradient goes: `[T]` rows of `[V]`.
    pub gradient: &'a mut [&'g mut [f32]],
}

impl Kernel for BackwardPass<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Self {
            rows,
            lattice,
            forward,
            scale,
            gradient,
        } = self;
        let block = forward.block;
        let mut alpha = Pieces::new(block + 1, lattice.column());
        let mut emissions = Pieces::new(block, lattice.emissions());
        let mut occupancies = Occupancies {
            labels: vec![0.0; lattice.width],
            blank: 0.0,
            total: 0.0,
            products: Pieces::new(1, 2 * lattice.width),
        };
        // After the last frame only the blank after the last label has a way on.
        let mut g = Pieces::new(1, lattice.column());
        g.set(0, lattice.blanks() + lattice.target.len());
        let mut g_shift = 0;
        for start in (0..rows.frames()).step_by(block).rev() {
            let end = (start + block).min(rows.frames());
            let window = &lattice.window(start, end, rows.frames());
            alpha.copy(0, &forward.checkpoints, start / block);
            let mut shift = 0;
            for i in 0..end - start {
                let scores = &forward.scores[(start + i) * lattice.emissions()..];
                emit(l, window, scores, emissions.get_mut(i));
                let (from, to) = alpha.pair(i);
                shift = advance(l, window, emissions.get(i), from, to, shift);
            }
            for t in (start..end).rev() {
                let i = t - start;
                let (y, alpha, g) = (emissions.get(i), alpha.get(i + 1), g.get_mut(0));
                g_shift = retreat(l, window, y, alpha, g, g_shift, &mut occupancies);
                let (earlier, gradient) = gradient[..=t].split_at_mut(t);
                let gradient = &mut *gradient[0];
                let (row, statistics) = (rows.row(t), forward.statistics[t]);
                let next = match earlier.last() {
                    Some(gradient) => (rows.row(t - 1), &**gradient),
                    None => (row, row),
                };
                softmax_row(l, row, statistics, scale, gradient, next);
                let factor = scale / occupancies.total;
                gradient[super::BLANK as usize] -= factor * occupancies.blank;
                let occupied = &occupancies.labels[window.labels.clone()];
                for (occupancy, &token) in occupied.iter().zip(window.target()) {
                    gradient[token as usize] -= factor * occupancy;
                }
            }
        }
    }
}

/// Looks only whether the logits are finite.
pub(super) struct Check<'a> {
    pub rows: Rows<'a>,
}

impl Kernel for Check<'_> {
    type Output = Result<(), NotFinite>;

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> Self::Output {
        for t in 0..self.rows.frames() {
            if row_statistics(l, self.rows.row(t), self.rows.row(t)).is_none() {
                return Err(NotFinite { frame: t });
            }
        }
        Ok(())
    }
}
