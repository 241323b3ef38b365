//! How the softmax over a vocabulary is cut into smaller ones.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::lm::Error;

/// Which softmax stands on top. Tokens are numbered by frequency, so all three are cuts of one row
/// of tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
pub enum SoftmaxConfig {
    /// One softmax over all tokens.
    #[default]
    Full,
    /// The most frequent tokens and one stand-in for each group of rarer ones compete first, then
    /// the tokens of a group (Grave et al. 2017, "Efficient softmax approximation for GPUs", without
    /// smaller dimensions for the rare).
    Adaptive {
        /// Tokens before each group, rising.
        cutoffs: Vec<usize>,
    },
    /// Every token is of one class; classes have like frequency together (Mikolov et al. 2011,
    /// "Extensions of recurrent neural network language model", section 4; the square roots of
    /// frequencies are cut evenly, as later versions of his toolkit do).
    Classes {
        /// How many.
        classes: usize,
    },
}

/// A softmax in two steps: first over the `head` most frequent tokens and the stand-ins of the
/// groups, then over the tokens of a group. The rows of the output's table are first the stand-ins,
/// then the tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// First token of each group, and `V` at the end; `[V]` alone is the full softmax.
    bounds: Vec<usize>,
}

/// Where a token is decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Column of the first softmax: the token's, or its group's stand-in.
    pub head: usize,
    /// The group and the column within it.
    pub tail: Option<(usize, usize)>,
}

impl Partition {
    /// The cut of `counts.len()` tokens, which occur as often as `counts` says.
    ///
    /// Fails at cutoffs that do not rise below the size of the vocabulary, or at more classes than
    /// tokens.
    pub fn new(config: &SoftmaxConfig, counts: &[u64]) -> Result<Self, Error> {
        let tokens = counts.len();
        let mut bounds = match config {
            SoftmaxConfig::Full => Vec::new(),
            SoftmaxConfig::Adaptive { cutoffs } => cutoffs.clone(),
            SoftmaxConfig::Classes { classes } => even_cuts(counts, *classes),
        };
        let rising = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        let last = bounds.last().copied();
        if !rising || last.is_some_and(|last| last >= tokens) {
            return Err(Error::Option(format!(
                "`model.softmax` cuts {tokens} tokens at {bounds:?}: give cutoffs that rise and stay below that, or fewer classes"
            )));
        }
        bounds.push(tokens);
        Ok(Self { bounds })
    }

    /// The cut that a model was trained with.
    pub fn from_bounds(bounds: Vec<usize>) -> Option<Self> {
        let rising = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        (rising && !bounds.is_empty()).then_some(Self { bounds })
    }

    /// First token of each group, and `V` at the end.
    pub fn bounds(&self) -> &[usize] {
        &self.bounds
    }

    /// `V`, tokens of the vocabulary.
    pub fn tokens(&self) -> usize {
        self.bounds[self.groups()]
    }

    /// Groups.
    pub fn groups(&self) -> usize {
        self.bounds.len() - 1
    }

    /// Rows of the output's table: a stand-in for each group, then all tokens.
    pub fn rows(&self) -> usize {
        self.groups() + self.tokens()
    }

    /// The table's rows of each softmax: the head first, then the groups.
    pub fn blocks(&self) -> Vec<Range<usize>> {
        let groups = self.groups();
        let head = 0..groups + self.bounds[0];
        let tail = |pair: &[usize]| groups + pair[0]..groups + pair[1];
        std::iter::once(head)
            .chain(self.bounds.windows(2).map(tail))
            .collect()
    }

    /// Where a token is decided.
    pub fn place(&self, token: u32) -> Place {
        let token = token as usize;
        let group = self.bounds.partition_point(|&bound| bound <= token);
        if group == 0 {
            return Place {
                head: self.groups() + token,
                tail: None,
            };
        }
        Place {
            head: group - 1,
            tail: Some((group - 1, token - self.bounds[group - 1])),
        }
    }

