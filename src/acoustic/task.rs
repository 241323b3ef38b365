//! The task that `train` runs: CTC on packed batches of features.

use std::sync::Arc;

use candle_core::Tensor;
use ndarray::{Array2, ArrayView2, Axis, concatenate};
use rand::RngExt as _;

use super::data::Version;
use super::objective::{expected_errors, output_loss};
use super::{AcousticModel, Average, DataSet, Error, ExpectedLoss, TaskConfig};
use crate::ctc;
use crate::nn::{Mode, Packing, Parameters};
use crate::train::{self, BatchOrder, Evaluation, Loss, Rng, Task, batches};

/// An acoustic model, the data to train it on and the data to measure it on.
pub struct AcousticTask {
    /// The model; training changes its weights.
    pub model: AcousticModel,
    train: DataSet,
    dev: DataSet,
    config: TaskConfig,
    batch_frames: usize,
    shortest_first: bool,
    mask_groups: usize,
    expected: Option<ExpectedLoss>,
}

/// One utterance of a batch: which, and at which of its speeds.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    example: usize,
    version: usize,
}

/// One row of a batch: an utterance, or several chained by
/// [`Concatenation`](super::Concatenation).
type Chain = Vec<Choice>;

/// A batch in memory.
pub struct Batch {
    features: Tensor,
    packing: Arc<Packing>,
    chains: Vec<Chain>,
}

impl AcousticTask {
    /// A task that trains `model` on `train` and measures it on `dev`.
    ///
    /// `mask_groups` is how many blocks of equal size a frame consists of (three for three stacked
    /// frames or for features with two orders of deltas): SpecAugment masks them alike.
    ///
    /// # Errors
    /// [`Error::Data`] when either set is empty or its features are not the model's.
    pub fn new(
        model: AcousticModel,
        train: DataSet,
        dev: DataSet,
        config: TaskConfig,
        training: &train::Config,
        mask_groups: usize,
    ) -> Result<Self, Error> {
        config.check()?;
        for (what, set) in [("training", &train), ("dev", &dev)] {
            if set.examples.is_empty() {
                return Err(Error::Data(format!("the {what} data hold no utterances")));
            }
            for (store, name) in set.stores.iter().zip(&set.names) {
                if store.dim() != model.input() {
                    return Err(Error::Data(format!(
                        "{name} has {} features a frame and the model takes {}",
                        store.dim(),
                        model.input()
                    )));
                }
            }
        }
        Ok(Self {
            model,
            train,
            dev,
            config,
            batch_frames: training.batch_frames,
            shortest_first: training.shortest_first,
            mask_groups,
            expected: None,
        })
    }

    /// The same task, which lowers the expected number of errors instead of the CTC loss.
    pub fn with_expected_loss(self, expected: Option<ExpectedLoss>) -> Self {
        Self { expected, ..self }
    }

    /// The data that the model is trained on.
    pub fn train_set(&self) -> &DataSet {
        &self.train
    }

    /// The data that the model is measured on.
    pub fn dev_set(&self) -> &DataSet {
        &self.dev
    }

    fn version(&self, choice: Choice) -> Version {
        self.train.examples[choice.example].versions[choice.version]
    }

    /// The IDs of a chain.
    fn name(&self, chain: &Chain) -> String {
        let ids: Vec<&str> = chain
            .iter()
            .map(|choice| self.train.examples[choice.example].id.as_str())
            .collect();
        ids.join(" + ")
    }

    fn pack(&self, features: &[Array2<f32>]) -> Result<(Tensor, Arc<Packing>), Error> {
        let packing = Packing::new(features.iter().map(|f| f.nrows()).collect())?;
        let views: Vec<ArrayView2<'_, f32>> = features.iter().map(|f| f.view()).collect();
        let tensor = packing.pack(&views)?;
        Ok((tensor, Arc::new(packing)))
    }
}

impl Task for AcousticTask {
    type Plan = Vec<Chain>;
    type Batch = Batch;

    fn parameters(&self) -> &Parameters {
        self.model.parameters()
    }

    fn plan(&self, epoch: usize, rng: &mut Rng) -> Vec<Vec<Chain>> {
        // The first epoch sees the speech as it was recorded.
        let choices: Vec<Choice> = self
            .train
            .examples
            .iter()
            .enumerate()
            .map(|(example, data)| Choice {
                example,
                version: match epoch {
                    0 => 0,
                    _ => rng.random_range(0..data.versions.len()),
                },
            })
            .collect();
        let lengths: Vec<usize> = choices.iter().map(|&c| self.version(c).frames).collect();
        let chains = match &self.config.concatenation {
            None => (0..choices.len()).map(|index| vec![index]).collect(),
            Some(concatenation) => {
                let speakers: Vec<&str> = self
                    .train
                    .examples
                    .iter()
                    .map(|example| example.speaker.as_str())
                    .collect();
                concatenation.chains(epoch, &lengths, &speakers, rng)
            }
        };
        let lengths: Vec<usize> = chains
            .iter()
            .map(|chain| chain.iter().map(|&index| lengths[index]).sum())
            .collect();
        let order = match epoch {
            0 if self.shortest_first => BatchOrder::ShortestFirst,
            _ => BatchOrder::Shuffled,
        };
        let chain = |row: usize| chains[row].iter().map(|&index| choices[index]).collect();
        batches(&lengths, self.batch_frames, order, rng)
            .into_iter()
            .map(|batch| batch.into_iter().map(chain).collect())
            .collect()
    }

