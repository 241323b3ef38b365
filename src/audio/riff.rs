//! The chunk structure of a WAV file, up to the first byte of its samples.
//!
//! RIFF as in *Multimedia Programming Interface and Data Specifications 1.0* (IBM and Microsoft, 1991),
//! `WAVEFORMATEXTENSIBLE` as in Microsoft's `mmreg.h`, `ds64` as in EBU Tech 3306 (RF64). Recorders bend these
//! rules, so what is read here is wider: any chunks before the samples, odd chunks with and without their
//! pad byte, lengths that a pipe left at 0 or at its largest value.

use std::io::{self, Read};

use super::error::{Error, check_rate};

/// How one sample is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Little-endian, in `bytes` bytes; unsigned where that is one byte. `low24`: the value stands in the
    /// lower three of four bytes, as `arecord -f S24_LE` writes it.
    Integer { bytes: u16, low24: bool },
    /// IEEE 754, little-endian, full scale ±1.
    Float32,
    /// IEEE 754, little-endian, full scale ±1.
    Float64,
    /// G.711 µ-law, one byte.
    MuLaw,
    /// G.711 A-law, one byte.
    ALaw,
}

/// What the header says about the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub encoding: Encoding,
    pub channels: u16,
    /// Hz.
    pub sample_rate: u32,
    /// Bytes of one sample of all channels.
    pub frame_bytes: usize,
}

/// How many bytes of samples the header declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataLength {
    Bytes(u64),
    /// The writer could not go back to fill it in: a pipe of ffmpeg or sox, a recorder that was killed.
    ToTheEnd,
}

/// The smallest declared length that means "to the end": sox writes 0x7FFFF000 and around, ffmpeg 0xFFFFFFFF.
const UNKNOWN_LENGTH: u32 = 0x7FFF_F000;

/// Everything before the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub format: Format,
    pub length: DataLength,
    /// Bytes from the start of the file to the first sample.
    pub offset: u64,
}

/// Reads the header and leaves `reader` at the first byte of the samples.
pub(super) fn read_header<R: Read>(reader: &mut R, file: &str) -> Result<Header, Error> {
    let mut magic = [0; 12];
    let read = fill(reader, &mut magic).map_err(|source| read_error(file, source))?;
    if read == 0 {
        return Err(Error::Empty { file: file.into() });
    }
    let riff = matches!(&magic[..4], b"RIFF" | b"RF64" | b"BW64");
    if !riff || (read == 12 && &magic[8..] != b"WAVE") {
        return Err(Error::Magic {
            file: file.into(),
            found: describe_magic(&magic[..read]),
        });
    }
    if read < 12 {
        return Err(truncated_in(file, "its RIFF header"));
    }

    let mut chunks = Chunks {
        reader,
        file,
        after_odd_chunk: false,
        position: 12,
    };
    let mut format = None;
    let mut long_data = None;
    while let Some((id, length)) = chunks.next_header()? {
        match &id {
            b"fmt " => format = Some(parse_format(&chunks.body(&id, length, 40)?, file)?),
            b"ds64" => {
                let body = chunks.body(&id, length, 16)?;
                let bytes = body.get(8..16).and_then(|b| <[u8; 8]>::try_from(b).ok());
                long_data = bytes.map(u64::from_le_bytes);
            }
            b"data" => {
                let Some(format) = format else {
                    return Err(malformed(
                        file,
                        "its `data` chunk stands before any `fmt ` chunk",
                    ));
                };
                let length = match (length, long_data) {
                    (u32::MAX, Some(bytes)) if bytes > 0 => DataLength::Bytes(bytes),
                    (0, _) | (UNKNOWN_LENGTH.., _) => DataLength::ToTheEnd,
                    (bytes, _) => DataLength::Bytes(bytes.into()),
                };
                return Ok(Header {
                    format,
                    length,
                    offset: chunks.position,
                });
            }
            _ => drop(chunks.body(&id, length, 0)?),
        }
    }
    Err(Error::NoSamples { file: file.into() })
}

/// Walks the chunks before the samples.
struct Chunks<'a, R> {
    reader: &'a mut R,
    file: &'a str,
    after_odd_chunk: bool,
    /// Bytes of the file read so far.
    position: u64,
}

