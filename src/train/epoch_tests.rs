//! The loop on a line fitted to points.

use super::*;
use crate::nn::{Parameters, with_values};
use crate::train::{Loss, OptimiserConfig, Rng, ScheduleConfig};
use candle_core::Device;
use rand::RngExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Fits `y = 3x - 1` from noisy points; its first step can be made to fail.
struct Line {
    parameters: Parameters,
    steps_left: AtomicUsize,
    poison: bool,
}

impl Line {
    fn new(steps_left: usize, poison: bool) -> Self {
        let mut parameters = Parameters::new(5);
        let start = Tensor::zeros((1, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
        parameters.add("w", &start, true).unwrap();
        Self {
            parameters,
            steps_left: AtomicUsize::new(steps_left),
            poison,
        }
    }

    fn weights(&self) -> Vec<f32> {
        with_values(self.parameters.get("w").unwrap(), <[f32]>::to_vec).unwrap()
    }
}

impl Task for Line {
    type Plan = f32;
    type Batch = (f32, f32);

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn plan(&self, _: usize, rng: &mut Rng) -> Vec<f32> {
        (0..20).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    fn load(&self, _: usize, x: &f32, rng: &mut Rng) -> Result<(f32, f32), Error> {
        Ok((*x, 3.0 * x - 1.0 + rng.random_range(-0.01..0.01)))
    }

    fn loss(&self, &(x, y): &(f32, f32), _: &mut Rng) -> Result<Loss, Error> {
        if self.steps_left.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(Error::Config("killed".into()));
        }
        let w = self.parameters.get("w").unwrap();
        let input = Tensor::new(&[[x], [1.0f32]], &Device::Cpu)?;
        let objective = (w.matmul(&input)? - f64::from(y))?.sqr()?.sum_all()?;
        let sum = f64::from(objective.to_scalar::<f32>()?);
        Ok(Loss {
            objective,
            sum: if self.poison { f64::NAN } else { sum },
            weight: 1.0,
            frames: 1,
            left_out: Vec::new(),
        })
    }

    fn diagnose(&self, _: &(f32, f32)) -> String {
        "the line".into()
    }

    fn evaluate(&self) -> Result<Evaluation, Error> {
        let w = self.weights();
        let loss = f64::from((w[0] - 3.0).powi(2) + (w[1] + 1.0).powi(2));
        Ok(Evaluation {
            loss,
            selection: loss,
            ..Evaluation::default()
        })
    }
}

fn config() -> Config {
    Config {
        epochs: 8,
        average_best: 3,
        checkpoint_steps: 7,
        optimiser: OptimiserConfig {
            learning_rate: 0.1,
            weight_decay: 0.0,
            ..OptimiserConfig::default()
        },
        schedule: ScheduleConfig {
            warmup_steps: 5,
            ..ScheduleConfig::default()
        },
        weight_noise: 0.01,
        ..Config::default()
    }
}

fn run(
    task: &Line,
    config: &Config,
    dir: &Path,
    path: &str,
    other: bool,
) -> Result<Outcome, Error> {
    let plan = Plan {
        config,
        seed: 9,
        dir,
        identity: "line",
        path,
        allow_other_path: other,
    };
    train(task, &plan, &mut Silent)
}

#[test]
fn the_loop_fits_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let task = Line::new(usize::MAX, false);
    let outcome = run(&task, &config(), dir.path(), "portable", false).unwrap();
    assert!(outcome.evaluation.loss < 1e-2, "{outcome:?}");
    assert_eq!(outcome.steps, 160);
    let metrics = std::fs::read_to_string(dir.path().join("metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().count(), 8);
}

#[test]
fn a_run_interrupted_anywhere_ends_with_the_same_bytes() {
    let whole = tempfile::tempdir().unwrap();
    run(
        &Line::new(usize::MAX, false),
        &config(),
        whole.path(),
        "portable",
        false,
    )
    .unwrap();
    let expected = std::fs::read(whole.path().join("final.safetensors")).unwrap();
    for killed_at in [0, 1, 6, 7, 8, 19, 20, 21, 100, 159] {
        let dir = tempfile::tempdir().unwrap();
        let killed = Line::new(killed_at, false);
        assert!(run(&killed, &config(), dir.path(), "portable", false).is_err());
        run(
            &Line::new(usize::MAX, false),
            &config(),
            dir.path(),
            "portable",
            false,
        )
        .unwrap();
        let found = std::fs::read(dir.path().join("final.safetensors")).unwrap();
        assert_eq!(found, expected, "killed at step {killed_at}");
        let metrics = std::fs::read_to_string(dir.path().join("metrics.jsonl")).unwrap();
        assert_eq!(metrics.lines().count(), 8, "killed at step {killed_at}");
    }
}

#[test]
fn a_loss_that_is_no_number_stops_and_names_the_cause() {
    let dir = tempfile::tempdir().unwrap();
    let error = run(
        &Line::new(usize::MAX, true),
        &config(),
        dir.path(),
        "portable",
        false,
    );
    let message = error.unwrap_err().to_string();
    assert!(
        message.contains("the line") && message.contains("step 1"),
        "{message}"
    );
}

#[test]
fn another_instruction_path_is_refused_unless_allowed() {
    let dir = tempfile::tempdir().unwrap();
    assert!(run(&Line::new(50, false), &config(), dir.path(), "avx2", false).is_err());
    let task = Line::new(usize::MAX, false);
    let message = run(&task, &config(), dir.path(), "portable", false)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("avx2") && message.contains("portable"),
        "{message}"
    );
    assert!(
        run(&task, &config(), dir.path(), "portable", true)
            .unwrap()
            .mixed_paths
    );
}

#[test]
fn patience_stops_a_run_that_no_longer_improves() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        epochs: 500,
        patience: 3,
        ..config()
    };
    let task = Line::new(usize::MAX, false);
    let outcome = run(&task, &config, dir.path(), "portable", false).unwrap();
    assert!(outcome.steps < 500 * 20, "{outcome:?}");
}