    /// What is to be expected of each row before anything was read: the logarithm of its share in
    /// the text, every token counted once more than it occurs.
    pub fn log_shares(&self, counts: &[u64]) -> Vec<f32> {
        let sum = |range: Range<usize>| counts[range].iter().map(|count| count + 1).sum::<u64>();
        let all = sum(0..counts.len()) as f64;
        let share = |count: u64| (count as f64 / all).ln() as f32;
        let groups = self
            .bounds
            .windows(2)
            .map(|pair| share(sum(pair[0]..pair[1])));
        let tokens = counts.iter().map(|count| share(count + 1));
        groups.chain(tokens).collect()
    }
}

/// The first tokens of `classes` classes of about the same sum of square roots of counts, each of
/// one token at least.
fn even_cuts(counts: &[u64], classes: usize) -> Vec<usize> {
    let roots: Vec<f64> = counts.iter().map(|&count| (count as f64).sqrt()).collect();
    let all: f64 = roots.iter().sum();
    let mut cuts = vec![0];
    let mut sum = 0.0;
    for (token, root) in roots.iter().enumerate() {
        if sum >= all * cuts.len() as f64 / classes as f64 && cuts.len() < classes {
            cuts.push(token);
        }
        sum += root;
    }
    cuts.dedup();
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_softmax_is_one_block() {
        let partition = Partition::new(&SoftmaxConfig::Full, &[5; 7]).unwrap();
        assert_eq!(
            (partition.blocks().len(), &partition.blocks()[0]),
            (1, &(0..7))
        );
        let place = Place {
            head: 6,
            tail: None,
        };
        assert_eq!(partition.place(6), place);
    }

    #[test]
    fn rare_tokens_stand_behind_their_group() {
        let cutoffs = vec![3, 5];
        let partition = Partition::new(&SoftmaxConfig::Adaptive { cutoffs }, &[5; 9]).unwrap();
        assert_eq!(partition.blocks(), [0..5, 5..7, 7..11]);
        assert_eq!(
            partition.place(2),
            Place {
                head: 4,
                tail: None
            }
        );
        let place = Place {
            head: 1,
            tail: Some((1, 3)),
        };
        assert_eq!(partition.place(8), place);
    }

    #[test]
    fn classes_hold_every_token_once_and_the_rare_ones_are_many() {
        let counts: Vec<u64> = (1..=1000).map(|rank| 100_000 / rank).collect();
        let partition = Partition::new(&SoftmaxConfig::Classes { classes: 30 }, &counts).unwrap();
        let blocks = partition.blocks();
        assert_eq!(blocks.len(), 31);
        assert_eq!(blocks[0], 0..30);
        assert_eq!(blocks[1].start, 30);
        assert_eq!(blocks[30].end, 1030);
        assert!(blocks[30].len() > 3 * blocks[1].len());
    }

    #[test]
    fn impossible_cuts_are_refused() {
        for cutoffs in [vec![4, 4], vec![9], vec![10]] {
            let config = SoftmaxConfig::Adaptive { cutoffs };
            let message = Partition::new(&config, &[1; 9]).unwrap_err().to_string();
            assert!(message.contains("cuts 9 tokens"), "{message}");
        }
    }

    #[test]
    fn the_shares_of_each_softmax_are_those_of_the_text() {
        let cutoffs = vec![1, 2];
        let counts = [7, 3, 1, 1];
        let partition = Partition::new(&SoftmaxConfig::Adaptive { cutoffs }, &counts).unwrap();
        let shares: Vec<f32> = partition
            .log_shares(&counts)
            .iter()
            .map(|x| x.exp())
            .collect();
        let head: f32 = shares[..3].iter().sum();
        assert!((head - 1.0).abs() < 1e-6);
        assert!((shares[1] - shares[4] - shares[5]).abs() < 1e-6);
    }
}