impl<R: Read> Chunks<'_, R> {
    /// The next chunk's identifier and declared length; none at the end of the file.
    fn next_header(&mut self) -> Result<Option<([u8; 4], u32)>, Error> {
        let mut header = [0; 8];
        let mut read = self.fill(&mut header)?;
        if self.after_odd_chunk && read > 0 && begins_with_pad_byte(&header) {
            header.copy_within(1.., 0);
            self.position += 1;
            read -= 1;
            if read == 7 {
                read += self.fill(&mut header[7..])?;
            }
        }
        self.position += 8;
        let [a, b, c, d, length @ ..] = header;
        match read {
            8 => Ok(Some(([a, b, c, d], u32::from_le_bytes(length)))),
            0 => Ok(None),
            _ => Err(truncated_in(self.file, "a chunk header")),
        }
    }

    /// Reads a whole chunk and keeps its first `keep` bytes, so that an absurd length costs no memory.
    fn body(&mut self, id: &[u8; 4], length: u32, keep: u32) -> Result<Vec<u8>, Error> {
        self.after_odd_chunk = length % 2 == 1;
        self.position += u64::from(length);
        let file = self.file;
        let mut body = Vec::new();
        let mut take = self.reader.by_ref().take(length.min(keep).into());
        let kept = take
            .read_to_end(&mut body)
            .map_err(|source| read_error(file, source))?;
        let rest = u64::from(length) - kept as u64;
        let skipped = io::copy(&mut self.reader.by_ref().take(rest), &mut io::sink())
            .map_err(|source| read_error(file, source))?;
        if skipped < rest {
            let id = String::from_utf8_lossy(id);
            return Err(truncated_in(file, &format!("its `{id}` chunk")));
        }
        Ok(body)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        fill(self.reader, buffer).map_err(|source| read_error(self.file, source))
    }
}

/// Chunk identifiers that stand before samples in the wild; they settle whether an odd chunk was padded.
const KNOWN_CHUNKS: [&[u8; 4]; 24] = [
    b"fmt ", b"data", b"LIST", b"fact", b"bext", b"id3 ", b"ID3 ", b"JUNK", b"junk", b"PAD ",
    b"cue ", b"smpl", b"inst", b"iXML", b"axml", b"PEAK", b"ds64", b"DISP", b"afsp", b"cart",
    b"FLLR", b"acid", b"chna", b"minf",
];

/// Whether the eight bytes after an odd chunk are a pad byte and a header, or a header at once.
fn begins_with_pad_byte(bytes: &[u8; 8]) -> bool {
    let known = |id: &[u8]| KNOWN_CHUNKS.iter().any(|known| known.as_slice() == id);
    if known(&bytes[..4]) {
        return false;
    }
    known(&bytes[1..5]) || !bytes[..4].iter().all(|b| (b' '..=b'~').contains(b))
}

/// How the GUID of every registered format ends; its first two bytes are the format tag.
const SUBFORMAT_TAIL: [u8; 14] = [
    0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71,
];

/// Parses `PCMWAVEFORMAT`, `WAVEFORMATEX` or `WAVEFORMATEXTENSIBLE`.
fn parse_format(body: &[u8], file: &str) -> Result<Format, Error> {
    let word = |at: usize| -> Option<u16> {
        Some(u16::from_le_bytes([*body.get(at)?, *body.get(at + 1)?]))
    };
    let fields = (|| {
        let rate = u32::from(word(4)?) | u32::from(word(6)?) << 16;
        Some((word(0)?, word(2)?, rate, word(12)?, word(14)?))
    })();
    let Some((mut tag, channels, sample_rate, block_align, bits)) = fields else {
        return Err(malformed(
            file,
            &format!(
                "its `fmt ` chunk has {} bytes, 16 are the least",
                body.len()
            ),
        ));
    };
    const EXTENSIBLE: u16 = 0xFFFE;
    let extensible = tag == EXTENSIBLE;
    if extensible {
        match (word(24), body.get(26..40)) {
            (Some(sub_format), Some(tail)) if tail == SUBFORMAT_TAIL => tag = sub_format,
            _ => {
                return Err(Error::Unsupported {
                    file: file.into(),
                    what: "the sub-format of its extensible `fmt ` chunk".into(),
                });
            }
        }
    }
    if channels == 0 {
        return Err(malformed(file, "its header declares 0 channels"));
    }
    check_rate(file, sample_rate)?;

    // The container of a sample is what the block says; old writers leave the block at 0.
    let sample_bytes = match block_align / channels {
        0 => bits.div_ceil(8),
        bytes => bytes,
    };
    let encoding = match (tag, bits, sample_bytes) {
        (1, 24, 4) if !extensible => Encoding::Integer {
            bytes: 4,
            low24: true,
        },
        // Fewer valid bits than the container has stand in its upper bits.
        (1, 1..=32, bytes @ 1..=4) if bits <= bytes * 8 => Encoding::Integer {
            bytes,
            low24: false,
        },
        (3, 32, 4) => Encoding::Float32,
        (3, 64, 8) => Encoding::Float64,
        (6, _, 1) => Encoding::ALaw,
        (7, _, 1) => Encoding::MuLaw,
        (1 | 3, ..) => {
            return Err(malformed(
                file,
                &format!("its header declares {bits} bits a sample in {sample_bytes} bytes"),
            ));
        }
        _ => {
            return Err(Error::Unsupported {
                file: file.into(),
                what: format!("WAV format {tag:#06x}{}", format_name(tag)),
            });
        }
    };
    let frame_bytes = usize::from(channels) * usize::from(sample_bytes);
    if block_align != 0 && usize::from(block_align) != frame_bytes {
        return Err(malformed(
            file,
            &format!("its header declares {channels} channels in blocks of {block_align} bytes"),
        ));
    }
    Ok(Format {
        encoding,
        channels,
        sample_rate,
        frame_bytes,
    })
}

