//! Models to and from files, by the kind that a name tells.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::super::Error;
use super::super::source::Source;
use super::arpa_reader::read_arpa;
use super::arpa_writer::ArpaText;
use super::compact::{NGram, compact, expand, is_compact};
use super::trie::Trie;

/// The kinds of model files that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, NAME.arpa, gzip if NAME.arpa.gz.
    Arpa,
    /// The compact form, NAME.bin.
    Compact,
}

impl Kind {
    /// The kind of a file to be written.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".arpa") || name.ends_with(".arpa.gz") {
            Ok(Self::Arpa)
        } else if name.ends_with(".bin") {
            Ok(Self::Compact)
        } else {
            Err(Error::Option(format!(
                "cannot tell what kind of model {} is to be: end its name in .arpa, .arpa.gz or .bin",
                path.display()
            )))
        }
    }
}

/// Reads a whole model, whatever its kind.
pub fn read(path: &Path) -> Result<Trie, Error> {
    if is_compact(path)? {
        expand(&NGram::open(path)?)
    } else {
        read_arpa(Source::open(path)?)
    }
}

/// A model, whatever its kind, in the bytes of the compact form: a file that is compact already as
/// it is, any other with values of `quantise` bits if that is given.
pub fn read_compact(path: &Path, quantise: Option<u32>) -> Result<Vec<u8>, Error> {
    if !is_compact(path)? {
        return compact(&read(path)?, quantise);
    }
    // Opened once, so that a damaged file is refused here.
    NGram::open(path)?;
    std::fs::read(path).map_err(|source| Error::read(path, source))
}

/// Writes a model as the kind that its name tells; the compact form with values of `quantise` bits
/// if that is given.
pub fn write(path: &Path, trie: &Trie, quantise: Option<u32>) -> Result<(), Error> {
    match Kind::of(path)? {
        Kind::Arpa => write_arpa(path, trie),
        Kind::Compact => {
            let mut file = NewFile::create(path)?;
            file.write(&compact(trie, quantise)?)?;
            file.finish()
        }
    }
}

fn write_arpa(path: &Path, trie: &Trie) -> Result<(), Error> {
    let mut text = ArpaText::create(path, &trie.counts())?;
    let parents: Vec<Vec<u32>> = trie.levels.iter().map(|level| level.parents()).collect();
    for (order, level) in (1..).zip(&trie.levels) {
        text.section(order, level.len(), |at, line| {
            let mut words = Vec::with_capacity(order);
            let mut place = at;
            for n in (0..order).rev() {
                words.push(trie.levels[n].words[place]);
                if n > 0 {
                    place = parents[n - 1][place] as usize;
                }
            }
            line.prob(level.log10_probs[at]);
            words
                .iter()
                .rev()
                .for_each(|&word| line.word(trie.vocabulary.word(word)));
            line.backoff(level.backoffs[at]);
        })?;
    }
    text.finish()
}

/// A file that takes its place when it is whole; until then what stood there stands.
pub struct NewFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl NewFile {
    /// Begins a file beside its place.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
        let file = file.map_err(|source| Error::write(path, source))?;
        Ok(Self {
            path: path.to_path_buf(),
            file: BufWriter::new(file),
        })
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file
            .write_all(bytes)
            .map_err(|source| Error::write(&self.path, source))
    }

    /// Puts the file in its place, readable like any new file.
    pub fn finish(self) -> Result<(), Error> {
        let Self { path, file } = self;
        let done = || -> std::io::Result<()> {
            let file = file.into_inner()?;
            set_mode(file.as_file())?;
            file.persist(&path)?;
            Ok(())
        };
        done().map_err(|source| Error::write(&path, source))
    }
}

/// Temporary files are private to their owner; finished ones are as others are made.
#[cfg(unix)]
fn set_mode(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_mode(_: &File) -> std::io::Result<()> {
    Ok(())
}
