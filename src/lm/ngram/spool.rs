//! A sequence of records that is written once and read once, in memory or in a temporary file.
//!
//! Input: keys with their values, in any order. Output: the same, in the same order.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;

use super::super::Error;
use super::key::Key;

/// Records held at a time of a spool that lies in a file.
const CHUNK: usize = 1 << 14;

/// What belongs to an n-gram in one stage.
pub trait Value: Copy + Send + Sync + std::fmt::Debug + 'static {
    /// Its size in a file.
    const BYTES: usize;
    /// Appends its bytes.
    fn write(self, to: &mut Vec<u8>);
    /// Reads what `write` wrote.
    fn read(from: &[u8]) -> Self;
    /// The one value of two records with one key.
    fn combine(self, other: Self) -> Self;
}

/// A count; two of them add up and stay at the largest number there is.
impl Value for u32 {
    const BYTES: usize = 4;
    fn write(self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.to_le_bytes());
    }
    fn read(from: &[u8]) -> Self {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(from);
        u32::from_le_bytes(bytes)
    }
    fn combine(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

/// A probability or a weight; every key has one.
impl Value for f32 {
    const BYTES: usize = 4;
    fn write(self, to: &mut Vec<u8>) {
        self.to_bits().write(to);
    }
    fn read(from: &[u8]) -> Self {
        f32::from_bits(u32::read(from))
    }
    fn combine(self, _: Self) -> Self {
        self
    }
}

/// A probability and a weight; every key has one pair.
impl Value for (f32, f32) {
    const BYTES: usize = 8;
    fn write(self, to: &mut Vec<u8>) {
        self.0.write(to);
        self.1.write(to);
    }
    fn read(from: &[u8]) -> Self {
        (f32::read(&from[..4]), f32::read(&from[4..]))
    }
    fn combine(self, _: Self) -> Self {
        self
    }
}

/// Where temporary files go, and how much memory a stage may hold.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// A folder with room.
    pub folder: PathBuf,
    /// Bytes.
    pub memory: usize,
}

impl Workspace {
    /// The same folder and a share of the memory.
    pub fn share(&self, parts: usize) -> Self {
        Self {
            folder: self.folder.clone(),
            memory: self.memory / parts.max(1),
        }
    }

    pub(super) fn error(&self, source: std::io::Error) -> Error {
        let folder = self.folder.clone();
        Error::Temporary { folder, source }
    }

    pub(super) fn file(&self) -> Result<File, Error> {
        tempfile::tempfile_in(&self.folder).map_err(|source| self.error(source))
    }
}

/// A spool being written.
pub struct Spool<K, V> {
    workspace: Workspace,
    keys: Vec<K>,
    values: Vec<V>,
    /// Records that may be held.
    limit: usize,
    file: Option<File>,
    in_file: u64,
}

impl<K: Key, V: Value> Spool<K, V> {
    /// An empty spool that holds up to `workspace.memory` bytes before it turns to a file.
    pub fn new(workspace: Workspace) -> Self {
        Self {
            limit: (workspace.memory / (size_of::<K>() + size_of::<V>())).max(CHUNK),
            workspace,
            keys: Vec::new(),
            values: Vec::new(),
            file: None,
            in_file: 0,
        }
    }

    /// Appends a record.
    #[inline]
    pub fn push(&mut self, key: K, value: V) -> Result<(), Error> {
        self.keys.push(key);
        self.values.push(value);
        if self.keys.len() >= self.limit {
            self.limit = CHUNK;
            self.spill()?;
        }
        Ok(())
    }

    /// Ends the writing.
    pub fn finish(mut self) -> Result<Reader<K, V>, Error> {
        if self.file.is_some() {
            self.spill()?;
        }
        if let Some(file) = &mut self.file {
            file.rewind()
                .map_err(|source| self.workspace.error(source))?;
        }
        Ok(Reader {
            keys: self.keys,
            values: self.values,
            at: 0,
            file: self.file,
            left: self.in_file,
            workspace: self.workspace,
        })
    }

