//! `hearken lm perplexity`.

use std::io::Write;

use serde::Serialize;

use super::models::{Models, Remembering, Work, unit};
use super::score::Format;
use super::text::Texts;
use crate::cli::Failure;
use crate::lm::{Error, LanguageModel, Source, Totals, Unit, score_lines};

/// How well a model predicts a text.
///
/// A line a text: perplexity with unknown words (OOV) at the probability of `<unk>`, and of the
/// known words alone. Sentence ends count as tokens. A model over characters gets bits a character.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    models: Models,
    #[command(flatten)]
    remembering: Remembering,
    #[command(flatten)]
    texts: Texts,
    /// How to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<(), Failure> {
    let sources = args.texts.open()?;
    let max_line = args.texts.limit.bytes;
    args.models.open(
        max_line,
        &args.remembering,
        Perplexity {
            sources,
            max_line,
            format: args.format,
        },
    )
}

struct Perplexity {
    sources: Vec<Source>,
    max_line: usize,
    format: Format,
}

/// One text's figures.
#[derive(Serialize)]
struct Report {
    text: String,
    perplexity: f64,
    perplexity_without_oov: Option<f64>,
    tokens: u64,
    oov: u64,
    sentences: u64,
    log10: f64,
    ln: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits_per_character: Option<f64>,
}

impl Work for Perplexity {
    fn with<M: LanguageModel>(self, model: &M) -> Result<(), Failure> {
        let unit = unit(model);
        for source in self.sources {
            let name = source.name().to_string();
            let mut totals = Totals::default();
            score_lines(
                model,
                source,
                unit,
                self.max_line,
                |sentence| -> Result<(), Error> {
                    totals.add(&sentence);
                    Ok(())
                },
            )?;
            if totals.tokens == totals.sentences {
                return Err(Error::Empty { name }.into());
            }
            Report::new(name, totals, unit).print(self.format)?;
        }
        Ok(())
    }
}

impl Report {
    fn new(text: String, totals: Totals, unit: Unit) -> Self {
        Self {
            text,
            perplexity: totals.perplexity(),
            perplexity_without_oov: totals.perplexity_of_known(),
            tokens: totals.tokens,
            oov: totals.unknown,
            sentences: totals.sentences,
            log10: totals.log10_prob,
            ln: totals.log10_prob * std::f64::consts::LN_10,
            bits_per_character: (unit == Unit::Character).then(|| totals.bits_per_token()),
        }
    }

    fn print(&self, format: Format) -> Result<(), Failure> {
        let mut out = std::io::stdout();
        if format == Format::Json {
            serde_json::to_writer(&mut out, self)?;
            writeln!(out)?;
            return Ok(());
        }
        let Self {
            text,
            perplexity,
            tokens,
            oov,
            sentences,
            ..
        } = self;
        write!(out, "{text}: perplexity {perplexity:.6}")?;
        if let Some(without) = self.perplexity_without_oov {
            write!(out, ", without OOV {without:.6}")?;
        }
        if let Some(bits) = self.bits_per_character {
            write!(out, ", {bits:.6} bits a character")?;
        }
        writeln!(out, "; {tokens} tokens, {oov} OOV, {sentences} sentences")?;
        Ok(())
    }
}
