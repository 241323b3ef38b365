use ndarray::{Array2, s};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::super::Packing;
use super::*;

/// One direction's pass, forward and backward, by the kernels or by their plain twin.
#[derive(Debug)]
struct Pass {
    output: Vec<f64>,
    end: Vec<f64>,
    d_gates: Vec<f64>,
    d_weights: Vec<f64>,
    d_bias: Vec<f64>,
}

struct Case {
    cell: Cell,
    reversed: bool,
    packing: Packing,
    x: Array2<f32>,
    weights: Array2<f32>,
    bias: Vec<f32>,
    hidden: Vec<f32>,
    start: Vec<f32>,
    d_output: Array2<f32>,
}

impl Case {
    fn new(cell: Cell, reversed: bool, lengths: &[usize], dim: usize, h: usize) -> Self {
        let packing = Packing::new(lengths.to_vec()).unwrap();
        let mut generator = Pcg64::seed_from_u64((dim * 31 + h) as u64);
        let mut draw = || generator.random::<f32>() * 2.0 - 1.0;
        let (n, batch, width) = (packing.frames(), packing.batch(), cell.gates() * h);
        let lstm = if cell == Cell::Lstm { batch * h } else { 0 };
        let bound = 2.0 / ((dim + h) as f32).sqrt();
        Self {
            x: Array2::from_shape_simple_fn((n, dim), &mut draw),
            weights: Array2::from_shape_simple_fn((width, dim + h), &mut draw) * bound,
            bias: (0..width).map(|_| draw()).collect(),
            hidden: (0..batch * h).map(|_| draw()).collect(),
            start: (0..lstm).map(|_| draw()).collect(),
            d_output: Array2::from_shape_simple_fn((n, h), &mut draw),
            cell,
            reversed,
            packing,
        }
    }

    fn kernels(&self, path: Path) -> Pass {
        let (input, recurrent) = self.weights.view().split_at(Axis(1), self.x.ncols());
        let direction = Direction {
            path,
            cell: self.cell,
            packing: &self.packing,
            reversed: self.reversed,
            input,
            recurrent,
            bias: &self.bias,
        };
        let (n, h) = self.d_output.dim();
        let lstm = self.cell == Cell::Lstm;
        let mut gates = vec![f32::NAN; n * self.bias.len()];
        let mut cells = vec![0.0; if lstm { n * h } else { 0 }];
        let (mut hidden, mut cell) = (self.hidden.clone(), self.start.clone());
        // The output stands in the right half of a wider matrix, as a backward direction's does.
        let mut both = Array2::zeros((n, 2 * h));
        let weights = Weights::new(&direction);
        for stretch in self.packing.stretches(self.reversed, 7) {
            let rows = stretch.rows.start * self.bias.len()..stretch.rows.end * self.bias.len();
            let gates = &mut gates[rows];
            let x = self.x.slice(s![stretch.rows.clone(), ..]);
            project(&weights, &direction, x, gates);
            let carry = Carry {
                hidden: &mut hidden,
                cell: &mut cell,
            };
            let columns = both.slice_mut(s![.., h..]);
            let kept = lstm.then_some(&mut cells[..]);
            forward(&weights, &direction, &stretch, gates, columns, kept, carry);
        }
        let passed = Backward {
            gates: &mut gates,
            cells: &cells,
            start: (&self.hidden, &self.start),
            x: self.x.view(),
            output: both.slice(s![.., h..]),
            d_output: self.d_output.view(),
        };
        let (mut d_weights, mut d_bias) =
            (vec![0.0; self.weights.len()], vec![0.0; self.bias.len()]);
        backward(
            &direction,
            passed,
            &Spare::default(),
            &mut d_weights,
            &mut d_bias,
        );
        assert!(both.slice(s![.., ..h]).iter().all(|&x| x == 0.0));
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect();
        Pass {
            output: both
                .slice(s![.., h..])
                .iter()
                .map(|&x| f64::from(x))
                .collect(),
            end: wide(&[hidden, cell].concat()),
            d_gates: wide(&gates),
            d_weights: wide(&d_weights),
            d_bias: wide(&d_bias),
        }
    }

