//! Minimum edit distance alignment of two sequences.

use serde::Serialize;

use super::ErrorCounts;

/// What an edit costs, and which of several cheapest alignments is chosen: the split into
/// substitutions, deletions and insertions depends on both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Costs {
    /// 1 for each: the fewest edits, hence the lowest error rate. Of equal alignments the one that
    /// `jiwer` (RapidFuzz's bit-parallel backtrace) chooses, so that the parts agree with it.
    #[default]
    Levenshtein,
    /// 4 for a substitution, 3 for a deletion or an insertion, and of equal alignments the one that
    /// NIST's `sclite` chooses. Three substitutions cost as much as two deletions and two
    /// insertions, so the count of edits can be higher than Levenshtein's.
    Sclite,
}

/// One step of an alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// The same on both sides.
    Correct,
    /// A reference item recognised as another.
    Substitution,
    /// A reference item that the hypothesis lacks.
    Deletion,
    /// A hypothesis item that the reference lacks.
    Insertion,
}

/// An alignment: operations in the order of both sequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alignment {
    operations: Vec<Operation>,
}

impl Alignment {
    /// The operations, first to last.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// How many of each.
    pub fn counts(&self) -> ErrorCounts {
        let mut counts = ErrorCounts::default();
        for operation in &self.operations {
            match operation {
                Operation::Correct => counts.correct += 1,
                Operation::Substitution => counts.substitutions += 1,
                Operation::Deletion => counts.deletions += 1,
                Operation::Insertion => counts.insertions += 1,
            }
        }
        counts
    }

    /// The operations with the items they concern: reference on the left, hypothesis on the right.
    pub fn pairs<'a, T>(
        &self,
        reference: &'a [T],
        hypothesis: &'a [T],
    ) -> impl Iterator<Item = (Operation, Option<&'a T>, Option<&'a T>)> {
        let (mut reference, mut hypothesis) = (reference.iter(), hypothesis.iter());
        self.operations
            .iter()
            .map(move |&operation| match operation {
                Operation::Deletion => (operation, reference.next(), None),
                Operation::Insertion => (operation, None, hypothesis.next()),
                _ => (operation, reference.next(), hypothesis.next()),
            })
    }
}

/// Beyond this many cells the problem is cut in two (Hirschberg 1975), which takes memory in
/// proportion to the sequences' lengths instead of their product.
const MAX_CELLS: usize = 1 << 26;

/// Aligns a hypothesis with its reference at the lowest total cost.
///
/// Time is the product of the lengths; memory a byte for each cell of the common middle, at most
/// 64 MiB. Beyond that (about 8,000 items a side) the cost is still the lowest and the result the
/// same every time, but which of several cheapest alignments is chosen is not `jiwer`'s or
/// `sclite`'s any more.
pub fn align<T: PartialEq>(reference: &[T], hypothesis: &[T], costs: Costs) -> Alignment {
    let mut operations = Vec::with_capacity(reference.len().max(hypothesis.len()));
    match costs {
        Costs::Levenshtein => {
            // RapidFuzz takes the common ends off first; with unit costs that keeps the distance,
            // but it decides which of the equal alignments is found.
            let (prefix, suffix) = common_affixes(reference, hypothesis);
            operations.resize(prefix, Operation::Correct);
            let middle = |items: &'_ [T]| prefix..items.len() - suffix;
            solve(
                &reference[middle(reference)],
                &hypothesis[middle(hypothesis)],
                costs,
                MAX_CELLS,
                &mut operations,
            );
            operations.resize(operations.len() + suffix, Operation::Correct);
        }
        Costs::Sclite => solve(reference, hypothesis, costs, MAX_CELLS, &mut operations),
    }
    Alignment { operations }
}

/// Lengths of the common prefix and of the common suffix of what is left.
fn common_affixes<T: PartialEq>(a: &[T], b: &[T]) -> (usize, usize) {
    let prefix = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[prefix..], &b[prefix..]);
    let suffix = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    (prefix, suffix)
}

impl Costs {
    /// Cost of a substitution.
    fn substitution(self) -> u32 {
        match self {
            Self::Levenshtein => 1,
            Self::Sclite => 4,
        }
    }

    /// Cost of a deletion and of an insertion.
    fn indel(self) -> u32 {
        match self {
            Self::Levenshtein => 1,
            Self::Sclite => 3,
        }
    }

