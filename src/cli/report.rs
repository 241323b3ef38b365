//! `hearken runs` and `hearken report`.

use std::io::Write;
use std::path::PathBuf;

use super::Failure;
use crate::experiment::{Results, StudyResults, write_report};

/// List the runs and their figures.
#[derive(clap::Args)]
pub struct RunsArgs {
    /// The folder for runs.
    #[arg(long, env = "HEARKEN_RUNS", value_name = "DIR", default_value = "runs")]
    out: PathBuf,
}

/// Write a run's report again and say where it is.
#[derive(clap::Args)]
pub struct ReportArgs {
    /// The run's folder.
    #[arg(value_name = "RUN")]
    run: PathBuf,
}

/// Lists the runs under the runs folder: a line for each finished set, tab-separated.
pub fn runs(args: RunsArgs) -> Result<(), Failure> {
    let at = |error: std::io::Error| format!("{}: {error}", args.out.display());
    let mut dirs: Vec<PathBuf> = std::fs::read_dir(&args.out)
        .map_err(at)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()
        .map_err(at)?;
    dirs.sort();
    let mut out = std::io::stdout().lock();
    for dir in dirs {
        let name = dir
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let file = dir.join("results.json");
        if !file.is_file() {
            let trained = dir.join("train/final.safetensors").is_file();
            if dir.join("config.toml").is_file() {
                let state = if trained { "trained" } else { "unfinished" };
                writeln!(out, "{name}\t{state}")?;
            }
            continue;
        }
        if let Some(study) = StudyResults::read(&file)? {
            writeln!(
                out,
                "{name}\t{}\tstudy of {} trainings",
                study.date,
                study.points.len()
            )?;
            continue;
        }
        let results = Results::read(&file)?;
        for set in &results.sets {
            let rates: Vec<String> = set
                .rates
                .iter()
                .map(|(rate, value)| format!("{} {:.2}%", rate.to_uppercase(), 100.0 * value.rate))
                .collect();
            writeln!(
                out,
                "{name}\t{}\tseed {}\t{} {}\t{}",
                results.date,
                results.seed,
                set.role,
                set.name,
                rates.join("\t")
            )?;
        }
    }
    Ok(())
}

/// Writes the report of one run again.
pub fn report(args: ReportArgs) -> Result<(), Failure> {
    write_report(&args.run)?;
    println!("{}", args.run.join("report.html").display());
    Ok(())
}
