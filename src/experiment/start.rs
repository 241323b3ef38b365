//! What a network starts from: a trained one, or the mean of several.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::acoustic::{AcousticModel, Initial, initialise_from};
use crate::recognise::{self, ModelFiles, model_weights, read_description};
use crate::train::{Observer, average};

/// `init-from`: a name, or a table of names with their weights. A name that ends in `.toml` is an
/// experiment file, whose network is trained first where it is not there yet; another one is that of a
/// run in the same folder, of a model in the binary, or a directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "`init-from` must be a name, or a table of names with a weight each"
)]
pub enum Start {
    /// One network as it is.
    From(String),
    /// The weighted mean of the weights of several networks of one architecture. Networks that were
    /// trained one from another lie in one valley of the loss, and their mean can be better than each
    /// (Wortsman et al. 2022, "Model soups").
    Mean(BTreeMap<String, f64>),
}

impl Start {
    /// The networks and their weights.
    pub fn parts(&self) -> Vec<(&str, f64)> {
        match self {
            Self::From(name) => vec![(name, 1.0)],
            Self::Mean(parts) => parts
                .iter()
                .map(|(n, &weight)| (n.as_str(), weight))
                .collect(),
        }
    }

    /// Refuses an empty mean and weights that are not above zero.
    pub(super) fn check(&self) -> Result<(), String> {
        let parts = self.parts();
        match parts
            .iter()
            .find(|(_, weight)| !(weight.is_finite() && *weight > 0.0))
        {
            Some((name, _)) => Err(format!("`init-from`: the weight of {name} must be above 0")),
            None if parts.is_empty() => Err("`init-from` names no network".into()),
            None => Ok(()),
        }
    }

    /// The same with other names.
    pub(super) fn renamed(
        &self,
        mut name: impl FnMut(&str) -> Result<String, Error>,
    ) -> Result<Self, Error> {
        Ok(match self {
            Self::From(one) => Self::From(name(one)?),
            Self::Mean(parts) => {
                let mut renamed = BTreeMap::new();
                for (part, weight) in parts {
                    *renamed.entry(name(part)?).or_insert(0.0) += weight;
                }
                Self::Mean(renamed)
            }
        })
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Mean(parts) = self else {
            return f.write_str(self.parts()[0].0);
        };
        for (number, (name, weight)) in parts.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(f, "{comma}{weight} of {name}")?;
        }
        Ok(())
    }
}

/// Gives `model` the weights that `start` names: of finished runs in `runs`, or else of the models that
/// the names find. What does not match is noted and keeps its random start.
///
/// # Errors
/// A model that is not there or damaged, or nothing of which matches; models of a mean that differ in
/// their shapes or tokens.
pub(super) fn start_from(
    start: &Start,
    runs: &Path,
    model: &AcousticModel,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    let mut tokens = Vec::new();
    let mut networks = Vec::new();
    for (name, weight) in start.parts() {
        let of_run = runs.join(name).join("model");
        let files = match of_run.is_dir() {
            true => ModelFiles::Directory(of_run),
            false => ModelFiles::find(name)?,
        };
        let these = read_description(&files)?.tokens;
        if networks.is_empty() {
            tokens = these;
        } else if tokens != these {
            return Err(Error::Recognise(recognise::Error::Model {
                model: files.name(),
                what: "its tokens are not those of the other networks of the mean".into(),
            }));
        }
        let mut weights = model_weights(&files)?;
        weights.sort_by(|a, b| a.0.cmp(&b.0));
        networks.push((weight, weights));
    }
    let tensors = average(&networks)?;
    let initial = Initial {
        tensors: &tensors,
        tokens: tokens.iter().collect(),
    };
    for mismatch in initialise_from(model, &initial)? {
        observer.note(&format!("starting from {start}: {mismatch}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(value: &str) -> Start {
        let table: BTreeMap<String, Start> = toml::from_str(&format!("start = {value}")).unwrap();
        table["start"].clone()
    }

    #[test]
    fn a_start_says_what_it_is() {
        assert_eq!(start("\"english\"").to_string(), "english");
        assert_eq!(start("{ b = 0.5, a = 1 }").to_string(), "1 of a, 0.5 of b");
    }

    #[test]
    fn a_weight_that_is_not_above_zero_is_refused_by_name() {
        assert!(
            start("{ a = 1, b = 0.0 }")
                .check()
                .unwrap_err()
                .contains("of b")
        );
        assert!(start("{}").check().is_err());
        assert!(start("{ a = 1, b = 2 }").check().is_ok());
    }
}
