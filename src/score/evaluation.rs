//! A system's errors on a test set, by utterance and by speaker, and the comparison of two systems.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use serde::Serialize;

use super::{
    Alignment, Bootstrap, Costs, Error, ErrorCounts, Interval, Mapsswe, Pair, PairedBootstrap,
    Transcripts, align, mapsswe, segments,
};
use crate::text::Normalisation;

/// One scored utterance.
#[derive(Debug, Clone)]
pub struct Utterance {
    /// Its ID.
    pub id: String,
    /// The words of the reference, normalised.
    pub reference: Vec<String>,
    /// The words of the hypothesis, normalised.
    pub hypothesis: Vec<String>,
    /// The alignment of the two.
    pub alignment: Alignment,
    /// Errors in words.
    pub words: ErrorCounts,
    /// Errors in characters, spaces between words included.
    pub characters: ErrorCounts,
}

/// A scored test set.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The utterances, in the order of the references.
    pub utterances: Vec<Utterance>,
}

/// Errors of one speaker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpeakerErrors {
    /// The speaker.
    pub speaker: String,
    /// How many utterances.
    pub utterances: usize,
    /// Errors in words.
    pub words: ErrorCounts,
    /// Errors in characters.
    pub characters: ErrorCounts,
}

impl Evaluation {
    /// Normalises both texts of every pair alike and aligns them, on all cores.
    pub fn new(pairs: &[Pair], normalisation: &Normalisation, costs: Costs) -> Self {
        let score = |pair: &Pair| {
            let words = |text: &str| -> Vec<String> {
                normalisation
                    .apply(text)
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect()
            };
            let (reference, hypothesis) = (words(&pair.reference), words(&pair.hypothesis));
            let alignment = align(&reference, &hypothesis, costs);
            Utterance {
                id: pair.id.clone(),
                words: alignment.counts(),
                characters: ErrorCounts::characters(
                    &reference.join(" "),
                    &hypothesis.join(" "),
                    costs,
                ),
                alignment,
                reference,
                hypothesis,
            }
        };
        Self {
            utterances: pairs.par_iter().map(score).collect(),
        }
    }

    /// Errors in words, summed.
    pub fn words(&self) -> ErrorCounts {
        self.utterances
            .iter()
            .map(|utterance| utterance.words)
            .sum()
    }

    /// Errors in characters, summed.
    pub fn characters(&self) -> ErrorCounts {
        self.utterances
            .iter()
            .map(|utterance| utterance.characters)
            .sum()
    }

    /// Utterances with at least one word wrong.
    pub fn wrong_utterances(&self) -> usize {
        self.utterances
            .iter()
            .filter(|utterance| utterance.words.errors() > 0)
            .count()
    }

    /// Confidence interval of the word error rate, by a bootstrap over utterances.
    pub fn wer_interval(&self, bootstrap: Bootstrap) -> Option<Interval> {
        self.interval(bootstrap, |utterance| utterance.words)
    }

    /// Confidence interval of the character error rate, by a bootstrap over utterances.
    pub fn cer_interval(&self, bootstrap: Bootstrap) -> Option<Interval> {
        self.interval(bootstrap, |utterance| utterance.characters)
    }

    fn interval(
        &self,
        bootstrap: Bootstrap,
        counts: fn(&Utterance) -> ErrorCounts,
    ) -> Option<Interval> {
        let counts = self.utterances.iter().map(counts);
        let rows: Vec<_> = counts
            .map(|counts| (counts.errors(), counts.reference_len()))
            .collect();
        bootstrap.interval(&rows)
    }

    /// Errors by speaker, sorted by name. `speakers` are lines of `ID SPEAKER` (Kaldi's `utt2spk`),
    /// read from `name`.
    ///
    /// # Errors
    /// [`Error::NoSpeaker`] names the first utterance without one.
    pub fn by_speaker(
        &self,
        speakers: &Transcripts,
        name: &str,
    ) -> Result<Vec<SpeakerErrors>, Error> {
        let of: HashMap<&str, &str> = speakers
            .entries()
            .iter()
            .map(|(id, speaker)| (id.as_str(), speaker.as_str()))
            .collect();
        let mut table = BTreeMap::new();
        for utterance in &self.utterances {
            let speaker = of
                .get(utterance.id.as_str())
                .copied()
                .filter(|s| !s.is_empty());
            let speaker = speaker.ok_or_else(|| Error::NoSpeaker {
                id: utterance.id.clone(),
                file: name.into(),
            })?;
            let row = table.entry(speaker).or_insert_with(|| SpeakerErrors {
                speaker: speaker.into(),
                utterances: 0,
                words: ErrorCounts::default(),
                characters: ErrorCounts::default(),
            });
            row.utterances += 1;
            row.words += utterance.words;
            row.characters += utterance.characters;
        }
        Ok(table.into_values().collect())
    }
}

