//! One direction of one recurrent layer: plain loops over slices, forward and backward.
//!
//! This is the safe twin that every fused kernel is compared with, generic over the float type so
//! that finite differences can check it in f64.
//!
//! The LSTM is that of Graves, Mohamed & Hinton 2013, section 2 (equations 3–7; Graves & Jaitly
//! 2014, section 2, equations 2–6), with one difference: no peepholes, the gates do not see the
//! cell. Gate order and equations are PyTorch's:
//!
//! ```text
//! i_t = σ(W_xi x_t + W_hi h_{t-1} + b_i)        c_t = f_t c_{t-1} + i_t g_t
//! f_t = σ(W_xf x_t + W_hf h_{t-1} + b_f)        h_t = o_t tanh(c_t)
//! g_t = tanh(W_xc x_t + W_hc h_{t-1} + b_c)
//! o_t = σ(W_xo x_t + W_ho h_{t-1} + b_o)
//! ```
//!
//! The simple RNN is `s_t = f(U x_t + W s_{t-1} + b)` with f a sigmoid, tanh or ReLU.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, NdFloat, s};

use super::packing::Stretch;
use super::product::{Into, product};
use super::{Cell, Packing, Path};

/// The shape of the computation and its weights.
#[derive(Clone, Copy)]
pub struct Direction<'a, F> {
    /// The instructions of the products.
    pub path: Path,
    /// The cell.
    pub cell: Cell,
    /// Which row is which frame.
    pub packing: &'a Packing,
    /// Whether it runs from each utterance's last frame to its first.
    pub reversed: bool,
    /// `W_ih` `[G·H, D]`, any strides.
    pub input: ArrayView2<'a, F>,
    /// `W_hh` `[G·H, H]`, any strides.
    pub recurrent: ArrayView2<'a, F>,
    /// `b` `[G·H]`.
    pub bias: &'a [F],
}

impl<F> Direction<'_, F> {
    /// `H`, cells.
    fn cells(&self) -> usize {
        self.recurrent.ncols()
    }

    /// `G·H`, pre-activations of one frame.
    fn width(&self) -> usize {
        self.recurrent.nrows()
    }
}

/// The state between frames, a row for each utterance. Before a pass it holds what the
/// utterances start from, afterwards what they ended with.
pub struct Carry<'a, F> {
    /// `h` `[B, H]`.
    pub hidden: &'a mut [F],
    /// `c` `[B, H]`; empty without an LSTM.
    pub cell: &'a mut [F],
}

/// The gradients of one direction with respect to its weights.
pub struct WeightGradients<'a, F> {
    /// `dW_ih` `[G·H, D]`.
    pub input: ArrayViewMut2<'a, F>,
    /// `dW_hh` `[G·H, H]`.
    pub recurrent: ArrayViewMut2<'a, F>,
    /// `db` `[G·H]`.
    pub bias: &'a mut [F],
}

fn sigmoid<F: NdFloat>(x: F) -> F {
    F::one() / (F::one() + (-x).exp())
}

/// `max(0, x)`, but a NaN stays one instead of hiding behind a zero.
fn relu<F: NdFloat>(x: F) -> F {
    if x < F::zero() { F::zero() } else { x }
}

/// The slope of [`relu`] where its value is `s`.
fn relu_slope<F: NdFloat>(s: F) -> F {
    if s > F::zero() { F::one() } else { F::zero() }
}

/// `x W_ih^T + b` for all frames at once: `x` `[N, D]` into `gates` `[N, G·H]`.
pub fn project<F: NdFloat>(direction: &Direction<'_, F>, x: ArrayView2<'_, F>, gates: &mut [F]) {
    let width = direction.width();
    for row in gates.chunks_exact_mut(width) {
        row.copy_from_slice(direction.bias);
    }
    let gates = matrix_mut(gates, width);
    product(direction.path, x, direction.input.t(), gates, Into::Add);
}

