//! A bit a place, and how many are set before it (Jacobson 1989): the contexts among the n-grams.
//!
//! Every [`BLOCK`] bits stand behind the number of those set before them.

use super::bits::{Writer, load};

/// Bits of a block.
const BLOCK: usize = 256;

/// Bytes of the number that stands before each block.
const COUNT: usize = 4;

/// Writes the bits. The writer stands at a whole byte before and after.
pub fn write(marks: &[bool], to: &mut Writer) {
    let mut before = 0;
    for block in marks.chunks(BLOCK) {
        to.push(before, COUNT as u32 * 8);
        for &mark in block {
            to.push(mark.into(), 1);
            before += u64::from(mark);
        }
        (block.len()..BLOCK).for_each(|_| to.push(0, 1));
    }
}

/// How many bits are set before one, if that is set itself. `begin` is the byte at which they begin.
#[inline(always)]
pub fn rank(bytes: &[u8], begin: usize, at: usize) -> Option<u32> {
    let block = begin + at / BLOCK * (COUNT + BLOCK / 8);
    let within = at % BLOCK;
    let word = |word: usize| load(bytes, block + COUNT + word * 8);
    let last = word(within / 64);
    if last >> (within % 64) & 1 == 0 {
        return None;
    }
    let before = load(bytes, block) as u32;
    let words: u32 = (0..within / 64).map(|at| word(at).count_ones()).sum();
    let own = (last & ((1 << (within % 64)) - 1)).count_ones();
    Some(before.wrapping_add(words + own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_bit_knows_how_many_come_before(marks in prop::collection::vec(any::<bool>(), 0..2000)) {
            let mut writer = Writer::default();
            writer.push(0xab, 8);
            write(&marks, &mut writer);
            let bytes = writer.finish();
            let mut before = 0;
            for (at, &mark) in marks.iter().enumerate() {
                prop_assert_eq!(rank(&bytes, 1, at), mark.then_some(before));
                before += u32::from(mark);
            }
        }
    }
}
