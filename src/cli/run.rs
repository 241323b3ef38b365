//! `hearken run`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use crate::experiment::{Experiment, RunOptions, plan_of, run as run_experiment};
use crate::nn::{Precision, Runtime};
use crate::recognise::Storage;
use crate::train::{EpochRecord, Observer, Progress};

/// Run an experiment file: prepare, features, train, decode, score, report.
///
/// A run that was interrupted goes on where it stopped when the same command is given again.
#[derive(clap::Args)]
pub struct Args {
    /// The experiment file.
    #[arg(value_name = "EXPERIMENT.toml")]
    file: PathBuf,
    /// Resolve everything, print the plan, and stop.
    #[arg(long)]
    dry_run: bool,
    /// Override a key of the file, `train.epochs=3`; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Seed of everything random, instead of the file's.
    #[arg(long)]
    seed: Option<u64>,
    /// The folder that holds the corpora.
    #[arg(long, env = "HEARKEN_DATA", value_name = "DIR")]
    data_root: Option<PathBuf>,
    /// The folder for runs and their cache; a run's own folder in it has the experiment's name.
    #[arg(long, env = "HEARKEN_RUNS", value_name = "DIR", default_value = "runs")]
    out: PathBuf,
    /// Go on with a checkpoint that another instruction path made.
    #[arg(long)]
    allow_other_path: bool,
    /// How the finished model's weights are stored.
    #[arg(long, value_enum, default_value = "f32")]
    weights: Storage,
    /// Also write the results beside the experiment file, as NAME.results.json.
    #[arg(long)]
    record: bool,
}

/// Runs the experiment; prints its figures on stdout.
pub fn run(args: Args) -> Result<(), Failure> {
    let mut overrides = args.overrides.clone();
    if let Some(seed) = args.seed {
        overrides.push(format!("seed={seed}"));
    }
    let experiment = Experiment::read(&args.file, &overrides)?;
    let options = RunOptions {
        data_root: args.data_root.clone(),
        runs: args.out.clone(),
        allow_other_path: args.allow_other_path,
        experiment_dir: args.file.parent().map(PathBuf::from),
        command: command(&args),
        storage: args.weights,
    };
    let mut out = std::io::stdout().lock();
    if args.dry_run {
        for line in plan_of(&experiment, &options)? {
            writeln!(out, "{line}")?;
        }
        return Ok(());
    }
    let runtime = Runtime::new(experiment.precision);
    if experiment.precision == Precision::Bf16 && !runtime.path.is_bf16() {
        eprintln!(
            "this machine has no bf16 instructions: computing in f32 ({})",
            runtime.path
        );
    }
    let mut log = Log::new();
    let (dir, results) = run_experiment(&experiment, &options, &mut log)?;
    log.bar.finish_and_clear();
    if args.record {
        results.write(&args.file.with_extension("results.json"))?;
    }
    for set in &results.sets {
        for (name, rate) in &set.rates {
            writeln!(
                out,
                "{} {}: {} {:.2}% ({} of {}; {} sub, {} del, {} ins), {} utterances",
                set.role,
                set.name,
                name.to_uppercase(),
                100.0 * rate.rate,
                rate.substitutions + rate.deletions + rate.insertions,
                rate.reference,
                rate.substitutions,
                rate.deletions,
                rate.insertions,
                set.utterances
            )?;
        }
    }
    writeln!(out, "model {}", dir.join("model").display())?;
    writeln!(out, "report {}", dir.join("report.html").display())?;
    Ok(())
}

/// The command as anyone can give it again: without this machine's folders.
fn command(args: &Args) -> String {
    let mut words = vec!["hearken run".to_owned(), args.file.display().to_string()];
    words.extend(
        args.overrides
            .iter()
            .map(|setting| format!("--set {setting}")),
    );
    words.extend(args.seed.map(|seed| format!("--seed {seed}")));
    if args.weights == Storage::Int8 {
        words.push("--weights int8".into());
    }
    if args.record {
        words.push("--record".into());
    }
    words.join(" ")
}

/// Progress on stderr: a bar on a terminal, and a line an epoch.
struct Log {
    bar: ProgressBar,
}

impl Log {
    fn new() -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg} {eta}")
        {
            bar.set_style(style);
        }
        Self { bar }
    }

    fn line(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }
}

impl Observer for Log {
    fn step(&mut self, progress: &Progress) {
        self.bar.set_length(progress.batches as u64);
        self.bar.set_position(progress.batch as u64);
        self.bar
            .set_prefix(format!("epoch {}/{}", progress.epoch, progress.epochs));
        self.bar.set_message(format!(
            "loss {:.3} norm {:.2}",
            progress.loss, progress.gradient_norm
        ));
    }

    fn epoch(&mut self, record: &EpochRecord) {
        let figures: Vec<String> = record
            .figures
            .iter()
            .map(|(name, value)| format!("{name} {:.1}%", 100.0 * value))
            .collect();
        self.line(&format!(
            "epoch {} step {} loss {:.3} dev {:.3} {} norm {:.2} rate {:.2e} {:.0} frames/s {:.0} s",
            record.epoch,
            record.step,
            record.train_loss,
            record.dev_loss,
            figures.join(" "),
            record.gradient_norm,
            record.learning_rate,
            record.frames_per_second,
            record.seconds
        ));
        if let Some(sample) = &record.sample {
            self.line(&format!("  {sample}"));
        }
    }

    fn note(&mut self, note: &str) {
        self.line(note);
    }
}
