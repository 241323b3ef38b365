//! The words of overlapping windows as one sequence.

use super::RecognisedWord;

/// How far apart two windows may place the same word, seconds: a syllable.
const APART: f64 = 0.25;

/// Takes away from the end of `left` and the beginning of `right`, the words of two windows that
/// overlap around the second `cut`, what both have heard.
///
/// The windows are joined at the word nearest to the cut that both heard at the same time: it and
/// all before it come from the left window, all behind it from the right one. Where they agree on no
/// word, each keeps those whose middle lies on its side of the cut. Times never go backwards.
pub fn join(left: &mut Vec<RecognisedWord>, right: &mut Vec<RecognisedWord>, cut: f64) {
    let middle = |word: &RecognisedWord| (word.timed.start + word.timed.end) / 2.0;
    let mut anchor: Option<(f64, usize, usize)> = None;
    for (i, ours) in left.iter().enumerate() {
        for (j, theirs) in right.iter().enumerate() {
            let same = ours.timed.text == theirs.timed.text
                && (middle(ours) - middle(theirs)).abs() <= APART;
            let distance = (middle(ours) - cut).abs();
            if same && anchor.is_none_or(|(least, ..)| distance < least) {
                anchor = Some((distance, i, j));
            }
        }
    }
    match anchor {
        Some((_, i, j)) => {
            left.truncate(i + 1);
            right.drain(..=j);
        }
        None => {
            left.retain(|word| middle(word) < cut);
            right.retain(|word| middle(word) >= cut);
        }
    }
    let Some(until) = left.last().map(|word| word.timed.end) else {
        return;
    };
    for word in right.iter_mut().take_while(|word| word.timed.start < until) {
        let timed = &mut word.timed;
        timed.start = until;
        timed.end = timed.end.max(until);
        for token in &mut timed.tokens {
            token.start = token.start.max(until);
            token.end = token.end.max(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::TimedWord;

    fn word(text: &str, start: f64) -> RecognisedWord {
        RecognisedWord {
            timed: TimedWord {
                text: text.to_owned(),
                start,
                end: start + 0.3,
                peak: 1.0,
                tokens: Vec::new(),
            },
            confidence: 1.0,
        }
    }

    fn joined(left: &[(&str, f64)], right: &[(&str, f64)], cut: f64) -> String {
        let words = |list: &[(&str, f64)]| list.iter().map(|(t, s)| word(t, *s)).collect();
        let (mut left, mut right): (Vec<_>, Vec<_>) = (words(left), words(right));
        join(&mut left, &mut right, cut);
        let texts = left
            .iter()
            .chain(&right)
            .map(|word| word.timed.text.as_str());
        texts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_word_that_both_heard_stands_once_and_each_side_is_believed_on_its_own() {
        let left = [
            ("it", 8.0),
            ("was", 8.5),
            ("a", 9.0),
            ("dark", 9.5),
            ("nigh", 10.5),
        ];
        let right = [
            ("as", 8.6),
            ("a", 9.05),
            ("dark", 9.5),
            ("night", 10.4),
            ("and", 11.0),
        ];
        assert_eq!(joined(&left, &right, 9.8), "it was a dark night and");
        assert_eq!(joined(&left, &right, 9.0), "it was a dark night and");
    }

    #[test]
    fn a_repeated_word_is_not_taken_for_itself() {
        let left = [("the", 8.0), ("the", 9.0)];
        let right = [("the", 9.0), ("the", 10.0)];
        assert_eq!(joined(&left, &right, 9.2), "the the the");
    }

    #[test]
    fn without_agreement_the_cut_decides() {
        let (left, right) = ([("a", 8.0), ("b", 9.4)], [("c", 8.6), ("d", 9.3)]);
        assert_eq!(joined(&left, &right, 9.0), "a d");
    }

    proptest! {
        /// Two windows that hear alike, wherever their overlap begins and ends.
        #[test]
        fn equal_hearing_neither_loses_nor_doubles(
            texts in prop::collection::vec(0u8..4, 20),
            gaps in prop::collection::vec(0.3f64..0.9, 20),
            cut in 3.0f64..7.0,
        ) {
            let mut at = 0.0;
            let all: Vec<RecognisedWord> = texts
                .iter()
                .zip(&gaps)
                .map(|(text, gap)| {
                    at += gap;
                    word(&text.to_string(), at)
                })
                .collect();
            let mut left: Vec<_> = all.iter().filter(|w| w.timed.end < cut + 3.0).cloned().collect();
            let mut right: Vec<_> = all.iter().filter(|w| w.timed.start > cut - 3.0).cloned().collect();
            join(&mut left, &mut right, cut);
            let found: Vec<_> = left.iter().chain(&right).map(|w| w.timed.clone()).collect();
            prop_assert_eq!(found, all.iter().map(|w| w.timed.clone()).collect::<Vec<_>>());
        }
    }
}
