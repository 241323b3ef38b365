//! A language model of either family.

use std::path::Path;

use super::ngram::{self, NGram};
use super::rnn::{self, Rnn};
use super::{Error, LanguageModel, Vocabulary};
use crate::nn::Runtime;

/// An n-gram model or a recurrent one.
pub enum Model {
    /// From ARPA or a compact binary.
    NGram(Box<NGram>),
    /// From a model directory.
    Rnn(Box<Rnn>),
}

/// The state of a [`Model`].
#[derive(Clone)]
pub enum ModelState {
    /// Of an n-gram model.
    NGram(ngram::State),
    /// Of a recurrent model.
    Rnn(rnn::State),
}

impl Model {
    /// Opens a directory as a recurrent model that computes on `runtime`, and anything else as an
    /// n-gram model.
    ///
    /// Fails when it is neither.
    pub fn open(path: &Path, runtime: Runtime) -> Result<Self, Error> {
        if path.is_dir() {
            Ok(Self::Rnn(Box::new(Rnn::open(path, runtime)?)))
        } else {
            Ok(Self::NGram(Box::new(NGram::open(path)?)))
        }
    }

    /// The path or name that it was read from.
    pub fn name(&self) -> &str {
        match self {
            Self::NGram(model) => model.name(),
            Self::Rnn(model) => model.name(),
        }
    }
}

/// A state of another model: a mistake of whoever asks.
fn foreign() -> Error {
    Error::Option("a state of another model was asked about".into())
}

impl LanguageModel for Model {
    type State = ModelState;

    fn vocabulary(&self) -> &Vocabulary {
        match self {
            Self::NGram(model) => model.vocabulary(),
            Self::Rnn(model) => LanguageModel::vocabulary(model.as_ref()),
        }
    }

    fn start(&self) -> ModelState {
        match self {
            Self::NGram(model) => ModelState::NGram(model.start()),
            Self::Rnn(model) => ModelState::Rnn(model.start()),
        }
    }

    fn score(&self, state: &ModelState, token: u32) -> Result<(f32, ModelState), Error> {
        match (self, state) {
            (Self::NGram(model), ModelState::NGram(state)) => {
                let (log10_prob, next) = model.score(*state, token);
                Ok((log10_prob, ModelState::NGram(next)))
            }
            (Self::Rnn(model), ModelState::Rnn(state)) => {
                let (log10_prob, next) = model.score(state, token)?;
                Ok((log10_prob, ModelState::Rnn(next)))
            }
            _ => Err(foreign()),
        }
    }

    fn after(&self, state: &ModelState, token: u32) -> Result<ModelState, Error> {
        match (self, state) {
            (Self::NGram(model), ModelState::NGram(state)) => {
                Ok(ModelState::NGram(model.score(*state, token).1))
            }
            (Self::Rnn(model), ModelState::Rnn(state)) => {
                Ok(ModelState::Rnn(model.after(state, token)?))
            }
            _ => Err(foreign()),
        }
    }

    fn distribution(&self, state: &ModelState) -> Result<Vec<f32>, Error> {
        match (self, state) {
            (Self::NGram(model), ModelState::NGram(state)) => Ok(model.distribution(*state)),
            (Self::Rnn(model), ModelState::Rnn(state)) => model.distribution(state),
            _ => Err(foreign()),
        }
    }

    fn score_batch(&self, queries: &[(&ModelState, u32)]) -> Result<Vec<(f32, ModelState)>, Error> {
        let Self::Rnn(model) = self else {
            return queries
                .iter()
                .map(|&(state, token)| self.score(state, token))
                .collect();
        };
        let queries = queries
            .iter()
            .map(|&(state, token)| match state {
                ModelState::Rnn(state) => Ok((state, token)),
                ModelState::NGram(_) => Err(foreign()),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let answers = model.score_batch(&queries)?.into_iter();
        Ok(answers
            .map(|(log10_prob, next)| (log10_prob, ModelState::Rnn(next)))
            .collect())
    }

    fn score_sentences(&self, sentences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, Error> {
        match self {
            Self::NGram(model) => model.score_sentences(sentences),
            Self::Rnn(model) => model.score_sentences(sentences),
        }
    }

    fn matched_orders(&self, sentence: &[u32]) -> Option<Vec<usize>> {
        match self {
            Self::NGram(model) => model.matched_orders(sentence),
            Self::Rnn(_) => None,
        }
    }

    fn in_order(&self) -> bool {
        match self {
            Self::NGram(_) => false,
            Self::Rnn(model) => model.in_order(),
        }
    }

    fn forget(&self) -> Result<(), Error> {
        match self {
            Self::NGram(_) => Ok(()),
            Self::Rnn(model) => model.forget(),
        }
    }
}
