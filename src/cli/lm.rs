//! `hearken lm`.

mod convert;
mod generate;
mod interpolate;
mod models;
mod out;
mod perplexity;
mod rnn;
mod score;
mod text;
mod train;

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
    Convert(convert::Args),
    Interpolate(interpolate::Args),
    Score(score::Args),
    Perplexity(perplexity::Args),
    Generate(generate::Args),
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Train(args) => train::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Interpolate(args) => interpolate::run(args),
        Command::Score(args) => score::run(args),
        Command::Perplexity(args) => perplexity::run(args),
        Command::Generate(args) => generate::run(args),
    }
}
