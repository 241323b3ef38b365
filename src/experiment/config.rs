//! Experiment files: read, overridden, checked, once and before any work begins.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Data, Error, LanguageConfig, SetConfig, Start};
use crate::acoustic;
use crate::decode;
use crate::nn::Precision;
use crate::text::Normalisation;
use crate::train;

/// An experiment, every key of its file. A resolved copy stands in every run directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Experiment {
    /// The folder of its file, where files that it names may be; no key of the file.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Its name: the run directory is called so.
    pub name: String,
    /// What it is for, a sentence.
    #[serde(default)]
    pub about: String,
    /// The seed of everything random.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// The precision of the heavy products.
    #[serde(default = "default_precision")]
    pub precision: Precision,
    /// Text normalisation, applied alike to references and hypotheses.
    #[serde(default = "Normalisation::english")]
    pub normalise: Normalisation,
    /// What the network starts from. `train.epochs = 0` leaves it as it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<Start>,
    /// The recordings.
    pub data: Data,
    /// The features.
    pub features: Features,
    /// The architecture.
    pub model: acoustic::Config,
    /// Augmentation and the averaging of the loss.
    #[serde(default)]
    pub augment: acoustic::TaskConfig,
    /// The training loop.
    #[serde(default)]
    pub train: train::Config,
    /// Fine-tuning on the expected number of errors instead of CTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_loss: Option<acoustic::ExpectedLoss>,
    /// The language model, if there is to be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lm: Option<LanguageConfig>,
    /// The search.
    #[serde(default)]
    pub decode: decode::Config,
}

fn default_seed() -> u64 {
    1
}

fn default_precision() -> Precision {
    Precision::Auto
}

/// The `[features]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Features {
    /// The name of a recipe, or the path of its file.
    pub recipe: String,
}

impl Experiment {
    /// Reads an experiment file, applies `KEY=VALUE` overrides (dotted keys, TOML values; a bare
    /// word is a string), and checks it.
    ///
    /// # Errors
    /// [`Error::Config`] with the file, the line and the key.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })?;
        let name = path.display().to_string();
        let mut experiment = Self::parse(&text, &name)?;
        if !overrides.is_empty() {
            experiment = Self::overridden(&text, &name, overrides)?;
        }
        experiment.check(&text, &name)?;
        experiment.folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(experiment)
    }

    fn parse(text: &str, name: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            Error::Config {
                file: name.to_owned(),
                line,
                what: one_line(error.message()),
            }
        })
    }

    fn overridden(text: &str, name: &str, overrides: &[String]) -> Result<Self, Error> {
        let refuse = |what: String| Error::Config {
            file: name.to_owned(),
            line: None,
            what,
        };
        let mut table: toml::Table =
            toml::from_str(text).map_err(|error| refuse(one_line(error.message())))?;
        for setting in overrides {
            let Some((key, value)) = setting.split_once('=') else {
                return Err(refuse(format!("--set {setting}: give KEY=VALUE")));
            };
            let value = toml::from_str::<toml::Table>(&format!("value = {value}"))
                .ok()
                .and_then(|mut parsed| parsed.remove("value"))
                .unwrap_or_else(|| toml::Value::String(value.to_owned()));
            let mut place = &mut table;
            let mut keys: Vec<&str> = key.trim().split('.').collect();
            let last = keys.pop().unwrap_or_default();
            for part in keys {
                let inner = place
                    .entry(part)
                    .or_insert_with(|| toml::Value::Table(toml::Table::new()));
                place = inner
                    .as_table_mut()
                    .ok_or_else(|| refuse(format!("--set {setting}: `{part}` is not a table")))?;
            }
            place.insert(last.to_owned(), value);
        }
        table.try_into().map_err(|error: toml::de::Error| {
            refuse(format!("with --set: {}", one_line(error.message())))
        })
    }

    /// Refuses impossible values.
    fn check(&self, text: &str, name: &str) -> Result<(), Error> {
        let refuse = |what: String| Error::Config {
            file: name.to_owned(),
            line: mentioned_key(&what).and_then(|key| line_of_key(text, key)),
            what,
        };
        if self.name.is_empty() || self.name.contains(['/', '\\']) || self.name.starts_with('.') {
            return Err(refuse(
                "`name` must be usable as the name of a folder".into(),
            ));
        }
        self.data.check().map_err(refuse)?;
        self.model
            .check()
            .map_err(|error| refuse(error.to_string()))?;
        self.augment
            .check()
            .map_err(|error| refuse(error.to_string()))?;
        let mut train = self.train.clone();
        if let Some(start) = &self.init_from {
            start.check().map_err(refuse)?;
            train.epochs = train.epochs.max(1);
        }
        train.check().map_err(|error| refuse(error.to_string()))?;
        if let Some(expected) = &self.expected_loss {
            expected
                .check()
                .map_err(|error| refuse(error.to_string()))?;
            if self.init_from.is_none() {
                return Err(refuse(
                    "`expected-loss` needs a trained model to start from: give `init-from`".into(),
                ));
            }
        }
        self.decode
            .check()
            .map_err(|error| refuse(error.to_string()))?;
        if let Some(lm) = &self.lm {
            lm.check().map_err(refuse)?;
            let trained: Vec<String> = self.data.train.iter().map(SetConfig::name).collect();
            let asked = lm.domain.iter().flat_map(|domain| &domain.transcripts);
            if let Some(unknown) = asked.into_iter().find(|&name| !trained.contains(name)) {
                return Err(refuse(format!(
                    "`lm.domain.transcripts`: `{unknown}` is no set of `data.train`, which has {}",
                    trained.join(", ")
                )));
            }
        }
        let phones = self
            .model
            .outputs
            .iter()
            .any(|output| output.tokens == "phones");
        if phones && self.data.lexicon.is_none() {
            return Err(refuse(
                "`data.lexicon` must be given for an output of phones".into(),
            ));
        }
        Ok(())
    }
}

