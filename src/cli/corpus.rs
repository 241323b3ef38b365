//! `hearken corpus`.

use super::Failure;

/// Import a public corpus or a Kaldi data directory, check it, split it.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> Result<(), Failure> {
    Err("`corpus` is being built".into())
}
