//! The weights of the language model, chosen on a dev set.

mod point;
mod pools;

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::decoder::other_output;
use super::{
    Calibration, Config, Decoder, Error, Hypothesis, Language, Rescorer, cross_entropies, oracle,
    word_posteriors,
};
use crate::score::{Costs, ErrorCounts, Operation, align};
use crate::text::{Normalisation, Tokens};

pub use point::Point;
use pools::{Pool, fewest_errors};

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