pub(super) fn one_line(message: &str) -> String {
    message
        .split('\n')
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ")
}

pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count()
}

/// The key that a message puts first between backquotes.
fn mentioned_key(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

/// The line (from 1) on which a dotted key is set, looking at table headers and key names.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let mut table = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_matches(['[', ']', ' ']).to_owned();
            continue;
        }
        let Some((name, _)) = line.split_once('=') else {
            continue;
        };
        let name = name.trim();
        let full = match table.as_str() {
            "" => name.to_owned(),
            table => format!("{table}.{name}"),
        };
        if full == key {
            return Some(number + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
name = "small"
[data]
train = [{ corpus = "fsdd", split = "train" }]
dev = [{ corpus = "fsdd", split = "dev" }]
[features]
recipe = "fbank40-8k"
[model]
layers = 2
cells = 8
output = [{ tokens = "characters" }]
[train]
epochs = 3
"#;

    fn read(text: &str, overrides: &[&str]) -> Result<Experiment, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        Experiment::read(file.path(), &overrides)
    }

    #[test]
    fn a_resolved_experiment_reads_back_as_itself() {
        let experiment = read(SMALL, &[]).unwrap();
        let text = toml::to_string(&experiment).unwrap();
        assert_eq!(read(&text, &[]).unwrap(), experiment);
    }

    #[test]
    fn overrides_reach_into_tables_and_keep_types() {
        let overrides = [
            "train.epochs=7",
            "name=other",
            "train.optimiser.learning-rate=0.01",
        ];
        let experiment = read(SMALL, &overrides).unwrap();
        assert_eq!(experiment.train.epochs, 7);
        assert_eq!(experiment.name, "other");
        assert_eq!(experiment.train.optimiser.learning_rate, 0.01);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = read(&SMALL.replace("epochs = 3", "epoch = 3"), &[]).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(":13:") && message.contains("`epoch`"),
            "{message}"
        );
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_line() {
        let error = read(&SMALL.replace("cells = 8", "cells = \"many\""), &[]).unwrap_err();
        assert!(error.to_string().contains(":10:"), "{error}");
    }

    #[test]
    fn an_impossible_value_is_refused_with_its_line_and_key() {
        let error = read(&SMALL.replace("epochs = 3", "epochs = 0"), &[]).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(":13:") && message.contains("train.epochs"),
            "{message}"
        );
    }

    #[test]
    fn an_override_of_an_unknown_key_is_refused() {
        let error = read(SMALL, &["train.epoch=3"]).unwrap_err();
        assert!(error.to_string().contains("`epoch`"), "{error}");
    }
}
