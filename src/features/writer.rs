//! Writing a feature store piece by piece, and putting it in its place only when it is whole.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hdf5::types::VarLenUnicode;
use ndarray::{Array1, Array2, ArrayView1, s};
use tempfile::NamedTempFile;

use super::normalise::Moments;
use super::store::{names, one_line};
use super::{Error, Recipe, put_in_place, temporary_beside};

/// Bytes of a chunk of frames: small enough that one utterance reads little more than itself, large
/// enough that the checksums cost nothing.
const CHUNK_BYTES: usize = 128 * 1024;

/// Elements of a chunk of the index.
const INDEX_CHUNK: usize = 1024;

/// One utterance to be stored.
pub(super) struct Entry {
    pub id: String,
    pub text: String,
    pub speaker: String,
    /// `[T, D]`.
    pub features: Array2<f32>,
    /// Of the frames before stacking.
    pub moments: Moments,
}

/// A store that grows under a temporary name beside its target.
pub(super) struct Writer {
    path: PathBuf,
    temporary: NamedTempFile,
    file: hdf5::File,
    features: hdf5::Dataset,
    offsets: Vec<u64>,
    speakers: Vec<usize>,
    speaker_moments: Vec<Moments>,
    speaker_index: HashMap<String, usize>,
    moments: Moments,
    recipe: Recipe,
}

impl Writer {
    /// Begins a store that will stand at `path`.
    pub fn create(path: &Path, recipe: &Recipe) -> Result<Self, Error> {
        let temporary = temporary_beside(path)?;
        let (file, features) = create(temporary.path(), recipe).map_err(|error| Error::Write {
            path: path.into(),
            reason: one_line(&error),
        })?;
        Ok(Self {
            path: path.into(),
            temporary,
            file,
            features,
            offsets: vec![0],
            speakers: Vec::new(),
            speaker_moments: Vec::new(),
            speaker_index: HashMap::new(),
            moments: Moments::new(recipe.frame_dim()),
            recipe: recipe.clone(),
        })
    }

    /// Utterances so far.
    pub fn utterances(&self) -> usize {
        self.speakers.len()
    }

    /// Frames so far.
    pub fn frames(&self) -> u64 {
        self.offsets[self.offsets.len() - 1]
    }

