//! A recurrent layer as the tensor library sees it: one custom op for both directions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Shape, Tensor};
use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};

use super::gemm::buffer::Buffer;
use super::gemm::{self, Start};
use super::kernels::{self, Backward, Weights};
use super::recurrence::{Carry, Direction, matrix, matrix_mut};
use super::recurrent::{LayerConfig, RecurrentLayer, State};
use super::spare::Spare;
use super::tensor::{slice, stored, with_values};
use super::{Cell, Error, Mode, Packing, Path};

/// Rows of a stretch: 2.6 MB of pre-activations for 320 LSTM cells.
const STRETCH: usize = 512;

/// Whether the forward pass leaves something for the backward pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Nothing,
    Activations,
}

/// What one direction computed: activations `[N, G·H]`, cells `[N, H]`, the states at the end.
struct Computed {
    gates: Buffer<f32>,
    cells: Vec<f32>,
    end: State,
}

/// The layer in the graph. candle hands `bwd` the inputs, the output and its gradient only, so the
/// activations wait here.
pub(super) struct LayerOp {
    config: LayerConfig,
    path: Path,
    packing: Arc<Packing>,
    start: State,
    keep: Keep,
    /// The weights packed before, which are those that the pass is given.
    packed: Option<Arc<Vec<Weights>>>,
    spare: Spare,
    kept: Mutex<Option<Vec<Computed>>>,
    end: Arc<Mutex<Option<State>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a task for each direction: two of them on two threads when there are two.
fn both<T: Send, R: Send>(mut tasks: Vec<T>, run: impl Fn(usize, T) -> R + Sync) -> Vec<R> {
    match (tasks.pop(), tasks.pop()) {
        (Some(second), Some(first)) => {
            let (first, second) = rayon::join(|| run(0, first), || run(1, second));
            vec![first, second]
        }
        (Some(only), None) => vec![run(0, only)],
        (None, _) => Vec::new(),
    }
}

impl LayerOp {
    /// Runs a layer over `x` `[N, D]`, contiguous, whose shapes have been checked: the output
    /// `[N, dirs·H]` and the states in which the utterances ended.
    pub(super) fn apply(
        layer: &RecurrentLayer,
        x: &Tensor,
        packing: Arc<Packing>,
        start: State,
        mode: Mode,
    ) -> Result<(Tensor, State), Error> {
        let keep = match mode {
            Mode::Train { .. } if !layer.config.recompute => Keep::Activations,
            Mode::Train { .. } | Mode::Infer => Keep::Nothing,
        };
        let mut op = Self {
            config: layer.config.clone(),
            path: layer.runtime.path,
            packing,
            start,
            keep,
            packed: None,
            spare: layer.spare.clone(),
            kept: Mutex::new(None),
            end: Arc::default(),
        };
        let end = op.end.clone();
        if mode == Mode::Infer {
            let packed = with_values(&layer.weights, |weights| {
                with_values(&layer.bias, |bias| {
                    let directions = 0..layer.config.directions();
                    let pack = |d| Weights::new(&op.direction(d, weights, bias));
                    layer.packed.get(|| directions.map(pack).collect())
                })
            })??;
            op.packed = Some(packed);
        }
        let output = match mode {
            Mode::Infer => x.apply_op3_no_bwd(&layer.weights, &layer.bias, &op)?,
            Mode::Train { .. } => x.apply_op3(&layer.weights, &layer.bias, op)?,
        };
        match lock(&end).take() {
            Some(end) => Ok((output, end)),
            None => Err(Error::Setting("the layer did not run".into())),
        }
    }

    fn width(&self) -> usize {
        self.config.width()
    }

