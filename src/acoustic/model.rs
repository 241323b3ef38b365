//! The network: recurrent layers and the CTC outputs on them.

use std::sync::Arc;

use candle_core::Tensor;
use ndarray::{Array2, ArrayView2};

use super::{Config, Error};
use crate::ctc;
use crate::nn::{Linear, Mode, Packing, Parameters, Recurrent, Runtime, with_values};
use crate::text::Tokens;

/// One CTC output: its inventory and its linear layer.
pub struct Output {
    /// The inventory; token 0 is the blank.
    pub tokens: Tokens,
    /// Weight of its loss.
    pub weight: f64,
    layer: usize,
    linear: Linear,
}

/// A stack of recurrent layers with CTC outputs: features `[N, D]` to logits `[N, V]`.
///
/// Parameters are named `recurrent.K.w`, `recurrent.K.b` (layer `K` from 0) and `output.K.w`,
/// `output.K.b`.
pub struct AcousticModel {
    config: Config,
    input: usize,
    parameters: Parameters,
    recurrent: Recurrent,
    outputs: Vec<Output>,
}

impl AcousticModel {
    /// A model of the given architecture with `input` features a frame, its weights drawn from
    /// `seed`. `tokens` are the inventories of its outputs, in the order of the configuration.
    ///
    /// # Errors
    /// [`Error::Config`] for an impossible architecture.
    pub fn new(
        config: &Config,
        tokens: Vec<Tokens>,
        input: usize,
        runtime: Runtime,
        seed: u64,
    ) -> Result<Self, Error> {
        config.check()?;
        if tokens.len() != config.outputs.len() {
            return Err(Error::Config(format!(
                "{} inventories for {} outputs",
                tokens.len(),
                config.outputs.len()
            )));
        }
        let mut parameters = Parameters::new(seed);
        let stack = config.recurrent(input);
        let recurrent = Recurrent::new(&mut parameters, "recurrent", &stack, runtime)?;
        let width = recurrent.output();
        let outputs = config
            .outputs
            .iter()
            .zip(tokens)
            .enumerate()
            .map(|(index, (output, tokens))| {
                let name = format!("output.{index}");
                let linear = Linear::new(&mut parameters, &name, width, tokens.len(), runtime)?;
                Ok(Output {
                    layer: config.layer_of(output),
                    weight: output.weight,
                    tokens,
                    linear,
                })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            config: config.clone(),
            input,
            parameters,
            recurrent,
            outputs,
        })
    }

    /// The architecture.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Features a frame, `D`.
    pub fn input(&self) -> usize {
        self.input
    }

    /// The weights.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The CTC outputs in the order of the configuration.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// Logits `[N, V]` of each output for packed features `[N, D]`. In training, dropout falls on
    /// every layer's output.
    ///
    /// # Errors
    /// A shape that is not the model's.
    pub fn forward(
        &self,
        features: &Tensor,
        packing: &Arc<Packing>,
        mode: Mode,
    ) -> Result<Vec<Tensor>, Error> {
        let hidden = self
            .recurrent
            .forward(features, packing, None, mode)?
            .layers;
        let dropout = self.config.dropout as f32;
        self.outputs
            .iter()
            .enumerate()
            .map(|(index, output)| {
                let place = (self.config.layers + index) as u64;
                let hidden = mode.dropout(&hidden[output.layer], dropout, place)?;
                Ok(output.linear.forward(&hidden)?)
            })
            .collect()
    }

    /// Log-probabilities `[T, V]` (nats) of utterances `[T, D]`: for each output, one matrix an
    /// utterance, in the given order. Batch mates do not change them.
    ///
    /// # Errors
    /// An empty utterance or features of another dimension.
    pub fn log_probs(
        &self,
        utterances: &[ArrayView2<'_, f32>],
    ) -> Result<Vec<Vec<Array2<f32>>>, Error> {
        let lengths: Vec<usize> = utterances.iter().map(|u| u.nrows()).collect();
        let order = Packing::order(&lengths);
        let packing = Arc::new(Packing::new(order.iter().map(|&i| lengths[i]).collect())?);
        let sorted: Vec<ArrayView2<'_, f32>> =
            order.iter().map(|&i| utterances[i].reborrow()).collect();
        let features = packing.pack(&sorted)?;
        let mut all = Vec::new();
        for logits in self.forward(&features, &packing, Mode::Infer)? {
            let log_probs = ctc::log_softmax(&logits)?;
            let mut unsorted: Vec<Array2<f32>> = vec![Array2::default((0, 0)); utterances.len()];
            for (matrix, &place) in packing.unpack(&log_probs)?.into_iter().zip(&order) {
                unsorted[place] = matrix;
            }
            all.push(unsorted);
        }
        Ok(all)
    }

    /// The first layer whose output for one utterance is not finite, in words; `None` if all are.
    pub(super) fn first_bad_layer(&self, features: &ArrayView2<'_, f32>) -> Option<String> {
        if features.iter().any(|value| !value.is_finite()) {
            return Some("the features".into());
        }
        let packing = Arc::new(Packing::new(vec![features.nrows()]).ok()?);
        let features = packing.pack(&[features.reborrow()]).ok()?;
        let hidden = self
            .recurrent
            .forward(&features, &packing, None, Mode::Infer)
            .ok()?;
        if let Some(bad) = hidden.not_finite(&packing).ok()? {
            return Some(format!("layer `recurrent.{}`", bad.layer));
        }
        for (index, output) in self.outputs.iter().enumerate() {
            let logits = output.linear.forward(&hidden.layers[output.layer]).ok()?;
            let finite = with_values(&logits, |values| values.iter().all(|v| v.is_finite()));
            if !finite.ok()? {
                return Some(format!("layer `output.{index}`"));
            }
        }
        None
    }
}
