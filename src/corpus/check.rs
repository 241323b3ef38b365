//! What is wrong with a corpus before hours go into training on it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use rayon::prelude::*;

use super::{AudioSource, Error, Kind, Utterance, load};
use crate::audio::{self, Blocks};
use crate::text::{Normalisation, Step, Tokens};

/// What utterances are checked against.
#[derive(Clone, Debug)]
pub struct Requirements {
    /// The tokens that a transcript must be written in.
    pub tokens: Tokens,
    /// What is done to transcripts first.
    pub normalisation: Normalisation,
    /// Seconds of one frame that the model sees: CTC needs at least a frame for each token.
    pub seconds_per_frame: f64,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth listening to.
    Warning,
    /// Not fit for training or for a figure that one can trust.
    Error,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// The recording is not there.
    Missing,
    /// It has no samples.
    Empty,
    /// It cannot be read.
    Unreadable { why: String },
    /// It never leaves −60 dB of full scale, its mean apart.
    Silent { peak: f32 },
    /// This share of its samples stands in runs at full scale.
    Clipped { share: f64 },
    /// It is shorter or longer than the manifest says, in seconds.
    Duration { manifest: f64, found: f64 },
    /// Nothing was transcribed.
    NoText,
    /// The transcript has what the token inventory lacks.
    OutsideInventory { symbols: String },
    /// CTC cannot align the transcript: it needs more frames than there are.
    TooShort { frames: usize, needed: usize },
    /// Another manifest has an utterance of this id.
    SharedUtterance { other: String },
    /// Another manifest has utterances of this speaker.
    SharedSpeaker { other: String, by_design: bool },
}

impl Problem {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Silent { .. }
            | Self::Clipped { .. }
            | Self::Duration { .. }
            | Self::NoText
            | Self::SharedSpeaker {
                by_design: true, ..
            } => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "the recording is missing"),
            Self::Empty => write!(f, "the recording is empty"),
            Self::Unreadable { why } => write!(f, "unreadable: {why}"),
            Self::Silent { peak } => {
                write!(
                    f,
                    "silent: its peak is {:.1} dB of full scale",
                    20.0 * peak.log10()
                )
            }
            Self::Clipped { share } => write!(
                f,
                "clipped: {:.2}% of its samples stand at full scale",
                100.0 * share
            ),
            Self::Duration { manifest, found } => write!(
                f,
                "{found:.3} s long, and the manifest says {manifest:.3} s: import it again"
            ),
            Self::NoText => write!(f, "no transcript"),
            Self::OutsideInventory { symbols } => {
                write!(f, "text outside the token inventory: {symbols}")
            }
            Self::TooShort { frames, needed } => write!(
                f,
                "too short for its text: {frames} frames, and CTC needs {needed}"
            ),
            Self::SharedUtterance { other } => write!(f, "the utterance is in {other} too"),
            Self::SharedSpeaker {
                other,
                by_design: false,
            } => write!(f, "the speaker is in {other} too: split by speaker"),
            Self::SharedSpeaker {
                other,
                by_design: true,
            } => write!(
                f,
                "the speaker is in {other} too, as the corpus's official split has it"
            ),
        }
    }
}

/// A problem and where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The recording, or the manifest for what concerns a speaker.
    pub place: String,
    /// The utterance or the speaker.
    pub id: String,
    pub problem: Problem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let severity = match self.problem.severity() {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(
            f,
            "{severity}: {}: {}: {}",
            self.place, self.id, self.problem
        )
    }
}

/// Checks manifests, each with the name that findings give it, one a split: every recording is decoded on all
/// cores, every transcript read. Findings come in the order of the manifests.
pub fn check(manifests: &[(String, Vec<Utterance>)], requirements: &Requirements) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (_, utterances) in manifests {
        let signals = signals(utterances);
        for (utterance, signal) in utterances.iter().zip(signals) {
            let mut problems = signal_problems(utterance, &signal);
            let duration = match &signal {
                Ok(signal) => signal.seconds,
                Err(_) => utterance.duration,
            };
            problems.extend(text_problems(&utterance.text, duration, requirements));
            findings.extend(problems.into_iter().map(|problem| Finding {
                place: utterance.audio.to_string(),
                id: utterance.id.clone(),
                problem,
            }));
        }
    }
    findings.extend(shared(manifests));
    findings
}

