//! `hearken score`.

use std::io::{Read, Write};

use serde::Serialize;

use super::Failure;
use crate::score::{
    Bootstrap, Comparison, Costs, ErrorCounts, Evaluation, Interval, Joined, Missing, Operation,
    SpeakerErrors, Transcripts, Utterance, compare, join,
};
use crate::text::Normalisation;

/// Word error rate of hypotheses against references.
///
/// Both files have lines of `ID words…` (Kaldi's text), `words… (ID)` (sclite's trn) or
/// `FILE<TAB>words` (what `hearken transcribe FILE…` prints; joined by the file's stem), in any
/// order. `-` reads standard input.
///
/// Rates are per cent here and fractions in JSON. Where there is not a single reference word, the
/// rate is the number of insertions, as if there were one.
#[derive(clap::Args)]
pub struct Args {
    /// What was said.
    #[arg(value_name = "REF")]
    reference: String,
    /// What was recognised.
    #[arg(value_name = "HYP")]
    hypothesis: String,
    /// Another system's hypotheses: is the difference significant?
    #[arg(long, value_name = "HYP2")]
    against: Option<String>,
    /// Costs of edits and choice among equal alignments: jiwer's or sclite's parts.
    #[arg(long, value_enum, default_value_t)]
    alignment: Costs,
    /// What to do with an utterance that is in one of the files only; an error otherwise.
    #[arg(long, value_enum)]
    missing: Option<Missing>,
    /// Normalise both sides: `english`, `none`, or steps separated by commas (lower-case,
    /// curly-apostrophes, hyphens-to-spaces, letters-only, collapse-spaces).
    #[arg(long, value_name = "STEPS", default_value_t = Normalisation::none())]
    normalise: Normalisation,
    /// Lines of `ID SPEAKER` (Kaldi's utt2spk): a row for each speaker.
    #[arg(long, value_name = "UTT2SPK")]
    speakers: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Show how words were aligned: of all utterances, or of the N with the most errors.
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true)]
    alignments: Option<Option<usize>>,
    /// Replicates of the bootstrap for 95% intervals; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    bootstrap: usize,
    /// Seed of the bootstrap.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// One system's figures; rates are fractions.
#[derive(Serialize)]
struct System {
    wer: f64,
    cer: f64,
    words: u64,
    correct: u64,
    substitutions: u64,
    deletions: u64,
    insertions: u64,
    characters: Parts,
    utterances: usize,
    wrong_utterances: usize,
    without_hypothesis: Vec<String>,
    without_reference: Vec<String>,
    wer_interval: Option<Interval>,
    cer_interval: Option<Interval>,
}

/// Counts under names of their own.
#[derive(Serialize)]
struct Parts {
    reference: u64,
    #[serde(flatten)]
    counts: ErrorCounts,
}

/// Everything that the command prints.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    system: System,
    alignment: Costs,
    normalise: &'a Normalisation,
    bootstrap: Bootstrap,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    speakers: Vec<SpeakerErrors>,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Against>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alignments: Vec<Aligned<'a>>,
}

#[derive(Serialize)]
struct Against {
    #[serde(flatten)]
    system: System,
    comparison: Comparison,
}

