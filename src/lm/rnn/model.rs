//! A trained network as a [`LanguageModel`].

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Tensor};

use super::config::Context;
use super::network::Network;
use crate::lm::model::score_sharing_prefixes;
use crate::lm::{END, Error, LanguageModel, START, UNKNOWN, Vocabulary};
use crate::nn::{self, Cell, Mode, Packing, with_values};
use crate::train::{Optimiser, OptimiserConfig, OptimiserKind, global_norm};

/// The largest norm of a sentence's gradient in dynamic evaluation; it is scaled down to this.
const DYNAMIC_CLIP: f64 = 5.0;

/// What a model remembers from sentence to sentence when a text is scored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Memory {
    /// Nothing: sentences are independent of each other.
    #[default]
    Sentence,
    /// The state at the end of the sentence before.
    Text,
    /// What it learns: after each sentence one step of gradient descent is made on it, with this
    /// learning rate for the sum of its losses (dynamic evaluation: Mikolov et al. 2010, section 3).
    /// A model that was trained on streams carries its state too, as in Krause et al. 2018.
    Dynamic {
        /// The learning rate.
        rate: f64,
    },
}

/// A recurrent language model: its network and its vocabulary.
pub struct Rnn {
    name: String,
    network: Network,
    vocabulary: Vocabulary,
    start: State,
    context: Context,
    memory: Memory,
    past: Mutex<Past>,
}

/// The state behind some tokens.
#[derive(Clone)]
pub struct State(Arc<Behind>);

struct Behind {
    /// One a layer, of one sequence.
    layers: Vec<nn::State>,
    /// What the softmax reads: `[D]`.
    read: Vec<f32>,
}

/// What is remembered of a text that is scored in order.
#[derive(Default)]
struct Past {
    states: Option<Vec<nn::State>>,
    /// The optimiser, and the weights before it changed them.
    learning: Option<(Optimiser, Vec<Tensor>)>,
}

impl Rnn {
    /// A model of a network whose tokens are those of `vocabulary`, trained with `context`. `name`
    /// stands in messages.
    ///
    /// Fails when a layer does.
    pub fn new(
        name: String,
        network: Network,
        vocabulary: Vocabulary,
        context: Context,
    ) -> Result<Self, Error> {
        let size = network.config().cells;
        let cell = match network.config().cell {
            Cell::Lstm => size,
            _ => 0,
        };
        let zeros = nn::State {
            hidden: vec![0.0; size],
            cell: vec![0.0; cell],
        };
        let before = State(Arc::new(Behind {
            layers: vec![zeros; network.config().layers],
            read: Vec::new(),
        }));
        let mut model = Self {
            name,
            network,
            vocabulary,
            start: before.clone(),
            context,
            memory: Memory::Sentence,
            past: Mutex::default(),
        };
        model.start = model.step(&[(&before, START)])?.remove(0);
        Ok(model)
    }

    /// The path or name that it was read from.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Chooses what is remembered from sentence to sentence, and forgets what was.
    ///
    /// Fails at a learning rate that is none, and when a model that was trained on sentences alone
    /// shall carry its state: it would be one that it has never seen.
    pub fn remember(&mut self, memory: Memory) -> Result<(), Error> {
        if let Memory::Dynamic { rate } = memory
            && !(rate > 0.0 && rate.is_finite())
        {
            return Err(Error::Option(format!(
                "{rate} is no learning rate for dynamic evaluation: give one above 0, such as 0.01"
            )));
        }
        if memory == Memory::Text && self.context == Context::Sentence {
            return Err(Error::Model {
                name: self.name.clone(),
                why: "it was trained on sentences alone and has no use for the text before one; train it with `batches.context = \"stream\"`".into(),
            });
        }
        self.forget()?;
        self.memory = memory;
        Ok(())
    }

    /// The number of a token within the vocabulary.
    fn known(&self, token: u32) -> u32 {
        if (token as usize) < self.vocabulary.len() {
            token
        } else {
            UNKNOWN
        }
    }

    /// The states behind one more token each, as one batch.
    fn step(&self, queries: &[(&State, u32)]) -> Result<Vec<State>, Error> {
        if queries.is_empty() {
            return Ok(Vec::new());
        }
        let layers = self.network.config().layers;
        let gather = |of: fn(&nn::State) -> &Vec<f32>, layer: usize| -> Vec<f32> {
            let rows = queries.iter().map(|(state, _)| of(&state.0.layers[layer]));
            rows.flatten().copied().collect()
        };
        let states: Vec<nn::State> = (0..layers)
            .map(|layer| nn::State {
                hidden: gather(|state| &state.hidden, layer),
                cell: gather(|state| &state.cell, layer),
            })
            .collect();
        let tokens: Vec<u32> = queries
            .iter()
            .map(|&(_, token)| self.known(token))
            .collect();
        let packing = Arc::new(Packing::new(vec![1; queries.len()])?);
        let (read, ends) = self
            .network
            .forward(&tokens, &packing, Some(&states), Mode::Infer)?;
        let read = with_values(&read, <[f32]>::to_vec)?;
        let row = |values: &[f32], at: usize| {
            let width = values.len() / queries.len();
            values[at * width..(at + 1) * width].to_vec()
        };
        let behind = |at: usize| Behind {
            layers: ends
                .iter()
                .map(|end| nn::State {
                    hidden: row(&end.hidden, at),
                    cell: row(&end.cell, at),
                })
                .collect(),
            read: row(&read, at),
        };
        Ok((0..queries.len())
            .map(|at| State(Arc::new(behind(at))))
            .collect())
    }

