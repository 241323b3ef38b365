//! Stage 5: frequencies become probabilities, and contexts get their back-off weights.
//!
//! Input: the normalised n-grams of all orders, in suffix order. Output: every n-gram with
//! `log₁₀ p` and `log₁₀` of its back-off weight, order by order, single words in the order of their
//! numbers and the others in suffix order.
//!
//! `p(w | c) = u(w | c) + γ(c) p(w | c without its first word)`, down to the single words, which are
//! interpolated with the uniform distribution; `<unk>` gets its share of that alone.

use super::super::Error;
use super::super::vocabulary::{START, UNKNOWN};
use super::adjust::Adjusted;
use super::key::{Key, Packing};
use super::normalise::Normalised;
use super::spool::{Reader, Spool, Workspace};

/// n-grams handed to the output at a time.
const BATCH: usize = 1 << 17;

/// An n-gram of the finished model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry<K> {
    /// Its words, in suffix order.
    pub key: K,
    /// `log₁₀ p` of its last word behind the others.
    pub log10_prob: f32,
    /// `log₁₀` of the weight for falling back from it as a context; 0 if it is none.
    pub backoff: f32,
}

/// Takes a finished model, order by order from 1.
pub trait Sink<K> {
    /// Some more n-grams of an order.
    fn take(&mut self, order: usize, entries: &[Entry<K>]) -> Result<(), Error>;
}

/// The single words, normalised.
pub struct Unigrams<'a> {
    /// Adjusted counts, by word.
    pub counts: &'a [Adjusted],
    /// `u`, by word.
    pub shares: &'a [f32],
    /// `γ` of the empty context.
    pub weight: f32,
    /// How many words can be predicted: kept ones and `<unk>`, not `<s>`.
    pub predictable: u64,
}

/// Smooths all orders into `sink`.
pub fn smooth<K: Key>(
    unigrams: Unigrams,
    orders: Vec<Normalised<K>>,
    packing: Packing,
    workspace: Workspace,
    sink: &mut dyn Sink<K>,
) -> Result<(), Error> {
    let mut weights: Vec<Option<Reader<K, f32>>> = Vec::new();
    let mut ngrams = Vec::new();
    for order in orders {
        weights.push(Some(order.weights));
        ngrams.push(order.ngrams);
    }
    weights.push(None);
    let mut weights = weights.into_iter();

    let mut backoffs = Backoffs::new(weights.next().flatten())?;
    let mut batch = Vec::with_capacity(BATCH);
    let mut probabilities = Spool::new(workspace.clone());
    let uniform = 1.0 / unigrams.predictable as f32;
    for (word, adjusted) in (0..).zip(unigrams.counts) {
        if adjusted.pruned() {
            continue;
        }
        let key = K::from_word(word);
        let prob = unigrams.shares[word as usize] + unigrams.weight * uniform;
        // `<s>` is never predicted; ARPA files give it log₁₀ p = 0, KenLM's way.
        let log10_prob = if word == START { 0.0 } else { prob.log10() };
        let backoff = if word == UNKNOWN {
            0.0
        } else {
            backoffs.of(key)?
        };
        batch.push(Entry {
            key,
            log10_prob,
            backoff,
        });
        probabilities.push(key, prob)?;
    }
    sink.take(1, &batch)?;
    batch.clear();

    for (order, mut ngrams) in (2..).zip(ngrams) {
        let mut backoffs = Backoffs::new(weights.next().flatten())?;
        let mut lower = Lower::new(probabilities.finish()?)?;
        probabilities = Spool::new(workspace.clone());
        while let Some((key, (share, weight))) = ngrams.pull()? {
            let prob = share + weight * lower.of(packing.suffix(key))?;
            let log10_prob = prob.log10();
            let backoff = backoffs.of(key)?;
            probabilities.push(key, prob)?;
            batch.push(Entry {
                key,
                log10_prob,
                backoff,
            });
            if batch.len() == BATCH {
                sink.take(order, &batch)?;
                batch.clear();
            }
        }
        sink.take(order, &batch)?;
        batch.clear();
    }
    Ok(())
}

/// The weights of contexts, met in suffix order.
struct Backoffs<K> {
    reader: Option<Reader<K, f32>>,
    next: Option<(K, f32)>,
}

impl<K: Key> Backoffs<K> {
    fn new(mut reader: Option<Reader<K, f32>>) -> Result<Self, Error> {
        let next = match &mut reader {
            Some(reader) => reader.pull()?,
            None => None,
        };
        Ok(Self { reader, next })
    }

    /// `log₁₀ γ` of an n-gram, 0 if it is no context. Asked for in rising order.
    #[inline]
    fn of(&mut self, key: K) -> Result<f32, Error> {
        while let Some((context, weight)) = self.next {
            if context > key {
                break;
            }
            self.next = match &mut self.reader {
                Some(reader) => reader.pull()?,
                None => None,
            };
            if context == key {
                return Ok(weight.log10());
            }
        }
        Ok(0.0)
    }
}

/// The probabilities of the order below, met in suffix order.
struct Lower<K> {
    reader: Reader<K, f32>,
    current: (K, f32),
}

impl<K: Key> Lower<K> {
    fn new(mut reader: Reader<K, f32>) -> Result<Self, Error> {
        let current = reader.pull()?.unwrap_or((K::ZERO, 0.0));
        Ok(Self { reader, current })
    }

    /// The probability of an n-gram that is there: what is kept has its suffix kept. Asked for in
    /// rising order.
    #[inline]
    fn of(&mut self, key: K) -> Result<f32, Error> {
        while self.current.0 < key
            && let Some(next) = self.reader.pull()?
        {
            self.current = next;
        }
        debug_assert_eq!(self.current.0, key);
        Ok(self.current.1)
    }
}
