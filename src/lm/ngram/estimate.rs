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

#[cfg(test)]
mod tests {
    use super::super::FALLBACK;
    use super::super::testing::{estimated, estimation, random_text};
    use super::super::trie::Trie;
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    /// Interpolated modified Kneser–Ney word for word from its definition (Chen & Goodman 1999;
    /// pruned mass as in Heafield 2013), in f64 and with one map an order.
    struct Twin {
        order: usize,
        /// By order from 1: adjusted count and whether it is kept.
        adjusted: Vec<HashMap<Vec<String>, (f64, bool)>>,
        discounts: Vec<[f64; 4]>,
        predictable: f64,
    }

    impl Twin {
        fn new(text: &str, how: &Estimation, kept_word: impl Fn(&str) -> bool) -> Self {
            let order = how.order;
            let mut occurs: Vec<HashMap<Vec<String>, u64>> = vec![HashMap::new(); order];
            let mut left: HashMap<Vec<String>, HashSet<String>> = HashMap::new();
            for line in text.lines() {
                let words = ["<s>"]
                    .into_iter()
                    .chain(line.split_whitespace())
                    .chain(["</s>"]);
                let words: Vec<String> = words.map(String::from).collect();
                for end in 2..=words.len() {
                    for length in 1..=order.min(end) {
                        let ngram = words[end - length..end].to_vec();
                        *occurs[length - 1].entry(ngram.clone()).or_default() += 1;
                        if length < end {
                            left.entry(ngram)
                                .or_default()
                                .insert(words[end - length - 1].clone());
                        }
                    }
                }
            }
            let last = how.prune.last().copied().unwrap_or(0);
            let threshold = |n: usize| how.prune.get(n - 1).copied().unwrap_or(last);
            let mut adjusted = Vec::new();
            let mut discounts = Vec::new();
            for n in 1..=order {
                let mut counts = HashMap::new();
                let mut of_counts = [0.0f32; 5];
                for (ngram, &count) in &occurs[n - 1] {
                    let whole = n == order || ngram[0] == "<s>";
                    let value = if whole {
                        count as usize
                    } else {
                        left[ngram].len()
                    };
                    let kept = count > threshold(n) && ngram.iter().all(|word| kept_word(word));
                    counts.insert(ngram.clone(), (value as f64, kept));
                    if value < 5 {
                        of_counts[value] += 1.0;
                    }
                }
                if n == 1 {
                    counts.insert(vec!["<unk>".to_string()], (0.0, true));
                }
                let y = of_counts[1] / (of_counts[1] + 2.0 * of_counts[2]);
                // In f32, as KenLM has it: a discount of just 0 may be a little less, and falls back.
                let mut discount = [0.0; 4];
                for i in 1..4 {
                    discount[i] = i as f32 - (i + 1) as f32 * y * of_counts[i + 1] / of_counts[i];
                }
                if (1..4).any(|i| of_counts[i] == 0.0 || !(0.0..=i as f32).contains(&discount[i])) {
                    discount = [0.0, FALLBACK[0], FALLBACK[1], FALLBACK[2]];
                }
                adjusted.push(counts);
                discounts.push(discount.map(f64::from));
            }
            let predictable = adjusted[0].values().filter(|(_, kept)| *kept).count() as f64;
            Self {
                order,
                adjusted,
                discounts,
                predictable,
            }
        }

        /// `p(w | c)` and `γ(c)`.
        fn prob(&self, ngram: &[String]) -> (f64, f64) {
            let Some((word, context)) = ngram.split_last() else {
                return (1.0 / self.predictable, 0.0);
            };
            let n = ngram.len();
            let (mut total, mut spared, mut own) = (0.0, 0.0, 0.0);
            for (other, &(count, kept)) in &self.adjusted[n - 1] {
                if other[..n - 1] != *context {
                    continue;
                }
                let discount = self.discounts[n - 1][(count as usize).min(3)];
                total += count;
                spared += if kept { discount } else { count };
                if other[n - 1] == *word && kept {
                    own = count - discount;
                }
            }
            let lower = if n == 1 {
                1.0 / self.predictable
            } else {
                self.prob(&ngram[1..]).0
            };
            if total == 0.0 {
                (lower, 1.0)
            } else {
                (own / total + spared / total * lower, spared / total)
            }
        }

