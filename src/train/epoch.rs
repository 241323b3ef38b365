//! The loop itself: epochs of batches, from a checkpoint to the final weights.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use candle_core::Tensor;

use super::checkpoint::{Best, Running, write_tensors};
use super::resume::{accept, bad_gradient, load, set, weights};
use super::{
    Checkpoint, Config, EpochRecord, Error, Evaluation, Metrics, Optimiser, Schedule, State, Task,
    WeightNoise, average, global_norm, stream,
};

/// Batches that the reader thread may be ahead.
const READ_AHEAD: usize = 2;

/// What a run needs besides the task.
pub struct Plan<'a> {
    /// How to train.
    pub config: &'a Config,
    /// The seed of everything random.
    pub seed: u64,
    /// Where checkpoints, metrics and weights go.
    pub dir: &'a Path,
    /// Hash of the configuration and the data: a checkpoint of another run is not resumed.
    pub identity: &'a str,
    /// Name of the instruction path that computes.
    pub path: &'a str,
    /// Whether a checkpoint made on another path may be resumed.
    pub allow_other_path: bool,
}

/// Where training stands after a step.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Batches done in this epoch.
    pub batch: usize,
    /// Batches of this epoch.
    pub batches: usize,
    /// Mean loss of the epoch so far, nats per unit of weight.
    pub loss: f64,
    /// Gradient norm of the last batch before clipping.
    pub gradient_norm: f64,
}

/// Somebody who watches a run: a progress bar, a log.
pub trait Observer {
    /// A step was made.
    fn step(&mut self, progress: &Progress);
    /// An epoch was evaluated.
    fn epoch(&mut self, record: &EpochRecord);
    /// Something that a person should know: an example left out, a run resumed.
    fn note(&mut self, note: &str);
}

/// An observer that says nothing.
pub struct Silent;

impl Observer for Silent {
    fn step(&mut self, _: &Progress) {}
    fn epoch(&mut self, _: &EpochRecord) {}
    fn note(&mut self, _: &str) {}
}

/// What training gave. The task's parameters hold the final weights.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The final weights' figures on the held-out data.
    pub evaluation: Evaluation,
    /// The epochs (from 1) whose weights were averaged, best first.
    pub epochs: Vec<usize>,
    /// Optimiser steps made.
    pub steps: u64,
    /// Whether parts of the run were computed on different instruction paths.
    pub mixed_paths: bool,
}

/// Trains `task` as `plan` says, resuming from the checkpoint in its directory if there is one. A
/// run killed at any instant and started again ends with the same bytes as one never killed.
///
/// # Errors
/// [`Error::Diverged`] when the loss or a gradient is not finite (the last checkpoint is kept),
/// [`Error::Checkpoint`] when the checkpoint there belongs to another run or another instruction
/// path, and whatever files and the task give.
pub fn train<T: Task>(
    task: &T,
    plan: &Plan,
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
    plan.config.check()?;
    std::fs::create_dir_all(plan.dir).map_err(|source| Error::File {
        path: plan.dir.to_owned(),
        source,
    })?;
    let mut run = Run::start(task, plan, observer)?;
    let mut evaluation = None;
    while !run.state.finished {
        if run.over() {
            evaluation = run.finish()?;
        } else {
            run.epoch()?;
        }
    }
    let evaluation = match evaluation {
        Some(evaluation) => evaluation,
        None => task.evaluate()?,
    };
    Ok(Outcome {
        evaluation,
        epochs: run.state.best.iter().map(|best| best.epoch).collect(),
        steps: run.state.step,
        mixed_paths: run.state.mixed_paths,
    })
}

/// A run in progress.
struct Run<'a, T: Task> {
    task: &'a T,
    plan: &'a Plan<'a>,
    observer: &'a mut dyn Observer,
    optimiser: Optimiser,
    metrics: Metrics,
    state: State,
}

