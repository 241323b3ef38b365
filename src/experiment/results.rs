//! The figures of a run: `results.json`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Error;
use crate::score::ErrorCounts;

/// What a run gave, and everything needed to get it again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// The experiment.
    pub name: String,
    /// The command that wrote this file.
    pub command: String,
    /// The day, UTC.
    pub date: String,
    /// Version of the program.
    pub version: String,
    /// The seed.
    pub seed: u64,
    /// Instruction path.
    pub path: String,
    /// Numbers in the model.
    pub parameters: usize,
    /// Optimiser steps.
    pub steps: u64,
    /// Epochs (from 1) whose weights were averaged, best first.
    pub epochs: Vec<usize>,
    /// Training sets: name, utterances, hours.
    pub train: Vec<TrainSet>,
    /// Figures of the final weights on the dev sets by the best path alone, before they were
    /// stored: fractions by name, `cer.SET` where there are several sets.
    #[serde(default)]
    pub best_path: BTreeMap<String, f64>,
    /// What the tuning of the search found on the dev sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
    /// Figures by set.
    pub sets: Vec<SetResult>,
}

/// What the tuning of a search found beside its weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tuning {
    /// The word error rate, a fraction, of the best of each n-best list.
    pub oracle: f64,
    /// NIST's normalised cross entropy of the confidences on each dev set, calibrated on the others;
    /// of a single set on its halves.
    pub cross_entropy: Vec<Option<f64>>,
}

/// A training set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrainSet {
    /// Its name.
    pub name: String,
    /// Its utterances, without speed-perturbed copies.
    pub utterances: usize,
    /// Its hours, likewise.
    pub hours: f64,
}

/// The figures of one held-out set; rates are fractions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SetResult {
    /// Its name.
    pub name: String,
    /// `dev` or `test`.
    pub role: String,
    /// How it was decoded.
    pub decoder: String,
    /// Its utterances.
    pub utterances: usize,
    /// Rates by name (`wer`, `cer`, or `per`), with the counts behind them.
    pub rates: BTreeMap<String, Rate>,
}

/// A rate with its parts.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Rate {
    /// Errors over reference length.
    pub rate: f64,
    /// Reference length.
    pub reference: u64,
    /// Substitutions.
    pub substitutions: u64,
    /// Deletions.
    pub deletions: u64,
    /// Insertions.
    pub insertions: u64,
}

impl From<ErrorCounts> for Rate {
    fn from(counts: ErrorCounts) -> Self {
        Self {
            rate: counts.rate(),
            reference: counts.reference_len(),
            substitutions: counts.substitutions,
            deletions: counts.deletions,
            insertions: counts.insertions,
        }
    }
}

impl Results {
    /// Writes the results as JSON, atomically.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let at = |source| Error::File {
            path: path.to_owned(),
            source,
        };
        let mut text = serde_json::to_string_pretty(self).map_err(|error| at(error.into()))?;
        text.push('\n');
        Ok(crate::train::write_whole(path, text.as_bytes())?)
    }

    /// Reads results that were written.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let at = |source| Error::File {
            path: path.to_owned(),
            source,
        };
        let text = std::fs::read_to_string(path).map_err(at)?;
        serde_json::from_str(&text).map_err(|error| at(error.into()))
    }
}

/// Today's date in UTC, `2026-11-25`.
pub(super) fn today() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_782), (2026, 11, 25));
        assert_eq!(civil(20_818), (2026, 12, 31));
    }
}
