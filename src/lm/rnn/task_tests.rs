//! The task in the one loop: PyTorch's numbers, and a run that is killed.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::lm::rnn::{Config, ModelConfig, Partition, SoftmaxConfig};
use crate::nn::{self, Runtime};
use crate::train::{
    self, OptimiserConfig, OptimiserKind, Plan, ScheduleConfig, ScheduleKind, Silent,
};

const GOLDEN: &str = include_str!("../../../tests/golden/lm/rnn/network.json");

fn task(config: &Config, softmax: &SoftmaxConfig, tokens: &[u32], path: nn::Path) -> RnnTask {
    let mut counts = vec![0; 12];
    for &token in tokens {
        counts[token as usize] += 1;
    }
    let partition = Partition::new(softmax, &counts).unwrap();
    let bias = partition.log_shares(&counts);
    let network = Network::new(&config.model, partition, bias, Runtime { path }, 3).unwrap();
    RnnTask::new(network, tokens.to_vec(), tokens.to_vec(), config, false)
}

fn floats(value: &serde_json::Value) -> Vec<f32> {
    let numbers = value.as_array().unwrap().iter();
    numbers
        .map(|number| number.as_f64().unwrap() as f32)
        .collect()
}

#[test]
fn losses_and_weights_of_six_steps_agree_with_pytorch() {
    let golden: serde_json::Value = serde_json::from_str(GOLDEN).unwrap();
    let tokens: Vec<u32> = floats(&golden["tokens"])
        .iter()
        .map(|&token| token as u32)
        .collect();
    for (name, tied, softmax) in [
        ("tied", true, SoftmaxConfig::Full),
        (
            "adaptive",
            false,
            SoftmaxConfig::Adaptive {
                cutoffs: vec![5, 8],
            },
        ),
    ] {
        let golden = &golden[name];
        let config = Config {
            model: ModelConfig {
                cells: 5,
                embedding: 4,
                projection: 4,
                tied,
                dropout: 0.0,
                ..ModelConfig::default()
            },
            batches: BatchConfig {
                streams: 3,
                steps: 4,
                ..BatchConfig::default()
            },
            ..Config::default()
        };
        let task = task(&config, &softmax, &tokens, nn::Path::Portable);
        let parameters = task.parameters();
        for (index, (parameter, ..)) in parameters.iter().enumerate() {
            let before = floats(&golden["before"][parameter]);
            parameters
                .update(index, |weights| weights.copy_from_slice(&before))
                .unwrap();
        }
        let without_bias = task.network.output().partition().blocks()[0].end;
        let mut losses = floats(&golden["losses"]).into_iter();
        for pass in 0..3 {
            let rng = || train::stream(1, "test", 0, 0);
            for stretch in task.plan(pass, &mut rng()) {
                let batch = task.load(pass, &stretch, &mut rng()).unwrap();
                let loss = task.loss(&batch, &mut rng()).unwrap();
                let expected = losses.next().unwrap();
                let found = loss.objective.to_scalar::<f32>().unwrap();
                assert!(
                    (found - expected).abs() < 2e-6,
                    "{name}: {found} {expected}"
                );
                assert!((loss.sum / loss.weight - f64::from(found)).abs() < 1e-6);
                let gradients = loss.objective.backward().unwrap();
                for (index, (parameter, value, _)) in parameters.iter().enumerate() {
                    let gradient = gradients.get(value).unwrap();
                    let gradient = with_values(gradient, <[f32]>::to_vec).unwrap();
                    let trained = match parameter {
                        "output.b" => without_bias,
                        _ => gradient.len(),
                    };
                    let descend = |weights: &mut [f32]| {
                        for (w, g) in weights.iter_mut().zip(&gradient).take(trained) {
                            *w -= 0.3 * g;
                        }
                    };
                    parameters.update(index, descend).unwrap();
                }
            }
        }
        assert!(losses.next().is_none());
        for (parameter, value, _) in parameters.iter() {
            let found = with_values(value, <[f32]>::to_vec).unwrap();
            for (found, expected) in found.iter().zip(floats(&golden["after"][parameter])) {
                let off = (found - expected).abs();
                assert!(
                    off < 3e-6 * expected.abs().max(1.0),
                    "{name}, {parameter}: off by {off}"
                );
            }
        }
    }
}

/// A task that fails after some steps, as if the process had been killed.
struct Mortal<'a> {
    task: &'a RnnTask,
    steps_left: AtomicUsize,
}

