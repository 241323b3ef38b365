//! Weight noise.

use rand::RngExt as _;

use super::{Error, Rng};
use crate::nn::Parameters;

/// Gaussian noise added to every weight for the length of one batch (Graves, Mohamed & Hinton 2013,
/// section 3.2; the simple form of Graves 2011): gradients are taken at the noisy weights and
/// applied to the clean ones.
pub struct WeightNoise {
    clean: Vec<Vec<f32>>,
}

impl WeightNoise {
    /// Adds noise of standard deviation `sigma` to the parameters, drawn from `rng` in their order.
    ///
    /// # Errors
    /// A tensor operation that failed.
    pub fn add(parameters: &Parameters, sigma: f64, rng: &mut Rng) -> Result<Self, Error> {
        let clean = (0..parameters.len())
            .map(|index| {
                parameters.update(index, |weights| {
                    let clean = weights.to_vec();
                    for weight in weights {
                        *weight += (gaussian(rng) * sigma) as f32;
                    }
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

/// A standard normal draw, by the polar method of Marsaglia & Bray (1964).
fn gaussian(rng: &mut Rng) -> f64 {
    loop {
        let (x, y): (f64, f64) = (rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0));
        let square = x * x + y * y;
        if square > 0.0 && square < 1.0 {
            return x * (-2.0 * square.ln() / square).sqrt();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::stream;

    #[test]
    fn gaussian_draws_have_the_moments_of_the_normal() {
        let mut rng = stream(3, "test", 0, 0);
        let draws: Vec<f64> = (0..200_000).map(|_| gaussian(&mut rng)).collect();
        let moment =
            |power: i32| draws.iter().map(|x| x.powi(power)).sum::<f64>() / draws.len() as f64;
        assert!(moment(1).abs() < 0.01);
        assert!((moment(2) - 1.0).abs() < 0.02);
        assert!((moment(4) - 3.0).abs() < 0.1);
    }
}
