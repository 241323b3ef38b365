//! How sure a recogniser is of each word: posteriors over the n-best list, and their calibration.

use serde::{Deserialize, Serialize};

use super::{Hypothesis, Word};
use crate::score::{Costs, Operation, align};

/// The posterior probability of each word of the first hypothesis of an n-best list: the summed
/// weight of the hypotheses that have the same word at the same place, where a hypothesis's weight
/// is the softmax of `scale ·` its score, and places are those of a word alignment with the first
/// (Wessel et al. 2001, "Confidence measures for large vocabulary continuous speech recognition",
/// over an n-best list in place of a lattice).
pub fn word_posteriors(nbest: &[Hypothesis], scale: f32) -> Vec<f32> {
    let Some(best) = nbest.first() else {
        return Vec::new();
    };
    let top = nbest
        .iter()
        .map(|h| h.score)
        .fold(f32::NEG_INFINITY, f32::max);
    let weight = |hypothesis: &Hypothesis| (scale * (hypothesis.score - top)).exp();
    let texts = |words: &'_ [Word]| {
        words
            .iter()
            .map(|word| word.text.clone())
            .collect::<Vec<_>>()
    };
    let reference = texts(&best.words);
    let mut posteriors = vec![0.0; reference.len()];
    for hypothesis in nbest {
        let weight = weight(hypothesis);
        let alignment = align(&reference, &texts(&hypothesis.words), Costs::Levenshtein);
        let mut place = 0;
        for &operation in alignment.operations() {
            if operation == Operation::Correct {
                posteriors[place] += weight;
            }
            place += usize::from(operation != Operation::Insertion);
        }
    }
    let total: f32 = nbest.iter().map(weight).sum();
    posteriors
        .iter_mut()
        .for_each(|posterior| *posterior = (*posterior / total).min(1.0));
    posteriors
}

/// Turns posteriors into probabilities of being right, by logistic regression on their log-odds
/// (Platt 1999).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Factor of the log-odds.
    pub slope: f64,
    /// Added to them.
    pub offset: f64,
}

impl Default for Calibration {
    /// Posteriors as they are.
    fn default() -> Self {
        Self {
            slope: 1.0,
            offset: 0.0,
        }
    }
}