    /// One cell of the recurrence: the lowest cost and the step that is taken there, from the costs
    /// of its three neighbours.
    #[inline]
    fn step(self, same: bool, diagonal: u32, up: u32, left: u32) -> (u32, Operation) {
        let matched = diagonal + if same { 0 } else { self.substitution() };
        let (deleted, inserted) = (up + self.indel(), left + self.indel());
        let lowest = matched.min(deleted).min(inserted);
        let pair = if same {
            Operation::Correct
        } else {
            Operation::Substitution
        };
        let operation = match self {
            Self::Levenshtein => {
                // An insertion counts before a pair only where the row before it was cheaper than
                // the diagonal: RapidFuzz's test of the vertical negative delta.
                if lowest == deleted {
                    Operation::Deletion
                } else if lowest == inserted && lowest == diagonal {
                    Operation::Insertion
                } else {
                    pair
                }
            }
            Self::Sclite => {
                if lowest == matched {
                    pair
                } else if deleted < inserted {
                    Operation::Deletion
                } else {
                    Operation::Insertion
                }
            }
        };
        (lowest, operation)
    }
}

fn solve<T: PartialEq>(
    reference: &[T],
    hypothesis: &[T],
    costs: Costs,
    max_cells: usize,
    out: &mut Vec<Operation>,
) {
    let cells = reference.len().saturating_mul(hypothesis.len());
    if cells > max_cells && reference.len() > 1 {
        let (head, tail) = reference.split_at(reference.len() / 2);
        let forward = last_row(head.iter(), hypothesis.len(), |j| &hypothesis[j], costs);
        let last = hypothesis.len().saturating_sub(1);
        let backward = last_row(
            tail.iter().rev(),
            hypothesis.len(),
            |j| &hypothesis[last - j],
            costs,
        );
        let total = |j: &usize| forward[*j] + backward[hypothesis.len() - j];
        let split = (0..=hypothesis.len()).min_by_key(total).unwrap_or(0);
        solve(head, &hypothesis[..split], costs, max_cells, out);
        solve(tail, &hypothesis[split..], costs, max_cells, out);
    } else {
        solve_whole(reference, hypothesis, costs, out);
    }
}

