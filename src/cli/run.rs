//! `hearken run`.

use super::Failure;

/// Run an experiment file: prepare, features, train, tune, decode, score, report.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> Result<(), Failure> {
    Err("`run` is being built".into())
}
