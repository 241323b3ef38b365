//! Checkpoints: one file, written whole or not at all.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Error, Schedule};

/// Where a run stands: everything besides tensors that the next step depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Hash of the configuration and the data that the run was started with.
    pub identity: String,
    /// The seed: all randomness is a function of it and of the position ([`super::stream`]).
    pub seed: u64,
    /// The instruction path that computed everything so far.
    pub path: String,
    /// Whether a part of the run was computed on another path (`--allow-other-path`).
    pub mixed_paths: bool,
    /// Epoch in progress, from 0.
    pub epoch: usize,
    /// Batches of that epoch that are done.
    pub batch: usize,
    /// Optimiser steps made.
    pub step: u64,
    /// The learning-rate schedule.
    pub schedule: Schedule,
    /// Sums over the batches of the epoch in progress.
    pub running: Running,
    /// The best epochs so far, best first.
    pub best: Vec<Best>,
    /// Epochs since the best one.
    pub stale: usize,
    /// Bytes of `metrics.jsonl` that belong to the run up to here.
    pub metrics_bytes: u64,
    /// Whether training is over and the final weights are written.
    pub finished: bool,
}

/// Sums over the batches of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// Loss, nats.
    pub loss: f64,
    /// What the loss is divided by.
    pub weight: f64,
    /// Gradient norms before clipping.
    pub norm: f64,
    /// Examples left out.
    pub left_out: usize,
}

/// One of the best epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Its figure; smaller is better.
    pub selection: f64,
}

impl Best {
    /// The file of its weights within a run directory.
    pub(super) fn file(&self, dir: &Path) -> PathBuf {
        dir.join("best")
            .join(format!("epoch-{:03}.safetensors", self.epoch))
    }
}

/// A checkpoint in memory: weights, moments and carried state by name, and where the run stands.
pub struct Checkpoint {
    /// Everything besides tensors.
    pub state: State,
    /// `model.NAME`, `optimiser.NAME.first`, `optimiser.NAME.second`, `carry.NAME`.
    pub tensors: HashMap<String, Tensor>,
}

impl Checkpoint {
    /// Reads a checkpoint; `None` when there is no such file.
    ///
    /// # Errors
    /// A file that cannot be read, or that is not a checkpoint of ours.
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(Error::File {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let broken = |why: String| Error::Checkpoint {
            path: path.to_owned(),
            why: format!("not a checkpoint ({why}); move it away to start anew"),
        };
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes)
            .map_err(|error| broken(error.to_string()))?;
        let state = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get("state"))
            .ok_or_else(|| broken("it holds no training state".into()))?;
        let state = serde_json::from_str(state).map_err(|error| broken(error.to_string()))?;
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)?;
        Ok(Some(Self { state, tensors }))
    }

    /// Writes the checkpoint beside its place, then renames it into it: a process killed at any
    /// instant leaves the old one or the new one.
    ///
    /// # Errors
    /// A file that cannot be written (a full disk); the old checkpoint is then still there.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let state = serde_json::to_string(&self.state).map_err(|error| Error::File {
            path: path.to_owned(),
            source: error.into(),
        })?;
        let metadata = HashMap::from([("state".to_owned(), state)]);
        write_tensors(path, self.tensors.iter(), Some(metadata))
    }

    /// The tensors whose names begin with `prefix`, without it.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Tensor)> {
        self.tensors
            .iter()
            .filter_map(move |(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)))
    }
}

/// Writes tensors as one safetensors file, atomically.
pub(super) fn write_tensors<'a, S: AsRef<str> + Ord + std::fmt::Display>(
    path: &Path,
    tensors: impl Iterator<Item = (S, &'a Tensor)>,
    metadata: Option<HashMap<String, String>>,
) -> Result<(), Error> {
    let bytes = safetensors::serialize(tensors, metadata).map_err(|error| Error::File {
        path: path.to_owned(),
        source: std::io::Error::other(error),
    })?;
    write_whole(path, &bytes)
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a file beside its place, makes it safe on disk, and renames it into its place; folders on
/// the way are made.
///
/// # Errors
/// [`Error::File`]; what stood there before still does.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let at = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(at)?;
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(at)?;
    file.write_all(bytes).map_err(at)?;
    file.as_file().sync_data().map_err(at)?;
    file.persist(path).map_err(|error| at(error.error))?;
    Ok(())
}