    /// Scores the next sentence of a text that is read in order, and learns from it.
    fn read_on(&self, past: &mut Past, tokens: &[u32]) -> Result<Vec<f32>, Error> {
        let targets: Vec<u32> = tokens
            .iter()
            .map(|&token| self.known(token))
            .chain([END])
            .collect();
        let inputs: Vec<u32> = [START]
            .iter()
            .chain(&targets[..targets.len() - 1])
            .copied()
            .collect();
        let packing = Arc::new(Packing::new(vec![targets.len()])?);
        let network = &self.network;
        let (read, ends) =
            network.forward(&inputs, &packing, past.states.as_deref(), Mode::Infer)?;
        let losses = network.output().losses(&read, &targets)?;
        if let Memory::Dynamic { rate } = self.memory {
            let mode = Mode::Train { seed: 0 };
            let (read, _) = network.forward(&inputs, &packing, past.states.as_deref(), mode)?;
            let (loss, _) = network.output().loss(&read, &targets)?;
            self.learn(past, &loss, rate)?;
        }
        past.states = (self.context == Context::Stream).then_some(ends);
        Ok(losses.into_iter().map(log10).collect())
    }

    fn learn(&self, past: &mut Past, loss: &Tensor, rate: f64) -> Result<(), Error> {
        let parameters = self.network.parameters();
        let mut store = loss.backward().map_err(nn::Error::from)?;
        let gradients: Vec<Option<Tensor>> = parameters
            .iter()
            .map(|(_, value, _)| store.remove(value))
            .collect();
        let (optimiser, _) = match &mut past.learning {
            Some(learning) => learning,
            none => {
                let config = OptimiserConfig {
                    kind: OptimiserKind::Sgd,
                    learning_rate: rate,
                    momentum: 0.0,
                    weight_decay: 0.0,
                    ..OptimiserConfig::default()
                };
                let before = parameters.iter().map(|(_, value, _)| value.copy());
                let before = before.collect::<Result<_, _>>().map_err(nn::Error::from)?;
                none.insert((Optimiser::new(config, parameters), before))
            }
        };
        let norm = global_norm(&gradients)?;
        let scale = if norm > DYNAMIC_CLIP {
            DYNAMIC_CLIP / norm
        } else {
            1.0
        };
        Ok(optimiser.step(parameters, &gradients, scale, 1.0)?)
    }
}

/// `log₁₀ p` of `−ln p`.
fn log10(loss: f32) -> f32 {
    -loss / std::f32::consts::LN_10
}

impl LanguageModel for Rnn {
    type State = State;

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn start(&self) -> State {
        self.start.clone()
    }

    fn score(&self, state: &State, token: u32) -> Result<(f32, State), Error> {
        Ok(self.score_batch(&[(state, token)])?.remove(0))
    }

    fn after(&self, state: &State, token: u32) -> Result<State, Error> {
        match token {
            END => Ok(state.clone()),
            _ => Ok(self.step(&[(state, token)])?.remove(0)),
        }
    }

    fn distribution(&self, state: &State) -> Result<Vec<f32>, Error> {
        let log_probs = self.network.output().log_probs(&state.0.read)?;
        Ok(log_probs.into_iter().map(|ln| -log10(ln)).collect())
    }

    fn end(&self, state: &State) -> Result<f32, Error> {
        Ok(self.score_batch(&[(state, END)])?[0].0)
    }

    /// One product over all queries for the probabilities, one step for the states. Behind `</s>`
    /// the state stays as it was: nothing follows.
    fn score_batch(&self, queries: &[(&State, u32)]) -> Result<Vec<(f32, State)>, Error> {
        if queries.is_empty() {
            return Ok(Vec::new());
        }
        let read: Vec<f32> = queries
            .iter()
            .flat_map(|(state, _)| state.0.read.iter().copied())
            .collect();
        let shape = (queries.len(), self.network.config().output());
        let read = Tensor::from_vec(read, shape, &Device::Cpu).map_err(nn::Error::from)?;
        let tokens: Vec<u32> = queries
            .iter()
            .map(|&(_, token)| self.known(token))
            .collect();
        let losses = self.network.output().losses(&read, &tokens)?;
        let onward: Vec<(&State, u32)> = queries
            .iter()
            .copied()
            .filter(|&(_, token)| token != END)
            .collect();
        let mut next = self.step(&onward)?.into_iter();
        let answers = queries.iter().zip(losses).map(|(&(state, token), loss)| {
            let onward = if token == END { None } else { next.next() };
            (log10(loss), onward.unwrap_or_else(|| state.clone()))
        });
        Ok(answers.collect())
    }

    fn score_sentences(&self, sentences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, Error> {
        if self.memory == Memory::Sentence {
            return score_sharing_prefixes(self, sentences);
        }
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        sentences
            .iter()
            .map(|tokens| self.read_on(&mut past, tokens))
            .collect()
    }

    fn in_order(&self) -> bool {
        self.memory != Memory::Sentence
    }

    fn forget(&self) -> Result<(), Error> {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, before)) = std::mem::take(&mut *past).learning {
            for (index, value) in before.iter().enumerate() {
                self.network.parameters().set(index, value)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
