//! Where a model's files come from: a directory, or the binary itself.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::Error;

/// A model in the binary: its name, and each of its files with its bytes.
type EmbeddedModel = (&'static str, &'static [(&'static str, &'static [u8])]);

/// A model of the folder `models` with the files named.
macro_rules! embed {
    ($name:literal: $($file:literal),+ $(,)?) => {
        (
            $name,
            &[$((
                $file,
                include_bytes!(concat!("../../models/", $name, "/", $file)),
            )),+],
        )
    };
}

/// The models in the binary, the default first.
const EMBEDDED: &[EmbeddedModel] = &[
    embed!(
        "english":
        "model.toml",
        "model.safetensors",
        "ngram.bin",
        "lexicon",
        "rnnlm/rnn.toml",
        "rnnlm/vocabulary.xz",
        "rnnlm/weights.safetensors",
    ),
    embed!("digits": "model.toml", "model.safetensors"),
];

/// The files of one model.
#[derive(Clone, Debug)]
pub enum ModelFiles {
    /// A directory on disk.
    Directory(PathBuf),
    /// A model in the binary, by name.
    Embedded(&'static str),
}

/// The names of the models in the binary, the default first.
pub fn embedded_names() -> impl Iterator<Item = &'static str> {
    EMBEDDED.iter().map(|(name, _)| *name)
}

impl ModelFiles {
    /// Finds a model: anything with a `/` or an existing directory is a directory, everything else
    /// is the name of a model in the binary.
    ///
    /// # Errors
    /// [`Error::NoSuchModel`] with the names that there are.
    pub fn find(name: &str) -> Result<Self, Error> {
        let path = Path::new(name);
        if name.contains('/') || path.is_dir() {
            return Ok(Self::Directory(path.to_owned()));
        }
        match embedded_names().find(|known| *known == name) {
            Some(known) => Ok(Self::Embedded(known)),
            None => Err(Error::NoSuchModel {
                name: name.to_owned(),
                known: embedded_names()
                    .map(|known| format!("`{known}`"))
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// What messages call the model.
    pub fn name(&self) -> String {
        match self {
            Self::Directory(path) => path.display().to_string(),
            Self::Embedded(name) => (*name).to_owned(),
        }
    }

    /// The bytes of one file.
    ///
    /// # Errors
    /// [`Error::File`] when it is not there or cannot be read.
    pub fn read(&self, file: &str) -> Result<Cow<'static, [u8]>, Error> {
        match self {
            Self::Directory(dir) => {
                let path = dir.join(file);
                match std::fs::read(&path) {
                    Ok(bytes) => Ok(Cow::Owned(bytes)),
                    Err(source) => Err(Error::File { path, source }),
                }
            }
            Self::Embedded(name) => EMBEDDED
                .iter()
                .find(|(known, _)| known == name)
                .and_then(|(_, files)| files.iter().find(|(known, _)| *known == file))
                .map(|(_, bytes)| Cow::Borrowed(*bytes))
                .ok_or_else(|| Error::Model {
                    model: (*name).to_owned(),
                    what: format!("the binary holds no `{file}` of it"),
                }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_description;
    use super::*;

    #[test]
    fn every_file_that_a_model_of_the_binary_names_is_in_the_binary() {
        for name in embedded_names() {
            let files = ModelFiles::find(name).unwrap();
            let description = read_description(&files).unwrap();
            assert!(!description.files.is_empty());
            for file in description.files.keys() {
                files.read(file).unwrap();
            }
        }
    }
}
