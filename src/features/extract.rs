//! Features of a whole corpus into a store: on all cores, in bounded memory, in the order of the
//! manifest.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::io::IsTerminal;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use super::normalise::Moments;
use super::recipe::Normalisation;
use super::writer::{Entry, Writer};
use super::{Error, Extractor, Perturbation, Recipe};
use crate::audio::{self, Waveform};
use crate::corpus::{Utterance, load_audio};

/// Seconds of recordings that are in memory at a time.
const BATCH_SECONDS: f64 = 900.0;

/// Speeds that a copy may have.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.5..=2.0;

/// What to extract and where to.
pub struct ExtractRequest<'a> {
    /// The utterances, in the order in which the store will have them.
    pub utterances: &'a [Utterance],
    /// What to compute.
    pub recipe: &'a Recipe,
    /// What is stored of each.
    pub copies: &'a Copies,
    /// The store; a file that is there is replaced once the new one is whole.
    pub out: &'a Path,
    /// Show a progress bar, where standard error is a terminal.
    pub progress: bool,
}

/// What is stored of each recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Copies {
    /// Speeds of the copies, 1 for the recording itself: `[0.9, 1.0, 1.1]`. A copy at speed `s` is
    /// played `s` times as fast, pitch and all (sox `speed`, Kaldi's speed perturbation): 0.9 is
    /// slower and longer. Its id is `sp0.9-ID`, its speaker `sp0.9-SPEAKER`. Empty: 1 alone.
    pub speeds: Vec<f64>,
    /// What is done to each of them after that.
    pub perturbation: Perturbation,
}

impl Copies {
    /// The recording as it is.
    pub fn plain() -> Self {
        Self::at(&[1.0])
    }

    /// Clean copies at some speeds.
    pub fn at(speeds: &[f64]) -> Self {
        Self {
            speeds: speeds.to_vec(),
            perturbation: Perturbation::default(),
        }
    }

    /// What tells these copies from others.
    pub fn key(&self) -> String {
        format!("{:?}{}", self.speeds, self.perturbation.key())
    }
}

/// What an extraction made.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Utterances stored, copies included.
    pub utterances: usize,
    /// Frames stored.
    pub frames: u64,
    /// Utterances left out, each with the reason: too short for one frame.
    pub skipped: Vec<(String, String)>,
    /// What was done to recordings on the way in, and to how many.
    pub notices: BTreeMap<String, usize>,
}

/// Computes the features of every utterance and writes the store.
///
/// The result does not depend on the number of threads. Recordings too short for one frame are left
/// out and named in the summary.
///
/// # Errors
/// A recording that cannot be read, a repeated id, an impossible speed, no utterance that is long
/// enough, a store that cannot be written. Whatever stood at `out` is still there then.
pub fn extract(request: &ExtractRequest) -> Result<Summary, Error> {
    let extractor = Extractor::new(request.recipe)?;
    let mut copies = request.copies.clone();
    if copies.speeds.is_empty() {
        copies.speeds.push(1.0);
    }
    check(request.utterances, &copies)?;
    let mut writer = Writer::create(request.out, request.recipe)?;
    let mut summary = Summary {
        utterances: 0,
        frames: 0,
        skipped: Vec::new(),
        notices: BTreeMap::new(),
    };
    let bar = progress_bar(request);
    let mut rest = request.utterances;
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(batch_len(rest));
        let extracted: Vec<Extracted> = batch
            .par_iter()
            .map_init(
                || extractor.clone(),
                |extractor, utterance| {
                    let extracted = extract_one(extractor, utterance, &copies);
                    bar.inc(1);
                    extracted
                },
            )
            .collect::<Result<_, _>>()?;
        for one in extracted {
            writer.append(&one.entries)?;
            summary.skipped.extend(one.skipped);
            for notice in one.notices {
                *summary.notices.entry(notice).or_default() += 1;
            }
        }
        rest = after;
    }
    bar.finish_and_clear();
    summary.utterances = writer.utterances();
    summary.frames = writer.frames();
    if summary.utterances == 0 {
        return Err(Error::NothingToStore {
            skipped: summary.skipped.len(),
        });
    }
    if request.recipe.normalisation == Normalisation::Speaker {
        writer.normalise_by_speaker()?;
    }
    writer.finish()?;
    Ok(summary)
}

