//! `hearken lm score`.

use std::io::{BufWriter, Write};

use serde::Serialize;

use super::models::{Models, Remembering, Work, unit};
use super::text::Texts;
use crate::cli::Failure;
use crate::lm::{END, LanguageModel, Sentence, Source, UNKNOWN, score_lines};

/// The probability of each sentence.
///
/// A line a sentence: log10 probability, tokens with the sentence's end, unknown words (OOV), the
/// sentence, separated by tabs. With --words a line a word: the word, its log10 probability, and for
/// one n-gram model the length of the n-gram that it had; `</s>` ends a sentence.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    models: Models,
    #[command(flatten)]
    remembering: Remembering,
    #[command(flatten)]
    texts: Texts,
    /// A line a word.
    #[arg(long)]
    words: bool,
    /// How to print; JSON has natural logarithms too.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// An object a line.
    Json,
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<(), Failure> {
    let sources = args.texts.open()?;
    let max_line = args.texts.limit.bytes;
    let (words, format) = (args.words, args.format);
    args.models.open(
        max_line,
        &args.remembering,
        Score {
            sources,
            max_line,
            words,
            format,
        },
    )
}

struct Score {
    sources: Vec<Source>,
    max_line: usize,
    words: bool,
    format: Format,
}

/// One sentence in JSON.
#[derive(Serialize)]
struct Scored<'a> {
    text: &'a str,
    log10: f64,
    ln: f64,
    tokens: usize,
    oov: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    words: Vec<Word<'a>>,
}

/// One word of it.
#[derive(Serialize)]
struct Word<'a> {
    word: &'a str,
    log10: f32,
    ln: f64,
    oov: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<usize>,
}

impl Work for Score {
    fn with<M: LanguageModel>(mut self, model: &M) -> Result<(), Failure> {
        let unit = unit(model);
        let mut out = BufWriter::new(std::io::stdout().lock());
        for source in std::mem::take(&mut self.sources) {
            score_lines(model, source, unit, self.max_line, |sentence| {
                self.print(model, &sentence, &mut out)
            })?;
        }
        Ok(out.flush()?)
    }
}

impl Score {
    fn print<M: LanguageModel>(
        &self,
        model: &M,
        sentence: &Sentence,
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        let Sentence {
            text,
            tokens,
            log10_probs,
        } = sentence;
        let log10 = sentence.log10_prob();
        let words = || words(model, sentence);
        match (self.format, self.words) {
            (Format::Text, false) => {
                writeln!(
                    out,
                    "{log10:.6}\t{}\t{}\t{text}",
                    log10_probs.len(),
                    sentence.unknown()
                )?;
            }
            (Format::Text, true) => {
                for word in words() {
                    write!(out, "{}\t{}", word.word, word.log10)?;
                    match word.order {
                        Some(order) => writeln!(out, "\t{order}")?,
                        None => writeln!(out)?,
                    }
                }
            }
            (Format::Json, detail) => {
                let scored = Scored {
                    text,
                    log10,
                    ln: log10 * std::f64::consts::LN_10,
                    tokens: tokens.len() + 1,
                    oov: sentence.unknown(),
                    words: if detail { words() } else { Vec::new() },
                };
                serde_json::to_writer(&mut *out, &scored)?;
                writeln!(out)?;
            }
        }
        Ok(())
    }
}

fn words<'a, M: LanguageModel>(model: &'a M, sentence: &'a Sentence) -> Vec<Word<'a>> {
    let mut spelt = Vec::new();
    unit(model).split(&sentence.text, |word| spelt.push(word));
    let orders = model.matched_orders(&sentence.tokens);
    let words = spelt.into_iter().chain(["</s>"]);
    let tokens = sentence.tokens.iter().chain(&[END]);
    let scored = words.zip(tokens).zip(&sentence.log10_probs).enumerate();
    scored
        .map(|(at, ((word, &token), &log10))| Word {
            word,
            log10,
            ln: f64::from(log10) * std::f64::consts::LN_10,
            oov: token == UNKNOWN,
            order: orders.as_ref().map(|orders| orders[at]),
        })
        .collect()
}
