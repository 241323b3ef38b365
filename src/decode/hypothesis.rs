//! What a decoder returns.

/// One guess at what was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// The tokens, collapsed: no blanks.
    pub tokens: Vec<u32>,
    /// Their text.
    pub text: String,
    /// What ranks it, a log-probability in nats; higher is better. Each decoder says of what.
    pub score: f32,
}
