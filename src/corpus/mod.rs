//! Corpora to manifests: one importer for each public corpus, one for Kaldi data directories, and one for a
//! folder of recordings with their transcripts.
//!
//! An importer lists utterances in an order that depends on the files alone, finds their durations on all
//! cores, and names what it had to leave out. What cannot be read is a [`Warning`], not the end: only a
//! corpus that is not there at all, or of which nothing can be read, is an [`Error`].

mod check;
mod durations;
mod error;
mod folder;
mod fsdd;
mod kaldi;
mod librispeech;
mod ljspeech;
mod load;
mod manifest;
mod pipe;
mod speechocean;
mod split;
mod table;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use check::{Finding, Problem, Requirements, Severity, check};
pub use error::Error;
pub use load::load_audio;
pub use manifest::{read_manifest, read_manifest_with_commands, write_manifest};
pub use split::{Unit, split};

/// One utterance: one line of a JSON Lines manifest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Utterance {
    /// Unique in its manifest, without white space.
    pub id: String,
    /// The recording: a path (absolute, or relative to the manifest's folder while it is in the file), or a
    /// command whose standard output is a WAV.
    pub audio: AudioSource,
    /// Seconds into the recording where the utterance begins; its start if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// Seconds into the recording where the utterance ends; its end if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<f64>,
    /// What was said, as the corpus writes it; empty where nobody knows.
    #[serde(default)]
    pub text: String,
    /// Who said it; the utterance's own id where the corpus does not tell.
    #[serde(default)]
    pub speaker: String,
    /// Seconds.
    pub duration: f64,
    /// The kind of corpus it came from, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corpus: Option<Kind>,
}

/// Where the samples of an utterance come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AudioSource {
    /// A file of any format that `audio` reads.
    File(PathBuf),
    /// A shell command that writes a WAV to its standard output. Never run unless commands were allowed.
    Command { command: String },
}

impl Default for AudioSource {
    fn default() -> Self {
        Self::File(PathBuf::new())
    }
}

impl fmt::Display for AudioSource {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Command { command } => write!(f, "`{command}`"),
        }
    }
}

/// The kinds of corpora that are imported.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// LibriSpeech (Panayotov et al. 2015), FLAC, WAV, MP3 or Ogg. Splits: the folders under `LibriSpeech/`.
    #[value(name = "librispeech")]
    LibriSpeech,
    /// speechocean762 (Zhang et al. 2021). Splits: train, dev, train-all (train and dev), test.
    #[value(name = "speechocean762")]
    Speechocean762,
    /// A Kaldi data directory: wav.scp, text, utt2spk, segments.
    #[value(name = "kaldi")]
    Kaldi,
    /// LJSpeech (Ito 2017).
    #[value(name = "ljspeech")]
    LjSpeech,
    /// The Free Spoken Digit Dataset (Jackson et al.). Splits: train, dev, test, all of the same six speakers.
    #[value(name = "fsdd")]
    Fsdd,
    /// A folder of recordings, each with its transcript in a `.txt` file beside it.
    #[value(name = "folder")]
    Folder,
}

impl Kind {
    /// Its folder under a data root, for corpora that have a name of their own.
    pub fn usual_place(self) -> Option<&'static str> {
        match self {
            Self::LibriSpeech => Some("librispeech"),
            Self::Speechocean762 => Some("speechocean762"),
            Self::LjSpeech => Some("ljspeech"),
            Self::Fsdd => Some("fsdd"),
            Self::Kaldi | Self::Folder => None,
        }
    }

    /// Whether the corpus's official splits share speakers by design.
    pub fn shares_speakers(self) -> bool {
        self == Self::Fsdd
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::LibriSpeech => "librispeech",
            Self::Speechocean762 => "speechocean762",
            Self::Kaldi => "kaldi",
            Self::LjSpeech => "ljspeech",
            Self::Fsdd => "fsdd",
            Self::Folder => "folder",
        })
    }
}

/// What to import.
#[derive(Clone, Debug)]
pub struct Request {
    pub kind: Kind,
    /// The corpus's folder.
    pub root: PathBuf,
    /// A split of it; `None` and `all` mean the whole, for the kinds that have no splits.
    pub split: Option<String>,
    /// Whether pipes in `wav.scp` other than those that are read natively may be run.
    pub allow_commands: bool,
    /// Whether an utterance without a transcript is left out (to train or score) or kept with an empty one (to
    /// transcribe).
    pub need_text: bool,
}

impl Request {
    /// A request for training or scoring: transcripts needed, no commands run.
    pub fn new(kind: Kind, root: impl Into<PathBuf>, split: Option<&str>) -> Self {
        Self {
            kind,
            root: root.into(),
            split: split.map(str::to_owned),
            allow_commands: false,
            need_text: true,
        }
    }
}

/// Something that was left out or put right at import, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// A file, with its line where it has lines.
    pub place: String,
    /// What is wrong and what was done.
    pub what: String,
}

impl Warning {
    fn at_line(file: &Path, line: usize, what: impl Into<String>) -> Self {
        Self {
            place: format!("{}:{line}", file.display()),
            what: what.into(),
        }
    }

