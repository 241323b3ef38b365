//! Utterances of a speaker chained to one, as a long recording holds them.

use std::collections::BTreeMap;

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::train::Rng;

/// The `[augment.concatenation]` table: a network that has only heard utterances one by one is lost
/// where one ends and the next begins; it learns from chains what a long recording sounds like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Concatenation {
    /// Fraction of the utterances that an epoch chains, in (0, 1].
    pub fraction: f64,
    /// Longest chain, frames; the limit of each is drawn from a quarter of this upwards.
    pub frames: usize,
    /// First epoch (from 1) with chains.
    #[serde(default = "first_epoch")]
    pub from_epoch: usize,
}

fn first_epoch() -> usize {
    1
}

impl Concatenation {
    /// Refuses impossible values.
    ///
    /// # Errors
    /// [`Error::Config`] with the key.
    pub fn check(&self) -> Result<(), Error> {
        if !(self.fraction > 0.0 && self.fraction <= 1.0) {
            return Err(Error::Config(
                "`augment.concatenation.fraction` must be in (0, 1]".into(),
            ));
        }
        if self.frames == 0 || self.from_epoch == 0 {
            return Err(Error::Config(
                "`augment.concatenation.frames` and `from-epoch` must be at least 1".into(),
            ));
        }
        Ok(())
    }

    /// Chains some of the utterances with `lengths` frames said by `speakers`; the result holds each
    /// index once. Neighbours in a chain are of one speaker, but for the last of one and the first of
    /// the next. No chain of several is longer than [`Self::frames`].
    pub fn chains(
        &self,
        epoch: usize,
        lengths: &[usize],
        speakers: &[&str],
        rng: &mut Rng,
    ) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        if epoch + 1 < self.from_epoch {
            return order.into_iter().map(|index| vec![index]).collect();
        }
        order.shuffle(rng);
        let alone = order.split_off((self.fraction * lengths.len() as f64).round() as usize);
        let mut place: BTreeMap<&str, u32> = BTreeMap::new();
        for &index in &order {
            place.entry(speakers[index]).or_insert_with(|| rng.random());
        }
        order.sort_by_key(|&index| place.get(speakers[index]));

        let mut chains: Vec<Vec<usize>> = alone.into_iter().map(|index| vec![index]).collect();
        let mut chain: Vec<usize> = Vec::new();
        let (mut frames, mut limit) = (0, 0);
        for index in order {
            if frames + lengths[index] > limit {
                chains.push(std::mem::take(&mut chain));
                frames = 0;
                limit = rng.random_range(self.frames / 4..=self.frames);
            }
            frames += lengths[index];
            chain.push(index);
        }
        chains.push(chain);
        chains.retain(|chain| !chain.is_empty());
        chains
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::stream;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_utterance_is_in_one_chain_within_the_limit(
            lengths in proptest::collection::vec(1usize..300, 0..200),
            fraction in 0.01f64..=1.0,
            seed in any::<u64>(),
        ) {
            let concatenation = Concatenation { fraction, frames: 500, from_epoch: 2 };
            let names: Vec<String> = (0..lengths.len()).map(|i| format!("s{}", i % 7)).collect();
            let speakers: Vec<&str> = names.iter().map(String::as_str).collect();
            let rng = &mut stream(seed, "test", 0, 0);
            let chains = concatenation.chains(1, &lengths, &speakers, rng);
            let mut seen = chains.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            let chained: usize = chains.iter().filter(|c| c.len() > 1).map(Vec::len).sum();
            prop_assert!(chained <= (fraction * lengths.len() as f64).round() as usize);
            for chain in &chains {
                let frames: usize = chain.iter().map(|&i| lengths[i]).sum();
                prop_assert!(frames <= 500 || chain.len() == 1);
            }
            let before = concatenation.chains(0, &lengths, &speakers, rng);
            prop_assert!(before.iter().all(|chain| chain.len() == 1));
        }
    }

    #[test]
    fn a_chain_keeps_to_its_speaker_until_there_is_no_more_of_it() {
        let lengths = [10; 400];
        let speakers: Vec<&str> = (0..400).map(|i| ["a", "b", "c", "d"][i % 4]).collect();
        let concatenation = Concatenation {
            fraction: 1.0,
            frames: 100,
            from_epoch: 1,
        };
        let chains = concatenation.chains(0, &lengths, &speakers, &mut stream(1, "t", 0, 0));
        let changes = chains
            .iter()
            .flat_map(|chain| chain.windows(2))
            .filter(|pair| speakers[pair[0]] != speakers[pair[1]])
            .count();
        assert!(changes <= 3, "{changes}");
        assert!(chains.iter().any(|chain| chain.len() > 5));
    }
}
