//! Text from a language model, token by token (Sutskever et al. 2011).

use rand::RngExt;
use rand_pcg::Pcg64;

use super::Error;
use super::model::LanguageModel;
use super::vocabulary::{END, SPACE, UNKNOWN, Unit, Vocabulary};

/// How the next token is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// Probabilities are raised to the power of its inverse: below 1 the probable gets more so; 0
    /// always takes the most probable.
    pub temperature: f64,
    /// Only so many of the most probable tokens; 0 for all.
    pub top_k: usize,
    /// Only the most probable tokens that have this probability together; 1 for all (Holtzman et
    /// al. 2020).
    pub top_p: f64,
    /// A sentence is ended here if the model does not end it.
    pub max_tokens: usize,
}

/// Draws the rest of a sentence that begins with the tokens of `prompt`, and calls `each` with
/// every token as it is drawn. `<unk>` is never drawn.
pub fn generate<M: LanguageModel, E: From<Error>>(
    model: &M,
    prompt: &[u32],
    sampling: Sampling,
    rng: &mut Pcg64,
    mut each: impl FnMut(u32) -> Result<(), E>,
) -> Result<(), E> {
    let mut state = model.start();
    for &token in prompt {
        state = model.after(&state, token)?;
    }
    for _ in 0..sampling.max_tokens {
        let mut log10_probs = model.distribution(&state)?;
        log10_probs[UNKNOWN as usize] = f32::NEG_INFINITY;
        let token = sampling.draw(&log10_probs, rng);
        if token == END {
            break;
        }
        each(token)?;
        state = model.after(&state, token)?;
    }
    Ok(())
}

impl Sampling {
    /// Draws from `log₁₀ p` by token.
    fn draw(&self, log10_probs: &[f32], rng: &mut Pcg64) -> u32 {
        let mut tokens: Vec<u32> = (0..log10_probs.len() as u32).collect();
        let log10_prob = |&token: &u32| log10_probs[token as usize];
        // The most probable first; equally probable ones in the order of their numbers.
        tokens.sort_by(|a, b| log10_prob(b).total_cmp(&log10_prob(a)).then(a.cmp(b)));
        let best = log10_prob(&tokens[0]);
        if self.temperature == 0.0 {
            return tokens[0];
        }
        if self.top_k > 0 {
            tokens.truncate(self.top_k);
        }
        let weight =
            |token: &u32| 10f64.powf(f64::from(log10_prob(token) - best) / self.temperature);
        let weights: Vec<f64> = tokens.iter().map(weight).collect();
        let total: f64 = weights.iter().sum();
        let mut kept = 0;
        let mut sum = 0.0;
        while kept < weights.len() && (kept == 0 || sum < self.top_p * total) {
            sum += weights[kept];
            kept += 1;
        }
        let mut left = rng.random::<f64>() * sum;
        let drawn = weights[..kept].iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        tokens[drawn.unwrap_or(kept - 1)]
    }
}

/// The numbers of a prompt's tokens. Fails at a token that the vocabulary does not have.
pub fn prompt(text: &str, vocabulary: &Vocabulary, unit: Unit) -> Result<Vec<u32>, Error> {
    let mut tokens = Vec::new();
    let mut unknown = None;
    unit.split(text, |token| match vocabulary.find(token) {
        Some(id) => tokens.push(id),
        None => unknown = unknown.or(Some(token)),
    });
    match unknown {
        None => Ok(tokens),
        Some(token) => Err(Error::Vocabulary(format!(
            "`{token}` of the prompt is not in the model's vocabulary of {}; use words that it knows",
            vocabulary.len()
        ))),
    }
}

/// How a token is written behind the one before: with a space between words, characters as they
/// are.
pub fn spelling(token: &str, unit: Unit, first: bool) -> String {
    match unit {
        Unit::Character if token == SPACE => " ".to_string(),
        Unit::Word if !first => format!(" {token}"),
        _ => token.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const ALL: Sampling = Sampling {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        max_tokens: 10,
    };

    fn frequencies(sampling: Sampling, probs: &[f32]) -> Vec<f64> {
        let log10_probs: Vec<f32> = probs.iter().map(|prob| prob.log10()).collect();
        let mut rng = Pcg64::seed_from_u64(3);
        let draws = 40_000;
        let mut counts = vec![0.0; probs.len()];
        for _ in 0..draws {
            counts[sampling.draw(&log10_probs, &mut rng) as usize] += 1.0;
        }
        counts
            .iter()
            .map(|count| count / f64::from(draws))
            .collect()
    }

    fn assert_near(left: &[f64], right: &[f64]) {
        for (left, right) in left.iter().zip(right) {
            assert!((left - right).abs() < 0.01, "{left} {right}");
        }
    }

    #[test]
    fn tokens_are_drawn_as_often_as_they_are_probable() {
        let probs = [0.0, 0.1, 0.2, 0.3, 0.4];
        assert_near(&frequencies(ALL, &probs), &[0.0, 0.1, 0.2, 0.3, 0.4]);
        let cold = Sampling {
            temperature: 0.5,
            ..ALL
        };
        assert_near(
            &frequencies(cold, &probs),
            &[0.0, 1.0 / 30.0, 4.0 / 30.0, 9.0 / 30.0, 16.0 / 30.0],
        );
        let coldest = Sampling {
            temperature: 0.0,
            ..ALL
        };
        assert_near(&frequencies(coldest, &probs), &[0.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn only_the_most_probable_tokens_are_drawn_if_asked_for() {
        let probs = [0.0, 0.1, 0.2, 0.3, 0.4];
        let two = [0.0, 0.0, 0.0, 3.0 / 7.0, 4.0 / 7.0];
        assert_near(&frequencies(Sampling { top_k: 2, ..ALL }, &probs), &two);
        assert_near(&frequencies(Sampling { top_p: 0.69, ..ALL }, &probs), &two);
        assert_near(
            &frequencies(Sampling { top_p: 0.0, ..ALL }, &probs),
            &[0.0, 0.0, 0.0, 0.0, 1.0],
        );
    }

    #[test]
    fn a_prompt_with_a_strange_word_is_refused() {
        let vocabulary = Vocabulary::from_words(["the", "cat"]);
        assert_eq!(prompt("the cat", &vocabulary, Unit::Word).unwrap(), [3, 4]);
        let message = prompt("the dog sat", &vocabulary, Unit::Word)
            .unwrap_err()
            .to_string();
        assert!(message.starts_with("`dog` of the prompt"), "{message}");
    }
}
