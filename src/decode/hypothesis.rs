//! What a decoder returns.

use std::ops::Range;

use super::Step;
use crate::text::Tokens;

/// One guess at what was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// The tokens, collapsed: no blanks.
    pub tokens: Vec<u32>,
    /// The words that they spell, or that a lexicon says they pronounce.
    pub words: Vec<Word>,
    /// The words' texts with a space between.
    pub text: String,
    /// What ranks it, in nats; higher is better: the sum of the two parts below.
    pub score: f32,
    /// The acoustic model's part: the log-probability of the tokens' alignments that the search has
    /// seen, of all if it is a [`Decoder`](super::Decoder)'s (of the best one only, if it is
    /// [`greedy`](super::greedy)).
    pub acoustic: f32,
    /// What guided the search besides the acoustic model: the weighted language model and word
    /// bonuses. 0 without.
    pub language: f32,
    /// What these two were made of.
    pub parts: Parts,
}

/// A hypothesis's scores by who gave them, nats, without weights.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Parts {
    /// `ln p` under the output that was decoded.
    pub output: f32,
    /// `ln p` under another output.
    pub combined: Option<f32>,
    /// `ln p` under the language model of the search.
    pub lm: Option<f32>,
    /// `ln p` under the language model of the second pass.
    pub rescoring: Option<f32>,
}

/// A word of a hypothesis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Its spelling.
    pub text: String,
    /// Its tokens among those of the hypothesis; the space before it is not one of them.
    pub tokens: Range<usize>,
}

impl Hypothesis {
    pub(super) fn new(tokens: Vec<u32>, words: Vec<Word>, acoustic: f32, language: f32) -> Self {
        let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
        let text = texts.join(" ");
        Self {
            tokens,
            words,
            text,
            score: acoustic + language,
            acoustic,
            language,
            parts: Parts {
                output: acoustic,
                ..Parts::default()
            },
        }
    }

    /// What is known to have been said: words with their tokens, or, where `between` is a token, with
    /// it between them. Without scores.
    pub fn known(
        words: impl IntoIterator<Item = (String, Vec<u32>)>,
        between: Option<u32>,
    ) -> Self {
        let (mut tokens, mut known) = (Vec::new(), Vec::new());
        for (text, of_word) in words {
            if !tokens.is_empty() {
                tokens.extend(between);
            }
            let begin = tokens.len();
            tokens.extend(of_word);
            known.push(Word {
                text,
                tokens: begin..tokens.len(),
            });
        }
        Self::new(tokens, known, 0.0, 0.0)
    }

    /// A hypothesis of the acoustic model alone.
    pub(super) fn spelled(spelled: Vec<u32>, tokens: &Tokens, acoustic: f32) -> Self {
        let steps: Vec<_> = spelled
            .iter()
            .map(|&token| Step { token, label: 0 })
            .collect();
        let words = spelled_words(tokens, &steps);
        Self::new(spelled, words, acoustic, 0.0)
    }
}

/// The words that tokens spell: what stands between spaces in an inventory of characters, every
/// token in any other.
pub(super) fn spelled_words(tokens: &Tokens, steps: &[Step]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut within = false;
    for (at, step) in steps.iter().enumerate() {
        if Some(step.token) == tokens.space() {
            within = false;
            continue;
        }
        let Some(symbol) = tokens.symbols().get(step.token as usize) else {
            continue;
        };
        match words.last_mut() {
            Some(word) if within => {
                word.text.push_str(symbol);
                word.tokens.end = at + 1;
            }
            _ => words.push(Word {
                text: symbol.clone(),
                tokens: at..at + 1,
            }),
        }
        within = tokens.is_characters();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(tokens: &Tokens, text: &str) -> Vec<(String, Range<usize>)> {
        let encoded = tokens.encode_text(text).unwrap();
        let steps: Vec<_> = encoded
            .iter()
            .map(|&token| Step { token, label: 0 })
            .collect();
        let words = spelled_words(tokens, &steps);
        words
            .into_iter()
            .map(|word| (word.text, word.tokens))
            .collect()
    }

    #[test]
    fn spaces_separate_the_words_of_characters() {
        let expected = [("it's".into(), 1..5), ("a".into(), 7..8)];
        assert_eq!(words(&Tokens::characters(), " it's  a "), expected);
        assert_eq!(words(&Tokens::characters(), " "), []);
    }

    #[test]
    fn every_phone_is_a_word() {
        assert_eq!(
            words(&Tokens::phones(), "HH AH"),
            [("HH".into(), 0..1), ("AH".into(), 1..2)]
        );
    }
}