    /// The `d`-th direction's view of the weights `[dirs, G·H, D+H]` and bias `[dirs, G·H]`.
    fn direction<'a>(
        &'a self,
        d: usize,
        weights: &'a [f32],
        bias: &'a [f32],
    ) -> Direction<'a, f32> {
        let (width, columns) = (self.width(), self.config.input + self.config.cells);
        let weights = matrix(
            &weights[d * width * columns..(d + 1) * width * columns],
            columns,
        );
        let (input, recurrent) = weights.split_at(Axis(1), self.config.input);
        Direction {
            path: self.path,
            cell: self.config.cell,
            packing: &self.packing,
            reversed: d == 1,
            input,
            recurrent,
            bias: &bias[d * width..(d + 1) * width],
        }
    }

    /// The `d`-th direction's part of the initial state.
    fn start(&self, d: usize) -> (&[f32], &[f32]) {
        let size = self.packing.batch() * self.config.cells;
        let hidden = &self.start.hidden[d * size..(d + 1) * size];
        let cell = self.start.cell.get(d * size..(d + 1) * size);
        (hidden, cell.unwrap_or_default())
    }

    /// Computes the `d`-th direction, its output into its own columns.
    fn run(
        &self,
        d: usize,
        (x, weights, bias): (&[f32], &[f32], &[f32]),
        mut output: ArrayViewMut2<'_, f32>,
        keep: Keep,
    ) -> Computed {
        let direction = self.direction(d, weights, bias);
        let frames = self.packing.frames();
        let fresh;
        let packed = match self.packed.as_ref().and_then(|packed| packed.get(d)) {
            Some(packed) => packed,
            None => {
                fresh = Weights::new(&direction);
                &fresh
            }
        };
        let (hidden, cell) = self.start(d);
        let mut end = State {
            hidden: hidden.to_vec(),
            cell: cell.to_vec(),
        };
        let kept = keep == Keep::Activations && self.config.cell == Cell::Lstm;
        let mut cells = vec![0.0; if kept { frames * self.config.cells } else { 0 }];
        let x = matrix(x, self.config.input);
        // Where nothing is kept, stretch by stretch: the recurrence finds in cache what the projection
        // left, and the memory does not grow with the batch.
        let most = match keep {
            Keep::Activations => frames,
            Keep::Nothing => STRETCH,
        };
        let stretches = self.packing.stretches(direction.reversed, most);
        let longest = stretches.iter().map(|stretch| stretch.rows.len()).max();
        let mut gates = self.spare.take(longest.unwrap_or(0) * self.width());
        for stretch in &stretches {
            let gates = &mut gates.as_mut_slice()[..stretch.rows.len() * self.width()];
            let x = x.slice(s![stretch.rows.clone(), ..]);
            kernels::project(packed, &direction, x, gates);
            let carry = Carry {
                hidden: &mut end.hidden,
                cell: &mut end.cell,
            };
            let kept = kept.then_some(&mut cells[..]);
            let output = output.view_mut();
            kernels::forward(packed, &direction, stretch, gates, output, kept, carry);
        }
        if keep == Keep::Nothing {
            self.spare.put(std::mem::take(&mut gates));
        }
        Computed { gates, cells, end }
    }

    /// All directions into the columns of `output` `[N, dirs·H]`.
    fn run_all(
        &self,
        inputs: (&[f32], &[f32], &[f32]),
        output: &mut [f32],
        keep: Keep,
    ) -> Vec<Computed> {
        let output = matrix_mut(output, self.config.output());
        let columns = if self.config.bidirectional {
            let (left, right) = output.split_at(Axis(1), self.config.cells);
            vec![left, right]
        } else {
            vec![output]
        };
        both(columns, |d, output| self.run(d, inputs, output, keep))
    }

    /// The gradients of `x` (where asked for), weights and bias.
    fn gradients(
        &self,
        inputs: (&[f32], &[f32], &[f32]),
        output: &[f32],
        d_output: &[f32],
        wants_x: bool,
    ) -> (Option<Vec<f32>>, Vec<f32>, Vec<f32>) {
        let (x, weights, bias) = inputs;
        let kept = lock(&self.kept).take();
        let computed = kept.unwrap_or_else(|| {
            let mut again = vec![0.0; output.len()];
            self.run_all(inputs, &mut again, Keep::Activations)
        });
        let mut d_weights = vec![0.0; weights.len()];
        let mut d_bias = vec![0.0; bias.len()];
        let tasks = computed
            .into_iter()
            .zip(d_weights.chunks_exact_mut(weights.len() / self.config.directions()))
            .zip(d_bias.chunks_exact_mut(self.width()))
            .collect();
        let d_gates = both(tasks, |d, ((mut computed, d_weights), d_bias)| {
            let direction = self.direction(d, weights, bias);
            let columns = s![.., d * self.config.cells..(d + 1) * self.config.cells];
            let of = |values| -> ArrayView2<'_, f32> {
                matrix(values, self.config.output()).slice_move(columns)
            };
            let passed = Backward {
                gates: computed.gates.as_mut_slice(),
                cells: &computed.cells,
                start: self.start(d),
                x: matrix(x, self.config.input),
                output: of(output),
                d_output: of(d_output),
            };
            kernels::backward(&direction, passed, &self.spare, d_weights, d_bias);
            computed.gates
        });
        let d_x = wants_x.then(|| {
            let mut d_x = vec![0.0; x.len()];
            for (d, d_gates) in d_gates.iter().enumerate() {
                let direction = self.direction(d, weights, bias);
                let start = if d == 0 {
                    Start::Zero
                } else {
                    Start::Accumulate
                };
                let d_gates = matrix(d_gates.as_slice(), self.width());
                let stride = self.config.input;
                gemm::product(self.path, d_gates, direction.input, start, &mut d_x, stride);
            }
            d_x
        });
        // The second direction's gates go: the gradients, which live until the optimiser, take their place.
        if let Some(first) = d_gates.into_iter().next() {
            self.spare.put(first);
        }
        (d_x, d_weights, d_bias)
    }
}

