//! `hearken lm`.

use super::Failure;

/// Language models: train, convert, interpolate, score, perplexity, generate.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> Result<(), Failure> {
    Err("`lm` is being built".into())
}