impl<'a, T: Task> Run<'a, T> {
    fn start(
        task: &'a T,
        plan: &'a Plan<'a>,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, Error> {
        let parameters = task.parameters();
        let mut optimiser = Optimiser::new(plan.config.optimiser.clone(), parameters);
        let file = plan.dir.join("checkpoint.safetensors");
        let state = match Checkpoint::read(&file)? {
            None => State {
                identity: plan.identity.to_owned(),
                seed: plan.seed,
                path: plan.path.to_owned(),
                mixed_paths: false,
                epoch: 0,
                batch: 0,
                step: 0,
                schedule: Schedule::new(plan.config.schedule.clone()),
                running: Running::default(),
                best: Vec::new(),
                stale: 0,
                metrics_bytes: 0,
                finished: false,
            },
            Some(checkpoint) => {
                let state = accept(&checkpoint.state, plan, &file)?;
                let find = |prefix: &str, name: &str| {
                    checkpoint.tensors.get(&format!("{prefix}.{name}")).cloned()
                };
                load(parameters, &file, |name| find("model", name))?;
                optimiser.restore(parameters, state.step, |name| find("optimiser", name))?;
                let mut carry: Vec<(String, Tensor)> = checkpoint
                    .under("carry.")
                    .map(|(name, tensor)| (name.to_owned(), tensor.clone()))
                    .collect();
                carry.sort_by(|a, b| a.0.cmp(&b.0));
                task.set_carry(carry)?;
                observer.note(&format!(
                    "resumed from {} at epoch {}, batch {}",
                    file.display(),
                    state.epoch + 1,
                    state.batch
                ));
                state
            }
        };
        let metrics = Metrics::open(plan.dir, state.metrics_bytes)?;
        Ok(Self {
            task,
            plan,
            observer,
            optimiser,
            metrics,
            state,
        })
    }

    /// Whether there is no further epoch to train.
    fn over(&self) -> bool {
        let config = self.plan.config;
        let stale = config.patience > 0 && self.state.stale >= config.patience;
        self.state.epoch >= config.epochs || (stale && self.state.batch == 0)
    }

    /// Trains one epoch, or what is left of it, and evaluates.
    fn epoch(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        let (seed, epoch) = (self.plan.seed, self.state.epoch);
        let task = self.task;
        let batches = task.plan(epoch, &mut stream(seed, "batches", epoch as u64, 0));
        let (from, count) = (self.state.batch, batches.len());
        let load = |index: usize| {
            let mut rng = stream(seed, "augmentation", epoch as u64, index as u64);
            task.load(epoch, &batches[index], &mut rng)
        };
        let mut frames = 0;
        if rayon::current_num_threads() == 1 {
            for index in from..count {
                frames += self.step(&load(index)?, count)?;
            }
        } else {
            std::thread::scope(|scope| {
                let (sender, receiver) = sync_channel(READ_AHEAD);
                scope.spawn(move || {
                    for index in from..count {
                        let batch = load(index);
                        let failed = batch.is_err();
                        if sender.send(batch).is_err() || failed {
                            break;
                        }
                    }
                });
                for batch in receiver {
                    frames += self.step(&batch?, count)?;
                }
                Ok::<(), Error>(())
            })?;
        }
        let trained = begun.elapsed().as_secs_f64();

        let evaluation = self.task.evaluate()?;
        let running = self.state.running;
        let steps = self.state.batch.max(1) as f64;
        let mut record = EpochRecord {
            epoch: epoch + 1,
            step: self.state.step,
            train_loss: running.loss / running.weight.max(f64::MIN_POSITIVE),
            dev_loss: 0.0,
            figures: std::collections::BTreeMap::new(),
            gradient_norm: running.norm / steps,
            learning_rate: self.learning_rate(1, 1),
            frames_per_second: frames as f64 / trained.max(1e-9),
            seconds: begun.elapsed().as_secs_f64(),
            sample: None,
            left_out: running.left_out,
        };
        record.set_evaluation(&evaluation);
        self.rank(&evaluation)?;
        self.state.schedule.observe(evaluation.selection);
        self.state.metrics_bytes = self.metrics.append(&record)?;
        self.state.epoch += 1;
        self.state.batch = 0;
        self.state.running = Running::default();
        self.checkpoint()?;
        self.forget_beaten();
        self.observer.epoch(&record);
        Ok(())
    }

    /// The learning rate when `batch` of this epoch's `batches` are done.
    fn learning_rate(&self, batch: usize, batches: usize) -> f64 {
        let within = batch as f64 / batches.max(1) as f64;
        let progress = (self.state.epoch as f64 + within) / self.plan.config.epochs as f64;
        let multiplier = self.state.schedule.multiplier(self.state.step, progress);
        self.plan.config.optimiser.learning_rate * multiplier
    }

    /// One batch: loss, gradients, clipping, update; returns its frames.
    fn step(&mut self, batch: &T::Batch, batches: usize) -> Result<usize, Error> {
        let config = self.plan.config;
        let parameters = self.task.parameters();
        let position = (self.state.epoch as u64, self.state.batch as u64);
        let stream = |purpose| stream(self.plan.seed, purpose, position.0, position.1);

        let noisy = config.weight_noise > 0.0 && self.state.epoch + 1 >= config.weight_noise_from;
        let noise = noisy
            .then(|| {
                let mut rng = stream("weight-noise");
                WeightNoise::add(parameters, config.weight_noise, &mut rng)
            })
            .transpose()?;
        let loss = self.task.loss(batch, &mut stream("dropout"))?;
        let mut store = loss.objective.backward()?;
        let gradients: Vec<Option<Tensor>> = parameters
            .iter()
            .map(|(_, value, _)| store.remove(value))
            .collect();
        drop(store);
        if let Some(noise) = noise {
            noise.remove(parameters)?;
        }

        let norm = global_norm(&gradients)?;
        if !loss.sum.is_finite() || !norm.is_finite() {
            let mut what = self.task.diagnose(batch);
            if loss.sum.is_finite() {
                what = format!("{} ({what})", bad_gradient(parameters, &gradients)?);
            }
            return Err(Error::Diverged {
                epoch: self.state.epoch + 1,
                step: self.state.step + 1,
                what,
            });
        }
        let scale = if config.clip_norm > 0.0 && norm > config.clip_norm {
            config.clip_norm / norm
        } else {
            1.0
        };
        let rate = self.learning_rate(self.state.batch, batches);
        let multiplier = rate / config.optimiser.learning_rate;
        self.optimiser
            .step(parameters, &gradients, scale, multiplier)?;

        for example in &loss.left_out {
            self.observer.note(example);
        }
        let state = &mut self.state;
        state.step += 1;
        state.batch += 1;
        state.running.loss += loss.sum;
        state.running.weight += loss.weight;
        state.running.norm += norm;
        state.running.left_out += loss.left_out.len();
        self.observer.step(&Progress {
            epoch: state.epoch + 1,
            epochs: config.epochs,
            batch: state.batch,
            batches,
            loss: state.running.loss / state.running.weight.max(f64::MIN_POSITIVE),
            gradient_norm: norm,
        });
        if state.step.is_multiple_of(config.checkpoint_steps) && state.batch < batches {
            self.checkpoint()?;
        }
        Ok(loss.frames)
    }

    /// Keeps this epoch's weights if it is among the best.
    fn rank(&mut self, evaluation: &Evaluation) -> Result<(), Error> {
        let this = Best {
            epoch: self.state.epoch + 1,
            selection: evaluation.selection,
        };
        let best = &mut self.state.best;
        let place = best
            .iter()
            .position(|other| this.selection < other.selection)
            .unwrap_or(best.len());
        self.state.stale = if place == 0 { 0 } else { self.state.stale + 1 };
        if place < self.plan.config.average_best {
            let weights = weights(self.task.parameters());
            write_tensors(
                &this.file(self.plan.dir),
                weights.iter().map(|(name, tensor)| (name, tensor)),
                None,
            )?;
            best.insert(place, this);
            best.truncate(self.plan.config.average_best);
        }
        Ok(())
    }

    /// Deletes weights that no checkpoint needs any more.
    fn forget_beaten(&self) {
        let kept: Vec<PathBuf> = self
            .state
            .best
            .iter()
            .map(|best| best.file(self.plan.dir))
            .collect();
        let Ok(entries) = std::fs::read_dir(self.plan.dir.join("best")) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if !kept.contains(&path) {
                // Left behind, it costs disk space and nothing else.
                let _ = std::fs::remove_file(path);
            }
        }
    }

