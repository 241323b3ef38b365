//! `hearken lm interpolate`.

use std::path::PathBuf;

use super::out::Out;
use crate::cli::Failure;
use crate::lm::ngram::{NGram, mix, read};
use crate::lm::{MAX_LINE, Mixture, Source};

/// Mix several n-gram models into one, with the weights that suit a text.
///
/// Every n-gram of any of the models gets the mixture of the models' probabilities. The weights go
/// to stderr.
#[derive(clap::Args)]
pub struct Args {
    /// The models: ARPA (plain, gzip, xz) or compact.
    #[arg(value_name = "LM", num_args = 2.., required = true)]
    models: Vec<PathBuf>,
    /// The weights, in the models' order.
    #[arg(long, value_name = "WEIGHT", value_delimiter = ',')]
    weights: Vec<f64>,
    /// Tune the weights on this text, by expectation maximisation.
    #[arg(
        long,
        value_name = "TEXT",
        conflicts_with = "weights",
        required_unless_present = "weights"
    )]
    dev: Option<PathBuf>,
    #[command(flatten)]
    out: Out,
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<(), Failure> {
    args.out.check()?;
    let models = args
        .models
        .iter()
        .map(|path| read(path))
        .collect::<Result<Vec<_>, _>>()?;
    let weights = match &args.dev {
        Some(dev) => {
            let names = args.models.iter().map(|path| path.display().to_string());
            let queried = names
                .zip(&models)
                .map(|(name, model)| NGram::from_trie(name, model, None));
            let queried = queried.collect::<Result<Vec<_>, _>>()?;
            Mixture::tuned(queried, Source::open(dev)?, MAX_LINE)?.weights()
        }
        None => args.weights,
    };
    for (path, weight) in args.models.iter().zip(&weights) {
        eprintln!("{weight:.4}\t{}", path.display());
    }
    args.out.write(&mix(&models, &weights)?)
}