    fn at(file: &Path, what: impl Into<String>) -> Self {
        Self {
            place: file.display().to_string(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// An imported corpus: never empty.
#[derive(Clone, Debug)]
pub struct Imported {
    pub utterances: Vec<Utterance>,
    pub warnings: Vec<Warning>,
}

/// Imports a corpus or a split of it.
///
/// # Errors
/// Its folder or its lists are not there, the split is unknown, a pipe would have to be run, or no utterance
/// at all can be read.
pub fn import(request: &Request) -> Result<Imported, Error> {
    let mut warnings = Vec::new();
    let mut utterances = match request.kind {
        Kind::LibriSpeech => librispeech::list(request, &mut warnings)?,
        Kind::Speechocean762 => speechocean::list(request, &mut warnings)?,
        Kind::Kaldi => kaldi::list(request, &request.root, &[], &mut warnings)?,
        Kind::LjSpeech => ljspeech::list(request, &mut warnings)?,
        Kind::Fsdd => fsdd::list(request, &mut warnings)?,
        Kind::Folder => folder::list(request, &mut warnings)?,
    };
    for utterance in &mut utterances {
        utterance.corpus = Some(request.kind);
    }
    let utterances = durations::measure(utterances, &mut warnings);
    if utterances.is_empty() {
        return Err(Error::NothingLeft {
            root: request.root.clone(),
            why: match warnings.first() {
                Some(first) => format!("{first} ({} such lines)", warnings.len()),
                None => "no recordings are there".into(),
            },
        });
    }
    Ok(Imported {
        utterances,
        warnings,
    })
}

/// The kinds without splits take none, or `all`.
fn refuse_split(request: &Request) -> Result<(), Error> {
    match request.split.as_deref() {
        None | Some("all") => Ok(()),
        Some(split) => Err(unknown_split(request, split, &["all".into()])),
    }
}

fn unknown_split(request: &Request, split: &str, known: &[String]) -> Error {
    Error::Split {
        kind: request.kind,
        root: request.root.clone(),
        split: split.into(),
        known: known.join(", "),
    }
}

/// The extensions that a recording of a corpus may have, in the order in which they are looked for.
const EXTENSIONS: [&str; 6] = ["flac", "wav", "mp3", "ogg", "oga", "WAV"];

/// The recording `folder/stem.EXT`, of whatever format it is there.
fn find_recording(folder: &Path, stem: &str) -> Option<PathBuf> {
    EXTENSIONS
        .iter()
        .map(|extension| folder.join(format!("{stem}.{extension}")))
        .find(|path| path.is_file())
}

/// Whether a file has the extension of a recording, in any case.
fn is_recording(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|found| {
        EXTENSIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(found))
    })
}

/// The entries of a folder, sorted by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Read {
        path: folder.to_owned(),
        source,
    };
    let mut paths = std::fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

/// The last component of a path, as text.
fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Waveform, write_wav};

    /// A quarter of a second of a quiet tone at 8 kHz.
    fn tone(path: &Path) {
        let samples = (0..2000).map(|i| (i as f32 * 0.3).sin() * 0.1).collect();
        let waveform = Waveform {
            samples,
            sample_rate: 8000,
        };
        write_wav(path, &waveform).unwrap();
    }

    #[test]
    fn a_kaldi_directory_from_another_system_is_read_and_the_rest_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a.wav", "b.wav", "c d.wav"] {
            tone(&path(name));
        }
        let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
        write(
            "wav.scp",
            "\u{FEFF}a\ta.wav\r\nb  cat b.wav |\r\nc\u{A0}c d.wav\r\ne  a.wav\r\nf missing.wav\r\n",
        );
        write(
            "text",
            "a one\u{A0}two\r\nb three\r\nc  four \t five\r\nd six\r\nf seven\r\n",
        );
        write("utt2spk", "a s1\r\nb s1\r\nf s2\r\n");
        let imported = import(&Request::new(Kind::Kaldi, folder.path(), None)).unwrap();
        let found: Vec<_> = imported
            .utterances
            .iter()
            .map(|u| {
                (
                    u.id.as_str(),
                    u.text.as_str(),
                    u.speaker.as_str(),
                    u.duration,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("a", "one two", "s1", 0.25),
                ("b", "three", "s1", 0.25),
                ("c", "four five", "c", 0.25)
            ]
        );
        let warnings: Vec<String> = imported.warnings.iter().map(|w| w.to_string()).collect();
        let place = |name: &str| path(name).display().to_string();
        let missing = place("missing.wav");
        assert_eq!(
            warnings,
            [
                format!(
                    "{}:3: `c` has no line in `utt2spk`: it is its own speaker",
                    place("wav.scp")
                ),
                format!(
                    "{}:4: `e` has no line in `text` and was left out",
                    place("wav.scp")
                ),
                format!("{}:4: `d` is not in `wav.scp`", place("text")),
                format!(
                    "f: left out: {missing}: cannot read it: No such file or directory (os error 2)"
                ),
            ]
        );
        let loaded = load_audio(&imported.utterances[2], 16000).unwrap();
        assert_eq!(loaded.waveform.samples.len(), 4000);
    }
}
