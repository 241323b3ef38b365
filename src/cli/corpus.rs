//! `hearken corpus`.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::Failure;
use crate::corpus::{self, Kind, Request, Requirements, Severity, Unit, Utterance};
use crate::text::{Normalisation, Tokens};

/// Import a public corpus or a Kaldi data directory, check it, split it.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Import(Import),
    Check(Check),
    Split(Split),
}

/// Write a manifest (JSON Lines) of a corpus or of a split of it.
///
/// What cannot be used is named on stderr with its line or file, and left out.
#[derive(clap::Args)]
struct Import {
    #[arg(value_enum)]
    kind: Kind,
    /// The corpus's folder; its usual place under the data root by default.
    root: Option<PathBuf>,
    /// Where corpora are; HEARKEN_DATA by default.
    #[arg(long, value_name = "DIR", conflicts_with = "root")]
    data_root: Option<PathBuf>,
    /// A split, for corpora that have some.
    #[arg(long)]
    split: Option<String>,
    /// The manifest to write.
    #[arg(long, value_name = "M.jsonl")]
    out: PathBuf,
    /// Run the pipes of wav.scp, as a shell would. `flac -c -d -s FILE |`, `sox FILE -t wav - |` and
    /// `cat FILE |` need no permission: they are read without a shell.
    #[arg(long)]
    allow_commands: bool,
    /// Keep utterances without a transcript.
    #[arg(long)]
    without_text: bool,
}

/// Find what is wrong with manifests before training on them; name several to compare their speakers.
///
/// A finding a line on stdout, `error: FILE: ID: what` or `warning: …`; exit status 1 if there are errors.
#[derive(clap::Args)]
struct Check {
    #[arg(value_name = "M.jsonl", required = true)]
    manifests: Vec<PathBuf>,
    /// The token inventory that transcripts must be written in: characters or phones.
    #[arg(long, default_value = "characters")]
    tokens: String,
    /// Normalisation before that: `english`, `none`, or steps separated by commas.
    #[arg(long, value_name = "STEPS", default_value_t = Normalisation::english())]
    normalise: Normalisation,
    /// Milliseconds of a frame that the model sees (10; 30 where three are stacked).
    #[arg(long, value_name = "MS", default_value_t = 10.0, value_parser = positive)]
    frame_shift: f64,
    /// Run the commands in the manifests.
    #[arg(long)]
    allow_commands: bool,
}

/// Cut a manifest into parts of about the given shares of its length.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("unit").required(true))]
struct Split {
    #[arg(value_name = "M.jsonl")]
    manifest: PathBuf,
    /// Keep each speaker in one part.
    #[arg(long, group = "unit")]
    by_speaker: bool,
    /// Deal single utterances: every part has every speaker.
    #[arg(long, group = "unit")]
    by_utterance: bool,
    /// A part and its share, such as `--part train=0.9 --part dev=0.1`.
    #[arg(long = "part", value_name = "NAME=SHARE", required = true, value_parser = parse_part)]
    parts: Vec<(String, f64)>,
    /// Where to write NAME.jsonl for each part.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Draws the order of speakers or utterances of equal length.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Import(args) => import(args),
        Command::Check(args) => check(args),
        Command::Split(args) => split(args),
    }
}

fn import(args: Import) -> Result<(), Failure> {
    let request = Request {
        kind: args.kind,
        root: root(&args)?,
        split: args.split,
        allow_commands: args.allow_commands,
        need_text: !args.without_text,
    };
    let imported = corpus::import(&request)?;
    let mut stderr = std::io::stderr().lock();
    for warning in &imported.warnings {
        writeln!(stderr, "{warning}")?;
    }
    corpus::write_manifest(&args.out, &imported.utterances)?;
    writeln!(
        stderr,
        "{}: {}",
        args.out.display(),
        summary(&imported.utterances)
    )?;
    Ok(())
}

