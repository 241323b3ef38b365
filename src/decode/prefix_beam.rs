//! CTC prefix beam search (Graves & Jaitly 2014, section 5; Hannun et al. 2014, algorithm 1), in
//! log space.
//!
//! A prefix carries two probabilities, each summed over all its alignments with the frames so far:
//! `blank`, of those that end in a blank, and `label`, of those that end in its last token. A frame
//! changes them by
//!
//! ```text
//! blank'(ℓ)   = total(ℓ) · y[blank]                          total = blank + label
//! label'(ℓ)   = label(ℓ) · y[last ℓ]                         the last token goes on
//!             + total(ℓ⁻) · y[last ℓ]                        ℓ⁻ = ℓ without its last token;
//!                                                            blank(ℓ⁻) if that one ends alike
//! ```
//!
//! Spaces in a row read as one and those before the first word as none, so they make no prefixes
//! of their own: after a space another one is like a repeat, `label' = total · y[space]`; before
//! the first token it is like a blank.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::guide::Probable;
use super::prefixes::{Prefix, Prefixes, ROOT};
use super::{Guide, Hypothesis, Step, Unguided};
use crate::text::{BLANK, Tokens};

/// The search and its pruning. With a beam that holds every prefix and thresholds of infinity it is
/// exact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PrefixBeam {
    /// Prefixes kept after each frame.
    pub beam: usize,
    /// Hypotheses returned.
    pub nbest: usize,
    /// A prefix so many nats worse than the best is dropped.
    pub beam_threshold: f32,
    /// A token so many nats less probable than the frame's best one extends no prefix.
    pub token_threshold: f32,
    /// Prefixes kept after each frame of those that are alike to the guide from there on: they end in
    /// the same beginning of a word and differ in words before that a language model has forgotten.
    /// A place in the beam is better given to another word. 0 keeps all.
    pub alike: usize,
}

impl Default for PrefixBeam {
    fn default() -> Self {
        Self {
            beam: 100,
            nbest: 1,
            beam_threshold: 18.0,
            token_threshold: 9.0,
            alike: 4,
        }
    }
}

/// A prefix in the beam. Log-probabilities are relative to the search's offset.
#[derive(Clone, Copy)]
struct Entry {
    prefix: Prefix,
    /// Its last token; the blank if it is empty.
    last: u32,
    blank: f32,
    label: f32,
    total: f32,
}

/// A prefix that may be in the next beam: that of `entry`, extended by `step` unless that is the
/// blank.
#[derive(Clone, Copy)]
struct Candidate {
    score: f32,
    entry: u32,
    step: Step,
    blank: f32,
    label: f32,
    total: f32,
    /// What the guide gives the step.
    guide: f32,
}

/// The step of a prefix that stays as it is.
const STAY: Step = Step {
    token: BLANK,
    label: 0,
};

/// A number by which candidates are sorted, best first: the score in its upper half, falling, and
/// the candidate's place in its lower one, so that the order is total and the same every time.
fn rank_of(score: f32, place: usize) -> u64 {
    let bits = score.to_bits();
    // Floats of either sign in the order of integers.
    let rising = bits ^ (((bits as i32 >> 31) as u32) | 0x8000_0000);
    u64::from(!rising) << 32 | place as u64
}

/// Prefixes that are remembered before those that lead nowhere are forgotten: about 25 MB with words.
const CROWDED: usize = 150_000;

/// Prefixes that are spelled out for each hypothesis that is wanted.
const SPELLED: usize = 8;

/// Slots of the beam; no entry.
const NOWHERE: u32 = u32::MAX;

impl PrefixBeam {
    /// Decodes `[T, V]` log-probabilities (nats) with the acoustic model alone: the n-best texts,
    /// best first. `score` is the log-probability of the text.
    pub fn decode(&self, log_probs: ArrayView2<f32>, tokens: &Tokens) -> Vec<Hypothesis> {
        self.decode_with(log_probs, tokens, &Unguided)
    }

    /// Decodes with a guide; empty if no text has a probability above 0. Prefixes whose texts are equal (they differ in spaces at an end, say)
    /// are one hypothesis, with the scores of the likelier guide and the sum of their
    /// probabilities.
    pub fn decode_with<G: Guide>(
        &self,
        log_probs: ArrayView2<f32>,
        tokens: &Tokens,
        guide: &G,
    ) -> Vec<Hypothesis> {
        let mut search = Search::new(self, guide, log_probs.ncols(), tokens.space());
        for row in log_probs.outer_iter() {
            match row.as_slice() {
                Some(row) => search.frame(row),
                None => search.frame(&row.to_vec()),
            }
        }
        search.finish(tokens)
    }
}

