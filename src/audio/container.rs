//! FLAC, MP3 and Ogg (Vorbis, FLAC) through symphonia, a packet at a time.

use std::fs::File;
use std::io::{Cursor, Read};

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_OPUS,
};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::FORMAT_ID_MP3;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::core::meta::MetadataOptions;

use super::error::{Error, check_rate};
use super::gapless::Gapless;
use super::mix::Mixer;
use super::{BLOCK_FRAMES, Notice};

/// Whether the first bytes of a file are of a container that is read here.
pub(super) fn is_container(magic: &[u8]) -> bool {
    match magic {
        [b'f', b'L', b'a', b'C', ..] | [b'O', b'g', b'g', b'S', ..] | [b'I', b'D', b'3', ..] => {
            true
        }
        // An MPEG audio frame: eleven sync bits, a version and a layer that exist.
        [0xFF, second, ..] => second & 0xE0 == 0xE0 && second & 0x18 != 0x08 && second & 0x06 != 0,
        _ => false,
    }
}

/// A compressed file being read.
pub(super) struct ContainerReader {
    file: String,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    sample_rate: u32,
    channels: usize,
    /// Frames that the header declares, where it can be trusted.
    declared: Option<u64>,
    /// Frames by which an MP3 may fall short of its count.
    tolerated: u64,
    gapless: Gapless,
    mixer: Mixer,
    notices: Vec<Notice>,
    /// Decoded samples that [`ContainerReader::skip`] did not need.
    pending: Option<Vec<f32>>,
    /// Whether there was any sample.
    given: bool,
    ended: bool,
}

impl ContainerReader {
    /// Reads the headers. `magic` is what was already read from `source`.
    pub(super) fn new(magic: Vec<u8>, source: File, file: &str) -> Result<Self, Error> {
        // Not seekable on purpose: from a seekable MP3 without a frame count symphonia estimates its length
        // by the bit rate of its start, and then cuts the decoded audio there.
        let source = ReadOnlySource::new(Cursor::new(magic).chain(source));
        Self::open(Box::new(source), file)
    }

    fn open(source: Box<dyn MediaSource>, file: &str) -> Result<Self, Error> {
        let format = probe(source, file)?;
        let (track, parameters) = audio_track(&*format, file)?;
        let (id, declared) = (track.id, track.num_frames);
        let (gapless, tolerated) = match (format.format_info().format, track.delay, track.padding) {
            (FORMAT_ID_MP3, Some(delay), Some(padding)) => {
                (Gapless::new(delay as usize, padding as usize, declared), 0)
            }
            // Encoders without LAME's tag may count the frame of 1152 samples that holds the count itself.
            (FORMAT_ID_MP3, ..) => (Gapless::new(0, 0, declared), 1152),
            _ => (Gapless::new(0, 0, declared), 0),
        };
        let sample_rate = parameters.sample_rate.unwrap_or(0);
        check_rate(file, sample_rate)?;
        let channels = parameters
            .channels
            .as_ref()
            .map_or(0, |channels| channels.count());
        if channels == 0 {
            return Err(Error::Malformed {
                file: file.into(),
                what: "its header declares 0 channels".into(),
            });
        }
        let decoder = make_decoder(parameters, file)?;
        let notices = match channels {
            1 => Vec::new(),
            channels => vec![Notice::Mixed { channels }],
        };
        Ok(Self {
            file: file.to_owned(),
            decoder,
            track: id,
            sample_rate,
            channels,
            declared,
            tolerated,
            gapless,
            mixer: Mixer::new(file, channels, sample_rate),
            notices,
            pending: None,
            given: false,
            ended: false,
            format,
        })
    }

    pub(super) fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    pub(super) fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Frames of the whole file where its header tells. Ogg's does not.
    pub(super) fn declared_frames(&self) -> Option<u64> {
        self.declared
    }

