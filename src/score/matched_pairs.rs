//! The matched pairs sentence-segment word error test (MAPSSWE; Gillick & Cox 1989, "Some
//! statistical issues in the comparison of speech recognition algorithms"), as NIST's `sc_stats`
//! computes it.

use serde::Serialize;

use super::{Alignment, Operation};

/// Two systems' errors in one segment: a stretch of an utterance in which at least one erred,
/// bounded by words that both have right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Errors of the first system.
    pub first: u32,
    /// Errors of the second system.
    pub second: u32,
}

/// So many words in a row that both systems have right end a segment: enough for a trigram to have
/// forgotten what was before, so that segments are independent.
const BOUNDARY: u32 = 2;

/// Cuts one utterance into segments, from the alignments of two hypotheses with one reference.
pub fn segments(first: &Alignment, second: &Alignment) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut open = Segment {
        first: 0,
        second: 0,
    };
    let mut right = 0;
    let (mut first, mut second) = (Errors::of(first), Errors::of(second));
    loop {
        // Both are asked before either is looked at: at the end each counts its insertions.
        let (a, b) = (first.next(), second.next());
        let (Some(a), Some(b)) = (a, b) else { break };
        let inserted = a.inserted + b.inserted > 0;
        let wrong = a.wrong || b.wrong;
        open.first += a.inserted + u32::from(a.wrong);
        open.second += b.inserted + u32::from(b.wrong);
        right = match (inserted, wrong) {
            (_, true) => 0,
            (true, false) => 1,
            (false, false) => right + 1,
        };
        if right >= BOUNDARY && open.first + open.second > 0 {
            segments.push(std::mem::replace(
                &mut open,
                Segment {
                    first: 0,
                    second: 0,
                },
            ));
        }
    }
    open.first += first.trailing;
    open.second += second.trailing;
    if open.first + open.second > 0 {
        segments.push(open);
    }
    segments
}

/// The errors at one reference word: insertions before it, and whether it is wrong itself.
struct AtWord {
    inserted: u32,
    wrong: bool,
}

/// An alignment word by word of its reference; afterwards `trailing` has the insertions after the
/// last.
struct Errors<'a> {
    operations: std::slice::Iter<'a, Operation>,
    trailing: u32,
}

impl<'a> Errors<'a> {
    fn of(alignment: &'a Alignment) -> Self {
        Self {
            operations: alignment.operations().iter(),
            trailing: 0,
        }
    }

    fn next(&mut self) -> Option<AtWord> {
        let mut inserted = 0;
        for &operation in self.operations.by_ref() {
            if operation == Operation::Insertion {
                inserted += 1;
            } else {
                return Some(AtWord {
                    inserted,
                    wrong: operation != Operation::Correct,
                });
            }
        }
        self.trailing += inserted;
        None
    }
}

/// The test's result.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mapsswe {
    /// How many segments.
    pub segments: usize,
    /// Mean over segments of the first system's errors minus the second's; negative if the first
    /// is better.
    pub mean: f64,
    /// Standard deviation of that difference.
    pub deviation: f64,
    /// The mean in units of its standard error; normally distributed if the systems are equal.
    pub z: f64,
    /// Two-sided p-value.
    pub p_value: f64,
}

/// Tests whether the mean difference of errors over all segments is 0.
pub fn mapsswe(segments: &[Segment]) -> Mapsswe {
    let count = segments.len() as f64;
    let difference = |segment: &Segment| f64::from(segment.first) - f64::from(segment.second);
    let mean = segments.iter().map(difference).sum::<f64>() / count.max(1.0);
    let squares: f64 = segments
        .iter()
        .map(|s| (difference(s) - mean).powi(2))
        .sum();
    let deviation = if squares > 0.0 {
        (squares / (count - 1.0)).sqrt()
    } else {
        0.0
    };
    let z = if deviation > 0.0 {
        mean / (deviation / count.sqrt())
    } else {
        0.0
    };
    let p_value = erfc(z.abs() / std::f64::consts::SQRT_2);
    Mapsswe {
        segments: segments.len(),
        mean,
        deviation,
        z,
        p_value,
    }
}

/// The complementary error function of `x ≥ 0`, to a relative 1.2e-7 (Press et al., "Numerical
/// Recipes", section 6.2).
fn erfc(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 10] = [
        0.170_872_77,
        -0.822_152_23,
        1.488_515_87,
        -1.135_203_98,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_68,
        -1.265_512_23,
    ];
    let t = 1.0 / (1.0 + 0.5 * x);
    let polynomial = COEFFICIENTS
        .iter()
        .fold(0.0, |sum, coefficient| sum * t + coefficient);
    t * (polynomial - x * x).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::{Costs, align};

    fn cut(reference: &str, first: &str, second: &str) -> Vec<(u32, u32)> {
        let of = |hypothesis: &str| {
            let reference: Vec<_> = reference.split_whitespace().collect();
            let hypothesis: Vec<_> = hypothesis.split_whitespace().collect();
            align(&reference, &hypothesis, Costs::Sclite)
        };
        segments(&of(first), &of(second))
            .iter()
            .map(|s| (s.first, s.second))
            .collect()
    }

    #[test]
    fn two_right_words_end_a_segment_and_one_does_not() {
        assert_eq!(
            cut("a b c d e f", "x b c d e f", "a b c x e f"),
            [(1, 0), (0, 1)]
        );
        assert_eq!(cut("a b c d e f", "x b c d e f", "a b x d e f"), [(1, 1)]);
        assert_eq!(cut("a b c d e f", "x b c d e f", "a x c d e f"), [(1, 1)]);
        assert_eq!(cut("a b c d", "x b y d", "a b c d"), [(2, 0)]);
        assert_eq!(cut("a b c d", "a b c d", "a b c d"), []);
    }

    #[test]
    fn insertions_count_where_they_stand() {
        assert_eq!(cut("a b c d", "a b c d x", "a b c d"), [(1, 0)]);
        assert_eq!(cut("a b c d", "x a b c d y", "a b c d"), [(1, 0), (1, 0)]);
        assert_eq!(cut("a b c d", "a x b y c d", "a b c d"), [(2, 0)]);
        assert_eq!(cut("", "a b", "c"), [(2, 1)]);
    }

    #[test]
    fn equal_systems_do_not_differ() {
        let result = mapsswe(
            &[Segment {
                first: 1,
                second: 1,
            }; 5],
        );
        assert_eq!((result.segments, result.z), (5, 0.0));
        assert!((result.p_value - 1.0).abs() < 1e-6);
        assert_eq!(mapsswe(&[]).segments, 0);
    }

    /// Two-sided p-values of the normal distribution, from its tables.
    #[test]
    fn the_p_value_is_the_normal_one() {
        for (z, p) in [
            (0.0, 1.0),
            (1.0, 0.317_310_5),
            (1.959_964, 0.05),
            (3.290_527, 0.001),
        ] {
            assert!((erfc(z / std::f64::consts::SQRT_2) - p).abs() < 1e-6, "{z}");
        }
    }
}
