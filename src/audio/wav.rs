//! WAV samples, a block at a time: hound decodes integers and 32-bit floats, symphonia G.711 and 64-bit floats.
//!
//! The chunk structure is ours (`riff`), because hound refuses files that recorders and pipes really write;
//! a decoder here gets whole samples only.

use std::io::{self, Read};

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_PCM_ALAW, CODEC_ID_PCM_F64LE, CODEC_ID_PCM_MULAW,
};
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions,
};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::error::Error;
use super::mix::Mixer;
use super::riff::{self, DataLength, Encoding, Format};
use super::{BLOCK_FRAMES, Notice};

/// A stream in which bytes can be gone past.
pub(super) trait Skip: Read {
    /// Goes past bytes; how many there were.
    fn skip(&mut self, bytes: u64) -> io::Result<u64>;
}

/// A WAV being read from any stream.
pub(super) struct WavReader<R> {
    reader: R,
    file: String,
    format: Format,
    length: DataLength,
    /// Bytes before the samples.
    offset: u64,
    /// Bytes of samples read so far.
    read: u64,
    decoder: Decoder,
    mixer: Mixer,
    notices: Vec<Notice>,
    ended: bool,
}

enum Decoder {
    /// hound's header for one channel of the sample type: what it then reads is interleaved samples.
    Hound {
        header: [u8; 36],
        full_scale: Option<f32>,
    },
    Symphonia(Box<dyn AudioDecoder>),
}

impl<R: Read> WavReader<R> {
    /// Reads the header.
    pub(super) fn new(mut reader: R, file: &str) -> Result<Self, Error> {
        let header = riff::read_header(&mut reader, file)?;
        let format = header.format;
        let mut notices = Vec::new();
        if format.channels > 1 {
            notices.push(Notice::Mixed {
                channels: format.channels.into(),
            });
        }
        Ok(Self {
            decoder: Decoder::new(&format, file)?,
            mixer: Mixer::new(file, format.channels.into(), format.sample_rate),
            reader,
            file: file.to_owned(),
            format,
            length: header.length,
            offset: header.offset,
            read: 0,
            notices,
            ended: false,
        })
    }

    pub(super) fn sample_rate(&self) -> u32 {
        self.format.sample_rate
    }

    pub(super) fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Whole frames of a file of `file_bytes` bytes.
    pub(super) fn frames_of_file(&self, file_bytes: u64) -> Result<u64, Error> {
        let found = file_bytes.saturating_sub(self.offset);
        let bytes = match self.length {
            DataLength::Bytes(declared) if declared > found => {
                return Err(Error::Truncated {
                    file: self.file.clone(),
                    declared,
                    found,
                    unit: "bytes",
                });
            }
            DataLength::Bytes(declared) => declared,
            DataLength::ToTheEnd => found,
        };
        match bytes / self.format.frame_bytes as u64 {
            0 => Err(Error::NoSamples {
                file: self.file.clone(),
            }),
            frames => Ok(frames),
        }
    }

    /// The next mono samples, about [`BLOCK_FRAMES`]; none at the end.
    pub(super) fn next_block(&mut self) -> Result<Option<Vec<f32>>, Error> {
        if self.ended {
            return Ok(None);
        }
        let frame = self.format.frame_bytes;
        let wanted = match self.length {
            DataLength::Bytes(declared) => {
                (declared - self.read).min((BLOCK_FRAMES * frame) as u64)
            }
            DataLength::ToTheEnd => (BLOCK_FRAMES * frame) as u64,
        };
        let mut bytes = Vec::new();
        self.reader
            .by_ref()
            .take(wanted)
            .read_to_end(&mut bytes)
            .map_err(|source| riff::read_error(&self.file, source))?;
        let found = bytes.len() as u64;
        self.read += found;
        if let DataLength::Bytes(declared) = self.length
            && found < wanted
        {
            return Err(Error::Truncated {
                file: self.file.clone(),
                declared,
                found: self.read,
                unit: "bytes",
            });
        }
        self.ended = match self.length {
            DataLength::Bytes(declared) => self.read == declared,
            DataLength::ToTheEnd => found < wanted,
        };
        let partial = bytes.len() % frame;
        if partial > 0 {
            self.notices.push(Notice::PartialSample { bytes: partial });
            bytes.truncate(bytes.len() - partial);
        }
        if bytes.is_empty() {
            if self.mixer.frames() == 0 {
                return Err(Error::NoSamples {
                    file: self.file.clone(),
                });
            }
            return Ok(None);
        }
        let interleaved = self
            .decoder
            .decode(&bytes, self.format.encoding, &self.file)?;
        self.mixer.mix(&interleaved).map(Some)
    }
}

