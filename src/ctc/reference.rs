//! The slow, obviously right twin of the kernels, in f64; and the tests that first prove it right,
//! by enumerating all paths and by finite differences, and then compare the kernels with it.

use super::{BLANK, collapse};

/// `ln(e^a + e^b)`.
fn log_add(a: f64, b: f64) -> f64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    if small == f64::NEG_INFINITY {
        large
    } else {
        large + (small - large).exp().ln_1p()
    }
}

fn log_sum(terms: impl IntoIterator<Item = f64>) -> f64 {
    terms.into_iter().fold(f64::NEG_INFINITY, log_add)
}

/// `ln softmax` of each row of `vocabulary` logits.
pub fn log_softmax(logits: &[f64], vocabulary: usize) -> Vec<f64> {
    logits
        .chunks(vocabulary)
        .flat_map(|row| {
            let log_sum = log_sum(row.iter().copied());
            row.iter().map(move |x| x - log_sum)
        })
        .collect()
}

/// All paths of `frames` frames over `vocabulary` tokens.
pub fn all_paths(frames: usize, vocabulary: usize) -> impl Iterator<Item = Vec<u32>> {
    (0..vocabulary.pow(frames as u32)).map(move |mut number| {
        (0..frames)
            .map(|_| {
                let token = number % vocabulary;
                number /= vocabulary;
                token as u32
            })
            .collect()
    })
}

/// The log-probability of a path.
pub fn path_score(log_probabilities: &[f64], vocabulary: usize, path: &[u32]) -> f64 {
    let rows = log_probabilities.chunks(vocabulary);
    rows.zip(path)
        .map(|(row, &token)| row[token as usize])
        .sum()
}

/// `ln p(z|x)` as its definition says, equation (3): the sum over all paths that collapse to `z`.
pub fn enumerated(logits: &[f64], vocabulary: usize, target: &[u32]) -> f64 {
    let log_probabilities = log_softmax(logits, vocabulary);
    log_sum(
        all_paths(logits.len() / vocabulary, vocabulary)
            .filter(|path| collapse(path) == target)
            .map(|path| path_score(&log_probabilities, vocabulary, &path)),
    )
}

/// `ln p(z|x)` and the gradient of `−ln p(z|x)` with respect to the logits, by equations (5)–(16)
/// on the target with blanks around each label, logarithms throughout.
pub fn textbook(logits: &[f64], vocabulary: usize, target: &[u32]) -> (f64, Vec<f64>) {
    let frames = logits.len() / vocabulary;
    let log_probabilities = log_softmax(logits, vocabulary);
    let y = |t: usize, k: u32| log_probabilities[t * vocabulary + k as usize];
    let mut states = vec![BLANK];
    for &label in target {
        states.extend([label, BLANK]);
    }
    let last = states.len() - 1;
    let skips = |s: usize| s >= 2 && states[s] != BLANK && states[s] != states[s - 2];

    let mut alpha = vec![vec![f64::NEG_INFINITY; states.len()]; frames];
    alpha[0][0] = y(0, BLANK);
    if last > 0 {
        alpha[0][1] = y(0, states[1]);
    }
    for t in 1..frames {
        for s in 0..=last {
            let mut sum = alpha[t - 1][s];
            if s >= 1 {
                sum = log_add(sum, alpha[t - 1][s - 1]);
            }
            if skips(s) {
                sum = log_add(sum, alpha[t - 1][s - 2]);
            }
            alpha[t][s] = sum + y(t, states[s]);
        }
    }
    let mut beta = vec![vec![f64::NEG_INFINITY; states.len()]; frames];
    beta[frames - 1][last] = y(frames - 1, BLANK);
    if last > 0 {
        beta[frames - 1][last - 1] = y(frames - 1, states[last - 1]);
    }
    for t in (0..frames - 1).rev() {
        for s in 0..=last {
            let mut sum = beta[t + 1][s];
            if s < last {
                sum = log_add(sum, beta[t + 1][s + 1]);
            }
            if s + 2 <= last && skips(s + 2) {
                sum = log_add(sum, beta[t + 1][s + 2]);
            }
            beta[t][s] = sum + y(t, states[s]);
        }
    }

    let log_probability = log_sum(alpha[frames - 1][last.saturating_sub(1)..].iter().copied());
    let mut gradient: Vec<f64> = log_probabilities.iter().map(|x| x.exp()).collect();
    for t in 0..frames {
        for (s, &token) in states.iter().enumerate() {
            let both = alpha[t][s] + beta[t][s] - y(t, token) - log_probability;
            gradient[t * vocabulary + token as usize] -= both.exp();
        }
    }
    (log_probability, gradient)
}

