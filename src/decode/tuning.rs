//! The weights of the language model, chosen on a dev set.

use std::collections::HashMap;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::decoder::other_output;
use super::{
    Calibration, Config, Decoder, Error, Hypothesis, Language, Rescorer, cross_entropies,
    interpolated, oracle, word_posteriors,
};
use crate::score::{Costs, ErrorCounts, Operation, align};
use crate::text::{Normalisation, Tokens};

/// An utterance of a dev set.
pub struct DevUtterance {
    /// For each output of the model, the `[T, V]` log-probabilities (nats).
    pub outputs: Vec<Array2<f32>>,
    /// What was said, normalised.
    pub reference: String,
    /// Which dev set it is of.
    pub set: usize,
}

/// What a search with certain weights made of a dev set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// The weights.
    pub point: Point,
    /// The words.
    pub counts: ErrorCounts,
}

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
    fn of(config: &Config) -> Self {
        Self {
            alpha: config.alpha,
            beta: config.beta,
            combine: config.combine,
            rescoring: config.rescoring_weight,
        }
    }

    fn applied_to(self, config: &Config) -> Config {
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
    fn is_near(self, other: Self) -> bool {
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

/// The outcome of [`tune`].
pub struct Tuned {
    /// The settings with the best weights; `lm` is off if no weights were as good as none.
    pub config: Config,
    /// The search without a language model; nothing where phones are decoded, which are no words.
    pub without: Option<ErrorCounts>,
    /// The search with `config`.
    pub best: ErrorCounts,
    /// The fewest errors that its n-best lists allow.
    pub oracle: ErrorCounts,
    /// How much of the uncertainty about words the confidences take away (NIST's normalised cross
    /// entropy): of each dev set in turn, calibrated on the others. A single set is halved, every
    /// other utterance to either half. `None` of a part whose words are all right or all wrong.
    pub cross_entropy: Vec<Option<f64>>,
    /// All searches with the language model, in their order.
    pub trials: Vec<Trial>,
}

/// Hypotheses an utterance from which the weights are chosen.
const NBEST: usize = 100;

/// Searches with the language model, at most.
const ROUNDS: usize = 8;

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

/// Chooses the weights for the fewest word errors on a dev set: α and β, and, where there is a
/// second output or a second language model, how much these count.
///
/// Each round decodes the set with the weights so far and adds its n-best lists to those of the
/// rounds before; the weights under which the likeliest hypotheses of all lists have the fewest
/// errors (averaged over neighbouring α and β, so that no lucky point wins) are the next round's
/// (Och 2003, "Minimum error rate training"). What counts in the end are the errors of the searches
/// themselves, among them one with α = β = 0 and one without the language model. The confidences
/// are calibrated on what the best search found.
///
/// # Errors
/// Those of [`Decoder`].
pub fn tune(
    config: &Config,
    outputs: &[Tokens],
    models: &Models,
    dev: &[DevUtterance],
    normalise: &Normalisation,
    say: &mut dyn FnMut(&str),
) -> Result<Tuned, Error> {
    let none = Config {
        lm: false,
        ..config.clone()
    };
    let spells = outputs
        .get(config.output)
        .is_some_and(|tokens| tokens.space().is_some());
    let plain = match spells {
        true => {
            let alone = Decoder::new(&none, outputs, None, &[])?;
            let plain = decode(&alone, dev, normalise)?;
            say(&format!(
                "without a language model: {:.2}% of the words wrong",
                100.0 * plain.counts.rate()
            ));
            Some(plain)
        }
        false => None,
    };
    let without = plain.as_ref().map(|plain| plain.counts);

    let mut start = Point::of(config);
    if other_output(config, outputs).is_some() {
        start.combine = start.combine.max(0.2);
    }
    let mut pools: Vec<Pool> = dev.iter().map(|_| Pool::default()).collect();
    let mut trials: Vec<Trial> = Vec::new();
    let mut best: Option<(Point, Decoded)> = None;
    let mut next = Some(start);
    while let Some(point) = next {
        let decoder = Decoder::new(
            &point.applied_to(config),
            outputs,
            Some(models.language.clone()),
            &[],
        )?
        .with_rescorer(models.rescorer.clone())
        .with_every_part();
        let decoded = decode(&decoder, dev, normalise)?;
        say(&format!("{point}: {:.2}%", 100.0 * decoded.counts.rate()));
        let counts = decoded.counts;
        trials.push(Trial { point, counts });
        pools
            .par_iter_mut()
            .zip(dev)
            .zip(&decoded.lists)
            .try_for_each(|((pool, utterance), list)| {
                pool.add(list, &utterance.reference, models, config, normalise)
            })?;
        let better = |(_, known): &(Point, Decoded)| counts.errors() < known.counts.errors();
        if best.as_ref().is_none_or(better) {
            best = Some((point, decoded));
        }
        let tried = |point: &Point| trials.iter().any(|t| t.point.is_near(*point));
        let zero = Point {
            alpha: 0.0,
            beta: 0.0,
            combine: 0.0,
            ..start
        };
        next = match trials.len() {
            ROUNDS.. => None,
            // The last round is theirs if no earlier one was.
            last if last + 1 == ROUNDS && !tried(&zero) => Some(zero),
            _ => Some(fewest_errors(&pools, point))
                .filter(|point| !tried(point))
                .or(Some(zero).filter(|zero| !tried(zero))),
        };
    }
    let worse = |(_, found): &(Point, Decoded)| {
        without.is_some_and(|without| without.errors() < found.counts.errors())
    };
    let (mut config, decoded) = match (best, plain) {
        (Some(best), Some(plain)) if worse(&best) => (none, plain),
        (Some((point, decoded)), _) => (point.applied_to(config), decoded),
        (None, _) => return Err(Error::Config("there is nothing to tune on".into())),
    };
    let mut oracle_counts = ErrorCounts::default();
    for (list, utterance) in decoded.lists.iter().zip(dev) {
        if let Some(hypothesis) = oracle(list, &utterance.reference) {
            let reference = &utterance.reference;
            oracle_counts += ErrorCounts::words(reference, &hypothesis.text, Costs::Levenshtein);
        }
    }
    let words = decoded.posteriors(dev, config.posterior_scale);
    config.calibration = Calibration::fit(&words.concat());
    let sets: Vec<usize> = dev.iter().map(|utterance| utterance.set).collect();
    Ok(Tuned {
        config,
        without,
        best: decoded.counts,
        oracle: oracle_counts,
        cross_entropy: cross_entropies(&words, &sets),
        trials,
    })
}

/// The language models whose weights are tuned.
pub struct Models {
    /// That of the search.
    pub language: Arc<Language>,
    /// That of the second pass.
    pub rescorer: Option<Arc<dyn Rescorer>>,
}

/// A decoded dev set: the n-best lists, and the errors of their first.
struct Decoded {
    lists: Vec<Vec<Hypothesis>>,
    counts: ErrorCounts,
}

fn decode(
    decoder: &Decoder,
    dev: &[DevUtterance],
    normalise: &Normalisation,
) -> Result<Decoded, Error> {
    let lists = dev
        .par_iter()
        .map(|utterance| {
            let views: Vec<ArrayView2<'_, f32>> =
                utterance.outputs.iter().map(|p| p.view()).collect();
            decoder.n_best(&views, NBEST)
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let mut counts = ErrorCounts::default();
    for (list, utterance) in lists.iter().zip(dev) {
        let text = normalise.apply(&list[0].text);
        counts += ErrorCounts::words(&utterance.reference, &text, Costs::Levenshtein);
    }
    Ok(Decoded { lists, counts })
}

impl Decoded {
    /// By utterance, the posterior of each word found and whether it was right.
    fn posteriors(&self, dev: &[DevUtterance], scale: f32) -> Vec<Vec<(f32, bool)>> {
        let of_utterance = |(list, utterance): (&Vec<Hypothesis>, &DevUtterance)| {
            let reference: Vec<&str> = utterance.reference.split_whitespace().collect();
            let found: Vec<&str> = list[0].words.iter().map(|w| w.text.as_str()).collect();
            let alignment = align(&reference, &found, Costs::Levenshtein);
            let right = alignment
                .operations()
                .iter()
                .filter(|operation| **operation != Operation::Deletion)
                .map(|operation| *operation == Operation::Correct);
            word_posteriors(list, scale)
                .into_iter()
                .zip(right)
                .collect()
        };
        self.lists.iter().zip(dev).map(of_utterance).collect()
    }
}

/// The hypotheses of an utterance from all rounds, each text once.
#[derive(Default)]
struct Pool {
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
    fn add(
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
fn fewest_errors(pools: &[Pool], start: Point) -> Point {
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
