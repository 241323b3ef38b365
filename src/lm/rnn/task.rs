//! The task that `train` runs: predicting the next token of a text.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Tensor};
use rand::RngExt as _;

use super::config::{BatchConfig, Context};
use super::network::Network;
use crate::lm::{END, START};
use crate::nn::{self, Cell, Mode, Packing, Parameters, State, with_values};
use crate::train::{BatchOrder, Error, Evaluation, Loss, Rng, Task, batches, batches_by_length};

/// A network, the text to train it on and the text to measure it on.
pub struct RnnTask {
    network: Network,
    train: Corpus,
    dev: Corpus,
    config: BatchConfig,
    /// Tokens of a batch of sentences.
    budget: usize,
    shortest_first: bool,
    /// Whether the figures are those of a model over characters.
    characters: bool,
    /// The state of every stream behind the last batch.
    carried: Mutex<Vec<State>>,
}

/// Tokens with `</s>` behind each sentence, and where the sentences begin.
struct Corpus {
    tokens: Vec<u32>,
    /// First token of each sentence, and the end.
    starts: Vec<usize>,
}

/// Which part of the text a batch is.
#[derive(Clone, Debug)]
pub enum Stretch {
    /// Sentences, longest first.
    Sentences(Vec<usize>),
    /// The `index`-th stretch of every stream.
    Stream {
        /// From 0.
        index: usize,
    },
}

/// A batch in memory: what the network reads, and what it shall predict.
pub struct Batch {
    inputs: Vec<u32>,
    targets: Vec<u32>,
    packing: Arc<Packing>,
    state: Begin,
}

/// Where a batch's states come from.
#[derive(Clone, Copy, PartialEq)]
enum Begin {
    /// Zeros, and nothing is kept.
    Alone,
    /// Zeros.
    First,
    /// The batch before.
    Carried,
}

impl Corpus {
    fn new(tokens: Vec<u32>) -> Self {
        let ends = tokens
            .iter()
            .enumerate()
            .filter(|(_, token)| **token == END);
        let mut starts: Vec<usize> = std::iter::once(0)
            .chain(ends.map(|(at, _)| at + 1))
            .collect();
        if starts.last() != Some(&tokens.len()) {
            starts.push(tokens.len());
        }
        Self { tokens, starts }
    }

    fn sentences(&self) -> usize {
        self.starts.len() - 1
    }

    fn length(&self, sentence: usize) -> usize {
        self.starts[sentence + 1] - self.starts[sentence]
    }

    /// What is read before token `at` is predicted: the token before, `<s>` at the start of a
    /// sentence.
    fn input(&self, at: usize) -> u32 {
        match at.checked_sub(1).map(|before| self.tokens[before]) {
            None | Some(END) => START,
            Some(token) => token,
        }
    }

    /// Sentences, longest first, each from its own beginning.
    fn sentence_batch(&self, sentences: &[usize]) -> Result<Batch, nn::Error> {
        let packing = Packing::new(sentences.iter().map(|&i| self.length(i)).collect())?;
        let at = (0..packing.steps()).flat_map(|t| {
            let alive = &sentences[..packing.batch_at(t)];
            alive.iter().map(move |&sentence| self.starts[sentence] + t)
        });
        let (inputs, targets) = at.map(|at| (self.input(at), self.tokens[at])).unzip();
        Ok(Batch {
            inputs,
            targets,
            packing: Arc::new(packing),
            state: Begin::Alone,
        })
    }

    /// Streams of equal length; fewer if there is not a token for each.
    fn streams(&self, wanted: usize) -> (usize, usize) {
        let streams = wanted.min(self.tokens.len()).max(1);
        (streams, self.tokens.len() / streams)
    }

    /// Stretches of `steps` tokens that a stream has.
    fn stretches(&self, config: &BatchConfig) -> usize {
        self.streams(config.streams).1.div_ceil(config.steps)
    }

    /// The `index`-th `steps` tokens of every stream.
    fn stream_batch(&self, config: &BatchConfig, index: usize) -> Result<Batch, nn::Error> {
        let (streams, length) = self.streams(config.streams);
        let (from, to) = (
            index * config.steps,
            ((index + 1) * config.steps).min(length),
        );
        let packing = Packing::new(vec![to.saturating_sub(from); streams])?;
        let at = (from..to).flat_map(|t| (0..streams).map(move |stream| stream * length + t));
        let (inputs, targets) = at.map(|at| (self.input(at), self.tokens[at])).unzip();
        Ok(Batch {
            inputs,
            targets,
            packing: Arc::new(packing),
            state: if index == 0 {
                Begin::First
            } else {
                Begin::Carried
            },
        })
    }
}

impl RnnTask {
    /// A task that trains `network` on the tokens `train` and measures it on `dev`, both with `</s>`
    /// behind each sentence.
    pub fn new(
        network: Network,
        train: Vec<u32>,
        dev: Vec<u32>,
        config: &super::Config,
        characters: bool,
    ) -> Self {
        Self {
            network,
            train: Corpus::new(train),
            dev: Corpus::new(dev),
            config: config.batches.clone(),
            budget: config.train.batch_frames,
            shortest_first: config.train.shortest_first,
            characters,
            carried: Mutex::default(),
        }
    }

    /// The network as it is now.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Sentences of the `part`-th epoch of a pass.
    fn part(&self, part: usize) -> Vec<usize> {
        (part..self.train.sentences())
            .step_by(self.config.parts)
            .collect()
    }

