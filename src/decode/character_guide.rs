//! A language model of characters in the search: shallow fusion, any spelling is a word.

use std::f32::consts::LN_10;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use super::guide::{Guide, Step};
use super::word_guide::Weights;
use crate::lm::ngram::{NGram, State as Context};
use crate::lm::rnn::{self, Rnn};
use crate::lm::{self, END, LanguageModel, SPACE, Vocabulary};
use crate::text::Tokens;

/// What a guide asks of a language model of characters.
pub trait Predictor {
    /// All that the model knows of the characters so far.
    type State: Clone;
    /// What tells apart the states that the model treats differently.
    type Known: Eq + Hash;

    /// The characters.
    fn vocabulary(&self) -> &Vocabulary;
    /// The state before the first one.
    fn start(&self) -> Self::State;
    /// `ln p` of one behind a state.
    fn ln_prob(&self, state: &Self::State, character: u32) -> f32;
    /// The state behind it.
    fn after(&self, state: &Self::State, character: u32) -> Self::State;
    /// What is known of a state; `None` if it may differ from all others.
    fn known(&self, state: &Self::State) -> Option<Self::Known>;
}

impl Predictor for NGram {
    type State = Context;
    type Known = Context;

    fn vocabulary(&self) -> &Vocabulary {
        self.vocabulary()
    }

    fn start(&self) -> Context {
        self.start()
    }

    fn ln_prob(&self, context: &Context, character: u32) -> f32 {
        self.score(*context, character).0 * LN_10
    }

    fn after(&self, context: &Context, character: u32) -> Context {
        self.score(*context, character).1
    }

    fn known(&self, context: &Context) -> Option<Context> {
        Some(*context)
    }
}

/// A recurrent model as a predictor. A prefix that enters the beam costs it one step, after which the
/// probabilities of all characters are known.
pub struct Recurrent<'a> {
    rnn: &'a Rnn,
    failure: OnceLock<lm::Error>,
}

/// A state of a recurrent model with `log₁₀ p` of all characters behind it.
#[derive(Clone)]
pub struct Predicted(Arc<(rnn::State, Vec<f32>)>);

impl<'a> Recurrent<'a> {
    /// A predictor for one search.
    pub fn new(rnn: &'a Rnn) -> Self {
        let failure = OnceLock::new();
        Self { rnn, failure }
    }

    /// What went wrong on the way; the search has then gone on without the model.
    pub fn into_failure(self) -> Option<lm::Error> {
        self.failure.into_inner()
    }

    fn predicted(&self, state: Result<rnn::State, lm::Error>) -> Option<Predicted> {
        let predicted = state.and_then(|state| {
            let log10_probs = self.rnn.distribution(&state)?;
            Ok(Predicted(Arc::new((state, log10_probs))))
        });
        match predicted {
            Ok(predicted) => Some(predicted),
            Err(error) => {
                self.failure.get_or_init(|| error);
                None
            }
        }
    }
}

impl Predictor for Recurrent<'_> {
    type State = Option<Predicted>;
    type Known = ();

    fn vocabulary(&self) -> &Vocabulary {
        self.rnn.vocabulary()
    }

    fn start(&self) -> Option<Predicted> {
        self.predicted(Ok(self.rnn.start()))
    }

    fn ln_prob(&self, state: &Option<Predicted>, character: u32) -> f32 {
        let known = state.as_ref().and_then(|p| p.0.1.get(character as usize));
        known.map_or(0.0, |log10_prob| log10_prob * LN_10)
    }

    fn after(&self, state: &Option<Predicted>, character: u32) -> Option<Predicted> {
        self.predicted(self.rnn.after(&state.as_ref()?.0.0, character))
    }

    fn known(&self, _state: &Option<Predicted>) -> Option<()> {
        None
    }
}

/// Guides a search by a language model of characters: each adds `α · ln p(character | those before)`,
/// the end of the utterance `α · ln p(</s> | characters)`, a word `β` on top when it begins. Of
/// [`Weights`] no more counts. Spaces that mean nothing (at either end, doubled) are no characters
/// to the model.
#[derive(Clone)]
pub struct CharacterGuide<'a, P> {
    model: &'a P,
    /// The model's number of each token.
    characters: Vec<u32>,
    weights: Weights,
    space: Option<u32>,
}

/// What a guide remembers of a prefix.
#[derive(Clone, Copy)]
pub struct CharacterState<S> {
    /// Behind the characters so far, without spaces at the end.
    context: S,
    within_word: bool,
    /// After a space: the context with it, and what it was given.
    spaced: Option<(S, f32)>,
}

impl<'a, P: Predictor> CharacterGuide<'a, P> {
    /// A guide for an inventory of characters; the model's unit must be characters too.
    pub fn new(model: &'a P, weights: Weights, tokens: &Tokens) -> Self {
        let vocabulary = model.vocabulary();
        let character = |symbol: &String| vocabulary.id(if symbol == " " { SPACE } else { symbol });
        Self {
            model,
            characters: tokens.symbols().iter().map(character).collect(),
            weights,
            space: tokens.space(),
        }
    }

