//! Error rates of a letter-to-sound model on words that it has not seen.

use rayon::prelude::*;

use super::{Error, LetterToSound, Training};
use crate::score::{Costs, ErrorCounts};
use crate::text::{Lexicon, Tokens};

/// Errors of a model's first pronunciations, each against the closest one of the lexicon, as
/// Bisani & Ney (2008) count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Words asked for.
    pub words: u64,
    /// Words whose pronunciation is none of the lexicon's.
    pub wrong: u64,
    /// Phones of the references.
    pub phones: u64,
    /// Phones substituted, deleted and inserted.
    pub errors: u64,
}

impl Measured {
    /// The phone error rate, a fraction.
    pub fn phone_error_rate(&self) -> f64 {
        self.errors as f64 / self.phones.max(1) as f64
    }

    /// The word error rate, a fraction.
    pub fn word_error_rate(&self) -> f64 {
        self.wrong as f64 / self.words.max(1) as f64
    }
}

/// Trains on a lexicon without every `nth` word and measures on those.
///
/// # Errors
/// Those of [`LetterToSound::train`].
pub fn held_out(
    lexicon: &Lexicon,
    phones: &Tokens,
    training: Training,
    nth: usize,
) -> Result<Measured, Error> {
    let held = |at: usize| at % nth == nth - 1;
    let mut index = 0..;
    let seen = lexicon.filtered(|_| index.next().is_none_or(|at| !held(at)));
    let trie = LetterToSound::train(&seen, phones, training)?;
    let model = LetterToSound::from_trie(&trie, phones)?;
    let entries: Vec<_> = lexicon
        .entries()
        .enumerate()
        .filter(|&(at, _)| held(at))
        .map(|(_, entry)| entry)
        .collect();
    let each = entries.par_iter().map(|(word, references)| {
        let found = model.pronounce(word, 1).pop();
        measure(
            found.map(|(phones, _)| phones).unwrap_or_default(),
            references,
        )
    });
    Ok(each.reduce(Measured::default, |a, b| Measured {
        words: a.words + b.words,
        wrong: a.wrong + b.wrong,
        phones: a.phones + b.phones,
        errors: a.errors + b.errors,
    }))
}

fn measure(found: Vec<u32>, references: &[Vec<u32>]) -> Measured {
    let closest = references
        .iter()
        .map(|reference| ErrorCounts::of(reference, &found, Costs::Levenshtein))
        .min_by_key(ErrorCounts::errors);
    let Some(counts) = closest else {
        return Measured::default();
    };
    Measured {
        words: 1,
        wrong: u64::from(counts.errors() > 0),
        phones: counts.reference_len(),
        errors: counts.errors(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_pronunciation_counts() {
        let references = [vec![1, 2, 3, 4], vec![1, 2]];
        let measured = measure(vec![1, 3], &references);
        let expected = Measured {
            words: 1,
            wrong: 1,
            phones: 2,
            errors: 1,
        };
        assert_eq!(measured, expected);
        assert_eq!(measure(vec![1, 2], &references).wrong, 0);
        assert_eq!(measure(vec![], &references).errors, 2);
    }

    #[test]
    fn held_out_words_are_pronounced_where_the_corpora_are() {
        let Some(root) = std::env::var_os("HEARKEN_DATA") else {
            return;
        };
        let path = std::path::Path::new(&root).join("lexicon/cmudict.dict");
        let phones = Tokens::phones();
        let mut index = 0..;
        let some = Lexicon::read(&path, &phones)
            .unwrap()
            .filtered(|_| index.next().is_some_and(|at| at % 10 == 0));
        let training = Training {
            order: 5,
            ngrams: 100_000,
        };
        let measured = held_out(&some, &phones, training, 10).unwrap();
        assert!(measured.words > 1000);
        assert!(measured.phone_error_rate() < 0.2, "{measured:?}");
    }
}
