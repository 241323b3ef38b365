//! The models of a command: one, or several as a mixture.

use std::path::PathBuf;

use crate::lm::rnn::Memory;
use crate::lm::{Error, LanguageModel, Mixture, Model, Source, Unit};
use crate::nn::Precision;

/// Which model, or which mixture of models.
#[derive(clap::Args)]
pub struct Models {
    /// A language model: an n-gram as ARPA (plain, gzip, xz) or compact binary, or the directory of
    /// a recurrent one. Several are interpolated.
    #[arg(long = "lm", value_name = "LM", required = true)]
    models: Vec<PathBuf>,
    /// Weights of several models, in their order; equal ones by default.
    #[arg(
        long,
        value_name = "WEIGHT",
        value_delimiter = ',',
        conflicts_with = "dev"
    )]
    weights: Vec<f64>,
    /// Tune the weights on this text.
    #[arg(long, value_name = "TEXT")]
    dev: Option<PathBuf>,
    /// Mix models of different vocabularies, over the union of their words.
    #[arg(long)]
    unequal_vocabularies: bool,
    /// 32-bit or bf16 products of recurrent models.
    #[arg(long, value_enum, default_value = "auto")]
    precision: Precision,
}

/// What recurrent models remember from line to line.
#[derive(clap::Args, Default)]
pub struct Remembering {
    /// Lines follow each other: recurrent models carry their state from line to line.
    #[arg(long)]
    across_lines: bool,
    /// Dynamic evaluation (Mikolov 2010): recurrent models also learn from each line that they have
    /// scored, with this learning rate, such as 0.01.
    #[arg(long, value_name = "RATE")]
    dynamic: Option<f64>,
}

impl Remembering {
    fn memory(&self) -> Memory {
        match (self.dynamic, self.across_lines) {
            (Some(rate), _) => Memory::Dynamic { rate },
            (None, true) => Memory::Text,
            (None, false) => Memory::Sentence,
        }
    }
}

/// What a command does with its model, of whatever kind it is.
pub trait Work {
    /// Does it.
    fn with<M: LanguageModel>(self, model: &M) -> Result<(), crate::cli::Failure>;
}

impl Models {
    /// Opens the models, mixes them if they are several, and does the work.
    pub fn open(
        &self,
        max_line: usize,
        remembering: &Remembering,
        work: impl Work,
    ) -> Result<(), crate::cli::Failure> {
        let runtime = super::super::runtime(self.precision);
        let mut models = self
            .models
            .iter()
            .map(|path| Model::open(path, runtime))
            .collect::<Result<Vec<_>, _>>()?;
        let memory = remembering.memory();
        if memory != Memory::Sentence {
            let mut recurrent = 0;
            for model in &mut models {
                if let Model::Rnn(model) = model {
                    model.remember(memory)?;
                    recurrent += 1;
                }
            }
            if recurrent == 0 {
                return Err("--across-lines and --dynamic are for recurrent models: give the directory of one with --lm".into());
            }
        }
        if let [model] = &models[..] {
            if self.dev.is_some() || !self.weights.is_empty() {
                return Err("--weights and --dev are for several models: give --lm again".into());
            }
            return work.with(model);
        }
        if !self.unequal_vocabularies {
            check_vocabularies(&models)?;
        }
        let names: Vec<String> = models
            .iter()
            .map(|model| model.name().to_string())
            .collect();
        let equal = vec![1.0 / models.len() as f64; models.len()];
        let weights = if self.weights.is_empty() {
            &equal
        } else {
            &self.weights
        };
        let mut mixture = Mixture::new(models, weights)?;
        if let Some(dev) = &self.dev {
            mixture.tune_on(Source::open(dev)?, max_line)?;
            mixture.forget()?;
        }
        for (name, weight) in names.iter().zip(mixture.weights()) {
            eprintln!("{weight:.4}\t{name}");
        }
        work.with(&mixture)
    }
}

/// Words or characters, as the vocabulary tells.
pub fn unit<M: LanguageModel>(model: &M) -> Unit {
    model.vocabulary().unit()
}

/// Fails unless all models have the words of the first.
fn check_vocabularies(models: &[Model]) -> Result<(), Error> {
    let Some((first, rest)) = models.split_first() else {
        return Ok(());
    };
    for other in rest {
        if let Some((word, in_first)) = first.vocabulary().difference(other.vocabulary()) {
            let owner = if in_first { first.name() } else { other.name() };
            return Err(Error::UnequalVocabularies {
                first: first.name().to_string(),
                second: other.name().to_string(),
                word: word.to_string(),
                owner: owner.to_string(),
            });
        }
    }
    Ok(())
}
