//! Why a corpus or a manifest could not be used, in one line.

use std::io;
use std::path::PathBuf;

use super::Kind;

/// Errors of the corpus room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a folder of the corpus cannot be read.
    #[error("{}: cannot read it: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// What makes a folder this kind of corpus is not there.
    #[error("{}: {what}; is it the folder of a {kind} corpus?", root.display())]
    NotThere {
        kind: Kind,
        root: PathBuf,
        what: String,
    },
    /// The corpus has no such split.
    #[error("{}: {kind} has no split `{split}`: choose one of {known}", root.display())]
    Split {
        kind: Kind,
        root: PathBuf,
        split: String,
        known: String,
    },
    /// A split is needed and none was named.
    #[error("{}: name a split of {kind} with --split: one of {known}", root.display())]
    SplitNeeded {
        kind: Kind,
        root: PathBuf,
        known: String,
    },
    /// A pipe in `wav.scp` that is not read natively.
    #[error(
        "{}:{line}: refusing to run `{command}`: decode the files first, or allow it with --allow-commands if you trust this directory",
        path.display()
    )]
    Command {
        path: PathBuf,
        line: usize,
        command: String,
    },
    /// No utterance is left.
    #[error("{}: no utterance can be used: {why}", root.display())]
    NothingLeft { root: PathBuf, why: String },
    /// A line of a list or a manifest is wrong, and the whole is useless with it.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        path: PathBuf,
        line: usize,
        what: String,
    },
    /// A list as a whole is wrong.
    #[error("{}: {what}", path.display())]
    File { path: PathBuf, what: String },
    /// A recording cannot be read.
    #[error(transparent)]
    Audio(#[from] crate::audio::Error),
    /// A command that should have written a WAV failed.
    #[error("`{command}` failed: {what}")]
    CommandFailed { command: String, what: String },
    /// A manifest cannot be written.
    #[error("{}: cannot write it: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}
