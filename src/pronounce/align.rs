//! Many-to-many alignment of letters with phones by expectation maximisation (Bisani & Ney 2008,
//! section 2.2, with a unigram over graphones; Jiampojamarn, Kondrak & Sherif 2007).
//!
//! Input: words with their phones. Output: for each the most probable sequence of graphones.

use rayon::prelude::*;

use super::graphone::{Graphone, SHAPES, is_letter};
use crate::text::Lexicon;

/// Rounds of expectation maximisation; more change no alignment in a thousand.
const ROUNDS: usize = 8;

/// To this power goes the probability of a graphone with two letters or two phones: it takes the
/// place of two others. Otherwise what has fewer graphones would win, and `ba:B b:AE.B` would be
/// better than `b:B a:AE b:B`.
const LONG: i32 = 2;

/// Entries that one sum runs over. Fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 16384;

/// One entry of a lexicon in numbers.
struct Entry {
    letters: Vec<usize>,
    phones: Vec<usize>,
}

/// Numbers for all graphones that can be: shape after shape.
struct Units {
    letters: usize,
    phones: usize,
}

impl Units {
    fn len(&self) -> usize {
        let Self { letters, phones } = self;
        letters * (1 + phones + phones * phones + letters * phones)
    }

    /// From this number on graphones have two letters or two phones.
    fn first_long(&self) -> usize {
        self.letters * (1 + self.phones)
    }

    /// The number of a graphone of one of the [`SHAPES`].
    #[inline]
    fn of(&self, letters: &[usize], phones: &[usize]) -> usize {
        let (l, p) = (self.letters, self.phones);
        match (letters, phones) {
            (&[a], &[x]) => l + a * p + x,
            (&[a], &[x, y]) => l * (1 + p) + (a * p + x) * p + y,
            (&[a, b], &[x]) => l * (1 + p + p * p) + (a * l + b) * p + x,
            (letters, _) => letters[0],
        }
    }
}

/// Aligns every pronunciation of the lexicon's words, in its order. Words that no sequence of
/// graphones spells (more than two phones a letter, or a space or a colon in the word) are left out.
pub fn align(lexicon: &Lexicon, inventory: usize) -> Vec<Vec<Graphone>> {
    let mut alphabet: Vec<char> = lexicon
        .entries()
        .flat_map(|(word, _)| word.chars())
        .collect();
    alphabet.sort_unstable();
    alphabet.dedup();
    let entries: Vec<Entry> = lexicon
        .entries()
        .filter(|(word, _)| word.chars().all(is_letter))
        .flat_map(|(word, pronunciations)| pronunciations.iter().map(move |phones| (word, phones)))
        .map(|(word, phones)| Entry {
            letters: word
                .chars()
                .filter_map(|letter| alphabet.binary_search(&letter).ok())
                .collect(),
            phones: phones.iter().map(|&phone| phone as usize).collect(),
        })
        .collect();
    let units = Units {
        letters: alphabet.len(),
        phones: inventory,
    };
    // At first every alignment of an entry is as probable as any other.
    let mut probs = vec![1.0; units.len()];
    for _ in 0..ROUNDS {
        let sums: Vec<Vec<f64>> = entries
            .par_chunks(CHUNK)
            .map(|chunk| {
                let mut expected = vec![0.0; units.len()];
                for entry in chunk {
                    entry.expect(&units, &probs, &mut expected);
                }
                expected
            })
            .collect();
        probs.fill(0.0);
        for sum in &sums {
            probs
                .iter_mut()
                .zip(sum)
                .for_each(|(prob, sum)| *prob += sum);
        }
        let all: f64 = probs.iter().sum();
        probs.iter_mut().for_each(|prob| *prob /= all);
        probs[units.first_long()..]
            .iter_mut()
            .for_each(|prob| *prob = prob.powi(LONG));
    }
    entries
        .par_iter()
        .filter_map(|entry| entry.best(&units, &probs))
        .map(|graphones| {
            let named = graphones.into_iter().map(|(letters, phones)| Graphone {
                letters: letters.iter().map(|&letter| alphabet[letter]).collect(),
                phones: phones.iter().map(|&phone| phone as u32).collect(),
            });
            named.collect()
        })
        .collect()
}

