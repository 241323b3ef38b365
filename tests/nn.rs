//! Recurrent layers as a user of the library calls them.

use std::sync::Arc;

use candle_core::{Tensor, Var};
use hearken::nn::{
    Cell, Mode, NotFinite, Packing, Parameters, Path, Recurrent, RecurrentConfig, Runtime,
    with_values,
};
use proptest::prelude::*;

const CELLS: [Cell; 4] = [Cell::Lstm, Cell::RnnSigmoid, Cell::RnnTanh, Cell::RnnRelu];

fn paths() -> impl Iterator<Item = Path> {
    Path::ALL.into_iter().filter(|path| path.is_available())
}

fn config(cell: Cell, bidirectional: bool) -> RecurrentConfig {
    RecurrentConfig {
        cell,
        input: 5,
        cells: 7,
        layers: 3,
        bidirectional,
        dropout: 0.0,
        forget_bias: None,
        recompute: false,
    }
}

fn build(config: &RecurrentConfig, path: Path) -> (Parameters, Recurrent) {
    let mut parameters = Parameters::new(11);
    let stack = Recurrent::new(&mut parameters, "recurrent", config, Runtime { path }).unwrap();
    (parameters, stack)
}

fn packing(lengths: &[usize]) -> Arc<Packing> {
    Arc::new(Packing::new(lengths.to_vec()).unwrap())
}

fn values(tensor: &Tensor) -> Vec<f32> {
    with_values(tensor, <[f32]>::to_vec).unwrap()
}

