//! `hearken transcribe`.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::print::{Format, milliseconds, words, written};
use super::recordings::{Job, in_groups, listed, named};
use super::{Failure, model_name};
use crate::audio;
use crate::decode::HotPhrase;
use crate::nn::Precision;
use crate::recognise::{
    Description, LanguageChoice, ModelFiles, Recogniser, Segment, Settings, Transcript, ctm_words,
    read_description,
};

/// Turn recordings into words.
///
/// One file: its words alone on a line. Several: `FILE<TAB>words`, a line each, in the order given.
/// A test set (--data, --manifest): lines of `ID words`, which `hearken score` reads as they are.
#[derive(clap::Args)]
pub struct Args {
    /// Recordings: WAV, FLAC, MP3 or Ogg Vorbis; `-` reads a WAV from standard input.
    #[arg(value_name = "FILE", required_unless_present_any = ["data", "manifest"])]
    files: Vec<PathBuf>,
    /// A Kaldi data directory to decode; its `segments` are honoured.
    #[arg(long, value_name = "KALDI_DIR", conflicts_with_all = ["files", "manifest"])]
    data: Option<PathBuf>,
    /// A manifest to decode.
    #[arg(long, value_name = "M.jsonl", conflicts_with = "files")]
    manifest: Option<PathBuf>,
    /// The model: the name of one in the binary, or a directory.
    #[arg(long, env = "HEARKEN_MODEL", value_name = "NAME|DIR")]
    model: Option<String>,
    /// What to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Hypotheses in JSON, best first.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    nbest: u16,
    /// Width of the beam, instead of the model's; with --lm none, 1 is the best path.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    beam: Option<u32>,
    /// The language model instead of the model's own: an n-gram as ARPA or compact binary, the
    /// directory of a recurrent one of characters, or `none`.
    #[arg(long, value_name = "FILE|DIR|none")]
    lm: Option<LanguageChoice>,
    /// The language model that rescores the n-best hypotheses instead of the model's own: the
    /// directory of a recurrent one, an n-gram, or `none`.
    #[arg(long, value_name = "DIR|none")]
    rnn_lm: Option<LanguageChoice>,
    /// Pronunciations in CMUdict's format, before those of the model's own lexicon: for models of
    /// phones.
    #[arg(long, value_name = "FILE")]
    lexicon: Option<PathBuf>,
    /// Weight of the language model, instead of the model's.
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true)]
    alpha: Option<f32>,
    /// Bonus for every word in nats, instead of the model's.
    #[arg(long, value_name = "NATS", allow_negative_numbers = true)]
    beta: Option<f32>,
    /// Phrases that are likelier than the language model knows: one a line, with its boost in nats
    /// behind a tab if it is not to be the model's.
    #[arg(long, value_name = "FILE")]
    hot_words: Option<PathBuf>,
    /// Print each part of a long recording as soon as its words are certain (text and ctm), or an
    /// object a part (json).
    #[arg(long)]
    stream: bool,
    /// Precision of the heavy products.
    #[arg(long, value_enum, default_value = "auto")]
    precision: Precision,
    /// Run the pipes of a `wav.scp` that are not read natively.
    #[arg(long, requires = "data")]
    allow_commands: bool,
}

/// Transcribes all recordings, past those that fail; fails in the end if any did.
pub fn run(args: Args) -> Result<(), Failure> {
    let name = model_name(args.model.as_deref())?;
    let jobs = jobs(&args)?;
    if args.format.is_document() && jobs.len() > 1 {
        return Err("--format srt, vtt and textgrid hold one recording: give one FILE".into());
    }
    let streams = matches!(args.format, Format::Text | Format::Json | Format::Ctm);
    if args.stream && (jobs.len() > 1 || !streams) {
        return Err("--stream prints one recording, as text, json or ctm".into());
    }
    let files = ModelFiles::find(&name)?;
    super::runtime(args.precision);
    let hot_words = match &args.hot_words {
        Some(path) => hot_words(path, &read_description(&files)?)?,
        None => Vec::new(),
    };
    let settings = Settings {
        precision: args.precision,
        beam: args.beam.map(|beam| beam as usize),
        language: args.lm.clone().unwrap_or_default(),
        rescorer: args.rnn_lm.clone().unwrap_or_default(),
        lexicon: args.lexicon.clone(),
        alpha: args.alpha,
        beta: args.beta,
        hot_words,
    };
    let recogniser = Recogniser::open(&files, &settings)?;

    if let ([job], true) = (&jobs[..], args.stream) {
        return stream(&recogniser, job, args.format, args.nbest.into());
    }
    let mut said = BTreeSet::new();
    let alone = jobs.len() == 1;
    let shows_progress = alone && std::io::stderr().is_terminal();
    let tokens = recogniser.description().decoded_tokens();
    in_groups(
        &jobs,
        |job| {
            let mut heard = Progress::of(job, shows_progress);
            let transcript = recognise(&recogniser, job, args.nbest.into(), &mut |segment| {
                heard.until(segment.start + segment.seconds);
            });
            heard.clear();
            transcript
        },
        |job, transcript| {
            say_once(&mut said, job, transcript);
            match args.format {
                Format::Text => line(job, &transcript.text, alone) + "\n",
                format => written(format, job, transcript, tokens, &name),
            }
        },
    )
}

