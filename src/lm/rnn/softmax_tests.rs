use super::*;
use crate::lm::rnn::SoftmaxConfig;
use candle_core::Var;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// `Σ −ln p(target | h)` from its definition, in f64, one number after the other.
fn slow_loss(
    partition: &Partition,
    h: &[Vec<f64>],
    table: &[Vec<f64>],
    bias: &[f64],
    targets: &[u32],
) -> f64 {
    let blocks = partition.blocks();
    let start = partition.place(START);
    let log_prob = |h: &[f64], block: usize, column: usize| {
        let logit = |row: usize| -> f64 {
            bias[row] + h.iter().zip(&table[row]).map(|(a, b)| a * b).sum::<f64>()
        };
        let impossible = |c: usize| match start.tail {
            None => block == 0 && c == start.head,
            Some((group, column)) => block == group + 1 && c == column,
        };
        let rows = blocks[block].clone();
        let sum: f64 = rows
            .clone()
            .enumerate()
            .filter(|(c, _)| !impossible(*c))
            .map(|(_, row)| logit(row).exp())
            .sum();
        logit(rows.start + column) - sum.ln()
    };
    let mut loss = 0.0;
    for (h, &target) in h.iter().zip(targets) {
        let place = partition.place(target);
        loss -= log_prob(h, 0, place.head);
        if let Some((group, column)) = place.tail {
            loss -= log_prob(h, group + 1, column);
        }
    }
    loss
}

fn cuts() -> [SoftmaxConfig; 4] {
    [
        SoftmaxConfig::Full,
        SoftmaxConfig::Adaptive {
            cutoffs: vec![5, 11],
        },
        SoftmaxConfig::Classes { classes: 4 },
        SoftmaxConfig::Adaptive { cutoffs: vec![1] },
    ]
}

struct Case {
    output: Output,
    h: Var,
    targets: Vec<u32>,
}

fn case(config: &SoftmaxConfig, path: Path, seed: u64) -> Case {
    let (tokens, dim, rows) = (17, 6, 40);
    let counts: Vec<u64> = (0..tokens).map(|token| 200 / (token + 1)).collect();
    let partition = Partition::new(config, &counts).unwrap();
    let mut parameters = Parameters::new(seed);
    let table = parameters.uniform(&[partition.rows(), dim], 1.0).unwrap();
    let table = parameters.add("output.w", &table, true).unwrap();
    let bias = parameters.uniform(&[partition.rows()], 1.0).unwrap();
    let bias = parameters.add("output.b", &bias, false).unwrap();
    let h = Var::from_tensor(&parameters.uniform(&[rows, dim], 1.0).unwrap()).unwrap();
    let output = Output::new(partition, table, bias, &parameters, Runtime { path });
    let mut generator = Pcg64::seed_from_u64(seed);
    let draw = |_| match generator.random_range(0..tokens as u32) {
        START => 2,
        token => token,
    };
    let targets = (0..rows).map(draw).collect();
    Case { output, h, targets }
}

fn rows(tensor: &Tensor) -> Vec<Vec<f64>> {
    let rows = tensor.to_vec2::<f32>().unwrap();
    rows.into_iter()
        .map(|row| row.into_iter().map(f64::from).collect())
        .collect()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.into_iter().map(f64::from).collect()
}

#[test]
fn gradients_are_the_finite_differences_of_the_definition() {
    for (seed, config) in cuts().iter().enumerate() {
        for path in Path::ALL.into_iter().filter(|path| path.is_available()) {
            let Case { output, h, targets } = case(config, path, seed as u64);
            let (loss, sum) = output.loss(&h, &targets).unwrap();
            let gradients = (loss * 0.5).unwrap().backward().unwrap();
            let mut inputs = [rows(&h), rows(&output.table)];
            let bias = numbers(&output.bias);
            let slow = |inputs: &[Vec<Vec<f64>>; 2], bias: &[f64]| {
                slow_loss(&output.partition, &inputs[0], &inputs[1], bias, &targets)
            };
            let tolerance = if path.is_bf16() { 3e-2 } else { 2e-5 };
            let expected = slow(&inputs, &bias);
            assert!(
                (sum - expected).abs() < tolerance * 40.0,
                "{path}: {sum} {expected}"
            );
            let step = 1e-5;
            for (which, of) in [(0, h.as_tensor()), (1, &output.table)] {
                let found = rows(gradients.get(of).unwrap());
                for row in 0..found.len() {
                    for column in 0..found[row].len() {
                        let mut moved = |by: f64| {
                            inputs[which][row][column] += by;
                            let loss = slow(&inputs, &bias);
                            inputs[which][row][column] -= by;
                            loss
                        };
                        let expected = 0.5 * (moved(step) - moved(-step)) / (2.0 * step);
                        let off = (found[row][column] - expected).abs();
                        assert!(off < tolerance, "{path} {which} [{row}, {column}]: {off}");
                    }
                }
            }
            let found = numbers(gradients.get(&output.bias).unwrap());
            for row in 0..bias.len() {
                let moved = |by: f64| {
                    let mut bias = bias.clone();
                    bias[row] += by;
                    slow(&inputs, &bias)
                };
                let expected = 0.5 * (moved(step) - moved(-step)) / (2.0 * step);
                assert!((found[row] - expected).abs() < tolerance);
            }
        }
    }
}

#[test]
fn losses_one_by_one_and_whole_distributions_agree_and_sum_to_one() {
    for config in cuts() {
        let Case { output, h, targets } = case(&config, Path::Portable, 9);
        let (_, sum) = output.loss(&h, &targets).unwrap();
        let losses = output.losses(&h, &targets).unwrap();
        assert!((losses.iter().copied().map(f64::from).sum::<f64>() - sum).abs() < 1e-6);
        for ((h, &target), loss) in h.to_vec2::<f32>().unwrap().iter().zip(&targets).zip(losses) {
            let log_probs = output.log_probs(h).unwrap();
            assert!((log_probs[target as usize] + loss).abs() < 1e-5);
            assert_eq!(log_probs[START as usize], f32::NEG_INFINITY);
            let total: f64 = log_probs.iter().map(|&ln| f64::from(ln).exp()).sum();
            assert!((total - 1.0).abs() < 1e-5, "{config:?}: {total}");
        }
    }
}

#[test]
fn the_same_bytes_come_from_any_number_of_threads() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let config = SoftmaxConfig::Adaptive {
                cutoffs: vec![5, 11],
            };
            let Case { output, h, targets } = case(&config, Path::Portable, 4);
            let (loss, _) = output.loss(&h, &targets).unwrap();
            let gradients = loss.backward().unwrap();
            numbers(gradients.get(&output.table).unwrap())
        })
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn a_token_outside_the_vocabulary_is_named() {
    let Case {
        output,
        h,
        mut targets,
    } = case(&SoftmaxConfig::Full, Path::Portable, 1);
    targets[3] = 17;
    let message = output.losses(&h, &targets).unwrap_err().to_string();
    assert!(message.contains("token 17"), "{message}");
}
