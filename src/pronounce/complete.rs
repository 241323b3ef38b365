//! The pronunciations of a vocabulary: those of a lexicon, and guesses for what it lacks.

use rayon::prelude::*;

use super::LetterToSound;
use crate::text::Lexicon;

/// How a word is pronounced.
#[derive(Debug)]
pub struct Entry {
    /// Whether the lexicon has the word.
    pub known: bool,
    /// Its pronunciations, those of the lexicon or the guesses, likeliest first; none for a word
    /// with a letter that letter-to-sound does not know.
    pub pronunciations: Vec<Vec<u32>>,
}

/// Which guesses become entries.
#[derive(Clone, Copy, Debug)]
pub struct Guesses {
    /// So many for a word at most.
    pub most: usize,
    /// Of several, those with at least this share of the probability.
    pub least: f32,
}

impl Guesses {
    /// The likeliest guess alone.
    pub const BEST: Self = Self {
        most: 1,
        least: 0.0,
    };
}

/// An entry for every word, in the order of the words: what the lexicon says of it, or else what
/// letter-to-sound guesses.
pub fn complete(
    words: &[&str],
    lexicon: &Lexicon,
    model: Option<&LetterToSound>,
    guesses: Guesses,
) -> Vec<Entry> {
    let entry = |word: &&str| {
        let known = lexicon.pronunciations(word);
        if !known.is_empty() {
            return Entry {
                known: true,
                pronunciations: known.to_vec(),
            };
        }
        let found = model
            .iter()
            .flat_map(|model| model.pronounce(word, guesses.most));
        Entry {
            known: false,
            pronunciations: found
                .enumerate()
                .filter(|(at, (_, share))| *at == 0 || *share >= guesses.least)
                .map(|(_, (phones, _))| phones)
                .collect(),
        }
    };
    words.par_iter().map(entry).collect()
}