/// The least peak of a recording that is not silent: −60 dB.
const SILENT: f32 = 1e-3;
/// Samples from here on stand at full scale.
const FULL_SCALE: f32 = 0.999;
/// So many samples at full scale in a row are no chance.
const CLIPPED_RUN: usize = 3;
/// A recording with a greater share of such samples is clipped.
const CLIPPED_SHARE: f64 = 5e-4;
/// The manifest may be wrong by so many seconds: a codec's rounding.
const DURATION_TOLERANCE: f64 = 0.02;

/// What the samples of one utterance show.
#[derive(Clone, Debug, Default)]
struct Signal {
    seconds: f64,
    samples: usize,
    lowest: f32,
    highest: f32,
    run: usize,
    clipped: usize,
}

impl Signal {
    fn push(&mut self, samples: &[f32]) {
        for &sample in samples {
            if self.samples == 0 {
                (self.lowest, self.highest) = (sample, sample);
            }
            self.samples += 1;
            self.lowest = self.lowest.min(sample);
            self.highest = self.highest.max(sample);
            if sample.abs() < FULL_SCALE {
                self.run = 0;
                continue;
            }
            self.run += 1;
            self.clipped += match self.run {
                ..CLIPPED_RUN => 0,
                CLIPPED_RUN => CLIPPED_RUN,
                _ => 1,
            };
        }
    }
}

/// The signals of utterances, in their order. A recording of several utterances is decoded once.
fn signals(utterances: &[Utterance]) -> Vec<Result<Signal, Problem>> {
    let mut recordings: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, utterance) in utterances.iter().enumerate() {
        let name = utterance.audio.to_string();
        recordings.entry(name).or_default().push(index);
    }
    let recordings: Vec<Vec<usize>> = recordings.into_values().collect();
    let measured: Vec<(usize, Result<Signal, Problem>)> = recordings
        .into_par_iter()
        .flat_map_iter(|indices| {
            let spans: Vec<&Utterance> = indices.iter().map(|&index| &utterances[index]).collect();
            let signals = match measure(&spans) {
                Ok(signals) => signals.into_iter().map(Ok).collect(),
                Err(problem) => vec![Err(problem); indices.len()],
            };
            indices.into_iter().zip(signals)
        })
        .collect();
    let mut ordered = vec![Err(Problem::Missing); utterances.len()];
    for (index, signal) in measured {
        ordered[index] = signal;
    }
    ordered
}

/// The signals of utterances that are parts of one recording.
fn measure(utterances: &[&Utterance]) -> Result<Vec<Signal>, Problem> {
    let Some(first) = utterances.first() else {
        return Ok(Vec::new());
    };
    let mut signals = vec![Signal::default(); utterances.len()];
    let mut position = 0;
    let mut push = |samples: &[f32], sample_rate: u32| {
        for (signal, utterance) in signals.iter_mut().zip(utterances) {
            let sample = |seconds: f64| (seconds * f64::from(sample_rate)).round() as usize;
            let within = |sample: usize| sample.saturating_sub(position).min(samples.len());
            let start = within(utterance.start.map_or(0, sample));
            let end = within(utterance.end.map_or(usize::MAX, sample));
            signal.push(samples.get(start..end).unwrap_or_default());
            signal.seconds = signal.samples as f64 / f64::from(sample_rate);
        }
        position += samples.len();
    };
    match &first.audio {
        AudioSource::File(path) => {
            let mut blocks = Blocks::open_native(path).map_err(audio_problem)?;
            while let Some(block) = blocks.next_block().map_err(audio_problem)? {
                push(&block, blocks.sample_rate());
            }
        }
        AudioSource::Command { command } => {
            let waveform = load::run(command).map_err(|error| match error {
                Error::Audio(error) => audio_problem(error),
                error => Problem::Unreadable {
                    why: error.to_string(),
                },
            })?;
            push(&waveform.waveform.samples, waveform.waveform.sample_rate);
        }
    }
    Ok(signals)
}

