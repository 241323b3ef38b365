//! Where a command writes its model.

use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::lm::Error;
use crate::lm::ngram::{Kind, Trie, write};

/// Where a model is written, and how.
#[derive(clap::Args)]
pub struct Out {
    /// The model: NAME.arpa, NAME.arpa.gz, or the compact NAME.bin.
    #[arg(long = "out", value_name = "LM")]
    pub path: PathBuf,
    #[command(flatten)]
    pub quantise: Quantise,
}

/// How values are written.
#[derive(clap::Args)]
pub struct Quantise {
    /// Write probabilities and back-offs of NAME.bin in so many bits; exactly by default.
    #[arg(long = "quantize", value_name = "BITS", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub bits: Option<u32>,
}

impl Out {
    /// Fails before the work is done if its result could not be written.
    pub fn check(&self) -> Result<Kind, Failure> {
        check(&self.path, &self.quantise)
    }

    /// Writes the model.
    pub fn write(&self, model: &Trie) -> Result<(), Failure> {
        Ok(write(&self.path, model, self.quantise.bits)?)
    }
}

/// The kind of model that a path tells. Fails if it could not be written.
pub fn check(path: &Path, quantise: &Quantise) -> Result<Kind, Failure> {
    let kind = Kind::of(path)?;
    if kind == Kind::Arpa && quantise.bits.is_some() {
        return Err("--quantize is for the compact form: end the model's name in .bin".into());
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let why = format!(
            "cannot write {}: there is no folder {}",
            path.display(),
            folder.display()
        );
        return Err(Error::Option(why).into());
    }
    Ok(kind)
}