    /// The plain twin in f64, its products' operands rounded as those of `path`.
    fn twin(&self, path: Path) -> Pass {
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let path = if path.is_bf16() { path } else { Path::Portable };
        let weights = self.weights.mapv(f64::from);
        let (input, recurrent) = weights.view().split_at(Axis(1), self.x.ncols());
        let bias = wide(&self.bias);
        let direction = Direction {
            path,
            cell: self.cell,
            packing: &self.packing,
            reversed: self.reversed,
            input,
            recurrent,
            bias: &bias,
        };
        let (n, h) = self.d_output.dim();
        let lstm = self.cell == Cell::Lstm;
        let mut gates = vec![0.0; n * bias.len()];
        let mut cells = vec![0.0; if lstm { n * h } else { 0 }];
        let (hidden, start) = (wide(&self.hidden), wide(&self.start));
        let mut end = (hidden.clone(), start.clone());
        let mut output = Array2::zeros((n, h));
        let x = self.x.mapv(f64::from);
        plain::project(&direction, x.view(), &mut gates);
        let carry = Carry {
            hidden: &mut end.0,
            cell: &mut end.1,
        };
        let kept = lstm.then_some(&mut cells[..]);
        plain::forward(&direction, &mut gates, output.view_mut(), kept, carry);
        let d_output = self.d_output.mapv(f64::from);
        plain::backward(&direction, &mut gates, &cells, &start, d_output.view());
        let (mut d_weights, mut d_bias) = (vec![0.0; weights.len()], vec![0.0; bias.len()]);
        let (input, recurrent) =
            matrix_mut(&mut d_weights, weights.ncols()).split_at(Axis(1), x.ncols());
        let gradients = WeightGradients {
            input,
            recurrent,
            bias: &mut d_bias,
        };
        plain::weight_gradients(
            &direction,
            &gates,
            x.view(),
            output.view(),
            &hidden,
            gradients,
        );
        Pass {
            output: output.into_iter().collect(),
            end: [end.0, end.1].concat(),
            d_gates: gates,
            d_weights,
            d_bias,
        }
    }
}

/// Values agree to `tolerance` of the largest of them.
fn agree(what: &str, path: Path, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let largest = expected
        .iter()
        .fold(1e-3, |largest: f64, x| largest.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found - expected).abs();
        assert!(
            difference <= tolerance * largest,
            "{path}, {what} {i}: {found} for {expected}, largest {largest}"
        );
    }
}

/// The tolerances, relative to the largest value: f32 sums against f64 ones; and, where h and the
/// gradients are rounded to bf16 at each step, roundings that fall the other way (2⁻⁹ of a term).
fn compare(case: &Case) {
    for path in Path::ALL.into_iter().filter(|path| path.is_available()) {
        let (found, expected) = (case.kernels(path), case.twin(path));
        let tolerance = if path.is_bf16() { 1e-2 } else { 2e-5 };
        agree("output", path, &found.output, &expected.output, tolerance);
        agree("end", path, &found.end, &expected.end, tolerance);
        agree("gates", path, &found.d_gates, &expected.d_gates, tolerance);
        agree(
            "weights",
            path,
            &found.d_weights,
            &expected.d_weights,
            tolerance,
        );
        agree("bias", path, &found.d_bias, &expected.d_bias, tolerance);
    }
}

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        3 => Just(Cell::Lstm),
        1 => Just(Cell::RnnSigmoid),
        1 => Just(Cell::RnnTanh),
        1 => Just(Cell::RnnRelu),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_path_agrees_with_the_plain_twin(
        cell in cell(), reversed in any::<bool>(),
        mut lengths in prop::collection::vec(1usize..9, 1..34),
        dim in 1usize..20, h in 1usize..50,
    ) {
        lengths.sort_by_key(|&length| std::cmp::Reverse(length));
        compare(&Case::new(cell, reversed, &lengths, dim, h));
    }
}

#[test]
fn the_shape_of_a_real_layer_agrees_with_the_plain_twin() {
    for reversed in [false, true] {
        compare(&Case::new(
            Cell::Lstm,
            reversed,
            &[12, 12, 9, 9, 9, 7, 4, 1],
            120,
            320,
        ));
    }
}

/// Dense grids and the ends, against f64.
fn activations(path: &str, of: impl Fn(&[f32]) -> Vec<(f32, f32)>) {
    let mut values: Vec<f32> = (-400_000..=400_000).map(|i| i as f32 * 2.5e-4).collect();
    values.extend((-149..=127).flat_map(|e| [2f32.powi(e), -(2f32.powi(e))]));
    values.extend([0.0, f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY]);
    for (&x, (sigmoid, tanh)) in values.iter().zip(of(&values)) {
        let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
        assert!(
            (f64::from(sigmoid) - exact).abs() <= 1.2e-7 && (0.0..=1.0).contains(&sigmoid),
            "{path}: sigmoid({x}) = {sigmoid}"
        );
        let exact = f64::from(x).tanh();
        assert!(
            (f64::from(tanh) - exact).abs() <= 4e-7 * exact.abs() && tanh.abs() <= 1.0,
            "{path}: tanh({x}) = {tanh}"
        );
    }
    // What is not a number stays visible.
    let (sigmoid, tanh) = of(&[f32::NAN])[0];
    assert!(
        sigmoid.is_nan() && tanh.is_nan(),
        "{path}: {sigmoid} {tanh}"
    );
}

#[cfg(target_arch = "x86_64")]
#[test]
fn sigmoid_and_tanh_keep_their_bounds() {
    if Path::Avx2.is_available() {
        activations("avx2", avx2::activations::of);
    }
    if Path::Avx512.is_available() {
        activations("avx512", avx512::activations::of);
    }
}
