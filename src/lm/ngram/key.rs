//! An n-gram as one integer.
//!
//! Words are packed in `bits` each. In *suffix order* the last word is the most significant, then
//! the one before it: sorting puts n-grams with the same end side by side, and the key of the
//! n-gram without its first word is the same key shifted. In *context order* the last word moves to
//! the least significant place: sorting puts the n-grams of one context side by side, the contexts
//! in their own suffix order. In *reading order* the first word is the most significant.

use super::super::Error;

/// An unsigned integer that holds an n-gram.
pub trait Key: Copy + Ord + Send + Sync + std::fmt::Debug + 'static {
    /// Its size.
    const BITS: u32;
    /// Its size in bytes.
    const BYTES: usize = Self::BITS as usize / 8;
    /// All bits zero.
    const ZERO: Self;
    /// From a word's number.
    fn from_word(word: u32) -> Self;
    /// The lowest 32 bits.
    fn low(self) -> u32;
    /// Shifts towards the low bits; a shift by all bits gives zero.
    fn down(self, bits: u32) -> Self;
    /// Shifts towards the high bits; a shift by all bits gives zero.
    fn up(self, bits: u32) -> Self;
    /// The bits of both.
    fn or(self, other: Self) -> Self;
    /// The lowest `bits` bits.
    fn lowest(self, bits: u32) -> Self;
    /// The number of the highest bit in which two keys differ.
    fn highest_difference(self, other: Self) -> Option<u32>;
    /// Appends its bytes, least significant first.
    fn write(self, to: &mut Vec<u8>);
    /// Reads what `write` wrote.
    fn read(from: &[u8]) -> Self;
}

macro_rules! key {
    ($integer:ty) => {
        impl Key for $integer {
            const BITS: u32 = <$integer>::BITS;
            const ZERO: Self = 0;
            fn from_word(word: u32) -> Self {
                word.into()
            }
            fn low(self) -> u32 {
                self as u32
            }
            fn down(self, bits: u32) -> Self {
                self.checked_shr(bits).unwrap_or(0)
            }
            fn up(self, bits: u32) -> Self {
                self.checked_shl(bits).unwrap_or(0)
            }
            fn or(self, other: Self) -> Self {
                self | other
            }
            fn lowest(self, bits: u32) -> Self {
                self & !<$integer>::MAX.up(bits)
            }
            fn highest_difference(self, other: Self) -> Option<u32> {
                (self ^ other).checked_ilog2()
            }
            fn write(self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
            fn read(from: &[u8]) -> Self {
                let mut bytes = [0; <$integer>::BITS as usize / 8];
                bytes.copy_from_slice(from);
                Self::from_le_bytes(bytes)
            }
        }
    };
}

key!(u64);
key!(u128);

/// How words are packed in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Bits a word.
    pub bits: u32,
}

impl Packing {
    /// The packing for `words` numbered words. Fails if an n-gram of `order` words would not fit
    /// in 128 bits.
    pub fn new(words: usize, order: usize) -> Result<Self, Error> {
        let bits = (words.max(2) - 1).ilog2() + 1;
        let limit = u128::BITS;
        let needed = bits.saturating_mul(order as u32);
        if needed > limit {
            let bits = needed;
            return Err(Error::KeyTooLong {
                order,
                words,
                bits,
                limit,
            });
        }
        Ok(Self { bits })
    }

    /// Bits of an n-gram.
    pub fn width(self, order: usize) -> u32 {
        self.bits * order as u32
    }

    /// The key of `<s> … <s>`, from which `push` starts a sentence.
    pub fn repeat<K: Key>(self, word: u32, order: usize) -> K {
        (0..order).fold(K::ZERO, |key, _| self.push(key, word, order))
    }

    /// Suffix order: drops the first word and appends one.
    #[inline]
    pub fn push<K: Key>(self, key: K, word: u32, order: usize) -> K {
        key.down(self.bits)
            .or(K::from_word(word).up(self.width(order - 1)))
    }

