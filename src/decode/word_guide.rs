//! A word n-gram in the search, over a tree of the words' spellings.

use std::f32::consts::LN_10;

use serde::{Deserialize, Serialize};

use super::guide::{Guide, Probable, Step, one_by_one};
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

/// The words that a search may find, from a language model's vocabulary, and `more`, numbered behind
/// it: spelled in characters. Words with a character outside the inventory are left out.
pub fn spell(ngram: &NGram, more: &[String], tokens: &Tokens) -> LexiconTree {
    let words = ngram.vocabulary().words();
    let words = (0..).zip(words.chain(more.iter().map(String::as_str)));
    let words = words.skip(END as usize + 1);
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
/// has too, and `more`, numbered behind them, with every pronunciation.
pub fn pronounce(ngram: &NGram, more: &[String], lexicon: &Lexicon) -> LexiconTree {
    let mut spellings = Vec::new();
    let vocabulary = ngram.vocabulary();
    let known = lexicon
        .entries()
        .filter_map(|(text, ways)| Some((vocabulary.find(text)?, ways)));
    let more = more.iter().map(|text| lexicon.pronunciations(text));
    for (word, pronunciations) in known.chain((vocabulary.len() as u32..).zip(more)) {
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
    ngram.score(ngram.empty(), known(ngram, word)).0 * LN_10
}

/// The word as the language model knows it.
fn known(ngram: &NGram, word: u32) -> u32 {
    match (word as usize) < ngram.vocabulary().len() {
        true => word,
        false => UNKNOWN,
    }
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
    more: &'a [String],
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
            more: &[],
            weights,
            space: tokens.space(),
        }
    }

    /// With words behind the language model's own in the tree: each has the probability of `<unk>`,
    /// without what `weights.unknown` adds.
    pub fn with_words(self, more: &'a [String]) -> Self {
        Self { more, ..self }
    }

    fn end(&self, context: Context, word: u32) -> End {
        let (log10_prob, next) = self.ngram.score(context, known(self.ngram, word));
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

    /// By the children of the word's node, where they are fewer than the probable tokens.
    #[inline]
    fn extend_all(
        &self,
        state: &WordState,
        tokens: &Probable,
        mut each: impl FnMut(u32, f32, u32, f32),
    ) {
        let node = match state.place {
            Place::Tree(node) if state.unknown.is_none() => Some(node),
            _ => None,
        };
        let onward = node.map_or(0..0, |node| self.tree.children(node));
        let first = match self.space.is_none() && state.end.is_some() {
            true => self.tree.children(ROOT),
            false => 0..0,
        };
        if node.is_none() || onward.len() + first.len() >= tokens.len() {
            return one_by_one(self, state, tokens.iter(), each);
        }
        let space = self.space.map(|space| (space, tokens.log_prob(space)));
        let space = space.filter(|&(_, log_prob)| log_prob > f32::NEG_INFINITY);
        one_by_one(self, state, space.into_iter(), &mut each);
        let probable = |child: usize| {
            let token = self.tree.token(child as Node);
            let log_prob = tokens.log_prob(token);
            (log_prob > f32::NEG_INFINITY).then_some((child as Node, token, log_prob))
        };
        for (child, token, log_prob) in onward.filter_map(probable) {
            each(token, log_prob, 0, self.ahead(child) - state.given);
        }
        for (first, token, log_prob) in first.filter_map(probable) {
            let begun = self.ahead(first) - state.given;
            for end in state.end.iter().chain(&state.homophones) {
                each(token, log_prob, end.word + 1, end.score + begun);
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
            let vocabulary = self.ngram.vocabulary();
            let text = match (id as usize).checked_sub(vocabulary.len()) {
                Some(more) => self.more.get(more).map_or("<unk>", String::as_str),
                None => vocabulary.word(id),
            };
            let text = text.to_owned();
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
#[path = "word_guide_tests.rs"]
mod tests;
