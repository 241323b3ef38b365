//! The hypotheses of all rounds, and the weights under which the likeliest of them have the fewest errors.

use std::collections::HashMap;

use rayon::prelude::*;

use super::{Models, Point};
use crate::decode::{Config, Error, Hypothesis, interpolated};
use crate::score::{Costs, ErrorCounts};
use crate::text::Normalisation;

/// The grid: how many values, the least, and from one to the next.
const ALPHAS: Axis = Axis(51, 0.0, 0.1);
const BETAS: Axis = Axis(41, -5.0, 0.25);
const COMBINES: Axis = Axis(10, 0.0, 0.1);
const RESCORINGS: Axis = Axis(11, 0.0, 0.1);

struct Axis(usize, f32, f32);

impl Axis {
    fn value(&self, index: usize) -> f32 {
        self.1 + index as f32 * self.2
    }
}

/// The hypotheses of an utterance from all rounds, each text once.
#[derive(Default)]
pub(super) struct Pool {
    hypotheses: Vec<Scored>,
    places: HashMap<String, usize>,
}

/// A hypothesis by the parts of its score.
struct Scored {
    output: f32,
    combined: Option<f32>,
    /// `ln p` of the language models for each interpolation weight of the grid; one number if there
    /// is but one model.
    language: Vec<f32>,
    words: f32,
    errors: u64,
}

impl Scored {
    fn score(&self, point: Point) -> f32 {
        let acoustic = match self.combined {
            Some(other) => (1.0 - point.combine) * self.output + point.combine * other,
            None => self.output,
        };
        let at = (point.rescoring / RESCORINGS.2).round() as usize;
        let language = self.language[at.min(self.language.len() - 1)];
        acoustic + point.alpha * language + point.beta * self.words
    }
}

impl Pool {
    /// Takes in the hypotheses of a round that it has not.
    ///
    /// # Errors
    /// Those of the language models.
    pub(super) fn add(
        &mut self,
        list: &[Hypothesis],
        reference: &str,
        models: &Models,
        config: &Config,
        normalise: &Normalisation,
    ) -> Result<(), Error> {
        let mut new = Vec::new();
        for hypothesis in list {
            if let Some(&place) = self.places.get(&hypothesis.text) {
                let known = &mut self.hypotheses[place];
                known.output = known.output.max(hypothesis.parts.output);
                continue;
            }
            let place = self.hypotheses.len() + new.len();
            self.places.insert(hypothesis.text.clone(), place);
            new.push(hypothesis);
        }
        let texts: Vec<&str> = new.iter().map(|h| h.text.as_str()).collect();
        let second = match &models.rescorer {
            Some(rescorer) => Some(rescorer.token_log_probs(&texts, config.unknown)?),
            None => None,
        };
        for (at, hypothesis) in new.into_iter().enumerate() {
            let first = models
                .language
                .token_log_probs(&hypothesis.text, config.unknown)?;
            let language = match &second {
                Some(second) => (0..RESCORINGS.0)
                    .map(|index| interpolated(&first, &second[at], RESCORINGS.value(index)))
                    .collect(),
                None => vec![first.iter().sum()],
            };
            let text = normalise.apply(&hypothesis.text);
            self.hypotheses.push(Scored {
                output: hypothesis.parts.output,
                combined: hypothesis.parts.combined,
                language,
                words: hypothesis.words.len() as f32,
                errors: ErrorCounts::words(reference, &text, Costs::Levenshtein).errors(),
            });
        }
        Ok(())
    }

    /// Errors of the likeliest hypothesis.
    fn errors(&self, point: Point) -> u64 {
        let mut best = (f32::NEG_INFINITY, 0);
        for hypothesis in &self.hypotheses {
            let score = hypothesis.score(point);
            if score > best.0 {
                best = (score, hypothesis.errors);
            }
        }
        best.1
    }
}

/// The weights of the grid with the fewest errors: α and β, then the others, and again.
pub(super) fn fewest_errors(pools: &[Pool], start: Point) -> Point {
    let two_models = |pool: &Pool| pool.hypotheses.iter().any(|h| h.language.len() > 1);
    let two_outputs = |pool: &Pool| pool.hypotheses.iter().any(|h| h.combined.is_some());
    let rescorings = if pools.iter().any(two_models) {
        RESCORINGS
    } else {
        Axis(1, start.rescoring, 0.0)
    };
    let combines = if pools.iter().any(two_outputs) {
        COMBINES
    } else {
        Axis(1, start.combine, 0.0)
    };
    let mut at = start;
    for _ in 0..3 {
        at = best_of_grid(pools, &ALPHAS, &BETAS, |alpha, beta| Point {
            alpha,
            beta,
            ..at
        });
        at = best_of_grid(pools, &combines, &rescorings, |combine, rescoring| Point {
            combine,
            rescoring,
            ..at
        });
    }
    at
}

/// The point of a grid with the fewest errors, those of its neighbours counted too.
fn best_of_grid(
    pools: &[Pool],
    rows: &Axis,
    columns: &Axis,
    point: impl Fn(f32, f32) -> Point + Sync,
) -> Point {
    let at = |index: usize| {
        point(
            rows.value(index / columns.0),
            columns.value(index % columns.0),
        )
    };
    let errors: Vec<u64> = (0..rows.0 * columns.0)
        .into_par_iter()
        .map(|index| pools.iter().map(|pool| pool.errors(at(index))).sum())
        .collect();
    let around = |index: usize| {
        let (row, column) = (index / columns.0, index % columns.0);
        let (mut sum, mut count) = (0, 0);
        for row in row.saturating_sub(1)..(row + 2).min(rows.0) {
            for column in column.saturating_sub(1)..(column + 2).min(columns.0) {
                sum += errors[row * columns.0 + column];
                count += 1;
            }
        }
        sum as f64 / f64::from(count)
    };
    let best = (0..errors.len()).min_by(|&a, &b| around(a).total_cmp(&around(b)));
    at(best.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(hypotheses: &[(f32, f32, f32, u64)]) -> Pool {
        let scored = |&(output, language, words, errors): &(f32, f32, f32, u64)| Scored {
            output,
            combined: None,
            language: vec![language],
            words,
            errors,
        };
        Pool {
            hypotheses: hypotheses.iter().map(scored).collect(),
            places: HashMap::new(),
        }
    }

    #[test]
    fn the_weights_with_the_fewest_errors_are_found() {
        // Right only with 10 < 4 α - 2 β and 3 α < 12.
        let pools = [
            pool(&[(-10.0, -6.0, 2.0, 0), (0.0, -10.0, 4.0, 3)]),
            pool(&[(-5.0, -6.0, 2.0, 0), (-17.0, -3.0, 2.0, 2)]),
        ];
        let start = Point {
            alpha: 0.0,
            beta: 0.0,
            combine: 0.0,
            rescoring: 0.5,
        };
        let best = fewest_errors(&pools, start);
        let errors: u64 = pools.iter().map(|pool| pool.errors(best)).sum();
        assert_eq!(errors, 0, "{best:?}");
        assert_eq!((best.combine, best.rescoring), (0.0, 0.5));
    }
}
