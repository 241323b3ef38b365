//! Stage 3: counts become the adjusted counts of Kneser–Ney.
//!
//! Input: the counted n-grams of the highest order N, in suffix order. Output: every n-gram of
//! every order with its adjusted count, for the orders above one in context order; and, for each
//! order, how many n-grams have each small adjusted count.
//!
//! The adjusted count of an n-gram of order N, or one that begins a sentence, is its count; of any
//! other, in how many different words it is continued to the left (Chen & Goodman 1999, section
//! 4.1.6; Heafield et al. 2013, section 3.2). One pass does it: in suffix order all
//! n-grams that end alike stand together.

use super::super::Error;
use super::super::vocabulary::START;
use super::key::{Key, Packing};
use super::sort::{Merge, Sorter};
use super::spool::Workspace;

/// Set in an adjusted count to say that the n-gram will be pruned.
const PRUNED: u32 = 1 << 31;

/// An adjusted count and whether the n-gram is pruned.
#[derive(Clone, Copy, Debug)]
pub struct Adjusted(pub u32);

impl Adjusted {
    fn new(count: u64, pruned: bool) -> Self {
        // More than two milliards of one n-gram count as two milliards.
        let count = count.min(u64::from(PRUNED - 1)) as u32;
        Self(count | if pruned { PRUNED } else { 0 })
    }

    /// The adjusted count.
    pub fn count(self) -> u32 {
        self.0 & !PRUNED
    }

    /// Whether the model goes without the n-gram.
    pub fn pruned(self) -> bool {
        self.0 & PRUNED != 0
    }
}

/// Which n-grams a model goes without.
pub struct Pruning<'a> {
    /// By order from 1: n-grams that occur so often or more rarely are pruned. The first is 0, and
    /// none is smaller than the one before.
    pub thresholds: &'a [u64],
    /// By word: whether n-grams with it are kept. None: all words are.
    pub kept_words: Option<&'a [bool]>,
}

/// What one order's n-grams are like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// How many n-grams have adjusted count 0 (unused), 1, 2, 3, 4, pruned ones among them.
    pub with_count: [u64; 5],
    /// How many are not pruned.
    pub kept: u64,
}

impl Statistics {
    fn add(&mut self, count: u64, pruned: bool) {
        if let Some(with) = self.with_count.get_mut(count as usize) {
            *with += 1;
        }
        self.kept += u64::from(!pruned);
    }
}

/// The output of this stage.
pub struct AdjustedCounts<K> {
    /// By word.
    pub unigrams: Vec<Adjusted>,
    /// By order from 2, in context order.
    pub ngrams: Vec<Sorter<K, u32>>,
    /// By order from 1.
    pub statistics: Vec<Statistics>,
}

/// The n-gram of one order that ends like the n-gram just read.
#[derive(Clone, Copy)]
struct Open<K> {
    key: K,
    /// Its adjusted count so far.
    adjusted: u64,
    /// How often it occurs, so far.
    occurs: u64,
}

struct Adjusting<'a, K> {
    packing: Packing,
    order: usize,
    pruning: Pruning<'a>,
    output: AdjustedCounts<K>,
}

/// Adjusts the counts.
pub fn adjust<K: Key>(
    mut counts: Merge<K, u32>,
    packing: Packing,
    order: usize,
    words: usize,
    pruning: Pruning,
    workspace: Workspace,
) -> Result<AdjustedCounts<K>, Error> {
    let each = workspace.share(order - 1);
    let mut adjusting = Adjusting {
        packing,
        order,
        pruning,
        output: AdjustedCounts {
            unigrams: vec![Adjusted(0); words],
            ngrams: (2..=order)
                .map(|n| Sorter::new(packing.width(n), each.clone()))
                .collect(),
            statistics: vec![Statistics::default(); order],
        },
    };
    let mut previous: Option<K> = None;
    // By order from 1; those beyond `opened` are not n-grams (they would begin with `<s> <s>`).
    let mut open = vec![
        Open {
            key: K::ZERO,
            adjusted: 0,
            occurs: 0
        };
        order
    ];
    let mut opened = 0;
    while let Some((full, count)) = counts.pull()? {
        let same = previous.map_or(0, |previous| {
            let highest = full.highest_difference(previous).unwrap_or(0);
            order - 1 - (highest / packing.bits) as usize
        });
        for n in (same + 1..=opened).rev() {
            adjusting.close(n, open[n - 1])?;
        }
        for ended in &mut open[..same] {
            ended.occurs += u64::from(count);
        }
        if same > 0 {
            open[same - 1].adjusted += 1;
        }
        // The n-gram up to the last `<s>`: longer ones are not n-grams of a sentence.
        let beyond = (0..order - 1)
            .rev()
            .find(|&at| packing.word(full, at) == START);
        opened = order - beyond.unwrap_or(0);
        for n in same + 1..=opened {
            let key = (n..order).fold(full, |key, _| packing.suffix(key));
            let begins_sentence = beyond.is_some() && n == opened;
            let whole = begins_sentence || n == order;
            let adjusted = if whole { u64::from(count) } else { 1 };
            open[n - 1] = Open {
                key,
                adjusted,
                occurs: count.into(),
            };
        }
        previous = Some(full);
    }
    for n in (1..=opened).rev() {
        adjusting.close(n, open[n - 1])?;
    }
    adjusting.finish()
}

impl<K: Key> Adjusting<'_, K> {
    /// Nothing more comes that ends like this n-gram of order `n`.
    fn close(&mut self, n: usize, ngram: Open<K>) -> Result<(), Error> {
        let pruned =
            ngram.occurs <= self.pruning.thresholds[n - 1] || self.has_word_left_out(n, ngram.key);
        let adjusted = Adjusted::new(ngram.adjusted, pruned);
        self.output.statistics[n - 1].add(ngram.adjusted, pruned);
        if n == 1 {
            self.output.unigrams[ngram.key.low() as usize] = adjusted;
            return Ok(());
        }
        let key = self.packing.suffix_to_context_order(ngram.key, n);
        self.output.ngrams[n - 2].push(key, adjusted.0)
    }

    fn has_word_left_out(&self, n: usize, key: K) -> bool {
        self.pruning
            .kept_words
            .is_some_and(|kept| self.packing.words(key, n).any(|word| !kept[word as usize]))
    }

    fn finish(mut self) -> Result<AdjustedCounts<K>, Error> {
        debug_assert_eq!(self.output.ngrams.len(), self.order - 1);
        // `<unk>` and `<s>` are words of the model, though no text holds them.
        self.output.statistics[0].kept += 2;
        Ok(self.output)
    }
}
