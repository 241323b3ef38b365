//! `hearken score`.

use super::Failure;

/// Word error rate of hypotheses against references.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> Result<(), Failure> {
    Err("`score` is being built".into())
}
