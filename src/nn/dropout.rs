//! Dropout whose mask is a function of a seed.

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Shape, Tensor};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::Error;
use super::tensor::{slice, stored};

/// Elements that share a generator: fixed, so that the mask is the same on any number of threads.
const BLOCK: usize = 4096;

/// Sets each element to zero with probability `p` and scales the others by `1/(1−p)` (Srivastava
/// et al. 2014, inverted). The same seed and shape give the same mask.
///
/// Fails when `p` is not in `[0, 1)`.
pub fn dropout(x: &Tensor, p: f32, seed: u64) -> Result<Tensor, Error> {
    check(p)?;
    if p == 0.0 {
        return Ok(x.clone());
    }
    Ok(x.contiguous()?.apply_op1(Dropout { p, seed })?)
}

/// Fails unless `p` is a share that can be dropped.
pub(super) fn check(p: f32) -> Result<(), Error> {
    if (0.0..1.0).contains(&p) {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "dropout {p} is not in [0, 1): it is the share of inputs that is set to zero"
    )))
}

struct Dropout {
    p: f32,
    seed: u64,
}

impl Dropout {
    /// The mask is drawn anew for the gradient rather than kept.
    fn apply(&self, values: &[f32]) -> Vec<f32> {
        let scale = 1.0 / (1.0 - self.p);
        let limit = (f64::from(self.p) * f64::from(u32::MAX)) as u32;
        let mut output = vec![0.0; values.len()];
        let blocks = output.par_chunks_mut(BLOCK).zip(values.par_chunks(BLOCK));
        blocks.enumerate().for_each(|(i, (output, values))| {
            let mut generator = Pcg64::seed_from_u64(self.seed);
            generator.advance((i * BLOCK) as u128);
            for (output, &value) in output.chunks_mut(2).zip(values.as_chunks::<2>().0) {
                let draw = generator.next_u64();
                output[0] = keep(draw as u32, limit, value[0] * scale);
                output[1] = keep((draw >> 32) as u32, limit, value[1] * scale);
            }
            if let (true, Some(&value)) = (values.len() % 2 == 1, values.last()) {
                let last = output.len() - 1;
                output[last] = keep(generator.next_u32(), limit, value * scale);
            }
        });
        output
    }
}

fn keep(draw: u32, limit: u32, value: f32) -> f32 {
    if draw < limit { 0.0 } else { value }
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let output = self.apply(slice(x, layout)?);
        Ok((CpuStorage::F32(output), layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        _: &Tensor,
        d_output: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let d_output = d_output.contiguous()?;
        let (storage, layout) = d_output.storage_and_layout();
        let d_x = self.apply(stored(&storage, layout)?);
        Ok(Some(Tensor::from_vec(d_x, x.shape(), &Device::Cpu)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    fn ones(n: usize) -> Var {
        Var::from_vec(vec![1.0f32; n], n, &Device::Cpu).unwrap()
    }

    #[test]
    fn the_share_that_is_dropped_and_the_scale_of_the_rest_are_right() {
        let dropped = dropout(&ones(100_001), 0.3, 5).unwrap();
        let values = dropped.to_vec1::<f32>().unwrap();
        let zeros = values.iter().filter(|&&v| v == 0.0).count() as f64 / 100_001.0;
        assert!((zeros - 0.3).abs() < 0.01, "{zeros}");
        assert!(
            values
                .iter()
                .all(|&v| v == 0.0 || (v - 1.0 / 0.7).abs() < 1e-6)
        );
    }

    #[test]
    fn the_gradient_passes_where_the_value_did() {
        let x = ones(999);
        let y = dropout(&x, 0.5, 9).unwrap();
        let gradients = y.sum_all().unwrap().backward().unwrap();
        let d_x = gradients.get(&x).unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(d_x, y.to_vec1::<f32>().unwrap());
    }

    #[test]
    fn the_mask_depends_on_the_seed_and_not_on_the_threads() {
        let run = |threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                dropout(&ones(20_000), 0.5, seed)
                    .unwrap()
                    .to_vec1::<f32>()
                    .unwrap()
            })
        };
        assert_eq!(run(1, 3), run(2, 3));
        assert_ne!(run(1, 3), run(1, 4));
    }

    #[test]
    fn a_share_of_one_is_refused() {
        assert!(dropout(&ones(1), 1.0, 0).is_err());
        assert!(dropout(&ones(1), f32::NAN, 0).is_err());
    }
}
