//! What can go wrong in this room.

/// Errors of the CTC loss and of alignments.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The logits, the packing and the targets are not of one batch.
    #[error(
        "the CTC loss got {rows} rows of logits and {targets} targets for a batch of {frames} frames and {utterances} utterances"
    )]
    Batch {
        /// Rows of the logits.
        rows: usize,
        /// Frames of the packing, `N`.
        frames: usize,
        /// Targets passed.
        targets: usize,
        /// Utterances of the packing, `B`.
        utterances: usize,
    },
    /// The logits and the packing are not of one batch.
    #[error("the loss got {rows} rows of logits for a batch of {frames} frames")]
    Rows {
        /// Rows of the logits.
        rows: usize,
        /// Frames of the packing, `N`.
        frames: usize,
    },
    /// A target holds the blank, or a token that the model does not have.
    #[error(
        "the target of utterance {utterance} holds token {token} at position {position}; labels are 1 to {} (0 is the blank)", vocabulary.saturating_sub(1)
    )]
    Label {
        /// Place of the utterance in the batch.
        utterance: usize,
        /// Place in its target.
        position: usize,
        /// What is there.
        token: u32,
        /// `V`.
        vocabulary: usize,
    },
    /// The model's output is no number: training has diverged, or the input was not finite.
    #[error(
        "the logits of utterance {utterance} of the batch are NaN or infinite at frame {frame}"
    )]
    NotFinite {
        /// Place of the utterance in the batch.
        utterance: usize,
        /// The first such frame.
        frame: usize,
    },
    /// Logits or log-probabilities outside a batch are no numbers.
    #[error("the model's output is NaN or infinite in row {row}")]
    NotFiniteRow {
        /// The first such row.
        row: usize,
    },
    /// A target that is to be aligned needs more frames than there are.
    #[error("cannot align: {0}")]
    Infeasible(#[from] super::Infeasible),
    /// The logits are not f32 in main memory.
    #[error(transparent)]
    Values(#[from] crate::nn::Error),
    /// The tensor library failed.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}
