//! The configuration file of a recurrent language model.

use serde::{Deserialize, Serialize};

use super::partition::SoftmaxConfig;
use crate::lm::{Error, Unit};
use crate::nn::{Cell, Precision, RecurrentConfig};
use crate::train;

/// What `lm train --rnn` reads. Every field has a default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The seed of weights, dropout and the order of the text.
    pub seed: u64,
    /// 32-bit or bf16 products.
    pub precision: Precision,
    /// The network.
    pub model: ModelConfig,
    /// How the text is cut into batches.
    pub batches: BatchConfig,
    /// How it is trained.
    pub train: train::Config,
}

/// The `[model]` table: `embedding → dropout → recurrent layers → (projection →) softmax`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelConfig {
    /// Words or characters.
    pub unit: Unit,
    /// So many of the most frequent words; the others are unknown. 0 takes all.
    pub vocabulary: usize,
    /// The recurrent cell.
    pub cell: Cell,
    /// Recurrent layers, 1–4.
    pub layers: usize,
    /// `H`, cells of each layer.
    pub cells: usize,
    /// Dimension of a token's vector.
    pub embedding: usize,
    /// Dimension of a linear layer between the top cells and the softmax; 0 is none.
    pub projection: usize,
    /// Whether input and output share one table of vectors.
    pub tied: bool,
    /// Share of embeddings and of every layer's outputs that is dropped in training.
    pub dropout: f64,
    /// Initial bias of the LSTM's forget gates.
    pub forget_bias: f32,
    /// The softmax.
    pub softmax: SoftmaxConfig,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            unit: Unit::Word,
            vocabulary: 10_000,
            cell: Cell::Lstm,
            layers: 1,
            cells: 512,
            embedding: 512,
            projection: 0,
            tied: false,
            dropout: 0.2,
            forget_bias: 1.0,
            softmax: SoftmaxConfig::Full,
        }
    }
}

/// What a model knows of the text before a sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Context {
    /// All that came before: the text is cut into long streams, read side by side, and the state
    /// passes from batch to batch (truncated backpropagation through time).
    #[default]
    Stream,
    /// Nothing: every sentence begins anew, as the hypotheses of a recogniser do. Sentences are
    /// shuffled; a batch holds up to `train.batch-frames` tokens of sentences of like length.
    Sentence,
}

/// The `[batches]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BatchConfig {
    /// What is known of the text before a sentence.
    pub context: Context,
    /// Streams side by side.
    pub streams: usize,
    /// Tokens of each stream in a batch: gradients go back so far.
    pub steps: usize,
    /// A pass over the text is cut into so many epochs, each with its dev figure and its chance
    /// for the learning rate to fall.
    pub parts: usize,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            context: Context::Stream,
            streams: 20,
            steps: 35,
            parts: 1,
        }
    }
}

impl Config {
    /// Reads a configuration; `origin` names it in messages.
    ///
    /// Fails at an unknown key or an impossible value.
    pub fn parse(text: &str, origin: &str) -> Result<Self, Error> {
        let config: Self = toml::from_str(text).map_err(|error| Error::Model {
            name: origin.to_string(),
            why: error.to_string().trim_end().replace('\n', " "),
        })?;
        config.check().map_err(|error| Error::Model {
            name: origin.to_string(),
            why: error.to_string(),
        })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Error> {
        self.model.check()?;
        let batches = &self.batches;
        if batches.streams == 0 || batches.steps == 0 || batches.parts == 0 {
            let why = "`batches.streams`, `batches.steps` and `batches.parts` must be at least 1";
            return Err(Error::Option(why.into()));
        }
        Ok(self.train.check()?)
    }
}

impl ModelConfig {
    /// Dimension of what the softmax reads.
    pub fn output(&self) -> usize {
        match self.projection {
            0 => self.cells,
            projection => projection,
        }
    }

    /// The recurrent layers.
    pub(super) fn recurrent(&self) -> RecurrentConfig {
        RecurrentConfig {
            cell: self.cell,
            input: self.embedding,
            cells: self.cells,
            layers: self.layers,
            bidirectional: false,
            dropout: self.dropout as f32,
            forget_bias: Some(self.forget_bias),
            recompute: false,
        }
    }

    /// Refuses impossible values, each with its key.
    pub fn check(&self) -> Result<(), Error> {
        let sizes = [self.cells, self.embedding];
        let why = if !(1..=4).contains(&self.layers) {
            "`model.layers` must be from 1 to 4".to_string()
        } else if sizes.iter().any(|size| !(1..=1 << 14).contains(size))
            || self.projection > 1 << 14
        {
            "`model.cells`, `model.embedding` and `model.projection` must be from 1 to 16384 (a projection may be 0: none)".to_string()
        } else if !(0.0..1.0).contains(&self.dropout) {
            "`model.dropout` must be in [0, 1)".to_string()
        } else if !self.forget_bias.is_finite() {
            "`model.forget-bias` must be a number".to_string()
        } else if self.tied && self.output() != self.embedding {
            format!(
                "`model.tied` shares one table, but the embedding has {} dimensions and the softmax reads {}: set `model.projection = {}`",
                self.embedding,
                self.output(),
                self.embedding
            )
        } else {
            return Ok(());
        };
        Err(Error::Option(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configurations_of_the_repository_are_sound() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/rnnlm");
        let mut found = 0;
        for entry in std::fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            Config::parse(&text, &path.display().to_string()).unwrap();
            found += 1;
        }
        assert!(found >= 3);
    }

    #[test]
    fn impossible_values_are_refused_by_their_key() {
        for (text, expected) in [
            ("[model]\nlayers = 5", "`model.layers`"),
            ("[model]\ncells = 0", "`model.cells`"),
            ("[model]\ndropout = 1.0", "`model.dropout`"),
            (
                "[model]\ntied = true\nembedding = 96",
                "set `model.projection = 96`",
            ),
            ("[batches]\nsteps = 0", "`batches.steps`"),
            ("[train]\nepochs = 0", "`train.epochs`"),
            (
                "[model]\nsoftmax = { kind = \"none\" }",
                "unknown variant `none`",
            ),
            ("[model]\nunits = 3", "unknown field `units`"),
        ] {
            let message = Config::parse(text, "rnn.toml").unwrap_err().to_string();
            assert!(
                message.starts_with("rnn.toml: ") && message.contains(expected),
                "{message}"
            );
        }
    }
}