impl<R: Skip> WavReader<R> {
    /// Goes past frames, as many as there are.
    pub(super) fn skip(&mut self, frames: u64) -> Result<(), Error> {
        let mut bytes = frames.saturating_mul(self.format.frame_bytes as u64);
        if let DataLength::Bytes(declared) = self.length {
            let whole = declared - declared % self.format.frame_bytes as u64;
            bytes = bytes.min(whole - self.read);
        }
        let skipped = self
            .reader
            .skip(bytes)
            .map_err(|source| riff::read_error(&self.file, source))?;
        self.read += skipped;
        self.mixer.skip(skipped / self.format.frame_bytes as u64);
        Ok(())
    }
}

impl Decoder {
    fn new(format: &Format, file: &str) -> Result<Self, Error> {
        let hound = |tag: u16, bytes: u16, bits: u16, full_scale| Self::Hound {
            header: hound_header(tag, bytes, bits),
            full_scale,
        };
        // A full scale of 2^(bits - 1) maps the lowest integer to exactly -1.
        let scale = |bits: u16| Some((1_u64 << (bits - 1)) as f32);
        match format.encoding {
            Encoding::Integer { low24: true, .. } => Ok(hound(1, 4, 24, scale(24))),
            Encoding::Integer { bytes, .. } => Ok(hound(1, bytes, bytes * 8, scale(bytes * 8))),
            Encoding::Float32 => Ok(hound(3, 4, 32, None)),
            Encoding::Float64 => symphonia_pcm(CODEC_ID_PCM_F64LE, file),
            Encoding::MuLaw => symphonia_pcm(CODEC_ID_PCM_MULAW, file),
            Encoding::ALaw => symphonia_pcm(CODEC_ID_PCM_ALAW, file),
        }
    }

    /// Decodes whole samples, channels interleaved, to full scale ±1.
    fn decode(&mut self, bytes: &[u8], encoding: Encoding, file: &str) -> Result<Vec<f32>, Error> {
        match self {
            Self::Hound { header, full_scale } => {
                let length = (bytes.len() as u32).to_le_bytes();
                let stream = header.chain(&b"data"[..]).chain(&length[..]).chain(bytes);
                let failed = |error: hound::Error| Error::Malformed {
                    file: file.into(),
                    what: format!("{encoding:?} samples cannot be decoded: {error}"),
                };
                let reader = hound::WavReader::new(stream).map_err(failed)?;
                match full_scale {
                    Some(scale) => reader
                        .into_samples::<i32>()
                        .map(|sample| Ok(sample.map_err(failed)? as f32 / *scale))
                        .collect(),
                    None => reader
                        .into_samples::<f32>()
                        .map(|sample| sample.map_err(failed))
                        .collect(),
                }
            }
            Self::Symphonia(decoder) => {
                let packet = Packet::new(0, Timestamp::ZERO, Duration::ZERO, bytes);
                let decoded = decoder.decode(&packet).map_err(|error| Error::Malformed {
                    file: file.into(),
                    what: format!("{encoding:?} samples cannot be decoded: {error}"),
                })?;
                let mut samples = Vec::new();
                decoded.copy_to_vec_interleaved(&mut samples);
                Ok(samples)
            }
        }
    }
}

/// A header of 36 bytes that hound accepts for one channel: what the bytes mean, not how many there are.
fn hound_header(tag: u16, bytes: u16, bits: u16) -> [u8; 36] {
    let rate: u32 = 8000; // Not used: the real rate is in our own `Format`.
    let mut header = [0; 36];
    header[..4].copy_from_slice(b"RIFF");
    header[8..16].copy_from_slice(b"WAVEfmt ");
    header[16..20].copy_from_slice(&16_u32.to_le_bytes());
    header[20..22].copy_from_slice(&tag.to_le_bytes());
    header[22..24].copy_from_slice(&1_u16.to_le_bytes());
    header[24..28].copy_from_slice(&rate.to_le_bytes());
    header[28..32].copy_from_slice(&(rate * u32::from(bytes)).to_le_bytes());
    header[32..34].copy_from_slice(&bytes.to_le_bytes());
    header[34..36].copy_from_slice(&bits.to_le_bytes());
    header
}

fn symphonia_pcm(codec: AudioCodecId, file: &str) -> Result<Decoder, Error> {
    let mut parameters = AudioCodecParameters::new();
    parameters
        .for_codec(codec)
        .with_sample_rate(8000)
        .with_channels(Channels::Discrete(1));
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(&parameters, &AudioDecoderOptions::default());
    decoder
        .map(Decoder::Symphonia)
        .map_err(|error| Error::Unsupported {
            file: file.into(),
            what: error.to_string(),
        })
}
