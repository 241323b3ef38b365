//! The samples of an utterance.

use std::process::{Command, Stdio};

use super::{AudioSource, Error, Utterance};
use crate::audio::{self, Blocks, Decoded, Waveform};

/// Reads an utterance's samples at `sample_rate` Hz, mono, from its start to its end. A command is run: a
/// manifest that has some is read by [`super::read_manifest_with_commands`] only.
///
/// # Errors
/// The recording cannot be read, or ends before the utterance begins.
pub fn load_audio(utterance: &Utterance, sample_rate: u32) -> Result<Decoded, Error> {
    let decoded = match &utterance.audio {
        AudioSource::File(path) => {
            return read_span(
                Blocks::open(path, sample_rate)?,
                &path.display().to_string(),
                sample_rate,
                utterance.start,
                utterance.end,
            );
        }
        AudioSource::Command { command } => run(command)?,
    };
    let resampled = audio::resample(&decoded.waveform, sample_rate)?;
    let mut notices = decoded.notices;
    if decoded.waveform.sample_rate != sample_rate {
        notices.push(audio::Notice::Resampled {
            from: decoded.waveform.sample_rate,
            to: sample_rate,
        });
    }
    let (from, to) = span(sample_rate, utterance.start, utterance.end);
    let samples: Vec<f32> = resampled
        .samples
        .into_iter()
        .take(to.unwrap_or(usize::MAX))
        .skip(from)
        .collect();
    finish(samples, sample_rate, notices, &utterance.audio.to_string())
}

/// Samples `[from, to)` of a recording, read no further than needed.
fn read_span(
    mut blocks: Blocks,
    file: &str,
    sample_rate: u32,
    start: Option<f64>,
    end: Option<f64>,
) -> Result<Decoded, Error> {
    let (from, to) = span(sample_rate, start, end);
    let to = to.unwrap_or(usize::MAX);
    let mut samples = Vec::new();
    let mut position = 0;
    while position < to
        && let Some(block) = blocks.next_block()?
    {
        let first = from.saturating_sub(position).min(block.len());
        let last = (to - position).min(block.len());
        samples.extend_from_slice(block.get(first..last).unwrap_or_default());
        position += block.len();
    }
    finish(samples, sample_rate, blocks.notices(), file)
}

fn span(sample_rate: u32, start: Option<f64>, end: Option<f64>) -> (usize, Option<usize>) {
    let sample = |seconds: f64| (seconds * f64::from(sample_rate)).round() as usize;
    (sample(start.unwrap_or(0.0)), end.map(sample))
}

fn finish(
    samples: Vec<f32>,
    sample_rate: u32,
    notices: Vec<audio::Notice>,
    file: &str,
) -> Result<Decoded, Error> {
    if samples.is_empty() {
        return Err(Error::Audio(audio::Error::NoSamples {
            file: file.to_owned(),
        }));
    }
    Ok(Decoded {
        waveform: Waveform {
            samples,
            sample_rate,
        },
        notices,
    })
}

/// Runs a command and reads the WAV that it writes.
pub(super) fn run(command: &str) -> Result<Decoded, Error> {
    let failed = |what: String| Error::CommandFailed {
        command: command.to_owned(),
        what,
    };
    let output = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().replace('\n', " ");
        return Err(failed(format!("{} {said}", output.status)));
    }
    Ok(audio::read_wav(
        output.stdout.as_slice(),
        &format!("`{command}`"),
    )?)
}
