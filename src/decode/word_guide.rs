//! A word n-gram in the search, over a tree of the words' spellings.

use std::f32::consts::LN_10;

use serde::{Deserialize, Serialize};

use super::guide::{Guide, Step};
use super::hypothesis::{Word, spelled_words};
use super::lexicon_tree::{LexiconTree, Node, ROOT, Spelling};
use crate::lm::ngram::{NGram, State as Context};
use crate::lm::{END, UNKNOWN};
use crate::text::{Lexicon, Tokens};

/// How a language model counts in the search: a word adds `α · ln p(word | words before) + β`, the
/// end of the utterance `α · ln p(</s> | words)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Weights {
    /// α, the language model's weight.
    pub alpha: f32,
    /// β, a bonus for every word, in nats.
    pub beta: f32,
    /// What a word that the language model does not know adds to its `ln p(<unk> | words before)`,
    /// in nats (so α scales it).
    pub unknown: f32,
    /// Whether any spelling is a word, or only those of the lexicon are. Characters only: with
    /// phones it is always the lexicon's.
    pub open_vocabulary: bool,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            alpha: 1.0,
            beta: 0.0,
            unknown: -10.0,
            open_vocabulary: false,
        }
    }
}

/// The words that a search may find, from a language model's vocabulary: spelled in characters.
/// Words with a character outside the inventory are left out.
pub fn spell(ngram: &NGram, tokens: &Tokens) -> LexiconTree {
    let words = (0..).zip(ngram.vocabulary().words()).skip(END as usize + 1);
    let spelling = |(word, text): (u32, &str)| {
        let tokens = tokens.encode_text(text).ok()?;
        Some(Spelling {
            tokens,
            word,
            score: look_ahead(ngram, word),
        })
    };
    LexiconTree::new(words.filter_map(spelling).collect())
}

/// The words that a search may find, from a pronunciation lexicon: those that the language model
/// has too, with every pronunciation.
pub fn pronounce(ngram: &NGram, lexicon: &Lexicon) -> LexiconTree {
    let mut spellings = Vec::new();
    for (text, pronunciations) in lexicon.entries() {
        let Some(word) = ngram.vocabulary().find(text) else {
            continue;
        };
        let score = look_ahead(ngram, word);
        spellings.extend(pronunciations.iter().map(|pronunciation| Spelling {
            tokens: pronunciation.clone(),
            word,
            score,
        }));
    }
    LexiconTree::new(spellings)
}

/// `ln p(word)` without context.
fn look_ahead(ngram: &NGram, word: u32) -> f32 {
    ngram.score(ngram.empty(), word).0 * LN_10
}

/// Guides a search by a word n-gram.
///
/// With characters a space ends a word. With phones any token does that can begin the next one;
/// which of the words with this pronunciation it was is the step's label.
///
/// While a word is incomplete its prefix carries the score of the best word that it can become,
/// without context ("smearing" in flashlight, look-ahead in the literature: Ortmanns & Ney 2000);
/// the end of the word replaces it, so that hypotheses are ranked alike in the middle of a word and
/// at its end, and totals are exact.
#[derive(Clone, Copy)]
pub struct WordGuide<'a> {
    ngram: &'a NGram,
    tree: &'a LexiconTree,
    weights: Weights,
    space: Option<u32>,
}

/// What a guide remembers of a prefix: the words before the current one, and where that one is.
pub struct WordState {
    /// The words before.
    context: Context,
    place: Place,
    /// What the current word has been given so far.
    given: f32,
    /// The words that the prefix may end with, here and now.
    end: Option<End>,
    /// Further ones: words that sound alike.
    homophones: Vec<End>,
    /// The end of a word outside the vocabulary, if such may be.
    unknown: Option<End>,
}

/// Where a word stands that has begun.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// At a node of the tree; before the word at its root.
    Tree(Node),
    /// In a word that is not in the tree.
    Outside,
}

/// A word's end: what the word scores, and the context behind it.
#[derive(Clone, Copy)]
struct End {
    word: u32,
    score: f32,
    context: Context,
}

impl<'a> WordGuide<'a> {
    /// A guide for characters, whose tree [`spell`] made, or for phones, whose tree [`pronounce`]
    /// made. Words outside the vocabulary are possible with characters only.
    pub fn new(ngram: &'a NGram, tree: &'a LexiconTree, weights: Weights, tokens: &Tokens) -> Self {
        Self {
            ngram,
            tree,
            weights,
            space: tokens.space(),
        }
    }

    fn end(&self, context: Context, word: u32) -> End {
        let (log10_prob, next) = self.ngram.score(context, word);
        let extra = if word == UNKNOWN {
            self.weights.unknown
        } else {
            0.0
        };
        let score = self.weights.alpha * (log10_prob * LN_10 + extra) + self.weights.beta;
        End {
            word,
            score,
            context: next,
        }
    }

