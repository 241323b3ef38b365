//! The command line: one file per subcommand, each parses, calls the library and prints; `recordings` and
//! `print` are what transcribe and align share.
//!
//! Exit status: 0 done; 1 the input or the run failed, with one line on stderr that says what, where
//! and what to do; 2 usage. Results go to stdout, everything else to stderr.

mod align;
mod bench;
mod corpus;
mod features;
mod lexicon;
mod lm;
mod log;
mod print;
mod recordings;
mod report;
mod run;
mod score;
mod transcribe;
mod tune;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::nn::{Path, Precision, Runtime};
use crate::recognise::embedded_names;

/// Why a command stopped: the one line that stderr gets. Any library error converts into it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A speech-recognition research pipeline: transcribe recordings, run experiments, measure word
/// error rate.
#[derive(Parser)]
#[command(name = "hearken", version, propagate_version = true)]
struct Cli {
    /// Threads to use; all cores by default. Results do not depend on it.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Transcribe(transcribe::Args),
    Align(align::Args),
    Run(run::Args),
    Tune(tune::Args),
    Score(score::Args),
    Features(features::Args),
    Corpus(corpus::Args),
    Lexicon(lexicon::Args),
    Lm(lm::Args),
    Bench(bench::Args),
    Runs(report::RunsArgs),
    Report(report::ReportArgs),
}

/// Parses the arguments, runs the subcommand and turns its result into an exit status.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(
        cli.command,
        Command::Run(_) | Command::Bench(_) | Command::Lm(_)
    ) {
        crate::nn::keep_freed_memory();
    }
    if let Some(threads) = cli.threads
        && let Err(error) = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
    {
        return fail(&error.into());
    }
    let result = match cli.command {
        Command::Transcribe(args) => transcribe::run(args),
        Command::Align(args) => align::run(args),
        Command::Run(args) => run::run(args),
        Command::Tune(args) => tune::run(args),
        Command::Score(args) => score::run(args),
        Command::Features(args) => features::run(args),
        Command::Corpus(args) => corpus::run(args),
        Command::Lexicon(args) => lexicon::run(args),
        Command::Lm(args) => lm::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Runs(args) => report::runs(args),
        Command::Report(args) => report::report(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

/// What computes in a precision on this machine; says so where it is not what was asked for.
fn runtime(precision: Precision) -> Runtime {
    let runtime = Runtime::new(precision);
    if let Some(line) = fallback(precision, runtime.path) {
        eprintln!("hearken: {line}");
    }
    runtime
}

/// The model that is named, or else the first in the binary.
fn model_name(given: Option<&str>) -> Result<String, Failure> {
    let name = given.or_else(|| embedded_names().next());
    Ok(name
        .ok_or("there is no model in this binary: give --model DIR")?
        .to_owned())
}

fn fallback(wanted: Precision, path: Path) -> Option<String> {
    (wanted == Precision::Bf16 && !path.is_bf16())
        .then(|| format!("this machine has no bf16 instructions: computing in f32 ({path})"))
}

fn fail(failure: &Failure) -> ExitCode {
    // A reader that closed our stdout early (`| head`) is not a failure of ours.
    if let Some(io) = failure.downcast_ref::<std::io::Error>()
        && io.kind() == std::io::ErrorKind::BrokenPipe
    {
        return ExitCode::SUCCESS;
    }
    let line = failure.to_string().replace('\n', " ");
    let _ = writeln!(std::io::stderr(), "hearken: {line}");
    ExitCode::from(1)
}

/// A size in bytes, with K, M, G or T for powers of 1024.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let wrong = || "a size such as 512M or 4G is expected".to_string();
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let power = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err(wrong()),
    };
    let number: usize = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << (10 * power)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f32_in_place_of_bf16_is_said() {
        let line = fallback(Precision::Bf16, Path::Portable).unwrap();
        assert!(line.contains("f32 (portable)"), "{line}");
        assert_eq!(fallback(Precision::Auto, Path::Portable), None);
        assert_eq!(fallback(Precision::F32, Path::Portable), None);
    }

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(size("512M"), Ok(512 << 20));
        assert_eq!(size("4g"), Ok(4 << 30));
        assert_eq!(size("7"), Ok(7));
        for wrong in ["", "4X", "G", "-1M", "99999999999999T"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
