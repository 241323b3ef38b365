//! What else than the acoustic model knows which prefixes are likely: the seam between the search
//! and language models, lexicons and hot words.

use std::hash::Hash;

use super::hypothesis::{Word, spelled_words};
use crate::text::{BLANK, Tokens};

/// A token with which a prefix was extended, and the guide's label of that extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The token.
    pub token: u32,
    /// Which of the ways that the guide offered for it.
    pub label: u32,
}

/// The tokens that may extend a prefix in a frame, with their log-probabilities.
#[derive(Debug, Default)]
pub struct Probable {
    list: Vec<(u32, f32)>,
    /// By token; −∞ of those that are not in the list.
    log_probs: Vec<f32>,
}

impl Probable {
    /// The tokens but the blank whose log-probability in `row` is at least `least`, in their order.
    pub(super) fn choose(&mut self, row: &[f32], least: f32) {
        self.list.clear();
        self.log_probs.clear();
        self.log_probs.resize(row.len(), f32::NEG_INFINITY);
        for (token, &log_prob) in row.iter().enumerate().skip(BLANK as usize + 1) {
            if log_prob >= least {
                self.list.push((token as u32, log_prob));
                self.log_probs[token] = log_prob;
            }
        }
    }

    /// Each with its log-probability.
    pub fn iter(&self) -> impl Iterator<Item = (u32, f32)> {
        self.list.iter().copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The log-probability of a token, −∞ if it is not one of them.
    #[inline]
    pub fn log_prob(&self, token: u32) -> f32 {
        let known = self.log_probs.get(token as usize);
        known.copied().unwrap_or(f32::NEG_INFINITY)
    }
}

/// Scores prefixes as they grow, a token at a time.
///
/// The search adds a guide's scores to the acoustic log-probability: a prefix's guide score is the
/// sum of its extensions' scores, a hypothesis's has [`finish`](Guide::finish) on top. Scores are
/// in nats, already weighted.
///
/// A guide may offer several ways to read one token, told apart by a label (the token ends this
/// word or that one); each is a prefix of its own.
pub trait Guide {
    /// What the guide remembers of a prefix.
    type State;

    /// What tells apart the states that the guide will treat differently.
    type Future: Eq + Hash;

    /// The state of the empty prefix.
    fn start(&self) -> Self::State;

    /// Calls `each` with the label and the score of every way to extend a prefix with a token; not
    /// at all if there is none. Called for every candidate of every frame: cheap, from what
    /// `advance` prepared.
    fn extend(&self, state: &Self::State, token: u32, each: impl FnMut(u32, f32));

    /// [`extend`](Guide::extend) by every probable token: `each` gets the token, its
    /// log-probability, the label and the score. A guide that knows which few tokens can follow
    /// asks for those alone.
    #[inline]
    fn extend_all(
        &self,
        state: &Self::State,
        tokens: &Probable,
        each: impl FnMut(u32, f32, u32, f32),
    ) {
        one_by_one(self, state, tokens.iter(), each);
    }

    /// The state of the extended prefix. Called once for each prefix that enters the beam.
    fn advance(&self, state: &Self::State, step: Step) -> Self::State;

    /// Equal for states that the guide treats alike whatever comes, up to what they were given so
    /// far: they differ in words that a language model has forgotten. `None` if it cannot tell.
    fn future(&self, state: &Self::State) -> Option<Self::Future>;

    /// Calls `each` with the label and the score of every way to end the utterance here; not at all
    /// if it cannot.
    fn finish(&self, state: &Self::State, each: impl FnMut(u32, f32));

    /// The words of a prefix that ends the utterance in the way `end`; in none if that is `None`:
    /// if nothing in the beam could end, all is returned as it is.
    fn words(&self, tokens: &Tokens, steps: &[Step], _end: Option<u32>) -> Vec<Word> {
        spelled_words(tokens, steps)
    }
}

/// [`Guide::extend_all`] by asking for each of `tokens`.
#[inline]
pub(super) fn one_by_one<G: Guide + ?Sized>(
    guide: &G,
    state: &G::State,
    tokens: impl Iterator<Item = (u32, f32)>,
    mut each: impl FnMut(u32, f32, u32, f32),
) {
    for (token, log_prob) in tokens {
        guide.extend(state, token, |label, score| {
            each(token, log_prob, label, score)
        });
    }
}

impl<G: Guide> Guide for &G {
    type State = G::State;
    type Future = G::Future;

    fn start(&self) -> G::State {
        (**self).start()
    }

    fn extend(&self, state: &G::State, token: u32, each: impl FnMut(u32, f32)) {
        (**self).extend(state, token, each);
    }

    fn extend_all(
        &self,
        state: &G::State,
        tokens: &Probable,
        each: impl FnMut(u32, f32, u32, f32),
    ) {
        (**self).extend_all(state, tokens, each);
    }

    fn advance(&self, state: &G::State, step: Step) -> G::State {
        (**self).advance(state, step)
    }

    fn future(&self, state: &G::State) -> Option<G::Future> {
        (**self).future(state)
    }

    fn finish(&self, state: &G::State, each: impl FnMut(u32, f32)) {
        (**self).finish(state, each);
    }

    fn words(&self, tokens: &Tokens, steps: &[Step], end: Option<u32>) -> Vec<Word> {
        (**self).words(tokens, steps, end)
    }
}

/// No guide: the acoustic model alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unguided;

impl Guide for Unguided {
    type State = ();
    type Future = ();

    fn start(&self) {}

    fn extend(&self, (): &(), _token: u32, mut each: impl FnMut(u32, f32)) {
        each(0, 0.0);
    }

    fn advance(&self, (): &(), _step: Step) {}

    /// All prefixes are alike to it; the search is for their probabilities, so that none replaces
    /// another.
    fn future(&self, (): &()) -> Option<()> {
        None
    }

    fn finish(&self, (): &(), mut each: impl FnMut(u32, f32)) {
        each(0, 0.0);
    }
}
