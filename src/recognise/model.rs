//! `model.toml`: everything about a model but its weights.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Error, ModelFiles, Storage, write_weights};
use crate::acoustic::{self, AcousticModel};
use crate::decode;
use crate::features::{Recipe, Stats};
use crate::text::{Normalisation, Tokens};
use crate::train::sha256;

/// The version of the format that this program writes.
const FORMAT: u32 = 1;

/// The file of the description.
const DESCRIPTION: &str = "model.toml";

/// The file of the acoustic weights.
pub(super) const WEIGHTS: &str = "model.safetensors";

/// What `model.toml` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Description {
    /// Version of the format.
    pub format: u32,
    /// The model's name.
    pub name: String,
    /// Normalisation of transcripts, for whoever scores its output.
    pub normalise: Normalisation,
    /// The inventory of each output, in the order of the outputs.
    pub tokens: Vec<Tokens>,
    /// The search.
    pub decode: decode::Config,
    /// The architecture.
    pub acoustic: acoustic::Config,
    /// The features, the recipe in full.
    pub features: Recipe,
    /// Mean and standard deviation of the training features, when the recipe normalises by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<Stats>,
    /// Where the model comes from.
    pub provenance: Provenance,
    /// SHA-256 of every other file, in hexadecimal.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

impl Description {
    /// The inventory of the output that is decoded.
    pub fn decoded_tokens(&self) -> &Tokens {
        &self.tokens[self.decode.output]
    }
}

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provenance {
    /// The experiment that trained it.
    pub experiment: String,
    /// Version of the program.
    pub version: String,
    /// The seed.
    pub seed: u64,
    /// Instruction path of the training.
    pub path: String,
    /// Whether parts were trained on different paths.
    pub mixed_paths: bool,
    /// The training data: sets with their utterances and hours.
    pub data: Vec<String>,
    /// SHA-256 over the training features' hashes.
    pub data_hash: String,
    /// Optimiser steps.
    pub steps: u64,
    /// The epochs whose weights were averaged.
    pub epochs: Vec<usize>,
    /// Figures on the dev data, by best-path decoding: fractions.
    pub dev: BTreeMap<String, f64>,
    /// The model that training started from.
    pub init_from: Option<String>,
}

/// Reads and checks `model.toml`, and the SHA-256 of every file that it lists.
///
/// # Errors
/// [`Error::Model`] when the description is not of this format or a file is not what it says.
pub fn read_description(files: &ModelFiles) -> Result<Description, Error> {
    let refuse = |what: String| Error::Model {
        model: files.name(),
        what,
    };
    let bytes = files.read(DESCRIPTION)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| refuse(format!("{DESCRIPTION} is not UTF-8 text")))?;
    let description: Description = toml::from_str(text)
        .map_err(|error| refuse(format!("{DESCRIPTION}: {}", error.message())))?;
    if description.format != FORMAT {
        return Err(refuse(format!(
            "its format is {} and this program reads {FORMAT}",
            description.format
        )));
    }
    for (name, expected) in &description.files {
        if sha256(&files.read(name)?) != *expected {
            return Err(refuse(format!(
                "{name} is not the file that {DESCRIPTION} describes (its SHA-256 differs): copy the whole directory again"
            )));
        }
    }
    Ok(description)
}

/// Writes a model directory: into a new directory beside `dir`, which then takes its place.
/// `others` are further files by name: the n-gram, the lexicon.
///
/// `description.format` and `description.files` are filled in here.
///
/// # Errors
/// A file that cannot be written; what was at `dir` before is then still there.
pub fn write_model(
    dir: &Path,
    description: &Description,
    model: &AcousticModel,
    storage: Storage,
    others: BTreeMap<String, Vec<u8>>,
) -> Result<(), Error> {
    let mut files = others;
    let weights = write_weights(model.parameters(), storage).map_err(|what| Error::Model {
        model: dir.display().to_string(),
        what,
    })?;
    files.insert(WEIGHTS.to_owned(), weights);
    write_directory(dir, description, &files)
}

/// Gives a model directory another description, and other files or more of them; the rest stays.
///
/// # Errors
/// A file that cannot be read or written; the directory is then as it was.
pub fn rewrite_model(
    dir: &Path,
    description: &Description,
    others: BTreeMap<String, Vec<u8>>,
) -> Result<(), Error> {
    let source = ModelFiles::Directory(dir.to_owned());
    let mut files = others;
    for name in description.files.keys() {
        if !files.contains_key(name) {
            files.insert(name.clone(), source.read(name)?.into_owned());
        }
    }
    write_directory(dir, description, &files)
}

fn write_directory(
    dir: &Path,
    description: &Description,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<(), Error> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    let mut description = description.clone();
    description.format = FORMAT;
    description.files = files
        .iter()
        .map(|(name, bytes)| (name.clone(), sha256(bytes)))
        .collect();
    let text = toml::to_string(&description).map_err(|error| Error::Model {
        model: dir.display().to_string(),
        what: error.to_string(),
    })?;

    let parent = match dir.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(at(parent))?;
    let fresh = tempfile::Builder::new()
        .prefix(".model-")
        .tempdir_in(parent)
        .map_err(at(parent))?;
    let description = (DESCRIPTION, text.as_bytes());
    let files = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    for (name, bytes) in files.chain([description]) {
        let path = fresh.path().join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(at(folder))?;
        }
        let mut file = std::fs::File::create(&path).map_err(at(&path))?;
        file.write_all(bytes).map_err(at(&path))?;
        file.sync_all().map_err(at(&path))?;
    }
    replace_directory(fresh, dir).map_err(at(dir))
}

/// Puts a finished directory in the place of another.
fn replace_directory(fresh: tempfile::TempDir, dir: &Path) -> std::io::Result<()> {
    let old: PathBuf = fresh.path().with_extension("old");
    let replaced = match std::fs::rename(dir, &old) {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    if let Err(error) = std::fs::rename(fresh.path(), dir) {
        if replaced {
            std::fs::rename(&old, dir)?;
        }
        return Err(error);
    }
    // The directory has moved: there is nothing left for the guard to delete.
    let _ = fresh.keep();
    if replaced {
        std::fs::remove_dir_all(&old)?;
    }
    Ok(())
}
