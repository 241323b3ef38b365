//! Second pass: an n-best list in the order of what costs too much in the search: another output of
//! the acoustic model, and another language model.

use std::f32::consts::LN_10;
use std::sync::Arc;

use ndarray::ArrayView2;

use super::{Error, Hypothesis};
use crate::ctc;
use crate::lm::{self, LanguageModel, UNKNOWN};
use crate::nn::Packing;
use crate::score::{Costs, ErrorCounts};
use crate::text::Tokens;

/// A language model of any family, as rescoring needs it.
pub trait Rescorer: Send + Sync {
    /// For each text `ln p` of its tokens, `</s>` last. A token that the model does not know has
    /// `unknown` (nats) on top of its `ln p(<unk>)`. Texts that begin alike share their work, as
    /// [`LanguageModel::score_sentences`] says.
    ///
    /// # Errors
    /// Those of the model.
    fn token_log_probs(&self, texts: &[&str], unknown: f32) -> Result<Vec<Vec<f32>>, lm::Error>;
}

impl<M: LanguageModel + Send> Rescorer for M {
    fn token_log_probs(&self, texts: &[&str], unknown: f32) -> Result<Vec<Vec<f32>>, lm::Error> {
        let vocabulary = self.vocabulary();
        let unit = vocabulary.unit();
        let sentences: Vec<_> = texts
            .iter()
            .map(|text| vocabulary.encode(text, unit))
            .collect();
        let mut scores = self.score_sentences(&sentences)?;
        for (scores, sentence) in scores.iter_mut().zip(&sentences) {
            for (at, score) in scores.iter_mut().enumerate() {
                *score *= LN_10;
                if sentence.get(at) == Some(&UNKNOWN) {
                    *score += unknown;
                }
            }
        }
        Ok(scores)
    }
}

/// `ln p` of a text under two models interpolated, `weight` for the second: token by token where
/// they cut the text alike (`Σ ln((1 − λ) p₁ + λ p₂)`), in log space over the whole text otherwise
/// (words and characters).
pub fn interpolated(first: &[f32], second: &[f32], weight: f32) -> f32 {
    if first.len() != second.len() {
        return (1.0 - weight) * first.iter().sum::<f32>() + weight * second.iter().sum::<f32>();
    }
    let token = |(&first, &second): (&f32, &f32)| {
        let (a, b) = (first + (1.0 - weight).ln(), second + weight.ln());
        let (high, low) = if a >= b { (a, b) } else { (b, a) };
        high + (low - high).exp().ln_1p()
    };
    match weight {
        0.0 => first.iter().sum(),
        1.0 => second.iter().sum(),
        _ => first.iter().zip(second).map(token).sum(),
    }
}

/// What a text scores that an output cannot have emitted: too long for the frames, or with a
/// character outside its inventory. Finite, so that weights of zero stay harmless.
const IMPOSSIBLE: f32 = -1e5;

/// Texts aligned at once: bounds the memory.
const ALIGNED_AT_ONCE: usize = 32;

/// `ln p` of texts under an output of characters with `[T, V]` log-probabilities, summed over all
/// alignments.
///
/// # Errors
/// Log-probabilities that are not finite.
pub fn text_log_probs(
    log_probs: ArrayView2<'_, f32>,
    tokens: &Tokens,
    texts: &[&str],
) -> Result<Vec<f32>, Error> {
    let encoded: Vec<Option<Vec<u32>>> = texts
        .iter()
        .map(|text| tokens.encode_text(text).ok())
        .collect();
    let encoded: Vec<Option<&[u32]>> = encoded.iter().map(Option::as_deref).collect();
    label_log_probs(log_probs, &encoded)
}

/// `ln p` of label sequences under an output with `[T, V]` log-probabilities, summed over all
/// alignments (Graves et al. 2006, section 4.1); very low for one that is not there or too long.
///
/// # Errors
/// Log-probabilities that are not finite.
pub(super) fn label_log_probs(
    log_probs: ArrayView2<'_, f32>,
    labels: &[Option<&[u32]>],
) -> Result<Vec<f32>, Error> {
    let mut scores = vec![IMPOSSIBLE; labels.len()];
    let possible: Vec<(usize, &[u32])> = labels
        .iter()
        .enumerate()
        .filter_map(|(place, target)| Some((place, (*target)?)))
        .filter(|(_, target)| ctc::feasible(log_probs.nrows(), target).is_ok())
        .collect();
    for group in possible.chunks(ALIGNED_AT_ONCE) {
        let packing = Arc::new(Packing::new(vec![log_probs.nrows(); group.len()])?);
        let packed = packing.pack(&vec![log_probs.reborrow(); group.len()])?;
        let targets: Vec<Vec<u32>> = group.iter().map(|(_, target)| target.to_vec()).collect();
        let loss = ctc::loss(&packed, &packing, &targets)?;
        for ((place, _), nats) in group.iter().zip(loss.per_utterance) {
            scores[*place] = -nats;
        }
    }
    Ok(scores)
}

/// The hypothesis of a list with the fewest word errors against the reference: what the best of all
/// rescorings could reach.
pub fn oracle<'a>(nbest: &'a [Hypothesis], reference: &str) -> Option<&'a Hypothesis> {
    let errors =
        |h: &&Hypothesis| ErrorCounts::words(reference, &h.text, Costs::Levenshtein).errors();
    nbest.iter().min_by_key(errors)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::super::reference::EXACT;
    use super::*;

    proptest! {
        #[test]
        fn interpolation_is_that_of_probabilities(
            probs in prop::collection::vec((0.01f32..1.0, 0.01f32..1.0), 1..6),
            weight in prop_oneof![Just(0.0f32), Just(1.0), 0.0f32..1.0],
        ) {
            let first: Vec<f32> = probs.iter().map(|p| p.0.ln()).collect();
            let second: Vec<f32> = probs.iter().map(|p| p.1.ln()).collect();
            let expected: f32 =
                probs.iter().map(|p| ((1.0 - weight) * p.0 + weight * p.1).ln()).sum();
            prop_assert!((interpolated(&first, &second, weight) - expected).abs() < 1e-3);
        }

        /// A beam that holds everything knows the probability of every text.
        #[test]
        fn texts_have_the_probability_that_an_exhaustive_beam_finds(
            values in prop::collection::vec(-4.0f32..0.0, 4 * 3)
        ) {
            let symbols = ["<blank>", "a", "b"].map(String::from).to_vec();
            let tokens = Tokens::from_symbols(symbols).unwrap();
            let mut log_probs = Array2::from_shape_vec((4, 3), values).unwrap();
            for mut row in log_probs.rows_mut() {
                let sum = row.iter().map(|x| x.exp()).sum::<f32>().ln();
                row.mapv_inplace(|x| x - sum);
            }
            let all = EXACT.decode(log_probs.view(), &tokens);
            let texts: Vec<&str> = all.iter().map(|h| h.text.as_str()).collect();
            let scores = text_log_probs(log_probs.view(), &tokens, &texts).unwrap();
            for (hypothesis, score) in all.iter().zip(scores) {
                prop_assert!((hypothesis.acoustic - score).abs() < 1e-3);
            }
            let impossible = text_log_probs(log_probs.view(), &tokens, &["aaa", "c"]).unwrap();
            prop_assert_eq!(impossible, vec![IMPOSSIBLE; 2]);
        }
    }
}
