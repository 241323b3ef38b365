//! `hearken lm generate`.

use std::io::Write;

use rand::SeedableRng;
use rand_pcg::Pcg64;

use super::models::{Models, Remembering, Work, unit};
use crate::cli::Failure;
use crate::lm::{LanguageModel, MAX_LINE, Sampling, generate, prompt, spelling};

/// Sample text from a model, a sentence a line, as it is drawn.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    models: Models,
    /// What every sentence begins with.
    #[arg(long, value_name = "TEXT", default_value = "")]
    prompt: String,
    /// Sentences.
    #[arg(long, value_name = "N", default_value_t = 1)]
    sentences: usize,
    /// Below 1 the probable gets more so; 0 always takes the most probable.
    #[arg(long, default_value_t = 1.0, value_parser = temperature)]
    temperature: f64,
    /// Draw from so many of the most probable tokens only; 0 for all.
    #[arg(long, value_name = "K", default_value_t = 0)]
    top_k: usize,
    /// Draw from the most probable tokens only that have this probability together.
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = probability)]
    top_p: f64,
    /// End a sentence here if the model does not.
    #[arg(long, value_name = "N", default_value_t = 200)]
    max_tokens: usize,
    /// Seed of the draws.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn temperature(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=1e6).contains(&number) => Ok(number),
        _ => Err("a number of 0 or more is expected".to_string()),
    }
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("a number from 0 to 1 is expected".to_string()),
    }
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<(), Failure> {
    args.models
        .open(MAX_LINE, &Remembering::default(), Generate(&args))
}

struct Generate<'a>(&'a Args);

impl Work for Generate<'_> {
    fn with<M: LanguageModel>(self, model: &M) -> Result<(), Failure> {
        let args = self.0;
        let unit = unit(model);
        let begin = prompt(&args.prompt, model.vocabulary(), unit)?;
        let sampling = Sampling {
            temperature: args.temperature,
            top_k: args.top_k,
            top_p: args.top_p,
            max_tokens: args.max_tokens,
        };
        let mut rng = Pcg64::seed_from_u64(args.seed);
        let mut out = std::io::stdout();
        for _ in 0..args.sentences {
            write!(out, "{}", args.prompt)?;
            let mut first = begin.is_empty();
            generate(
                model,
                &begin,
                sampling,
                &mut rng,
                |token| -> Result<(), Failure> {
                    let spelt = spelling(model.vocabulary().word(token), unit, first);
                    first = false;
                    out.write_all(spelt.as_bytes())?;
                    Ok(out.flush()?)
                },
            )?;
            writeln!(out)?;
        }
        Ok(())
    }
}
