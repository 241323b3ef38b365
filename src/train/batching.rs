//! Batches by a frame budget.

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use serde::{Deserialize, Serialize};

use super::Rng;

/// In which order an epoch visits its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchOrder {
    /// Utterances of like length together, the batches in a random order, the largest first: if
    /// memory is short, it is short in the first step and not late in the epoch.
    Shuffled,
    /// From the shortest utterance to the longest, as a first epoch likes it (the curriculum of
    /// Deep Speech 2, Amodei et al. 2016, section 3.3).
    ShortestFirst,
}

/// Groups utterances of like length into batches of at most `budget` frames in all.
///
/// `lengths` are frames per utterance; the result holds indices into it, each exactly once, longest
/// first within a batch. An utterance longer than the budget is a batch of its own. Lengths are
/// compared after a random stretch of ±8% when shuffled, so batches differ from epoch to epoch;
/// [`batches_by_length`] is the other order.
pub fn batches(
    lengths: &[usize],
    budget: usize,
    order: BatchOrder,
    rng: &mut Rng,
) -> Vec<Vec<usize>> {
    match order {
        BatchOrder::ShortestFirst => batches_by_length(lengths, budget),
        BatchOrder::Shuffled => {
            let mut all = cut(lengths, budget, || rng.random_range(0.92..1.08));
            all.shuffle(rng);
            let frames = |batch: &Vec<usize>| batch.iter().map(|&i| lengths[i]).sum::<usize>();
            let largest = (0..all.len()).max_by_key(|&i| (frames(&all[i]), usize::MAX - i));
            if let Some(largest) = largest {
                all.swap(0, largest);
            }
            all
        }
    }
}

/// [`batches`] from the shortest utterance to the longest: for a first epoch, and wherever the order
/// does not matter.
pub fn batches_by_length(lengths: &[usize], budget: usize) -> Vec<Vec<usize>> {
    cut(lengths, budget, || 1.0)
}

/// Sorts by length times `stretch` and cuts at the budget; within a batch the longest comes first.
fn cut(lengths: &[usize], budget: usize, mut stretch: impl FnMut() -> f64) -> Vec<Vec<usize>> {
    let mut keyed: Vec<(f64, usize)> = lengths
        .iter()
        .enumerate()
        .map(|(index, &length)| (length as f64 * stretch(), index))
        .collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));

    let mut all: Vec<Vec<usize>> = Vec::new();
    let mut batch = Vec::new();
    let mut frames = 0;
    for (_, index) in keyed {
        if !batch.is_empty() && frames + lengths[index] > budget {
            all.push(std::mem::take(&mut batch));
            frames = 0;
        }
        frames += lengths[index];
        batch.push(index);
    }
    if !batch.is_empty() {
        all.push(batch);
    }
    for batch in &mut all {
        batch.sort_by_key(|&index| (std::cmp::Reverse(lengths[index]), index));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::stream;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_utterance_is_in_one_batch_within_the_budget(
            lengths in proptest::collection::vec(1usize..500, 0..200),
            budget in 1usize..2000,
            shuffled in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let order = if shuffled { BatchOrder::Shuffled } else { BatchOrder::ShortestFirst };
            let all = batches(&lengths, budget, order, &mut stream(seed, "test", 0, 0));
            let mut seen: Vec<usize> = all.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in &all {
                let frames: usize = batch.iter().map(|&i| lengths[i]).sum();
                prop_assert!(frames <= budget || batch.len() == 1);
                prop_assert!(batch.windows(2).all(|pair| lengths[pair[0]] >= lengths[pair[1]]));
            }
        }
    }

    #[test]
    fn the_largest_batch_comes_first_when_shuffled() {
        let lengths: Vec<usize> = (1..300).collect();
        let all = batches(
            &lengths,
            900,
            BatchOrder::Shuffled,
            &mut stream(7, "t", 0, 0),
        );
        let frames: Vec<usize> = all
            .iter()
            .map(|batch| batch.iter().map(|&i| lengths[i]).sum())
            .collect();
        assert_eq!(frames.iter().max(), frames.first());
        assert!(frames.windows(2).any(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn the_shortest_come_first_in_a_curriculum_epoch() {
        let lengths = [9, 2, 5, 1, 8, 3];
        let all = batches(
            &lengths,
            6,
            BatchOrder::ShortestFirst,
            &mut stream(7, "t", 0, 0),
        );
        assert_eq!(all, vec![vec![5, 1, 3], vec![2], vec![4], vec![0]]);
    }
}