#[derive(Serialize)]
struct Aligned<'a> {
    id: &'a str,
    #[serde(flatten)]
    counts: ErrorCounts,
    pairs: Vec<(Operation, Option<&'a String>, Option<&'a String>)>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<(), Failure> {
    let bootstrap = Bootstrap {
        replicates: args.bootstrap,
        seed: args.seed,
    };
    let files = [
        Some(&args.reference),
        Some(&args.hypothesis),
        args.against.as_ref(),
    ];
    if files
        .iter()
        .flatten()
        .filter(|file| file.as_str() == "-")
        .count()
        > 1
    {
        return Err("standard input can be one of the files only".into());
    }
    let references = read(&args.reference)?;
    let evaluate = |file: &str| -> Result<(Evaluation, System), Failure> {
        let hypotheses = read(file)?;
        let joined = join(&references, &hypotheses, args.missing)?;
        let evaluation = Evaluation::new(&joined.pairs, &args.normalise, args.alignment);
        warn_of_case(&evaluation, file);
        let system = System::new(&evaluation, joined, bootstrap);
        Ok((evaluation, system))
    };
    let (evaluation, system) = evaluate(&args.hypothesis)?;
    let against = match &args.against {
        Some(file) => {
            let (other, system) = evaluate(file)?;
            let comparison = compare(&evaluation, &other, bootstrap);
            Some(Against { system, comparison })
        }
        None => None,
    };
    let speakers = match &args.speakers {
        Some(file) => evaluation.by_speaker(&read(file)?, file)?,
        None => Vec::new(),
    };
    let shown = shown(&evaluation, args.alignments);

    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => {
            let report = Report {
                system,
                alignment: args.alignment,
                normalise: &args.normalise,
                bootstrap,
                speakers,
                against,
                alignments: shown.into_iter().map(Aligned::of).collect(),
            };
            serde_json::to_writer(&mut out, &report)?;
            writeln!(out)?;
        }
        Format::Text => {
            for utterance in shown {
                writeln!(out, "{utterance}")?;
            }
            if !speakers.is_empty() {
                write_speakers(&mut out, &speakers)?;
            }
            write_system(&mut out, &system)?;
            writeln!(
                out,
                "alignment {}, normalise {}",
                name(args.alignment),
                args.normalise
            )?;
            if let (Some(against), Some(file)) = (&against, &args.against) {
                writeln!(out, "\nagainst {file}")?;
                write_system(&mut out, &against.system)?;
                write_comparison(&mut out, &against.comparison)?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn read(file: &str) -> Result<Transcripts, Failure> {
    let mut bytes = Vec::new();
    let result = if file == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(file).map(|read| bytes = read)
    };
    result.map_err(|error| format!("cannot read {file}: {error}"))?;
    Ok(Transcripts::parse(&bytes, file)?)
}

/// Different letter case on the two sides makes every word wrong, and is never meant.
fn warn_of_case(evaluation: &Evaluation, file: &str) {
    let upper = |words: fn(&Utterance) -> &[String]| {
        let mut words = evaluation.utterances.iter().flat_map(words);
        words.any(|word| word.chars().any(char::is_uppercase))
    };
    let lower = |words: fn(&Utterance) -> &[String]| {
        let mut words = evaluation.utterances.iter().flat_map(words);
        words.any(|word| word.chars().any(char::is_lowercase))
    };
    let case = |words| (upper(words), lower(words));
    let sides = (
        case(|utterance| &utterance.reference),
        case(|utterance| &utterance.hypothesis),
    );
    if matches!(
        sides,
        ((true, false), (false, true)) | ((false, true), (true, false))
    ) {
        eprintln!(
            "hearken: one of the references and {file} is in capitals, the other is not; \
             `--normalise lower-case` makes them alike"
        );
    }
}

/// The utterances whose alignments are wanted: all in order, or the `N` with the most errors.
fn shown(evaluation: &Evaluation, wanted: Option<Option<usize>>) -> Vec<&Utterance> {
    let mut utterances: Vec<_> = evaluation.utterances.iter().collect();
    match wanted {
        None => utterances.clear(),
        Some(None) => {}
        Some(Some(count)) => {
            utterances.sort_by_key(|utterance| std::cmp::Reverse(utterance.words.errors()));
            utterances.truncate(count);
        }
    }
    utterances
}

impl System {
    fn new(evaluation: &Evaluation, joined: Joined, bootstrap: Bootstrap) -> Self {
        let (words, characters) = (evaluation.words(), evaluation.characters());
        Self {
            wer: words.rate(),
            cer: characters.rate(),
            words: words.reference_len(),
            correct: words.correct,
            substitutions: words.substitutions,
            deletions: words.deletions,
            insertions: words.insertions,
            characters: Parts {
                reference: characters.reference_len(),
                counts: characters,
            },
            utterances: evaluation.utterances.len(),
            wrong_utterances: evaluation.wrong_utterances(),
            without_hypothesis: joined.without_hypothesis,
            without_reference: joined.without_reference,
            wer_interval: evaluation.wer_interval(bootstrap),
            cer_interval: evaluation.cer_interval(bootstrap),
        }
    }

    fn word_counts(&self) -> ErrorCounts {
        ErrorCounts {
            correct: self.correct,
            substitutions: self.substitutions,
            deletions: self.deletions,
            insertions: self.insertions,
        }
    }
}

impl<'a> Aligned<'a> {
    fn of(utterance: &'a Utterance) -> Self {
        let pairs = utterance
            .alignment
            .pairs(&utterance.reference, &utterance.hypothesis);
        Self {
            id: &utterance.id,
            counts: utterance.words,
            pairs: pairs.collect(),
        }
    }
}

/// A value's name on the command line.
fn name(value: impl clap::ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

/// The lines that Kaldi's `compute-wer` prints, which scripts look for, and the intervals.
fn write_system(out: &mut impl Write, system: &System) -> std::io::Result<()> {
    let mut line = |what: &str, counts: ErrorCounts, interval: Option<Interval>| {
        write!(
            out,
            "%{what} {:.2} [ {} / {}, {} ins, {} del, {} sub ]",
            100.0 * counts.rate(),
            counts.errors(),
            counts.reference_len(),
            counts.insertions,
            counts.deletions,
            counts.substitutions
        )?;
        match interval {
            Some(Interval { low, high }) => {
                writeln!(
                    out,
                    " 95% interval {:.2} to {:.2}",
                    100.0 * low,
                    100.0 * high
                )
            }
            None => writeln!(out),
        }
    };
    line("WER", system.word_counts(), system.wer_interval)?;
    line("CER", system.characters.counts, system.cer_interval)?;
    let share = system.wrong_utterances as f64 / system.utterances.max(1) as f64;
    writeln!(
        out,
        "%SER {:.2} [ {} / {} ]",
        100.0 * share,
        system.wrong_utterances,
        system.utterances
    )?;
    writeln!(
        out,
        "scored {} utterances; {} references without a hypothesis, {} hypotheses without a reference",
        system.utterances,
        system.without_hypothesis.len(),
        system.without_reference.len()
    )
}

fn write_speakers(out: &mut impl Write, speakers: &[SpeakerErrors]) -> std::io::Result<()> {
    let width = speakers
        .iter()
        .map(|row| row.speaker.chars().count())
        .max()
        .unwrap_or(0)
        .max(7);
    writeln!(
        out,
        "{:width$} {:>6} {:>7} {:>7} {:>6} {:>6} {:>6} {:>7}",
        "speaker", "utts", "words", "WER", "sub", "del", "ins", "CER"
    )?;
    for row in speakers {
        let words = row.words;
        writeln!(
            out,
            "{:width$} {:>6} {:>7} {:>7.2} {:>6} {:>6} {:>6} {:>7.2}",
            row.speaker,
            row.utterances,
            words.reference_len(),
            100.0 * words.rate(),
            words.substitutions,
            words.deletions,
            words.insertions,
            100.0 * row.characters.rate()
        )?;
    }
    writeln!(out)
}

fn write_comparison(out: &mut impl Write, comparison: &Comparison) -> std::io::Result<()> {
    writeln!(
        out,
        "HYP minus HYP2 on {} utterances (negative: HYP is better)",
        comparison.utterances
    )?;
    if let Some(paired) = comparison.bootstrap {
        writeln!(
            out,
            "paired bootstrap: {:+.2} points, 95% interval {:+.2} to {:+.2}; HYP better in {:.1}% of replicates; {}",
            100.0 * paired.difference,
            100.0 * paired.interval.low,
            100.0 * paired.interval.high,
            100.0 * paired.better,
            p_value(paired.p_value)
        )?;
    }
    let test = comparison.mapsswe;
    writeln!(
        out,
        "matched pairs (MAPSSWE): {} segments, mean {:+.3} errors, z = {:.2}, {}",
        test.segments,
        test.mean,
        test.z,
        p_value(test.p_value)
    )
}

fn p_value(p: f64) -> String {
    if p < 0.0001 {
        "p < 0.0001".into()
    } else {
        format!("p = {p:.4}")
    }
}
