//! Rising sequences of whole numbers in about two bits a number more than the logarithm of their
//! mean distance, any of them at hand (Elias 1974; Fano 1971; in blocks that fit their own
//! distances, Ottaviano & Venturini 2014).
//!
//! A directory holds the first number of each block of [`BLOCK`] and where the block lies. A block
//! holds the distances from its first number: the low bits of each side by side, the high ones in
//! unary, a one for each number behind a zero for each step of the high part.

use std::ops::Range;

use super::bits::{Writer, load, read};

/// Numbers of a block.
const BLOCK: usize = 128;

/// Numbers that are sooner read one after the other than searched.
const FEW: usize = 8;

/// Bytes before the directory: the widths of its two fields.
const HEAD: usize = 2;

/// Writes the sequence; its numbers never fall and have [`WIDEST`](super::bits::WIDEST) bits at
/// most. The writer stands at a whole byte before and after.
pub fn write(numbers: &[u64], to: &mut Writer) {
    let last = numbers.last().copied().unwrap_or(0);
    let bounds: Vec<u64> = numbers
        .iter()
        .step_by(BLOCK)
        .copied()
        .chain([last])
        .collect();
    let spans = || bounds.windows(2).map(|pair| Span::new(pair[0], pair[1]));
    let mut ends = 0;
    let mut places = vec![0];
    for (span, block) in spans().zip(numbers.chunks(BLOCK)) {
        ends += span.high_bytes() + (block.len() * span.low_bits as usize).div_ceil(8);
        places.push(ends as u64);
    }
    let number_bits = width(last);
    let place_bits = width(ends as u64);
    to.push(number_bits.into(), 8);
    to.push(place_bits.into(), 8);
    for (&bound, &place) in bounds.iter().zip(&places) {
        to.push(bound, number_bits);
        to.push(place, place_bits);
    }
    to.align();
    for (span, block) in spans().zip(numbers.chunks(BLOCK)) {
        let mut high = 0;
        for &number in block {
            let step = (number - span.first) >> span.low_bits;
            (high..step).for_each(|_| to.push(0, 1));
            high = step;
            to.push(1, 1);
        }
        (block.len() as u64 + high..span.high_bytes() as u64 * 8).for_each(|_| to.push(0, 1));
        for &number in block {
            to.push(
                (number - span.first) & ((1 << span.low_bits) - 1),
                span.low_bits,
            );
        }
        to.align();
    }
}

/// Bits of a number.
fn width(number: u64) -> u32 {
    u64::BITS - number.leading_zeros()
}

/// What the directory tells of a block.
#[derive(Clone, Copy)]
struct Span {
    first: u64,
    /// From the block's first number to the next block's.
    length: u64,
    low_bits: u32,
}

impl Span {
    #[inline(always)]
    fn new(first: u64, next: u64) -> Self {
        let length = next.saturating_sub(first);
        Self {
            first,
            length,
            low_bits: (length / BLOCK as u64).checked_ilog2().unwrap_or(0),
        }
    }

    /// Bytes of the unary part: a one for each number and a zero for each step.
    #[inline(always)]
    fn high_bytes(self) -> usize {
        (BLOCK + 1 + (self.length >> self.low_bits) as usize).div_ceil(8)
    }
}

/// Where a sequence lies among bytes.
#[derive(Clone, Copy, Debug)]
pub struct Rising {
    number_bits: u32,
    place_bits: u32,
    /// The bit at which the directory begins.
    directory: usize,
    /// The byte at which the blocks begin.
    blocks: usize,
}

impl Rising {
    /// The sequence of `length` numbers at a byte.
    pub fn new(bytes: &[u8], at: usize, length: usize) -> Self {
        let [number_bits, place_bits] =
            [0, 8].map(|bit| (read(bytes, at * 8 + bit, 8) as u32).min(57));
        let entry = (number_bits + place_bits) as usize;
        Self {
            number_bits,
            place_bits,
            directory: (at + HEAD) * 8,
            blocks: at + HEAD + ((length.div_ceil(BLOCK) + 1) * entry).div_ceil(8),
        }
    }

    /// The number at a place; outside, whatever is there.
    #[inline(always)]
    pub fn get(&self, bytes: &[u8], at: usize) -> u64 {
        let block = self.block(bytes, at / BLOCK);
        block.number(bytes, at % BLOCK, select(bytes, block.begin, at % BLOCK, 0))
    }