    /// The next mono samples, at least [`BLOCK_FRAMES`] but at the end; none at the end.
    pub(super) fn next_block(&mut self) -> Result<Option<Vec<f32>>, Error> {
        let mut block = self.pending.take().unwrap_or_default();
        let mut interleaved = Vec::new();
        while block.len() < BLOCK_FRAMES && !self.ended {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => packet,
                Ok(Some(_)) => continue,
                Ok(None) => {
                    self.finish()?;
                    block.extend(self.gapless.finish());
                    break;
                }
                Err(SymphoniaError::ResetRequired) => {
                    self.next_stream()?;
                    continue;
                }
                Err(error) => return Err(self.failed(error)),
            };
            match self.decoder.decode(&packet) {
                Ok(decoded) if decoded.frames() > 0 => {
                    let (rate, channels) =
                        (decoded.spec().rate(), decoded.spec().channels().count());
                    if rate != self.sample_rate || channels != self.channels {
                        return Err(self.changed(rate, channels));
                    }
                    decoded.copy_to_vec_interleaved(&mut interleaved);
                    block.extend(self.gapless.push(self.mixer.mix(&interleaved)?));
                }
                Ok(_) => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        if !block.is_empty() {
            self.given = true;
            return Ok(Some(block));
        }
        match self.given {
            true => Ok(None),
            false => Err(Error::NoSamples {
                file: self.file.clone(),
            }),
        }
    }

    /// Goes past frames, as many as there are. They are decoded: a compressed frame leans on those before it.
    pub(super) fn skip(&mut self, frames: u64) -> Result<(), Error> {
        let mut left = frames;
        while left > 0
            && let Some(mut block) = self.next_block()?
        {
            let length = block.len() as u64;
            if length > left {
                self.pending = Some(block.split_off(left as usize));
            }
            left = left.saturating_sub(length);
        }
        Ok(())
    }

    /// At the end: are there as many samples as declared, and are they the ones that were encoded?
    fn finish(&mut self) -> Result<(), Error> {
        self.ended = true;
        let missing = self.gapless.missing();
        if let Some(declared) = self.declared
            && missing > self.tolerated
        {
            return Err(Error::Truncated {
                file: self.file.clone(),
                declared,
                found: declared.saturating_sub(missing),
                unit: "samples",
            });
        }
        if self.decoder.finalize().verify_ok == Some(false) {
            return Err(Error::Malformed {
                file: self.file.clone(),
                what: "its samples do not have the MD5 sum in its header: damaged, copy it again"
                    .into(),
            });
        }
        Ok(())
    }

    /// Goes on in the next of several streams that were joined end to end (chained Ogg).
    fn next_stream(&mut self) -> Result<(), Error> {
        let (track, parameters) = audio_track(&*self.format, &self.file)?;
        self.track = track.id;
        self.declared = None;
        self.gapless = Gapless::new(0, 0, None);
        self.decoder = make_decoder(parameters, &self.file)?;
        Ok(())
    }

    fn changed(&self, rate: u32, channels: usize) -> Error {
        Error::Unsupported {
            file: self.file.clone(),
            what: format!(
                "a change from {} Hz, {} channels to {rate} Hz, {channels} channels at {:.2} s",
                self.sample_rate,
                self.channels,
                self.mixer.seconds()
            ),
        }
    }

    fn failed(&self, error: SymphoniaError) -> Error {
        match error {
            SymphoniaError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Error::TruncatedIn {
                    file: self.file.clone(),
                    place: format!("its stream, at {:.2} s", self.mixer.seconds()),
                }
            }
            SymphoniaError::IoError(source) => Error::Read {
                file: self.file.clone(),
                source,
            },
            error => Error::Decode {
                file: self.file.clone(),
                seconds: self.mixer.seconds(),
                what: error.to_string(),
            },
        }
    }
}

fn probe(source: Box<dyn MediaSource>, file: &str) -> Result<Box<dyn FormatReader>, Error> {
    let stream = MediaSourceStream::new(source, Default::default());
    symphonia::default::get_probe()
        .probe(
            &Hint::new(),
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(|error| match error {
            SymphoniaError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Error::TruncatedIn {
                    file: file.into(),
                    place: "its header".into(),
                }
            }
            SymphoniaError::IoError(source) => Error::Read {
                file: file.into(),
                source,
            },
            error => Error::Malformed {
                file: file.into(),
                what: format!("its header cannot be read: {error}"),
            },
        })
}

fn audio_track<'a>(
    format: &'a dyn FormatReader,
    file: &str,
) -> Result<(&'a Track, &'a AudioCodecParameters), Error> {
    let track = format.default_track(TrackType::Audio);
    match track.and_then(|track| Some((track, track.codec_params.as_ref()?))) {
        Some((track, CodecParameters::Audio(parameters))) => Ok((track, parameters)),
        _ => Err(Error::Unsupported {
            file: file.into(),
            what: format!(
                "{} without audio that is known here",
                format.format_info().long_name
            ),
        }),
    }
}

fn make_decoder(
    parameters: &AudioCodecParameters,
    file: &str,
) -> Result<Box<dyn AudioDecoder>, Error> {
    // MP3 is trimmed by `Gapless`; Vorbis must be by its decoder, page by page.
    let is_mp3 = parameters.codec == CODEC_ID_MP3;
    let options = AudioDecoderOptions::default().gapless(!is_mp3).verify(true);
    symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &options)
        .map_err(|error| Error::Unsupported {
            file: file.into(),
            what: match parameters.codec {
                CODEC_ID_OPUS => "Opus".into(),
                CODEC_ID_MP1 | CODEC_ID_MP2 => "MPEG audio of layer I or II".into(),
                _ => format!("its codec ({error})"),
            },
        })
}
