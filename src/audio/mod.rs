//! Recordings to waveforms: WAV through hound, FLAC, MP3, Ogg Vorbis and G.711 through symphonia, any rate
//! to any other through rubato.
//!
//! A format is known by a file's first bytes, never by its name. Whatever is changed on the way in (channels
//! mixed, rate resampled, a broken sample dropped) is told in a [`Notice`]; whatever is wrong is an [`Error`]
//! of one line that names the file.

mod blocks;
mod container;
mod error;
mod gapless;
mod mix;
mod resample;
mod riff;
mod wav;

use std::fmt;
use std::fs::{File, Permissions};
use std::io::{BufReader, BufWriter, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub use blocks::Blocks;
use blocks::Source;
pub use error::{Error, MAX_RATE, MIN_RATE};
pub use resample::resample;

/// Samples of one channel that are decoded at a time.
const BLOCK_FRAMES: usize = 1 << 16;

/// Mono samples and their rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Waveform {
    /// `[samples]`, full scale ±1 (a float recording may go beyond).
    pub samples: Vec<f32>,
    /// Hz.
    pub sample_rate: u32,
}

impl Waveform {
    /// Its length in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }
}

/// What was done to a recording on the way in, for one line on stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Several channels became one, their mean.
    Mixed { channels: usize },
    /// The rate was changed, in Hz.
    Resampled { from: u32, to: u32 },
    /// The last bytes were no whole sample of all channels and were left out.
    PartialSample { bytes: usize },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Mixed { channels } => write!(f, "{channels} channels mixed to one"),
            Self::Resampled { from, to } => write!(f, "resampled from {from} to {to} Hz"),
            Self::PartialSample { bytes } => write!(
                f,
                "its last {bytes} bytes are no whole sample and were left out"
            ),
        }
    }
}

/// A recording and what was done to it.
#[derive(Clone, Debug)]
pub struct Decoded {
    pub waveform: Waveform,
    pub notices: Vec<Notice>,
}

/// Reads a recording at its own rate, mixed to mono; `-` is a WAV on standard input.
///
/// # Errors
/// The file is missing, unreadable, empty, truncated, damaged, of no supported format, or holds samples
/// that are not finite.
pub fn read(path: &Path) -> Result<Decoded, Error> {
    let mut source = Source::open(path)?;
    let samples = drain(|| source.next_block())?;
    Ok(Decoded {
        waveform: Waveform {
            samples,
            sample_rate: source.sample_rate(),
        },
        notices: source.notices().to_vec(),
    })
}

/// Reads a recording, mixed to mono, at `sample_rate` Hz.
///
/// # Errors
/// As [`read`], and a `sample_rate` outside [`MIN_RATE`]..=[`MAX_RATE`].
pub fn read_at(path: &Path, sample_rate: u32) -> Result<Decoded, Error> {
    let mut blocks = Blocks::open(path, sample_rate)?;
    let samples = drain(|| blocks.next_block())?;
    Ok(Decoded {
        waveform: Waveform {
            samples,
            sample_rate,
        },
        notices: blocks.notices(),
    })
}

/// Reads a part of a recording, mixed to mono, at `sample_rate` Hz: from second `start` to second `end`, or to
/// the recording's end. The part is cut at the recording's own rate and then resampled, as if it had been cut
/// by hand. In a WAV the part is found by seeking.
///
/// # Errors
/// As [`read_at`]; [`Error::NoSamples`] if the recording ends before the part begins.
pub fn read_span(
    path: &Path,
    sample_rate: u32,
    start: f64,
    end: Option<f64>,
) -> Result<Decoded, Error> {
    let mut source = Source::open(path)?;
    let from = source.sample_rate();
    let sample = |seconds: f64| (seconds * f64::from(from)).round() as u64;
    let first = sample(start);
    let wanted = end.map(|end| sample(end).saturating_sub(first) as usize);
    source.skip(first)?;
    let mut samples = Vec::new();
    while wanted.is_none_or(|wanted| samples.len() < wanted)
        && let Some(block) = source.next_block()?
    {
        samples.extend(block);
    }
    samples.truncate(wanted.unwrap_or(usize::MAX));
    if samples.is_empty() {
        return Err(Error::NoSamples {
            file: format!("{} from {start} s on", path.display()),
        });
    }
    let waveform = Waveform {
        samples,
        sample_rate: from,
    };
    let mut notices = source.notices().to_vec();
    if from != sample_rate {
        notices.push(Notice::Resampled {
            from,
            to: sample_rate,
        });
    }
    Ok(Decoded {
        waveform: resample(&waveform, sample_rate)?,
        notices,
    })
}

/// Reads a WAV from a stream or from memory; errors call it `name`.
///
/// # Errors
/// As [`read`].
pub fn read_wav(reader: impl Read, name: &str) -> Result<Decoded, Error> {
    let mut wav = wav::WavReader::new(BufReader::new(reader), name)?;
    let samples = drain(|| wav.next_block())?;
    Ok(Decoded {
        waveform: Waveform {
            samples,
            sample_rate: wav.sample_rate(),
        },
        notices: wav.notices().to_vec(),
    })
}

fn drain(
    mut next_block: impl FnMut() -> Result<Option<Vec<f32>>, Error>,
) -> Result<Vec<f32>, Error> {
    let mut samples = Vec::new();
    while let Some(block) = next_block()? {
        samples.extend(block);
    }
    Ok(samples)
}

/// Seconds of a recording: from its header where that tells, else by decoding it.
///
/// # Errors
/// As [`read`], as far as the header shows it; a WAV shorter than it declares is found here too.
pub fn duration(path: &Path) -> Result<f64, Error> {
    let mut source = Source::open(path)?;
    let frames = match source.frames_of_file(path)? {
        Some(frames) => frames,
        None => {
            let mut frames = 0;
            while let Some(block) = source.next_block()? {
                frames += block.len() as u64;
            }
            frames
        }
    };
    Ok(frames as f64 / f64::from(source.sample_rate()))
}

/// Writes a 16-bit mono WAV; samples beyond full scale are clipped.
///
/// # Errors
/// The file cannot be written; what stood there before stays.
pub fn write_wav(path: &Path, waveform: &Waveform) -> Result<(), Error> {
    let file = path.display().to_string();
    let failed = |source| Error::Write {
        file: file.clone(),
        source,
    };
    let hound_failed = |error| match error {
        hound::Error::IoError(source) => failed(source),
        error => failed(std::io::Error::other(error)),
    };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // The mode of any new file, less the umask: a temporary file's own 0600 would stay on the recording.
    let temporary = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed)?;
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: waveform.sample_rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let sink: BufWriter<&File> = BufWriter::new(temporary.as_file());
    let mut writer = hound::WavWriter::new(sink, spec).map_err(hound_failed)?;
    for sample in &waveform.samples {
        let scaled = (sample * 32768.0).round().clamp(-32768.0, 32767.0);
        writer.write_sample(scaled as i16).map_err(hound_failed)?;
    }
    writer.finalize().map_err(hound_failed)?;
    temporary
        .persist(path)
        .map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests;
