//! What can go wrong with a language model or its text, each in one line that says what to do.

use std::path::{Path, PathBuf};

/// An error of the `lm` room.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that cannot be written; what stood there before still stands.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A temporary file of the external sort failed.
    #[error("a temporary sort file failed in {}: {source}; free some space or pass --temporary DIR", folder.display())]
    Temporary {
        /// Where temporary files go.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Bytes that are no UTF-8.
    #[error(
        "{name}, line {line}: byte {column} of the line is not UTF-8; convert the text, for example with `iconv -f latin1 -t utf-8`"
    )]
    NotUtf8 {
        /// The text.
        name: String,
        /// Its line, from 1.
        line: u64,
        /// The first bad byte of the line, from 1.
        column: usize,
    },
    /// A line beyond the limit: most likely a text without sentence breaks.
    #[error(
        "{name}, line {line} is longer than {limit} bytes; one sentence a line is expected: break the text into sentences, or raise --max-line"
    )]
    LongLine {
        /// The text.
        name: String,
        /// Its line, from 1.
        line: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// `<s>`, `</s>` or `<unk>` in a text.
    #[error(
        "{name}, line {line}: `{word}` has a meaning of its own in a language model; remove it, or pass --skip-symbols to read it as a space"
    )]
    Reserved {
        /// The text.
        name: String,
        /// Its line, from 1.
        line: u64,
        /// The symbol.
        word: String,
    },
    /// A text without words.
    #[error("no words in {name}; give text with one sentence a line")]
    Empty {
        /// The text or texts.
        name: String,
    },
    /// The Kneser–Ney discounts of one order cannot be computed from the counts of counts.
    #[error(
        "no Kneser–Ney discounts for order {order}: it has {n1}, {n2}, {n3} and {n4} n-grams of adjusted count 1, 2, 3 and 4, {why}; give more text (or less repetitive text), or pass --discount-fallback"
    )]
    Discounts {
        /// The order.
        order: usize,
        /// n-grams of adjusted count 1.
        n1: u64,
        /// n-grams of adjusted count 2.
        n2: u64,
        /// n-grams of adjusted count 3.
        n3: u64,
        /// n-grams of adjusted count 4.
        n4: u64,
        /// What is wrong with them.
        why: String,
    },
    /// More bits an n-gram than a key holds.
    #[error(
        "order {order} over {words} words needs {bits} bits an n-gram, and {limit} is the most; lower --order or limit the words with --vocab"
    )]
    KeyTooLong {
        /// The order.
        order: usize,
        /// The vocabulary's size.
        words: usize,
        /// Bits needed.
        bits: u32,
        /// Bits there are.
        limit: u32,
    },
    /// An option that contradicts itself or another one.
    #[error("{0}")]
    Option(String),
    /// A vocabulary that cannot carry a model.
    #[error("{0}")]
    Vocabulary(String),
    /// An ARPA file that is not one.
    #[error("{name}, line {line}: {why}")]
    Arpa {
        /// The file.
        name: String,
        /// Its line, from 1.
        line: u64,
        /// What is wrong there.
        why: String,
    },
    /// A file that is no model of ours, or a damaged one.
    #[error("{name}: {why}")]
    Model {
        /// The file.
        name: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// A layer of a network failed.
    #[error(transparent)]
    Layer(#[from] crate::nn::Error),
    /// Training a network failed.
    #[error(transparent)]
    Train(#[from] crate::train::Error),
    /// Models over different vocabularies.
    #[error(
        "{first} and {second} have different vocabularies (`{word}` is only in {owner}), so their perplexities do not compare; train them with the same --vocab, or pass --unequal-vocabularies"
    )]
    UnequalVocabularies {
        /// One model.
        first: String,
        /// The other.
        second: String,
        /// A word of one of them.
        word: String,
        /// The model that knows it.
        owner: String,
    },
}

impl Error {
    /// A reading error of `path`.
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_path_buf();
        Self::Read { path, source }
    }

    /// A writing error of `path`.
    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_path_buf();
        Self::Write { path, source }
    }
}
