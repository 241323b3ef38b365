//! The whole of n-gram estimation, stage after stage.
//!
//! Input: texts. Output: a model of interpolated modified Kneser–Ney, its probabilities and
//! back-offs those of KenLM's lmplz.

use std::path::PathBuf;

use rayon::prelude::*;

use super::super::Error;
use super::super::source::Source;
use super::super::vocabulary::{SPECIAL, Vocabulary};
use super::adjust::{AdjustedCounts, Pruning, adjust};
use super::count::count;
use super::discount::Discounts;
use super::key::{Key, Packing};
use super::normalise::{normalise, normalise_unigrams};
use super::smooth::{Sink, Unigrams, smooth};
use super::spool::Workspace;
use super::tokens::{Reading, Stream, Tokens};

/// The words a model may hold.
#[derive(Clone, Debug)]
pub enum VocabularyLimit {
    /// All words of the text.
    All,
    /// So many of the most frequent words; of equally frequent ones, those that come first.
    MostFrequent(usize),
    /// The words listed, as far as the text has them.
    Listed(Vec<String>),
}

/// How a model is estimated.
#[derive(Clone, Debug)]
pub struct Estimation {
    /// Words of the longest n-grams, 1 or more.
    pub order: usize,
    /// By order from 1, the last for all longer ones: n-grams that occur so often or more rarely
    /// are left out, as with lmplz's `--prune`. Empty: none are.
    pub prune: Vec<u64>,
    /// The words of the model.
    pub vocabulary: VocabularyLimit,
    /// What stands in for discounts that a text cannot give; an error otherwise.
    pub discount_fallback: Option<[f32; 3]>,
    /// How texts are read.
    pub reading: Reading,
    /// Bytes of memory for text and n-grams; what goes beyond is sorted on disk.
    pub memory: usize,
    /// Where temporary files go.
    pub folder: PathBuf,
}

/// What is known of a model before its n-grams come.
pub struct Outline<'a> {
    /// All words of the text.
    pub vocabulary: &'a Vocabulary,
    /// By word, whether the model holds it.
    pub kept: &'a [bool],
    /// n-grams of each order.
    pub counts: &'a [u64],
    /// How words are packed in the keys.
    pub packing: Packing,
}

/// Makes a sink for keys of any size once the outline is known.
pub trait Destination {
    /// What the finished sink leaves.
    type Output;
    /// Takes the model that `fill` pours into the sink it is given.
    fn receive<K: Key>(
        self,
        outline: &Outline,
        fill: impl FnOnce(&mut dyn Sink<K>) -> Result<(), Error>,
    ) -> Result<Self::Output, Error>;
}

/// Estimates a model from texts and pours it into `destination`.
pub fn estimate<D: Destination>(
    sources: Vec<Source>,
    estimation: &Estimation,
    destination: D,
) -> Result<D::Output, Error> {
    let thresholds = thresholds(estimation)?;
    let workspace = Workspace {
        folder: estimation.folder.clone(),
        memory: estimation.memory,
    };
    let tokens = Tokens::read(sources, estimation.reading, workspace.share(4))?;
    let Tokens {
        vocabulary,
        occurrences,
        stream,
        ..
    } = tokens;
    let kept = kept_words(&vocabulary, &occurrences, &estimation.vocabulary);
    let words: Vec<&str> = vocabulary
        .words()
        .zip(&kept)
        .filter(|(_, kept)| **kept)
        .map(|(word, _)| word)
        .collect();
    Vocabulary::from_words(words).check_size()?;
    let packing = Packing::new(vocabulary.len(), estimation.order)?;
    let text = Text {
        vocabulary,
        kept,
        thresholds,
        stream,
        packing,
        workspace,
    };
    if packing.width(estimation.order) <= u64::BITS {
        text.estimate::<u64, D>(estimation, destination)
    } else {
        text.estimate::<u128, D>(estimation, destination)
    }
}

struct Text {
    vocabulary: Vocabulary,
    kept: Vec<bool>,
    thresholds: Vec<u64>,
    stream: Stream,
    packing: Packing,
    workspace: Workspace,
}

impl Text {
    fn estimate<K: Key, D: Destination>(
        self,
        estimation: &Estimation,
        destination: D,
    ) -> Result<D::Output, Error> {
        let Self {
            packing, workspace, ..
        } = self;
        let order = estimation.order;
        let counts = count::<K>(self.stream, packing, order, workspace.share(3))?;
        let pruning = Pruning {
            thresholds: &self.thresholds,
            kept_words: self.kept.contains(&false).then_some(&self.kept),
        };
        let words = self.vocabulary.len();
        let AdjustedCounts {
            unigrams,
            ngrams,
            statistics,
        } = adjust(counts, packing, order, words, pruning, workspace.share(3))?;
        let discounts = (1..)
            .zip(&statistics)
            .map(|(order, statistics)| {
                Discounts::estimate(statistics, order, estimation.discount_fallback)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let (shares, weight) = normalise_unigrams(&unigrams, discounts[0]);
        let each = workspace.share(2 * ngrams.len());
        let orders = ngrams
            .into_par_iter()
            .zip(2..order + 1)
            .map(|(counts, n)| normalise(counts, packing, n, discounts[n - 1], each.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let counts: Vec<u64> = statistics
            .iter()
            .map(|statistics| statistics.kept)
            .collect();
        let outline = Outline {
            vocabulary: &self.vocabulary,
            kept: &self.kept,
            counts: &counts,
            packing,
        };
        let unigrams = Unigrams {
            counts: &unigrams,
            shares: &shares,
            weight,
            predictable: counts[0] - 1,
        };
        destination.receive(&outline, |sink| {
            smooth(unigrams, orders, packing, workspace.share(4), sink)
        })
    }
}

/// The pruning threshold of each order.
fn thresholds(estimation: &Estimation) -> Result<Vec<u64>, Error> {
    let Estimation { order, prune, .. } = estimation;
    let wrong = |why: String| Err(Error::Option(why));
    if *order == 0 {
        return wrong("--order is 1 at least".to_string());
    }
    if prune.first().is_some_and(|&first| first != 0) {
        return wrong("--prune begins with 0: single words are limited with --vocab".to_string());
    }
    if prune.len() > *order {
        return wrong(format!(
            "--prune has {} numbers for a model of order {order}",
            prune.len()
        ));
    }
    if !prune.is_sorted() {
        return wrong(format!(
            "--prune {} falls: a longer n-gram needs the shorter one that it ends with, so no number may be smaller than the one before",
            prune
                .iter()
                .map(u64::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        ));
    }
    let last = prune.last().copied().unwrap_or(0);
    let mut thresholds = prune.clone();
    thresholds.resize(*order, last);
    Ok(thresholds)
}

/// By word, whether the model holds it; the special words always.
fn kept_words(vocabulary: &Vocabulary, occurrences: &[u64], limit: &VocabularyLimit) -> Vec<bool> {
    let mut kept = vec![false; vocabulary.len()];
    kept[..SPECIAL.len()].fill(true);
    match limit {
        VocabularyLimit::All => kept.fill(true),
        VocabularyLimit::MostFrequent(number) => {
            let mut words: Vec<usize> = (SPECIAL.len()..kept.len()).collect();
            words.sort_by_key(|&word| std::cmp::Reverse(occurrences[word]));
            words
                .iter()
                .take(*number)
                .for_each(|&word| kept[word] = true);
        }
        VocabularyLimit::Listed(words) => {
            let known = words.iter().filter_map(|word| vocabulary.find(word));
            known.for_each(|word| kept[word as usize] = true);
        }
    }
    kept
}