struct Search<'a, G: Guide> {
    options: &'a PrefixBeam,
    guide: &'a G,
    prefixes: Prefixes<G::State, G::Future>,
    space: Option<u32>,
    /// What was taken from all log-probabilities, so that they stay where f32 is dense.
    offset: f64,
    beam: Vec<Entry>,
    next: Vec<Entry>,
    candidates: Vec<Candidate>,
    /// [`rank_of`] of the candidates that are not too bad.
    ranks: Vec<u64>,
    /// Tokens that may extend a prefix in this frame.
    probable: Probable,
    /// For each entry, the slot of its parent; the lists of entries with the same parent.
    parents: Vec<u32>,
    first_child: Vec<u32>,
    next_child: Vec<u32>,
    /// For each token, the entry whose child with that token is in the beam already.
    taken: Vec<u32>,
    /// By a prefix's future: the last frame in which one of its kind entered, and how many did.
    entered: Vec<(usize, usize)>,
    frames: usize,
    /// How many prefixes are too many.
    crowded: usize,
}

impl<'a, G: Guide> Search<'a, G> {
    fn new(options: &'a PrefixBeam, guide: &'a G, tokens: usize, space: Option<u32>) -> Self {
        let root = Entry {
            prefix: ROOT,
            last: BLANK,
            blank: 0.0,
            label: f32::NEG_INFINITY,
            total: 0.0,
        };
        Self {
            options,
            guide,
            prefixes: Prefixes::new(guide.start()),
            space,
            offset: 0.0,
            beam: vec![root],
            next: Vec::new(),
            candidates: Vec::new(),
            ranks: Vec::new(),
            probable: Probable::default(),
            parents: Vec::new(),
            first_child: Vec::new(),
            next_child: Vec::new(),
            taken: vec![NOWHERE; tokens],
            entered: Vec::new(),
            frames: 0,
            crowded: CROWDED,
        }
    }

    /// Advances by one frame of `[V]` log-probabilities.
    fn frame(&mut self, row: &[f32]) {
        self.candidates.clear();
        self.link_parents();
        let best = self.stay(row);
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        self.probable
            .choose(row, most - self.options.token_threshold);
        let best = self.extend(best);
        self.prune(best);
        self.enter();
    }

    /// Finds which entries are children of which.
    fn link_parents(&mut self) {
        let beam = &self.beam;
        self.parents.clear();
        self.first_child.clear();
        self.first_child.resize(beam.len(), NOWHERE);
        self.next_child.clear();
        self.next_child.resize(beam.len(), NOWHERE);
        for (slot, entry) in (0..).zip(beam) {
            let parent = self.prefixes.parent(entry.prefix).and_then(|parent| {
                let slot = self.prefixes.slot(parent);
                // A prefix that left the beam still has the slot it once had.
                let there = beam
                    .get(slot as usize)
                    .is_some_and(|entry| entry.prefix == parent);
                there.then_some(slot)
            });
            if let Some(parent) = parent {
                let first = &mut self.first_child[parent as usize];
                self.next_child[slot as usize] = std::mem::replace(first, slot);
            }
            self.parents.push(parent.unwrap_or(NOWHERE));
        }
    }

    /// Every prefix of the beam with one frame more, from its own alignments and from those of its
    /// parent that this frame completes. Returns the best score.
    fn stay(&mut self, row: &[f32]) -> f32 {
        let mut best = f32::NEG_INFINITY;
        for (slot, entry) in (0..).zip(&self.beam) {
            let mut blank = entry.total + row[BLANK as usize];
            let mut label = f32::NEG_INFINITY;
            if entry.prefix == ROOT {
                if let Some(space) = self.space {
                    blank = log_add(blank, entry.total + row[space as usize]);
                }
            } else {
                let same = match Some(entry.last) == self.space {
                    true => entry.total,
                    false => entry.label,
                };
                label = same + row[entry.last as usize];
                if let Some(parent) = self.beam.get(self.parents[slot as usize] as usize) {
                    label = log_add(label, parent.extended(entry.last, row[entry.last as usize]));
                }
            }
            let total = log_add(blank, label);
            let score = total + self.prefixes.guide(entry.prefix);
            best = best.max(score);
            self.candidates.push(Candidate {
                score,
                entry: slot,
                step: STAY,
                blank,
                label,
                total,
                guide: 0.0,
            });
        }
        best
    }

