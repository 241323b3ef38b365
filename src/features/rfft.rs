//! Power spectrum of a real frame through realfft.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

/// A planned transform with its scratch space.
#[derive(Clone)]
pub(crate) struct PowerSpectrum {
    plan: Arc<dyn RealToComplex<f32>>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

impl PowerSpectrum {
    /// Plans a transform of `length` samples.
    pub fn new(length: usize) -> Self {
        let plan = RealFftPlanner::new().plan_fft_forward(length);
        Self {
            spectrum: plan.make_output_vec(),
            scratch: plan.make_scratch_vec(),
            plan,
        }
    }

    /// `power[k] = |Σ_n frame[n] exp(−2πi kn / N)|²`, k = 0 … N/2, unnormalised, in natural order.
    /// `frame` (N samples) is overwritten.
    pub fn compute(&mut self, frame: &mut [f32], power: &mut [f32]) {
        self.plan
            .process_with_scratch(frame, &mut self.spectrum, &mut self.scratch)
            .expect("the buffers are the plan's own");
        for (power, bin) in power.iter_mut().zip(&self.spectrum) {
            *power = bin.re * bin.re + bin.im * bin.im;
        }
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
        fn the_fast_transform_equals_the_slow_one(frame in prop::collection::vec(-1.0f32..1.0, 2..600)) {
            let want = slow(&frame);
            let mut power = vec![0.0; frame.len() / 2 + 1];
            PowerSpectrum::new(frame.len()).compute(&mut frame.clone(), &mut power);
            let scale: f64 = want.iter().sum::<f64>() + 1.0;
            for (k, (got, want)) in power.iter().zip(&want).enumerate() {
                prop_assert!((f64::from(*got) - want).abs() < 1e-5 * scale, "bin {k}: {got} {want}");
            }
        }
    }
}
