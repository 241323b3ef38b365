//! Recordings of any length in bounded memory.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use super::Notice;
use super::container::{self, ContainerReader};
use super::error::Error;
use super::resample::Resampler;
use super::riff;
use super::wav::{Skip, WavReader};

/// The bytes of a WAV: of a file, in which a span far inside is found by seeking, or of a pipe.
pub(super) enum Stream {
    File { reader: BufReader<File>, bytes: u64 },
    Pipe(Box<dyn Read + Send>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File { reader, .. } => reader.read(buffer),
            Self::Pipe(reader) => reader.read(buffer),
        }
    }
}

impl Skip for Stream {
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        match self {
            Self::File { reader, bytes: end } => {
                let here = reader.stream_position()?;
                let skipped = bytes.min(end.saturating_sub(here));
                reader.seek(SeekFrom::Start(here + skipped))?;
                Ok(skipped)
            }
            Self::Pipe(reader) => io::copy(&mut reader.take(bytes), &mut io::sink()),
        }
    }
}

/// A recording being read at its own rate.
pub(super) enum Source {
    Wav(Box<WavReader<Stream>>),
    Container(Box<ContainerReader>),
}

impl Source {
    /// Opens a file by what its first bytes say, whatever it is called; `-` is a WAV on standard input.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        if path == Path::new("-") {
            return Self::wav(io::stdin(), "standard input");
        }
        let file = path.display().to_string();
        let read_error = |source| riff::read_error(&file, source);
        let mut reader = File::open(path).map_err(read_error)?;
        let metadata = reader.metadata().map_err(read_error)?;
        if metadata.is_dir() {
            return Err(Error::Directory { file });
        }
        let mut magic = [0; 12];
        let read = riff::fill(&mut reader, &mut magic).map_err(read_error)?;
        let magic = magic[..read].to_vec();
        if container::is_container(&magic) {
            let container = ContainerReader::new(magic, reader, &file)?;
            return Ok(Self::Container(Box::new(container)));
        }
        let stream = if metadata.is_file() {
            reader.rewind().map_err(read_error)?;
            Stream::File {
                reader: BufReader::new(reader),
                bytes: metadata.len(),
            }
        } else {
            Stream::Pipe(Box::new(BufReader::new(Cursor::new(magic).chain(reader))))
        };
        Ok(Self::Wav(Box::new(WavReader::new(stream, &file)?)))
    }

    /// A WAV from a stream that cannot be sought.
    pub(super) fn wav(reader: impl Read + Send + 'static, name: &str) -> Result<Self, Error> {
        let stream = Stream::Pipe(Box::new(BufReader::new(reader)));
        match WavReader::new(stream, name) {
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
            Self::Container(container) => Ok(container.declared_frames()),
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

    /// Goes past frames, as many as there are.
    pub(super) fn skip(&mut self, frames: u64) -> Result<(), Error> {
        match self {
            Self::Wav(wav) => wav.skip(frames),
            Self::Container(container) => container.skip(frames),
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
    sample_rate: u32,
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

    /// Opens a recording at its own rate.
    ///
    /// # Errors
    /// As [`Blocks::open`].
    pub fn open_native(path: &Path) -> Result<Self, Error> {
        let source = Source::open(path)?;
        let sample_rate = source.sample_rate();
        Self::new(source, &path.display().to_string(), sample_rate)
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
            sample_rate,
            resampler,
            resampled,
            ended: false,
        })
    }

    /// The rate of the blocks, in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
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
