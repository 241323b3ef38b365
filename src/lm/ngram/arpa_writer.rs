//! Models as ARPA files, plain or gzip.
//!
//! Input: a model, order by order. Output: a file in which every number reads back as the same
//! 32-bit float. Text is made on all threads; gzip is written as a sequence of members, so that it
//! is, too.

use std::io::Write;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::super::Error;
use super::super::vocabulary::Vocabulary;
use super::estimate::{Destination, Outline};
use super::file::NewFile;
use super::key::{Key, Packing};
use super::smooth::{Entry, Sink};

/// n-grams that one thread turns into text at a time.
const PIECE: usize = 1 << 13;

/// An ARPA file to be written; a file that stands there is replaced when the new one is whole.
pub struct ArpaFile<'a> {
    /// Where it goes; gzip if the name ends in `.gz`.
    pub path: &'a Path,
}

impl Destination for ArpaFile<'_> {
    type Output = ();

    fn receive<K: Key>(
        self,
        outline: &Outline,
        fill: impl FnOnce(&mut dyn Sink<K>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut text = ArpaText::create(self.path, outline.counts)?;
        let mut writer = Writer {
            text: &mut text,
            outline,
        };
        fill(&mut writer)?;
        text.finish()
    }
}

struct Writer<'a> {
    text: &'a mut ArpaText,
    outline: &'a Outline<'a>,
}

impl<K: Key> Sink<K> for Writer<'_> {
    fn take(&mut self, order: usize, entries: &[Entry<K>]) -> Result<(), Error> {
        let Outline {
            vocabulary,
            packing,
            ..
        } = *self.outline;
        let line = |at: usize, to: &mut Line| line(entries[at], order, vocabulary, packing, to);
        self.text.section(order, entries.len(), line)
    }
}

fn line<K: Key>(
    entry: Entry<K>,
    order: usize,
    vocabulary: &Vocabulary,
    packing: Packing,
    to: &mut Line,
) {
    to.prob(entry.log10_prob);
    packing
        .words(entry.key, order)
        .for_each(|word| to.word(vocabulary.word(word)));
    to.backoff(entry.backoff);
}

/// The text of an ARPA file as it grows.
pub struct ArpaText {
    path: PathBuf,
    file: NewFile,
    gzip: bool,
    order: usize,
    /// The section being written.
    section: usize,
}

impl ArpaText {
    /// Begins a file with so many n-grams of each order.
    pub fn create(path: &Path, counts: &[u64]) -> Result<Self, Error> {
        let mut text = Self {
            path: path.to_path_buf(),
            file: NewFile::create(path)?,
            gzip: path.extension().is_some_and(|extension| extension == "gz"),
            order: counts.len(),
            section: 0,
        };
        let mut header = "\\data\\\n".to_string();
        for (order, count) in (1..).zip(counts) {
            header += &format!("ngram {order}={count}\n");
        }
        text.write(&[header.into_bytes()])?;
        Ok(text)
    }

    /// Writes `count` n-grams of an order; `line` fills in the one of a number. Orders come in turn.
    pub fn section(
        &mut self,
        order: usize,
        count: usize,
        line: impl Fn(usize, &mut Line) + Sync,
    ) -> Result<(), Error> {
        while self.section < order {
            self.section += 1;
            let title = format!("\n\\{}-grams:\n", self.section);
            self.write(&[title.into_bytes()])?;
        }
        let highest = order == self.order;
        let pieces: Vec<Vec<u8>> = (0..count.div_ceil(PIECE))
            .into_par_iter()
            .map(|piece| {
                let mut to = Line {
                    text: Vec::with_capacity(PIECE * 32),
                    highest,
                };
                let range = piece * PIECE..count.min((piece + 1) * PIECE);
                range.for_each(|at| line(at, &mut to));
                to.text
            })
            .collect();
        self.write(&pieces)
    }

    /// Ends the file and puts it in its place.
    pub fn finish(mut self) -> Result<(), Error> {
        while self.section < self.order {
            self.section(self.section + 1, 0, |_, _| ())?;
        }
        self.write(&[b"\n\\end\\\n".to_vec()])?;
        self.file.finish()
    }

    fn write(&mut self, pieces: &[Vec<u8>]) -> Result<(), Error> {
        if !self.gzip {
            return pieces.iter().try_for_each(|piece| self.file.write(piece));
        }
        let packed: std::io::Result<Vec<Vec<u8>>> =
            pieces.par_iter().map(|piece| gzip(piece)).collect();
        let packed = packed.map_err(|source| Error::write(&self.path, source))?;
        packed.iter().try_for_each(|piece| self.file.write(piece))
    }
}

/// One n-gram's line: its probability, its words, its back-off, in this order.
pub struct Line {
    text: Vec<u8>,
    /// n-grams of the highest order have no back-off.
    highest: bool,
}

impl Line {
    /// `log₁₀ p`.
    pub fn prob(&mut self, log10_prob: f32) {
        self.number(log10_prob);
        self.text.push(b'\t');
    }

    /// A word.
    pub fn word(&mut self, word: &str) {
        if self.text.last() != Some(&b'\t') {
            self.text.push(b' ');
        }
        self.text.extend_from_slice(word.as_bytes());
    }

    /// `log₁₀` of the back-off weight, and the end of the line.
    pub fn backoff(&mut self, backoff: f32) {
        if !self.highest {
            self.text.push(b'\t');
            self.number(backoff);
        }
        self.text.push(b'\n');
    }

    fn number(&mut self, number: f32) {
        // Rust prints the shortest digits that read back as the same number.
        let _ = write!(self.text, "{number}");
    }
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}
