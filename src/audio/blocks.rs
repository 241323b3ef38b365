//! Recordings of any length in bounded memory.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use super::Notice;
use super::container::{self, ContainerReader};
use super::error::Error;
use super::resample::Resampler;
use super::riff;
use super::wav::WavReader;

/// A recording being read at its own rate.
pub(super) enum Source {
    Wav(Box<WavReader<Box<dyn Read + Send>>>),
    Container(Box<ContainerReader>),
}

impl Source {
    /// Opens a file by what its first bytes say, whatever it is called; `-` is a WAV on standard input.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        if path == Path::new("-") {
            return Self::wav(std::io::stdin(), "standard input");
        }
        let file = path.display().to_string();
        let read_error = |source| Error::Read {
            file: file.clone(),
            source,
        };
        let mut reader = File::open(path).map_err(read_error)?;
        if reader.metadata().map_err(read_error)?.is_dir() {
            return Err(Error::Directory { file });
        }
        let mut magic = [0; 12];
        let read = riff::fill(&mut reader, &mut magic).map_err(read_error)?;
        let magic = magic[..read].to_vec();
        if container::is_container(&magic) {
            let container = ContainerReader::new(magic, reader, &file)?;
            return Ok(Self::Container(Box::new(container)));
        }
        let reader = Cursor::new(magic).chain(reader);
        let wav = WavReader::new(
            Box::new(BufReader::new(reader)) as Box<dyn Read + Send>,
            &file,
        )?;
        Ok(Self::Wav(Box::new(wav)))
    }

    /// A WAV from a stream that cannot be sought.
    pub(super) fn wav(reader: impl Read + Send + 'static, name: &str) -> Result<Self, Error> {
        let reader = Box::new(BufReader::new(reader)) as Box<dyn Read + Send>;
        match WavReader::new(reader, name) {
            Ok(wav) => Ok(Self::Wav(Box::new(wav))),
            Err(Error::Magic { file, found }) => Err(Error::WavOnly { file, found }),
            Err(error) => Err(error),
        }
    }

    pub(super) fn sample_rate(&self) -> u32 {
        match self {
            Self::Wav(wav) => wav.sample_rate(),
            Self::Container(container) => container.sample_rate(),
        }
    }

    /// Frames of the file at `path`, which this source was opened from, where they can be told without
    /// decoding it.
    pub(super) fn frames_of_file(&self, path: &Path) -> Result<Option<u64>, Error> {
        match self {
            Self::Container(container) => container.frames_of_file(path),
            Self::Wav(wav) => match std::fs::metadata(path) {
                Ok(metadata) if metadata.is_file() => wav.frames_of_file(metadata.len()).map(Some),
                _ => Ok(None),
            },
        }
    }

    pub(super) fn next_block(&mut self) -> Result<Option<Vec<f32>>, Error> {
        match self {
            Self::Wav(wav) => wav.next_block(),
            Self::Container(container) => container.next_block(),
        }
    }

    pub(super) fn notices(&self) -> &[Notice] {
        match self {
            Self::Wav(wav) => wav.notices(),
            Self::Container(container) => container.notices(),
        }
    }
}

/// Blocks of mono samples of a recording at a wanted rate, full scale ±1. Memory does not grow with its
/// length; the blocks joined are exactly what [`super::read_at`] gives.
pub struct Blocks {
    source: Source,
    resampler: Option<Resampler>,
    resampled: Option<Notice>,
    ended: bool,
}

impl Blocks {
    /// Opens a recording of any format that is read; `-` is a WAV on standard input.
    ///
    /// # Errors
    /// The file cannot be read, or its header is not one of a recording that is supported.
    pub fn open(path: &Path, sample_rate: u32) -> Result<Self, Error> {
        Self::new(
            Source::open(path)?,
            &path.display().to_string(),
            sample_rate,
        )
    }

    /// Reads a WAV from a stream that errors call `name`.
    ///
    /// # Errors
    /// As [`Blocks::open`].
    pub fn from_wav(
        reader: impl Read + Send + 'static,
        name: &str,
        sample_rate: u32,
    ) -> Result<Self, Error> {
        Self::new(Source::wav(reader, name)?, name, sample_rate)
    }

    fn new(source: Source, file: &str, sample_rate: u32) -> Result<Self, Error> {
        let from = source.sample_rate();
        let (resampler, resampled) = if from == sample_rate {
            (None, None)
        } else {
            let notice = Notice::Resampled {
                from,
                to: sample_rate,
            };
            (Some(Resampler::new(file, from, sample_rate)?), Some(notice))
        };
        Ok(Self {
            source,
            resampler,
            resampled,
            ended: false,
        })
    }

    /// The next samples, never an empty block; none at the end.
    ///
    /// # Errors
    /// The file is truncated, damaged, or holds samples that are not finite.
    pub fn next_block(&mut self) -> Result<Option<Vec<f32>>, Error> {
        while !self.ended {
            let block = self.source.next_block()?;
            self.ended = block.is_none();
            let block = match (block, &mut self.resampler) {
                (Some(block), None) => block,
                (Some(block), Some(resampler)) => resampler.push(&block)?,
                (None, Some(resampler)) => resampler.finish()?,
                (None, None) => break,
            };
            if !block.is_empty() {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    /// What was done to the recording so far; complete once [`Blocks::next_block`] gave none.
    pub fn notices(&self) -> Vec<Notice> {
        let mut notices = self.source.notices().to_vec();
        notices.extend(self.resampled.clone());
        notices
    }
}
