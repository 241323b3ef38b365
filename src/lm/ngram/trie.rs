//! A whole n-gram model in plain arrays, as it is converted, mixed and pruned.
//!
//! Input: n-grams of any order in any sequence. Output: for each order the n-grams in reading
//! order, those with one context side by side, each knowing where its continuations stand.

use std::ops::Range;

use rayon::prelude::*;

use super::super::Error;
use super::super::vocabulary::{START, Vocabulary};
use super::estimate::{Destination, Outline};
use super::key::{Key, Packing};
use super::radix;
use super::smooth::{Entry, Sink};

/// The probability of a word that a model does not give one, `log₁₀`; KenLM's.
pub const NEVER: f32 = -100.0;

/// A back-off model: `p(w | c)` is the n-gram's where there is one, otherwise the back-off weight
/// of `c` times `p(w | c without its first word)`.
#[derive(Clone, Debug)]
pub struct Trie {
    /// The words.
    pub vocabulary: Vocabulary,
    /// By order from 1. Single words stand at their numbers.
    pub levels: Vec<Level>,
}

/// The n-grams of one order, in reading order of their words.
#[derive(Clone, Debug, Default)]
pub struct Level {
    /// The last word.
    pub words: Vec<u32>,
    /// `log₁₀ p` of the last word behind the others.
    pub log10_probs: Vec<f32>,
    /// `log₁₀` of the weight for falling back from the n-gram as a context.
    pub backoffs: Vec<f32>,
    /// n-gram `i` is continued by those from `children[i]` up to `children[i + 1]` of the next
    /// level. Empty at the highest order.
    pub children: Vec<u32>,
}

impl Level {
    /// How many n-grams there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Where the continuations of n-gram `at` stand in the next level.
    #[inline]
    pub fn children(&self, at: usize) -> Range<usize> {
        match self.children.get(at..at + 2) {
            Some(bounds) => bounds[0] as usize..bounds[1] as usize,
            None => 0..0,
        }
    }

    /// For each n-gram of the next level, the n-gram of this one that it continues.
    pub fn parents(&self) -> Vec<u32> {
        let mut parents = Vec::with_capacity(self.children.last().map_or(0, |&end| end as usize));
        for at in 0..self.len() {
            parents.extend(self.children(at).map(|_| at as u32));
        }
        parents
    }
}

impl Trie {
    /// Words of the longest n-grams.
    pub fn order(&self) -> usize {
        self.levels.len()
    }

    /// n-grams of each order.
    pub fn counts(&self) -> Vec<u64> {
        self.levels.iter().map(|level| level.len() as u64).collect()
    }

    /// Where the n-gram of these words stands in its level, if there is one.
    pub fn find(&self, words: &[u32]) -> Option<usize> {
        let (&first, rest) = words.split_first()?;
        let mut at = first as usize;
        if at >= self.levels.first()?.len() {
            return None;
        }
        for (order, &word) in (1..).zip(rest) {
            at = self.child(order, at, word)?;
        }
        Some(at)
    }

    /// The n-gram of `order` words at `at` continued by a word.
    #[inline]
    pub fn child(&self, order: usize, at: usize, word: u32) -> Option<usize> {
        let range = self.levels[order - 1].children(at);
        let words = &self.levels.get(order)?.words[range.clone()];
        words
            .binary_search(&word)
            .ok()
            .map(|found| range.start + found)
    }

    /// `log₁₀ p` of the last word behind the others, by the definition.
    pub fn log10_prob(&self, words: &[u32]) -> f32 {
        let words = &words[words.len().saturating_sub(self.order())..];
        let mut backoff = 0.0;
        for start in 0..words.len() {
            if let Some(at) = self.find(&words[start..]) {
                return backoff + self.levels[words.len() - start - 1].log10_probs[at];
            }
            let context = &words[start..words.len() - 1];
            if let Some(at) = self.find(context) {
                backoff += self.levels[context.len() - 1].backoffs[at];
            }
        }
        NEVER
    }

    /// Gives an n-gram the probability that it has by backing off.
    fn back_off(&mut self, words: &[u32]) {
        let order = words.len();
        let backoff = match self.find(&words[..order - 1]) {
            Some(at) => self.levels[order - 2].backoffs[at],
            None => 0.0,
        };
        let log10_prob = backoff + self.log10_prob(&words[1..]);
        if let Some(at) = self.find(words) {
            self.levels[order - 1].log10_probs[at] = log10_prob;
        }
    }

