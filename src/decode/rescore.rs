//! Second pass: an n-best list in the order of language models that cost too much in the search.

use std::f32::consts::LN_10;

use super::Hypothesis;
use crate::lm::{self, LanguageModel, UNKNOWN};

/// `ln p` of texts under a language model, `</s>` included. A word that the model does not know
/// adds `unknown` (nats) to its `ln p(<unk>)`. Texts that begin alike share their work, as
/// [`LanguageModel::score_sentences`] says.
///
/// # Errors
/// Those of the model.
pub fn sentence_scores<M: LanguageModel>(
    model: &M,
    texts: &[&str],
    unknown: f32,
) -> Result<Vec<f32>, lm::Error> {
    let vocabulary = model.vocabulary();
    let unit = vocabulary.unit();
    let sentences: Vec<_> = texts
        .iter()
        .map(|text| vocabulary.encode(text, unit))
        .collect();
    let scores = model.score_sentences(&sentences)?;
    let total = |(scores, sentence): (&Vec<f32>, &Vec<u32>)| {
        let unknowns = sentence.iter().filter(|&&word| word == UNKNOWN).count();
        scores.iter().sum::<f32>() * LN_10 + unknowns as f32 * unknown
    };
    Ok(scores.iter().zip(&sentences).map(total).collect())
}

/// Puts an n-best list into a new order: adds `weight ·` a score (`ln p` under another model, less
/// that of the model of the first pass where it takes its place) to each hypothesis. Equal ones keep
/// their order.
pub fn rescore(nbest: &mut [Hypothesis], scores: &[f32], weight: f32) {
    for (hypothesis, score) in nbest.iter_mut().zip(scores) {
        hypothesis.language += weight * score;
        hypothesis.score = hypothesis.acoustic + hypothesis.language;
    }
    nbest.sort_by(|a, b| b.score.total_cmp(&a.score));
}

/// The fewest word errors that any hypothesis of a list has against the reference: what the best of
/// all rescorings could reach.
pub fn oracle<'a>(nbest: &'a [Hypothesis], reference: &str) -> Option<&'a Hypothesis> {
    use crate::score::{Costs, ErrorCounts};
    let errors =
        |h: &&Hypothesis| ErrorCounts::words(reference, &h.text, Costs::Levenshtein).errors();
    nbest.iter().min_by_key(errors)
}
