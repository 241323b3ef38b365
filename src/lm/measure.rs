//! Scores of sentences, and the perplexity of a text.

use rayon::prelude::*;

use super::Error;
use super::model::LanguageModel;
use super::source::Source;
use super::vocabulary::{UNKNOWN, Unit};

/// Sentences scored by one call of the model.
const BATCH: usize = 128;

/// A scored sentence.
#[derive(Clone, Debug)]
pub struct Sentence {
    /// As it stands in the text.
    pub text: String,
    /// Its tokens, `</s>` not among them.
    pub tokens: Vec<u32>,
    /// `log₁₀ p` of each token, and of `</s>`.
    pub log10_probs: Vec<f32>,
}

impl Sentence {
    /// `log₁₀ p` of the sentence, its end included.
    pub fn log10_prob(&self) -> f64 {
        self.log10_probs
            .iter()
            .map(|&log10_prob| f64::from(log10_prob))
            .sum()
    }

    /// Tokens that the model does not know.
    pub fn unknown(&self) -> usize {
        self.tokens
            .iter()
            .filter(|&&token| token == UNKNOWN)
            .count()
    }
}

/// What a text's sentences sum to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Sentences.
    pub sentences: u64,
    /// Tokens, the end of each sentence counted.
    pub tokens: u64,
    /// Tokens that the model does not know.
    pub unknown: u64,
    /// `log₁₀ p` of all.
    pub log10_prob: f64,
    /// `log₁₀ p` of the unknown ones.
    pub log10_prob_unknown: f64,
}

impl Totals {
    /// Adds a sentence.
    pub fn add(&mut self, sentence: &Sentence) {
        self.sentences += 1;
        self.tokens += sentence.log10_probs.len() as u64;
        for (&log10_prob, &token) in sentence.log10_probs.iter().zip(&sentence.tokens) {
            if token == UNKNOWN {
                self.unknown += 1;
                self.log10_prob_unknown += f64::from(log10_prob);
            }
        }
        self.log10_prob += sentence.log10_prob();
    }

    /// Perplexity of all tokens, unknown ones at the probability of `<unk>`.
    pub fn perplexity(&self) -> f64 {
        10f64.powf(-self.log10_prob / self.tokens as f64)
    }

    /// Perplexity of the tokens that the model knows, if there are any.
    pub fn perplexity_of_known(&self) -> Option<f64> {
        let known = (self.tokens - self.unknown) as f64;
        (known > 0.0).then(|| 10f64.powf(-(self.log10_prob - self.log10_prob_unknown) / known))
    }

    /// Bits a token: for a model over characters, bits a character.
    pub fn bits_per_token(&self) -> f64 {
        -self.log10_prob / self.tokens as f64 * std::f64::consts::LOG2_10
    }
}

/// Scores every line of a text as a sentence, on all threads (but in order where the model
/// remembers), and hands them on in their order.
pub fn score_lines<M: LanguageModel, E: From<Error>>(
    model: &M,
    source: Source,
    unit: Unit,
    max_line: usize,
    mut each: impl FnMut(Sentence) -> Result<(), E>,
) -> Result<(), E> {
    source.for_each_block(max_line, |block| {
        let text = block.text.strip_suffix('\n').unwrap_or(block.text);
        let lines: Vec<&str> = text.split('\n').collect();
        if model.in_order() {
            return score(model, &lines, unit)?
                .into_iter()
                .try_for_each(&mut each);
        }
        let scored: Vec<Vec<Sentence>> = lines
            .par_chunks(BATCH)
            .map(|lines| score(model, lines, unit))
            .collect::<Result<_, Error>>()?;
        scored.into_iter().flatten().try_for_each(&mut each)
    })
}

/// Scores lines as sentences, in one call of the model.
pub fn score<M: LanguageModel>(
    model: &M,
    lines: &[&str],
    unit: Unit,
) -> Result<Vec<Sentence>, Error> {
    let tokens: Vec<Vec<u32>> = lines
        .iter()
        .map(|line| model.vocabulary().encode(line, unit))
        .collect();
    let scores = model.score_sentences(&tokens)?;
    let sentences = lines
        .iter()
        .zip(tokens)
        .zip(scores)
        .map(|((line, tokens), log10_probs)| Sentence {
            text: line.trim().to_string(),
            tokens,
            log10_probs,
        });
    Ok(sentences.collect())
}
