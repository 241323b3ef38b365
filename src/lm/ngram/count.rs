//! Stage 2: n-grams are counted.
//!
//! Input: the tokens of stage 1. Output: every n-gram of the highest order with its count, in
//! suffix order. A sentence begins behind as many `<s>` as the order needs, so that its first
//! words have n-grams too; it ends with the n-gram of `</s>`.

use rayon::prelude::*;

use super::super::Error;
use super::super::vocabulary::{END, START};
use super::key::{Key, Packing};
use super::radix;
use super::sort::{Merge, Sorter};
use super::spool::Workspace;
use super::tokens::Stream;

/// Counts the n-grams of `order` words.
pub fn count<K: Key>(
    stream: Stream,
    packing: Packing,
    order: usize,
    workspace: Workspace,
) -> Result<Merge<K, u32>, Error> {
    let threads = rayon::current_num_threads();
    let width = packing.width(order);
    // While a stretch is sorted it needs twice its keys, then as many counts; half of the memory
    // is for the runs.
    let size = 2 * threads * (2 * size_of::<K>() + size_of::<u32>());
    let even = stream.len().div_ceil(threads as u64) as usize + 1;
    let length = (workspace.memory / size).clamp(1 << 12, even.max(1 << 12));
    let start: K = packing.repeat(START, order);
    let mut sorter = Sorter::new(width, workspace);
    stream.for_each_stretch(length, threads, |stretches| {
        let runs: Vec<_> = stretches
            .par_iter()
            .map(|tokens| {
                let mut key = start;
                let mut keys = Vec::with_capacity(tokens.len());
                for &token in *tokens {
                    key = packing.push(key, token, order);
                    keys.push(key);
                    if token == END {
                        key = start;
                    }
                }
                radix::sort(&mut keys, &mut vec![(); tokens.len()], width);
                run_lengths(keys)
            })
            .collect();
        runs.into_iter()
            .try_for_each(|(keys, counts)| sorter.push_run(keys, counts))
    })?;
    sorter.finish()
}

/// Each key once, with its count.
fn run_lengths<K: Key>(mut keys: Vec<K>) -> (Vec<K>, Vec<u32>) {
    let mut counts: Vec<u32> = Vec::new();
    for at in 0..keys.len() {
        let key = keys[at];
        match counts.last_mut() {
            Some(count) if keys[at - 1] == key => *count = count.saturating_add(1),
            _ => counts.push(1),
        }
        // `counts.len() - 1 <= at`, and places up to `at - 1` are not looked at again.
        let place = counts.len() - 1;
        if place < at {
            keys[place] = key;
        }
    }
    keys.truncate(counts.len());
    (keys, counts)
}