    /// The state before a word.
    fn before_word(&self, context: Context) -> WordState {
        let open = self.weights.open_vocabulary && self.space.is_some();
        WordState {
            context,
            place: Place::Tree(ROOT),
            given: 0.0,
            end: None,
            homophones: Vec::new(),
            unknown: open.then(|| self.end(context, UNKNOWN)),
        }
    }

    /// What the beginning of a word is given.
    fn ahead(&self, node: Node) -> f32 {
        self.weights.alpha * self.tree.ahead(node) + self.weights.beta
    }

    /// The state one token further in a word.
    fn within_word(
        &self,
        before: &WordState,
        context: Context,
        from: Place,
        token: u32,
    ) -> WordState {
        let child = match from {
            Place::Tree(node) => self.tree.child(node, token),
            Place::Outside => None,
        };
        let unknown = before.unknown;
        let Some(child) = child else {
            let given = unknown.map_or(f32::NEG_INFINITY, |end| end.score);
            let homophones = Vec::new();
            return WordState {
                context,
                place: Place::Outside,
                given,
                end: unknown,
                homophones,
                unknown,
            };
        };
        let mut ends = self
            .tree
            .words(child)
            .iter()
            .map(|&word| self.end(context, word));
        let end = ends.next();
        WordState {
            context,
            place: Place::Tree(child),
            given: self.ahead(child),
            end: end.or(unknown),
            homophones: if end.is_some() {
                ends.collect()
            } else {
                Vec::new()
            },
            unknown,
        }
    }

    /// What ending the utterance behind a context adds.
    fn stop(&self, context: Context) -> f32 {
        self.weights.alpha * self.ngram.score(context, END).0 * LN_10
    }
}