/// Runs the recurrence over what [`project`] left in `gates` `[N, G·H]`.
///
/// `output` `[N, H]` receives `h`, each row contiguous; `gates` the activations `i f g o` (or
/// `s`) and `cells` `[N, H]` the LSTM's `c`, which [`backward`] needs. Without `cells` nothing of
/// them is kept.
pub fn forward<F: NdFloat>(
    direction: &Direction<'_, F>,
    gates: &mut [F],
    output: ArrayViewMut2<'_, F>,
    cells: Option<&mut [F]>,
    carry: Carry<'_, F>,
) {
    let whole = Stretch {
        steps: 0..direction.packing.steps(),
        rows: 0..direction.packing.frames(),
    };
    forward_over(direction, &whole, gates, output, cells, carry);
}

/// [`forward`] over a stretch, whose rows alone `gates` holds.
pub(super) fn forward_over<F: NdFloat>(
    direction: &Direction<'_, F>,
    stretch: &Stretch,
    gates: &mut [F],
    mut output: ArrayViewMut2<'_, F>,
    mut cells: Option<&mut [F]>,
    carry: Carry<'_, F>,
) {
    let (h, width) = (direction.cells(), direction.width());
    let steps = stretch.steps.clone();
    for step in direction.packing.walk_over(direction.reversed, steps) {
        let n = step.batch;
        let first = step.row - stretch.rows.start;
        let gates = &mut gates[first * width..(first + n) * width];
        product(
            direction.path,
            matrix(&carry.hidden[..n * h], h),
            direction.recurrent.t(),
            matrix_mut(gates, width),
            Into::Add,
        );
        for (b, gates) in gates.chunks_exact_mut(width).enumerate() {
            let hidden = &mut carry.hidden[b * h..(b + 1) * h];
            match direction.cell {
                Cell::Lstm => lstm_forward(gates, &mut carry.cell[b * h..(b + 1) * h], hidden),
                Cell::RnnSigmoid => rnn_forward(sigmoid, gates, hidden),
                Cell::RnnTanh => rnn_forward(F::tanh, gates, hidden),
                Cell::RnnRelu => rnn_forward(relu, gates, hidden),
            }
            let row = step.row + b;
            for (to, &from) in output.row_mut(row).iter_mut().zip(hidden.iter()) {
                *to = from;
            }
        }
        if let Some(cells) = &mut cells {
            cells[step.row * h..(step.row + n) * h].copy_from_slice(&carry.cell[..n * h]);
        }
    }
}

/// One frame of one utterance: pre-activations to activations in place, `c` and `h` one frame on.
fn lstm_forward<F: NdFloat>(gates: &mut [F], cell: &mut [F], hidden: &mut [F]) {
    let h = hidden.len();
    let (input, rest) = gates.split_at_mut(h);
    let (forget, rest) = rest.split_at_mut(h);
    let (candidate, output) = rest.split_at_mut(h);
    for j in 0..h {
        input[j] = sigmoid(input[j]);
        forget[j] = sigmoid(forget[j]);
        candidate[j] = candidate[j].tanh();
        output[j] = sigmoid(output[j]);
        cell[j] = forget[j] * cell[j] + input[j] * candidate[j];
        hidden[j] = output[j] * cell[j].tanh();
    }
}

/// One frame of one utterance: `s = f(a)`, in `gates` and in `hidden`.
fn rnn_forward<F: NdFloat>(f: impl Fn(F) -> F, gates: &mut [F], hidden: &mut [F]) {
    for (gate, hidden) in gates.iter_mut().zip(hidden) {
        *gate = f(*gate);
        *hidden = *gate;
    }
}

