//! What the loop needs to know of what it trains.

use candle_core::Tensor;

use super::{Error, Rng};
use crate::nn::Parameters;

/// The loss of one batch.
pub struct Loss {
    /// The scalar to differentiate, already averaged as the task's configuration says.
    pub objective: Tensor,
    /// The loss summed over the batch, nats.
    pub sum: f64,
    /// What `sum` is divided by in reports (frames, or tokens).
    pub weight: f64,
    /// Frames (or tokens) processed, for the speed.
    pub frames: usize,
    /// Examples that had to be left out, each with the reason.
    pub left_out: Vec<String>,
}

/// The figures of a model on the held-out data.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// Mean loss, nats per unit of weight.
    pub loss: f64,
    /// What the best epoch is chosen by; smaller is better.
    pub selection: f64,
    /// Named figures (`cer`, `wer`, `blank fraction`…), in the order to print them.
    pub figures: Vec<(String, f64)>,
    /// What the model says of a fixed held-out example, to be read by a person.
    pub sample: Option<String>,
}

/// Something that the loop can train.
pub trait Task: Sync {
    /// What identifies a batch before it is loaded: indices, usually.
    type Plan: Send + Sync;
    /// A batch in memory.
    type Batch: Send;

    /// The parameters to train, in a stable order.
    fn parameters(&self) -> &Parameters;

    /// The batches of an epoch (counted from 0), a function of its arguments alone.
    fn plan(&self, epoch: usize, rng: &mut Rng) -> Vec<Self::Plan>;

    /// Reads one batch and augments it; may run on a reader thread ahead of [`Task::loss`].
    ///
    /// # Errors
    /// Whatever the reading gives, with the file named.
    fn load(&self, epoch: usize, plan: &Self::Plan, rng: &mut Rng) -> Result<Self::Batch, Error>;

    /// Builds the graph of one batch up to the loss, dropout included.
    ///
    /// # Errors
    /// A tensor operation that failed.
    fn loss(&self, batch: &Self::Batch, rng: &mut Rng) -> Result<Loss, Error>;

    /// Names the example and the layer in which a batch's numbers stopped being finite.
    fn diagnose(&self, batch: &Self::Batch) -> String;

    /// Measures the model on the held-out data.
    ///
    /// # Errors
    /// Whatever the reading or the forward pass gives.
    fn evaluate(&self) -> Result<Evaluation, Error>;

    /// Tensors that pass from one batch to the next besides the parameters (the hidden state of
    /// truncated backpropagation through time); they are part of a checkpoint.
    fn carry(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    /// Puts back what [`Task::carry`] gave.
    ///
    /// # Errors
    /// Tensors that do not fit the task.
    fn set_carry(&self, carry: Vec<(String, Tensor)>) -> Result<(), Error> {
        if carry.is_empty() {
            Ok(())
        } else {
            Err(Error::Config(
                "the checkpoint carries a state that this task does not have".into(),
            ))
        }
    }
}
