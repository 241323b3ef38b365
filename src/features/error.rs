//! What can go wrong on the way from a waveform to a store.

use std::path::PathBuf;

use crate::{audio, corpus};

/// Why features could not be made, stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A recipe with an unknown key, a wrong type or an impossible value.
    #[error("{origin}, line {line}{}{key}: {message}", if key.is_empty() { "" } else { ", " })]
    Recipe {
        /// The recipe file, or the name of a built-in recipe.
        origin: String,
        /// Line in it, from 1.
        line: usize,
        /// The key, with its section: `mel.bins`; empty where the text is no TOML.
        key: String,
        /// What is wrong with it and what would be right.
        message: String,
    },
    /// A recipe that did not come from a file of its own has an impossible value.
    #[error("feature recipe, {key}: {message}")]
    RecipeValue {
        /// The key, with its section: `mel.bins`.
        key: String,
        /// What is wrong with it and what would be right.
        message: String,
    },
    /// No built-in recipe has this name.
    #[error(
        "no feature recipe is named `{name}`: built in are {known}; a file is given with its `.toml`"
    )]
    UnknownRecipe {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The operating system refused a file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The waveform has another rate than the recipe.
    #[error("the waveform has {found} Hz, the feature recipe {expected} Hz: resample it first")]
    SampleRate {
        /// The waveform's rate, Hz.
        found: u32,
        /// The recipe's rate, Hz.
        expected: u32,
    },
    /// The waveform is shorter than one output frame.
    #[error("too short: {samples} samples, one feature frame needs {needed}")]
    TooShort {
        /// Samples of the waveform.
        samples: usize,
        /// Samples that one output frame needs.
        needed: usize,
    },
    /// A sample is NaN or infinite.
    #[error("sample {index} is not a finite number")]
    NotFinite {
        /// Its index, from 0.
        index: usize,
    },
    /// A recipe with `normalisation = "global"` was used without the training set's statistics.
    #[error(
        "the feature recipe normalises globally: the training set's mean and standard deviation are needed (the training store and the model hold them)"
    )]
    StatisticsMissing,
    /// Statistics of another dimension than the frames they should normalise.
    #[error("normalisation statistics have {found} dimensions, the features {expected}")]
    StatisticsDimension {
        /// Dimensions of the statistics.
        found: usize,
        /// Dimensions of a frame before stacking.
        expected: usize,
    },
    /// A recording could not be read.
    #[error("utterance {id}: {source}")]
    Recording {
        /// The utterance.
        id: String,
        /// What is wrong with its recording.
        source: corpus::Error,
    },
    /// A recording could not be resampled to another speed.
    #[error("utterance {id} at speed {speed}: {source}")]
    Speed {
        /// The utterance.
        id: String,
        /// The speed.
        speed: f64,
        /// What the resampler said.
        source: audio::Error,
    },
    /// The features of an utterance could not be computed.
    #[error("utterance {id}: {source}")]
    Utterance {
        /// The utterance.
        id: String,
        /// Why not.
        source: Box<Error>,
    },
    /// A speed outside 0.5 to 2, or one given twice.
    #[error("speed {speed}: speeds are different numbers from 0.5 to 2")]
    BadSpeed {
        /// The speed.
        speed: f64,
    },
    /// Signal-to-noise ratios that are no range.
    #[error(
        "noise at {low} to {high} dB: give two signal-to-noise ratios from -20 to 100, the lower one first"
    )]
    BadNoise {
        /// The lower one.
        low: f64,
        /// The higher one.
        high: f64,
    },
    /// A room that cannot be.
    #[error("reverberation's `{key}` must be {range}")]
    BadReverberation {
        /// The key.
        key: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// Gains that are no range.
    #[error("volume at {low} to {high} dB: give two gains from -60 to 60, the lower one first")]
    BadVolume {
        /// The lower one.
        low: f64,
        /// The higher one.
        high: f64,
    },
    /// Two utterances have the same id.
    #[error("two utterances have the id {id}: ids must be unique in a store")]
    RepeatedId {
        /// The id.
        id: String,
    },
    /// There is nothing to put into a store.
    #[error("no utterance to store: {skipped} were too short for one frame")]
    NothingToStore {
        /// Utterances that were too short.
        skipped: usize,
    },
    /// A store could not be written.
    #[error("{}: cannot write the feature store: {reason}", path.display())]
    Write {
        /// Where the store was to stand; what was there still is.
        path: PathBuf,
        /// What HDF5 said.
        reason: String,
    },
    /// A file that is no feature store, or one whose parts contradict each other.
    #[error("{}: {reason}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Frames of a store cannot be read: most likely a checksum does not match.
    #[error("{}: the features of utterance {utterance} are damaged ({reason}): extract them again", path.display())]
    Corrupted {
        /// The store.
        path: PathBuf,
        /// The utterance.
        utterance: String,
        /// What HDF5 said.
        reason: String,
    },
    /// A store was made by another recipe than the one required.
    #[error(
        "{}: made by another feature recipe than required (store {found}, required {expected}): {differences}: extract it again or take the recipe's model",
        path.display()
    )]
    RecipeDiffers {
        /// The store.
        path: PathBuf,
        /// Hash of the store's recipe.
        found: String,
        /// Hash of the required recipe.
        expected: String,
        /// Each field that differs: the store's value and the required one.
        differences: String,
    },
    /// A plot is to be written to a file that is neither SVG nor PNG.
    #[error("{}: a plot is written to a file that ends in .svg or .png", path.display())]
    PlotEnding {
        /// The file.
        path: PathBuf,
    },
}
