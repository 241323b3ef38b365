//! `hearken run`.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::Failure;
use super::log::Log;
use crate::experiment::{Experiment, RunOptions, Study, plan_of, run as run_experiment, run_study};
use crate::recognise::Storage;

/// Run an experiment file: prepare, features, train, decode, score, report.
///
/// A run that was interrupted goes on where it stopped when the same command is given again. Experiments
/// that its `init-from` names by their files are trained first, where their runs are not there yet.
#[derive(clap::Args)]
pub struct Args {
    /// The experiment file.
    #[arg(value_name = "EXPERIMENT.toml")]
    file: PathBuf,
    /// Resolve everything, print the plan, and stop.
    #[arg(long)]
    dry_run: bool,
    /// Override a key of the file, `train.epochs=3`; may be given several times. Experiments that it starts
    /// from stay as their files have them.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Seed of everything random, instead of the file's; likewise.
    #[arg(long)]
    seed: Option<u64>,
    /// The folder that holds the corpora.
    #[arg(long, env = "HEARKEN_DATA", value_name = "DIR")]
    data_root: Option<PathBuf>,
    /// The folder for runs and their cache; a run's own folder in it has the experiment's name.
    #[arg(long, env = "HEARKEN_RUNS", value_name = "DIR", default_value = "runs")]
    out: PathBuf,
    /// Memory that a training step's layers may take, such as 2G: what does not fit is computed again
    /// (`model.recompute`), which changes no result.
    #[arg(long, value_name = "SIZE", value_parser = super::size)]
    memory: Option<usize>,
    /// Go on with a checkpoint that another instruction path made.
    #[arg(long)]
    allow_other_path: bool,
    /// How the finished model's weights are stored.
    #[arg(long, value_enum, default_value = "f32")]
    weights: Storage,
    /// Also write the results beside the experiment file, as NAME.results.json, NAME being the run's:
    /// `--set name=…` leaves those of other runs of the file alone.
    #[arg(long)]
    record: bool,
}

/// Runs the experiment; prints its figures on stdout.
pub fn run(args: Args) -> Result<(), Failure> {
    let mut overrides = args.overrides.clone();
    if let Some(seed) = args.seed {
        overrides.push(format!("seed={seed}"));
    }
    let options = RunOptions {
        data_root: args.data_root.clone(),
        runs: args.out.clone(),
        allow_other_path: args.allow_other_path,
        command: command(&args),
        storage: args.weights,
    };
    if let Some(study) = Study::read(&args.file)? {
        return run_as_study(&args, &study, &options);
    }
    let mut chain = Experiment::read_chain(&args.file, &overrides)?;
    for experiment in &mut chain {
        if let Some(bytes) = args.memory {
            experiment.fit_into(bytes)?;
        }
    }
    let mut out = std::io::stdout().lock();
    if args.dry_run {
        for (number, experiment) in chain.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            for line in plan_of(experiment, &options)? {
                writeln!(out, "{line}")?;
            }
        }
        return Ok(());
    }
    if let Some(experiment) = chain.last() {
        super::runtime(experiment.precision);
    }
    let mut log = Log::new(3, "frames", |value| format!("{:.1}%", 100.0 * value));
    let (dir, results) = run_experiment(&chain, &options, &mut log)?;
    log.finish();
    if args.record {
        results.write(&beside(&args.file, &results.name))?;
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

fn run_as_study(args: &Args, study: &Study, options: &RunOptions) -> Result<(), Failure> {
    if !args.overrides.is_empty() || args.seed.is_some() || args.memory.is_some() {
        return Err("a study takes no --set, --seed or --memory: change its file".into());
    }
    let mut out = std::io::stdout().lock();
    if args.dry_run {
        for line in study.plan(options) {
            writeln!(out, "{line}")?;
        }
        return Ok(());
    }
    let mut log = Log::new(3, "steps", |value| format!("{:.1}%", 100.0 * value));
    let (dir, results) = run_study(study, options, &mut log)?;
    log.finish();
    if args.record {
        results.write(&beside(&args.file, &results.name))?;
    }
    for point in &results.points {
        writeln!(
            out,
            "{:?} over {} steps: {:.1}% recalled, gradient {:.1e}",
            point.cell,
            point.distance,
            100.0 * point.accuracy,
            point.gradient
        )?;
    }
    writeln!(out, "report {}", dir.join("report.html").display())?;
    Ok(())
}

/// The command as anyone can give it again: without this machine's folders.
fn command(args: &Args) -> String {
    let file = args.file.display().to_string();
    let mut words = vec!["hearken run".to_owned(), quoted(&file)];
    words.extend(
        args.overrides
            .iter()
            .map(|setting| format!("--set {}", quoted(setting))),
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

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+=/:,@%".contains(c);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Where the results of a run are recorded.
fn beside(file: &Path, name: &str) -> PathBuf {
    file.with_file_name(format!("{name}.results.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_a_shell_would_take_apart_is_quoted() {
        assert_eq!(quoted("train.epochs=4"), "train.epochs=4");
        assert_eq!(quoted("name=it's"), r"'name=it'\''s'");
        assert_eq!(quoted("a=[{ b = \"c\" }]"), "'a=[{ b = \"c\" }]'");
    }
}
