//! Text from files, packed or not, and from standard input: whole lines, UTF-8 checked.
//!
//! Input: plain, gzip or xz bytes, told apart by their first bytes. Output: blocks of whole lines
//! in the text's order. Unpacking runs on a thread of its own, ahead of whoever reads the lines.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::mpsc;

use super::Error;

/// The longest line, in bytes, that is taken for a sentence unless the user says otherwise.
pub const MAX_LINE: usize = 1 << 20;

/// Bytes asked for in one reading; blocks are about this long.
const BLOCK: usize = 1 << 20;

/// A text to be read once.
pub struct Source {
    name: String,
    reader: Box<dyn Read + Send>,
}

/// Some whole lines of a text, the last one perhaps without its line break.
pub struct Block<'a> {
    /// The lines.
    pub text: &'a str,
    /// The number of the first of them, from 1.
    pub first_line: u64,
}

impl Source {
    /// Opens a plain, gzip or xz file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::read(path, source))?;
        Self::new(path.display().to_string(), file)
    }

    /// Standard input, plain, gzip or xz.
    pub fn standard_input() -> Result<Self, Error> {
        Self::new("standard input".to_string(), std::io::stdin())
    }

    /// Any reader; `name` stands in error messages.
    pub fn new(name: String, mut reader: impl Read + Send + 'static) -> Result<Self, Error> {
        let mut magic = Vec::new();
        (&mut reader)
            .take(6)
            .read_to_end(&mut magic)
            .map_err(|source| Error::read(Path::new(&name), source))?;
        let gzip = magic.starts_with(&[0x1f, 0x8b]);
        let xz = magic == [0xfd, b'7', b'z', b'X', b'Z', 0];
        let whole = Cursor::new(magic).chain(reader);
        let reader: Box<dyn Read + Send> = if gzip {
            Box::new(flate2::read::MultiGzDecoder::new(whole))
        } else if xz {
            Box::new(liblzma::read::XzDecoder::new_multi_decoder(whole))
        } else {
            Box::new(whole)
        };
        Ok(Self { name, reader })
    }

    /// The file's path, or what stands for it in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Calls `each` with block after block. Fails at the first line beyond `max_line` bytes, the
    /// first byte that is no UTF-8, a reading error, or what `each` returns.
    pub fn for_each_block<E: From<Error>>(
        self,
        max_line: usize,
        mut each: impl FnMut(Block) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { name, reader } = self;
        let (sender, receiver) = mpsc::sync_channel(4);
        std::thread::scope(|scope| {
            scope.spawn(move || send_lines(reader, max_line, &sender));
            let mut first_line = 1;
            for piece in receiver {
                let piece = piece.map_err(|source| Error::read(Path::new(&name), source))?;
                let bytes = match piece {
                    Piece::Lines(bytes) => bytes,
                    Piece::TooLong => {
                        let (line, limit) = (first_line, max_line);
                        return Err(Error::LongLine { name, line, limit }.into());
                    }
                };
                let text = std::str::from_utf8(&bytes).map_err(|error| {
                    let good = &bytes[..error.valid_up_to()];
                    let start = good
                        .iter()
                        .rposition(|&b| b == b'\n')
                        .map_or(0, |at| at + 1);
                    Error::NotUtf8 {
                        name: name.clone(),
                        line: first_line + line_breaks(good),
                        column: good.len() - start + 1,
                    }
                })?;
                let text = match text.strip_prefix('\u{feff}') {
                    Some(text) if first_line == 1 => text,
                    _ => text,
                };
                let lines = line_breaks(&bytes);
                let too_long = |(_, content): &(u64, &str)| content.len() > max_line;
                if text.len() > max_line
                    && let Some((line, _)) = (first_line..).zip(text.split('\n')).find(too_long)
                {
                    let limit = max_line;
                    return Err(Error::LongLine { name, line, limit }.into());
                }
                each(Block { text, first_line })?;
                first_line += lines;
            }
            Ok(())
        })
    }

    /// Calls `each` with every line, its number from 1 and the text's name; line breaks removed.
    pub fn for_each_line<E: From<Error>>(
        self,
        max_line: usize,
        mut each: impl FnMut(&str, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_block(max_line, |block| {
            let text = block.text.strip_suffix('\n').unwrap_or(block.text);
            for (number, line) in (block.first_line..).zip(text.split('\n')) {
                each(line.strip_suffix('\r').unwrap_or(line), number)?;
            }
            Ok(())
        })
    }
}