/// Reads a file of hot phrases, normalised as the model's transcripts are.
fn hot_words(path: &Path, description: &Description) -> Result<Vec<HotPhrase>, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut phrases = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let (phrase, boost) = match line.split_once('\t') {
            Some((phrase, boost)) => {
                let finite = boost.trim().parse().ok().filter(|b: &f32| b.is_finite());
                let boost = finite.ok_or_else(|| {
                    format!(
                        "{}, line {number}: `{boost}` is no boost in nats: give PHRASE, or PHRASE, a tab and a number",
                        path.display()
                    )
                })?;
                (phrase, boost)
            }
            None => (line, description.decode.hot_boost),
        };
        let text = description.normalise.apply(phrase);
        if !text.is_empty() {
            phrases.push(HotPhrase { text, boost });
        }
    }
    Ok(phrases)
}

fn jobs(args: &Args) -> Result<Vec<Job>, Failure> {
    if args.data.is_none() && args.manifest.is_none() {
        return Ok(args.files.iter().cloned().map(Job::File).collect());
    }
    let (data, manifest) = (args.data.as_ref(), args.manifest.as_ref());
    let utterances = listed(data, manifest, args.allow_commands, false)?;
    Ok(utterances.into_iter().map(Job::Utterance).collect())
}

fn recognise(
    recogniser: &Recogniser,
    job: &Job,
    n_best: usize,
    heard: &mut dyn FnMut(&Segment),
) -> Result<Transcript, Failure> {
    let (windows, notices) = job.windows(recogniser)?;
    let mut transcript = recogniser
        .recognise_as_it_comes(windows, n_best, heard)
        .map_err(|error| named(error.into(), &job.id()))?;
    transcript.notices.splice(0..0, notices);
    Ok(transcript)
}

/// Prints each part of a recording as soon as its words are certain.
fn stream(
    recogniser: &Recogniser,
    job: &Job,
    format: Format,
    n_best: usize,
) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let symbols = recogniser.description().decoded_tokens().symbols();
    let mut written = Ok(());
    let mut heard = |segment: &Segment| {
        let part = match format {
            Format::Ctm => ctm_words(&job.stem(), &segment.words),
            Format::Json => {
                let (start, end) = (segment.start, segment.start + segment.seconds);
                json!({
                    "start": milliseconds(start),
                    "end": milliseconds(end),
                    "text": segment.text,
                    "words": words(segment.words.iter(), symbols),
                })
                .to_string()
                    + "\n"
            }
            _ if segment.text.is_empty() => return,
            _ => format!("{}\n", segment.text),
        };
        if written.is_ok() {
            written = out.write_all(part.as_bytes()).and_then(|()| out.flush());
        }
    };
    let transcript = recognise(recogniser, job, n_best, &mut heard)?;
    written?;
    say_once(&mut BTreeSet::new(), job, &transcript);
    Ok(())
}

/// How far a long recording is, on one line of the terminal.
struct Progress {
    total: Option<f64>,
    shown: bool,
}

impl Progress {
    fn of(job: &Job, wanted: bool) -> Self {
        let total = match job {
            Job::File(path) if wanted && path != Path::new("-") => audio::duration(path).ok(),
            _ => None,
        };
        Self {
            total: total.filter(|_| wanted),
            shown: false,
        }
    }

    fn until(&mut self, second: f64) {
        let Some(total) = self.total else { return };
        let clock = |seconds: f64| {
            let seconds = seconds as u64;
            format!("{}:{:02}", seconds / 60, seconds % 60)
        };
        if second < total {
            eprint!("\r{} of {} ", clock(second), clock(total));
            self.shown = true;
        }
    }

    fn clear(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}

/// Says what was done to recordings on the way in, each thing once.
fn say_once(said: &mut BTreeSet<String>, job: &Job, transcript: &Transcript) {
    for notice in &transcript.notices {
        let notice = notice.to_string();
        if !said.contains(&notice) {
            eprintln!("{}: {notice}", job.id());
            said.insert(notice);
        }
    }
}

fn line(job: &Job, text: &str, alone: bool) -> String {
    match job {
        Job::File(_) if alone => text.to_owned(),
        Job::File(path) => format!("{}\t{text}", path.display()),
        Job::Utterance(utterance) => format!("{} {text}", utterance.id).trim_end().to_owned(),
    }
}
