//! `hearken lm convert`.

use std::path::PathBuf;

use super::out::{Quantise, check};
use crate::cli::Failure;
use crate::lm::ngram::{Limit, prune, read, write};

/// Turn a model into another kind: ARPA to compact or back; quantise or prune it.
#[derive(clap::Args)]
pub struct Args {
    /// A model: ARPA (plain, gzip, xz) or compact.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The model to write: NAME.arpa, NAME.arpa.gz, or the compact NAME.bin.
    #[arg(value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    quantise: Quantise,
    /// Keep so many n-grams of two words and more, those that matter most by relative entropy.
    #[arg(long, value_name = "NGRAMS", conflicts_with = "prune_entropy")]
    prune: Option<usize>,
    /// Leave out n-grams without which perplexity grows by less than this share, such as 1e-8
    /// (Stolcke 1998).
    #[arg(long, value_name = "SHARE")]
    prune_entropy: Option<f64>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<(), Failure> {
    check(&args.output, &args.quantise)?;
    let mut model = read(&args.input)?;
    let limit = args
        .prune
        .map(Limit::Ngrams)
        .or(args.prune_entropy.map(Limit::Threshold));
    if let Some(limit) = limit {
        model = prune(&model, limit);
    }
    Ok(write(&args.output, &model, args.quantise.bits)?)
}
