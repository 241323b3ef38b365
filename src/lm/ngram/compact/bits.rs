//! Fields of any number of bits, one after the other, least significant bit first.

/// Bytes behind the last field, so that every field can be read with eight bytes at once.
pub const MARGIN: usize = 8;

/// The widest field.
pub const WIDEST: u32 = 57;

/// Writes fields.
#[derive(Default)]
pub struct Writer {
    bytes: Vec<u8>,
    pending: u64,
    filled: u32,
}

impl Writer {
    /// Appends the lowest `width` bits of a value, `width` at most [`WIDEST`].
    #[inline]
    pub fn push(&mut self, value: u64, width: u32) {
        debug_assert!(width <= WIDEST && value >> width == 0);
        self.pending |= value << self.filled;
        self.filled += width;
        while self.filled >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.filled -= 8;
        }
    }

    /// Fills the last byte up.
    pub fn align(&mut self) {
        if self.filled > 0 {
            self.push(0, 8 - self.filled);
        }
    }

    /// Bytes written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes, with a margin.
    pub fn finish(mut self) -> Vec<u8> {
        self.align();
        self.bytes.resize(self.bytes.len() + MARGIN, 0);
        self.bytes
    }
}

/// Reads the field at `bit`; 0 outside the bytes.
#[inline(always)]
pub fn read(bytes: &[u8], bit: usize, width: u32) -> u64 {
    (load(bytes, bit >> 3) >> (bit & 7)) & ((1 << width) - 1)
}

/// The eight bytes from `byte` on; 0 outside the bytes.
#[inline(always)]
pub fn load(bytes: &[u8], byte: usize) -> u64 {
    match bytes.get(byte..).and_then(|rest| rest.first_chunk()) {
        Some(word) => u64::from_le_bytes(*word),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_read_back(fields in prop::collection::vec((any::<u64>(), 0u32..=56), 0..50)) {
            let mut writer = Writer::default();
            for &(value, width) in &fields {
                writer.push(value & ((1 << width) - 1), width);
            }
            let bytes = writer.finish();
            let mut at = 0;
            for (value, width) in fields {
                prop_assert_eq!(read(&bytes, at, width), value & ((1 << width) - 1));
                at += width as usize;
            }
            prop_assert_eq!(read(&bytes, bytes.len() * 8, 8), 0);
        }
    }
}