impl Guide for WordGuide<'_> {
    type State = WordState;
    type Future = (Context, Place);

    fn start(&self) -> WordState {
        self.before_word(self.ngram.start())
    }

    #[inline]
    fn extend(&self, state: &WordState, token: u32, mut each: impl FnMut(u32, f32)) {
        if Some(token) == self.space {
            if state.place == Place::Tree(ROOT) {
                each(0, 0.0);
            } else if let Some(end) = state.end {
                each(0, end.score - state.given);
            }
            return;
        }
        let Place::Tree(node) = state.place else {
            each(0, 0.0);
            return;
        };
        if let Some(child) = self.tree.child(node, token) {
            each(0, self.ahead(child) - state.given);
        } else if let Some(unknown) = state.unknown {
            each(0, unknown.score - state.given);
        }
        if self.space.is_none()
            && let Some(end) = state.end
            && let Some(first) = self.tree.child(ROOT, token)
        {
            let begun = self.ahead(first) - state.given;
            for end in std::iter::once(&end).chain(&state.homophones) {
                each(end.word + 1, end.score + begun);
            }
        }
    }

    fn advance(&self, state: &WordState, step: Step) -> WordState {
        if Some(step.token) == self.space {
            return match (state.place, state.end) {
                (Place::Tree(ROOT), _) | (_, None) => self.before_word(state.context),
                (_, Some(end)) => self.before_word(end.context),
            };
        }
        let mut ends = state.end.iter().chain(&state.homophones);
        match ends.find(|end| self.space.is_none() && end.word + 1 == step.label) {
            Some(end) => self.within_word(state, end.context, Place::Tree(ROOT), step.token),
            None => self.within_word(state, state.context, state.place, step.token),
        }
    }

    fn future(&self, state: &WordState) -> Option<Self::Future> {
        Some((state.context, state.place))
    }

    fn finish(&self, state: &WordState, mut each: impl FnMut(u32, f32)) {
        if state.place == Place::Tree(ROOT) {
            each(0, self.stop(state.context));
            return;
        }
        for end in state.end.iter().chain(&state.homophones) {
            each(
                end.word + 1,
                end.score - state.given + self.stop(end.context),
            );
        }
    }

    fn words(&self, tokens: &Tokens, steps: &[Step], end: Option<u32>) -> Vec<Word> {
        if self.space.is_some() {
            return spelled_words(tokens, steps);
        }
        let mut words = Vec::new();
        let mut start = 0;
        let mut word = |id: u32, end: usize| {
            let text = self.ngram.vocabulary().word(id).to_owned();
            words.push(Word {
                text,
                tokens: start..end,
            });
            start = end;
        };
        for (at, step) in steps.iter().enumerate() {
            if let Some(id) = step.label.checked_sub(1) {
                word(id, at);
            }
        }
        // Phones at the end that no word has are not a word.
        if let Some(id) = end.and_then(|label| label.checked_sub(1)) {
            word(id, steps.len());
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ndarray::Array2;
    use proptest::prelude::*;

    use super::super::PrefixBeam;
    use super::super::reference::{EXACT, enumerate, ngram};
    use super::*;

    const ARPA: &str = "\\data\\\n\
        ngram 1=6\n\
        ngram 2=6\n\
        \n\
        \\1-grams:\n\
        -1.5\t<unk>\n\
        -99\t<s>\t-0.4\n\
        -0.9\t</s>\n\
        -0.7\ta\t-0.3\n\
        -0.8\tab\t-0.2\n\
        -1.1\tb\t-0.25\n\
        \n\
        \\2-grams:\n\
        -0.3\t<s> a\n\
        -0.6\t<s> ab\n\
        -0.2\ta b\n\
        -0.5\tab ab\n\
        -0.4\tb </s>\n\
        -0.35\tab </s>\n\
        \n\
        \\end\\\n";

    /// The definition: what a text's words score.
    fn language(ngram: &NGram, weights: Weights, words: &[&str]) -> f64 {
        let mut context = ngram.start();
        let mut total = 0.0;
        for text in words {
            let word = ngram.vocabulary().id(text);
            let (log10_prob, next) = ngram.score(context, word);
            let extra = if word == UNKNOWN {
                weights.unknown
            } else {
                0.0
            };
            total += weights.alpha * (log10_prob * LN_10 + extra) + weights.beta;
            context = next;
        }
        f64::from(total + weights.alpha * ngram.score(context, END).0 * LN_10)
    }

    /// Texts with their probabilities, summed over all label sequences that they can be read from.
    fn enumerate_texts(
        log_probs: &Array2<f32>,
        text: impl Fn(&[u32]) -> Vec<String>,
    ) -> BTreeMap<String, f64> {
        let mut probabilities = BTreeMap::new();
        for (labels, probability) in enumerate(log_probs) {
            for text in text(&labels) {
                *probabilities.entry(text).or_insert(0.0) += probability;
            }
        }
        probabilities
    }

    fn log_probs(tokens: usize) -> impl Strategy<Value = Array2<f32>> {
        (0usize..7).prop_flat_map(move |frames| {
            prop::collection::vec(-5.0f32..0.0, frames * tokens).prop_map(move |values| {
                Array2::from_shape_fn((frames, tokens), |(t, v)| values[t * tokens + v])
            })
        })
    }

    /// Every text has the probability of all its paths and the language score of the definition.
    fn check(
        log_probs: &Array2<f32>,
        tokens: &Tokens,
        guide: &WordGuide,
        text: impl Fn(&[u32]) -> Vec<String>,
    ) {
        let hypotheses = EXACT.decode_with(log_probs.view(), tokens, guide);
        let mut expected = enumerate_texts(log_probs, text);
        let known = |word: &str| guide.ngram.vocabulary().find(word).is_some();
        let open = guide.weights.open_vocabulary;
        expected.retain(|text, _| open || text.split_whitespace().all(known));
        let found: Vec<_> = hypotheses.iter().map(|h| h.text.clone()).collect();
        let mut sorted = found.clone();
        sorted.sort();
        assert_eq!(sorted, expected.keys().cloned().collect::<Vec<_>>());
        for hypothesis in hypotheses {
            let words: Vec<_> = hypothesis.text.split_whitespace().collect();
            let language = language(guide.ngram, guide.weights, &words);
            let acoustic = expected[&hypothesis.text].ln();
            assert!(
                (f64::from(hypothesis.language) - language).abs() < 1e-3,
                "{hypothesis:?}"
            );
            assert!(
                (f64::from(hypothesis.acoustic) - acoustic).abs() < 1e-3,
                "{hypothesis:?}"
            );
            assert!((hypothesis.score - hypothesis.acoustic - hypothesis.language).abs() < 1e-5);
        }
    }

    const WEIGHTS: Weights = Weights {
        alpha: 0.8,
        beta: 0.6,
        unknown: -1.5,
        open_vocabulary: false,
    };

    proptest! {
        #[test]
        fn words_of_characters_score_as_defined(log_probs in log_probs(4), open_vocabulary in any::<bool>()) {
            let symbols = ["<blank>", " ", "a", "b"].map(String::from).to_vec();
            let tokens = Tokens::from_symbols(symbols).unwrap();
            let ngram = ngram(ARPA);
            let tree = spell(&ngram, &tokens);
            let weights = Weights { open_vocabulary, ..WEIGHTS };
            let guide = WordGuide::new(&ngram, &tree, weights, &tokens);
            check(&log_probs, &tokens, &guide, |labels| vec![tokens.decode(labels)]);
        }
    }

    /// A lexicon with homophones, two pronunciations of a word, and one that begins another.
    const LEXICON: &str = "a AH\na(2) EY AH\nab AH EY\nb AH\nmissing EY\n";

    /// All word sequences that a sequence of phones pronounces.
    fn segment(lexicon: &[(&str, Vec<u32>)], labels: &[u32]) -> Vec<String> {
        if labels.is_empty() {
            return vec![String::new()];
        }
        let mut texts = Vec::new();
        for (word, phones) in lexicon {
            if let Some(rest) = labels.strip_prefix(phones.as_slice()) {
                let rest = segment(lexicon, rest).into_iter();
                texts.extend(rest.map(|rest| format!("{word} {rest}").trim_end().to_owned()));
            }
        }
        texts
    }

    proptest! {
        #[test]
        fn words_of_phones_score_as_defined(log_probs in log_probs(3)) {
            let symbols = ["<blank>", "AH", "EY"].map(String::from).to_vec();
            let tokens = Tokens::from_symbols(symbols).unwrap();
            let lexicon = Lexicon::parse(LEXICON.as_bytes(), "tiny", &tokens).unwrap();
            let ngram = ngram(ARPA);
            let tree = pronounce(&ngram, &lexicon);
            prop_assert_eq!(tree.len(), 4);
            let guide = WordGuide::new(&ngram, &tree, WEIGHTS, &tokens);
            let entries = lexicon.entries().flat_map(|(word, pronunciations)| {
                pronunciations.iter().map(move |phones| (word, phones.clone()))
            });
            let entries: Vec<_> = entries.filter(|(word, _)| *word != "missing").collect();
            // Exactly the same phones may be cut into the same words in two ways; each is a path.
            check(&log_probs, &tokens, &guide, |labels| segment(&entries, labels));
        }
    }

    proptest! {
        /// The model is a bigram: behind the same two words all texts have the same future.
        #[test]
        fn few_prefixes_are_alike(log_probs in log_probs(4), alike in 1usize..3) {
            let symbols = ["<blank>", " ", "a", "b"].map(String::from).to_vec();
            let tokens = Tokens::from_symbols(symbols).unwrap();
            let ngram = ngram(ARPA);
            let tree = spell(&ngram, &tokens);
            let guide = WordGuide::new(&ngram, &tree, WEIGHTS, &tokens);
            let beam = PrefixBeam { alike, ..EXACT };
            let mut counts = BTreeMap::new();
            for hypothesis in beam.decode_with(log_probs.view(), &tokens, &guide) {
                let words: Vec<_> = hypothesis.text.split_whitespace().collect();
                // The word before tells apart who is in the last word, and the last who is behind it.
                let last = words[words.len().saturating_sub(2)..].join(" ");
                *counts.entry(last).or_insert(0) += 1;
            }
            prop_assert!(counts.values().all(|&count| count <= 2 * alike), "{counts:?}");
        }
    }

    #[test]
    fn a_small_beam_finds_more_where_few_prefixes_are_alike() {
        let symbols = ["<blank>", " ", "a", "b"].map(String::from).to_vec();
        let tokens = Tokens::from_symbols(symbols).unwrap();
        let ngram = ngram(ARPA);
        let tree = spell(&ngram, &tokens);
        let guide = WordGuide::new(&ngram, &tree, WEIGHTS, &tokens);
        let mut rng = crate::train::stream(1, "alike", 0, 0);
        let mut gain = 0.0;
        for _ in 0..40 {
            let log_probs = Array2::from_shape_fn((40, 4), |_| {
                -rand::RngExt::random_range(&mut rng, 0.5f32..3.0)
            });
            let best = |alike| {
                let beam = PrefixBeam {
                    beam: 6,
                    alike,
                    ..EXACT
                };
                beam.decode_with(log_probs.view(), &tokens, &guide)[0].score
            };
            gain += best(1) - best(0);
        }
        assert!(gain > 0.0, "{gain}");
    }

    #[test]
    fn a_word_knows_its_phones() {
        let symbols = ["<blank>", "AH", "EY"].map(String::from).to_vec();
        let tokens = Tokens::from_symbols(symbols).unwrap();
        let lexicon = Lexicon::parse(LEXICON.as_bytes(), "tiny", &tokens).unwrap();
        let ngram = ngram(ARPA);
        let tree = pronounce(&ngram, &lexicon);
        let guide = WordGuide::new(&ngram, &tree, WEIGHTS, &tokens);
        let path = [1, 2, 0, 2, 1];
        let log_probs =
            Array2::from_shape_fn((5, 3), |(t, v)| if path[t] == v { -0.01 } else { -9.0 });
        let best = &EXACT.decode_with(log_probs.view(), &tokens, &guide)[0];
        let words: Vec<_> = best
            .words
            .iter()
            .map(|w| (w.text.as_str(), w.tokens.clone()))
            .collect();
        assert_eq!(words, [("ab", 0..2), ("a", 2..4)]);
    }
}