mod tests {
    use super::super::feasible;
    use super::super::forward_backward::{BackwardPass, ForwardPass};
    use super::super::lanes::Form;
    use super::super::states::{Lattice, Rows};
    use super::*;
    use proptest::prelude::*;

    /// `ln p(z|x)` and the gradient by the kernels.
    fn kernels(form: Form, logits: &[f32], vocabulary: usize, target: &[u32]) -> (f64, Vec<f32>) {
        let index: Vec<usize> = (0..logits.len() / vocabulary).collect();
        let rows = Rows {
            logits,
            vocabulary,
            index: &index,
        };
        let lattice = &Lattice::new(target);
        let forward = form.run(ForwardPass { rows, lattice }).unwrap();
        let mut gradient = vec![0.0; logits.len()];
        let mut by_row: Vec<&mut [f32]> = gradient.chunks_mut(vocabulary).collect();
        form.run(BackwardPass {
            rows,
            lattice,
            forward: &forward,
            scale: 1.0,
            gradient: &mut by_row,
        });
        (forward.log_probability, gradient)
    }

    /// `V`, logits and a target that they are long enough for.
    fn problem(
        vocabulary: std::ops::Range<usize>,
        frames: std::ops::Range<usize>,
        scale: f32,
    ) -> impl Strategy<Value = (usize, Vec<f32>, Vec<u32>)> {
        (vocabulary, frames)
            .prop_flat_map(move |(v, t)| {
                let logits = prop::collection::vec(-scale..scale, v * t);
                let target = prop::collection::vec(1..v as u32, 0..=t);
                (Just(v), logits, target)
            })
            .prop_map(|(v, logits, mut target)| {
                while feasible(logits.len() / v, &target).is_err() {
                    target.pop();
                }
                (v, logits, target)
            })
    }

    fn wide(x: &[f32]) -> Vec<f64> {
        x.iter().map(|&x| f64::from(x)).collect()
    }

    proptest! {
        #[test]
        fn the_textbook_is_the_sum_over_all_paths((v, logits, target) in problem(2..5, 1..6, 5.0)) {
            let logits = wide(&logits);
            let all = enumerated(&logits, v, &target);
            let (log_probability, gradient) = textbook(&logits, v, &target);
            prop_assert!((log_probability - all).abs() < 1e-10, "{log_probability} for {all}");
            for i in 0..logits.len() {
                let at = |step: f64| {
                    let mut moved = logits.clone();
                    moved[i] += step;
                    -enumerated(&moved, v, &target)
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                prop_assert!((gradient[i] - slope).abs() < 1e-8, "{} for {slope}", gradient[i]);
            }
        }

        #[test]
        fn the_kernels_are_the_textbook((v, logits, target) in problem(2..40, 1..90, 12.0)) {
            let (exact, exact_gradient) = textbook(&wide(&logits), v, &target);
            let (ours, gradient) = kernels(Form::best(), &logits, v, &target);
            prop_assert!((ours - exact).abs() <= 1e-6 * exact.abs().max(1.0), "{ours} for {exact}");
            for (ours, exact) in gradient.iter().zip(exact_gradient) {
                prop_assert!((f64::from(*ours) - exact).abs() < 2e-6, "{ours} for {exact}");
            }
        }

        #[test]
        fn every_form_gives_the_same_bytes((v, logits, target) in problem(2..70, 1..60, 30.0)) {
            let bits = |form| {
                let (log_probability, gradient) = kernels(form, &logits, v, &target);
                let gradient: Vec<u32> = gradient.iter().map(|x| x.to_bits()).collect();
                (log_probability.to_bits(), gradient)
            };
            let portable = bits(Form::Portable);
            for &form in Form::available() {
                prop_assert_eq!(&bits(form), &portable, "{:?}", form);
            }
        }
    }

    /// Three thousand frames (90 s at 30 ms), with logits so far apart that linear
    /// probabilities would underflow hundreds of times over.
    #[test]
    fn a_long_peaked_utterance_keeps_its_digits() {
        let (frames, v) = (3000, 12);
        let logits: Vec<f32> = (0..frames * v)
            .map(|i| ((i as f32).sqrt() * 7.3).sin() * 60.0)
            .collect();
        let target: Vec<u32> = (0..400).map(|u| 1 + (u * u + u / 3) % 11).collect();
        let (exact, exact_gradient) = textbook(&wide(&logits), v, &target);
        let (ours, gradient) = kernels(Form::best(), &logits, v, &target);
        assert!((ours / exact - 1.0).abs() < 1e-7, "{ours} for {exact}");
        for (ours, exact) in gradient.iter().zip(exact_gradient) {
            assert!(
                (f64::from(*ours) - exact).abs() < 1e-5,
                "{ours} for {exact}"
            );
        }
    }
}
