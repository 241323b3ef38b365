//! The CTC loss against PyTorch's, through the public interface.

use std::sync::Arc;

use candle_core::{Device, Var};
use hearken::{ctc, nn::Packing};

#[derive(serde::Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    vocabulary: usize,
    lengths: Vec<usize>,
    targets: Vec<Vec<u32>>,
    scale: f64,
    seed: u32,
    none: Vec<f64>,
    sum: f64,
    stride: usize,
    gradient: Vec<f64>,
}

impl Case {
    /// The logits as the script draws them, utterance by utterance, in the packed layout.
    fn logits(&self, packing: &Packing) -> Var {
        let mut state = self.seed;
        let mut packed = vec![0.0f32; packing.frames() * self.vocabulary];
        for (b, &frames) in self.lengths.iter().enumerate() {
            for t in 0..frames {
                for v in 0..self.vocabulary {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let unit = f64::from(state >> 8) / f64::from(1 << 23) - 1.0;
                    packed[packing.row(t, b) * self.vocabulary + v] = (unit * self.scale) as f32;
                }
            }
        }
        let shape = (packing.frames(), self.vocabulary);
        Var::from_vec(packed, shape, &Device::Cpu).unwrap()
    }
}

fn cases() -> Vec<Case> {
    let golden: Golden = serde_json::from_str(include_str!("golden/ctc/golden.json")).unwrap();
    golden.cases
}

#[test]
fn values_and_gradients_are_those_of_pytorch() {
    for case in cases() {
        let packing = Arc::new(Packing::new(case.lengths.clone()).unwrap());
        let logits = case.logits(&packing);
        let loss = ctc::loss(&logits, &packing, &case.targets).unwrap();
        let total = f64::from(loss.total.to_scalar::<f32>().unwrap());
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-5 * b.abs().max(1.0);
        assert!(
            close(total, case.sum),
            "{}: {total} for {}",
            case.name,
            case.sum
        );
        for (&ours, &theirs) in loss.per_utterance.iter().zip(&case.none) {
            assert!(
                close(ours.into(), theirs),
                "{}: {ours} for {theirs}",
                case.name
            );
        }

        let gradient = loss.total.backward().unwrap().remove(&logits).unwrap();
        let gradient = packing.unpack(&gradient).unwrap();
        let flat = gradient.iter().flat_map(|utterance| utterance.iter());
        let mut worst = 0.0f64;
        for (&ours, &theirs) in flat.step_by(case.stride).zip(&case.gradient) {
            worst = worst.max((f64::from(ours) - theirs).abs());
        }
        assert!(worst <= 1e-5, "{}: off by {worst}", case.name);
    }
}

#[test]
fn every_frames_gradient_sums_to_zero() {
    for case in cases() {
        let packing = Arc::new(Packing::new(case.lengths.clone()).unwrap());
        let logits = case.logits(&packing);
        let loss = ctc::loss(&logits, &packing, &case.targets).unwrap();
        let gradient = loss.total.backward().unwrap().remove(&logits).unwrap();
        for row in gradient.to_vec2::<f32>().unwrap() {
            let sum: f64 = row.iter().map(|&x| f64::from(x)).sum();
            assert!(sum.abs() < 1e-6, "{}: {sum}", case.name);
        }
    }
}

#[test]
fn infeasible_utterances_are_named_and_weigh_nothing() {
    let case = cases()
        .into_iter()
        .find(|case| case.name == "infeasible beside feasible")
        .unwrap();
    let packing = Arc::new(Packing::new(case.lengths.clone()).unwrap());
    let logits = case.logits(&packing);
    let loss = ctc::loss(&logits, &packing, &case.targets).unwrap();
    assert_eq!(loss.infeasible, [2, 3]);
    assert_eq!(loss.per_utterance[2..], [0.0, 0.0]);
    let gradient = loss.total.backward().unwrap().remove(&logits).unwrap();
    let gradient = packing.unpack(&gradient).unwrap();
    for utterance in &gradient[2..] {
        assert!(utterance.iter().all(|&x| x == 0.0));
    }
    assert!(gradient[0].iter().all(|&x| x != 0.0));
}
