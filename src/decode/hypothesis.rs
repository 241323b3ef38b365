//! What a decoder returns.

/// One guess at what was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// The tokens, collapsed: no blanks.
    pub tokens: Vec<u32>,
    /// Their text.
    pub text: String,
    /// What ranks it, in nats; higher is better: the sum of the two parts below.
    pub score: f32,
    /// The acoustic model's part: the log-probability of the tokens' alignments that the decoder
    /// has seen (of the best one only, if it is [`greedy`](super::greedy)).
    pub acoustic: f32,
    /// What guided the search besides the acoustic model: the weighted language model and word
    /// bonuses. 0 without.
    pub language: f32,
}