fn audio_problem(error: audio::Error) -> Problem {
    match error {
        audio::Error::Empty { .. } | audio::Error::NoSamples { .. } => Problem::Empty,
        audio::Error::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Problem::Missing
        }
        error => Problem::Unreadable {
            why: error.to_string(),
        },
    }
}

fn signal_problems(utterance: &Utterance, signal: &Result<Signal, Problem>) -> Vec<Problem> {
    let signal = match signal {
        Ok(signal) if signal.samples == 0 => return vec![Problem::Empty],
        Ok(signal) => signal,
        Err(problem) => return vec![problem.clone()],
    };
    let mut problems = Vec::new();
    let peak = (signal.highest - signal.lowest) / 2.0;
    if peak < SILENT {
        problems.push(Problem::Silent { peak });
    }
    let share = signal.clipped as f64 / signal.samples as f64;
    if share > CLIPPED_SHARE {
        problems.push(Problem::Clipped { share });
    }
    if (signal.seconds - utterance.duration).abs() > DURATION_TOLERANCE {
        problems.push(Problem::Duration {
            manifest: utterance.duration,
            found: signal.seconds,
        });
    }
    problems
}

/// The transcript against the inventory, and against the length of its utterance.
fn text_problems(text: &str, seconds: f64, requirements: &Requirements) -> Vec<Problem> {
    let Requirements {
        tokens,
        normalisation,
        seconds_per_frame,
    } = requirements;
    // Letters and digits that `letters-only` would drop were spoken: a normalised transcript without them
    // is a wrong one. So that step is left out here, and only punctuation may go.
    let (dropping, kept): (Vec<Step>, Vec<Step>) = normalisation
        .steps()
        .iter()
        .partition(|step| **step == Step::LettersOnly);
    let lenient = Normalisation::new(kept).apply(text);
    let spoken = |symbol: &str| {
        dropping.is_empty() || symbol.chars().any(|character| character.is_alphanumeric())
    };
    let mut outside: Vec<String> = match tokens.is_characters() {
        true => lenient.chars().map(String::from).collect(),
        false => lenient.split_whitespace().map(str::to_owned).collect(),
    };
    outside.retain(|symbol| tokens.id(symbol).is_none() && spoken(symbol));
    outside.sort();
    outside.dedup();

    let mut problems = Vec::new();
    if !outside.is_empty() {
        let symbols: Vec<String> = outside.iter().map(|symbol| format!("`{symbol}`")).collect();
        problems.push(Problem::OutsideInventory {
            symbols: symbols.join(" "),
        });
    }
    let Ok(target) = tokens.encode_text(&normalisation.apply(text)) else {
        return problems;
    };
    if target.is_empty() {
        problems.push(Problem::NoText);
    }
    // Equal neighbours need a blank between them (Graves et al. 2006, section 3.1).
    let repeats = target.windows(2).filter(|pair| pair[0] == pair[1]).count();
    let needed = target.len() + repeats;
    let frames = (seconds / seconds_per_frame) as usize;
    if frames < needed {
        problems.push(Problem::TooShort { frames, needed });
    }
    problems
}

/// Utterances and speakers that stand in two manifests. Two corpora may name theirs alike: they are compared
/// within a corpus.
fn shared(manifests: &[(String, Vec<Utterance>)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut utterances: HashMap<(&str, Option<Kind>), usize> = HashMap::new();
    let mut speakers: HashMap<(&str, Option<Kind>), usize> = HashMap::new();
    for (index, (place, list)) in manifests.iter().enumerate() {
        let mut told: HashSet<&str> = HashSet::new();
        let mut found = |id: &str, problem| {
            findings.push(Finding {
                place: place.clone(),
                id: id.to_owned(),
                problem,
            });
        };
        for Utterance {
            id,
            speaker,
            corpus,
            ..
        } in list
        {
            let first = *utterances.entry((id, *corpus)).or_insert(index);
            if first != index {
                let other = manifests[first].0.clone();
                found(id, Problem::SharedUtterance { other });
            }
            let first = *speakers.entry((speaker, *corpus)).or_insert(index);
            if first != index && told.insert(speaker) {
                let other = manifests[first].0.clone();
                let by_design = corpus.is_some_and(Kind::shares_speakers);
                found(speaker, Problem::SharedSpeaker { other, by_design });
            }
        }
    }
    findings
}
