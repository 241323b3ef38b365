//! Recurrent language models (Mikolov et al. 2010, 2011; Sundermeyer et al. 2012).
//!
//! [`Network`] is `embedding → dropout → recurrent layers → projection → softmax` on the layers of
//! [`crate::nn`]; the softmax and its cross entropy are one operation ([`Output`]), full, adaptive
//! or by classes ([`Partition`]). [`RnnTask`] is what [`crate::train`] runs; [`train`] goes from
//! texts to a model directory; [`Rnn`] answers from one.

mod config;
mod directory;
mod exp;
mod model;
mod network;
mod partition;
mod softmax;
mod task;
mod text;
mod train;

pub use config::{BatchConfig, Config, Context, ModelConfig};
pub use directory::{DESCRIPTION, Description, Provenance, VOCABULARY, WEIGHTS, write};
pub use model::{Memory, Rnn, State};
pub use network::Network;
pub use partition::{Partition, Place, SoftmaxConfig};
pub use softmax::Output;
pub use task::{Batch, RnnTask, Stretch};
pub use text::{Text, encode};
pub use train::{Training, train};
