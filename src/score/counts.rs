//! Counts of recognition errors and the rates they make.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::Serialize;

use super::{Costs, align};

/// Counts of an alignment, or of many added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ErrorCounts {
    /// Items that are the same on both sides.
    pub correct: u64,
    /// Reference items recognised as others.
    pub substitutions: u64,
    /// Reference items that are missing.
    pub deletions: u64,
    /// Items that the reference lacks.
    pub insertions: u64,
}

impl ErrorCounts {
    /// Counts of the alignment of two sequences.
    pub fn of<T: PartialEq>(reference: &[T], hypothesis: &[T], costs: Costs) -> Self {
        align(reference, hypothesis, costs).counts()
    }

    /// Counts over words, separated by white space.
    pub fn words(reference: &str, hypothesis: &str, costs: Costs) -> Self {
        let reference: Vec<_> = reference.split_whitespace().collect();
        let hypothesis: Vec<_> = hypothesis.split_whitespace().collect();
        Self::of(&reference, &hypothesis, costs)
    }

    /// Counts over characters, the spaces between words included (as `jiwer`'s CER counts them);
    /// white space at the ends does not count.
    pub fn characters(reference: &str, hypothesis: &str, costs: Costs) -> Self {
        let characters = |text: &str| text.trim().chars().collect::<Vec<_>>();
        Self::of(&characters(reference), &characters(hypothesis), costs)
    }

    /// Items of the reference: correct, substituted and deleted ones.
    pub fn reference_len(&self) -> u64 {
        self.correct + self.substitutions + self.deletions
    }

    /// Substitutions, deletions and insertions.
    pub fn errors(&self) -> u64 {
        self.substitutions + self.deletions + self.insertions
    }

    /// The error rate: errors per reference item, as a fraction; over 1 where many are inserted.
    ///
    /// Without a single reference item there is nothing to divide by: the rate is then 0 if nothing
    /// was inserted and otherwise the number of insertions, as if the reference had one item (as
    /// `jiwer` counts). Within a corpus an empty reference needs no such rule: its insertions are
    /// added to the sum like any other.
    pub fn rate(&self) -> f64 {
        self.errors() as f64 / self.reference_len().max(1) as f64
    }
}

impl Add for ErrorCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            correct: self.correct + other.correct,
            substitutions: self.substitutions + other.substitutions,
            deletions: self.deletions + other.deletions,
            insertions: self.insertions + other.insertions,
        }
    }
}

impl AddAssign for ErrorCounts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for ErrorCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_errors_per_reference_item() {
        let counts = ErrorCounts::words("the cat sat on it", "the cat sad it it", Costs::default());
        assert_eq!(counts.reference_len(), 5);
        assert_eq!(counts.errors(), 2);
        assert_eq!(counts.rate(), 0.4);
    }

    #[test]
    fn spaces_count_as_characters_between_words_only() {
        let counts = ErrorCounts::characters(" ab cd\n", "abcd", Costs::default());
        assert_eq!((counts.deletions, counts.reference_len()), (1, 5));
    }

    #[test]
    fn an_empty_reference_counts_its_insertions() {
        let rate = |hypothesis| ErrorCounts::words("", hypothesis, Costs::default()).rate();
        assert_eq!(rate(""), 0.0);
        assert_eq!(rate("one two three"), 3.0);
        let both = ErrorCounts::words("", "a b", Costs::default())
            + ErrorCounts::words("x y z w", "x y z w", Costs::default());
        assert_eq!(both.rate(), 0.5);
    }

    #[test]
    fn a_rate_may_exceed_one() {
        assert_eq!(
            ErrorCounts::words("a", "b c d", Costs::default()).rate(),
            3.0
        );
    }
}
