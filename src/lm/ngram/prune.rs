//! Pruning by relative entropy (Stolcke 1998).
//!
//! Input: a model that sums to one. Output: the model without the n-grams that change it least.
//!
//! Without an n-gram `h w`, `w` is predicted by falling back, and the weight `α(h)` becomes
//! `α'(h)`. The relative entropy between the model with and without it is (his equation 3)
//!
//! `D = −p(h) { p(w|h) [ln p(w|h') + ln α'(h) − ln p(w|h)] + [ln α'(h) − ln α(h)] (1 − Σ p(wᵢ|h)) }`,
//!
//! the sum over the words that continue `h`, and perplexity grows by `e^D − 1`. An n-gram that
//! begins or ends a kept one is kept: the compact form needs both. `p(h)` is that of the text which the model would write.

use rayon::prelude::*;

use super::backoff::{Fallback, fallbacks, normalise, prob};
use super::occupancy::occupancy;
use super::trie::{Level, Place, Trie};

/// How much is pruned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// n-grams go that raise perplexity by less than this share (SRILM's `-prune`).
    Threshold(f64),
    /// So many n-grams of order 2 and more stay, those that matter most.
    Ngrams(usize),
}

/// Prunes a model; single words stay.
pub fn prune(trie: &Trie, limit: Limit) -> Trie {
    let suffixes = trie.suffixes();
    let mut losses = losses(trie, &suffixes);
    // An n-gram matters as much as the most important one that it begins or ends.
    for order in (2..trie.order()).rev() {
        let (lower, higher) = losses.split_at_mut(order - 1);
        let (lower, higher) = (&mut lower[order - 2], &higher[0]);
        let level = &trie.levels[order - 1];
        for (at, loss) in lower.iter_mut().enumerate() {
            *loss = higher[level.children(at)]
                .iter()
                .fold(*loss, |most, &loss| most.max(loss));
        }
        for (suffix, &loss) in suffixes[order].iter().zip(higher) {
            if suffix.order as usize == order {
                let own = &mut lower[suffix.at as usize];
                *own = own.max(loss);
            }
        }
    }
    let least = match limit {
        Limit::Threshold(threshold) => threshold.ln_1p() as f32,
        Limit::Ngrams(number) => least_of(&losses, number),
    };
    let mut pruned = Trie {
        vocabulary: trie.vocabulary.clone(),
        levels: vec![trie.levels[0].clone()],
    };
    let mut contexts: Vec<usize> = (0..trie.levels[0].len()).collect();
    for (order, losses) in (2..).zip(&losses) {
        let level = &trie.levels[order - 1];
        let mut kept = Level::default();
        let mut children = vec![0];
        let mut places = Vec::new();
        for &context in &contexts {
            for at in trie.levels[order - 2]
                .children(context)
                .filter(|&at| losses[at] >= least)
            {
                kept.words.push(level.words[at]);
                kept.log10_probs.push(level.log10_probs[at]);
                places.push(at);
            }
            children.push(kept.len() as u32);
        }
        kept.backoffs = vec![0.0; kept.len()];
        pruned.levels[order - 2].children = children;
        pruned.levels.push(kept);
        contexts = places;
    }
    normalise(&mut pruned);
    pruned
}

/// `D` of every n-gram, in nats, by order from 2.
fn losses(trie: &Trie, suffixes: &[Vec<Place>]) -> Vec<Vec<f32>> {
    let shares = occupancy(trie, suffixes);
    let orders = (2..=trie.order()).map(|order| {
        let fallbacks = fallbacks(trie, suffixes, order);
        let contexts = &trie.levels[order - 2];
        let ngrams = &trie.levels[order - 1];
        let of_context = |at: usize| {
            let children = contexts.children(at);
            let lower: f64 = children
                .clone()
                .map(|child| prob(fallbacks[child].log10_prob))
                .sum();
            let context = Context {
                share: shares[order - 1][at],
                alpha: prob(contexts.backoffs[at]),
                lower: (1.0 - lower).max(0.0),
            };
            let fallbacks = &fallbacks[children.clone()];
            let own = &ngrams.log10_probs[children];
            own.iter()
                .zip(fallbacks)
                .map(|(&own, fallback)| context.loss(own, fallback) as f32)
                .collect::<Vec<f32>>()
        };
        (0..contexts.len())
            .into_par_iter()
            .flat_map_iter(of_context)
            .collect()
    });
    orders.collect()
}

/// What is the same for all words behind a context.
struct Context {
    /// `p(h)`.
    share: f64,
    /// `α(h)`.
    alpha: f64,
    /// `1 − Σ p(wᵢ | h')`.
    lower: f64,
}