    /// The number at a place, and the next.
    #[inline(always)]
    pub fn pair(&self, bytes: &[u8], at: usize) -> (u64, u64) {
        let block = self.block(bytes, at / BLOCK);
        let within = at % BLOCK;
        let bit = select(bytes, block.begin, within, 0);
        let next = match block.next_one(bytes, bit) {
            Some(next) if within + 1 < BLOCK => block.number(bytes, within + 1, next),
            _ => self.get(bytes, at + 1),
        };
        (block.number(bytes, within, bit), next)
    }

    /// The place in `within` whose number exceeds that before `within` (0 before all) by `excess`;
    /// the numbers of `within` rise without pause.
    #[inline(always)]
    pub fn find_behind(&self, bytes: &[u8], within: Range<usize>, excess: u64) -> Option<usize> {
        let Some(before) = within.start.checked_sub(1) else {
            return self.find(bytes, within, excess);
        };
        let block = self.block(bytes, before / BLOCK);
        let mut bit = select(bytes, block.begin, before % BLOCK, 0);
        let number = block.number(bytes, before % BLOCK, bit) + excess;
        if within.len() <= FEW {
            let end = within.end.min(before - before % BLOCK + BLOCK);
            for at in within.start..end {
                let Some(next) = block.next_one(bytes, bit) else {
                    break;
                };
                bit = next;
                let found = block.number(bytes, at % BLOCK, bit);
                if found >= number {
                    return (found == number).then_some(at);
                }
            }
        }
        self.find(bytes, within, number)
    }

    /// The place of a number among those of `within`, which rise without pause.
    #[inline(always)]
    pub fn find(&self, bytes: &[u8], within: Range<usize>, number: u64) -> Option<usize> {
        if within.is_empty() {
            return None;
        }
        // The last block whose first number is not greater.
        let mut at = within.start / BLOCK;
        let mut size = (within.end - 1) / BLOCK + 1 - at;
        while size > 1 {
            let half = size / 2;
            if self.first(bytes, at + half) <= number {
                at += half;
            }
            size -= half;
        }
        let block = self.block(bytes, at);
        let distance = number
            .checked_sub(block.span.first)
            .filter(|&distance| distance <= block.span.length)?;
        let low_bits = block.span.low_bits;
        let high = (distance >> low_bits) as usize;
        let low = distance & ((1 << low_bits) - 1);
        // Behind the zero that ends the numbers with a smaller high part.
        let mut bit = match high {
            0 => 0,
            _ => select(bytes, block.begin, high - 1, u64::MAX) + 1,
        };
        while read(bytes, block.begin * 8 + bit, 1) == 1 {
            let found = bit - high;
            if block.low(bytes, found) == low {
                return Some(at * BLOCK + found).filter(|at| within.contains(at));
            }
            bit += 1;
        }
        None
    }

    #[inline(always)]
    fn first(&self, bytes: &[u8], block: usize) -> u64 {
        read(
            bytes,
            self.directory + block * self.entry(),
            self.number_bits,
        )
    }

    #[inline(always)]
    fn entry(&self) -> usize {
        (self.number_bits + self.place_bits) as usize
    }

    #[inline(always)]
    fn block(&self, bytes: &[u8], at: usize) -> Block {
        let bit = self.directory + at * self.entry();
        let place = read(bytes, bit + self.number_bits as usize, self.place_bits);
        let span = Span::new(self.first(bytes, at), self.first(bytes, at + 1));
        let begin = self.blocks + place as usize;
        Block {
            span,
            begin,
            lows: (begin + span.high_bytes()) * 8,
        }
    }
}

/// A block among bytes.
struct Block {
    span: Span,
    /// The byte at which its unary part begins.
    begin: usize,
    /// The bit at which its low bits begin.
    lows: usize,
}

impl Block {
    /// The number with an index, whose one is at `bit` of the unary part.
    #[inline(always)]
    fn number(&self, bytes: &[u8], index: usize, bit: usize) -> u64 {
        let high = (bit - index) as u64;
        self.span.first + (high << self.span.low_bits | self.low(bytes, index))
    }

    /// The one that follows a bit of the unary part, unless it is far.
    #[inline(always)]
    fn next_one(&self, bytes: &[u8], bit: usize) -> Option<usize> {
        let from = bit + 1;
        let rest = load(bytes, self.begin + from / 8) >> (from % 8);
        (rest != 0).then(|| from + rest.trailing_zeros() as usize)
    }

    #[inline(always)]
    fn low(&self, bytes: &[u8], index: usize) -> u64 {
        let bits = self.span.low_bits;
        read(bytes, self.lows + index * bits as usize, bits)
    }
}