    /// Every prefix extended by every token that makes a prefix not yet in the beam. Returns the
    /// best score.
    fn extend(&mut self, mut best: f32) -> f32 {
        let threshold = self.options.beam_threshold;
        let Self {
            beam,
            candidates,
            prefixes,
            first_child,
            next_child,
            taken,
            ..
        } = self;
        for (slot, entry) in (0..).zip(beam.iter()) {
            let children = || {
                std::iter::successors(Some(first_child[slot as usize]), |&child| {
                    next_child.get(child as usize).copied()
                })
                .map_while(|child| beam.get(child as usize))
            };
            for child in children() {
                taken[child.last as usize] = slot;
            }
            let before = prefixes.guide(entry.prefix);
            let state = prefixes.state(entry.prefix);
            self.guide
                .extend_all(state, &self.probable, |token, log_prob, variant, guide| {
                    if Some(token) == self.space && (token == entry.last || entry.prefix == ROOT) {
                        return;
                    }
                    let label = entry.extended(token, log_prob);
                    let score = label + (before + guide);
                    if !(score > f32::NEG_INFINITY && score >= best - threshold) {
                        return;
                    }
                    let step = Step {
                        token,
                        label: variant,
                    };
                    if taken[token as usize] == slot
                        && children().any(|child| prefixes.step(child.prefix) == step)
                    {
                        return;
                    }
                    best = best.max(score);
                    candidates.push(Candidate {
                        score,
                        entry: slot,
                        step,
                        blank: f32::NEG_INFINITY,
                        label,
                        total: label,
                        guide,
                    });
                });
        }
        taken.fill(NOWHERE);
        best
    }

    fn prune(&mut self, best: f32) {
        let least = best - self.options.beam_threshold;
        let kept = (0..)
            .zip(&self.candidates)
            .filter(|(_, c)| c.score >= least);
        self.ranks.clear();
        self.ranks
            .extend(kept.map(|(place, c)| rank_of(c.score, place)));
    }

    /// Makes the best candidates the new beam.
    fn enter(&mut self) {
        let total = |&rank: &u64| self.candidates[rank as u32 as usize].total;
        let best = self
            .ranks
            .iter()
            .map(total)
            .fold(f32::NEG_INFINITY, f32::max);
        let shift = if best.is_finite() { best } else { 0.0 };
        self.offset += f64::from(shift);
        self.frames += 1;
        self.next.clear();
        let beam = self.options.beam.max(1);
        let candidates = std::mem::take(&mut self.candidates);
        let mut ranks = std::mem::take(&mut self.ranks);
        let mut left = ranks.as_mut_slice();
        while self.next.len() < beam && !left.is_empty() {
            // Twice what is missing: some are left out because others are alike.
            let wanted = match self.options.alike {
                0 => beam - self.next.len(),
                _ => 2 * (beam - self.next.len()),
            };
            let (chosen, others) = best_of(left, wanted);
            for &rank in chosen.iter() {
                if self.next.len() == beam {
                    break;
                }
                self.enter_one(&candidates[rank as u32 as usize], shift);
            }
            left = others;
        }
        (self.candidates, self.ranks) = (candidates, ranks);
        std::mem::swap(&mut self.beam, &mut self.next);
        if self.prefixes.len() > self.crowded {
            self.forget();
        }
    }

    /// Forgets the prefixes that lead nowhere, so that memory does not grow with the recording.
    fn forget(&mut self) {
        let mut kept: Vec<&mut Prefix> = self.beam.iter_mut().map(|e| &mut e.prefix).collect();
        self.prefixes.forget_all_but(&mut kept, self.guide);
        self.entered.clear();
        self.crowded = CROWDED.max(2 * self.prefixes.len());
    }

