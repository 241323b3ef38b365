//! A setting of the weights.

use crate::decode::Config;

/// The weights that are tuned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// α.
    pub alpha: f32,
    /// β, nats.
    pub beta: f32,
    /// How much another output counts.
    pub combine: f32,
    /// How much the second pass's language model counts.
    pub rescoring: f32,
}

impl Point {
    /// The weights of a search.
    pub(super) fn of(config: &Config) -> Self {
        Self {
            alpha: config.alpha,
            beta: config.beta,
            combine: config.combine,
            rescoring: config.rescoring_weight,
        }
    }

    /// A search with these weights.
    pub(super) fn applied_to(self, config: &Config) -> Config {
        Config {
            lm: true,
            alpha: self.alpha,
            beta: self.beta,
            combine: self.combine,
            rescoring_weight: self.rescoring,
            ..config.clone()
        }
    }

    /// Whether a search with these weights would find what one with the others did.
    pub(super) fn is_near(self, other: Self) -> bool {
        let near = |a: f32, b: f32| (a - b).abs() < 0.02;
        near(self.alpha, other.alpha)
            && near(self.beta, other.beta)
            && near(self.combine, other.combine)
            && near(self.rescoring, other.rescoring)
    }
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "alpha {:.2} beta {:.2}", self.alpha, self.beta)?;
        if self.combine > 0.0 {
            write!(f, " combine {:.2}", self.combine)?;
        }
        Ok(())
    }
}
