//! A model's bytes, wherever they are. The one place that maps a file.

use std::fs::File;
use std::ops::Deref;

/// Bytes that stay where they are.
pub enum Bytes {
    /// Embedded in the program.
    Embedded(&'static [u8]),
    /// In memory.
    Owned(Vec<u8>),
    /// In a mapped file.
    Mapped(memmap2::Mmap),
}

impl Bytes {
    /// Maps a file.
    pub fn map(file: &File) -> std::io::Result<Self> {
        // SAFETY: a mapping is sound as long as nobody changes or shortens the file under it. Models
        // are written beside their place and renamed over it, never in place, so an open model keeps
        // the file it has mapped; who edits a model's bytes in place while it is in use is warned
        // by the documentation of `NGram::open`. All reads go through checked slices, and no value
        // read is trusted as an index without a check.
        unsafe { memmap2::Mmap::map(file) }.map(Self::Mapped)
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Embedded(bytes) => bytes,
            Self::Owned(bytes) => bytes,
            Self::Mapped(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_file_has_the_bytes_that_reading_it_gives() {
        let path = file!();
        let read = Bytes::Owned(std::fs::read(path).unwrap());
        let mapped = Bytes::map(&File::open(path).unwrap()).unwrap();
        assert_eq!(*read, *mapped);
    }
}