    fn checkpoint(&self) -> Result<(), Error> {
        let parameters = self.task.parameters();
        let mut tensors = HashMap::new();
        for (name, tensor) in weights(parameters) {
            tensors.insert(format!("model.{name}"), tensor);
        }
        for (name, tensor) in self.optimiser.tensors(parameters)? {
            tensors.insert(format!("optimiser.{name}"), tensor);
        }
        for (name, tensor) in self.task.carry() {
            tensors.insert(format!("carry.{name}"), tensor);
        }
        Checkpoint {
            state: self.state.clone(),
            tensors,
        }
        .write(&self.plan.dir.join("checkpoint.safetensors"))
    }

    /// Averages the best epochs; keeps the best alone if the average is not at least as good.
    /// Returns the final weights' figures where they had to be measured anew.
    fn finish(&mut self) -> Result<Option<Evaluation>, Error> {
        let parameters = self.task.parameters();
        let mut snapshots = Vec::new();
        for best in &self.state.best {
            let file = best.file(self.plan.dir);
            let bytes = std::fs::read(&file).map_err(|source| Error::File {
                path: file.clone(),
                source,
            })?;
            let tensors = candle_core::safetensors::load_buffer(&bytes, &candle_core::Device::Cpu)?;
            let mut snapshot: Vec<(String, Tensor)> = tensors.into_iter().collect();
            snapshot.sort_by(|a, b| a.0.cmp(&b.0));
            snapshots.push((1.0, snapshot));
        }
        let best = self
            .state
            .best
            .first()
            .map_or(f64::INFINITY, |b| b.selection);
        let file = self.plan.dir.join("final.safetensors");
        set(parameters, &file, &average(&snapshots)?)?;
        let mut averaged = match snapshots.len() {
            1 => None,
            _ => Some(self.task.evaluate()?),
        };
        if averaged.as_ref().is_some_and(|a| a.selection > best) {
            averaged = None;
            self.observer.note(
                "the average of the best epochs is not better than the best alone, which is kept",
            );
            self.state.best.truncate(1);
            set(parameters, &file, &snapshots[0].1)?;
        }
        let weights = weights(parameters);
        write_tensors(
            &file,
            weights.iter().map(|(name, tensor)| (name, tensor)),
            None,
        )?;
        self.state.finished = true;
        self.checkpoint()?;
        Ok(averaged)
    }
}

#[cfg(test)]
#[path = "epoch_tests.rs"]
mod tests;
