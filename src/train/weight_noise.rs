//! Weight noise.

use rand::{Rng as _, SeedableRng as _};
use rand_distr::{Distribution as _, StandardNormal};
use rayon::prelude::*;

use super::{Error, Rng};
use crate::nn::Parameters;

/// Weights that share a stream of random numbers: few enough for several threads, whose number decides nothing.
const BLOCK: usize = 1 << 16;

/// Gaussian noise added to every weight for the length of one batch (Graves, Mohamed & Hinton 2013,
/// section 3.2; the simple form of Graves 2011): gradients are taken at the noisy weights and
/// applied to the clean ones.
pub struct WeightNoise {
    clean: Vec<Vec<f32>>,
}

impl WeightNoise {
    /// Adds noise of standard deviation `sigma` to the parameters, biases too, from streams that `rng` seeds in
    /// their order; the same noise on any number of threads.
    ///
    /// # Errors
    /// A tensor operation that failed.
    pub fn add(parameters: &Parameters, sigma: f64, rng: &mut Rng) -> Result<Self, Error> {
        let clean = (0..parameters.len())
            .map(|index| {
                parameters.update(index, |weights| {
                    let clean = weights.to_vec();
                    add_gaussian(weights, sigma as f32, rng);
                    clean
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { clean })
    }

    /// Puts the clean weights back.
    ///
    /// # Errors
    /// A tensor operation that failed.
    pub fn remove(self, parameters: &Parameters) -> Result<(), Error> {
        for (index, clean) in self.clean.iter().enumerate() {
            parameters.update(index, |weights| weights.copy_from_slice(clean))?;
        }
        Ok(())
    }
}

/// Adds independent normal draws of standard deviation `sigma`, each block from a stream that `rng` seeds.
fn add_gaussian(weights: &mut [f32], sigma: f32, rng: &mut Rng) {
    let seeds: Vec<u64> = weights.chunks(BLOCK).map(|_| rng.next_u64()).collect();
    weights
        .par_chunks_mut(BLOCK)
        .zip(seeds)
        .for_each(|(block, seed)| {
            let mut rng = Rng::seed_from_u64(seed);
            for weight in block {
                let draw: f32 = StandardNormal.sample(&mut rng);
                *weight += draw * sigma;
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::stream;

    #[test]
    fn what_is_added_has_the_moments_of_the_normal_in_every_block() {
        let mut weights = vec![5.0; 4 * BLOCK];
        add_gaussian(&mut weights, 0.5, &mut stream(3, "test", 0, 0));
        let draws: Vec<f64> = weights
            .iter()
            .map(|&w| (f64::from(w) - 5.0) / 0.5)
            .collect();
        let moment = |draws: &[f64], power: i32| {
            draws.iter().map(|x| x.powi(power)).sum::<f64>() / draws.len() as f64
        };
        assert!(moment(&draws, 1).abs() < 0.01);
        assert!((moment(&draws, 2) - 1.0).abs() < 0.02);
        assert!((moment(&draws, 4) - 3.0).abs() < 0.1);
        for block in draws.chunks(BLOCK) {
            assert!(moment(block, 1).abs() < 0.02);
            assert!((moment(block, 2) - 1.0).abs() < 0.03);
            assert!((moment(block, 4) - 3.0).abs() < 0.2);
        }
        let shared = draws[..BLOCK]
            .iter()
            .zip(&draws[BLOCK..])
            .map(|(a, b)| a * b)
            .sum::<f64>();
        assert!(
            (shared / BLOCK as f64).abs() < 0.02,
            "blocks draw the same noise"
        );
    }

    #[test]
    fn the_noise_does_not_depend_on_the_threads() {
        let noise = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let mut weights = vec![0.0; 2 * BLOCK + 7];
            pool.install(|| add_gaussian(&mut weights, 1.0, &mut stream(3, "test", 0, 0)));
            weights
        };
        assert_eq!(noise(1), noise(3));
    }
}
