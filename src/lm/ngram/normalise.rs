//! Stage 4: adjusted counts become discounted relative frequencies.
//!
//! Input: the n-grams of one order with their adjusted counts, in context order. Output: every kept
//! n-gram with its share of its context before smoothing and the context's weight for the lower
//! order, in suffix order; and the weight of every context, in the contexts' suffix order.
//!
//! With `a` the adjusted count, `A` its sum over the context, pruned n-grams included:
//! `u(w | c) = (a(c w) − D(a(c w))) / A(c)` and `γ(c) = (Σ D(a) over kept n-grams + Σ a over pruned
//! ones) / A(c)`, so that `Σ u + γ = 1` (Chen & Goodman 1999, equations 24 and 25; the pruned mass as
//! in KenLM).

use super::super::Error;
use super::adjust::Adjusted;
use super::discount::Discounts;
use super::key::{Key, Packing};
use super::sort::{Merge, Sorter};
use super::spool::{Reader, Spool, Workspace};

/// The n-grams of one order, ready for smoothing.
pub struct Normalised<K> {
    /// Kept n-grams with `(u, γ of the context)`, in suffix order.
    pub ngrams: Merge<K, (f32, f32)>,
    /// `γ` of every context, pruned or not, in suffix order.
    pub weights: Reader<K, f32>,
}

/// The sums of one context.
#[derive(Default)]
struct Context {
    total: u64,
    /// Kept n-grams of adjusted count 1, 2, 3 and more.
    kept: [u64; 4],
    /// Adjusted counts of pruned n-grams.
    pruned: u64,
}

impl Context {
    fn add(&mut self, adjusted: Adjusted) {
        let count = adjusted.count();
        self.total += u64::from(count);
        if adjusted.pruned() {
            self.pruned += u64::from(count);
        } else {
            self.kept[count.min(3) as usize] += 1;
        }
    }

    /// `γ`.
    fn weight(&self, discounts: Discounts) -> f32 {
        let discounted: f64 = (1..4)
            .map(|count| f64::from(discounts.of(count as u32)) * self.kept[count] as f64)
            .sum();
        ((discounted + self.pruned as f64) / self.total as f64) as f32
    }

    /// `u`.
    fn share(&self, adjusted: Adjusted, discounts: Discounts) -> f32 {
        let count = adjusted.count();
        ((f64::from(count) - f64::from(discounts.of(count))) / self.total as f64) as f32
    }
}

/// The single words: `u` by word, and `γ` of the empty context.
pub fn normalise_unigrams(unigrams: &[Adjusted], discounts: Discounts) -> (Vec<f32>, f32) {
    let mut context = Context::default();
    unigrams.iter().for_each(|&adjusted| context.add(adjusted));
    let shares = unigrams
        .iter()
        .map(|&adjusted| context.share(adjusted, discounts))
        .collect();
    (shares, context.weight(discounts))
}

/// The n-grams of `order` words, 2 or more.
pub fn normalise<K: Key>(
    counts: Sorter<K, u32>,
    packing: Packing,
    order: usize,
    discounts: Discounts,
    workspace: Workspace,
) -> Result<Normalised<K>, Error> {
    let mut counts = counts.finish()?;
    let mut ngrams = Sorter::new(packing.width(order), workspace.share(2));
    let mut weights = Spool::new(workspace.share(4));
    let mut group: Vec<(K, Adjusted)> = Vec::new();
    let mut next = counts.pull()?;
    while let Some((first, _)) = next {
        let key = packing.context(first);
        let mut context = Context::default();
        group.clear();
        while let Some((ngram, count)) = next
            && packing.context(ngram) == key
        {
            let adjusted = Adjusted(count);
            context.add(adjusted);
            if !adjusted.pruned() {
                group.push((ngram, adjusted));
            }
            next = counts.pull()?;
        }
        let weight = context.weight(discounts);
        weights.push(key, weight)?;
        for &(ngram, adjusted) in &group {
            let share = context.share(adjusted, discounts);
            ngrams.push(
                packing.context_to_suffix_order(ngram, order),
                (share, weight),
            )?;
        }
    }
    Ok(Normalised {
        ngrams: ngrams.finish()?,
        weights: weights.finish()?,
    })
}
