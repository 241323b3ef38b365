//! `hearken transcribe`.

use super::Failure;

/// Turn recordings into words.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> Result<(), Failure> {
    Err("`transcribe` is being built".into())
}