impl Entry {
    /// Calls `each` with every step of the lattice, sources in rising order: the place it leaves,
    /// the place it reaches, and its graphone.
    fn for_each_step(&self, units: &Units, mut each: impl FnMut(usize, usize, usize)) {
        let width = self.phones.len() + 1;
        for from in 0..self.letters.len() * width {
            let (letter, phone) = (from / width, from % width);
            for (letters, phones) in SHAPES {
                let letters = self.letters.get(letter..letter + letters);
                let phones = self.phones.get(phone..phone + phones);
                if let (Some(letters), Some(phones)) = (letters, phones) {
                    let to = from + letters.len() * width + phones.len();
                    each(from, to, units.of(letters, phones));
                }
            }
        }
    }

    /// Places of the lattice: letters and phones that are behind.
    fn places(&self) -> usize {
        (self.letters.len() + 1) * (self.phones.len() + 1)
    }

    /// Adds how often each graphone is expected, by the forward–backward algorithm.
    fn expect(&self, units: &Units, probs: &[f64], expected: &mut [f64]) {
        let mut steps = Vec::new();
        self.for_each_step(units, |from, to, unit| steps.push((from, to, unit)));
        let mut forward = vec![0.0; self.places()];
        let mut backward = forward.clone();
        forward[0] = 1.0;
        let last = self.places() - 1;
        backward[last] = 1.0;
        for &(from, to, unit) in &steps {
            forward[to] += forward[from] * probs[unit];
        }
        for &(from, to, unit) in steps.iter().rev() {
            backward[from] += backward[to] * probs[unit];
        }
        let all = forward[last];
        if all > 0.0 {
            for (from, to, unit) in steps {
                expected[unit] += forward[from] * probs[unit] * backward[to] / all;
            }
        }
    }

    /// The most probable sequence of graphones, as slices of letters and phones.
    fn best(&self, units: &Units, probs: &[f64]) -> Option<Vec<(&[usize], &[usize])>> {
        let mut best = vec![(0.0, 0); self.places()];
        best[0].0 = 1.0;
        self.for_each_step(units, |from, to, unit| {
            let prob = best[from].0 * probs[unit];
            if prob > best[to].0 {
                best[to] = (prob, from);
            }
        });
        let width = self.phones.len() + 1;
        let mut to = self.places() - 1;
        if best[to].0 == 0.0 {
            return None;
        }
        let mut graphones = Vec::new();
        while to > 0 {
            let from = best[to].1;
            graphones.push((
                &self.letters[from / width..to / width],
                &self.phones[from % width..to % width],
            ));
            to = from;
        }
        graphones.reverse();
        Some(graphones)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Tokens;

    #[test]
    fn letters_stand_with_the_phones_that_recur_with_them() {
        let text = "fix F IH K S\nfox F AA K S\nphone F OW N\nphil F IH L\nlax L AE K S\n\
            no N OW\nfin F IH N\nlid L IH D\nda D AA\npal P AE L\npan P AE N\nnib N IH B\n\
            nine N AY N\nx EH K S IH Z\nlone L OW N\n";
        let phones = Tokens::phones();
        let lexicon = Lexicon::parse(text.as_bytes(), "x", &phones).unwrap();
        let aligned: Vec<String> = align(&lexicon, phones.len())
            .iter()
            .map(|graphones| {
                let words: Vec<_> = graphones.iter().map(|g| g.spelling(&phones)).collect();
                words.join(" ")
            })
            .collect();
        assert_eq!(aligned[0], "f:F i:IH x:K.S");
        assert_eq!(aligned[2], "p:F h: o:OW n:N e:");
        // `x` has five phones and one letter: no sequence of graphones spells it.
        assert_eq!(aligned.len(), 14);
    }
}