    /// Moves what is held to the file.
    fn spill(&mut self) -> Result<(), Error> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(self.workspace.file()?),
        };
        let mut bytes = Vec::new();
        for chunk in 0..self.keys.len().div_ceil(CHUNK) {
            let end = self.keys.len().min((chunk + 1) * CHUNK);
            bytes.clear();
            for at in chunk * CHUNK..end {
                self.keys[at].write(&mut bytes);
                self.values[at].write(&mut bytes);
            }
            file.write_all(&bytes)
                .map_err(|source| self.workspace.error(source))?;
        }
        self.in_file += self.keys.len() as u64;
        self.keys = Vec::new();
        self.values = Vec::new();
        Ok(())
    }
}

/// A spool being read.
pub struct Reader<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
    at: usize,
    file: Option<File>,
    /// Records of the file still to be read.
    left: u64,
    workspace: Workspace,
}

impl<K: Key, V: Value> Reader<K, V> {
    /// Records in memory, as if they had been spooled.
    pub fn from_memory(keys: Vec<K>, values: Vec<V>, workspace: Workspace) -> Self {
        Self {
            keys,
            values,
            at: 0,
            file: None,
            left: 0,
            workspace,
        }
    }

    /// Bytes of memory held now.
    pub fn held(&self) -> usize {
        self.keys.capacity() * size_of::<K>() + self.values.capacity() * size_of::<V>()
    }

    /// Moves all records to a file, to free their memory.
    pub fn into_file(self) -> Result<Self, Error> {
        let mut spool = Spool {
            keys: self.keys,
            values: self.values,
            ..Spool::new(self.workspace)
        };
        spool.spill()?;
        spool.finish()
    }

    /// The next record.
    #[inline]
    pub fn pull(&mut self) -> Result<Option<(K, V)>, Error> {
        if self.at == self.keys.len() && !self.refill()? {
            return Ok(None);
        }
        let record = (self.keys[self.at], self.values[self.at]);
        self.at += 1;
        Ok(Some(record))
    }

    fn refill(&mut self) -> Result<bool, Error> {
        self.keys.clear();
        self.values.clear();
        self.at = 0;
        let Some(file) = &mut self.file else {
            return Ok(false);
        };
        let count = self.left.min(CHUNK as u64) as usize;
        let size = K::BYTES + V::BYTES;
        let mut bytes = vec![0; count * size];
        file.read_exact(&mut bytes)
            .map_err(|source| self.workspace.error(source))?;
        for record in bytes.chunks_exact(size) {
            self.keys.push(K::read(&record[..K::BYTES]));
            self.values.push(V::read(&record[K::BYTES..]));
        }
        self.left -= count as u64;
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_gives_back_what_it_got_from_memory_and_from_a_file() {
        let records = 3 * CHUNK + 5;
        for memory in [usize::MAX / 2, 0] {
            let folder = std::env::temp_dir();
            let mut spool = Spool::new(Workspace { folder, memory });
            for i in 0..records {
                spool.push(i as u64 * 7, (i as f32, -1.5)).unwrap();
            }
            assert_eq!(spool.file.is_some(), memory == 0);
            let mut reader = spool.finish().unwrap();
            for i in 0..records {
                assert_eq!(
                    reader.pull().unwrap(),
                    Some((i as u64 * 7, (i as f32, -1.5)))
                );
            }
            assert_eq!(reader.pull().unwrap(), None);
            assert_eq!(reader.pull().unwrap(), None);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = PathBuf::from("/nowhere/at/all");
        let mut spool = Spool::new(Workspace { folder, memory: 0 });
        let error = (0..=CHUNK as u32).find_map(|i| spool.push(u64::from(i), i).err());
        let message = error.unwrap().to_string();
        assert!(
            message.contains("/nowhere/at/all") && message.contains("--temporary"),
            "{message}"
        );
    }
}
