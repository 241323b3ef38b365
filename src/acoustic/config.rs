//! The `[model]` and `[augment]` tables of an experiment file.

use serde::{Deserialize, Serialize};

use super::{Concatenation, Error, SpecAugment, Warp};
use crate::features::{Noise, Perturbation, Reverberation, Volume};
use crate::nn::{Cell, RecurrentConfig};

/// The architecture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The recurrent cell.
    #[serde(default = "default_cell")]
    pub cell: Cell,
    /// Recurrent layers, 1–8.
    pub layers: usize,
    /// Cells per direction, `H`.
    pub cells: usize,
    /// Whether each layer reads the utterance in both directions.
    #[serde(default = "default_true")]
    pub bidirectional: bool,
    /// Fraction of each layer's outputs dropped while training.
    #[serde(default)]
    pub dropout: f64,
    /// Initial bias of the LSTM's forget gate (Gers et al. 2000 and Jozefowicz et al. 2015: 1).
    #[serde(default = "default_forget_bias")]
    pub forget_bias: f64,
    /// Whether training computes activations again in the backward pass instead of keeping them:
    /// the same bytes for a third more work and much less memory; `hearken run --dry-run` tells
    /// what a batch needs either way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recompute: bool,
    /// The CTC outputs, at least one; the first is what decoding uses by default.
    #[serde(rename = "output")]
    pub outputs: Vec<OutputConfig>,
}

/// One CTC output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OutputConfig {
    /// The inventory: `characters` or `phones`.
    pub tokens: String,
    /// The recurrent layer it reads, counted from 1; the last by default.
    #[serde(default)]
    pub layer: Option<usize>,
    /// Weight of its loss.
    #[serde(default = "default_weight")]
    pub weight: f64,
}

fn default_cell() -> Cell {
    Cell::Lstm
}

fn default_true() -> bool {
    true
}

fn default_forget_bias() -> f64 {
    1.0
}

fn default_weight() -> f64 {
    1.0
}

impl Config {
    /// The recurrent layers over `input` features a frame.
    pub fn recurrent(&self, input: usize) -> RecurrentConfig {
        RecurrentConfig {
            cell: self.cell,
            input,
            cells: self.cells,
            layers: self.layers,
            bidirectional: self.bidirectional,
            dropout: self.dropout as f32,
            forget_bias: Some(self.forget_bias as f32),
            recompute: self.recompute,
        }
    }

    /// The layer (from 0) that an output reads.
    pub fn layer_of(&self, output: &OutputConfig) -> usize {
        output
            .layer
            .map_or(self.layers, |layer| layer)
            .saturating_sub(1)
    }

    /// Refuses impossible values, each with its key and range.
    ///
    /// # Errors
    /// [`Error::Config`] with the first offending key.
    pub fn check(&self) -> Result<(), Error> {
        let refuse =
            |key: &str, range: &str| Err(Error::Config(format!("`{key}` must be {range}")));
        if !(1..=8).contains(&self.layers) {
            return refuse("model.layers", "from 1 to 8");
        }
        if !(1..=4096).contains(&self.cells) {
            return refuse("model.cells", "from 1 to 4096");
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return refuse("model.dropout", "in [0, 1)");
        }
        if !self.forget_bias.is_finite() {
            return refuse("model.forget-bias", "a finite number");
        }
        if self.outputs.is_empty() {
            return refuse("model.output", "given at least once");
        }
        for output in &self.outputs {
            if crate::text::Tokens::named(&output.tokens).is_err() {
                return refuse("model.output.tokens", "`characters` or `phones`");
            }
            if !(output.weight > 0.0 && output.weight.is_finite()) {
                return refuse("model.output.weight", "greater than 0");
            }
            if output
                .layer
                .is_some_and(|layer| !(1..=self.layers).contains(&layer))
            {
                return refuse("model.output.layer", "one of the model's layers, from 1");
            }
        }
        Ok(())
    }
}

/// What the summed loss of a batch is divided by before it is differentiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Average {
    /// The frames of the batch: long and short utterances weigh by their length.
    Frames,
    /// The utterances of the batch.
    Utterances,
    /// Nothing: the sum.
    Sum,
}

/// What training adds to the architecture: the `[augment]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TaskConfig {
    /// How a batch's loss is averaged.
    pub average: Average,
    /// Speeds of the copies that the feature store holds; each epoch after the first draws one of
    /// them for every utterance.
    pub speeds: Vec<f64>,
    /// Rooms around the copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reverberation: Option<Reverberation>,
    /// Noise behind the copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
    /// Levels of the copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<Volume>,
    /// SpecAugment's masks.
    pub specaugment: SpecAugment,
    /// Other vocal tracts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warp: Option<Warp>,
    /// Utterances chained to longer ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concatenation: Option<Concatenation>,
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self {
            average: Average::Frames,
            speeds: vec![1.0],
            reverberation: None,
            noise: None,
            volume: None,
            specaugment: SpecAugment::default(),
            warp: None,
            concatenation: None,
        }
    }
}

impl TaskConfig {
    /// What is done to the copies besides their speeds.
    pub fn perturbation(&self) -> Perturbation {
        Perturbation {
            reverberation: self.reverberation,
            noise: self.noise,
            volume: self.volume,
        }
    }

    /// Refuses impossible values, each with its key and range.
    ///
    /// # Errors
    /// [`Error::Config`] with the first offending key.
    pub fn check(&self) -> Result<(), Error> {
        if self.speeds.is_empty() || !self.speeds.iter().all(|s| (0.5..=2.0).contains(s)) {
            return Err(Error::Config(
                "`augment.speeds` must be one or more numbers from 0.5 to 2".into(),
            ));
        }
        self.perturbation().check()?;
        if let Some(warp) = &self.warp {
            warp.check()?;
        }
        if let Some(concatenation) = &self.concatenation {
            concatenation.check()?;
        }
        self.specaugment.check()
    }
}