fn format_name(tag: u16) -> &'static str {
    match tag {
        0x02 => " (Microsoft ADPCM)",
        0x11 => " (IMA ADPCM)",
        0x31 => " (GSM 6.10)",
        0x50 => " (MPEG)",
        0x55 => " (MP3)",
        0xFF => " (AAC)",
        _ => "",
    }
}

/// What a file is by its first bytes, for a message: by name where people have such files, else the bytes.
pub(super) fn describe_magic(bytes: &[u8]) -> String {
    let known: &[(usize, &[u8], &str)] = &[
        (
            0,
            b"NIST_1A",
            "NIST SPHERE: convert it (`sox IN OUT.wav`, `sph2pipe -f wav IN OUT.wav`)",
        ),
        (0, b"FORM", "AIFF: convert it (`ffmpeg -i IN OUT.wav`)"),
        (
            0,
            b"caff",
            "Core Audio: convert it (`ffmpeg -i IN OUT.wav`)",
        ),
        (
            4,
            b"ftyp",
            "MPEG-4 or M4A: convert it (`ffmpeg -i IN OUT.wav`)",
        ),
        (
            0,
            b".snd",
            "Sun/NeXT audio: convert it (`ffmpeg -i IN OUT.wav`)",
        ),
        (0, b"#!AMR", "AMR: convert it (`ffmpeg -i IN OUT.wav`)"),
        (
            0,
            b"\x1A\x45\xDF\xA3",
            "Matroska or WebM: convert it (`ffmpeg -i IN OUT.wav`)",
        ),
        (
            0,
            b"\x30\x26\xB2\x75",
            "Windows Media: convert it (`ffmpeg -i IN OUT.wav`)",
        ),
        (0, b"RIFX", "big-endian RIFF: convert it (`sox IN OUT.wav`)"),
        (0, b"\x1F\x8B", "gzip: unpack it"),
        (0, b"PK\x03\x04", "a zip archive: unpack it"),
        (
            0,
            b"version https",
            "a Git LFS pointer: fetch the file itself (`git lfs pull`)",
        ),
        (0, b"<!DOCTYPE", "a web page: the download went wrong"),
        (0, b"<html", "a web page: the download went wrong"),
    ];
    for (at, magic, name) in known {
        // Twelve bytes were read: longer magic is compared as far as that.
        let magic = &magic[..magic.len().min(12 - at)];
        if bytes
            .get(*at..)
            .is_some_and(|bytes| bytes.starts_with(magic))
        {
            return (*name).to_owned();
        }
    }
    if !bytes.is_empty() && bytes.iter().all(|b| (b' '..=b'~').contains(b)) {
        return format!("begins with `{}`", String::from_utf8_lossy(bytes));
    }
    let hex: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("begins with bytes {}", hex.join(" "))
}

/// Reads until `buffer` is full or the stream ends; the number of bytes read.
pub(super) fn fill<R: Read>(reader: &mut R, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

pub(super) fn read_error(file: &str, source: io::Error) -> Error {
    Error::Read {
        file: file.into(),
        source,
    }
}

fn truncated_in(file: &str, place: &str) -> Error {
    Error::TruncatedIn {
        file: file.into(),
        place: place.into(),
    }
}

fn malformed(file: &str, what: &str) -> Error {
    Error::Malformed {
        file: file.into(),
        what: what.into(),
    }
}
