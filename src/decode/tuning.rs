//! The weights of the language model, chosen on a dev set.

use std::collections::HashMap;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::{Config, Decoder, Error, Hypothesis, Language};
use crate::score::{Costs, ErrorCounts};
use crate::text::{Normalisation, Tokens};

/// An utterance of a dev set.
pub struct DevUtterance {
    /// For each output of the model, the `[T, V]` log-probabilities (nats).
    pub outputs: Vec<Array2<f32>>,
    /// What was said, normalised.
    pub reference: String,
}

/// What a search with certain weights made of a dev set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// α.
    pub alpha: f32,
    /// β, nats.
    pub beta: f32,
    /// The words.
    pub counts: ErrorCounts,
}

/// The outcome of [`tune`].
pub struct Tuned {
    /// The settings with the best weights; `lm` is off if no weights were as good as none.
    pub config: Config,
    /// The search without a language model.
    pub without: ErrorCounts,
    /// The search with `config`.
    pub best: ErrorCounts,
    /// All searches with the language model, in their order.
    pub trials: Vec<Trial>,
}

/// Hypotheses an utterance from which the weights are chosen.
const NBEST: usize = 100;

/// Searches with the language model, at most.
const ROUNDS: usize = 8;

/// α from 0 to 5, β from −5 to 5.
const ALPHAS: (usize, f32) = (51, 0.1);
const BETAS: (usize, f32) = (41, 0.25);
const LEAST_BETA: f32 = -5.0;

/// Chooses α and β for the fewest word errors on a dev set.
///
/// Each round decodes the set with the weights so far and adds its n-best lists to those of the
/// rounds before; the weights under which the likeliest hypotheses of all lists have the fewest
/// errors (averaged over neighbouring weights, so that no lucky point wins) are the next round's
/// (Och 2003, "Minimum error rate training"). What counts in the end are the errors of the searches
/// themselves, among them one with α = β = 0 and one without the language model.
///
/// # Errors
/// Those of [`Decoder`].
pub fn tune(
    config: &Config,
    outputs: &[Tokens],
    language: &Arc<Language>,
    dev: &[DevUtterance],
    normalise: &Normalisation,
    say: &mut dyn FnMut(&str),
) -> Result<Tuned, Error> {
    let none = Config {
        lm: false,
        ..config.clone()
    };
    let (_, without) = decode(&none, outputs, None, dev, normalise)?;
    say(&format!(
        "without a language model: {:.2}% of the words wrong",
        100.0 * without.rate()
    ));

    let mut pools: Vec<Pool> = dev.iter().map(|_| Pool::default()).collect();
    let mut trials: Vec<Trial> = Vec::new();
    let mut next = Some((config.alpha, config.beta));
    while let Some((alpha, beta)) = next {
        let at = Config {
            lm: true,
            alpha,
            beta,
            ..config.clone()
        };
        let (lists, counts) = decode(&at, outputs, Some(language), dev, normalise)?;
        say(&format!(
            "alpha {alpha:.2} beta {beta:.2}: {:.2}%",
            100.0 * counts.rate()
        ));
        trials.push(Trial {
            alpha,
            beta,
            counts,
        });
        pools
            .par_iter_mut()
            .zip(dev)
            .zip(lists)
            .for_each(|((pool, utterance), list)| {
                pool.add(list, &utterance.reference, language, config, normalise);
            });
        let tried = |(alpha, beta): (f32, f32)| {
            trials
                .iter()
                .any(|t| (t.alpha - alpha).abs() < 0.02 && (t.beta - beta).abs() < 0.02)
        };
        next = match trials.len() {
            ROUNDS.. => None,
            _ => Some(fewest_errors(&pools))
                .filter(|&weights| !tried(weights))
                .or_else(|| Some((0.0, 0.0)).filter(|&weights| !tried(weights))),
        };
    }
    let best = trials.iter().min_by_key(|trial| trial.counts.errors());
    let (config, best) = match best {
        Some(trial) if trial.counts.errors() <= without.errors() => {
            let config = Config {
                lm: true,
                alpha: trial.alpha,
                beta: trial.beta,
                ..config.clone()
            };
            (config, trial.counts)
        }
        _ => (none, without),
    };
    Ok(Tuned {
        config,
        without,
        best,
        trials,
    })
}

/// Decodes a dev set: the n-best lists, and the errors of their first.
fn decode(
    config: &Config,
    outputs: &[Tokens],
    language: Option<&Arc<Language>>,
    dev: &[DevUtterance],
    normalise: &Normalisation,
) -> Result<(Vec<Vec<Hypothesis>>, ErrorCounts), Error> {
    let decoder = Decoder::new(config, outputs, language.cloned(), &[])?;
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
    Ok((lists, counts))
}

/// The hypotheses of an utterance from all rounds, each text once.
#[derive(Default)]
struct Pool {
    hypotheses: Vec<Scored>,
    places: HashMap<String, usize>,
}

/// A hypothesis by the parts of its score.
struct Scored {
    acoustic: f32,
    language: f32,
    words: f32,
    errors: u64,
}

impl Pool {
    fn add(
        &mut self,
        list: Vec<Hypothesis>,
        reference: &str,
        language: &Language,
        config: &Config,
        normalise: &Normalisation,
    ) {
        for hypothesis in list {
            if let Some(&place) = self.places.get(&hypothesis.text) {
                let known = &mut self.hypotheses[place];
                known.acoustic = known.acoustic.max(hypothesis.acoustic);
                continue;
            }
            let text = normalise.apply(&hypothesis.text);
            self.places
                .insert(hypothesis.text.clone(), self.hypotheses.len());
            self.hypotheses.push(Scored {
                acoustic: hypothesis.acoustic,
                language: language.log_prob(&hypothesis.text, config.unknown),
                words: hypothesis.words.len() as f32,
                errors: ErrorCounts::words(reference, &text, Costs::Levenshtein).errors(),
            });
        }
    }

    /// Errors of the likeliest hypothesis.
    fn errors(&self, alpha: f32, beta: f32) -> u64 {
        let mut best = (f32::NEG_INFINITY, 0);
        for hypothesis in &self.hypotheses {
            let score = hypothesis.acoustic + alpha * hypothesis.language + beta * hypothesis.words;
            if score > best.0 {
                best = (score, hypothesis.errors);
            }
        }
        best.1
    }
}

/// The weights of the grid with the fewest errors, those of its neighbours counted too.
fn fewest_errors(pools: &[Pool]) -> (f32, f32) {
    let weights = |index: usize| {
        let alpha = (index / BETAS.0) as f32 * ALPHAS.1;
        let beta = LEAST_BETA + (index % BETAS.0) as f32 * BETAS.1;
        (alpha, beta)
    };
    let errors: Vec<u64> = (0..ALPHAS.0 * BETAS.0)
        .into_par_iter()
        .map(|index| {
            let (alpha, beta) = weights(index);
            pools.iter().map(|pool| pool.errors(alpha, beta)).sum()
        })
        .collect();
    let around = |index: usize| {
        let (row, column) = (index / BETAS.0, index % BETAS.0);
        let (mut sum, mut count) = (0, 0);
        for row in row.saturating_sub(1)..(row + 2).min(ALPHAS.0) {
            for column in column.saturating_sub(1)..(column + 2).min(BETAS.0) {
                sum += errors[row * BETAS.0 + column];
                count += 1;
            }
        }
        sum as f64 / f64::from(count)
    };
    let best = (0..errors.len()).min_by(|&a, &b| around(a).total_cmp(&around(b)));
    weights(best.unwrap_or(0))
}
