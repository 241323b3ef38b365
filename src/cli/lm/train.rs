//! `hearken lm train`.

use std::path::PathBuf;

use crate::cli::Failure;
use crate::lm::ngram::{self, ArpaFile, Estimation, Reading, VocabularyLimit};
use crate::lm::{MAX_LINE, Source, Unit};

/// Estimate a language model from text.
#[derive(clap::Args)]
pub struct Args {
    /// Words of the longest n-grams.
    #[arg(long, value_name = "N", default_value_t = 3)]
    order: usize,
    /// Leave out n-grams that occur so often or more rarely: a number for each order, the last for all longer ones, the first 0.
    #[arg(long, value_name = "COUNT", num_args = 1..)]
    prune: Vec<u64>,
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value = "1000000000")]
    memory: usize,
    text: Vec<PathBuf>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<(), Failure> {
    let sources = args
        .text
        .iter()
        .map(|path| Source::open(path))
        .collect::<Result<Vec<_>, _>>()?;
    let estimation = Estimation {
        order: args.order,
        prune: args.prune,
        vocabulary: VocabularyLimit::All,
        discount_fallback: None,
        reading: Reading {
            unit: Unit::Word,
            max_line: MAX_LINE,
            skip_symbols: false,
        },
        memory: args.memory,
        folder: std::env::temp_dir(),
    };
    Ok(ngram::estimate(
        sources,
        &estimation,
        ArpaFile { path: &args.out },
    )?)
}
