//! Power spectrum of a real frame: a complex transform of half its length through rustfft, unpacked
//! straight into powers.

use std::f64::consts::PI;
use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

/// A planned transform of a real frame of even length `N = 2M`, with its scratch space.
///
/// Even and odd samples are packed as `z[n] = x[2n] + i·x[2n+1]`. With `Z` their transform,
/// `E[k] = (Z[k] + Z*[M−k]) / 2` and `O[k] = (Z[k] − Z*[M−k]) / 2i` are the transforms of the even and the
/// odd samples, and `X[k] = E[k] + exp(−2πi k/N) O[k]`, `X[M−k] = (E[k] − exp(−2πi k/N) O[k])*`
/// (Numerical Recipes, section 12.3).
#[derive(Clone)]
pub(crate) struct PowerSpectrum {
    plan: Arc<dyn Fft<f32>>,
    packed: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    /// Real and imaginary parts of `Z`, apart and continued by `Z[M] = Z[0]`.
    re: Vec<f32>,
    im: Vec<f32>,
    /// `½ cos(2πk/N)` and `½ sin(2πk/N)`, `k ≤ M/2`.
    cos: Vec<f32>,
    sin: Vec<f32>,
    /// Powers of the bins `M − M/2 … M`.
    mirrored: Vec<f32>,
}

impl PowerSpectrum {
    /// Plans a transform of `length` samples, an even number.
    pub fn new(length: usize) -> Self {
        let half = length / 2;
        let plan = FftPlanner::new().plan_fft_forward(half);
        let angles = (0..=half / 2).map(|k| PI * k as f64 / half as f64);
        Self {
            packed: vec![Complex::default(); half],
            scratch: vec![Complex::default(); plan.get_inplace_scratch_len()],
            re: vec![0.0; half + 1],
            im: vec![0.0; half + 1],
            cos: angles
                .clone()
                .map(|angle| (0.5 * angle.cos()) as f32)
                .collect(),
            sin: angles.map(|angle| (0.5 * angle.sin()) as f32).collect(),
            mirrored: vec![0.0; half / 2 + 1],
            plan,
        }
    }

    /// `power[k] = |Σ_n frame[n] exp(−2πi kn / N)|²`, `k = 0 … N/2`, unnormalised, in natural order.
    pub fn compute(&mut self, frame: &[f32], power: &mut [f32]) {
        let (pairs, _) = frame.as_chunks::<2>();
        for (z, &[even, odd]) in self.packed.iter_mut().zip(pairs) {
            *z = Complex::new(even, odd);
        }
        self.plan
            .process_with_scratch(&mut self.packed, &mut self.scratch);
        self.unpack(power);
    }

    /// Powers of `X` from `Z`: one pass over `k = 0 … M/2` for both ends of the spectrum.
    fn unpack(&mut self, power: &mut [f32]) {
        let half = self.packed.len();
        let last = half / 2;
        for ((re, im), z) in self.re.iter_mut().zip(&mut self.im).zip(&self.packed) {
            (*re, *im) = (z.re, z.im);
        }
        self.re[half] = self.re[0];
        self.im[half] = self.im[0];
        // All slices of one length, so that the loop vectorises.
        let len = last + 1;
        let (a_re, a_im) = (&self.re[..len], &self.im[..len]);
        let (b_re, b_im) = (
            &self.re[half - last..][..len],
            &self.im[half - last..][..len],
        );
        let (cos, sin) = (&self.cos[..len], &self.sin[..len]);
        let (low, high) = (&mut power[..len], &mut self.mirrored[..len]);
        for k in 0..len {
            let (br, bi) = (b_re[last - k], b_im[last - k]);
            let (even_re, even_im) = (0.5 * (a_re[k] + br), 0.5 * (a_im[k] - bi));
            let (odd_re, odd_im) = (a_im[k] + bi, br - a_re[k]);
            let turned_re = cos[k] * odd_re + sin[k] * odd_im;
            let turned_im = cos[k] * odd_im - sin[k] * odd_re;
            let (plus_re, plus_im) = (even_re + turned_re, even_im + turned_im);
            let (minus_re, minus_im) = (even_re - turned_re, even_im - turned_im);
            low[k] = plus_re * plus_re + plus_im * plus_im;
            high[last - k] = minus_re * minus_re + minus_im * minus_im;
        }
        power[half - last..=half].copy_from_slice(&self.mirrored[..len]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::TAU;

    /// The definition, in f64.
    fn slow(frame: &[f32]) -> Vec<f64> {
        let n = frame.len();
        (0..=n / 2)
            .map(|k| {
                let (re, im) = frame
                    .iter()
                    .enumerate()
                    .fold((0.0, 0.0), |(re, im), (i, &x)| {
                        let angle = TAU * ((i * k) % n) as f64 / n as f64;
                        (
                            re + f64::from(x) * angle.cos(),
                            im - f64::from(x) * angle.sin(),
                        )
                    });
                re * re + im * im
            })
            .collect()
    }

    #[test]
    fn the_slow_transform_finds_a_sine() {
        let frame: Vec<f32> = (0..64)
            .map(|i| (TAU * 5.0 * i as f64 / 64.0).sin() as f32)
            .collect();
        let power = slow(&frame);
        assert!((power[5] - 32.0 * 32.0).abs() < 1e-3);
        assert!(power.iter().enumerate().all(|(k, p)| k == 5 || *p < 1e-6));
    }

    proptest! {
        #[test]
        fn the_fast_transform_equals_the_slow_one(samples in prop::collection::vec(-1.0f32..1.0, 2..600)) {
            let frame = &samples[..samples.len() / 2 * 2];
            let want = slow(frame);
            let mut power = vec![0.0; frame.len() / 2 + 1];
            PowerSpectrum::new(frame.len()).compute(frame, &mut power);
            let scale: f64 = want.iter().sum::<f64>() + 1.0;
            for (k, (got, want)) in power.iter().zip(&want).enumerate() {
                prop_assert!((f64::from(*got) - want).abs() < 1e-5 * scale, "bin {k}: {got} {want}");
            }
        }
    }
}
