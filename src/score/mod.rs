//! How wrong a recogniser is: alignment, word and character error rates, their intervals, and
//! whether one system is better than another.

mod align;
mod bootstrap;
mod counts;
mod display;
mod evaluation;
mod matched_pairs;
mod transcripts;

pub use align::{Alignment, Costs, Operation, align};
pub use bootstrap::{Bootstrap, Interval, LEVEL, PairedBootstrap};
pub use counts::ErrorCounts;
pub use evaluation::{Comparison, Evaluation, SpeakerErrors, Utterance, compare};
pub use matched_pairs::{Mapsswe, Segment, mapsswe, segments};
pub use transcripts::{Joined, Layout, Missing, Pair, Transcripts, join};

/// Why transcripts cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line is not UTF-8.
    #[error("{file}, line {line}: not UTF-8; convert the file")]
    NotUtf8 {
        /// The file.
        file: String,
        /// Counted from 1.
        line: usize,
    },
    /// Two lines have the same ID.
    #[error("{file}, line {line}: `{id}` is there twice, first in line {first}")]
    Duplicate {
        /// The file.
        file: String,
        /// The ID.
        id: String,
        /// The second line, counted from 1.
        line: usize,
        /// The first line.
        first: usize,
    },
    /// A file has no line with an ID.
    #[error(
        "{file} has no transcripts: expected lines of `ID words`, `words (ID)` or `FILE<TAB>words`"
    )]
    Empty {
        /// The file.
        file: String,
    },
    /// An utterance is in one file only.
    #[error(
        "`{id}` is in {present} and not in {absent} ({without_hypothesis} references have no hypothesis, \
         {without_reference} hypotheses no reference): complete the files, or say `--missing delete` or `--missing skip`"
    )]
    OneSided {
        /// The first such ID.
        id: String,
        /// The file that has it.
        present: String,
        /// The file that lacks it.
        absent: String,
        /// How many references have no hypothesis.
        without_hypothesis: usize,
        /// How many hypotheses have no reference.
        without_reference: usize,
    },
    /// No utterance is in both files.
    #[error(
        "{references} and {hypotheses} have no utterance in common: are their IDs of the same kind?"
    )]
    NothingInCommon {
        /// The references' file.
        references: String,
        /// The hypotheses' file.
        hypotheses: String,
    },
    /// An utterance's speaker is not known.
    #[error("`{id}` has no speaker in {file}: add a line `{id} SPEAKER`")]
    NoSpeaker {
        /// The utterance.
        id: String,
        /// The file of speakers.
        file: String,
    },
}