    /// `−ln p` of the dev text's tokens together.
    fn dev_loss(&self) -> Result<f64, nn::Error> {
        let mut sum = 0.0;
        let mut add = |batch: &Batch, states: Option<&[State]>| -> Result<Vec<State>, nn::Error> {
            let (read, states) =
                self.network
                    .forward(&batch.inputs, &batch.packing, states, Mode::Infer)?;
            let losses = self.network.output().losses(&read, &batch.targets)?;
            sum += losses.iter().copied().map(f64::from).sum::<f64>();
            Ok(states)
        };
        match self.config.context {
            Context::Sentence => {
                let lengths: Vec<usize> = (0..self.dev.sentences())
                    .map(|i| self.dev.length(i))
                    .collect();
                for sentences in batches_by_length(&lengths, self.budget) {
                    add(&self.dev.sentence_batch(&sentences)?, None)?;
                }
            }
            Context::Stream => {
                let mut states: Option<Vec<State>> = None;
                for index in 0..self.dev.stretches(&self.config) {
                    let batch = self.dev.stream_batch(&self.config, index)?;
                    states = Some(add(&batch, states.as_deref())?);
                }
            }
        }
        Ok(sum)
    }

    /// Tokens that [`RnnTask::dev_loss`] sums over.
    fn dev_tokens(&self) -> usize {
        match self.config.context {
            Context::Sentence => self.dev.tokens.len(),
            Context::Stream => {
                let (streams, length) = self.dev.streams(self.config.streams);
                streams * length
            }
        }
    }
}

impl Task for RnnTask {
    type Plan = Stretch;
    type Batch = Batch;

    fn parameters(&self) -> &Parameters {
        self.network.parameters()
    }

    fn plan(&self, epoch: usize, rng: &mut Rng) -> Vec<Stretch> {
        let (pass, part) = (epoch / self.config.parts, epoch % self.config.parts);
        match self.config.context {
            Context::Sentence => {
                let part = self.part(part);
                let lengths: Vec<usize> = part.iter().map(|&i| self.train.length(i)).collect();
                let order = match pass {
                    0 if self.shortest_first => BatchOrder::ShortestFirst,
                    _ => BatchOrder::Shuffled,
                };
                let batches = batches(&lengths, self.budget, order, rng);
                let sentences = |batch: Vec<usize>| batch.into_iter().map(|i| part[i]).collect();
                batches
                    .into_iter()
                    .map(sentences)
                    .map(Stretch::Sentences)
                    .collect()
            }
            Context::Stream => {
                let all = self.train.stretches(&self.config);
                let cut = |part: usize| part * all / self.config.parts;
                (cut(part)..cut(part + 1))
                    .map(|index| Stretch::Stream { index })
                    .collect()
            }
        }
    }

    fn load(&self, _: usize, plan: &Stretch, _: &mut Rng) -> Result<Batch, Error> {
        Ok(match plan {
            Stretch::Sentences(sentences) => self.train.sentence_batch(sentences)?,
            Stretch::Stream { index } => self.train.stream_batch(&self.config, *index)?,
        })
    }

    fn loss(&self, batch: &Batch, rng: &mut Rng) -> Result<Loss, Error> {
        let mode = Mode::Train { seed: rng.random() };
        let mut carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        let states = (batch.state == Begin::Carried).then_some(&carried[..]);
        let (read, ends) = self
            .network
            .forward(&batch.inputs, &batch.packing, states, mode)?;
        if batch.state != Begin::Alone {
            *carried = ends;
        }
        let (loss, sum) = self.network.output().loss(&read, &batch.targets)?;
        let tokens = batch.targets.len();
        Ok(Loss {
            objective: (loss / tokens as f64)?,
            sum,
            weight: tokens as f64,
            frames: tokens,
            left_out: Vec::new(),
        })
    }

    fn diagnose(&self, batch: &Batch) -> String {
        let bad = self.network.first_bad_part(&batch.inputs, &batch.packing);
        bad.unwrap_or_else(|| "every layer's output is finite from a state of zeros".into())
    }

    fn evaluate(&self) -> Result<Evaluation, Error> {
        let loss = self.dev_loss()? / self.dev_tokens().max(1) as f64;
        let figure = match self.characters {
            true => ("bits a character", loss / std::f64::consts::LN_2),
            false => ("perplexity", loss.exp()),
        };
        Ok(Evaluation {
            loss,
            selection: loss,
            figures: vec![(figure.0.to_string(), figure.1)],
            sample: None,
        })
    }

    fn carry(&self) -> Vec<(String, Tensor)> {
        let carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        let cells = self.network.config().cells;
        let mut tensors = Vec::new();
        for (layer, state) in carried.iter().enumerate() {
            for (name, values) in [("hidden", &state.hidden), ("cell", &state.cell)] {
                let shape = (values.len() / cells, cells);
                // Whole rows of `cells`, so it cannot fail.
                if let Ok(tensor) = Tensor::from_slice(values, shape, &Device::Cpu)
                    && !values.is_empty()
                {
                    tensors.push((format!("{name}.{layer}"), tensor));
                }
            }
        }
        tensors
    }

    fn set_carry(&self, carry: Vec<(String, Tensor)>) -> Result<(), Error> {
        let config = self.network.config();
        let values = |name: &str, layer: usize| -> Result<Vec<f32>, Error> {
            let name = format!("{name}.{layer}");
            match carry.iter().find(|(other, _)| *other == name) {
                Some((_, tensor)) => Ok(with_values(tensor, <[f32]>::to_vec)?),
                None => Err(Error::Config(format!(
                    "the checkpoint lacks the state `{name}`"
                ))),
            }
        };
        let mut states = Vec::new();
        if !carry.is_empty() {
            for layer in 0..config.layers {
                let cell = match config.cell {
                    Cell::Lstm => values("cell", layer)?,
                    _ => Vec::new(),
                };
                let hidden = values("hidden", layer)?;
                states.push(State { hidden, cell });
            }
        }
        *self.carried.lock().unwrap_or_else(PoisonError::into_inner) = states;
        Ok(())
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
