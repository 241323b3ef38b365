//! The samples of an utterance.

use std::process::{Command, Stdio};

use super::{AudioSource, Error, Utterance};
use crate::audio::{self, Decoded, Notice};

/// Reads an utterance's samples at `sample_rate` Hz, mono, from its start to its end. A command is run: a
/// manifest that has some is read by [`super::read_manifest_with_commands`] only.
///
/// # Errors
/// The recording cannot be read, or ends before the utterance begins.
pub fn load_audio(utterance: &Utterance, sample_rate: u32) -> Result<Decoded, Error> {
    let (start, end) = (utterance.start, utterance.end);
    let command = match &utterance.audio {
        AudioSource::File(path) if start.is_none() && end.is_none() => {
            return Ok(audio::read_at(path, sample_rate)?);
        }
        AudioSource::File(path) => {
            return Ok(audio::read_span(
                path,
                sample_rate,
                start.unwrap_or(0.0),
                end,
            )?);
        }
        AudioSource::Command { command } => command,
    };
    let Decoded {
        mut waveform,
        mut notices,
    } = run(command)?;
    let from = waveform.sample_rate;
    let sample = |seconds: f64| (seconds * f64::from(from)).round() as usize;
    waveform.samples.truncate(end.map_or(usize::MAX, sample));
    let first = start.map_or(0, sample).min(waveform.samples.len());
    waveform.samples.drain(..first);
    if waveform.samples.is_empty() {
        return Err(Error::Audio(audio::Error::NoSamples {
            file: utterance.audio.to_string(),
        }));
    }
    if from != sample_rate {
        notices.push(Notice::Resampled {
            from,
            to: sample_rate,
        });
    }
    Ok(Decoded {
        waveform: audio::resample(&waveform, sample_rate)?,
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