/// The folder that was named, or the corpus's usual place.
fn root(args: &Import) -> Result<PathBuf, Failure> {
    if let Some(root) = &args.root {
        return Ok(root.clone());
    }
    let Some(place) = args.kind.usual_place() else {
        return Err(format!(
            "name the folder of the {} corpus: it has no usual place",
            args.kind
        )
        .into());
    };
    let data = args.data_root.clone();
    match data.or_else(|| std::env::var_os("HEARKEN_DATA").map(PathBuf::from)) {
        Some(data) => Ok(data.join(place)),
        None => Err(format!(
            "name the folder of the {} corpus, or its data root with --data-root or HEARKEN_DATA",
            args.kind
        )
        .into()),
    }
}

fn check(args: Check) -> Result<(), Failure> {
    let requirements = Requirements {
        tokens: Tokens::named(&args.tokens)?,
        normalisation: args.normalise,
        seconds_per_frame: args.frame_shift / 1000.0,
    };
    let mut manifests = Vec::new();
    for path in &args.manifests {
        let utterances = match args.allow_commands {
            true => corpus::read_manifest_with_commands(path)?,
            false => corpus::read_manifest(path)?,
        };
        manifests.push((path.display().to_string(), utterances));
    }
    let findings = corpus::check(&manifests, &requirements);
    let mut stdout = std::io::stdout().lock();
    for finding in &findings {
        writeln!(stdout, "{finding}")?;
    }
    let errors = findings
        .iter()
        .filter(|finding| finding.problem.severity() == Severity::Error)
        .count();
    let mut stderr = std::io::stderr().lock();
    for (name, utterances) in &manifests {
        writeln!(stderr, "{name}: {}", summary(utterances))?;
    }
    let warnings = findings.len() - errors;
    if errors > 0 {
        return Err(format!("the check found {errors} errors and {warnings} warnings").into());
    }
    writeln!(stderr, "no errors, {warnings} warnings")?;
    Ok(())
}

fn split(args: Split) -> Result<(), Failure> {
    let unit = match args.by_speaker {
        true => Unit::Speaker,
        false => Unit::Utterance,
    };
    let names: BTreeSet<&str> = args.parts.iter().map(|(name, _)| name.as_str()).collect();
    if names.len() < args.parts.len() {
        return Err("two parts have the same name: give each its own".into());
    }
    let utterances = corpus::read_manifest_with_commands(&args.manifest)?;
    let shares: Vec<f64> = args.parts.iter().map(|(_, share)| *share).collect();
    let parts = corpus::split(&utterances, &shares, unit, args.seed);
    if let Some(empty) = parts.iter().position(Vec::is_empty) {
        return Err(format!(
            "{}: no speaker or utterance is left for `{}`: ask for fewer parts, or split --by-utterance",
            args.manifest.display(),
            args.parts[empty].0
        )
        .into());
    }
    std::fs::create_dir_all(&args.out)
        .map_err(|error| format!("{}: cannot create it: {error}", args.out.display()))?;
    for ((name, _), part) in args.parts.iter().zip(&parts) {
        let path = args.out.join(format!("{name}.jsonl"));
        corpus::write_manifest(&path, part)?;
        writeln!(std::io::stderr(), "{}: {}", path.display(), summary(part))?;
    }
    Ok(())
}

fn summary(utterances: &[Utterance]) -> String {
    let speakers: BTreeSet<&str> = utterances.iter().map(|u| u.speaker.as_str()).collect();
    let seconds: f64 = utterances.iter().map(|utterance| utterance.duration).sum();
    format!(
        "{} utterances, {} speakers, {:.2} h",
        utterances.len(),
        speakers.len(),
        seconds / 3600.0
    )
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "a number is needed".to_owned())?;
    match number.is_finite() && number > 0.0 {
        true => Ok(number),
        false => Err("it must be above 0".into()),
    }
}

/// `NAME=SHARE`; the name becomes a file's.
fn parse_part(text: &str) -> Result<(String, f64), String> {
    let (name, share) = text
        .split_once('=')
        .ok_or("NAME=SHARE is needed, such as dev=0.1")?;
    if name.is_empty() || Path::new(name).file_name() != Some(name.as_ref()) {
        return Err(format!("`{name}` is no name for a file"));
    }
    Ok((name.to_owned(), positive(share)?))
}
