//! `hearken align`.

use std::path::PathBuf;

use super::print::{Format, written};
use super::recordings::{Job, in_groups, listed, named};
use super::{Failure, model_name};
use crate::nn::Precision;
use crate::recognise::{
    LanguageChoice, ModelFiles, RecognisedWord, Recogniser, Settings, Transcript, read_lexicon,
};

/// Find when each word of a known text was said.
///
/// Of one recording the text is given with --text or --text-file; test sets (--data, --manifest)
/// bring theirs. Times are those of `hearken transcribe`; a word's confidence is the mean
/// probability of its tokens where they were found, and stretches of words that are less sure than
/// --doubt are named on stderr: there the text may be wrong.
#[derive(clap::Args)]
pub struct Args {
    /// The recording: WAV, FLAC, MP3 or Ogg Vorbis, of any length; `-` reads a WAV from standard
    /// input.
    #[arg(value_name = "FILE", required_unless_present_any = ["data", "manifest"])]
    file: Option<PathBuf>,
    /// What is said in it.
    #[arg(
        long,
        value_name = "WORDS",
        requires = "file",
        conflicts_with = "text_file"
    )]
    text: Option<String>,
    /// A file with what is said in it.
    #[arg(long, value_name = "FILE", requires = "file")]
    text_file: Option<PathBuf>,
    /// A Kaldi data directory to align.
    #[arg(long, value_name = "KALDI_DIR", conflicts_with_all = ["file", "manifest"])]
    data: Option<PathBuf>,
    /// A manifest to align.
    #[arg(long, value_name = "M.jsonl", conflicts_with = "file")]
    manifest: Option<PathBuf>,
    /// The model: the name of one in the binary, or a directory.
    #[arg(long, env = "HEARKEN_MODEL", value_name = "NAME|DIR")]
    model: Option<String>,
    /// Which of the model's outputs is aligned, from 0: by default the first of characters, which
    /// can spell every word, or else the one that is decoded.
    #[arg(long, value_name = "N")]
    output: Option<usize>,
    /// Pronunciations in CMUdict's format, instead of the model's own: for outputs of phones.
    #[arg(long, value_name = "FILE")]
    lexicon: Option<PathBuf>,
    /// What to print.
    #[arg(long, value_enum, default_value = "ctm")]
    format: Format,
    /// Words less sure than this are doubtful.
    #[arg(long, value_name = "PROBABILITY", default_value_t = 0.02)]
    doubt: f32,
    /// Precision of the heavy products.
    #[arg(long, value_enum, default_value = "auto")]
    precision: Precision,
}

/// Aligns all recordings, past those that fail; fails in the end if any did.
pub fn run(args: Args) -> Result<(), Failure> {
    let name = model_name(args.model.as_deref())?;
    let jobs = jobs(&args)?;
    if args.format.is_document() && jobs.len() > 1 {
        return Err("--format srt, vtt and textgrid hold one recording: give one FILE".into());
    }
    let files = ModelFiles::find(&name)?;
    super::runtime(args.precision);
    let settings = Settings {
        precision: args.precision,
        language: LanguageChoice::None,
        rescorer: LanguageChoice::None,
        ..Settings::default()
    };
    let recogniser = Recogniser::open(&files, &settings)?;
    let description = recogniser.description();
    let outputs = &description.tokens;
    let output = args.output.unwrap_or_else(|| {
        let characters = outputs.iter().position(|tokens| tokens.is_characters());
        characters.unwrap_or(description.decode.output)
    });
    let tokens = outputs
        .get(output)
        .ok_or_else(|| format!("--output {output}: the model has {} outputs", outputs.len()))?;
    let lexicon = read_lexicon(&files, description, tokens, args.lexicon.as_ref())?;
    in_groups(
        &jobs,
        |(job, text)| {
            let (windows, mut notices) = job.windows(&recogniser)?;
            let mut transcript = recogniser
                .align(windows, text, output, lexicon.as_ref())
                .map_err(|error| named(error.into(), &job.id()))?;
            notices.append(&mut transcript.notices);
            transcript.notices = notices;
            Ok(transcript)
        },
        |(job, _), transcript| {
            for doubtful in doubtful(transcript, args.doubt) {
                eprintln!("{}: {doubtful}", job.id());
            }
            match args.format {
                Format::Text => lines(transcript),
                format => written(format, job, transcript, tokens, &name),
            }
        },
    )
}

/// The recordings with their texts.
fn jobs(args: &Args) -> Result<Vec<(Job, String)>, Failure> {
    let Some(file) = &args.file else {
        let utterances = listed(args.data.as_ref(), args.manifest.as_ref(), false, true)?;
        let with_text = utterances.into_iter().map(|utterance| {
            let text = utterance.text.clone();
            (Job::Utterance(utterance), text)
        });
        return Ok(with_text.collect());
    };
    let text = match (&args.text, &args.text_file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => {
            std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?
        }
        (None, None) => return Err("say what is said: --text WORDS or --text-file FILE".into()),
    };
    Ok(vec![(Job::File(file.clone()), text)])
}

/// A word a line: start, end, word, confidence.
fn lines(transcript: &Transcript) -> String {
    transcript
        .words()
        .map(|RecognisedWord { timed, confidence }| {
            format!(
                "{:.3}\t{:.3}\t{}\t{confidence:.3}\n",
                timed.start, timed.end, timed.text
            )
        })
        .collect()
}

/// Stretches of doubtful words, a line each.
fn doubtful(transcript: &Transcript, doubt: f32) -> Vec<String> {
    let words: Vec<&RecognisedWord> = transcript.words().collect();
    words
        .chunk_by(|a, b| (a.confidence < doubt) == (b.confidence < doubt))
        .filter(|stretch| stretch[0].confidence < doubt)
        .map(|stretch| {
            let texts: Vec<&str> = stretch.iter().map(|w| w.timed.text.as_str()).collect();
            format!(
                "doubtful from {:.2} s to {:.2} s: {}",
                stretch[0].timed.start,
                stretch[stretch.len() - 1].timed.end,
                texts.join(" ")
            )
        })
        .collect()
}
