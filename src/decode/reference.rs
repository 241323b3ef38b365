//! What the tests of the searches share: the slow, obviously right twin, and a search that prunes
//! nothing.

use std::collections::BTreeMap;

use ndarray::Array2;

use super::PrefixBeam;
use crate::ctc::collapse;
use crate::lm::Source;
use crate::lm::ngram::{NGram, read_arpa};

/// A beam that holds everything.
pub(super) const EXACT: PrefixBeam = PrefixBeam {
    beam: 100_000,
    nbest: 100_000,
    beam_threshold: f32::INFINITY,
    token_threshold: f32::INFINITY,
    alike: 0,
};

/// The probability of every label sequence, by enumerating all `V^T` paths.
pub(super) fn enumerate(log_probs: &Array2<f32>) -> BTreeMap<Vec<u32>, f64> {
    let (frames, tokens) = log_probs.dim();
    let mut probabilities = BTreeMap::new();
    for index in 0..tokens.pow(frames as u32) {
        let digit = |t: usize| index / tokens.pow(t as u32) % tokens;
        let path: Vec<u32> = (0..frames).map(|t| digit(t) as u32).collect();
        let log_prob: f64 = (0..frames)
            .map(|t| f64::from(log_probs[[t, digit(t)]]))
            .sum();
        *probabilities.entry(collapse(&path)).or_insert(0.0) += log_prob.exp();
    }
    probabilities
}

/// A language model from the text of an ARPA file.
pub(super) fn ngram(arpa: &str) -> NGram {
    let text = std::io::Cursor::new(arpa.as_bytes().to_vec());
    let trie = read_arpa(Source::new("tiny.arpa".into(), text).unwrap()).unwrap();
    NGram::from_trie("tiny".into(), &trie, None).unwrap()
}
