//! Mean removal, energy and pre-emphasis of one frame (Kaldi, `feat/feature-window.cc`,
//! `ProcessWindow`).

/// Lanes of the sums below: partial sums in a fixed order, so that they vectorise and give the same
/// bytes everywhere.
const LANES: usize = 16;

/// Sum of `value(x)` over the frame.
fn sum(frame: &[f32], value: impl Fn(f32) -> f32) -> f32 {
    let mut partial = [0.0f32; LANES];
    let (blocks, rest) = frame.as_chunks::<LANES>();
    for block in blocks {
        for (partial, &x) in partial.iter_mut().zip(block) {
            *partial += value(x);
        }
    }
    for (partial, &x) in partial.iter_mut().zip(rest) {
        *partial += value(x);
    }
    partial.iter().sum()
}

/// Mean of the frame's samples.
pub(crate) fn mean(frame: &[f32]) -> f32 {
    sum(frame, |x| x) / frame.len() as f32
}

/// Energy of the frame: the sum of its squared samples.
pub(crate) fn energy(frame: &[f32]) -> f32 {
    sum(frame, |x| x * x)
}

/// `out[i] = frame[i] − mean`.
pub(crate) fn subtract(frame: &[f32], mean: f32, out: &mut [f32]) {
    for (out, &x) in out.iter_mut().zip(frame) {
        *out = x - mean;
    }
}

/// `out[i] = frame[i] − c · frame[i−1]`, the sample before the first being the first itself: each
/// frame is pre-emphasised by itself, as in Kaldi and HTK.
pub(crate) fn preemphasise(frame: &[f32], coefficient: f32, out: &mut [f32]) {
    let (Some(&first), Some(out_first)) = (frame.first(), out.first_mut()) else {
        return;
    };
    *out_first = first - coefficient * first;
    for ((out, &x), &previous) in out[1..].iter_mut().zip(&frame[1..]).zip(frame) {
        *out = x - coefficient * previous;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_equal_the_f64_sums(frame in prop::collection::vec(-1.0f32..1.0, 1..600)) {
            let mean64 = frame.iter().map(|&x| f64::from(x)).sum::<f64>() / frame.len() as f64;
            let energy64 = frame.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
            prop_assert!((f64::from(mean(&frame)) - mean64).abs() < 1e-6);
            prop_assert!((f64::from(energy(&frame)) - energy64).abs() < 1e-5 * (1.0 + energy64));
        }

        #[test]
        fn preemphasis_is_its_definition(frame in prop::collection::vec(-1.0f32..1.0, 1..50), c in 0.0f32..1.0) {
            let mut out = vec![0.0; frame.len()];
            preemphasise(&frame, c, &mut out);
            for i in 0..frame.len() {
                prop_assert_eq!(out[i], frame[i] - c * frame[i.saturating_sub(1)]);
            }
        }
    }
}