impl CustomOp3 for LayerOp {
    fn name(&self) -> &'static str {
        "recurrent-layer"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let inputs = (
            slice(x, x_layout)?,
            slice(weights, weights_layout)?,
            slice(bias, bias_layout)?,
        );
        let shape = (self.packing.frames(), self.config.output());
        let mut output = vec![0.0; shape.0 * shape.1];
        let computed = self.run_all(inputs, &mut output, self.keep);
        let mut end = State {
            hidden: Vec::new(),
            cell: Vec::new(),
        };
        for direction in &computed {
            end.hidden.extend_from_slice(&direction.end.hidden);
            end.cell.extend_from_slice(&direction.end.cell);
        }
        *lock(&self.end) = Some(end);
        if self.keep == Keep::Activations {
            *lock(&self.kept) = Some(computed);
        }
        Ok((CpuStorage::F32(output), shape.into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weights: &Tensor,
        bias: &Tensor,
        output: &Tensor,
        d_output: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let d_output = d_output.contiguous()?;
        let guards = [x, weights, bias, output, &d_output].map(|t| t.storage_and_layout());
        let mut values = [&[][..]; 5];
        for (values, (storage, layout)) in values.iter_mut().zip(&guards) {
            *values = stored(storage, layout)?;
        }
        let [x_values, w_values, b_values, output, d_output] = values;
        let inputs = (x_values, w_values, b_values);
        let (d_x, d_weights, d_bias) = self.gradients(inputs, output, d_output, x.track_op());
        let d_x = d_x
            .map(|d| Tensor::from_vec(d, x.shape(), &Device::Cpu))
            .transpose()?;
        let d_weights = Tensor::from_vec(d_weights, weights.shape(), &Device::Cpu)?;
        let d_bias = Tensor::from_vec(d_bias, bias.shape(), &Device::Cpu)?;
        Ok((d_x, Some(d_weights), Some(d_bias)))
    }
}
