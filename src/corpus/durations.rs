//! The length of every utterance, found on all cores; what cannot be read is left out and named.

use std::collections::HashMap;

use rayon::prelude::*;

use super::{AudioSource, Error, Utterance, Warning, load};

/// Kaldi's `extract-segments` lets a segment end this many seconds after its recording.
const MAX_OVERSHOOT: f64 = 0.5;

/// Fills in the durations. The order stays; each recording is measured once, however many utterances it has.
pub(super) fn measure(utterances: Vec<Utterance>, warnings: &mut Vec<Warning>) -> Vec<Utterance> {
    let mut recordings: Vec<&AudioSource> = Vec::new();
    let mut index: HashMap<String, usize> = HashMap::new();
    let of: Vec<usize> = utterances
        .iter()
        .map(|utterance| {
            *index.entry(utterance.audio.to_string()).or_insert_with(|| {
                recordings.push(&utterance.audio);
                recordings.len() - 1
            })
        })
        .collect();
    let seconds: Vec<Result<f64, Error>> = recordings
        .par_iter()
        .map(|audio| match audio {
            AudioSource::File(path) => Ok(crate::audio::duration(path)?),
            AudioSource::Command { command } => Ok(load::run(command)?.waveform.seconds()),
        })
        .collect();

    let mut measured = Vec::with_capacity(utterances.len());
    for (mut utterance, recording) in utterances.into_iter().zip(of) {
        let left_out = |what: String| Warning {
            place: utterance.id.clone(),
            what,
        };
        let total = match &seconds[recording] {
            Ok(total) => *total,
            Err(error) => {
                warnings.push(left_out(format!("left out: {error}")));
                continue;
            }
        };
        let start = utterance.start.unwrap_or(0.0);
        if start >= total {
            warnings.push(left_out(format!(
                "left out: it begins at {start} s and {} is {total:.2} s long",
                utterance.audio
            )));
            continue;
        }
        if let Some(end) = utterance.end.filter(|&end| end > total) {
            if end > total + MAX_OVERSHOOT {
                warnings.push(left_out(format!(
                    "cut: it ends at {end} s and {} is {total:.2} s long",
                    utterance.audio
                )));
            }
            utterance.end = None;
        }
        utterance.duration = utterance.end.unwrap_or(total) - start;
        measured.push(utterance);
    }
    measured
}