    fn score(&self, context: &P::State, character: u32) -> f32 {
        self.weights.alpha * self.model.ln_prob(context, character)
    }
}

/// The context in which the next character stands.
fn current<S>(state: &CharacterState<S>) -> &S {
    state
        .spaced
        .as_ref()
        .map_or(&state.context, |(context, _)| context)
}

impl<P: Predictor> Guide for CharacterGuide<'_, P> {
    type State = CharacterState<P::State>;
    type Future = (P::Known, bool, Option<P::Known>);

    fn start(&self) -> Self::State {
        CharacterState {
            context: self.model.start(),
            within_word: false,
            spaced: None,
        }
    }

    fn extend(&self, state: &Self::State, token: u32, mut each: impl FnMut(u32, f32)) {
        if Some(token) == self.space && !state.within_word {
            return each(0, 0.0);
        }
        let begins_word = Some(token) != self.space && !state.within_word;
        let bonus = if begins_word { self.weights.beta } else { 0.0 };
        each(
            0,
            self.score(current(state), self.characters[token as usize]) + bonus,
        );
    }

    fn advance(&self, state: &Self::State, step: Step) -> Self::State {
        let character = self.characters[step.token as usize];
        if Some(step.token) != self.space {
            return CharacterState {
                context: self.model.after(current(state), character),
                within_word: true,
                spaced: None,
            };
        }
        if !state.within_word {
            return state.clone();
        }
        let next = self.model.after(&state.context, character);
        CharacterState {
            context: state.context.clone(),
            within_word: false,
            spaced: Some((next, self.score(&state.context, character))),
        }
    }

    fn future(&self, state: &Self::State) -> Option<Self::Future> {
        let spaced = match &state.spaced {
            Some((context, _)) => Some(self.model.known(context)?),
            None => None,
        };
        Some((self.model.known(&state.context)?, state.within_word, spaced))
    }

    fn finish(&self, state: &Self::State, mut each: impl FnMut(u32, f32)) {
        let space = state.spaced.as_ref().map_or(0.0, |(_, score)| *score);
        each(0, self.score(&state.context, END) - space);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::reference::ngram;
    use super::*;
    use crate::lm::Unit;
    use crate::lm::rnn::{ModelConfig, Network, Partition, SoftmaxConfig};
    use crate::nn::{Path, Runtime};

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

    /// A model with random weights.
    fn rnn() -> Rnn {
        let vocabulary = Vocabulary::from_words([SPACE, "a", "b"]);
        let counts: Vec<u64> = vec![1; vocabulary.len()];
        let config = ModelConfig {
            unit: Unit::Character,
            cells: 7,
            embedding: 5,
            ..ModelConfig::default()
        };
        let partition = Partition::new(&SoftmaxConfig::Full, &counts).unwrap();
        let bias = partition.log_shares(&counts);
        let runtime = Runtime {
            path: Path::Portable,
        };
        let network = Network::new(&config, partition, bias, runtime, 3).unwrap();
        Rnn::new("random".into(), network, vocabulary, rnn::Context::Sentence).unwrap()
    }

    /// What a guide with α 0.7 and β 0.4 adds to a text.
    fn along<P: Predictor>(model: &P, text: &str) -> f32 {
        let tokens = Tokens::characters();
        let weights = Weights {
            alpha: 0.7,
            beta: 0.4,
            ..Weights::default()
        };
        let guide = CharacterGuide::new(model, weights, &tokens);
        let mut state = guide.start();
        let mut total = 0.0;
        for token in tokens.encode_text(text).unwrap() {
            guide.extend(&state, token, |_, score| total += score);
            state = guide.advance(&state, Step { token, label: 0 });
        }
        guide.finish(&state, |_, score| total += score);
        total
    }

    /// The definition: the model's score of the text with single spaces, and β for each word.
    fn defined<M: LanguageModel>(model: &M, text: &str) -> f32 {
        let characters = model.vocabulary().encode(text.trim(), Unit::Character);
        let scores = model.score_sentences(&[characters]).unwrap();
        let words = text.split_whitespace().count();
        0.7 * LN_10 * scores[0].iter().sum::<f32>() + 0.4 * words as f32
    }

    proptest! {
        #[test]
        fn a_text_scores_as_the_model_scores_its_characters(text in "[abc ]{0,8}") {
            let ngram = ngram(ARPA);
            let (total, expected) = (along(&ngram, &text), defined(&ngram, &text));
            prop_assert!((total - expected).abs() < 1e-4, "{} and {}", total, expected);
            let rnn = rnn();
            let model = Recurrent::new(&rnn);
            let (total, expected) = (along(&model, &text), defined(&rnn, &text));
            prop_assert!((total - expected).abs() < 1e-3, "{} and {}", total, expected);
            prop_assert!(model.into_failure().is_none());
        }
    }
}