/// Backpropagation through time: the gradient `d_output` `[N, H]` of what [`forward`] put out
/// becomes, in `gates`, the gradient with respect to the pre-activations.
///
/// `gates` and `cells` come as [`forward`] left them; `start` `[B, H]` is the `c` that the
/// utterances began with. Gradients end at the beginning: none goes into the initial state.
pub fn backward<F: NdFloat>(
    direction: &Direction<'_, F>,
    gates: &mut [F],
    cells: &[F],
    start: &[F],
    d_output: ArrayView2<'_, F>,
) {
    let (h, width, batch) = (
        direction.cells(),
        direction.width(),
        direction.packing.batch(),
    );
    let mut d_hidden = vec![F::zero(); batch * h];
    let mut d_cell = vec![F::zero(); if cells.is_empty() { 0 } else { batch * h }];
    for step in direction.packing.walk(direction.reversed).rev() {
        let n = step.batch;
        let gates = &mut gates[step.row * width..(step.row + n) * width];
        for (b, gates) in gates.chunks_exact_mut(width).enumerate() {
            let row = step.row + b;
            let carried = b * h..(b + 1) * h;
            let d_hidden = &mut d_hidden[carried.clone()];
            for (sum, &d) in d_hidden.iter_mut().zip(d_output.row(row)) {
                *sum += d;
            }
            match direction.cell {
                Cell::Lstm => {
                    let before = if b < step.joined {
                        let previous = step.previous + b;
                        &cells[previous * h..(previous + 1) * h]
                    } else {
                        &start[carried.clone()]
                    };
                    let cell = &cells[row * h..(row + 1) * h];
                    lstm_backward(gates, cell, before, d_hidden, &mut d_cell[carried]);
                }
                Cell::RnnSigmoid => rnn_backward(|s| s * (F::one() - s), gates, d_hidden),
                Cell::RnnTanh => rnn_backward(|s| F::one() - s * s, gates, d_hidden),
                Cell::RnnRelu => rnn_backward(relu_slope, gates, d_hidden),
            }
        }
        product(
            direction.path,
            matrix(gates, width),
            direction.recurrent,
            matrix_mut(&mut d_hidden[..n * h], h),
            Into::Set,
        );
    }
}

/// One frame of one utterance: activations to gradients of the pre-activations in place, `dc` one
/// frame back.
fn lstm_backward<F: NdFloat>(
    gates: &mut [F],
    cell: &[F],
    before: &[F],
    d_hidden: &[F],
    d_cell: &mut [F],
) {
    let h = d_hidden.len();
    let (input, rest) = gates.split_at_mut(h);
    let (forget, rest) = rest.split_at_mut(h);
    let (candidate, output) = rest.split_at_mut(h);
    let one = F::one();
    for j in 0..h {
        let (i, f, g, o) = (input[j], forget[j], candidate[j], output[j]);
        let squashed = cell[j].tanh();
        let dc = d_cell[j] + d_hidden[j] * o * (one - squashed * squashed);
        input[j] = dc * g * i * (one - i);
        forget[j] = dc * before[j] * f * (one - f);
        candidate[j] = dc * i * (one - g * g);
        output[j] = d_hidden[j] * squashed * o * (one - o);
        d_cell[j] = dc * f;
    }
}

/// One frame of one utterance: `s` to the gradient of its pre-activation in place. `slope` is
/// `f'` as a function of `s = f(a)`.
fn rnn_backward<F: NdFloat>(slope: impl Fn(F) -> F, gates: &mut [F], d_hidden: &[F]) {
    for (gate, &d) in gates.iter_mut().zip(d_hidden) {
        *gate = d * slope(*gate);
    }
}

/// The gradients of the weights, each one product over all frames: `d_gates` `[N, G·H]` is what
/// [`backward`] left, `x` `[N, D]` and `output` `[N, H]` are those of the forward pass, `start`
/// `[B, H]` is the `h` that the utterances began with.
pub fn weight_gradients<F: NdFloat>(
    direction: &Direction<'_, F>,
    d_gates: &[F],
    x: ArrayView2<'_, F>,
    output: ArrayView2<'_, F>,
    start: &[F],
    gradients: WeightGradients<'_, F>,
) {
    let width = direction.width();
    let d_gates = matrix(d_gates, width);
    let mut previous = Array2::zeros(output.dim());
    previous_hidden(direction, output, start, previous.view_mut());
    product(direction.path, d_gates.t(), x, gradients.input, Into::Set);
    product(
        direction.path,
        d_gates.t(),
        previous.view(),
        gradients.recurrent,
        Into::Set,
    );
    gradients.bias.fill(F::zero());
    for row in d_gates.axis_iter(Axis(0)) {
        for (sum, &d) in gradients.bias.iter_mut().zip(row) {
            *sum += d;
        }
    }
}

