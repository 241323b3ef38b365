//! The network: `embedding → dropout → recurrent layers → projection → softmax`.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::config::ModelConfig;
use super::partition::Partition;
use super::softmax::Output;
use crate::nn::{
    Embedding, Error, Linear, Mode, Packing, Parameters, Recurrent, Runtime, State, with_values,
};

/// Half the width of the interval that an embedding's weights are drawn from.
const EMBEDDING_BOUND: f32 = 0.1;

/// A recurrent network over tokens (Mikolov et al. 2010; Sundermeyer et al. 2012 for the LSTM).
///
/// Parameters: `embedding.w` `[V, D]` (`[R, D]` when tied), `recurrent.K.w`, `recurrent.K.b`,
/// `projection.w`, `projection.b`, `output.w` `[R, D]` unless tied, `output.b` `[R]`; `R` are the
/// rows of the [`Partition`].
pub struct Network {
    config: ModelConfig,
    parameters: Parameters,
    embedding: Embedding,
    recurrent: Recurrent,
    projection: Option<Linear>,
    output: Output,
}

impl Network {
    /// A network whose weights are drawn from `seed`. Its output's bias begins at `bias` `[R]`.
    ///
    /// Fails when the bias is not the partition's.
    pub fn new(
        config: &ModelConfig,
        partition: Partition,
        bias: Vec<f32>,
        runtime: Runtime,
        seed: u64,
    ) -> Result<Self, Error> {
        let mut parameters = Parameters::new(seed);
        let (rows, groups) = (partition.rows(), partition.groups());
        let vectors = if config.tied { rows } else { rows - groups };
        let embedding = Embedding::new(
            &mut parameters,
            "embedding",
            vectors,
            config.embedding,
            EMBEDDING_BOUND,
        )?;
        let recurrent = Recurrent::new(&mut parameters, "recurrent", &config.recurrent(), runtime)?;
        let projection = match config.projection {
            0 => None,
            size => Some(Linear::new(
                &mut parameters,
                "projection",
                config.cells,
                size,
                runtime,
            )?),
        };
        let own = if config.tied {
            None
        } else {
            let dim = config.output();
            let table = parameters.uniform(&[rows, dim], 1.0 / (dim as f32).sqrt())?;
            Some(parameters.add("output.w", &table, true)?)
        };
        let table = match (own, parameters.get("embedding.w")) {
            (Some(own), _) => own,
            (None, Some(shared)) => shared.clone(),
            (None, None) => return Err(Error::Missing("embedding.w".into())),
        };
        let bias = Tensor::from_vec(bias, rows, &Device::Cpu)?;
        let bias = parameters.add("output.b", &bias, false)?;
        let output = Output::new(partition, table, bias, &parameters, runtime);
        Ok(Self {
            config: config.clone(),
            parameters,
            embedding,
            recurrent,
            projection,
            output,
        })
    }

    /// The architecture.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The weights.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The softmax.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// What the softmax reads, `[N, D]`, after each token of a packed batch, and the states in
    /// which the layers end. They start from `states`, or from zeros.
    ///
    /// Fails at a token outside the vocabulary, or states of another network.
    pub fn forward(
        &self,
        tokens: &[u32],
        packing: &Arc<Packing>,
        states: Option<&[State]>,
        mode: Mode,
    ) -> Result<(Tensor, Vec<State>), Error> {
        let dropout = self.config.dropout as f32;
        let embedded = if self.config.tied {
            let groups = self.output.partition().groups() as u32;
            let rows: Vec<u32> = tokens.iter().map(|token| token + groups).collect();
            self.embedding.forward(&rows)?
        } else {
            self.embedding.forward(tokens)?
        };
        // Places 1, 2, … are the stack's own.
        let embedded = mode.dropout(&embedded, dropout, 0)?;
        let outputs = self.recurrent.forward(&embedded, packing, states, mode)?;
        let top = mode.dropout(outputs.top(), dropout, self.config.layers as u64)?;
        let read = match &self.projection {
            Some(projection) => projection.forward(&top)?,
            None => top,
        };
        Ok((read, outputs.states))
    }

    /// The first part of the network whose output is not finite for these tokens, in words.
    pub(super) fn first_bad_part(&self, tokens: &[u32], packing: &Arc<Packing>) -> Option<String> {
        for (name, value, _) in self.parameters.iter() {
            let finite = with_values(value, |values| values.iter().all(|v| v.is_finite()));
            if !finite.ok()? {
                return Some(format!("parameter `{name}` is not finite"));
            }
        }
        let (read, _) = self.forward(tokens, packing, None, Mode::Infer).ok()?;
        let finite = with_values(&read, |values| values.iter().all(|v| v.is_finite()));
        (!finite.ok()?).then(|| "the output of the layers is not finite".to_string())
    }
}
