//! The feature store: one HDF5 file a corpus split, readable by h5py.
//!
//! | name | type | what |
//! |---|---|---|
//! | `features` | f32 `[N, D]` | the frames of all utterances, one after the other; chunked, each chunk with its fletcher32 checksum |
//! | `offsets` | u64 `[utterances + 1]` | utterance `i` is rows `offsets[i] .. offsets[i+1]` |
//! | `ids`, `texts`, `speakers` | UTF-8 strings `[utterances]` | |
//! | attribute `recipe` | UTF-8 string | the recipe with every field, TOML |
//! | attribute `recipe_hash` | UTF-8 string | [`Recipe::hash`] |
//! | attributes `global_mean`, `global_std` | f32 `[D before stacking]` | over all frames as they are stored |

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hdf5::types::VarLenUnicode;
use ndarray::{Array2, s};

use super::recipe::Normalisation;
use super::{Error, Recipe, Stats};

/// Names of what the file holds.
pub(super) mod names {
    pub const FEATURES: &str = "features";
    pub const OFFSETS: &str = "offsets";
    pub const IDS: &str = "ids";
    pub const TEXTS: &str = "texts";
    pub const SPEAKERS: &str = "speakers";
    pub const RECIPE: &str = "recipe";
    pub const RECIPE_HASH: &str = "recipe_hash";
    pub const GLOBAL_MEAN: &str = "global_mean";
    pub const GLOBAL_STD: &str = "global_std";
}

/// An open feature store: random access by utterance. The index is in memory, the frames are not.
///
/// Can be shared between threads; HDF5 itself reads for one at a time.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    features: Mutex<hdf5::Dataset>,
    offsets: Vec<u64>,
    ids: Vec<String>,
    texts: Vec<String>,
    speakers: Vec<String>,
    recipe: Recipe,
    recipe_hash: String,
    global_stats: Stats,
    applied: Option<Stats>,
}

