//! Connectionist temporal classification: the probability of a label sequence summed over all its
//! alignments with the frames.
//!
//! After Graves, Fernández, Gomez & Schmidhuber 2006, "Connectionist Temporal Classification".
//! Everything is in nats; token 0 is the blank.

mod alignment;
mod best_path;
mod error;
mod expected;
mod forward_backward;
mod lanes;
mod lattice;
mod log_softmax;
mod loss;
#[cfg(test)]
mod reference;
mod scaled;
mod softmax;
mod states;

pub use alignment::{Alignment, TokenSpan, forced_alignment};
pub use best_path::best_path;
pub use error::Error;
pub use expected::{ExpectedLoss, expected_transcription_loss};
pub use lattice::{Infeasible, collapse, feasible, needed_frames};
pub use log_softmax::log_softmax;
pub use loss::{CtcLoss, loss};

/// The token that stands for "no label here".
pub const BLANK: u32 = 0;

/// Fails where a target holds the blank or a token outside the vocabulary.
fn check_labels(utterance: usize, target: &[u32], vocabulary: usize) -> Result<(), Error> {
    let outside = |&token: &u32| token == BLANK || token as usize >= vocabulary;
    match target.iter().position(outside) {
        Some(position) => Err(Error::Label {
            utterance,
            position,
            token: target[position],
            vocabulary,
        }),
        None => Ok(()),
    }
}
