//! A character n-gram in the search: shallow fusion, any spelling is a word.

use std::f32::consts::LN_10;

use super::guide::{Guide, Step};
use super::word_guide::Weights;
use crate::lm::ngram::{NGram, State as Context};
use crate::lm::{END, SPACE};
use crate::text::Tokens;

/// Guides a search by an n-gram over characters: each adds `α · ln p(character | those before)`, the
/// end of the utterance `α · ln p(</s> | characters)`, a word `β` on top when it begins. Of
/// [`Weights`] no more counts. Spaces that mean nothing (at either end, doubled) are no characters
/// to the model.
#[derive(Clone)]
pub struct CharacterGuide<'a> {
    ngram: &'a NGram,
    /// The model's number of each token.
    words: Vec<u32>,
    weights: Weights,
    space: Option<u32>,
}

/// What a guide remembers of a prefix.
#[derive(Clone, Copy)]
pub struct CharacterState {
    /// The characters so far, without spaces at the end.
    context: Context,
    within_word: bool,
    /// After a space: the context with it, and what it was given.
    spaced: Option<(Context, f32)>,
}

impl<'a> CharacterGuide<'a> {
    /// A guide for an inventory of characters; the model's unit must be characters too.
    pub fn new(ngram: &'a NGram, weights: Weights, tokens: &Tokens) -> Self {
        let vocabulary = ngram.vocabulary();
        let word = |symbol: &String| vocabulary.id(if symbol == " " { SPACE } else { symbol });
        Self {
            ngram,
            words: tokens.symbols().iter().map(word).collect(),
            weights,
            space: tokens.space(),
        }
    }

    fn score(&self, context: Context, word: u32) -> (f32, Context) {
        let (log10_prob, next) = self.ngram.score(context, word);
        (self.weights.alpha * log10_prob * LN_10, next)
    }

    /// The score of a token and the state behind it.
    fn step(&self, state: &CharacterState, token: u32) -> (f32, CharacterState) {
        if Some(token) == self.space {
            if !state.within_word {
                return (0.0, *state);
            }
            let (score, next) = self.score(state.context, self.words[token as usize]);
            let spaced = Some((next, score));
            return (
                score,
                CharacterState {
                    within_word: false,
                    spaced,
                    ..*state
                },
            );
        }
        let context = state.spaced.map_or(state.context, |(context, _)| context);
        let (score, context) = self.score(context, self.words[token as usize]);
        let bonus = if state.within_word {
            0.0
        } else {
            self.weights.beta
        };
        (
            score + bonus,
            CharacterState {
                context,
                within_word: true,
                spaced: None,
            },
        )
    }
}

impl Guide for CharacterGuide<'_> {
    type State = CharacterState;
    type Future = (Context, bool, Option<Context>);

    fn start(&self) -> CharacterState {
        CharacterState {
            context: self.ngram.start(),
            within_word: false,
            spaced: None,
        }
    }

    fn extend(&self, state: &CharacterState, token: u32, mut each: impl FnMut(u32, f32)) {
        each(0, self.step(state, token).0);
    }

    fn advance(&self, state: &CharacterState, step: Step) -> CharacterState {
        self.step(state, step.token).1
    }

    fn future(&self, state: &CharacterState) -> Option<Self::Future> {
        let spaced = state.spaced.map(|(context, _)| context);
        Some((state.context, state.within_word, spaced))
    }

    fn finish(&self, state: &CharacterState, mut each: impl FnMut(u32, f32)) {
        let space = state.spaced.map_or(0.0, |(_, score)| score);
        each(0, self.score(state.context, END).0 - space);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::reference::ngram;
    use super::*;
    use crate::lm::Unit;

    const ARPA: &str = "\\data\\\n\
        ngram 1=6\n\
        ngram 2=5\n\
        \n\
        \\1-grams:\n\
        -1.5\t<unk>\n\
        -99\t<s>\t-0.4\n\
        -0.9\t</s>\n\
        -0.7\ta\t-0.3\n\
        -0.8\tb\t-0.2\n\
        -1.1\t<space>\t-0.25\n\
        \n\
        \\2-grams:\n\
        -0.3\t<s> a\n\
        -0.2\ta b\n\
        -0.5\tb <space>\n\
        -0.4\tb </s>\n\
        -0.35\t<space> b\n\
        \n\
        \\end\\\n";

    proptest! {
        /// The definition: the model's score of the text with single spaces, and β for each word.
        #[test]
        fn a_text_scores_as_the_model_scores_its_characters(text in "[abc ]{0,8}") {
            let (ngram, tokens) = (ngram(ARPA), Tokens::characters());
            let weights = Weights { alpha: 0.7, beta: 0.4, ..Weights::default() };
            let guide = CharacterGuide::new(&ngram, weights, &tokens);
            let mut state = guide.start();
            let mut total = 0.0;
            for token in tokens.encode_text(&text).unwrap() {
                guide.extend(&state, token, |_, score| total += score);
                state = guide.advance(&state, Step { token, label: 0 });
            }
            guide.finish(&state, |_, score| total += score);

            let mut context = ngram.start();
            let mut expected = 0.4 * text.split_whitespace().count() as f32;
            let words = ngram.vocabulary().encode(text.trim(), Unit::Character);
            for word in words.into_iter().chain([END]) {
                let (log10_prob, next) = ngram.score(context, word);
                expected += 0.7 * log10_prob * LN_10;
                context = next;
            }
            prop_assert!((total - expected).abs() < 1e-4, "{} and {}", total, expected);
        }
    }
}