    fn enter_one(&mut self, candidate: &Candidate, shift: f32) {
        let entry = self.beam[candidate.entry as usize];
        let Candidate { step, guide, .. } = *candidate;
        let (prefix, last) = if step == STAY {
            (entry.prefix, entry.last)
        } else {
            let prefix = self
                .prefixes
                .extended(entry.prefix, step, guide, self.guide);
            (prefix, step.token)
        };
        if self.options.alike > 0
            && let Some(future) = self.prefixes.future(prefix)
        {
            if future >= self.entered.len() {
                self.entered.resize(future + 1, (0, 0));
            }
            let (frame, count) = &mut self.entered[future];
            if *frame != self.frames {
                (*frame, *count) = (self.frames, 0);
            }
            if *count == self.options.alike {
                return;
            }
            *count += 1;
        }
        self.prefixes.set_slot(prefix, self.next.len() as u32);
        self.next.push(Entry {
            prefix,
            last,
            blank: candidate.blank - shift,
            label: candidate.label - shift,
            total: candidate.total - shift,
        });
    }

    fn finish(self, tokens: &Tokens) -> Vec<Hypothesis> {
        let mut ends: Vec<(f32, &Entry, Option<u32>, f32)> = Vec::new();
        for entry in &self.beam {
            let score = entry.total + self.prefixes.guide(entry.prefix);
            self.guide
                .finish(self.prefixes.state(entry.prefix), |end, more| {
                    ends.push((score + more, entry, Some(end), more));
                });
        }
        if ends.iter().all(|end| end.0 == f32::NEG_INFINITY) {
            let score = |entry: &Entry| entry.total + self.prefixes.guide(entry.prefix);
            ends = self.beam.iter().map(|e| (score(e), e, None, 0.0)).collect();
        }
        ends.retain(|end| end.0 > f32::NEG_INFINITY);
        ends.sort_by(|a, b| b.0.total_cmp(&a.0));
        // Several may be one text; what would come far behind the list is not spelled out.
        ends.truncate(self.options.nbest.max(1).saturating_mul(SPELLED));
        let spell_out = |(_, entry, end, more): (f32, &Entry, Option<u32>, f32)| {
            let steps = self.prefixes.steps(entry.prefix);
            let words = self.guide.words(tokens, &steps, end);
            let spelled = steps.iter().map(|step| step.token).collect();
            let acoustic = (f64::from(entry.total) + self.offset) as f32;
            let language = self.prefixes.guide(entry.prefix) + more;
            Hypothesis::new(spelled, words, acoustic, language)
        };
        let mut hypotheses: Vec<Hypothesis> = ends.into_iter().map(spell_out).collect();
        merge_equal_texts(&mut hypotheses);
        hypotheses.sort_by(|a, b| {
            b.score
                .total_cmp(&a.score)
                .then_with(|| a.text.cmp(&b.text))
        });
        hypotheses.truncate(self.options.nbest.max(1));
        hypotheses
    }
}

impl Entry {
    /// Log-probability of the alignments that this frame extends by a token: a repeat of the last
    /// token needs a blank before it.
    #[inline]
    fn extended(&self, token: u32, log_prob: f32) -> f32 {
        let before = if token == self.last {
            self.blank
        } else {
            self.total
        };
        before + log_prob
    }
}

/// The `count` best ranks, best first, and the others.
fn best_of(ranks: &mut [u64], count: usize) -> (&mut [u64], &mut [u64]) {
    if ranks.len() > count && count > 0 {
        ranks.select_nth_unstable(count - 1);
    }
    let (chosen, others) = ranks.split_at_mut(count.min(ranks.len()));
    chosen.sort_unstable();
    (chosen, others)
}

fn merge_equal_texts(hypotheses: &mut Vec<Hypothesis>) {
    hypotheses.sort_by(|a, b| {
        a.text
            .cmp(&b.text)
            .then_with(|| b.score.total_cmp(&a.score))
    });
    hypotheses.dedup_by(|worse, better| {
        let equal = worse.text == better.text;
        if equal {
            better.acoustic = log_add(better.acoustic, worse.acoustic);
            better.parts.output = better.acoustic;
            better.score = better.acoustic + better.language;
        }
        equal
    });
}

/// `ln(e^a + e^b)`.
#[inline]
fn log_add(a: f32, b: f32) -> f32 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    // e⁻¹⁷ is half of f32's last place beside 1. The test is false for two infinities as well.
    if low - high > -17.0 {
        high + (low - high).exp().ln_1p()
    } else {
        high
    }
}

#[cfg(test)]
#[path = "prefix_beam_tests.rs"]
mod tests;
