//! Sorting of more n-grams than memory holds.
//!
//! Input: records in any order. Output: the records by rising key, those with one key combined.
//! Blocks are sorted in memory, as many at a time as there are threads; runs beyond the memory
//! go to temporary files; all are merged as they are read.

use rayon::prelude::*;

use super::super::Error;
use super::key::Key;
use super::radix;
use super::spool::{Reader, Value, Workspace};

/// Records of a block if memory allows: enough to make merging cheap, few enough to share out.
const BLOCK: usize = 1 << 22;

/// Records being gathered and sorted.
pub struct Sorter<K, V> {
    workspace: Workspace,
    /// Bits of a key that can differ.
    bits: u32,
    block: usize,
    filling: Block<K, V>,
    waiting: Vec<Block<K, V>>,
    runs: Vec<Reader<K, V>>,
}

struct Block<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
}

impl<K: Key, V: Value> Sorter<K, V> {
    /// A sorter by the lowest `bits` bits of the keys, within `workspace.memory` bytes.
    pub fn new(bits: u32, workspace: Workspace) -> Self {
        // A block needs its double while it is sorted; half of the memory is for runs.
        let size = 4 * rayon::current_num_threads() * (size_of::<K>() + size_of::<V>());
        let block = (workspace.memory / size).clamp(1 << 12, BLOCK);
        Self {
            workspace,
            bits,
            block,
            filling: Block::new(),
            waiting: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Adds a record.
    #[inline]
    pub fn push(&mut self, key: K, value: V) -> Result<(), Error> {
        self.filling.keys.push(key);
        self.filling.values.push(value);
        if self.filling.keys.len() == self.block {
            let full = std::mem::replace(&mut self.filling, Block::new());
            self.waiting.push(full);
            if self.waiting.len() == rayon::current_num_threads() {
                self.sort_waiting()?;
            }
        }
        Ok(())
    }

    /// Adds records that are sorted already and have each key once.
    pub fn push_run(&mut self, keys: Vec<K>, values: Vec<V>) -> Result<(), Error> {
        let mut run = Reader::from_memory(keys, values, self.workspace.clone());
        let held: usize = self.runs.iter().map(Reader::held).sum();
        if held + run.held() > self.workspace.memory / 2 {
            run = run.into_file()?;
        }
        self.runs.push(run);
        Ok(())
    }

    /// Ends the gathering.
    pub fn finish(mut self) -> Result<Merge<K, V>, Error> {
        let last = std::mem::replace(&mut self.filling, Block::new());
        if !last.keys.is_empty() {
            self.waiting.push(last);
        }
        self.sort_waiting()?;
        Merge::new(self.runs)
    }

    fn sort_waiting(&mut self) -> Result<(), Error> {
        let bits = self.bits;
        self.waiting
            .par_iter_mut()
            .for_each(|block| block.sort(bits));
        for block in std::mem::take(&mut self.waiting) {
            self.push_run(block.keys, block.values)?;
        }
        Ok(())
    }
}

impl<K: Key, V: Value> Block<K, V> {
    fn new() -> Self {
        Self {
            keys: Vec::new(),
            values: Vec::new(),
        }
    }

    fn sort(&mut self, bits: u32) {
        radix::sort(&mut self.keys, &mut self.values, bits);
        let mut kept = 0;
        for at in 1..self.keys.len() {
            if self.keys[at] == self.keys[kept] {
                self.values[kept] = self.values[kept].combine(self.values[at]);
            } else {
                kept += 1;
                self.keys[kept] = self.keys[at];
                self.values[kept] = self.values[at];
            }
        }
        let kept = self.keys.len().min(kept + 1);
        self.keys.truncate(kept);
        self.values.truncate(kept);
    }
}

/// Several sorted runs read as one: a tree of losers, in which the next record costs one
/// comparison a level (Knuth, The Art of Computer Programming, volume 3, 5.4.1).
pub struct Merge<K, V> {
    runs: Vec<Reader<K, V>>,
    heads: Vec<Option<(K, V)>>,
    /// `losers[0]` is the run with the smallest head; the others lost at their node.
    losers: Vec<usize>,
}

impl<K: Key, V: Value> Merge<K, V> {
    fn new(mut runs: Vec<Reader<K, V>>) -> Result<Self, Error> {
        let heads = runs
            .iter_mut()
            .map(Reader::pull)
            .collect::<Result<Vec<_>, _>>()?;
        let count = heads.len();
        let mut merge = Self {
            runs,
            heads,
            losers: vec![0; count.max(1)],
        };
        // Plays the whole tournament once: node n has the children 2n and 2n + 1, leaves from `count`.
        let mut winners = vec![0; 2 * count.max(1)];
        for run in 0..count {
            winners[count + run] = run;
        }
        for node in (1..count).rev() {
            let (left, right) = (winners[2 * node], winners[2 * node + 1]);
            let left_wins = merge.before(left, right);
            winners[node] = if left_wins { left } else { right };
            merge.losers[node] = if left_wins { right } else { left };
        }
        merge.losers[0] = winners[1.min(winners.len() - 1)];
        Ok(merge)
    }

    /// The next key and its combined value.
    #[inline]
    pub fn pull(&mut self) -> Result<Option<(K, V)>, Error> {
        let Some((key, mut value)) = self.pull_one()? else {
            return Ok(None);
        };
        while let Some((next, more)) = self.heads[self.losers[0]]
            && next == key
        {
            value = value.combine(more);
            self.pull_one()?;
        }
        Ok(Some((key, value)))
    }

    #[inline]
    fn pull_one(&mut self) -> Result<Option<(K, V)>, Error> {
        let mut winner = self.losers[0];
        let Some(record) = self.heads.get(winner).copied().flatten() else {
            return Ok(None);
        };
        self.heads[winner] = self.runs[winner].pull()?;
        let mut node = (winner + self.runs.len()) / 2;
        while node > 0 {
            if self.before(self.losers[node], winner) {
                std::mem::swap(&mut self.losers[node], &mut winner);
            }
            node /= 2;
        }
        self.losers[0] = winner;
        Ok(Some(record))
    }

    /// Whether run `a` comes before run `b`: by its head, ended runs last.
    #[inline]
    fn before(&self, a: usize, b: usize) -> bool {
        match (&self.heads[a], &self.heads[b]) {
            (Some((a, _)), Some((b, _))) => a < b,
            (head, _) => head.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn sorted(records: &[(u64, u32)], memory: usize, run: usize) -> Vec<(u64, u32)> {
        let folder = std::env::temp_dir();
        let mut sorter = Sorter::new(40, Workspace { folder, memory });
        sorter.block = run;
        for &(key, value) in records {
            sorter.push(key, value).unwrap();
        }
        let mut merge = sorter.finish().unwrap();
        std::iter::from_fn(|| merge.pull().unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_number_of_runs_in_memory_or_files_merges_to_the_sums(
            records in prop::collection::vec((0u64..60, 1u32..5), 0..200),
            run in 1usize..70,
            memory in prop::sample::select(vec![0usize, 300, 1 << 20]),
        ) {
            let mut expected = BTreeMap::new();
            for &(key, value) in &records {
                *expected.entry(key).or_insert(0) += value;
            }
            prop_assert_eq!(sorted(&records, memory, run), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
