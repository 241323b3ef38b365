//! Small models for the tests of this room.

use super::FALLBACK;
use super::estimate::{Estimation, VocabularyLimit, estimate};
use super::tokens::Reading;
use super::trie::{InMemory, Trie};
use crate::lm::{Source, Unit};

/// Sentences of words `a`, `b`, … drawn so that some are far more frequent than others.
pub fn random_text(seed: u64, sentences: usize, words: u64) -> String {
    let mut state = seed;
    let mut below = |n: u64| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) % n
    };
    let mut text = String::new();
    for _ in 0..sentences {
        for _ in 0..below(9) {
            let most = 1 + below(words);
            text.push((b'a' + below(most) as u8) as char);
            text.push(' ');
        }
        text.push('\n');
    }
    text
}

/// How the tests estimate.
pub fn estimation(order: usize) -> Estimation {
    Estimation {
        order,
        prune: Vec::new(),
        vocabulary: VocabularyLimit::All,
        discount_fallback: Some(FALLBACK),
        reading: Reading {
            unit: Unit::Word,
            max_line: 1 << 20,
            skip_symbols: false,
        },
        memory: 1 << 30,
        folder: std::env::temp_dir(),
    }
}

/// The model of a text.
pub fn model(text: &str, order: usize) -> Trie {
    estimated(text, &estimation(order))
}

/// The model of a text.
pub fn estimated(text: &str, how: &Estimation) -> Trie {
    let bytes = std::io::Cursor::new(text.to_string().into_bytes());
    estimate(
        vec![Source::new("the text".into(), bytes).unwrap()],
        how,
        InMemory,
    )
    .unwrap()
}
