//! `hearken lm train`.

use std::path::PathBuf;

use super::out::Out;
use super::rnn;
use super::text::{Limit, open};
use crate::cli::Failure;
use crate::lm::ngram::{self, ArpaFile, Estimation, InMemory, Kind, Reading, VocabularyLimit};
use crate::lm::{MAX_LINE, SPACE, Source, Unit};

/// Estimate an n-gram model from text, by interpolated modified Kneser–Ney, or train a recurrent one.
///
/// Text is plain, gzip or xz, one sentence a line, words separated by spaces.
#[derive(clap::Args)]
pub struct Args {
    /// Words of the longest n-grams.
    #[arg(long, value_name = "N", default_value_t = 3)]
    order: usize,
    /// Leave out n-grams that occur so often or more rarely: a number for each order, the last for
    /// all longer ones, the first 0.
    #[arg(long, value_name = "COUNT", num_args = 1..)]
    prune: Vec<u64>,
    /// The model's words: so many of the most frequent, or those listed in a file. Others count as
    /// unknown.
    #[arg(long, value_name = "FILE|N")]
    vocab: Option<String>,
    /// Where the text is too small or too regular to tell how much to discount counts of 1, 2, and 3
    /// or more, discount so much.
    #[arg(
        long,
        value_name = "D,D,D",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "0.5,1,1.5",
        value_parser = discounts
    )]
    discount_fallback: Option<[f32; 3]>,
    /// What the model predicts.
    #[arg(long, value_enum, default_value = "word")]
    unit: Unit,
    /// Read `<s>`, `</s>` and `<unk>` in the text as spaces; they are errors otherwise.
    #[arg(long)]
    skip_symbols: bool,
    /// Memory for text and n-grams; what goes beyond is sorted in temporary files.
    #[arg(long, value_name = "SIZE", default_value = "4G", value_parser = crate::cli::size)]
    memory: usize,
    /// Where temporary files go; the system's place for them by default.
    #[arg(long, value_name = "DIR")]
    temporary: Option<PathBuf>,
    #[command(flatten)]
    recurrent: rnn::Recurrent,
    #[command(flatten)]
    out: Out,
    /// The text; `-` for standard input, the default.
    #[arg(value_name = "TEXT")]
    texts: Vec<PathBuf>,
    #[command(flatten)]
    limit: Limit,
}

fn discounts(text: &str) -> Result<[f32; 3], String> {
    let numbers: Vec<f32> = text
        .split(',')
        .filter_map(|number| number.parse().ok())
        .collect();
    match numbers[..] {
        [one, two, more]
            if (0.0..=1.0).contains(&one)
                && (0.0..=2.0).contains(&two)
                && (0.0..=3.0).contains(&more) =>
        {
            Ok([one, two, more])
        }
        _ => Err("three numbers are expected, from 0 to 1, to 2 and to 3".to_string()),
    }
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<(), Failure> {
    if let Some(config) = &args.recurrent.config {
        let vocabulary = args.vocab.as_deref();
        return args.recurrent.run(
            config,
            rnn::Given {
                vocabulary,
                skip_symbols: args.skip_symbols,
                max_line: args.limit.bytes,
                texts: &args.texts,
                out: &args.out,
            },
        );
    }
    let path = &args.out.path;
    let kind = args.out.check()?;
    let estimation = Estimation {
        order: args.order,
        prune: args.prune,
        vocabulary: vocabulary(args.vocab.as_deref(), args.unit)?,
        discount_fallback: args.discount_fallback,
        reading: Reading {
            unit: args.unit,
            max_line: args.limit.bytes,
            skip_symbols: args.skip_symbols,
        },
        memory: args.memory,
        folder: args.temporary.unwrap_or_else(std::env::temp_dir),
    };
    let sources = open(&args.texts)?;
    match kind {
        Kind::Arpa => ngram::estimate(sources, &estimation, ArpaFile { path })?,
        Kind::Compact => args
            .out
            .write(&ngram::estimate(sources, &estimation, InMemory)?)?,
    }
    Ok(())
}

pub fn vocabulary(argument: Option<&str>, unit: Unit) -> Result<VocabularyLimit, Failure> {
    let Some(argument) = argument else {
        return Ok(VocabularyLimit::All);
    };
    if let Ok(number) = argument.parse() {
        return Ok(VocabularyLimit::MostFrequent(number));
    }
    let mut words = Vec::new();
    Source::open(argument.as_ref())?.for_each_line(MAX_LINE, |line, _| -> Result<(), Failure> {
        // A list of characters names the space as the model does.
        match unit {
            Unit::Character if line.trim() == SPACE => words.push(SPACE.to_string()),
            _ => unit.split(line, |word| words.push(word.to_string())),
        }
        Ok(())
    })?;
    Ok(VocabularyLimit::Listed(words))
}
