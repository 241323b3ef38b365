//! How often each context occurs in the text that a model would write.
//!
//! Input: a model that sums to one. Output: for each n-gram below the highest order, the share of
//! all predictions that are made behind it.
//!
//! Pruning weighs each context by this. The product of the model's own shorter n-grams would not
//! do: those of Kneser–Ney are made for backing off and are no marginal probabilities (Chelba et
//! al. 2010). What the model would write has the right ones, for Kneser–Ney keeps the marginals of
//! its text (Kneser & Ney 1995). The shares are those of the Markov chain over contexts, by power
//! iteration.

use rayon::prelude::*;

use super::super::vocabulary::{END, START};
use super::backoff::{Fallback, fallbacks, prob};
use super::trie::{Place, Trie};

/// Rounds; sentences are forgotten faster.
const ROUNDS: usize = 30;

/// The chain may stop when all shares together move less than this.
const STILL: f64 = 1e-4;

/// By order from 0, by place in the trie: the share of predictions behind that context.
pub fn occupancy(trie: &Trie, suffixes: &[Vec<Place>]) -> Vec<Vec<f64>> {
    let order = trie.order();
    let chain = Chain::new(trie, suffixes);
    let empty = || -> Vec<Vec<f64>> {
        let lengths =
            std::iter::once(1).chain(trie.levels[..order - 1].iter().map(|level| level.len()));
        lengths.map(|length| vec![0.0; length]).collect()
    };
    // The share of predictions for which a context is the longest that the model has.
    let mut shares = empty();
    if order > 1 {
        shares[1][START as usize] = 1.0;
    } else {
        shares[0][0] = 1.0;
    }
    for _ in 0..ROUNDS {
        let next = chain.step(shares.clone(), empty());
        let moved: f64 = next
            .iter()
            .flatten()
            .zip(shares.iter().flatten())
            .map(|(a, b)| (a - b).abs())
            .sum();
        shares = next;
        if moved < STILL {
            break;
        }
    }
    // A context also occurs where a longer one does.
    for n in (1..order).rev() {
        for at in 0..shares[n].len() {
            let suffix = suffixes[n - 1][at];
            shares[suffix.order as usize][suffix.at as usize] += shares[n][at];
        }
    }
    shares
}

/// The model with what every round needs, out of the logarithm.
struct Chain<'a> {
    trie: &'a Trie,
    suffixes: &'a [Vec<Place>],
    /// By order from 1: `p` of each n-gram.
    probs: Vec<Vec<f32>>,
    /// By order from 1: `α` of each n-gram.
    backoffs: Vec<Vec<f32>>,
    /// By order from 2: `p` of each n-gram's last word behind the shorter context, and the n-gram
    /// that gives it.
    fallbacks: Vec<Vec<(f32, Place)>>,
}

impl<'a> Chain<'a> {
    fn new(trie: &'a Trie, suffixes: &'a [Vec<Place>]) -> Self {
        let linear = |values: &[f32]| values.par_iter().map(|&value| prob(value) as f32).collect();
        let linear_fallbacks = |order: usize| {
            let of = |fallback: &Fallback| (prob(fallback.log10_prob) as f32, fallback.place);
            fallbacks(trie, suffixes, order)
                .par_iter()
                .map(of)
                .collect()
        };
        Self {
            trie,
            suffixes,
            probs: trie
                .levels
                .iter()
                .map(|level| linear(&level.log10_probs))
                .collect(),
            backoffs: trie
                .levels
                .iter()
                .map(|level| linear(&level.backoffs))
                .collect(),
            fallbacks: (2..=trie.order()).map(linear_fallbacks).collect(),
        }
    }

    /// One word on: where the predictions behind each context lead.
    fn step(&self, mut shares: Vec<Vec<f64>>, mut next: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        let Self { trie, suffixes, .. } = self;
        let order = trie.order();
        // By n-gram, the share that would come by falling back but has been served by a longer context.
        let mut served: Vec<Vec<f64>> = trie
            .levels
            .iter()
            .map(|level| vec![0.0; level.len()])
            .collect();
        for length in (0..order).rev() {
            let level = &trie.levels[length];
            for at in 0..shares[length].len() {
                let share = shares[length][at];
                if share == 0.0 {
                    continue;
                }
                let children = if length == 0 {
                    0..level.len()
                } else {
                    trie.levels[length - 1].children(at)
                };
                let left = if length == 0 {
                    0.0
                } else {
                    share * f64::from(self.backoffs[length - 1][at])
                };
                for child in children {
                    let word = level.words[child];
                    if word == START {
                        continue;
                    }
                    if length > 0 {
                        let (prob, place) = self.fallbacks[length - 1][child];
                        served[place.order as usize - 1][place.at as usize] +=
                            left * f64::from(prob);
                    }
                    let flow = (share * f64::from(self.probs[length][child])
                        - served[length][child])
                        .max(0.0);
                    let to = match word {
                        END => Place::new(1, START as usize),
                        _ => Place::new(length + 1, child),
                    };
                    let to = if to.order as usize == order {
                        suffixes[length][child]
                    } else {
                        to
                    };
                    next[to.order as usize][to.at as usize] += flow;
                }
                if length > 0 {
                    let suffix = suffixes[length - 1][at];
                    shares[suffix.order as usize][suffix.at as usize] += left;
                }
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::super::compact::NGram;
    use super::super::testing::{model, random_text};
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;
    use std::collections::HashMap;

    #[test]
    fn shares_are_those_of_text_that_the_model_writes() {
        let trie = model(&random_text(1, 200, 6), 3);
        let shares = occupancy(&trie, &trie.suffixes());
        assert!((shares[0][0] - 1.0).abs() < 1e-3, "{}", shares[0][0]);
        let ngram = NGram::from_trie("m".into(), &trie, None).unwrap();
        let mut rng = Pcg64::seed_from_u64(1);
        let mut seen: HashMap<Vec<u32>, f64> = HashMap::new();
        let mut total = 0.0;
        for _ in 0..400_000 {
            let mut history = vec![START];
            let mut state = ngram.start();
            while history.last() != Some(&END) {
                total += 1.0;
                for length in 1..=2.min(history.len()) {
                    *seen
                        .entry(history[history.len() - length..].to_vec())
                        .or_default() += 1.0;
                }
                let mut left = rng.random::<f64>();
                let drawn = ngram
                    .distribution(state)
                    .into_iter()
                    .position(|log10_prob| {
                        left -= prob(log10_prob);
                        left < 0.0
                    });
                let word = drawn.map_or(END, |word| word as u32);
                state = ngram.score(state, word).1;
                history.push(word);
            }
        }
        for (context, count) in seen {
            let Some(at) = trie.find(&context) else {
                continue;
            };
            let share = shares[context.len()][at];
            let measured = count / total;
            assert!(
                (share - measured).abs() < 0.004,
                "{context:?}: {share} {measured}"
            );
        }
    }
}
