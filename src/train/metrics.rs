//! What is written down of every epoch.

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::tensorboard::EventFile;
use super::{Error, Evaluation};

/// One epoch's figures, one line of `metrics.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Optimiser steps so far.
    pub step: u64,
    /// Mean training loss, nats per unit of weight (a frame, for CTC).
    pub train_loss: f64,
    /// Mean held-out loss, nats per unit of weight.
    pub dev_loss: f64,
    /// Held-out figures by name: `cer`, `wer`, `blank_fraction`…
    pub figures: std::collections::BTreeMap<String, f64>,
    /// Mean global norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Frames a second while training; what the machine gave, not part of the result.
    pub frames_per_second: f64,
    /// Seconds of training and evaluation.
    pub seconds: f64,
    /// What the model says of a fixed held-out example.
    pub sample: Option<String>,
    /// Examples left out of the loss (infeasible pairs).
    pub left_out: usize,
}

impl EpochRecord {
    pub(super) fn set_evaluation(&mut self, evaluation: &Evaluation) {
        self.dev_loss = evaluation.loss;
        self.figures = evaluation.figures.iter().cloned().collect();
        self.sample.clone_from(&evaluation.sample);
    }
}

/// `metrics.jsonl` and the TensorBoard events of a run directory.
pub struct Metrics {
    path: PathBuf,
    file: File,
    events: EventFile,
}

impl Metrics {
    /// Opens the metrics of the run in `dir` and cuts them to the first `bytes` bytes: what the
    /// checkpoint that is resumed had seen.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn open(dir: &Path, bytes: u64) -> Result<Self, Error> {
        let path = dir.join("metrics.jsonl");
        let at = |source| Error::File {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(at)?;
        file.set_len(bytes).map_err(at)?;
        file.seek(std::io::SeekFrom::End(0)).map_err(at)?;
        let events = EventFile::create(dir)?;
        Ok(Self { path, file, events })
    }

    /// Appends one epoch; returns the bytes that `metrics.jsonl` now has.
    ///
    /// # Errors
    /// A file that cannot be written (a full disk).
    pub fn append(&mut self, record: &EpochRecord) -> Result<u64, Error> {
        let at = |source| Error::File {
            path: self.path.clone(),
            source,
        };
        let mut line = serde_json::to_string(record).map_err(|e| at(e.into()))?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(at)?;
        self.file.sync_data().map_err(at)?;
        let mut scalars = vec![
            ("train/loss", record.train_loss),
            ("train/gradient_norm", record.gradient_norm),
            ("train/learning_rate", record.learning_rate),
            ("train/frames_per_second", record.frames_per_second),
            ("dev/loss", record.dev_loss),
        ];
        let named: Vec<(String, f64)> = record
            .figures
            .iter()
            .map(|(name, value)| (format!("dev/{name}"), *value))
            .collect();
        scalars.extend(named.iter().map(|(name, value)| (name.as_str(), *value)));
        self.events.scalars(record.step, &scalars)?;
        self.file.stream_position().map_err(at)
    }
}
