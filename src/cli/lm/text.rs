//! The texts of a command: files, standard input, or sentences on the command line.

use std::path::{Path, PathBuf};

use crate::lm::{Error, MAX_LINE, Source};

/// Where text comes from.
#[derive(clap::Args)]
pub struct Texts {
    /// Text, one sentence a line: plain, gzip or xz; `-` for standard input, the default.
    #[arg(value_name = "TEXT")]
    files: Vec<PathBuf>,
    /// A sentence; may be given several times.
    #[arg(long = "sentence", value_name = "SENTENCE", conflicts_with = "files")]
    sentences: Vec<String>,
    #[command(flatten)]
    pub limit: Limit,
}

/// How long a line may be.
#[derive(clap::Args)]
pub struct Limit {
    /// The longest line in bytes; a longer one is taken for a text without sentence breaks.
    #[arg(long = "max-line", value_name = "BYTES", default_value_t = MAX_LINE)]
    pub bytes: usize,
}

impl Texts {
    /// The texts, with the names that they go by.
    pub fn open(&self) -> Result<Vec<Source>, Error> {
        if self.sentences.is_empty() {
            return open(&self.files);
        }
        let text = self.sentences.join("\n");
        let name = "the sentence".to_string();
        Ok(vec![Source::new(
            name,
            std::io::Cursor::new(text.into_bytes()),
        )?])
    }
}

/// Opens files; standard input if there are none.
pub fn open(files: &[PathBuf]) -> Result<Vec<Source>, Error> {
    let standard_input = [PathBuf::from("-")];
    let files = if files.is_empty() {
        &standard_input
    } else {
        files
    };
    files
        .iter()
        .map(|path| match path.as_path() {
            dash if dash == Path::new("-") => Source::standard_input(),
            path => Source::open(path),
        })
        .collect()
}
