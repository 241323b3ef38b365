//! `hearken transcribe`.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::json;

use super::Failure;
use crate::corpus::{self, Kind, Request, Utterance};
use crate::decode::HotPhrase;
use crate::nn::Precision;
use crate::recognise::{
    Description, LanguageChoice, ModelFiles, RecognisedWord, Recogniser, Settings, Transcript,
    Windows, ctm, embedded_names, read_description, srt, textgrid, vtt,
};
use crate::text::Tokens;

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
    /// Width of the beam, instead of the model's; 1 is the best path.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    beam: Option<u32>,
    /// The language model instead of the model's own: an n-gram as ARPA or compact binary, or
    /// `none`.
    #[arg(long, value_name = "FILE|none")]
    lm: Option<LanguageChoice>,
    /// The language model that rescores the n-best hypotheses instead of the model's own: the
    /// directory of a recurrent one, an n-gram, or `none`.
    #[arg(long, value_name = "DIR|none")]
    rnn_lm: Option<LanguageChoice>,
    /// Pronunciations in CMUdict's format, instead of the model's own: for models of phones.
    #[arg(long, value_name = "FILE")]
    lexicon: Option<PathBuf>,
    /// Weight of the language model, instead of the model's.
    #[arg(long, value_name = "WEIGHT")]
    alpha: Option<f32>,
    /// Bonus for every word in nats, instead of the model's.
    #[arg(long, value_name = "NATS", allow_negative_numbers = true)]
    beta: Option<f32>,
    /// Phrases that are likelier than the language model knows: one a line, with its boost in nats
    /// behind a tab if it is not to be the model's.
    #[arg(long, value_name = "FILE")]
    hot_words: Option<PathBuf>,
    /// Precision of the heavy products.
    #[arg(long, value_enum, default_value = "auto")]
    precision: Precision,
    /// Run the pipes of a `wav.scp` that are not read natively.
    #[arg(long, requires = "data")]
    allow_commands: bool,
}

/// The formats of the output.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Format {
    /// Words.
    Text,
    /// One JSON object a line.
    Json,
    /// NIST's CTM: a word a line with its times and confidence, for `sclite`.
    Ctm,
    /// SubRip subtitles, of one recording.
    Srt,
    /// WebVTT subtitles, of one recording.
    Vtt,
    /// A Praat TextGrid with words and tokens, of one recording.
    Textgrid,
}

impl Format {
    /// Whether it is a document of its own that holds one recording.
    fn is_document(self) -> bool {
        matches!(self, Self::Srt | Self::Vtt | Self::Textgrid)
    }
}

/// One thing to recognise.
enum Job {
    File(PathBuf),
    Utterance(Utterance),
}

