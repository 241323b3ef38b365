//! `hearken features`.

use super::Failure;

/// Extract features to an HDF5 store, inspect it, plot it.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> Result<(), Failure> {
    Err("`features` is being built".into())
}
