//! The element-wise half of a softmax.

/// Numbers that are summed side by side: the sum is the same however wide the processor is.
const LANES: usize = 16;

/// `e^x` for `x ≤ 0`, relative error below 3·10⁻⁷; below −87 it is 0. A NaN stays one.
#[inline]
fn exp(x: f32) -> f32 {
    // e^x = 2^n · 2^r with r in [-1/2, 1/2]; adding 1.5·2²³ rounds to the integer n and leaves it in
    // the lowest bits. 2^r is a minimax polynomial of degree 6.
    const ROUND: f32 = 12_582_912.0;
    let t = x * std::f32::consts::LOG2_E;
    let t = if t < -126.0 { -126.0 } else { t };
    let shifted = t + ROUND;
    let r = t - (shifted - ROUND);
    let mut p = 1.535_336_2e-4_f32;
    for c in [
        1.339_887_4e-3,
        9.618_437e-3,
        5.550_332_5e-2,
        2.402_264_8e-1,
        6.931_472e-1,
        1.0,
    ] {
        p = p * r + c;
    }
    let power = (shifted.to_bits() << 23).wrapping_add(127 << 23);
    let value = p * f32::from_bits(power);
    if x < -87.0 { 0.0 } else { value }
}

/// Turns logits into probabilities in place and returns `ln Σ e^logit`.
pub(super) fn softmax(row: &mut [f32]) -> f32 {
    let mut most = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (most, &x) in most.iter_mut().zip(chunk) {
            *most = if x > *most { x } else { *most };
        }
    }
    let largest = most.iter().chain(rest).fold(
        f32::NEG_INFINITY,
        |most, &x| if x > most { x } else { most },
    );
    let mut sums = [0.0f32; LANES];
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *x = exp(*x - largest);
            *sum += *x;
        }
    }
    let mut sum: f64 = sums.iter().copied().map(f64::from).sum();
    for x in rest {
        *x = exp(*x - largest);
        sum += f64::from(*x);
    }
    let scale = (1.0 / sum) as f32;
    for x in row {
        *x *= scale;
    }
    (f64::from(largest) + sum.ln()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_right_to_the_stated_error() {
        for i in 0..870_000 {
            let x = -(i as f32) * 1e-4;
            let expected = f64::from(x).exp();
            let off = (f64::from(exp(x)) - expected).abs() / expected;
            // The product with log2 e is rounded: its error grows with x.
            let bound = 3e-7 + 9e-8 * f64::from(-x);
            assert!(off < bound, "e^{x} is off by {off}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-200.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn a_row_sums_to_one_and_an_impossible_column_has_nothing() {
        for length in [1, 5, 16, 133] {
            let mut row: Vec<f32> = (0..length)
                .map(|i| ((i * 37 % 11) as f32) * 0.7 - 2.0)
                .collect();
            row.push(f32::NEG_INFINITY);
            let exact = row.iter().map(|&x| f64::from(x).exp()).sum::<f64>().ln();
            let first = row[0];
            let log_sum = softmax(&mut row);
            assert!((f64::from(log_sum) - exact).abs() < 1e-5);
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            assert!((row[0] - (first - log_sum).exp()).abs() < 1e-6);
            assert_eq!(row[length], 0.0);
        }
    }

    #[test]
    fn a_row_with_a_nan_is_none() {
        for at in [0, 20] {
            let mut row = vec![1.0; 21];
            row[at] = f32::NAN;
            assert!(softmax(&mut row).is_nan());
        }
    }
}
