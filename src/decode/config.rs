//! The `[decode]` table of an experiment file and of `model.toml`.

use serde::{Deserialize, Serialize};

use super::{Boundaries, Calibration, Error, Weights};

/// How log-probabilities become words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The best path (Graves et al. 2006, section 3.2).
    Greedy,
    /// Prefix beam search, with the language model where there is one.
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
    /// Whether the model's language model guides the search, if it has one.
    pub lm: bool,
    /// α, the language model's weight.
    pub alpha: f32,
    /// β, a bonus for every word, nats.
    pub beta: f32,
    /// What a word that the language model does not know adds to its `ln p(<unk>)`, nats.
    pub unknown: f32,
    /// Whether words outside the language model's vocabulary may be found; characters only.
    pub open_vocabulary: bool,
    /// A token so many nats less probable than a frame's best one extends no prefix.
    pub token_threshold: f32,
    /// A prefix so many nats worse than the best one is dropped.
    pub score_threshold: f32,
    /// Prefixes kept at a frame of those that are alike to the language model from there on; 0 keeps
    /// all.
    pub alike: usize,
    /// What a hot phrase adds to the score of a hypothesis that has it, nats.
    pub hot_boost: f32,
    /// Hypotheses of the first pass that a second one rescores, where there is one.
    pub nbest: usize,
    /// How much another output of the model, one of characters, counts in the second pass beside
    /// the one that is decoded: `(1 − combine) · ln p + combine · ln p'`.
    pub combine: f32,
    /// Interpolation weight of the second pass's language model beside the first one's.
    pub rescoring_weight: f32,
    /// Scale of the scores before they become posteriors.
    pub posterior_scale: f32,
    /// The texts that may be recognised, for the method `choices`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// From posteriors to the probability of being right.
    pub calibration: Calibration,
    /// Where words begin and end around their tokens.
    pub boundaries: Boundaries,
}

impl Default for Config {
    fn default() -> Self {
        let weights = Weights::default();
        Self {
            method: Method::Beam,
            beam: 32,
            output: 0,
            lm: true,
            alpha: weights.alpha,
            beta: weights.beta,
            unknown: weights.unknown,
            open_vocabulary: weights.open_vocabulary,
            token_threshold: 9.0,
            score_threshold: 18.0,
            alike: 4,
            hot_boost: 8.0,
            nbest: 100,
            combine: 0.0,
            rescoring_weight: 0.5,
            posterior_scale: 0.3,
            calibration: Calibration::default(),
            boundaries: Boundaries::default(),
            choices: Vec::new(),
        }
    }
}

impl Config {
    /// How the language model counts.
    pub fn weights(&self) -> Weights {
        Weights {
            alpha: self.alpha,
            beta: self.beta,
            unknown: self.unknown,
            open_vocabulary: self.open_vocabulary,
        }
    }

    /// Refuses impossible values.
    ///
    /// # Errors
    /// [`Error::Config`] with the key.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |what: &str| Err(Error::Config(what.into()));
        if self.beam == 0 {
            return refuse("`decode.beam` must be at least 1");
        }
        if !(self.alpha >= 0.0 && self.alpha.is_finite()) {
            return refuse("`decode.alpha` must be a number of at least 0");
        }
        if !self.beta.is_finite() {
            return refuse("`decode.beta` must be a number");
        }
        if !(self.unknown <= 0.0 && self.unknown.is_finite()) {
            return refuse("`decode.unknown` must be a number of at most 0");
        }
        for (key, value) in [
            ("token-threshold", self.token_threshold),
            ("score-threshold", self.score_threshold),
            ("hot-boost", self.hot_boost),
            ("posterior-scale", self.posterior_scale),
        ] {
            if value.is_nan() || value < 0.0 {
                return refuse(&format!("`decode.{key}` must be at least 0"));
            }
        }
        for (key, value) in [
            ("combine", self.combine),
            ("rescoring-weight", self.rescoring_weight),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return refuse(&format!("`decode.{key}` must be between 0 and 1"));
            }
        }
        if self.nbest == 0 {
            return refuse("`decode.nbest` must be at least 1");
        }
        if (self.method == Method::Choices) == self.choices.is_empty() {
            return refuse(
                "`decode.choices` must be given for the method `choices`, and for no other",
            );
        }
        Ok(())
    }
}
