//! Back-off weights that make a model sum to one.
//!
//! Input: a model whose n-grams have their probabilities. Output: the same model with
//! `α(h) = (1 − Σ p(w | h)) / (1 − Σ p(w | h'))`, both sums over the words that continue `h`, and
//! `h'` being `h` without its first word.

use rayon::prelude::*;

use super::trie::{Place, Trie};

/// Below this no probability is left to a context; what rounding leaves is not trusted.
const NOTHING: f64 = 1e-9;

/// What a word leads to behind a context that does not know it.
#[derive(Clone, Copy, Debug)]
pub struct Fallback {
    /// `log₁₀ p(w | h')`.
    pub log10_prob: f32,
    /// The n-gram that gives it.
    pub place: Place,
}

/// For each n-gram `h w` of an order of 2 or more, what `w` has behind `h` without its first word.
/// `suffixes` are [`Trie::suffixes`].
pub fn fallbacks(trie: &Trie, suffixes: &[Vec<Place>], order: usize) -> Vec<Fallback> {
    let parents = trie.levels[order - 2].parents();
    let words = &trie.levels[order - 1].words;
    let fallback = |(&word, &parent): (&u32, &u32)| {
        let mut context = suffixes[order - 2][parent as usize];
        let mut backoff = 0.0;
        loop {
            let (length, at) = (context.order as usize, context.at as usize);
            let found = if length == 0 {
                Some(word as usize)
            } else {
                trie.child(length, at, word)
            };
            if let Some(found) = found {
                return Fallback {
                    log10_prob: backoff + trie.levels[length].log10_probs[found],
                    place: Place::new(length + 1, found),
                };
            }
            backoff += trie.levels[length - 1].backoffs[at];
            context = suffixes[length - 1][at];
        }
    };
    words.par_iter().zip(&parents).map(fallback).collect()
}

/// Sets all back-off weights.
pub fn normalise(trie: &mut Trie) {
    let suffixes = trie.suffixes();
    for order in 2..=trie.order() {
        let fallbacks = fallbacks(trie, &suffixes, order);
        let context = &trie.levels[order - 2];
        let ngrams = &trie.levels[order - 1];
        let weight = |at: usize| {
            let children = context.children(at);
            let own: f64 = children
                .clone()
                .map(|child| prob(ngrams.log10_probs[child]))
                .sum();
            let lower: f64 = children
                .map(|child| prob(fallbacks[child].log10_prob))
                .sum();
            weight(1.0 - own, 1.0 - lower)
        };
        let backoffs = (0..context.len()).into_par_iter().map(weight).collect();
        trie.levels[order - 2].backoffs = backoffs;
    }
    if let Some(highest) = trie.levels.last_mut() {
        highest.backoffs.fill(0.0);
    }
}

/// `log₁₀ α`, from the probability that a context leaves and the one that its shorter context
/// would give to the same words.
pub fn weight(left: f64, lower: f64) -> f32 {
    if lower <= NOTHING {
        // Every word continues the context: it is never left.
        return 0.0;
    }
    (left.max(NOTHING * lower) / lower).log10() as f32
}

/// From `log₁₀ p`.
pub fn prob(log10_prob: f32) -> f64 {
    10f64.powf(log10_prob.into())
}