    /// Appends utterances in this order.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), Error> {
        self.try_append(entries)
            .map_err(|error| self.failed(&error))
    }

    fn try_append(&mut self, entries: &[Entry]) -> Result<(), hdf5::Error> {
        let first = self.utterances();
        for entry in entries {
            let start = self.frames() as usize;
            let end = start + entry.features.nrows();
            self.features.resize((end, entry.features.ncols()))?;
            self.features
                .write_slice(&entry.features, s![start..end, ..])?;
            self.offsets.push(end as u64);
            self.moments.merge(&entry.moments);
            let known = self.speaker_moments.len();
            let speaker = *self
                .speaker_index
                .entry(entry.speaker.clone())
                .or_insert(known);
            if speaker == known {
                self.speaker_moments
                    .push(Moments::new(self.recipe.frame_dim()));
            }
            self.speaker_moments[speaker].merge(&entry.moments);
            self.speakers.push(speaker);
        }
        let ends = ArrayView1::from(&self.offsets[first + 1..]);
        let offsets = self.file.dataset(names::OFFSETS)?;
        offsets.resize([self.offsets.len()])?;
        offsets.write_slice(ends, s![first + 1..self.offsets.len()])?;
        self.append_strings(names::IDS, first, entries, |entry| &entry.id)?;
        self.append_strings(names::TEXTS, first, entries, |entry| &entry.text)?;
        self.append_strings(names::SPEAKERS, first, entries, |entry| &entry.speaker)
    }

    fn append_strings(
        &self,
        name: &str,
        first: usize,
        entries: &[Entry],
        field: impl Fn(&Entry) -> &str,
    ) -> Result<(), hdf5::Error> {
        let strings: Array1<VarLenUnicode> = entries
            .iter()
            .map(|entry| VarLenUnicode::from_str(field(entry)))
            .collect::<Result<_, _>>()
            .map_err(|error| hdf5::Error::from(format!("{name}: {error}").as_str()))?;
        let dataset = self.file.dataset(name)?;
        dataset.resize([first + entries.len()])?;
        dataset.write_slice(&strings, s![first..first + entries.len()])
    }

    /// Normalises every utterance by the statistics of its speaker, in place.
    pub fn normalise_by_speaker(&mut self) -> Result<(), Error> {
        let stats: Vec<_> = self.speaker_moments.iter().map(Moments::stats).collect();
        self.moments = Moments::new(self.recipe.frame_dim());
        for (i, &speaker) in self.speakers.iter().enumerate() {
            let rows = self.offsets[i] as usize..self.offsets[i + 1] as usize;
            let mut features: Array2<f32> = self
                .features
                .read_slice_2d(s![rows.clone(), ..])
                .map_err(|error| self.failed(&error))?;
            stats[speaker].normalise(&mut features)?;
            self.features
                .write_slice(&features, s![rows, ..])
                .map_err(|error| self.failed(&error))?;
            let frames = features
                .to_shape((
                    features.len() / self.recipe.frame_dim(),
                    self.recipe.frame_dim(),
                ))
                .map_err(|_| Error::StatisticsDimension {
                    found: self.recipe.frame_dim(),
                    expected: features.ncols(),
                })?;
            self.moments.merge(&Moments::of(frames.view()));
        }
        Ok(())
    }

    /// Writes the statistics, closes the file, and puts it in its place.
    pub fn finish(self) -> Result<(), Error> {
        let stats = self.moments.stats();
        let written = (|| {
            let attribute = |name: &str, values: &[f32]| {
                self.file
                    .new_attr_builder()
                    .with_data(&ArrayView1::from(values))
                    .create(name)
                    .map(drop)
            };
            attribute(names::GLOBAL_MEAN, &stats.mean)?;
            attribute(names::GLOBAL_STD, &stats.std)?;
            self.file.flush()
        })();
        written.map_err(|error| self.failed(&error))?;
        let Self {
            path,
            temporary,
            file,
            features,
            ..
        } = self;
        drop(features);
        file.close().map_err(|error| Error::Write {
            path: path.clone(),
            reason: one_line(&error),
        })?;
        put_in_place(temporary, &path)
    }

    fn failed(&self, error: &hdf5::Error) -> Error {
        Error::Write {
            path: self.path.clone(),
            reason: one_line(error),
        }
    }
}

/// The file with its empty, growing datasets and the recipe's attributes.
fn create(path: &Path, recipe: &Recipe) -> Result<(hdf5::File, hdf5::Dataset), hdf5::Error> {
    // Without times, the same features are the same bytes.
    let file = hdf5::FileBuilder::new()
        .with_fcpl(|plist| plist.obj_track_times(false))
        .create(path)?;
    let dim = recipe.dim();
    let features = file
        .new_dataset::<f32>()
        .shape((0.., dim))
        .chunk(((CHUNK_BYTES / 4 / dim).max(1), dim))
        .fletcher32()
        .create(names::FEATURES)?;
    let offsets = file
        .new_dataset::<u64>()
        .shape([1..])
        .chunk([INDEX_CHUNK])
        .fletcher32()
        .create(names::OFFSETS)?;
    offsets.write(&[0u64])?;
    for name in [names::IDS, names::TEXTS, names::SPEAKERS] {
        file.new_dataset::<VarLenUnicode>()
            .shape([0..])
            .chunk([INDEX_CHUNK])
            .create(name)?;
    }
    for (name, text) in [
        (names::RECIPE, recipe.to_toml()),
        (names::RECIPE_HASH, recipe.hash()),
    ] {
        let text = VarLenUnicode::from_str(&text)
            .map_err(|error| hdf5::Error::from(format!("{name}: {error}").as_str()))?;
        file.new_attr::<VarLenUnicode>()
            .create(name)?
            .write_scalar(&text)?;
    }
    Ok((file, features))
}