    /// For each n-gram of each order, its longest proper suffix that is an n-gram too: the order
    /// (0 for the empty one) and where it stands. This is the failure function of Aho & Corasick
    /// 1975 over words.
    pub fn suffixes(&self) -> Vec<Vec<Place>> {
        let mut suffixes = vec![vec![Place::EMPTY; self.levels[0].len()]];
        for order in 2..=self.order() {
            let parents = self.levels[order - 2].parents();
            let level: Vec<Place> = self.levels[order - 1]
                .words
                .par_iter()
                .zip(&parents)
                .map(|(&word, &parent)| {
                    let mut context = suffixes[order - 2][parent as usize];
                    while context.order > 0 {
                        let (order, at) = (context.order as usize, context.at as usize);
                        if let Some(found) = self.child(order, at, word) {
                            return Place::new(order + 1, found);
                        }
                        context = suffixes[order - 1][at];
                    }
                    Place::new(1, word as usize)
                })
                .collect();
            suffixes.push(level);
        }
        suffixes
    }
}

/// Where an n-gram stands in a [`Trie`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its words, 0 for the empty n-gram.
    pub order: u32,
    /// Its place in its level.
    pub at: u32,
}

impl Place {
    /// The empty n-gram.
    pub const EMPTY: Self = Self { order: 0, at: 0 };

    /// The n-gram of `order` words at `at`.
    pub fn new(order: usize, at: usize) -> Self {
        Self {
            order: order as u32,
            at: at as u32,
        }
    }
}

/// Gathers n-grams into a [`Trie`].
pub struct Builder<K> {
    vocabulary: Vocabulary,
    packing: Packing,
    /// By order from 1, in reading order once sorted.
    orders: Vec<Gathered<K>>,
}

struct Gathered<K> {
    keys: Vec<K>,
    values: Vec<(f32, f32)>,
}

impl<K: Key> Builder<K> {
    /// For models of `order` over all words of `vocabulary`.
    pub fn new(vocabulary: Vocabulary, packing: Packing, order: usize) -> Self {
        let empty = || Gathered {
            keys: Vec::new(),
            values: Vec::new(),
        };
        Self {
            vocabulary,
            packing,
            orders: (0..order).map(|_| empty()).collect(),
        }
    }

    /// The words, for whoever meets new ones; there must be no more than the packing was made for.
    pub fn vocabulary_mut(&mut self) -> &mut Vocabulary {
        &mut self.vocabulary
    }

    /// Adds an n-gram whose key is in reading order.
    #[inline]
    pub fn push(&mut self, order: usize, key: K, log10_prob: f32, backoff: f32) {
        let gathered = &mut self.orders[order - 1];
        gathered.keys.push(key);
        gathered.values.push((log10_prob, backoff));
    }

    /// Sorts all. Single words without a probability get [`NEVER`] (`<s>`, which is not predicted,
    /// gets 0). A context that is no n-gram itself becomes one, with the probability that it had by
    /// backing off, so that every other probability stays as it was. Fails with the words of an
    /// n-gram that came twice.
    pub fn finish(mut self) -> Result<Trie, String> {
        let packing = self.packing;
        (1..)
            .zip(&mut self.orders)
            .par_bridge()
            .for_each(|(order, gathered): (usize, _)| {
                radix::sort(
                    &mut gathered.keys,
                    &mut gathered.values,
                    packing.width(order),
                );
            });
        for (order, gathered) in (1..).zip(&self.orders) {
            if gathered.keys.len() >= u32::MAX as usize {
                return Err(format!(
                    "more than {} {order}-grams; prune the model",
                    u32::MAX
                ));
            }
            if let Some(pair) = gathered.keys.windows(2).find(|pair| pair[0] == pair[1]) {
                let mut words: Vec<&str> = packing
                    .words(pair[0], order)
                    .map(|word| self.vocabulary.word(word))
                    .collect();
                words.reverse();
                return Err(format!("the n-gram `{}` comes twice", words.join(" ")));
            }
        }
        self.complete_words();
        let mut completed = Vec::new();
        for order in (2..=self.orders.len()).rev() {
            completed.extend(self.complete_contexts(order));
        }
        let mut levels: Vec<Level> = Vec::new();
        let mut lower = Vec::new();
        for Gathered { keys, values } in self.orders {
            if let Some(level) = levels.last_mut() {
                level.children = children(&lower, &keys, packing);
            }
            levels.push(Level {
                words: keys.iter().map(|&key| packing.last(key)).collect(),
                log10_probs: values.iter().map(|&(prob, _)| prob).collect(),
                backoffs: values.iter().map(|&(_, backoff)| backoff).collect(),
                children: Vec::new(),
            });
            lower = keys;
        }
        let vocabulary = self.vocabulary;
        let mut trie = Trie { vocabulary, levels };
        // Shorter ones first: longer ones fall back on them.
        for words in completed.iter().rev() {
            trie.back_off(words);
        }
        Ok(trie)
    }