/// The costs of aligning all of `reference` with every prefix of the hypothesis.
fn last_row<'a, T: PartialEq + 'a>(
    reference: impl Iterator<Item = &'a T>,
    len: usize,
    hypothesis: impl Fn(usize) -> &'a T,
    costs: Costs,
) -> Vec<u32> {
    let mut row: Vec<u32> = (0..=len as u32).map(|j| j * costs.indel()).collect();
    for item in reference {
        let mut diagonal = row[0];
        row[0] += costs.indel();
        for j in 0..len {
            let same = item == hypothesis(j);
            let (cost, _) = costs.step(same, diagonal, row[j + 1], row[j]);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row
}

fn solve_whole<T: PartialEq>(
    reference: &[T],
    hypothesis: &[T],
    costs: Costs,
    out: &mut Vec<Operation>,
) {
    let (rows, columns) = (reference.len(), hypothesis.len());
    let mut steps = vec![Operation::Correct; rows * columns];
    let mut row: Vec<u32> = (0..=columns as u32).map(|j| j * costs.indel()).collect();
    for (i, item) in reference.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] += costs.indel();
        for (j, other) in hypothesis.iter().enumerate() {
            let (cost, operation) = costs.step(item == other, diagonal, row[j + 1], row[j]);
            steps[i * columns + j] = operation;
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }

    let start = out.len();
    let (mut i, mut j) = (rows, columns);
    while i > 0 || j > 0 {
        let operation = match (i, j) {
            (0, _) => Operation::Insertion,
            (_, 0) => Operation::Deletion,
            _ => steps[(i - 1) * columns + j - 1],
        };
        i -= usize::from(operation != Operation::Insertion);
        j -= usize::from(operation != Operation::Deletion);
        out.push(operation);
    }
    out[start..].reverse();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The slow twin: the lowest cost by trying every alignment.
    fn lowest_cost(reference: &[u8], hypothesis: &[u8], costs: Costs) -> u32 {
        match (reference, hypothesis) {
            ([], rest) | (rest, []) => rest.len() as u32 * costs.indel(),
            ([r, rs @ ..], [h, hs @ ..]) => {
                let pair = if r == h { 0 } else { costs.substitution() };
                (lowest_cost(rs, hs, costs) + pair)
                    .min(lowest_cost(rs, hypothesis, costs) + costs.indel())
                    .min(lowest_cost(reference, hs, costs) + costs.indel())
            }
        }
    }

    fn cost(alignment: &Alignment, costs: Costs) -> u32 {
        let counts = alignment.counts();
        counts.substitutions as u32 * costs.substitution()
            + (counts.deletions + counts.insertions) as u32 * costs.indel()
    }

    /// Every operation says the truth about the two sequences, and all of both is used.
    fn check_consistent(alignment: &Alignment, reference: &[u8], hypothesis: &[u8]) {
        let (mut left, mut right) = (Vec::<u8>::new(), Vec::<u8>::new());
        for (operation, r, h) in alignment.pairs(reference, hypothesis) {
            match operation {
                Operation::Correct => assert_eq!(r.unwrap(), h.unwrap()),
                Operation::Substitution => assert_ne!(r.unwrap(), h.unwrap()),
                Operation::Deletion => assert!(r.is_some() && h.is_none()),
                Operation::Insertion => assert!(r.is_none() && h.is_some()),
            }
            left.extend(r);
            right.extend(h);
        }
        assert_eq!(left, reference);
        assert_eq!(right, hypothesis);
    }

    #[test]
    fn each_operation_is_found() {
        use Operation::{Correct as C, Deletion as D, Insertion as I, Substitution as S};
        for costs in [Costs::Levenshtein, Costs::Sclite] {
            let operations = |r: &str, h: &str| {
                align(r.as_bytes(), h.as_bytes(), costs)
                    .operations()
                    .to_vec()
            };
            assert_eq!(operations("", ""), []);
            assert_eq!(operations("ab", ""), [D, D]);
            assert_eq!(operations("", "ab"), [I, I]);
            assert_eq!(operations("abc", "abc"), [C, C, C]);
            assert_eq!(operations("abc", "axc"), [C, S, C]);
            assert_eq!(operations("abc", "ac"), [C, D, C]);
            assert_eq!(operations("ac", "abc"), [C, I, C]);
        }
    }

    #[test]
    fn sclite_prefers_a_deletion_and_an_insertion_to_two_substitutions() {
        let (reference, hypothesis) = (["a", "b"], ["b", "x"]);
        let parts = |costs| {
            let counts = align(&reference, &hypothesis, costs).counts();
            (counts.substitutions, counts.deletions, counts.insertions)
        };
        assert_eq!(parts(Costs::Levenshtein), (2, 0, 0));
        assert_eq!(parts(Costs::Sclite), (0, 1, 1));
    }

    #[test]
    fn an_hour_of_characters_aligns_in_bounded_memory() {
        let reference: Vec<u32> = (0..12_000).map(|i| i * 7919 % 29).collect();
        let mut hypothesis = reference.clone();
        hypothesis.remove(11_000);
        hypothesis[6_000] = 99;
        hypothesis.insert(500, 99);
        let counts = align(&reference, &hypothesis, Costs::Levenshtein).counts();
        assert_eq!(
            (counts.substitutions, counts.deletions, counts.insertions),
            (1, 1, 1)
        );
        assert_eq!(counts.correct, 11_998);
    }

    proptest! {
        #[test]
        fn the_cost_is_the_lowest_of_all_alignments(
            reference in prop::collection::vec(0u8..3, 0..7),
            hypothesis in prop::collection::vec(0u8..3, 0..7),
        ) {
            for costs in [Costs::Levenshtein, Costs::Sclite] {
                let alignment = align(&reference, &hypothesis, costs);
                check_consistent(&alignment, &reference, &hypothesis);
                prop_assert_eq!(
                    cost(&alignment, costs),
                    lowest_cost(&reference, &hypothesis, costs)
                );
            }
        }

        #[test]
        fn cutting_in_two_keeps_the_cost(
            reference in prop::collection::vec(0u8..5, 0..60),
            hypothesis in prop::collection::vec(0u8..5, 0..60),
            max_cells in 1usize..200,
        ) {
            for costs in [Costs::Levenshtein, Costs::Sclite] {
                let mut operations = Vec::new();
                solve(&reference, &hypothesis, costs, max_cells, &mut operations);
                let cut = Alignment { operations };
                check_consistent(&cut, &reference, &hypothesis);
                let whole = align(&reference, &hypothesis, costs);
                prop_assert_eq!(cost(&cut, costs), cost(&whole, costs));
            }
        }
    }
}