/// The features of one recording at every speed.
struct Extracted {
    entries: Vec<Entry>,
    skipped: Vec<(String, String)>,
    notices: Vec<String>,
}

fn extract_one(
    extractor: &mut Extractor,
    utterance: &Utterance,
    copies: &Copies,
) -> Result<Extracted, Error> {
    let rate = extractor.recipe().sample_rate();
    let decoded = load_audio(utterance, rate).map_err(|source| Error::Recording {
        id: utterance.id.clone(),
        source,
    })?;
    let mut extracted = Extracted {
        entries: Vec::with_capacity(copies.speeds.len()),
        skipped: Vec::new(),
        notices: decoded.notices.iter().map(ToString::to_string).collect(),
    };
    for &speed in &copies.speeds {
        let name = |name: &str| {
            if speed == 1.0 {
                name.to_owned()
            } else {
                format!("sp{speed}-{name}")
            }
        };
        let mut waveform = Cow::Borrowed(&decoded.waveform);
        if speed != 1.0 {
            let copy = at_speed(&decoded.waveform, speed).map_err(|source| Error::Speed {
                id: utterance.id.clone(),
                speed,
                source,
            })?;
            waveform = Cow::Owned(copy);
        }
        if !copies.perturbation.is_none() {
            let perturbation = &copies.perturbation;
            perturbation.apply(waveform.to_mut(), &name(&utterance.id));
        }
        match features(extractor, &waveform) {
            Ok((features, moments)) => extracted.entries.push(Entry {
                id: name(&utterance.id),
                text: utterance.text.clone(),
                speaker: name(&utterance.speaker),
                features,
                moments,
            }),
            Err(error @ Error::TooShort { .. }) => {
                extracted
                    .skipped
                    .push((name(&utterance.id), error.to_string()));
            }
            Err(error) => {
                return Err(Error::Utterance {
                    id: name(&utterance.id),
                    source: Box::new(error),
                });
            }
        }
    }
    Ok(extracted)
}

/// Features as they are first stored, and the moments of their frames before stacking.
fn features(
    extractor: &mut Extractor,
    waveform: &Waveform,
) -> Result<(ndarray::Array2<f32>, Moments), Error> {
    let mut frames = extractor.frames(waveform)?;
    let mut moments = Moments::of(frames.view());
    if extractor.recipe().normalisation == Normalisation::Utterance {
        moments.stats().normalise(&mut frames)?;
        moments = Moments::of(frames.view());
    }
    Ok((extractor.stack(frames), moments))
}

/// The waveform played `speed` times as fast: its samples are taken to be of a higher rate and
/// resampled to the old one (the rate is rounded to whole Hz).
fn at_speed(waveform: &Waveform, speed: f64) -> Result<Waveform, audio::Error> {
    let rate = (f64::from(waveform.sample_rate) * speed).round() as u32;
    let played = Waveform {
        samples: waveform.samples.clone(),
        sample_rate: rate,
    };
    audio::resample(&played, waveform.sample_rate)
}

fn check(utterances: &[Utterance], copies: &Copies) -> Result<(), Error> {
    copies.perturbation.check()?;
    for (i, &speed) in copies.speeds.iter().enumerate() {
        if !SPEEDS.contains(&speed) || copies.speeds[..i].contains(&speed) {
            return Err(Error::BadSpeed { speed });
        }
    }
    let mut ids = HashSet::with_capacity(utterances.len());
    match utterances
        .iter()
        .find(|utterance| !ids.insert(utterance.id.as_str()))
    {
        Some(twice) => Err(Error::RepeatedId {
            id: twice.id.clone(),
        }),
        None => Ok(()),
    }
}

/// Utterances of the next batch: at least one.
fn batch_len(utterances: &[Utterance]) -> usize {
    let mut seconds = 0.0;
    let fits = |utterance: &&Utterance| {
        seconds += utterance.duration.max(0.0);
        seconds <= BATCH_SECONDS
    };
    utterances
        .iter()
        .take_while(fits)
        .count()
        .clamp(1, utterances.len())
}

fn progress_bar(request: &ExtractRequest) -> ProgressBar {
    if !(request.progress && std::io::stderr().is_terminal()) {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("features {bar:32} {pos}/{len} utterances, {eta} left");
    let bar = ProgressBar::new(request.utterances.len() as u64);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