/// `h_{t-1}` (in the direction's own order) of every frame, into `previous` `[N, H]`.
pub(super) fn previous_hidden<F: NdFloat>(
    direction: &Direction<'_, F>,
    output: ArrayView2<'_, F>,
    start: &[F],
    mut previous: ArrayViewMut2<'_, F>,
) {
    let h = output.ncols();
    for step in direction.packing.walk(direction.reversed) {
        let joined = s![step.previous..step.previous + step.joined, ..];
        previous
            .slice_mut(s![step.row..step.row + step.joined, ..])
            .assign(&output.slice(joined));
        previous
            .slice_mut(s![step.row + step.joined..step.row + step.batch, ..])
            .assign(&matrix(&start[step.joined * h..step.batch * h], h));
    }
}

/// Row-major values of `width` columns as a matrix.
pub(super) fn matrix<F>(values: &[F], width: usize) -> ArrayView2<'_, F> {
    let rows = values.len() / width;
    ArrayView2::from_shape((rows, width), values).expect("whole rows")
}

/// Row-major values of `width` columns as a matrix to write to.
pub(super) fn matrix_mut<F>(values: &mut [F], width: usize) -> ArrayViewMut2<'_, F> {
    let rows = values.len() / width;
    ArrayViewMut2::from_shape((rows, width), values).expect("whole rows")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    /// Everything that a direction is computed from, in f64.
    #[derive(Clone)]
    struct Case {
        cell: Cell,
        reversed: bool,
        packing: Packing,
        x: Array2<f64>,
        weights: Array2<f64>,
        bias: Vec<f64>,
        hidden: Vec<f64>,
        start: Vec<f64>,
        /// The loss is the output's inner product with this.
        weigh: Array2<f64>,
    }

    impl Case {
        fn new(cell: Cell, reversed: bool, lengths: &[usize], dim: usize, h: usize) -> Self {
            let packing = Packing::new(lengths.to_vec()).unwrap();
            let mut generator = Pcg64::seed_from_u64((dim * 31 + h) as u64);
            let mut draw = || generator.random::<f64>() * 2.0 - 1.0;
            let (n, batch, width) = (packing.frames(), packing.batch(), cell.gates() * h);
            let lstm = if cell == Cell::Lstm { batch * h } else { 0 };
            Self {
                x: Array2::from_shape_simple_fn((n, dim), &mut draw),
                weights: Array2::from_shape_simple_fn((width, dim + h), &mut draw),
                bias: (0..width).map(|_| draw()).collect(),
                hidden: (0..batch * h).map(|_| draw()).collect(),
                start: (0..lstm).map(|_| draw()).collect(),
                weigh: Array2::from_shape_simple_fn((n, h), &mut draw),
                cell,
                reversed,
                packing,
            }
        }

        fn direction(&self) -> Direction<'_, f64> {
            let (input, recurrent) = self.weights.view().split_at(Axis(1), self.x.ncols());
            Direction {
                path: Path::Portable,
                cell: self.cell,
                packing: &self.packing,
                reversed: self.reversed,
                input,
                recurrent,
                bias: &self.bias,
            }
        }

        /// Output `[N, H]`, activations, cells.
        fn forward(&self) -> (Array2<f64>, Vec<f64>, Vec<f64>) {
            let direction = self.direction();
            let n = self.packing.frames();
            let mut gates = vec![0.0; n * self.bias.len()];
            let lstm = self.cell == Cell::Lstm;
            let mut cells = vec![0.0; if lstm { n * direction.cells() } else { 0 }];
            let mut output = Array2::zeros(self.weigh.dim());
            let (mut hidden, mut cell) = (self.hidden.clone(), self.start.clone());
            project(&direction, self.x.view(), &mut gates);
            let carry = Carry {
                hidden: &mut hidden,
                cell: &mut cell,
            };
            let kept = lstm.then_some(&mut cells[..]);
            forward(&direction, &mut gates, output.view_mut(), kept, carry);
            (output, gates, cells)
        }

        fn loss(&self) -> f64 {
            (&self.forward().0 * &self.weigh).sum()
        }

        /// The frames of one utterance at a time, straight from the equations.
        fn step_by_step(&self) -> Array2<f64> {
            let h = self.weigh.ncols();
            let mut output = Array2::zeros(self.weigh.dim());
            for (b, &length) in self.packing.lengths().iter().enumerate() {
                let mut hidden = self.hidden[b * h..(b + 1) * h].to_vec();
                let mut cell = self.start.get(b * h..(b + 1) * h).unwrap_or(&[]).to_vec();
                for i in 0..length {
                    let t = if self.reversed { length - 1 - i } else { i };
                    let row = self.packing.row(t, b);
                    let seen: Vec<f64> = self.x.row(row).iter().chain(&hidden).copied().collect();
                    let a: Vec<f64> = (0..self.bias.len())
                        .map(|k| {
                            let weights = self.weights.row(k);
                            let sum: f64 = weights.iter().zip(&seen).map(|(w, s)| w * s).sum();
                            sum + self.bias[k]
                        })
                        .collect();
                    let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
                    for j in 0..h {
                        hidden[j] = match self.cell {
                            Cell::Lstm => {
                                cell[j] =
                                    sigma(a[h + j]) * cell[j] + sigma(a[j]) * a[2 * h + j].tanh();
                                sigma(a[3 * h + j]) * cell[j].tanh()
                            }
                            Cell::RnnSigmoid => sigma(a[j]),
                            Cell::RnnTanh => a[j].tanh(),
                            Cell::RnnRelu => a[j].max(0.0),
                        };
                        output[[row, j]] = hidden[j];
                    }
                }
            }
            output
        }

        /// Gradients of the loss: of `x`, of the weights, of the bias.
        fn gradients(&self) -> (Array2<f64>, Array2<f64>, Vec<f64>) {
            let direction = self.direction();
            let (output, mut gates, cells) = self.forward();
            backward(
                &direction,
                &mut gates,
                &cells,
                &self.start,
                self.weigh.view(),
            );
            let mut weights = Array2::zeros(self.weights.dim());
            let mut bias = vec![0.0; self.bias.len()];
            let (input, recurrent) = weights.view_mut().split_at(Axis(1), self.x.ncols());
            let gradients = WeightGradients {
                input,
                recurrent,
                bias: &mut bias,
            };
            let (x, out) = (self.x.view(), output.view());
            weight_gradients(&direction, &gates, x, out, &self.hidden, gradients);
            let d_x = matrix(&gates, self.bias.len()).dot(&direction.input);
            (d_x, weights, bias)
        }
    }

    fn slope(case: &Case, change: impl Fn(&mut Case, f64)) -> f64 {
        let step = 1e-6;
        let at = |by: f64| {
            let mut case = case.clone();
            change(&mut case, by);
            case.loss()
        };
        (at(step) - at(-step)) / (2.0 * step)
    }

    fn cell() -> impl Strategy<Value = Cell> {
        prop::sample::select(vec![
            Cell::Lstm,
            Cell::RnnSigmoid,
            Cell::RnnTanh,
            Cell::RnnRelu,
        ])
    }

    fn lengths() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(1usize..7, 1..5).prop_map(|mut lengths| {
            lengths.sort_by(|a, b| b.cmp(a));
            lengths
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_output_is_that_of_the_equations_step_by_step(
            cell in cell(), reversed in any::<bool>(), lengths in lengths(),
            dim in 1usize..6, h in 1usize..6,
        ) {
            let case = Case::new(cell, reversed, &lengths, dim, h);
            let difference = &case.forward().0 - &case.step_by_step();
            prop_assert!(difference.iter().all(|d| d.abs() < 1e-12));
        }

        #[test]
        fn every_gradient_is_the_slope_of_the_loss(
            cell in cell(), reversed in any::<bool>(), lengths in lengths(),
            dim in 1usize..4, h in 1usize..4,
        ) {
            let case = Case::new(cell, reversed, &lengths, dim, h);
            let (x, weights, bias) = case.gradients();
            for ((i, j), &d) in x.indexed_iter() {
                let slope = slope(&case, |c, by| c.x[[i, j]] += by);
                prop_assert!((slope - d).abs() < 1e-6 * (1.0 + d.abs()), "x {slope} {d}");
            }
            for ((i, j), &d) in weights.indexed_iter() {
                let slope = slope(&case, |c, by| c.weights[[i, j]] += by);
                prop_assert!((slope - d).abs() < 1e-6 * (1.0 + d.abs()), "w {slope} {d}");
            }
            for (i, &d) in bias.iter().enumerate() {
                let slope = slope(&case, |c, by| c.bias[i] += by);
                prop_assert!((slope - d).abs() < 1e-6 * (1.0 + d.abs()), "b {slope} {d}");
            }
        }
    }
}
