//! Sorting of packed n-grams, digit by digit from the least significant.
//!
//! Input: keys and what belongs to each, any order. Output: the same by rising key, equal keys in
//! the order in which they came. Time is the same for any distribution of words, which for
//! language is as uneven as can be.

use super::key::Key;

/// Digits of at most this many bits: so many write positions stay in the second-level cache.
const DIGIT: u32 = 11;

/// Sorts by the lowest `bits` bits of the keys. Both slices have one length.
pub fn sort<K: Key, V: Copy>(keys: &mut Vec<K>, values: &mut Vec<V>, bits: u32) {
    let passes = bits.div_ceil(DIGIT).max(1);
    let digit = bits.div_ceil(passes).max(1);
    let buckets = 1 << digit;
    let mask = buckets as u32 - 1;
    let of = |key: K, pass: u32| (key.down(pass * digit).low() & mask) as usize;
    let mut counts = vec![0usize; buckets * passes as usize];
    for &key in keys.iter() {
        for (pass, counts) in (0..passes).zip(counts.chunks_exact_mut(buckets)) {
            counts[of(key, pass)] += 1;
        }
    }
    let mut other_keys = keys.clone();
    let mut other_values = values.clone();
    for (pass, counts) in (0..passes).zip(counts.chunks_exact_mut(buckets)) {
        if counts.contains(&keys.len()) {
            continue; // one digit throughout: nothing would move
        }
        let mut sum = 0;
        for count in counts.iter_mut() {
            sum += std::mem::replace(count, sum);
        }
        for (&key, &value) in keys.iter().zip(values.iter()) {
            let place = &mut counts[of(key, pass)];
            other_keys[*place] = key;
            other_values[*place] = value;
            *place += 1;
        }
        std::mem::swap(keys, &mut other_keys);
        std::mem::swap(values, &mut other_values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_stable_sort_does(mut keys in prop::collection::vec(0u64..1 << 40, 0..500), narrow in 1u32..40) {
            for key in &mut keys {
                *key &= (1 << narrow) - 1;
            }
            let mut values: Vec<usize> = (0..keys.len()).collect();
            let mut expected: Vec<_> = keys.iter().copied().zip(values.iter().copied()).collect();
            expected.sort_by_key(|&(key, _)| key);
            let mut wide: Vec<u128> = keys.iter().map(|&key| key.into()).collect();
            let mut wide_values = values.clone();
            sort(&mut keys, &mut values, narrow);
            sort(&mut wide, &mut wide_values, narrow);
            prop_assert_eq!(keys.iter().copied().zip(values.iter().copied()).collect::<Vec<_>>(), expected);
            prop_assert_eq!(wide.iter().map(|&key| key as u64).collect::<Vec<_>>(), keys);
            prop_assert_eq!(wide_values, values);
        }
    }
}