/// The bit, counted from a byte, of the one with index `which`; of the zero if `flip` is all ones.
/// The number of bits looked at if there is none in as many as a block can have.
#[inline(always)]
fn select(bytes: &[u8], byte: usize, which: usize, flip: u64) -> usize {
    /// Bits of the longest unary part, in words.
    const WORDS: usize = (3 * BLOCK + 1).div_ceil(64);
    let mut left = which as u32;
    for word in 0..WORDS {
        let bits = load(bytes, byte + word * 8) ^ flip;
        let ones = bits.count_ones();
        if left < ones {
            return word * 64 + select_in_word(bits, left);
        }
        left -= ones;
    }
    WORDS * 64
}

/// The bit of the one with index `which`, which is there (Vigna 2008).
#[inline(always)]
fn select_in_word(bits: u64, which: u32) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let pairs = bits - ((bits >> 1) & (ONES * 0x55));
    let nibbles = (pairs & (ONES * 0x33)) + ((pairs >> 2) & (ONES * 0x33));
    // In each byte, the ones up to its end.
    let sums = ((nibbles + (nibbles >> 4)) & (ONES * 0x0f)).wrapping_mul(ONES);
    let byte = ((((u64::from(which) * ONES) | TOPS) - sums) & TOPS).count_ones() * 8;
    let before = (sums << 8) >> byte & 0xff;
    let own =
        SELECT_IN_BYTE[(bits >> byte & 0xff) as usize][(u64::from(which) - before) as usize & 7];
    byte as usize + own as usize
}

/// By byte and index, the bit of the one with that index.
static SELECT_IN_BYTE: [[u8; 8]; 256] = {
    let mut table = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut index) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                table[byte][index] = bit;
                index += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(numbers: &[u64]) -> (Vec<u8>, Rising) {
        let mut writer = Writer::default();
        writer.push(0xab, 8);
        write(numbers, &mut writer);
        let bytes = writer.finish();
        let rising = Rising::new(&bytes, 1, numbers.len());
        (bytes, rising)
    }

    /// Distances of all sizes, in stretches.
    fn distances() -> impl Strategy<Value = Vec<u64>> {
        let stretch = (0u32..24, 1usize..300)
            .prop_flat_map(|(bits, length)| prop::collection::vec(0u64..1 << bits, length));
        prop::collection::vec(stretch, 0..6).prop_map(|stretches| stretches.concat())
    }

    proptest! {
        #[test]
        fn every_number_is_at_hand(distances in distances()) {
            let numbers: Vec<u64> = distances.iter().scan(0, |sum, d| { *sum += d; Some(*sum) }).collect();
            let (bytes, rising) = written(&numbers);
            for (at, &number) in numbers.iter().enumerate() {
                prop_assert_eq!(rising.get(&bytes, at), number);
                if let Some(&next) = numbers.get(at + 1) {
                    prop_assert_eq!(rising.pair(&bytes, at), (number, next));
                }
            }
        }

        #[test]
        fn numbers_are_found_where_they_are_and_nowhere_else(distances in distances(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
            let numbers: Vec<u64> = distances.iter().scan(0, |sum, d| { *sum += d + 1; Some(*sum) }).collect();
            let (bytes, rising) = written(&numbers);
            let (from, to) = (from.index(numbers.len() + 1), to.index(numbers.len() + 1));
            let within = from.min(to)..from.max(to);
            for number in numbers.iter().flat_map(|n| [n - 1, *n, n + 1]) {
                let expected = numbers.binary_search(&number).ok().filter(|at| within.contains(at));
                prop_assert_eq!(rising.find(&bytes, within.clone(), number), expected);
                let before = within.start.checked_sub(1).map_or(0, |at| numbers[at]);
                for within in [within.clone(), within.start..within.end.min(within.start + 5)] {
                    if let Some(excess) = number.checked_sub(before) {
                        let expected = expected.filter(|at| within.contains(at));
                        prop_assert_eq!(rising.find_behind(&bytes, within, excess), expected);
                    }
                }
            }
        }

        #[test]
        fn the_ones_of_a_word_are_counted_off(bits in any::<u64>()) {
            let ones: Vec<usize> = (0..64).filter(|bit| bits >> bit & 1 == 1).collect();
            for (which, &bit) in (0..).zip(&ones) {
                prop_assert_eq!(select_in_word(bits, which), bit);
            }
        }

        #[test]
        fn bytes_that_are_no_sequence_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), length in 0usize..1000, number in any::<u64>()) {
            let rising = Rising::new(&bytes, 0, length);
            rising.get(&bytes, length);
            rising.pair(&bytes, length);
            rising.find_behind(&bytes, length / 2..length, number >> 8);
            rising.find(&bytes, 0..length, number);
        }
    }
}
