//! A layer of recurrent cells, in one direction or both.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::kernels::Weights;
use super::layer_op::LayerOp;
use super::spare::Spare;
use super::tensor::with_values;
use super::{Cell, Derived, Error, Mode, Packing, Parameters, Runtime};

/// What a recurrent layer is.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerConfig {
    /// The cell.
    pub cell: Cell,
    /// `D`, the dimension of its input.
    pub input: usize,
    /// `H`, cells in each direction.
    pub cells: usize,
    /// Whether a second direction runs from the end to the beginning.
    pub bidirectional: bool,
    /// The initial bias of the LSTM's forget gates; drawn like the others when there is none.
    pub forget_bias: Option<f32>,
    /// Compute the activations again in the backward pass instead of keeping them: about a third
    /// more work, and `dirs·N·(G+1)·H` numbers less.
    pub recompute: bool,
}

impl LayerConfig {
    /// How many directions there are.
    pub fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }

    /// The dimension of the output: `H`, or `2·H` in both directions.
    pub fn output(&self) -> usize {
        self.directions() * self.cells
    }

    /// `G·H`, the pre-activations of one frame in one direction.
    pub fn width(&self) -> usize {
        self.cell.gates() * self.cells
    }
}

/// The state of one layer between two stretches of the same utterances, for truncated
/// backpropagation through time. No gradient goes through it.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// `h` `[dirs, B, H]`.
    pub hidden: Vec<f32>,
    /// `c` `[dirs, B, H]`; empty without an LSTM.
    pub cell: Vec<f32>,
}

/// A layer of recurrent cells in one direction or both.
///
/// Parameters: `NAME.w` `[dirs, G·H, D+H]` (`W_ih | W_hh`; gate order i, f, g, o) and `NAME.b`
/// `[dirs, G·H]` (the sum of PyTorch's two biases).
pub struct RecurrentLayer {
    pub(super) config: LayerConfig,
    pub(super) runtime: Runtime,
    pub(super) weights: Tensor,
    pub(super) bias: Tensor,
    /// Each direction's weights, packed for inference.
    pub(super) packed: Derived<Vec<Weights>>,
    pub(super) spare: Spare,
    name: String,
}

impl RecurrentLayer {
    /// Adds the layer's parameters, drawn uniformly from ±1/√H as PyTorch does.
    ///
    /// Fails when the name is taken or a dimension is zero.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        config: LayerConfig,
        runtime: Runtime,
    ) -> Result<Self, Error> {
        let LayerConfig { input, cells, .. } = config;
        if input == 0 || cells == 0 {
            return Err(Error::Setting(format!(
                "layer `{name}` has {input} inputs and {cells} cells; both must be at least 1"
            )));
        }
        let (directions, width) = (config.directions(), config.width());
        let bound = 1.0 / (cells as f32).sqrt();
        let weights = parameters.uniform(&[directions, width, input + cells], bound)?;
        let bias = parameters.uniform(&[directions, width], bound)?;
        let bias = match config.forget_bias {
            Some(value) if config.cell == Cell::Lstm => {
                let mut values = with_values(&bias, <[f32]>::to_vec)?;
                for direction in values.chunks_exact_mut(width) {
                    direction[cells..2 * cells].fill(value);
                }
                Tensor::from_vec(values, (directions, width), &Device::Cpu)?
            }
            _ => bias,
        };
        Ok(Self {
            weights: parameters.add(format!("{name}.w"), &weights, true)?,
            bias: parameters.add(format!("{name}.b"), &bias, false)?,
            packed: Derived::new(parameters.version()),
            spare: parameters.spare(),
            name: name.into(),
            config,
            runtime,
        })
    }

    /// What the layer is.
    pub fn config(&self) -> &LayerConfig {
        &self.config
    }

    /// The dimension of its output: `H`, or `2·H` in both directions.
    pub fn output(&self) -> usize {
        self.config.output()
    }

    /// `x` `[N, D]` to `[N, dirs·H]` (the forward direction's columns first), and the states in
    /// which the utterances ended. They start from `state`, or from zeros.
    ///
    /// Fails when `x` is not `[N, D]` or the state is of another layer or batch.
    pub fn forward(
        &self,
        x: &Tensor,
        packing: &Arc<Packing>,
        state: Option<&State>,
        mode: Mode,
    ) -> Result<(Tensor, State), Error> {
        let expected = [packing.frames(), self.config.input];
        if x.dims() != expected {
            return Err(Error::Shape {
                what: format!("input of layer `{}`", self.name),
                expected: expected.to_vec(),
                found: x.dims().to_vec(),
            });
        }
        let start = self.start(packing.batch(), state)?;
        LayerOp::apply(self, &x.contiguous()?, packing.clone(), start, mode)
    }

    /// The given state, checked, or zeros.
    fn start(&self, batch: usize, state: Option<&State>) -> Result<State, Error> {
        let size = self.config.output() * batch;
        let cell = if self.config.cell == Cell::Lstm {
            size
        } else {
            0
        };
        match state {
            None => Ok(State {
                hidden: vec![0.0; size],
                cell: vec![0.0; cell],
            }),
            Some(state) if (state.hidden.len(), state.cell.len()) == (size, cell) => {
                Ok(state.clone())
            }
            Some(state) => Err(Error::Shape {
                what: format!("state of layer `{}` (h, c)", self.name),
                expected: vec![size, cell],
                found: vec![state.hidden.len(), state.cell.len()],
            }),
        }
    }
}