impl Calibration {
    /// The calibration under which the words of a held-out set are likeliest: pairs of a posterior
    /// and whether the word was right. The same as given (slope 1, offset 0) if all are right or
    /// all wrong, or none are given: nothing can be learnt then.
    pub fn fit(words: &[(f32, bool)]) -> Self {
        let right = words.iter().filter(|(_, right)| *right).count();
        if right == 0 || right == words.len() {
            return Self::default();
        }
        let features: Vec<_> = words
            .iter()
            .map(|&(p, right)| (log_odds(p), right))
            .collect();
        // The log-likelihood with a little ridge, so that separable data stay finite: concave.
        let likelihood = |at: Self| {
            let of = |&(x, right): &(f64, bool)| {
                let odds = at.slope * x + at.offset;
                -(1.0 + (if right { -odds } else { odds }).exp()).ln()
            };
            features.iter().map(of).sum::<f64>() - 0.5 * RIDGE * at.slope * at.slope
        };
        let mut at = Self::default();
        // Newton's method; a step that overshoots is halved.
        for _ in 0..100 {
            let (mut g, mut h) = ([-RIDGE * at.slope, 0.0], [RIDGE, 0.0, RIDGE]);
            for &(x, right) in &features {
                let p = logistic(at.slope * x + at.offset);
                let (residual, weight) = (f64::from(right) - p, p * (1.0 - p));
                g[0] += residual * x;
                g[1] += residual;
                h[0] += weight * x * x;
                h[1] += weight * x;
                h[2] += weight;
            }
            let determinant = h[0] * h[2] - h[1] * h[1];
            let slope = (h[2] * g[0] - h[1] * g[1]) / determinant;
            let offset = (h[0] * g[1] - h[1] * g[0]) / determinant;
            let now = likelihood(at);
            let next = (0..40)
                .map(|halvings| 0.5f64.powi(halvings))
                .map(|f| Self {
                    slope: at.slope + f * slope,
                    offset: at.offset + f * offset,
                })
                .find(|&next| likelihood(next) > now);
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        at
    }

    /// The probability that a word with this posterior is right.
    pub fn apply(&self, posterior: f32) -> f32 {
        logistic(self.slope * log_odds(posterior) + self.offset) as f32
    }
}

/// Weight of the slope's square.
const RIDGE: f64 = 1e-6;

/// Log-odds, kept within what a posterior of an n-best list can mean.
fn log_odds(probability: f32) -> f64 {
    let p = f64::from(probability).clamp(1e-4, 1.0 - 1e-4);
    (p / (1.0 - p)).ln()
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// NIST's normalised cross entropy of confidences: how much of the uncertainty whether words are
/// right they take away. 1 is perfect, 0 as good as saying the share of right words each time,
/// below 0 worse. `None` if all words are right or all wrong.
pub fn normalised_cross_entropy(words: &[(f32, bool)]) -> Option<f64> {
    let right = words.iter().filter(|(_, right)| *right).count() as f64;
    let wrong = words.len() as f64 - right;
    if right == 0.0 || wrong == 0.0 {
        return None;
    }
    let share = right / words.len() as f64;
    let most = -right * share.log2() - wrong * (1.0 - share).log2();
    let bits = |&(confidence, right): &(f32, bool)| {
        // NIST's scorer keeps confidences off 0 and 1 alike.
        let p = f64::from(confidence).clamp(1e-7, 1.0 - 1e-7);
        if right { p.log2() } else { (1.0 - p).log2() }
    };
    Some((most + words.iter().map(bits).sum::<f64>()) / most)
}

/// [`normalised_cross_entropy`] of each dev set's words under the calibration of the others', from the
/// posteriors of each utterance's words, right or not, and the number of its set. A single set is
/// halved.
pub fn cross_entropies(words: &[Vec<(f32, bool)>], sets: &[usize]) -> Vec<Option<f64>> {
    let halves: Vec<usize> = (0..words.len()).map(|at| at % 2).collect();
    let parts = match sets.iter().any(|set| *set != sets[0]) {
        true => sets,
        false => &halves,
    };
    let of = |wanted: &dyn Fn(usize) -> bool| -> Vec<(f32, bool)> {
        let chosen = words.iter().zip(parts).filter(|(_, part)| wanted(**part));
        chosen
            .flat_map(|(words, _)| words.iter().copied())
            .collect()
    };
    let measured = |part: usize| {
        let calibration = Calibration::fit(&of(&|other| other != part));
        let apply = |(posterior, right)| (calibration.apply(posterior), right);
        let applied: Vec<_> = of(&|other| other == part).into_iter().map(apply).collect();
        normalised_cross_entropy(&applied)
    };
    let count = parts.iter().max().map_or(0, |last| last + 1);
    (0..count).map(measured).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hypothesis(text: &str, score: f32) -> Hypothesis {
        let word = |text: &str| Word {
            text: text.into(),
            tokens: 0..0,
        };
        let words = text.split_whitespace().map(word).collect();
        Hypothesis::new(Vec::new(), words, score, 0.0)
    }

    #[test]
    fn a_word_has_the_weight_of_the_hypotheses_that_have_it_there() {
        let nbest = [
            hypothesis("the cat sat", 0.5f32.ln()),
            hypothesis("the hat sat", 0.3f32.ln()),
            hypothesis("cat sat down", 0.2f32.ln()),
        ];
        let posteriors = word_posteriors(&nbest, 1.0);
        for (ours, expected) in posteriors.iter().zip([0.8, 0.7, 1.0]) {
            assert!((ours - expected).abs() < 1e-6, "{posteriors:?}");
        }
        let sharper = word_posteriors(&nbest, 2.0);
        assert!(sharper[0] > posteriors[0]);
        assert!(word_posteriors(&[], 1.0).is_empty());
    }

    /// With one posterior for all words the likeliest calibration gives the share of right ones.
    #[test]
    fn calibration_gives_the_share_of_right_words() {
        let words: Vec<_> = (0..100).map(|i| (0.9, i % 4 != 0)).collect();
        let calibration = Calibration::fit(&words);
        assert!((calibration.apply(0.9) - 0.75).abs() < 1e-4);
        assert_eq!(Calibration::fit(&[(0.9, true)]), Calibration::default());
    }

    #[test]
    fn separable_words_stay_finite() {
        let calibration = Calibration::fit(&[(0.9, true), (0.8, true), (0.2, false)]);
        assert!(calibration.slope.is_finite() && calibration.slope > 0.0);
        assert!(calibration.apply(0.85) > 0.99);
    }

    #[test]
    fn normalised_cross_entropy_is_nists() {
        let half: Vec<_> = (0..10).map(|i| (0.5, i < 5)).collect();
        assert!(normalised_cross_entropy(&half).unwrap().abs() < 1e-12);
        let sure: Vec<_> = (0..10)
            .map(|i| (if i < 5 { 1.0 } else { 0.0 }, i < 5))
            .collect();
        assert!(normalised_cross_entropy(&sure).unwrap() > 0.999_999);
        // H = 1 bit a word; log₂ 0.8 a word is left.
        let good: Vec<_> = (0..10)
            .map(|i| (if i < 5 { 0.8 } else { 0.2 }, i < 5))
            .collect();
        let expected = 1.0 + 0.8f64.log2();
        assert!((normalised_cross_entropy(&good).unwrap() - expected).abs() < 1e-6);
        assert_eq!(normalised_cross_entropy(&[(0.5, true)]), None);
    }

    proptest! {
        /// No other line through the log-odds makes the words likelier.
        #[test]
        fn the_fit_is_the_likeliest(
            words in prop::collection::vec((0.01f32..0.99, any::<bool>()), 4..40),
            slope in -0.3f64..0.3,
            offset in -0.3f64..0.3,
        ) {
            let likelihood = |c: Calibration| -> f64 {
                let of = |&(p, right): &(f32, bool)| {
                    let x = c.slope * log_odds(p) + c.offset;
                    logistic(if right { x } else { -x }).ln()
                };
                words.iter().map(of).sum()
            };
            let fit = Calibration::fit(&words);
            let other = Calibration { slope: fit.slope + slope, offset: fit.offset + offset };
            let mixed = words.iter().any(|w| w.1) && words.iter().any(|w| !w.1);
            prop_assert!(!mixed || likelihood(fit) >= likelihood(other) - 1e-3);
        }
    }

    #[test]
    fn confidences_are_measured_on_sets_that_did_not_calibrate_them() {
        // In set 1 posteriors mean the opposite of what they do in set 0.
        let utterance = |set: usize| {
            let right = set == 0;
            vec![(0.9, right), (0.9, right), (0.2, !right), (0.9, !right)]
        };
        let sets = [0, 1, 0, 1, 0, 1];
        let words: Vec<_> = sets.map(utterance).to_vec();
        let across = cross_entropies(&words, &sets);
        assert!(
            across.len() == 2 && across.iter().all(|share| share.unwrap() < 0.0),
            "{across:?}"
        );
        // Utterances of one set: the halves are alike.
        let words: Vec<_> = [0; 6].map(utterance).to_vec();
        let halves = cross_entropies(&words, &[0; 6]);
        assert!(
            halves.len() == 2 && halves.iter().all(|share| share.unwrap() > 0.0),
            "{halves:?}"
        );
    }
}