    fn load(&self, epoch: usize, plan: &Vec<Chain>, rng: &mut Rng) -> Result<Batch, train::Error> {
        let mut features = Vec::with_capacity(plan.len());
        for chain in plan {
            let mut utterances = chain
                .iter()
                .map(|&choice| self.train.read(self.version(choice)))
                .collect::<Result<Vec<_>, _>>()?;
            if let Some(warp) = &self.config.warp {
                let groups = self.mask_groups;
                utterances
                    .iter_mut()
                    .for_each(|features| warp.apply(features, groups, rng));
            }
            let views: Vec<ArrayView2<'_, f32>> = utterances.iter().map(|u| u.view()).collect();
            let mut matrix = concatenate(Axis(0), &views)
                .map_err(|error| Error::Data(format!("{}: {error}", self.name(chain))))?;
            self.config
                .specaugment
                .apply(epoch, &mut matrix, self.mask_groups, rng);
            features.push(matrix);
        }
        let (features, packing) = self.pack(&features)?;
        Ok(Batch {
            features,
            packing,
            chains: plan.clone(),
        })
    }

    fn loss(&self, batch: &Batch, rng: &mut Rng) -> Result<Loss, train::Error> {
        let logits = self.model.forward(
            &batch.features,
            &batch.packing,
            Mode::Train { seed: rng.random() },
        )?;
        let mut total: Option<Tensor> = None;
        let mut sum = 0.0;
        let mut left_out = Vec::new();
        for (index, (output, logits)) in self.model.outputs().iter().zip(&logits).enumerate() {
            let space = output.tokens.space();
            let targets: Vec<Option<Vec<u32>>> = batch
                .chains
                .iter()
                .map(|chain| {
                    let examples = chain.iter().map(|choice| choice.example);
                    self.train.joined_target(examples, index, space)
                })
                .collect();
            let targets: Vec<Option<&[u32]>> = targets.iter().map(Option::as_deref).collect();
            let Some(loss) = output_loss(logits, &batch.packing, &targets)? else {
                continue;
            };
            for &utterance in &loss.infeasible {
                let needed = targets[utterance].map_or(0, ctc::needed_frames);
                left_out.push(format!(
                    "{} weighs nothing: it has {} frames and its transcript needs {needed}",
                    self.name(&batch.chains[utterance]),
                    batch.packing.lengths()[utterance]
                ));
            }
            let (value, per_utterance) = match &self.expected {
                None => (loss.total, loss.per_utterance),
                Some(expected) => {
                    let tokens = &output.tokens;
                    let Some(errors) = expected_errors(
                        logits,
                        &batch.packing,
                        &targets,
                        tokens,
                        *expected,
                        rng.random(),
                    )?
                    else {
                        continue;
                    };
                    let value = (errors.total + (loss.total * expected.ctc_weight)?)?;
                    (value, errors.per_utterance)
                }
            };
            // The first output is the one that reports are about.
            if index == 0 {
                sum = per_utterance.iter().copied().map(f64::from).sum();
            }
            let weighted = (value * output.weight).map_err(train::Error::Tensor)?;
            total = Some(match total {
                None => weighted,
                Some(total) => (total + weighted)?,
            });
        }
        let frames = batch.packing.frames();
        let divisor = match self.config.average {
            Average::Frames => frames as f64,
            Average::Utterances => batch.packing.batch() as f64,
            Average::Sum => 1.0,
        };
        let total = match total {
            Some(total) => total,
            // No utterance of the batch has a target: a gradient of zero.
            None => (logits[0].sum_all()? * 0.0)?,
        };
        Ok(Loss {
            objective: (total / divisor)?,
            sum,
            weight: frames as f64,
            frames,
            left_out,
        })
    }

    fn diagnose(&self, batch: &Batch) -> String {
        let Ok(utterances) = batch.packing.unpack(&batch.features) else {
            return "the batch cannot be taken apart".into();
        };
        for (features, chain) in utterances.iter().zip(&batch.chains) {
            if let Some(layer) = self.model.first_bad_layer(&features.view()) {
                let id = self.name(chain);
                return format!("the output of {layer} is not finite for utterance `{id}`");
            }
        }
        let ids: Vec<String> = batch.chains.iter().map(|chain| self.name(chain)).collect();
        format!(
            "every layer's output is finite without dropout and noise; the batch holds {}",
            ids.join(", ")
        )
    }

    fn evaluate(&self) -> Result<Evaluation, train::Error> {
        Ok(super::evaluate::evaluate(&self.model, &self.dev)?)
    }
}
