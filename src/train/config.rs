//! The `[train]` table of an experiment file.

use serde::{Deserialize, Serialize};

use super::Error;

/// How the loop trains. Every field has a default; the units are in its comment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Passes over the training data.
    pub epochs: usize,
    /// Frames of a batch, summed over its utterances (no padding is counted: there is none).
    pub batch_frames: usize,
    /// Whether the first epoch goes from the shortest utterance to the longest.
    pub shortest_first: bool,
    /// The optimiser and its constants.
    pub optimiser: OptimiserConfig,
    /// How the learning rate moves.
    pub schedule: ScheduleConfig,
    /// Largest global norm of the gradient; it is scaled down to this. 0 turns clipping off.
    pub clip_norm: f64,
    /// Standard deviation of the Gaussian noise added to the weights while a batch passes (Graves,
    /// Mohamed & Hinton 2013, section 3.2, use 0.075); 0 is none.
    pub weight_noise: f64,
    /// First epoch (from 1) with weight noise: Graves adds it after the point of best dev loss.
    pub weight_noise_from: usize,
    /// Stop after so many epochs without a better dev figure; 0 never stops early.
    pub patience: usize,
    /// How many of the best epochs' weights are averaged into the final model; 1 is the best alone.
    pub average_best: usize,
    /// Optimiser steps between checkpoints inside an epoch; the end of an epoch always writes one.
    pub checkpoint_steps: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_frames: 4200,
            shortest_first: true,
            optimiser: OptimiserConfig::default(),
            schedule: ScheduleConfig::default(),
            clip_norm: 1.0,
            weight_noise: 0.0,
            weight_noise_from: 1,
            patience: 0,
            average_best: 1,
            checkpoint_steps: 100,
        }
    }
}

/// Which update rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserKind {
    /// Stochastic gradient descent with momentum, as PyTorch writes it: `v ← μv + g`, `w ← w − ηv`.
    Sgd,
    /// Adam (Kingma & Ba 2015); weight decay is added to the gradient.
    Adam,
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    Adamw,
}

/// The `[train.optimiser]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OptimiserConfig {
    /// The update rule.
    pub kind: OptimiserKind,
    /// Learning rate after warm-up.
    pub learning_rate: f64,
    /// μ of SGD.
    pub momentum: f64,
    /// Decay of the first moment of Adam.
    pub beta1: f64,
    /// Decay of the second moment of Adam.
    pub beta2: f64,
    /// ε of Adam.
    pub epsilon: f64,
    /// Weight decay; biases have none.
    pub weight_decay: f64,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self {
            kind: OptimiserKind::Adamw,
            learning_rate: 1e-3,
            momentum: 0.9,
            beta1: 0.9,
            beta2: 0.98,
            epsilon: 1e-8,
            weight_decay: 0.01,
        }
    }
}

/// How the learning rate moves after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Stays where it is.
    Constant,
    /// Constant for `hold` of the run, then half a cosine down to `floor` of the rate.
    Cosine,
    /// Multiplied by `factor` after every epoch that does not improve the dev figure by
    /// `threshold`, relatively (with 0.5, the classical halving).
    Plateau,
}

/// The `[train.schedule]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScheduleConfig {
    /// The shape.
    pub kind: ScheduleKind,
    /// Optimiser steps over which the rate rises linearly from 0.
    pub warmup_steps: u64,
    /// Fraction of the run before the cosine falls.
    pub hold: f64,
    /// Fraction of the rate that the cosine ends at.
    pub floor: f64,
    /// What a plateau multiplies the rate by.
    pub factor: f64,
    /// Smallest relative improvement of the dev figure that is not a plateau.
    pub threshold: f64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            kind: ScheduleKind::Cosine,
            warmup_steps: 300,
            hold: 0.3,
            floor: 0.01,
            factor: 0.5,
            threshold: 0.003,
        }
    }
}

impl Config {
    /// Refuses impossible values, each with its key and its range.
    ///
    /// # Errors
    /// [`Error::Config`] with the first offending key.
    pub fn check(&self) -> Result<(), Error> {
        let optimiser = &self.optimiser;
        let schedule = &self.schedule;
        let unit = |value: f64| (0.0..1.0).contains(&value);
        let checks: [(&str, bool, &str); 14] = [
            ("train.epochs", self.epochs >= 1, "at least 1"),
            ("train.batch-frames", self.batch_frames >= 1, "at least 1"),
            ("train.clip-norm", self.clip_norm >= 0.0, "0 (off) or more"),
            ("train.weight-noise", self.weight_noise >= 0.0, "0 or more"),
            ("train.average-best", self.average_best >= 1, "at least 1"),
            (
                "train.checkpoint-steps",
                self.checkpoint_steps >= 1,
                "at least 1",
            ),
            (
                "train.optimiser.learning-rate",
                optimiser.learning_rate > 0.0 && optimiser.learning_rate.is_finite(),
                "greater than 0",
            ),
            (
                "train.optimiser.momentum",
                unit(optimiser.momentum),
                "in [0, 1)",
            ),
            (
                "train.optimiser.beta1",
                unit(optimiser.beta1) && unit(optimiser.beta2),
                "in [0, 1), and so must beta2",
            ),
            (
                "train.optimiser.epsilon",
                optimiser.epsilon > 0.0,
                "greater than 0",
            ),
            (
                "train.optimiser.weight-decay",
                optimiser.weight_decay >= 0.0,
                "0 or more",
            ),
            (
                "train.schedule.hold",
                (0.0..=1.0).contains(&schedule.hold),
                "in [0, 1]",
            ),
            (
                "train.schedule.floor",
                (0.0..=1.0).contains(&schedule.floor),
                "in [0, 1]",
            ),
            (
                "train.schedule.factor",
                schedule.factor > 0.0 && schedule.factor <= 1.0,
                "in (0, 1]",
            ),
        ];
        match checks.iter().find(|(_, fine, _)| !fine) {
            Some((key, _, range)) => Err(Error::Config(format!("`{key}` must be {range}"))),
            None => Ok(()),
        }
    }
}