impl Task for Mortal<'_> {
    type Plan = Stretch;
    type Batch = Batch;

    fn parameters(&self) -> &Parameters {
        self.task.parameters()
    }
    fn plan(&self, epoch: usize, rng: &mut Rng) -> Vec<Stretch> {
        self.task.plan(epoch, rng)
    }
    fn load(&self, epoch: usize, plan: &Stretch, rng: &mut Rng) -> Result<Batch, Error> {
        self.task.load(epoch, plan, rng)
    }
    fn loss(&self, batch: &Batch, rng: &mut Rng) -> Result<Loss, Error> {
        if self.steps_left.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(Error::Config("killed".into()));
        }
        self.task.loss(batch, rng)
    }
    fn diagnose(&self, batch: &Batch) -> String {
        self.task.diagnose(batch)
    }
    fn evaluate(&self) -> Result<Evaluation, Error> {
        self.task.evaluate()
    }
    fn carry(&self) -> Vec<(String, Tensor)> {
        self.task.carry()
    }
    fn set_carry(&self, carry: Vec<(String, Tensor)>) -> Result<(), Error> {
        self.task.set_carry(carry)
    }
}

/// Sentences of three to six words, each word but the first given by the two before.
fn regular_text() -> Vec<u32> {
    let mut tokens = Vec::new();
    for sentence in 0..60 {
        let (mut a, mut b) = (3 + sentence % 3, 5);
        for _ in 0..3 + sentence % 4 {
            tokens.push(a);
            (a, b) = (3 + (a * 5 + b * 3) % 9, a);
        }
        tokens.push(END);
    }
    tokens
}

fn training(cell: Cell, context: Context) -> Config {
    Config {
        model: ModelConfig {
            cell,
            layers: 2,
            cells: 16,
            embedding: 8,
            projection: 8,
            tied: true,
            dropout: 0.1,
            ..ModelConfig::default()
        },
        batches: BatchConfig {
            context,
            streams: 4,
            steps: 6,
            parts: 2,
        },
        train: train::Config {
            epochs: 5,
            batch_frames: 30,
            checkpoint_steps: 3,
            optimiser: OptimiserConfig {
                kind: OptimiserKind::Sgd,
                learning_rate: 1.0,
                momentum: 0.0,
                weight_decay: 0.0,
                ..OptimiserConfig::default()
            },
            schedule: ScheduleConfig {
                kind: ScheduleKind::Plateau,
                warmup_steps: 0,
                threshold: 0.2,
                ..ScheduleConfig::default()
            },
            ..train::Config::default()
        },
        ..Config::default()
    }
}

fn run(config: &Config, dir: &Path, steps: usize) -> Result<train::Outcome, Error> {
    let softmax = SoftmaxConfig::Classes { classes: 3 };
    let task = task(config, &softmax, &regular_text(), nn::Path::Portable);
    let plan = Plan {
        config: &config.train,
        seed: 4,
        dir,
        identity: "text",
        path: "portable",
        allow_other_path: false,
    };
    let mortal = Mortal {
        task: &task,
        steps_left: AtomicUsize::new(steps),
    };
    train::train(&mortal, &plan, &mut Silent)
}

#[test]
fn a_run_killed_anywhere_ends_with_the_same_bytes() {
    for (cell, context) in [
        (Cell::Lstm, Context::Stream),
        (Cell::RnnTanh, Context::Stream),
        (Cell::Lstm, Context::Sentence),
    ] {
        let config = training(cell, context);
        let whole = tempfile::tempdir().unwrap();
        let outcome = run(&config, whole.path(), usize::MAX).unwrap();
        let bytes = |dir: &Path| std::fs::read(dir.join("final.safetensors")).unwrap();
        for steps in [4, 10] {
            let killed = tempfile::tempdir().unwrap();
            run(&config, killed.path(), steps).unwrap_err();
            let resumed = run(&config, killed.path(), usize::MAX).unwrap();
            assert_eq!(resumed.evaluation.loss, outcome.evaluation.loss);
            assert_eq!(
                bytes(killed.path()),
                bytes(whole.path()),
                "{cell} after {steps}"
            );
        }
    }
}

#[test]
fn every_token_is_predicted_once_a_pass() {
    for context in [Context::Stream, Context::Sentence] {
        let text = regular_text();
        let config = training(Cell::Lstm, context);
        let task = task(&config, &SoftmaxConfig::Full, &text, nn::Path::Portable);
        let mut seen = Vec::new();
        for epoch in 0..2 {
            let rng = || train::stream(1, "test", epoch as u64, 0);
            for stretch in task.plan(epoch, &mut rng()) {
                let batch = task.load(epoch, &stretch, &mut rng()).unwrap();
                assert_eq!(batch.inputs.len(), batch.packing.frames());
                seen.extend(batch.targets);
            }
        }
        seen.sort_unstable();
        // Streams are equally long: what is left over at the end is not read.
        let mut expected = text[..text.len() / 4 * 4].to_vec();
        if context == Context::Sentence {
            expected = text;
        }
        expected.sort_unstable();
        assert_eq!(seen, expected);
    }
}
