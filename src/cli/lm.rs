//! `hearken lm`.

use super::Failure;

/// Language models: train, convert, interpolate, score, perplexity, generate.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Train(train::Args),
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Train(args) => train::run(args),
    }
}

mod train;