    /// Gives every word of the vocabulary a probability.
    fn complete_words(&mut self) {
        let Gathered { keys, values } = &mut self.orders[0];
        let words = self.vocabulary.len() as u32;
        if keys.len() == words as usize {
            return;
        }
        let mut present = keys
            .iter()
            .map(|key| key.low())
            .zip(values.iter())
            .peekable();
        let complete = (0..words)
            .map(|word| match present.next_if(|&(next, _)| next == word) {
                Some((_, &value)) => value,
                None if word == START => (0.0, 0.0),
                None => (NEVER, 0.0),
            })
            .collect();
        *values = complete;
        *keys = (0..words).map(K::from_word).collect();
    }

    /// Adds the contexts of this order's n-grams that are no n-grams, and returns their words.
    fn complete_contexts(&mut self, order: usize) -> Vec<Vec<u32>> {
        let packing = self.packing;
        let (lower, higher) = self.orders.split_at_mut(order - 1);
        let lower = &mut lower[order - 2];
        let mut contexts: Vec<K> = higher[0]
            .keys
            .iter()
            .map(|&key| packing.context(key))
            .collect();
        contexts.dedup();
        contexts.retain(|context| lower.keys.binary_search(context).is_err());
        if contexts.is_empty() {
            return Vec::new();
        }
        lower.keys.extend(&contexts);
        lower.values.resize(lower.keys.len(), (f32::NAN, 0.0));
        radix::sort(&mut lower.keys, &mut lower.values, packing.width(order - 1));
        let words = |&context: &K| {
            let mut words: Vec<u32> = packing.words(context, order - 1).collect();
            words.reverse();
            words
        };
        contexts.iter().map(words).collect()
    }
}

/// Where the n-grams of one order stand in the next one; every context is there.
fn children<K: Key>(contexts: &[K], ngrams: &[K], packing: Packing) -> Vec<u32> {
    let mut bounds = Vec::with_capacity(contexts.len() + 1);
    let mut at = 0;
    for &context in contexts {
        bounds.push(at as u32);
        while ngrams
            .get(at)
            .is_some_and(|&ngram| packing.context(ngram) == context)
        {
            at += 1;
        }
    }
    bounds.push(at as u32);
    bounds
}

/// The model that an estimation ends in, in memory.
pub struct InMemory;

impl Destination for InMemory {
    type Output = Trie;

    fn receive<K: Key>(
        self,
        outline: &Outline,
        fill: impl FnOnce(&mut dyn Sink<K>) -> Result<(), Error>,
    ) -> Result<Trie, Error> {
        let words = outline.vocabulary.words().zip(outline.kept);
        let vocabulary =
            Vocabulary::from_words(words.filter(|(_, kept)| **kept).map(|(word, _)| word));
        let numbers = outline.kept.iter().scan(0, |next, &kept| {
            *next += u32::from(kept);
            Some(next.wrapping_sub(1))
        });
        let mut gathering = Gathering {
            numbers: numbers.collect(),
            builder: Builder::new(vocabulary, outline.packing, outline.counts.len()),
        };
        fill(&mut gathering)?;
        gathering.builder.finish().map_err(Error::Vocabulary)
    }
}

struct Gathering<K> {
    /// By the estimation's number of a word, the model's.
    numbers: Vec<u32>,
    builder: Builder<K>,
}

impl<K: Key> Sink<K> for Gathering<K> {
    fn take(&mut self, order: usize, entries: &[Entry<K>]) -> Result<(), Error> {
        let packing = self.builder.packing;
        for entry in entries {
            let words = packing.words(entry.key, order);
            let key = packing.reading_order(words.map(|word| self.numbers[word as usize]));
            self.builder
                .push(order, key, entry.log10_prob, entry.backoff);
        }
        Ok(())
    }
}