        fn assert_equals(&self, trie: &Trie) {
            for n in 1..=self.order {
                let kept = self.adjusted[n - 1].iter().filter(|(_, (_, kept))| *kept);
                // `<s>` is a word of the model, too.
                assert_eq!(
                    trie.levels[n - 1].len(),
                    kept.clone().count() + usize::from(n == 1)
                );
                for (ngram, _) in kept {
                    let ids: Vec<u32> = ngram
                        .iter()
                        .map(|word| trie.vocabulary.find(word).unwrap())
                        .collect();
                    let at = trie.find(&ids).unwrap();
                    let level = &trie.levels[n - 1];
                    let expected = self.prob(ngram).0.log10();
                    let found = f64::from(level.log10_probs[at]);
                    assert!((found - expected).abs() < 1e-5, "{ngram:?}");
                    let ends = ngram[n - 1] == "</s>" || ngram[n - 1] == "<unk>";
                    if n < self.order && !ends {
                        let continued = [&ngram[..], &[String::new()]].concat();
                        let expected = self.prob(&continued).1.log10();
                        let found = f64::from(level.backoffs[at]);
                        // Equal where nothing is spared for words not seen: a discount may be 0.
                        assert!(
                            found == expected || (found - expected).abs() < 1e-5,
                            "{ngram:?} back-off {found}, and {expected} by the definition"
                        );
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn estimates_are_those_of_the_definition(
            seed in any::<u64>(),
            sentences in 2usize..40,
            order in 1usize..5,
            prune in prop::sample::select(vec![vec![], vec![0, 1], vec![0, 0, 2]]),
            limit in prop::option::of(2usize..5),
            memory in prop::sample::select(vec![0usize, 1 << 30]),
        ) {
            let text = random_text(seed, sentences, 7) + "a b c\n";
            let mut how = Estimation { memory, ..estimation(order) };
            how.prune = prune.into_iter().take(order).collect();
            let mut kept = None;
            if let Some(number) = limit {
                let words: Vec<String> = ["a", "b", "c", "d"][..number - 1].iter().map(|word| word.to_string()).collect();
                if number > 2 {
                    kept = Some(words.clone());
                    how.vocabulary = VocabularyLimit::Listed(words);
                }
            }
            let special = |word: &str| word.starts_with('<');
            let kept_word = |word: &str| special(word) || kept.as_ref().is_none_or(|kept| kept.iter().any(|other| other == word));
            Twin::new(&text, &how, kept_word).assert_equals(&estimated(&text, &how));
        }
    }

    #[test]
    fn the_most_frequent_words_are_kept() {
        let mut how = estimation(2);
        how.vocabulary = VocabularyLimit::MostFrequent(2);
        let trie = estimated("c b a c b\nb d\n", &how);
        assert_eq!(
            trie.vocabulary.words().collect::<Vec<_>>(),
            ["<unk>", "<s>", "</s>", "c", "b"]
        );
    }

    #[test]
    fn options_that_contradict_themselves_are_refused() {
        let text =
            || vec![Source::new("t".into(), std::io::Cursor::new(b"a b\n".to_vec())).unwrap()];
        for (order, prune, expected) in [
            (0, vec![], "--order is 1 at least"),
            (3, vec![1], "--prune begins with 0"),
            (3, vec![0, 2, 1], "--prune 0 2 1 falls"),
            (2, vec![0, 0, 1], "3 numbers for a model of order 2"),
        ] {
            let how = Estimation {
                prune,
                ..estimation(order)
            };
            let error = estimate(text(), &how, super::super::trie::InMemory).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