impl Context {
    fn loss(&self, log10_prob: f32, fallback: &Fallback) -> f64 {
        let own = prob(log10_prob);
        let lower = prob(fallback.log10_prob);
        let left = self.alpha * self.lower;
        let alpha = (left + own) / (self.lower + lower);
        let change = (alpha / self.alpha).ln();
        let change = if left > 0.0 { change * left } else { 0.0 };
        -self.share * (own * ((lower * alpha).ln() - own.ln()) + change)
    }
}

/// The loss from which on about `number` n-grams are left, never more.
fn least_of(losses: &[Vec<f32>], number: usize) -> f32 {
    let mut all: Vec<f32> = losses.iter().flatten().copied().collect();
    if number >= all.len() {
        return f32::NEG_INFINITY;
    }
    all.par_sort_unstable_by(|a, b| b.total_cmp(a));
    // Those as unimportant as the first that goes go with it.
    let first_out = all[number];
    all[..number]
        .iter()
        .rev()
        .find(|&&loss| loss > first_out)
        .copied()
        .unwrap_or(f32::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{model, random_text};
    use super::*;

    /// `Σ p(h) Σ p(w|h) ln(p(w|h) / p'(w|h))` over all words behind one context.
    fn divergence(trie: &Trie, pruned: &Trie, context: &[u32], share: f64) -> f64 {
        let words = (0..trie.vocabulary.len() as u32).filter(|&word| word != crate::lm::START);
        let terms = words.map(|word| {
            let ngram = [context, &[word]].concat();
            let (old, new) = (trie.log10_prob(&ngram), pruned.log10_prob(&ngram));
            prob(old) * f64::from(old - new) * std::f64::consts::LN_10
        });
        share * terms.sum::<f64>()
    }

    /// The model without one n-gram.
    fn without(trie: &Trie, order: usize, at: usize) -> Trie {
        let mut pruned = trie.clone();
        let level = &mut pruned.levels[order - 1];
        level.words.remove(at);
        level.log10_probs.remove(at);
        level.backoffs.remove(at);
        let children = &mut pruned.levels[order - 2].children;
        children
            .iter_mut()
            .filter(|bound| **bound as usize > at)
            .for_each(|bound| *bound -= 1);
        normalise(&mut pruned);
        pruned
    }

    #[test]
    fn losses_are_the_divergences_that_summing_over_all_words_gives() {
        let trie = model(&random_text(3, 60, 5), 3);
        let shares = occupancy(&trie, &trie.suffixes());
        let losses = losses(&trie, &trie.suffixes());
        let parents = trie.levels[1].parents();
        let grandparents = trie.levels[0].parents();
        for at in 0..trie.levels[2].len() {
            let pruned = without(&trie, 3, at);
            let context = parents[at] as usize;
            let words = [grandparents[context], trie.levels[1].words[context]];
            let expected = divergence(&trie, &pruned, &words, shares[2][context]);
            let loss = f64::from(losses[1][at]);
            assert!(
                (loss - expected).abs() < 1e-6 + 0.01 * expected.abs(),
                "{words:?}: {loss} {expected}"
            );
        }
    }

    #[test]
    fn what_is_left_sums_to_one_and_is_as_much_as_was_asked_for() {
        let trie = model(&random_text(5, 100, 6), 3);
        let all = trie.levels[1].len() + trie.levels[2].len();
        for number in [0, 1, all / 3, all / 2, all, all + 9] {
            let pruned = prune(&trie, Limit::Ngrams(number));
            let left = pruned.levels[1].len() + pruned.levels[2].len();
            assert!(
                left <= number && left + all / 8 >= number.min(all),
                "{left} of {number}"
            );
            let places = pruned.levels[0].parents();
            for (at, &first) in places.iter().enumerate() {
                let context = [first, pruned.levels[1].words[at]];
                if context[1] == crate::lm::END {
                    continue;
                }
                let words =
                    (0..pruned.vocabulary.len() as u32).filter(|&word| word != crate::lm::START);
                let sum: f64 = words
                    .map(|word| prob(pruned.log10_prob(&[context[0], context[1], word])))
                    .sum();
                assert!((sum - 1.0).abs() < 1e-4, "{context:?}: {sum}");
            }
        }
    }

    #[test]
    fn a_threshold_of_nothing_keeps_what_matters_and_a_large_one_keeps_words_only() {
        let trie = model(&random_text(7, 100, 6), 3);
        let words_only = prune(&trie, Limit::Threshold(1e9));
        assert_eq!(words_only.counts()[1..], [0, 0]);
        let all = prune(&trie, Limit::Threshold(-1.0));
        assert_eq!(all.counts(), trie.counts());
    }
}