enum Piece {
    Lines(Vec<u8>),
    TooLong,
}

/// Sends whole lines as they come, so that a terminal's lines are seen at once. Ends quietly when
/// nobody receives any more.
fn send_lines(
    mut reader: Box<dyn Read + Send>,
    max_line: usize,
    sender: &mpsc::SyncSender<std::io::Result<Piece>>,
) {
    let mut pending: Vec<u8> = Vec::new();
    let mut buffer = vec![0; BLOCK];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let _ = sender.send(Err(error));
                return;
            }
        };
        if read == 0 {
            if !pending.is_empty() {
                let _ = sender.send(Ok(Piece::Lines(pending)));
            }
            return;
        }
        let filled = pending.len();
        pending.extend_from_slice(&buffer[..read]);
        if let Some(end) = pending[filled..].iter().rposition(|&b| b == b'\n') {
            let rest = pending.split_off(filled + end + 1);
            let lines = std::mem::replace(&mut pending, rest);
            if sender.send(Ok(Piece::Lines(lines))).is_err() {
                return;
            }
        }
        if pending.len() > max_line {
            let _ = sender.send(Ok(Piece::TooLong));
            return;
        }
    }
}

fn line_breaks(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&b| b == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn lines(bytes: &[u8], max_line: usize) -> Result<Vec<(u64, String)>, Error> {
        let mut lines = Vec::new();
        Source::new("the text".into(), Cursor::new(bytes.to_vec()))?.for_each_line(
            max_line,
            |line, number| -> Result<(), Error> {
                lines.push((number, line.to_string()));
                Ok(())
            },
        )?;
        Ok(lines)
    }

    fn numbered(lines: &[&str]) -> Vec<(u64, String)> {
        (1..)
            .zip(lines.iter().map(|line| line.to_string()))
            .collect()
    }

    #[test]
    fn lines_come_numbered_without_their_breaks() {
        let expected = numbered(&["one two", "", "three"]);
        assert_eq!(lines(b"one two\n\nthree", 100).unwrap(), expected);
        assert_eq!(
            lines(b"\xef\xbb\xbfone two\r\n\r\nthree\n", 100).unwrap(),
            expected
        );
        assert!(lines(b"", 100).unwrap().is_empty());
    }

    #[test]
    fn gzip_and_xz_are_told_by_their_first_bytes() {
        let text = "the quick brown fox\n".repeat(100_000);
        let expected = numbered(&vec!["the quick brown fox"; 100_000]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        assert_eq!(lines(&gzip.finish().unwrap(), 100).unwrap(), expected);
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(text.as_bytes()).unwrap();
        let xz = xz.finish().unwrap();
        assert_eq!(lines(&xz, 100).unwrap(), expected);
        let message = lines(&xz[..xz.len() / 2], 100).unwrap_err().to_string();
        assert!(message.contains("cannot read the text"), "{message}");
    }

    #[test]
    fn bytes_that_are_no_utf8_are_named_by_line_and_column() {
        let message = lines(b"good\nalso good\nb\xe9d\n", 100)
            .unwrap_err()
            .to_string();
        assert!(message.contains("the text, line 3: byte 2"), "{message}");
    }

    #[test]
    fn a_line_beyond_the_limit_is_named() {
        let mut text = b"short\n".to_vec();
        text.extend(vec![b'x'; 3 << 20]);
        let message = lines(&text, MAX_LINE).unwrap_err().to_string();
        assert!(
            message.contains("the text, line 2 is longer than 1048576 bytes"),
            "{message}"
        );
        let message = lines(b"a\nabcdef\n", 5).unwrap_err().to_string();
        assert!(
            message.contains("line 2 is longer than 5 bytes"),
            "{message}"
        );
        assert_eq!(lines(b"abcdef\n", 6).unwrap().len(), 1);
    }
}
