//! Optimisers whose whole state can be saved.
//!
//! Updates run in place, in parallel over fixed chunks, so the result does not depend on the number
//! of threads.

use candle_core::Tensor;
use rayon::prelude::*;

use super::{Error, OptimiserConfig, OptimiserKind};
use crate::nn::{Parameters, with_values};

/// Elements that one task updates: fixed, so that sums are the same on any number of threads.
const CHUNK: usize = 1 << 15;

/// SGD with momentum, Adam or AdamW over a set of parameters.
///
/// Agrees with `torch.optim.SGD`, `Adam` and `AdamW` to 1e-5 over ten steps
/// (`tests/golden/train`).
pub struct Optimiser {
    config: OptimiserConfig,
    steps: u64,
    moments: Vec<Moments>,
}

/// What is kept of one parameter: the momentum or first moment, and Adam's second moment.
struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Optimiser {
    /// An optimiser at its start: all moments zero.
    pub fn new(config: OptimiserConfig, parameters: &Parameters) -> Self {
        let adaptive = config.kind != OptimiserKind::Sgd;
        let moments = parameters
            .iter()
            .map(|(_, value, _)| {
                let count = value.elem_count();
                Moments {
                    first: vec![0.0; count],
                    second: vec![0.0; if adaptive { count } else { 0 }],
                }
            })
            .collect();
        Self {
            config,
            steps: 0,
            moments,
        }
    }

    /// Updates made so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Applies one update: `gradients` in the order of `parameters` (`None` is a parameter that took
    /// no part), each first multiplied by `scale`; the learning rate is multiplied by `multiplier`.
    ///
    /// # Errors
    /// A gradient whose shape is not its parameter's.
    pub fn step(
        &mut self,
        parameters: &Parameters,
        gradients: &[Option<Tensor>],
        scale: f64,
        multiplier: f64,
    ) -> Result<(), Error> {
        self.steps += 1;
        let decays: Vec<bool> = parameters.iter().map(|(_, _, decay)| decay).collect();
        for (index, gradient) in gradients.iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let rule = Rule::new(&self.config, self.steps, scale, multiplier, decays[index]);
            let Moments { first, second } = &mut self.moments[index];
            with_values(gradient, |gradient| {
                parameters.update(index, |weights| {
                    rule.update(weights, gradient, first, second)
                })
            })???;
        }
        Ok(())
    }

    /// The state as named tensors: `NAME.first`, and `NAME.second` for Adam.
    ///
    /// # Errors
    /// A tensor that could not be made.
    pub fn tensors(&self, parameters: &Parameters) -> Result<Vec<(String, Tensor)>, Error> {
        let mut tensors = Vec::new();
        for ((name, value, _), moments) in parameters.iter().zip(&self.moments) {
            for (suffix, values) in [("first", &moments.first), ("second", &moments.second)] {
                if !values.is_empty() {
                    let tensor = Tensor::from_slice(values, value.shape(), value.device())?;
                    tensors.push((format!("{name}.{suffix}"), tensor));
                }
            }
        }
        Ok(tensors)
    }

    /// Puts back a state that [`Optimiser::tensors`] gave after `steps` updates.
    ///
    /// # Errors
    /// A moment that is missing or of another shape, by name.
    pub fn restore(
        &mut self,
        parameters: &Parameters,
        steps: u64,
        find: impl Fn(&str) -> Option<Tensor>,
    ) -> Result<(), Error> {
        for ((parameter, value, _), moments) in parameters.iter().zip(&mut self.moments) {
            for (suffix, values) in [
                ("first", &mut moments.first),
                ("second", &mut moments.second),
            ] {
                if values.is_empty() {
                    continue;
                }
                let name = format!("{parameter}.{suffix}");
                let tensor = find(&name)
                    .ok_or_else(|| Error::Config(format!("the checkpoint lacks `{name}`")))?;
                if tensor.shape() != value.shape() {
                    return Err(Error::Config(format!(
                        "`{name}` is {:?} in the checkpoint and {:?} in the model",
                        tensor.shape(),
                        value.shape()
                    )));
                }
                *values = tensor.flatten_all()?.to_vec1()?;
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// The Euclidean norm of all gradients together; infinite or NaN if any of them is.
///
/// # Errors
/// A gradient that is not an f32 tensor on the CPU.
pub fn global_norm(gradients: &[Option<Tensor>]) -> Result<f64, Error> {
    let mut sum = 0.0;
    for gradient in gradients.iter().flatten() {
        let partial: Vec<f64> = with_values(gradient, |values| {
            values
                .par_chunks(CHUNK)
                .map(|chunk| chunk.iter().map(|&g| f64::from(g) * f64::from(g)).sum())
                .collect()
        })?;
        sum += partial.iter().sum::<f64>();
    }
    Ok(sum.sqrt())
}

/// One step's constants for one parameter.
#[derive(Clone, Copy)]
enum Rule {
    Sgd {
        rate: f32,
        momentum: f32,
        decay: f32,
        scale: f32,
    },
    Adam {
        rate: f32,
        beta1: f32,
        beta2: f32,
        epsilon: f32,
        /// 1 / sqrt(1 − β₂ᵗ)
        correction2: f32,
        /// L2 decay, added to the gradient (Adam).
        decay: f32,
        /// What the weight is multiplied by first (AdamW).
        shrink: f32,
        scale: f32,
    },
}

impl Rule {
    fn new(config: &OptimiserConfig, step: u64, scale: f64, multiplier: f64, decays: bool) -> Self {
        let rate = config.learning_rate * multiplier;
        let decay = if decays { config.weight_decay } else { 0.0 };
        let exponent = i32::try_from(step).unwrap_or(i32::MAX);
        let coupled = match config.kind {
            OptimiserKind::Adamw => 0.0,
            OptimiserKind::Sgd | OptimiserKind::Adam => decay,
        };
        match config.kind {
            OptimiserKind::Sgd => Self::Sgd {
                rate: rate as f32,
                momentum: config.momentum as f32,
                decay: coupled as f32,
                scale: scale as f32,
            },
            OptimiserKind::Adam | OptimiserKind::Adamw => Self::Adam {
                rate: (rate / (1.0 - config.beta1.powi(exponent))) as f32,
                beta1: config.beta1 as f32,
                beta2: config.beta2 as f32,
                epsilon: config.epsilon as f32,
                correction2: (1.0 / (1.0 - config.beta2.powi(exponent)).sqrt()) as f32,
                decay: coupled as f32,
                shrink: (1.0 - rate * (decay - coupled)) as f32,
                scale: scale as f32,
            },
        }
    }

    /// Updates one parameter, in parallel over chunks.
    fn update(
        self,
        weights: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
    ) -> Result<(), Error> {
        if weights.len() != gradient.len() {
            return Err(Error::Config(format!(
                "a gradient of {} elements for a parameter of {}",
                gradient.len(),
                weights.len()
            )));
        }
        let parts = weights
            .par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK))
            .zip(first.par_chunks_mut(CHUNK));
        if second.is_empty() {
            parts.for_each(|((w, g), m)| self.apply(w, g, m, &mut []));
        } else {
            parts
                .zip(second.par_chunks_mut(CHUNK))
                .for_each(|(((w, g), m), v)| self.apply(w, g, m, v));
        }
        Ok(())
    }

    fn apply(self, weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        match self {
            Self::Sgd {
                rate,
                momentum,
                decay,
                scale,
            } => {
                for ((w, &g), v) in weights.iter_mut().zip(gradient).zip(first) {
                    *v = momentum * *v + (g * scale + decay * *w);
                    *w -= rate * *v;
                }
            }
            Self::Adam {
                rate,
                beta1,
                beta2,
                epsilon,
                correction2,
                decay,
                shrink,
                scale,
            } => {
                for (((w, &g), m), v) in weights.iter_mut().zip(gradient).zip(first).zip(second) {
                    let g = g * scale + decay * *w;
                    *m = beta1 * *m + (1.0 - beta1) * g;
                    *v = beta2 * *v + (1.0 - beta2) * g * g;
                    *w = *w * shrink - rate * *m / (v.sqrt() * correction2 + epsilon);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    const GOLDEN: &str = include_str!("../../tests/golden/train/optimisers.json");

    fn config(kind: OptimiserKind, momentum: f64, weight_decay: f64) -> OptimiserConfig {
        OptimiserConfig {
            kind,
            learning_rate: 0.05,
            momentum,
            weight_decay,
            ..OptimiserConfig::default()
        }
    }

    #[test]
    fn ten_steps_agree_with_pytorch() {
        let golden: serde_json::Value = serde_json::from_str(GOLDEN).unwrap();
        for (name, config) in [
            ("sgd", config(OptimiserKind::Sgd, 0.9, 0.0)),
            ("sgd-decay", config(OptimiserKind::Sgd, 0.8, 0.1)),
            ("adam", config(OptimiserKind::Adam, 0.0, 0.1)),
            ("adamw", config(OptimiserKind::Adamw, 0.0, 0.1)),
        ] {
            let mut parameters = Parameters::new(1);
            let start: Vec<f32> = (0..6).map(|i| -1.0 + 0.4 * i as f32).collect();
            let start = Tensor::from_vec(start, 6, &Device::Cpu).unwrap();
            parameters.add("w", &start, true).unwrap();
            let mut optimiser = Optimiser::new(config, &parameters);
            let values = || with_values(parameters.get("w").unwrap(), <[f32]>::to_vec).unwrap();
            for step in 1..=10 {
                let gradient: Vec<f32> = values()
                    .iter()
                    .enumerate()
                    .map(|(i, w)| ((i + step) as f32).sin() + w / 2.0)
                    .collect();
                let gradient = [Some(Tensor::from_vec(gradient, 6, &Device::Cpu).unwrap())];
                let norm = global_norm(&gradient).unwrap();
                // PyTorch divides by the norm plus 1e-6.
                let scale = (1.0 / (norm + 1e-6)).min(1.0);
                optimiser.step(&parameters, &gradient, scale, 1.0).unwrap();
                for (i, value) in values().iter().enumerate() {
                    let expected = golden[name][step - 1][i].as_f64().unwrap();
                    let off = (f64::from(*value) - expected).abs();
                    assert!(off < 1e-5, "{name}, step {step}, element {i}: off by {off}");
                }
            }
        }
    }

    #[test]
    fn a_restored_optimiser_goes_on_as_if_it_had_never_stopped() {
        let mut parameters = Parameters::new(1);
        let start = Tensor::new(&[1.0f32, -2.0], &Device::Cpu).unwrap();
        parameters.add("w", &start, true).unwrap();
        let gradient = [Some(Tensor::new(&[0.5f32, 0.25], &Device::Cpu).unwrap())];
        let config = config(OptimiserKind::Adamw, 0.0, 0.1);
        let mut first = Optimiser::new(config.clone(), &parameters);
        first.step(&parameters, &gradient, 1.0, 1.0).unwrap();
        let saved = first.tensors(&parameters).unwrap();
        let mut second = Optimiser::new(config, &parameters);
        let find = |name: &str| {
            let found = saved.iter().find(|(other, _)| other == name);
            found.map(|(_, tensor)| tensor.copy().unwrap())
        };
        second.restore(&parameters, first.steps(), find).unwrap();
        assert_eq!(second.steps(), 1);
        let weights = || with_values(parameters.get("w").unwrap(), <[f32]>::to_vec).unwrap();
        let before = weights();
        first.step(&parameters, &gradient, 1.0, 1.0).unwrap();
        let expected = weights();
        parameters
            .update(0, |w| w.copy_from_slice(&before))
            .unwrap();
        second.step(&parameters, &gradient, 1.0, 1.0).unwrap();
        assert_eq!(weights(), expected);
    }

    #[test]
    fn the_norm_of_a_gradient_that_is_no_number_is_none() {
        let gradient = [Some(
            Tensor::new(&[1.0f32, f32::NAN], &Device::Cpu).unwrap(),
        )];
        assert!(global_norm(&gradient).unwrap().is_nan());
    }
}
