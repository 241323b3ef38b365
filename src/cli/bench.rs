//! `hearken bench`.

use super::Failure;

/// Seconds a training or inference step takes for an architecture on this machine.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> Result<(), Failure> {
    Err("`bench` is being built".into())
}