/// Two systems compared on the utterances that both have. Signs are those of the first minus the
/// second: negative if the first is better.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Comparison {
    /// The utterances that both have.
    pub utterances: usize,
    /// The paired bootstrap of the word error rates; absent without replicates.
    pub bootstrap: Option<PairedBootstrap>,
    /// The matched pairs test on sentence segments.
    pub mapsswe: Mapsswe,
}

/// Compares two systems that were scored against the same references.
pub fn compare(first: &Evaluation, second: &Evaluation, bootstrap: Bootstrap) -> Comparison {
    let of: HashMap<&str, &Utterance> = second
        .utterances
        .iter()
        .map(|utterance| (utterance.id.as_str(), utterance))
        .collect();
    let both: Vec<_> = first
        .utterances
        .iter()
        .filter_map(|a| Some((a, *of.get(a.id.as_str())?)))
        .collect();
    let rows: Vec<_> = both
        .iter()
        .map(|(a, b)| (a.words.errors(), b.words.errors(), a.words.reference_len()))
        .collect();
    let segments: Vec<_> = both
        .iter()
        .flat_map(|(a, b)| segments(&a.alignment, &b.alignment))
        .collect();
    Comparison {
        utterances: both.len(),
        bootstrap: bootstrap.paired(&rows),
        mapsswe: mapsswe(&segments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(lines: &[(&str, &str, &str)]) -> Evaluation {
        let pair = |&(id, reference, hypothesis): &(&str, &str, &str)| Pair {
            id: id.into(),
            reference: reference.into(),
            hypothesis: hypothesis.into(),
        };
        let pairs: Vec<_> = lines.iter().map(pair).collect();
        Evaluation::new(&pairs, &Normalisation::english(), Costs::Levenshtein)
    }

    #[test]
    fn both_sides_are_normalised_alike() {
        let evaluation = evaluate(&[("u", "Don't—STOP!", "don’t stop")]);
        assert_eq!(evaluation.words().errors(), 0);
        assert_eq!(evaluation.words().reference_len(), 2);
        assert_eq!(evaluation.characters().reference_len(), 10);
    }

    #[test]
    fn counts_add_up_over_utterances_and_speakers() {
        let evaluation = evaluate(&[("u1", "a b", "a"), ("u2", "c", "c d"), ("u3", "", "e")]);
        let words = evaluation.words();
        assert_eq!(
            (words.correct, words.deletions, words.insertions),
            (2, 1, 2)
        );
        assert_eq!(evaluation.wrong_utterances(), 3);

        let speakers = Transcripts::parse(b"u1 s2\nu2 s1\nu3 s2\n", "utt2spk").unwrap();
        let table = evaluation.by_speaker(&speakers, "utt2spk").unwrap();
        let rows: Vec<_> = table
            .iter()
            .map(|r| (r.speaker.as_str(), r.utterances, r.words.errors()))
            .collect();
        assert_eq!(rows, [("s1", 1, 1), ("s2", 2, 2)]);

        let speakers = Transcripts::parse(b"u1 s2\nu2 s1\n", "utt2spk").unwrap();
        let error = evaluation
            .by_speaker(&speakers, "utt2spk")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("`u3` has no speaker in utt2spk"),
            "{error}"
        );
    }

    #[test]
    fn systems_are_compared_on_the_utterances_that_both_have() {
        let first = evaluate(&[("u1", "a b c", "a b c"), ("u2", "d e", "d e")]);
        let second = evaluate(&[
            ("u2", "d e", "d x"),
            ("u1", "a b c", "a x c"),
            ("u9", "f", "g"),
        ]);
        let comparison = compare(
            &first,
            &second,
            Bootstrap {
                replicates: 100,
                seed: 0,
            },
        );
        assert_eq!(comparison.utterances, 2);
        assert_eq!(comparison.mapsswe.segments, 2);
        assert_eq!(comparison.mapsswe.mean, -1.0);
        assert!((comparison.bootstrap.unwrap().difference + 0.4).abs() < 1e-12);
    }
}