    /// Suffix order: the n-gram without its first word, which is one shorter.
    #[inline]
    pub fn suffix<K: Key>(self, key: K) -> K {
        key.down(self.bits)
    }

    /// Suffix order: the word at `position` from the start.
    #[inline]
    pub fn word<K: Key>(self, key: K, position: usize) -> u32 {
        key.down(self.width(position)).lowest(self.bits).low()
    }

    /// Suffix order: all words, in reading order.
    pub fn words<K: Key>(self, key: K, order: usize) -> impl Iterator<Item = u32> {
        (0..order).map(move |position| self.word(key, position))
    }

    /// From suffix order to context order.
    #[inline]
    pub fn suffix_to_context_order<K: Key>(self, key: K, order: usize) -> K {
        let context = self.width(order - 1);
        key.lowest(context).up(self.bits).or(key.down(context))
    }

    /// From context order to suffix order.
    #[inline]
    pub fn context_to_suffix_order<K: Key>(self, key: K, order: usize) -> K {
        key.down(self.bits)
            .or(key.lowest(self.bits).up(self.width(order - 1)))
    }

    /// Context order: the context, in its own suffix order.
    #[inline]
    pub fn context<K: Key>(self, key: K) -> K {
        key.down(self.bits)
    }

    /// Context order: the last word.
    #[inline]
    pub fn last<K: Key>(self, key: K) -> u32 {
        key.lowest(self.bits).low()
    }

    /// Reading order: the key of words in reading order.
    #[inline]
    pub fn reading_order<K: Key>(self, words: impl Iterator<Item = u32>) -> K {
        words.fold(K::ZERO, |key, word| {
            key.up(self.bits).or(K::from_word(word))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pack<K: Key>(packing: Packing, words: &[u32]) -> K {
        words
            .iter()
            .fold(K::ZERO, |key, &word| packing.push(key, word, words.len()))
    }

    #[test]
    fn too_many_bits_are_refused_with_the_fix() {
        assert_eq!(Packing::new(4, 3).unwrap().bits, 2);
        assert_eq!(Packing::new(5, 3).unwrap().bits, 3);
        let message = Packing::new(200_000, 8).unwrap_err().to_string();
        assert!(
            message.contains("144 bits") && message.contains("--vocab"),
            "{message}"
        );
    }

    proptest! {
        #[test]
        fn orders_are_rearrangements_of_the_same_words(words in prop::collection::vec(0u32..1 << 16, 1..8)) {
            let order = words.len();
            let packing = Packing::new(1 << 16, order).unwrap();
            let key: u128 = pack(packing, &words);
            prop_assert_eq!(packing.words(key, order).collect::<Vec<_>>(), words.clone());
            let context = packing.suffix_to_context_order(key, order);
            prop_assert_eq!(packing.last(context), words[order - 1]);
            prop_assert_eq!(packing.context(context), pack::<u128>(packing, &words[..order - 1]));
            prop_assert_eq!(packing.context_to_suffix_order(context, order), key);
            prop_assert_eq!(packing.suffix(key), pack::<u128>(packing, &words[1..]));
            let reading: u128 = packing.reading_order(words.iter().copied());
            let back = packing.words(reading, order).collect::<Vec<_>>();
            prop_assert_eq!(back.into_iter().rev().collect::<Vec<_>>(), words.clone());
            if order <= 4 {
                let small: u64 = pack(packing, &words);
                prop_assert_eq!(u128::from(small), key);
            }
        }

        #[test]
        fn suffix_order_compares_last_words_first(a in prop::collection::vec(0u32..8, 3), b in prop::collection::vec(0u32..8, 3)) {
            let packing = Packing::new(8, 3).unwrap();
            let reversed = |words: &[u32]| words.iter().rev().copied().collect::<Vec<_>>();
            prop_assert_eq!(
                pack::<u64>(packing, &a).cmp(&pack::<u64>(packing, &b)),
                reversed(&a).cmp(&reversed(&b))
            );
        }
    }
}
