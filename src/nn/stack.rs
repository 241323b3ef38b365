//! Recurrent layers one above the other, with dropout between them.

use std::sync::Arc;

use candle_core::Tensor;

use super::recurrent::{LayerConfig, RecurrentLayer, State};
use super::{Cell, Error, Mode, Packing, Parameters, Runtime, dropout, with_values};

/// What a stack of layers is.
#[derive(Debug, Clone, PartialEq)]
pub struct RecurrentConfig {
    /// The cell of every layer.
    pub cell: Cell,
    /// `D`, the dimension of the input.
    pub input: usize,
    /// `H`, cells in each direction of every layer.
    pub cells: usize,
    /// How many layers.
    pub layers: usize,
    /// Whether every layer runs in both directions.
    pub bidirectional: bool,
    /// The share of each layer's inputs, but the first's, that is dropped in training.
    pub dropout: f32,
    /// The initial bias of the LSTM's forget gates; drawn like the others when there is none.
    pub forget_bias: Option<f32>,
    /// Compute activations again in the backward pass instead of keeping them.
    pub recompute: bool,
}

impl RecurrentConfig {
    /// The `i`-th layer, the lowest being 0.
    pub fn layer(&self, i: usize) -> LayerConfig {
        let mut layer = LayerConfig {
            cell: self.cell,
            input: self.input,
            cells: self.cells,
            bidirectional: self.bidirectional,
            forget_bias: self.forget_bias,
            recompute: self.recompute,
        };
        if i > 0 {
            layer.input = layer.output();
        }
        layer
    }
}

/// A deep recurrent network (Graves, Mohamed & Hinton 2013, section 2.1): each layer reads the
/// outputs of both directions of the one below.
///
/// Parameters: `NAME.0.w`, `NAME.0.b`, `NAME.1.w`, …
pub struct Recurrent {
    layers: Vec<RecurrentLayer>,
    dropout: f32,
}

/// What a stack computed.
pub struct Outputs {
    /// The output `[N, dirs·H]` of every layer, the lowest first, before dropout.
    pub layers: Vec<Tensor>,
    /// The state in which every layer ended.
    pub states: Vec<State>,
}

/// Where a number is infinite or not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFinite {
    /// The layer, from 0.
    pub layer: usize,
    /// The utterance's place in the batch, longest first.
    pub utterance: usize,
    /// The frame.
    pub frame: usize,
}

impl Outputs {
    /// The output of the top layer.
    pub fn top(&self) -> &Tensor {
        &self.layers[self.layers.len() - 1]
    }

    /// The first number that is infinite or not a number, from the lowest layer up: what a
    /// training run says when it stops.
    ///
    /// Fails when the outputs are not of this packing.
    pub fn not_finite(&self, packing: &Packing) -> Result<Option<NotFinite>, Error> {
        for (layer, output) in self.layers.iter().enumerate() {
            let (rows, dim) = output.dims2()?;
            packing.check_rows("output of a layer", rows, dim)?;
            let at = with_values(output, |v| v.iter().position(|v| !v.is_finite()))?;
            if let Some(at) = at {
                let (frame, utterance) = packing.frame_of(at / dim);
                return Ok(Some(NotFinite {
                    layer,
                    utterance,
                    frame,
                }));
            }
        }
        Ok(None)
    }
}

impl Recurrent {
    /// Adds the layers' parameters.
    ///
    /// Fails when a dimension or the number of layers is zero, or dropout is not in `[0, 1)`.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        config: &RecurrentConfig,
        runtime: Runtime,
    ) -> Result<Self, Error> {
        if config.layers == 0 {
            return Err(Error::Setting(format!("`{name}` has no layers")));
        }
        dropout::check(config.dropout)?;
        let layers = (0..config.layers)
            .map(|i| {
                let name = format!("{name}.{i}");
                RecurrentLayer::new(parameters, &name, config.layer(i), runtime)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            layers,
            dropout: config.dropout,
        })
    }

    /// The layers, the lowest first.
    pub fn layers(&self) -> &[RecurrentLayer] {
        &self.layers
    }

    /// The dimension of the top layer's output.
    pub fn output(&self) -> usize {
        self.layers.last().map_or(0, RecurrentLayer::output)
    }

    /// Runs all layers over `x` `[N, D]`, from the given states (one a layer) or from zeros.
    ///
    /// Fails when a shape does not fit.
    pub fn forward(
        &self,
        x: &Tensor,
        packing: &Arc<Packing>,
        states: Option<&[State]>,
        mode: Mode,
    ) -> Result<Outputs, Error> {
        if let Some(states) = states
            && states.len() != self.layers.len()
        {
            return Err(Error::Shape {
                what: "states, one a layer".into(),
                expected: vec![self.layers.len()],
                found: vec![states.len()],
            });
        }
        let mut outputs = Outputs {
            layers: Vec::with_capacity(self.layers.len()),
            states: Vec::with_capacity(self.layers.len()),
        };
        let mut input = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                input = mode.dropout(&input, self.dropout, i as u64)?;
            }
            let state = states.map(|states| &states[i]);
            let (output, end) = layer.forward(&input, packing, state, mode)?;
            input = output.clone();
            outputs.layers.push(output);
            outputs.states.push(end);
        }
        Ok(outputs)
    }
}
