//! The `[decode]` table of an experiment file and of `model.toml`.

use serde::{Deserialize, Serialize};

use super::Error;

/// How log-probabilities become words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The best path (Graves et al. 2006, section 3.2).
    Greedy,
    /// Prefix beam search.
    Beam,
    /// The most probable of a closed list of texts, `choices`.
    Choices,
}

/// The search and its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The search.
    pub method: Method,
    /// Prefixes that a beam search keeps at every frame.
    pub beam: usize,
    /// Which of the model's outputs is decoded, from 0.
    pub output: usize,
    /// The texts that may be recognised, for the method `choices`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            method: Method::Beam,
            beam: 32,
            output: 0,
            choices: Vec::new(),
        }
    }
}

impl Config {
    /// Refuses impossible values.
    ///
    /// # Errors
    /// [`Error::Config`] with the key.
    pub fn check(&self) -> Result<(), Error> {
        if self.beam == 0 {
            return Err(Error::Config("`decode.beam` must be at least 1".into()));
        }
        if (self.method == Method::Choices) == self.choices.is_empty() {
            return Err(Error::Config(
                "`decode.choices` must be given for the method `choices`, and for no other".into(),
            ));
        }
        Ok(())
    }
}
