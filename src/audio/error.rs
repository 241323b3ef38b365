//! Why a recording could not be read, in one line that names it.

use std::io;

/// Errors of the audio room. `file` is the path as it was given, or what the caller called the stream
/// (`standard input`).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused: no such file, no permission, a disk error while reading.
    #[error("{file}: cannot read it: {source}")]
    Read { file: String, source: io::Error },
    /// A folder where a recording was expected.
    #[error("{file} is a directory: name the audio files in it")]
    Directory { file: String },
    /// Zero bytes.
    #[error("{file} is empty (0 bytes): record or copy it again")]
    Empty { file: String },
    /// A valid header, and not one whole sample after it.
    #[error("{file} has a header and no samples: record or copy it again")]
    NoSamples { file: String },
    /// The first bytes are of no format that is read here; `found` says of which, or what they are.
    #[error("{file} is not WAV, FLAC, MP3 or Ogg Vorbis: {found}")]
    Magic { file: String, found: String },
    /// A format that only files may have came through a pipe.
    #[error(
        "{file} is not WAV, and only WAV is read from a stream ({found}): put `ffmpeg -i - -f wav -` in front"
    )]
    WavOnly { file: String, found: String },
    /// Fewer bytes or samples than the header declares.
    #[error(
        "{file} is truncated: its header declares {declared} {unit} of audio and {found} are there; copy it again"
    )]
    Truncated {
        file: String,
        declared: u64,
        found: u64,
        unit: &'static str,
    },
    /// The file ends inside its own structure.
    #[error("{file} is truncated: it ends inside {place}; copy it again")]
    TruncatedIn { file: String, place: String },
    /// The header contradicts itself or makes no sense.
    #[error("{file}: {what}")]
    Malformed { file: String, what: String },
    /// A codec or a layout that is not read.
    #[error("{file}: {what} is not supported: convert it (`ffmpeg -i IN OUT.wav`)")]
    Unsupported { file: String, what: String },
    /// A floating-point sample that is not a number, or infinite.
    #[error(
        "{file}: sample {sample} (at {seconds:.3} s) is {value}: the recording is damaged, export it again"
    )]
    NotFinite {
        file: String,
        sample: u64,
        seconds: f64,
        value: f32,
    },
    /// The decoder gave up inside the file.
    #[error("{file}: damaged at {seconds:.2} s: {what}; copy it again")]
    Decode {
        file: String,
        seconds: f64,
        what: String,
    },
    /// A sample rate that no recording of speech has, asked for or found.
    #[error("{file}: a sample rate of {sample_rate} Hz: {MIN_RATE} to {MAX_RATE} Hz are read")]
    SampleRate { file: String, sample_rate: u32 },
    /// The resampler refused the pair of rates.
    #[error("{file}: cannot resample from {from} to {to} Hz: {what}")]
    Resample {
        file: String,
        from: u32,
        to: u32,
        what: String,
    },
    /// A recording could not be written.
    #[error("{file}: cannot write it: {source}")]
    Write { file: String, source: io::Error },
}

/// The lowest sample rate that is read, in Hz.
pub const MIN_RATE: u32 = 1_000;
/// The highest sample rate that is read, in Hz.
pub const MAX_RATE: u32 = 768_000;

/// Checks a sample rate, found in a header or asked for.
pub(super) fn check_rate(file: &str, sample_rate: u32) -> Result<(), Error> {
    if (MIN_RATE..=MAX_RATE).contains(&sample_rate) {
        return Ok(());
    }
    Err(Error::SampleRate {
        file: file.to_owned(),
        sample_rate,
    })
}
