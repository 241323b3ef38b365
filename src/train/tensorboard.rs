//! TensorBoard event files: the one record that its scalars need.
//!
//! The format: a stream of records, each the length as u64, a masked CRC-32C of it, the bytes of a
//! protocol-buffer `Event`, a masked CRC-32C of those (`tensorflow/core/lib/io/record_writer.cc`).

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Error;

/// An event file open for appending.
pub(super) struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// A new event file in `dir`; TensorBoard reads all files of a folder as one run.
    pub(super) fn create(dir: &Path) -> Result<Self, Error> {
        let now = seconds_since_epoch();
        let mut number = 0;
        let (path, file) = loop {
            let name = format!("events.out.tfevents.{:010}.hearken.{number}", now as u64);
            let path = dir.join(name);
            match File::create_new(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(source) => return Err(Error::File { path, source }),
            }
        };
        let mut events = Self { path, file };
        let mut version = double(1, now);
        version.extend(bytes(3, b"brain.Event:2"));
        events.write(&version)?;
        Ok(events)
    }

    /// Appends the named scalars of one step.
    pub(super) fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) -> Result<(), Error> {
        let mut summary = Vec::new();
        for (tag, value) in scalars {
            let mut entry = bytes(1, tag.as_bytes());
            entry.push((2 << 3) | 5);
            entry.extend((*value as f32).to_le_bytes());
            summary.extend(bytes(1, &entry));
        }
        let mut event = double(1, seconds_since_epoch());
        event.push(2 << 3);
        varint(&mut event, step);
        event.extend(bytes(5, &summary));
        self.write(&event)
    }

    fn write(&mut self, event: &[u8]) -> Result<(), Error> {
        let length = (event.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked_crc(&length).to_le_bytes());
        record.extend(event);
        record.extend(masked_crc(event).to_le_bytes());
        self.file.write_all(&record).map_err(|source| Error::File {
            path: self.path.clone(),
            source,
        })
    }
}

fn seconds_since_epoch() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn double(field: u8, value: f64) -> Vec<u8> {
    let mut out = vec![(field << 3) | 1];
    out.extend(value.to_le_bytes());
    out
}

fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![(field << 3) | 2];
    varint(&mut out, content.len() as u64);
    out.extend(content);
    out
}

/// CRC-32C (Castagnoli), rotated and offset as the record format wants it.
fn masked_crc(data: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in data {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnoli_masked() {
        // CRC-32C("123456789") = 0xe3069283, the check value of the algorithm's catalogue.
        let unmasked = masked_crc(b"123456789")
            .wrapping_sub(0xa282_ead8)
            .rotate_left(15);
        assert_eq!(unmasked, 0xe306_9283);
    }

    #[test]
    fn a_record_holds_its_length_and_its_scalar() {
        let dir = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(dir.path()).unwrap();
        events.scalars(300, &[("dev/loss", 0.5)]).unwrap();
        let content = std::fs::read(&events.path).unwrap();
        let first = u64::from_le_bytes(content[..8].try_into().unwrap()) as usize;
        let second = &content[first + 16..];
        let length = u64::from_le_bytes(second[..8].try_into().unwrap()) as usize;
        assert_eq!(second.len(), length + 16);
        let event = &second[12..12 + length];
        assert_eq!(event[9..12], [0x10, 0xac, 0x02], "step 300 as a varint");
        assert!(event.windows(8).any(|window| window == b"dev/loss"));
        assert!(
            event
                .windows(4)
                .any(|window| window == 0.5f32.to_le_bytes())
        );
    }
}
