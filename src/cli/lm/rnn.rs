//! `hearken lm train --rnn`.

use std::path::{Path, PathBuf};

use super::out::Out;
use super::text::open;
use super::train::vocabulary;
use crate::cli::Failure;
use crate::cli::log::Log;
use crate::lm::ngram::Reading;
use crate::lm::rnn::{Config, Training, train};
use crate::lm::{Error, Source};
use crate::nn::Storage;

/// What only a recurrent model needs.
#[derive(clap::Args)]
pub struct Recurrent {
    /// Train a recurrent model as this file says; --out is then a directory.
    #[arg(
        long = "rnn",
        value_name = "CONFIG",
        requires = "dev",
        conflicts_with_all = ["order", "prune", "discount_fallback", "unit", "memory", "temporary"]
    )]
    pub config: Option<PathBuf>,
    /// The text that the best epoch is chosen by, and the learning rate halved.
    #[arg(long, value_name = "TEXT", requires = "config")]
    dev: Option<PathBuf>,
    /// Start from the weights and the vocabulary of this recurrent model, whose `[model]` must be the
    /// configuration's.
    #[arg(
        long,
        value_name = "DIR",
        requires = "config",
        conflicts_with = "vocab"
    )]
    init: Option<PathBuf>,
    /// The seed, in place of the configuration's.
    #[arg(long, value_name = "N", requires = "config")]
    seed: Option<u64>,
    /// Go on from a checkpoint that was computed with other instructions; the run is marked.
    #[arg(long, requires = "config")]
    allow_other_path: bool,
}

/// The arguments that both kinds of models have.
pub struct Given<'a> {
    pub vocabulary: Option<&'a str>,
    pub skip_symbols: bool,
    pub max_line: usize,
    pub texts: &'a [PathBuf],
    pub out: &'a Out,
}

impl Recurrent {
    /// Trains the model.
    pub fn run(&self, path: &Path, given: Given) -> Result<(), Failure> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut config = Config::parse(&text, &path.display().to_string())?;
        config.seed = self.seed.unwrap_or(config.seed);
        let storage = match given.out.quantise.bits {
            None => Storage::F32,
            Some(8) => Storage::Int8,
            Some(bits) => {
                return Err(format!(
                    "--quantize {bits} is for n-grams; recurrent models have --quantize 8"
                )
                .into());
            }
        };
        let out = &given.out.path;
        if out.is_file() {
            return Err(format!(
                "{} is a file; --out names the directory of a recurrent model",
                out.display()
            )
            .into());
        }
        let Some(dev) = &self.dev else {
            return Err("--rnn needs --dev TEXT".into());
        };
        let unit = config.model.unit;
        let limit = match given.vocabulary {
            None => None,
            some => Some(vocabulary(some, unit)?),
        };
        let training = Training {
            config: &config,
            texts: open(given.texts)?,
            dev: Source::open(dev)?,
            reading: Reading {
                unit,
                max_line: given.max_line,
                skip_symbols: given.skip_symbols,
            },
            vocabulary: limit,
            init: self.init.as_deref(),
            out,
            storage,
            allow_other_path: self.allow_other_path,
        };
        let mut log = Log::new(4, "tokens", |value| format!("{value:.3}"));
        let outcome = train(training, &mut log)?;
        log.finish();
        for (name, value) in &outcome.evaluation.figures {
            println!("dev {name} {value:.4}");
        }
        Ok(())
    }
}