impl Store {
    /// Opens a store and reads its index.
    ///
    /// # Errors
    /// The file is missing, no HDF5, no feature store, or its parts contradict each other.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        // HDF5's own words for a missing file or a folder are no one's.
        let metadata = std::fs::File::open(path)
            .and_then(|file| file.metadata())
            .map_err(|source| Error::Io {
                path: path.into(),
                source,
            })?;
        let bad = |reason: String| Error::Store {
            path: path.into(),
            reason,
        };
        if !metadata.is_file() {
            return Err(bad("is not a file".into()));
        }
        Self::read_index(path).map_err(|problem| match problem {
            Problem::Hdf5(error) => bad(format!(
                "is not a whole feature store: {}",
                one_line(&error)
            )),
            Problem::Content(reason) => bad(reason),
        })
    }

    fn read_index(path: &Path) -> Result<Self, Problem> {
        let file = hdf5::File::open(path)?;
        let attribute = |name: &str| -> Result<String, hdf5::Error> {
            Ok(file.attr(name)?.read_scalar::<VarLenUnicode>()?.to_string())
        };
        let strings = |name: &str| -> Result<Vec<String>, hdf5::Error> {
            let strings = file.dataset(name)?.read_raw::<VarLenUnicode>()?;
            Ok(strings.iter().map(ToString::to_string).collect())
        };
        let recipe = Recipe::parse(&attribute(names::RECIPE)?, "its recipe")
            .map_err(|error| Problem::Content(error.to_string()))?;
        let features = file.dataset(names::FEATURES)?;
        let store = Self {
            path: path.into(),
            offsets: file.dataset(names::OFFSETS)?.read_raw()?,
            ids: strings(names::IDS)?,
            texts: strings(names::TEXTS)?,
            speakers: strings(names::SPEAKERS)?,
            recipe_hash: attribute(names::RECIPE_HASH)?,
            global_stats: Stats {
                mean: file.attr(names::GLOBAL_MEAN)?.read_raw()?,
                std: file.attr(names::GLOBAL_STD)?.read_raw()?,
            },
            recipe,
            applied: None,
            features: Mutex::new(features.clone()),
        };
        match store.contradiction(&features.shape()) {
            None => Ok(store),
            Some(reason) => Err(Problem::Content(reason)),
        }
    }

    /// What of the index does not fit together.
    fn contradiction(&self, shape: &[usize]) -> Option<String> {
        let utterances = self.ids.len();
        let dim = self.recipe.dim();
        let frame_dim = self.recipe.frame_dim();
        if self.recipe_hash != self.recipe.hash() {
            Some(format!(
                "its recipe's hash is {} and says {}: made by another version, extract again",
                self.recipe.hash(),
                self.recipe_hash
            ))
        } else if shape.len() != 2 || shape[1] != dim {
            Some(format!(
                "its features have the shape {shape:?}, its recipe gives {dim} dimensions"
            ))
        } else if self.offsets.len() != utterances + 1
            || self.texts.len() != utterances
            || self.speakers.len() != utterances
        {
            Some(format!(
                "{utterances} ids, {} offsets, {} texts, {} speakers: incomplete",
                self.offsets.len(),
                self.texts.len(),
                self.speakers.len()
            ))
        } else if self.offsets.first() != Some(&0)
            || self.offsets.last() != Some(&(shape[0] as u64))
            || !self.offsets.is_sorted()
        {
            Some(format!(
                "its offsets do not lead from 0 to its {} frames",
                shape[0]
            ))
        } else if self.global_stats.mean.len() != frame_dim
            || self.global_stats.std.len() != frame_dim
        {
            Some(format!("its statistics do not have {frame_dim} dimensions"))
        } else {
            None
        }
    }

    /// Normalises what is read from now on with these statistics: those of the training store, for
    /// a recipe that says `normalisation = "global"`. Others take no notice.
    ///
    /// # Errors
    /// [`Error::StatisticsDimension`].
    pub fn with_stats(mut self, stats: &Stats) -> Result<Self, Error> {
        stats.check(self.recipe.frame_dim())?;
        self.applied = Some(stats.clone());
        Ok(self)
    }

    /// Refuses a store that another recipe made.
    ///
    /// # Errors
    /// [`Error::RecipeDiffers`] with both hashes and each field that differs.
    pub fn require(&self, recipe: &Recipe) -> Result<(), Error> {
        if self.recipe_hash == recipe.hash() {
            return Ok(());
        }
        Err(Error::RecipeDiffers {
            path: self.path.clone(),
            found: self.recipe_hash.clone(),
            expected: recipe.hash(),
            differences: self.recipe.differences(recipe).join("; "),
        })
    }

    /// Where the store is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Utterances in it.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Dimension `D` of a frame.
    pub fn dim(&self) -> usize {
        self.recipe.dim()
    }

    /// The recipe that made it.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The hash of that recipe.
    pub fn recipe_hash(&self) -> &str {
        &self.recipe_hash
    }

    /// Id of utterance `i`; panics, as the other accessors do, when `i` is not below [`Store::len`].
    pub fn id(&self, i: usize) -> &str {
        &self.ids[i]
    }

    /// Transcript of utterance `i`, as the corpus writes it.
    pub fn text(&self, i: usize) -> &str {
        &self.texts[i]
    }

    /// Speaker of utterance `i`.
    pub fn speaker(&self, i: usize) -> &str {
        &self.speakers[i]
    }

    /// Frames `T` of utterance `i`.
    pub fn frames(&self, i: usize) -> usize {
        (self.offsets[i + 1] - self.offsets[i]) as usize
    }

    /// Frames of all utterances.
    pub fn total_frames(&self) -> usize {
        self.offsets[self.ids.len()] as usize
    }

    /// The utterance with this id.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.ids.iter().position(|known| known == id)
    }

    /// Mean and standard deviation of each dimension before stacking, over all frames as they are
    /// stored: what a recipe that normalises globally takes from its training store.
    pub fn global_stats(&self) -> &Stats {
        &self.global_stats
    }

    /// Features of utterance `i`, `[T, D]`, normalised as the recipe says.
    ///
    /// # Errors
    /// [`Error::Corrupted`] when a checksum does not match or the file cannot be read;
    /// [`Error::StatisticsMissing`] for a `global` recipe without [`Store::with_stats`].
    pub fn read(&self, i: usize) -> Result<Array2<f32>, Error> {
        let mut features = self.read_stored(i)?;
        if self.recipe.normalisation == Normalisation::Global {
            self.applied
                .as_ref()
                .ok_or(Error::StatisticsMissing)?
                .normalise(&mut features)?;
        }
        Ok(features)
    }

    /// Features of utterance `i` as they are stored, `[T, D]`: before a global normalisation, after
    /// any other.
    ///
    /// # Errors
    /// [`Error::Corrupted`].
    pub fn read_stored(&self, i: usize) -> Result<Array2<f32>, Error> {
        let rows = self.offsets[i] as usize..self.offsets[i + 1] as usize;
        // A panic elsewhere cannot leave a handle half changed: a poisoned lock is as good.
        let features = self
            .features
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        features
            .read_slice_2d(s![rows, ..])
            .map_err(|error| Error::Corrupted {
                path: self.path.clone(),
                utterance: self.ids[i].clone(),
                reason: one_line(&error),
            })
    }
}

/// Why an index could not be read.
enum Problem {
    Hdf5(hdf5::Error),
    Content(String),
}

impl From<hdf5::Error> for Problem {
    fn from(error: hdf5::Error) -> Self {
        Self::Hdf5(error)
    }
}

/// The innermost message of HDF5's stack: the cause, or what the system said where it was the cause.
pub(super) fn one_line(error: &hdf5::Error) -> String {
    let cause = error
        .stack()
        .and_then(|stack| stack.last().map(|frame| frame.desc().to_owned()));
    let cause = cause
        .unwrap_or_else(|| error.to_string())
        .replace('\n', " ");
    let system = cause
        .split_once("error message = '")
        .and_then(|(_, rest)| rest.split_once('\''));
    match system {
        Some((message, _)) => message.to_owned(),
        None => cause,
    }
}

#[cfg(test)]
mod tests;
