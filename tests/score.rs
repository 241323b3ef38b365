//! Scoring against jiwer and sclite, and `hearken score` as a user runs it.

use hearken::score::{Costs, ErrorCounts};

/// The generator of tests/golden/score/pairs.py.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }

    fn word(&mut self, vocabulary: u64) -> &'static str {
        const VOCABULARY: [&str; 16] = [
            "a", "ab", "b", "ba", "abc", "c", "cab", "bb", "d", "dad", "e", "bed", "f", "fade",
            "g", "h",
        ];
        VOCABULARY[self.below(vocabulary) as usize]
    }

    /// A reference and a hypothesis, drawn as pairs.py draws them.
    fn pair(&mut self) -> (Vec<&'static str>, Vec<&'static str>) {
        let vocabulary = [2, 3, 6, 16][self.below(4) as usize];
        let reference: Vec<_> = (0..self.below(16)).map(|_| self.word(vocabulary)).collect();
        let mut hypothesis = Vec::new();
        if self.below(2) == 0 {
            hypothesis.extend((0..self.below(16)).map(|_| self.word(vocabulary)));
        } else {
            for &word in &reference {
                match self.below(10) {
                    0..6 => hypothesis.push(word),
                    6 | 7 => hypothesis.push(self.word(vocabulary)),
                    8 => hypothesis.extend([word, self.word(vocabulary)]),
                    _ => {}
                }
            }
        }
        (reference, hypothesis)
    }
}

fn parts(counts: ErrorCounts) -> String {
    const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    [counts.substitutions, counts.deletions, counts.insertions]
        .map(|count| char::from(DIGITS[count as usize]))
        .iter()
        .collect()
}

#[test]
fn the_parts_are_jiwers_and_sclites_on_5000_random_pairs() {
    let golden = include_str!("golden/score/parts.txt").lines().skip(1);
    let mut lcg = Lcg(2013);
    let mut pairs = 0;
    for line in golden {
        let (reference, hypothesis) = lcg.pair();
        let (reference, hypothesis) = (reference.join(" "), hypothesis.join(" "));
        let ours = [
            ErrorCounts::words(&reference, &hypothesis, Costs::Levenshtein),
            ErrorCounts::characters(&reference, &hypothesis, Costs::Levenshtein),
            ErrorCounts::words(&reference, &hypothesis, Costs::Sclite),
        ];
        let ours = ours.map(parts).join(" ");
        assert_eq!(
            ours, line,
            "pair {pairs}: \"{reference}\" and \"{hypothesis}\""
        );
        pairs += 1;
    }
    assert_eq!(pairs, 5000);
}
