//! The study's file, its trainings and its results.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::page::page;
use super::task::Recall;
use crate::experiment::config::{line_of, one_line};
use crate::experiment::results::today;
use crate::experiment::sets::hash;
use crate::experiment::{Error, RunOptions};
use crate::nn::{Cell, Precision, Runtime};
use crate::train::{self, Observer, train, write_whole};

/// What a study's file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Study {
    /// Which study: `long-memory` is the one that there is.
    pub study: Kind,
    /// Its name, and that of its folder in the folder of runs.
    pub name: String,
    /// What it shows, in words.
    #[serde(default)]
    pub about: String,
    /// The seed of everything random.
    #[serde(default = "one")]
    pub seed: u64,
    /// The cells that are compared.
    #[serde(default = "all_cells")]
    pub compare: Vec<Cell>,
    /// Steps between a symbol and the question what it was.
    #[serde(default = "distances")]
    pub distances: Vec<usize>,
    /// Cells of the one layer.
    #[serde(default = "sixty_four")]
    pub cells: usize,
    /// Initial bias of the LSTM's forget gates; the longer the memory that is wanted, the higher
    /// (Tallec & Ollivier 2018).
    #[serde(default = "one_bias")]
    pub forget_bias: f32,
    /// Symbols to remember one of; there are as many kinds of noise.
    #[serde(default = "eight")]
    pub symbols: usize,
    /// Sequences of a batch.
    #[serde(default = "thirty_two")]
    pub batch: usize,
    /// Batches between two measurements.
    #[serde(default = "hundred")]
    pub steps: usize,
    /// How each network is trained; an epoch is `steps` batches.
    #[serde(default)]
    pub train: train::Config,
}

/// The studies that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Delayed recall.
    LongMemory,
}

fn one() -> u64 {
    1
}

fn one_bias() -> f32 {
    1.0
}

fn all_cells() -> Vec<Cell> {
    vec![Cell::Lstm, Cell::RnnTanh, Cell::RnnRelu, Cell::RnnSigmoid]
}

fn distances() -> Vec<usize> {
    vec![5, 10, 20, 40, 80, 160]
}

fn sixty_four() -> usize {
    64
}

fn eight() -> usize {
    8
}

fn thirty_two() -> usize {
    32
}

fn hundred() -> usize {
    100
}

/// One cell at one distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The cell.
    pub cell: Cell,
    /// Steps between symbol and question.
    pub distance: usize,
    /// The fraction of held-out symbols recalled after training; chance is one in `symbols`.
    pub accuracy: f64,
    /// `‖∂L/∂x‖` at the symbol, divided by the same at the question, before training.
    pub gradient: f64,
}

/// What a study found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyResults {
    /// The study.
    pub name: String,
    /// The command that wrote this.
    pub command: String,
    /// The day.
    pub date: String,
    /// The version of hearken.
    pub version: String,
    /// The instruction path.
    pub path: String,
    /// A point for every cell and distance.
    pub points: Vec<Point>,
}

impl Study {
    /// The study in a file, or `None` if the file is an ordinary experiment.
    ///
    /// # Errors
    /// [`Error::Config`] with the line of what is wrong; [`Error::File`].
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })?;
        let is_study =
            toml::from_str::<toml::Table>(&text).is_ok_and(|table| table.contains_key("study"));
        if !is_study {
            return Ok(None);
        }
        let refuse = |line, what: String| Error::Config {
            file: path.display().to_string(),
            line,
            what,
        };
        let study: Self = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| line_of(&text, span.start));
            refuse(line, one_line(error.message()))
        })?;
        let possible = [
            (
                !study.name.is_empty() && !study.name.contains(['/', '\\']),
                "`name` must be usable as the name of a folder",
            ),
            (!study.compare.is_empty(), "`compare` must name a cell"),
            (
                !study.distances.is_empty() && !study.distances.contains(&0),
                "`distances` must be numbers of 1 or more",
            ),
            (study.cells >= 1, "`cells` must be 1 or more"),
            (study.symbols >= 2, "`symbols` must be 2 or more"),
            (study.batch >= 1, "`batch` must be 1 or more"),
            (study.steps >= 1, "`steps` must be 1 or more"),
        ];
        if let Some((_, what)) = possible.iter().find(|(holds, _)| !holds) {
            return Err(refuse(None, (*what).to_owned()));
        }
        study
            .train
            .check()
            .map_err(|error| refuse(None, error.to_string()))?;
        Ok(Some(study))
    }

    /// The plan of `--dry-run`, a line each.
    pub fn plan(&self, options: &RunOptions) -> Vec<String> {
        vec![
            format!("study        {}", self.name),
            format!("run          {}", options.runs.join(&self.name).display()),
            format!("seed         {}", self.seed),
            format!(
                "cells        {:?}, one layer of {}",
                self.compare, self.cells
            ),
            format!(
                "task         recall one of {} symbols after {:?} steps",
                self.symbols, self.distances
            ),
            format!(
                "train        {} trainings of at most {} batches of {}",
                self.compare.len() * self.distances.len(),
                self.train.epochs * self.steps,
                self.batch
            ),
        ]
    }
}

/// Runs a study, going on from whatever an earlier, interrupted run left: `results.json` and
/// `report.html` in its folder. Returns the folder and the results.
///
/// # Errors
/// A file that cannot be written; a training that diverges.
pub fn run_study(
    study: &Study,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(PathBuf, StudyResults), Error> {
    let dir = options.runs.join(&study.name);
    let config = toml::to_string(study).map_err(|error| Error::Data(error.to_string()))?;
    write_whole(&dir.join("config.toml"), config.as_bytes())?;
    // Float and the same order of sums everywhere: the cells are compared, not the instructions.
    let runtime = Runtime::new(Precision::F32);
    let mut points = Vec::new();
    for &cell in &study.compare {
        for &distance in &study.distances {
            let recall = Recall::new(study, cell, distance, runtime)?;
            let gradient = recall.gradient()?;
            let name = format!("{cell:?}-{distance}").to_lowercase();
            let outcome = train(
                &recall,
                &train::Plan {
                    config: &study.train,
                    seed: study.seed,
                    dir: &dir.join("train").join(&name),
                    identity: &hash(&[config.as_bytes(), name.as_bytes()]),
                    path: &runtime.path.to_string(),
                    allow_other_path: options.allow_other_path,
                },
                &mut train::Silent,
            )?;
            let accuracy = 1.0 - outcome.evaluation.selection;
            observer.note(&format!(
                "{name}: {:.1}% recalled, gradient {gradient:.1e}",
                100.0 * accuracy
            ));
            points.push(Point {
                cell,
                distance,
                accuracy,
                gradient,
            });
        }
    }
    let results = StudyResults {
        name: study.name.clone(),
        command: options.command.clone(),
        date: today(),
        version: env!("CARGO_PKG_VERSION").into(),
        path: runtime.path.to_string(),
        points,
    };
    results.write(&dir.join("results.json"))?;
    write_whole(&dir.join("report.html"), page(study, &results).as_bytes())?;
    Ok((dir, results))
}

impl StudyResults {
    /// Reads the results of a study; `None` where the file is those of an ordinary run.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn read(path: &Path) -> Result<Option<Self>, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })?;
        Ok(serde_json::from_str(&text).ok())
    }

    /// Writes the results.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let json =
            serde_json::to_string_pretty(self).map_err(|error| Error::Data(error.to_string()))?;
        Ok(write_whole(path, (json + "\n").as_bytes())?)
    }
}