/// Transcribes all recordings, past those that fail; fails in the end if any did.
pub fn run(args: Args) -> Result<(), Failure> {
    let name = match &args.model {
        Some(name) => name.clone(),
        None => embedded_names()
            .next()
            .ok_or("there is no model in this binary: give --model DIR")?
            .to_owned(),
    };
    let jobs = jobs(&args)?;
    if args.format.is_document() && jobs.len() > 1 {
        return Err("--format srt, vtt and textgrid hold one recording: give one FILE".into());
    }
    let files = ModelFiles::find(&name)?;
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

    let mut said = BTreeSet::new();
    let mut failed = 0;
    let mut out = std::io::stdout().lock();
    let alone = jobs.len() == 1;
    // In groups, so that results come in order and as they are ready, and memory stays bounded.
    for group in jobs.chunks(2 * rayon::current_num_threads()) {
        let results: Vec<Result<Transcript, Failure>> = group
            .par_iter()
            .map(|job| recognise(&recogniser, job, args.nbest.into()))
            .collect();
        for (job, result) in group.iter().zip(results) {
            match result {
                Ok(transcript) => {
                    say_once(&mut said, job, &transcript);
                    let text = match args.format {
                        Format::Text => line(job, &transcript.text, alone) + "\n",
                        Format::Json => {
                            object(job, &transcript, &recogniser, &name).to_string() + "\n"
                        }
                        Format::Ctm => ctm(&stem(job), &transcript),
                        Format::Srt => srt(&transcript),
                        Format::Vtt => vtt(&transcript),
                        Format::Textgrid => textgrid(&transcript, decoded_tokens(&recogniser)),
                    };
                    out.write_all(text.as_bytes())?;
                    out.flush()?;
                }
                Err(failure) if alone => return Err(failure),
                Err(failure) => {
                    failed += 1;
                    eprintln!("hearken: {}", failure.to_string().replace('\n', " "));
                }
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(format!("{failed} of {} recordings failed", jobs.len()).into()),
    }
}

/// Reads a file of hot phrases, normalised as the model's transcripts are.
fn hot_words(path: &Path, description: &Description) -> Result<Vec<HotPhrase>, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut phrases = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let (phrase, boost) = match line.split_once('\t') {
            Some((phrase, boost)) => {
                let boost = boost.trim().parse().map_err(|_| {
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
    if let Some(dir) = &args.data {
        let mut request = Request::new(Kind::Kaldi, dir, None);
        request.allow_commands = args.allow_commands;
        request.need_text = false;
        let imported = corpus::import(&request)?;
        for warning in &imported.warnings {
            eprintln!("{warning}");
        }
        return Ok(imported
            .utterances
            .into_iter()
            .map(Job::Utterance)
            .collect());
    }
    if let Some(manifest) = &args.manifest {
        let utterances = corpus::read_manifest(manifest)?;
        return Ok(utterances.into_iter().map(Job::Utterance).collect());
    }
    Ok(args.files.iter().cloned().map(Job::File).collect())
}

fn recognise(recogniser: &Recogniser, job: &Job, n_best: usize) -> Result<Transcript, Failure> {
    match job {
        Job::File(path) if path == Path::new("-") => {
            Ok(recogniser.recognise_wav(std::io::stdin(), "standard input", n_best)?)
        }
        Job::File(path) => recogniser
            .recognise_file(path, n_best)
            .map_err(|error| named(error.into(), &path.display().to_string())),
        Job::Utterance(utterance) => {
            let rate = recogniser.description().features.sample_rate();
            let decoded = corpus::load_audio(utterance, rate)
                .map_err(|error| named(error.into(), &utterance.id))?;
            let mut transcript = recogniser
                .recognise_windows(Windows::of(decoded.waveform), n_best)
                .map_err(|error| named(error.into(), &utterance.id))?;
            transcript.notices = decoded.notices;
            Ok(transcript)
        }
    }
}

/// The failure with the recording's name in front, unless it says the name itself.
fn named(failure: Failure, name: &str) -> Failure {
    let message = failure.to_string();
    if message.contains(name) {
        failure
    } else {
        format!("{name}: {message}").into()
    }
}

/// Says what was done to recordings on the way in, each thing once.
fn say_once(said: &mut BTreeSet<String>, job: &Job, transcript: &Transcript) {
    for notice in &transcript.notices {
        let notice = notice.to_string();
        if !said.contains(&notice) {
            eprintln!("{}: {notice}", id(job));
            said.insert(notice);
        }
    }
}

fn id(job: &Job) -> String {
    match job {
        Job::File(path) => path.display().to_string(),
        Job::Utterance(utterance) => utterance.id.clone(),
    }
}

/// What references call a recording: a file by its stem.
fn stem(job: &Job) -> String {
    match job {
        Job::File(path) => path
            .file_stem()
            .unwrap_or(path.as_os_str())
            .display()
            .to_string(),
        Job::Utterance(utterance) => utterance.id.clone(),
    }
}

/// The inventory of the output that is decoded.
fn decoded_tokens(recogniser: &Recogniser) -> &Tokens {
    let description = recogniser.description();
    &description.tokens[description.decode.output]
}

fn line(job: &Job, text: &str, alone: bool) -> String {
    match job {
        Job::File(_) if alone => text.to_owned(),
        Job::File(path) => format!("{}\t{text}", path.display()),
        Job::Utterance(utterance) => format!("{} {text}", utterance.id).trim_end().to_owned(),
    }
}

fn object(
    job: &Job,
    transcript: &Transcript,
    recogniser: &Recogniser,
    model: &str,
) -> serde_json::Value {
    let symbols = decoded_tokens(recogniser).symbols();
    let windows: Vec<serde_json::Value> = transcript
        .windows
        .iter()
        .map(|window| {
            let hypotheses: Vec<serde_json::Value> = window
                .hypotheses
                .iter()
                .map(|h| {
                    json!({
                        "text": h.text,
                        "score": h.score,
                        "parts": {
                            "output": h.parts.output,
                            "combined": h.parts.combined,
                            "lm": h.parts.lm,
                            "rescoring": h.parts.rescoring,
                            "words": h.words.len(),
                        },
                    })
                })
                .collect();
            json!({ "start": window.start, "seconds": window.seconds, "nbest": hypotheses })
        })
        .collect();
    let words: Vec<serde_json::Value> = transcript
        .words()
        .map(|RecognisedWord { timed, confidence }| {
            let tokens: Vec<serde_json::Value> = timed
                .tokens
                .iter()
                .map(|token| {
                    json!({
                        "token": symbols[token.token as usize],
                        "start": milliseconds(token.start),
                        "end": milliseconds(token.end),
                    })
                })
                .collect();
            json!({
                "word": timed.text,
                "start": milliseconds(timed.start),
                "end": milliseconds(timed.end),
                "confidence": confidence,
                "tokens": tokens,
            })
        })
        .collect();
    let key = match job {
        Job::File(_) => "file",
        Job::Utterance(_) => "id",
    };
    let notices: Vec<String> = transcript.notices.iter().map(ToString::to_string).collect();
    json!({
        key: id(job),
        "text": transcript.text,
        "words": words,
        "seconds": transcript.seconds,
        "model": model,
        "windows": windows,
        "notices": notices,
    })
}

/// Seconds with three digits.
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