/// Output and every gradient (x, then the parameters in order) of a weighted sum of the output.
fn step(parameters: &mut Parameters, stack: &Recurrent, lengths: &[usize]) -> Vec<Vec<f32>> {
    let packing = packing(lengths);
    let mut inputs = Parameters::new(3);
    let x = inputs.uniform(&[packing.frames(), 5], 1.0).unwrap();
    let weigh = inputs
        .uniform(&[packing.frames(), stack.output()], 1.0)
        .unwrap();
    let x = Var::from_tensor(&x).unwrap();
    let output = stack
        .forward(&x, &packing, None, Mode::Train { seed: 1 })
        .unwrap();
    let loss = (output.top() * weigh).unwrap().sum_all().unwrap();
    let gradients = loss.backward().unwrap();
    let mut all = vec![values(output.top()), values(gradients.get(&x).unwrap())];
    all.extend(
        parameters
            .iter()
            .map(|(_, p, _)| values(gradients.get(p).unwrap())),
    );
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn an_utterance_gives_the_same_output_alone_padded_and_beside_any_batch_mate(
        mut lengths in prop::collection::vec(1usize..30, 1..7),
        cell in prop::sample::select(CELLS.to_vec()),
        bidirectional in any::<bool>(),
    ) {
        lengths.sort_by(|a, b| b.cmp(a));
        for path in paths() {
            let (mut parameters, stack) = build(&config(cell, bidirectional), path);
            let batch = packing(&lengths);
            let longer = lengths[0] + 3;
            // Whatever stands in the padding must not matter.
            let padded = parameters.uniform(&[lengths.len(), longer, 5], 1.0).unwrap();
            let x = batch.from_padded(&padded).unwrap();
            let together = stack.forward(&x, &batch, None, Mode::Infer).unwrap();
            let together = batch.unpack(together.top()).unwrap();
            for (b, &length) in lengths.iter().enumerate() {
                let alone = packing(&[length]);
                let x = padded.get(b).unwrap().narrow(0, 0, length).unwrap();
                let output = stack.forward(&x, &alone, None, Mode::Infer).unwrap();
                let output = &alone.unpack(output.top()).unwrap()[0];
                let difference = (output - &together[b]).mapv(f32::abs);
                prop_assert!(difference.iter().all(|&d| d < 1e-5), "{path} {cell}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    // A bf16 path may differ by far more than its rounding where a gate of a ReLU flips or a sum
    // cancels: the kernels' own tests hold those against a twin that rounds the same operands.
    #[test]
    fn every_path_in_f32_computes_what_the_portable_one_does(
        mut lengths in prop::collection::vec(1usize..20, 1..20),
        cell in prop::sample::select(CELLS.to_vec()),
        bidirectional in any::<bool>(),
        layers in 1usize..3,
        cells in prop_oneof![Just(1usize), 2usize..40],
        recompute in any::<bool>(),
    ) {
        lengths.sort_by(|a, b| b.cmp(a));
        let config = RecurrentConfig { cells, layers, recompute, ..config(cell, bidirectional) };
        let run = |path| {
            let (mut parameters, stack) = build(&config, path);
            step(&mut parameters, &stack, &lengths)
        };
        let expected = run(Path::Portable);
        for path in paths().filter(|path| !path.is_bf16()) {
            for (seen, expected) in run(path).iter().zip(&expected) {
                let largest = expected.iter().fold(1.0, |m: f32, v| m.max(v.abs()));
                let tolerance = largest * 1e-4;
                for (a, b) in seen.iter().zip(expected) {
                    prop_assert!((a - b).abs() < tolerance, "{path} {a} {b}");
                }
            }
        }
    }
}

#[test]
fn the_bytes_do_not_depend_on_the_threads() {
    for path in paths() {
        for cell in CELLS {
            let run = |threads| {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                pool.install(|| {
                    let (mut parameters, stack) = build(&config(cell, true), path);
                    step(&mut parameters, &stack, &[150, 90, 90, 7, 1])
                })
            };
            assert_eq!(run(1), run(2), "{path} {cell}");
        }
    }
}

#[test]
fn recomputing_the_activations_changes_no_byte() {
    for path in paths() {
        for cell in CELLS {
            let kept = config(cell, true);
            let again = RecurrentConfig {
                recompute: true,
                ..kept.clone()
            };
            let [kept, again] = [kept, again].map(|config| {
                let (mut parameters, stack) = build(&config, path);
                step(&mut parameters, &stack, &[9, 4, 2])
            });
            assert_eq!(kept, again, "{path} {cell}");
        }
    }
}

#[test]
fn inference_gives_the_output_of_training_without_dropout() {
    let config = RecurrentConfig {
        dropout: 0.5,
        ..config(Cell::Lstm, true)
    };
    let (mut parameters, stack) = build(&config, Path::Portable);
    let packing = packing(&[8, 3]);
    let x = parameters.uniform(&[11, 5], 1.0).unwrap();
    let run = |mode| values(stack.forward(&x, &packing, None, mode).unwrap().top());
    assert_eq!(run(Mode::Infer), run(Mode::Infer));
    assert_ne!(run(Mode::Infer), run(Mode::Train { seed: 1 }));
    assert_ne!(run(Mode::Train { seed: 2 }), run(Mode::Train { seed: 1 }));
    assert_eq!(run(Mode::Train { seed: 1 }), run(Mode::Train { seed: 1 }));
    let (mut parameters, stack) = build(
        &RecurrentConfig {
            dropout: 0.0,
            ..config
        },
        Path::Portable,
    );
    let x = parameters.uniform(&[11, 5], 1.0).unwrap();
    let run = |mode| values(stack.forward(&x, &packing, None, mode).unwrap().top());
    assert_eq!(run(Mode::Infer), run(Mode::Train { seed: 1 }));
}

#[test]
fn a_sequence_in_two_stretches_gives_the_output_of_the_whole() {
    for path in paths() {
        for cell in CELLS {
            let (mut parameters, stack) = build(&config(cell, false), path);
            let x = parameters.uniform(&[2, 9, 5], 1.0).unwrap();
            let whole = packing(&[9, 9]);
            let expected = stack
                .forward(&whole.from_padded(&x).unwrap(), &whole, None, Mode::Infer)
                .unwrap();
            let expected = whole.to_padded(expected.top()).unwrap();
            let mut states = None;
            let mut parts = Vec::new();
            for (from, length) in [(0, 4), (4, 5)] {
                let part = packing(&[length, length]);
                let x = part
                    .from_padded(&x.narrow(1, from, length).unwrap())
                    .unwrap();
                let outputs = stack
                    .forward(&x, &part, states.as_deref(), Mode::Infer)
                    .unwrap();
                parts.push(part.to_padded(outputs.top()).unwrap());
                states = Some(outputs.states);
            }
            let seen = Tensor::cat(&parts, 1).unwrap();
            for (a, b) in values(&seen).iter().zip(values(&expected)) {
                assert!((a - b).abs() < 1e-6, "{path} {cell}");
            }
        }
    }
}

#[test]
fn the_first_number_that_is_not_finite_is_found() {
    let (mut parameters, stack) = build(&config(Cell::RnnRelu, false), Path::Portable);
    let batch = packing(&[6, 4]);
    let clean = parameters.uniform(&[2, 6, 5], 1.0).unwrap();
    let run = |x: &Tensor| {
        let x = batch.from_padded(x).unwrap();
        let outputs = stack.forward(&x, &batch, None, Mode::Infer).unwrap();
        outputs.not_finite(&batch).unwrap()
    };
    assert_eq!(run(&clean), None);
    let mut spoilt = values(&clean);
    spoilt[(6 + 2) * 5] = f32::INFINITY;
    let spoilt = Tensor::from_vec(spoilt, (2, 6, 5), &candle_core::Device::Cpu).unwrap();
    let expected = NotFinite {
        layer: 0,
        utterance: 1,
        frame: 2,
    };
    assert_eq!(run(&spoilt), Some(expected));
}

#[test]
fn shapes_that_do_not_fit_are_refused_with_both() {
    let (mut parameters, stack) = build(&config(Cell::Lstm, true), Path::Portable);
    let x = parameters.uniform(&[4, 6], 1.0).unwrap();
    let message = match stack.forward(&x, &packing(&[4]), None, Mode::Infer) {
        Ok(_) => panic!("6 inputs were taken for 5"),
        Err(error) => error.to_string(),
    };
    assert!(
        message.contains("recurrent.0") && message.contains("[4, 5]") && message.contains("[4, 6]"),
        "{message}"
    );
}

/// The tensors of tests/golden/nn/layers.safetensors, which says how they were made.
struct Golden<'a>(safetensors::SafeTensors<'a>);

impl Golden<'_> {
    fn get(&self, name: &str) -> Tensor {
        let view = self.0.tensor(name).unwrap();
        let (numbers, _) = view.data().as_chunks::<4>();
        let numbers = numbers.iter().map(|b| f32::from_le_bytes(*b)).collect();
        Tensor::from_vec(numbers, view.shape(), &candle_core::Device::Cpu).unwrap()
    }
}

/// How far apart two lists of numbers are, as a share of the second's root mean square: single bf16 values may round far off, all of them together must not.
fn apart(seen: &[f32], expected: &[f32]) -> f32 {
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>();
    let difference = square(&mut seen.iter().zip(expected).map(|(a, b)| a - b));
    (difference / square(&mut expected.iter().copied()).max(1e-6)).sqrt()
}

fn worst(seen: &Tensor, expected: &Tensor) -> f32 {
    assert_eq!(seen.dims(), expected.dims());
    let pairs = values(seen).into_iter().zip(values(expected));
    pairs
        .map(|(a, b)| (a - b).abs() / b.abs().max(1.0))
        .fold(0.0, f32::max)
}

#[test]
fn outputs_and_every_gradient_are_those_of_pytorch() {
    let bytes = std::fs::read("tests/golden/nn/layers.safetensors").unwrap();
    let golden = Golden(safetensors::SafeTensors::deserialize(&bytes).unwrap());
    let lengths: Vec<usize> = values(&golden.get("lengths"))
        .iter()
        .map(|&t| t as usize)
        .collect();
    let packing = packing(&lengths);
    for path in paths() {
        for cell in CELLS {
            for (bidirectional, layers) in [(false, 1), (false, 3), (true, 1), (true, 3)] {
                let case = format!("{cell}.{}.{layers}", if bidirectional { 2 } else { 1 });
                let config = RecurrentConfig {
                    input: 3,
                    cells: 4,
                    layers,
                    ..config(cell, bidirectional)
                };
                let (parameters, stack) = build(&config, path);
                let of = |name: &str| name.replace("recurrent", &case);
                let names: Vec<String> = parameters.iter().map(|(name, ..)| of(name)).collect();
                for (i, name) in names.iter().enumerate() {
                    let numbers = values(&golden.get(name));
                    parameters
                        .update(i, |p| p.copy_from_slice(&numbers))
                        .unwrap();
                }
                let packed = |name: &str| {
                    packing
                        .from_padded(&golden.get(&format!("{case}.{name}")))
                        .unwrap()
                };
                let x = Var::from_tensor(&packed("x")).unwrap();
                let output = stack
                    .forward(&x, &packing, None, Mode::Train { seed: 0 })
                    .unwrap();
                let loss = (output.top() * packed("weigh")).unwrap().sum_all().unwrap();
                let gradients = loss.backward().unwrap();
                let check = |what: &str, seen: &Tensor, expected: &Tensor| {
                    let (difference, tolerance) = match path.is_bf16() {
                        true => (apart(&values(seen), &values(expected)), 5e-2),
                        false => (worst(seen, expected), 1e-5),
                    };
                    assert!(difference < tolerance, "{path} {case} {what}: {difference}");
                };
                check("output", output.top(), &packed("output"));
                check("x", gradients.get(&x).unwrap(), &packed("x.grad"));
                for ((name, p, _), golden_name) in parameters.iter().zip(&names) {
                    let expected = golden.get(&format!("{golden_name}.grad"));
                    check(name, gradients.get(p).unwrap(), &expected);
                }
            }
        }
    }
}
