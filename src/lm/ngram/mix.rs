//! Several n-gram models as one n-gram model.
//!
//! Input: models and their weights. Output: a model with every n-gram that one of them has, over
//! the union of their words: `p(w | h) = Σ λᵢ pᵢ(w | h)`, where a model that lacks the n-gram falls
//! back as ever, and back-off weights that make it sum to one.
//!
//! The result equals the mixture for every n-gram that it has. Elsewhere it falls back on its own
//! shorter n-grams, as SRILM's static mixtures do.

use super::super::Error;
use super::super::mixture::check_weights;
use super::super::vocabulary::{START, UNKNOWN, Vocabulary};
use super::backoff::{normalise, prob};
use super::compact::{NGram, State};
use super::trie::{Level, NEVER, Trie};

/// Mixes models.
pub fn mix(models: &[Trie], weights: &[f64]) -> Result<Trie, Error> {
    check_weights(weights, models.len())?;
    let mut vocabulary = Vocabulary::new();
    for model in models {
        model.vocabulary.words().for_each(|word| {
            vocabulary.insert(word);
        });
    }
    let mixing = Mixing {
        parts: models
            .iter()
            .zip(weights)
            .map(|(model, &weight)| Part::new(model, weight, &vocabulary))
            .collect::<Result<_, _>>()?,
    };
    let order = models.iter().map(Trie::order).max().unwrap_or(1);
    let mut levels: Vec<Level> = Vec::new();
    // By place in the level above, the states of all parts behind that n-gram.
    let mut states: Vec<State> = mixing.parts.iter().map(|part| part.model.empty()).collect();
    for n in 1..=order {
        let mut level = Level::default();
        let mut next = Vec::new();
        let mut children = vec![0];
        for behind in states.chunks(models.len()) {
            let words = if n == 1 {
                (0..vocabulary.len() as u32).collect()
            } else {
                mixing.continuations(behind, n - 1)
            };
            for word in words {
                level.words.push(word);
                level
                    .log10_probs
                    .push(mixing.score(behind, word, &mut next));
            }
            children.push(level.len() as u32);
            if n == order {
                next.clear();
            }
        }
        level.backoffs = vec![0.0; level.len()];
        if let Some(above) = levels.last_mut() {
            above.children = children;
        }
        levels.push(level);
        states = next;
    }
    let mut trie = Trie { vocabulary, levels };
    normalise(&mut trie);
    Ok(trie)
}

struct Mixing {
    parts: Vec<Part>,
}

struct Part {
    model: NGram,
    weight: f64,
    /// By the mixture's number of a word, the model's own.
    own: Vec<Option<u32>>,
    /// By the model's number of a word, the mixture's.
    common: Vec<u32>,
}

impl Part {
    fn new(trie: &Trie, weight: f64, vocabulary: &Vocabulary) -> Result<Self, Error> {
        Ok(Self {
            model: NGram::from_trie(String::new(), trie, None)?,
            weight,
            own: vocabulary
                .words()
                .map(|word| trie.vocabulary.find(word))
                .collect(),
            common: trie
                .vocabulary
                .words()
                .map(|word| vocabulary.id(word))
                .collect(),
        })
    }
}

impl Mixing {
    /// The words that continue an n-gram of `length` words in any part, given the states behind it.
    fn continuations(&self, behind: &[State], length: usize) -> Vec<u32> {
        let mut words = Vec::new();
        for (part, &state) in self.parts.iter().zip(behind) {
            if state.length() == length {
                part.model
                    .for_each_arc(state, |word, _, _| words.push(part.common[word as usize]));
            }
        }
        words.sort_unstable();
        words.dedup();
        words
    }

    /// The mixture's `log₁₀ p` of a word; appends the states behind it.
    fn score(&self, behind: &[State], word: u32, states: &mut Vec<State>) -> f32 {
        let mut sum = 0.0;
        for (part, &state) in self.parts.iter().zip(behind) {
            match part.own[word as usize] {
                Some(own) => {
                    let (log10_prob, next) = part.model.score(state, own);
                    sum += part.weight * prob(log10_prob);
                    states.push(next);
                }
                // A word that the part does not know: it gives no probability.
                None => states.push(part.model.score(state, UNKNOWN).1),
            }
        }
        // `<s>` has `log₁₀ p` = 0 in each part, and so in the mixture.
        if word == START {
            0.0
        } else {
            (sum.log10() as f32).max(NEVER)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{model, random_text};
    use super::*;

    #[test]
    fn n_grams_have_the_mixture_of_their_probabilities_and_all_sums_to_one() {
        let models = [
            model(&random_text(1, 80, 6), 3),
            model(&random_text(2, 50, 8), 2),
        ];
        let weights = [0.7, 0.3];
        let mixed = mix(&models, &weights).unwrap();
        assert_eq!(mixed.order(), 3);
        let words = 0..mixed.vocabulary.len() as u32;
        let expected = |ngram: &[u32]| -> f64 {
            let part = |(model, weight): (&Trie, &f64)| {
                let own: Option<Vec<u32>> = ngram
                    .iter()
                    .map(|&word| model.vocabulary.find(mixed.vocabulary.word(word)))
                    .collect();
                let last = model
                    .vocabulary
                    .find(mixed.vocabulary.word(*ngram.last().unwrap()));
                match (own, last) {
                    (Some(own), _) => weight * prob(model.log10_prob(&own)),
                    (None, Some(last)) => weight * prob(model.log10_prob(&[last])),
                    (None, None) => 0.0,
                }
            };
            models.iter().zip(&weights).map(part).sum()
        };
        let mut checked = 0;
        for a in words.clone() {
            for b in words.clone() {
                if mixed.find(&[a, b]).is_none() {
                    continue;
                }
                let known = |ngram: &[u32]| {
                    mixed
                        .find(ngram)
                        .map(|at| mixed.levels[ngram.len() - 1].log10_probs[at])
                };
                let mut sum = 0.0;
                for c in words.clone().filter(|&word| word != START) {
                    sum += prob(mixed.log10_prob(&[a, b, c]));
                    if let Some(log10_prob) = known(&[a, b, c]) {
                        checked += 1;
                        let expected = expected(&[a, b, c]).log10();
                        assert!(
                            (f64::from(log10_prob) - expected).abs() < 1e-4,
                            "{log10_prob} {expected}"
                        );
                    }
                }
                assert!((sum - 1.0).abs() < 1e-4, "{a} {b}: {sum}");
            }
        }
        assert!(checked > 100);
    }
}
