//! What a network starts from: a trained one, or the mean of several.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::acoustic::{AcousticModel, Initial, initialise_from};
use crate::nn::with_values;
use crate::recognise::{ModelFiles, model_weights, read_description};
use crate::text::Tokens;
use crate::train::{Observer, average, sha256};

/// `init-from`: a name, or a table of names with their weights. A name that ends in `.toml` is an
/// experiment file, whose network is trained first where it is not there yet; another one is that of a
/// model in the binary, of a finished run in the same folder, or a directory.
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

/// A trained network: its weights by name, in the names' order, and the inventory of each output.
pub(super) struct Weights {
    pub tensors: Vec<(String, Tensor)>,
    pub tokens: Vec<Tokens>,
}

/// The networks of a chain that are trained, by the names of their runs.
pub(super) type Networks = BTreeMap<String, Weights>;

impl Weights {
    /// Those of a model as they are now.
    pub fn of(model: &AcousticModel) -> Self {
        let parameters = model.parameters().iter();
        Self::new(
            parameters.map(|(name, value, _)| (name.to_owned(), value.clone())),
            model.outputs().iter().map(|output| output.tokens.clone()),
        )
    }

    pub fn new(
        tensors: impl IntoIterator<Item = (String, Tensor)>,
        tokens: impl IntoIterator<Item = Tokens>,
    ) -> Self {
        let mut tensors: Vec<_> = tensors.into_iter().collect();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        Self {
            tensors,
            tokens: tokens.into_iter().collect(),
        }
    }

    /// A hash of every weight.
    pub fn digest(&self) -> Result<String, Error> {
        let mut lines = Vec::new();
        for (name, tensor) in &self.tensors {
            let bytes = with_values(tensor, |values| {
                values
                    .iter()
                    .flat_map(|x| x.to_le_bytes())
                    .collect::<Vec<u8>>()
            })?;
            lines.push(format!("{name} {}", sha256(&bytes)));
        }
        Ok(sha256(lines.join("\n").as_bytes()))
    }
}

/// The weights that `start` names: of networks of the chain, or else of the models in the binary, the
/// runs in `runs` or the directories that the names find.
///
/// # Errors
/// A model that is not there or damaged; networks of a mean that differ in their shapes or tokens.
pub(super) fn weights_of(start: &Start, runs: &Path, chain: &Networks) -> Result<Weights, Error> {
    let mut networks: Vec<(f64, Vec<(String, Tensor)>)> = Vec::new();
    let mut tokens = Vec::new();
    for (name, weight) in start.parts() {
        let weights = match chain.get(name) {
            Some(known) => Weights::new(known.tensors.clone(), known.tokens.clone()),
            None => read(name, runs)?,
        };
        if let Some((_, first)) = networks.first() {
            let shapes = |tensors: &[(String, Tensor)]| -> Vec<(String, Vec<usize>)> {
                let shape =
                    |(name, tensor): &(String, Tensor)| (name.clone(), tensor.dims().to_vec());
                tensors.iter().map(shape).collect()
            };
            if shapes(first) != shapes(&weights.tensors) || tokens != weights.tokens {
                return Err(Error::Data(format!(
                    "init-from: {name} is not of the architecture and the tokens of {}: a mean is one of networks that were trained one from another",
                    start.parts()[0].0
                )));
            }
        }
        tokens = weights.tokens;
        networks.push((weight, weights.tensors));
    }
    Ok(Weights::new(average(&networks)?, tokens))
}

fn read(name: &str, runs: &Path) -> Result<Weights, Error> {
    let of_run = runs.join(name).join("model");
    let files = match ModelFiles::find(name) {
        Err(_) if of_run.is_dir() => ModelFiles::Directory(of_run),
        found => found?,
    };
    let tokens = read_description(&files)?.tokens;
    Ok(Weights::new(model_weights(&files)?, tokens))
}

/// Gives `model` the weights that `start` names. What does not match is noted and keeps its random start.
///
/// # Errors
/// Nothing of them matches.
pub(super) fn start_from(
    start: &Start,
    weights: &Weights,
    model: &AcousticModel,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    let initial = Initial {
        tensors: &weights.tensors,
        tokens: weights.tokens.iter().collect(),
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
