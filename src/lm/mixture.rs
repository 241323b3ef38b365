//! Several models as one, by linear interpolation: `p(w | h) = Σ λᵢ pᵢ(w | h)`.

use super::Error;
use super::model::LanguageModel;
use super::source::Source;
use super::vocabulary::{END, START, UNKNOWN, Vocabulary};

/// Models with their weights, over the union of their vocabularies. A model gives no probability
/// to a word that only others know, so that the mixture sums to one.
pub struct Mixture<M> {
    parts: Vec<Part<M>>,
    vocabulary: Vocabulary,
}

struct Part<M> {
    model: M,
    weight: f64,
    /// By the mixture's number of a word, the model's own; `None` if it does not know the word.
    numbers: Vec<Option<u32>>,
}

impl<M: LanguageModel> Mixture<M> {
    /// A mixture with weights that sum to one, one a model.
    pub fn new(models: Vec<M>, weights: &[f64]) -> Result<Self, Error> {
        check_weights(weights, models.len())?;
        let mut vocabulary = Vocabulary::new();
        for model in &models {
            model.vocabulary().words().for_each(|word| {
                vocabulary.insert(word);
            });
        }
        let parts = models
            .into_iter()
            .zip(weights)
            .map(|(model, &weight)| Part {
                numbers: vocabulary
                    .words()
                    .map(|word| model.vocabulary().find(word))
                    .collect(),
                model,
                weight,
            });
        Ok(Self {
            parts: parts.collect(),
            vocabulary,
        })
    }

    /// A mixture with the weights that make a text most probable, one sentence a line.
    ///
    /// # Errors
    /// Those of [`Self::new`] and [`Self::tune_on`].
    pub fn tuned(models: Vec<M>, text: Source, max_line: usize) -> Result<Self, Error> {
        let equal = vec![1.0 / models.len() as f64; models.len()];
        let mut mixture = Self::new(models, &equal)?;
        mixture.tune_on(text, max_line)?;
        Ok(mixture)
    }

    /// The weights, one a model.
    pub fn weights(&self) -> Vec<f64> {
        self.parts.iter().map(|part| part.weight).collect()
    }

    /// Chooses the weights that make these sentences most probable; words that no model knows do
    /// not count.
    pub fn tune(&mut self, sentences: &[Vec<u32>]) -> Result<(), Error> {
        let mut probs: Vec<Vec<f64>> = Vec::new();
        for part in &self.parts {
            let own: Vec<Vec<u32>> = sentences.iter().map(|tokens| part.own(tokens)).collect();
            let mut column = Vec::new();
            for (tokens, scores) in sentences.iter().zip(part.model.score_sentences(&own)?) {
                for (&token, log10_prob) in tokens.iter().chain(&[END]).zip(scores) {
                    if token != UNKNOWN {
                        column.push(part.prob(token, log10_prob));
                    }
                }
            }
            probs.push(column);
        }
        for (part, weight) in self.parts.iter_mut().zip(tune_weights(&probs)?) {
            part.weight = weight;
        }
        Ok(())
    }
}

impl<M: LanguageModel> Mixture<M> {
    /// Chooses the weights that make a text most probable, one sentence a line.
    ///
    /// # Errors
    /// A text that cannot be read; a line longer than `max_line` bytes; a model that fails.
    pub fn tune_on(&mut self, text: Source, max_line: usize) -> Result<(), Error> {
        let unit = self.vocabulary.unit();
        let mut sentences = Vec::new();
        text.for_each_line(max_line, |line, _| -> Result<(), Error> {
            sentences.push(self.vocabulary.encode(line, unit));
            Ok(())
        })?;
        self.tune(&sentences)
    }
}

impl<M: LanguageModel> Part<M> {
    fn number(&self, token: u32) -> u32 {
        self.numbers
            .get(token as usize)
            .copied()
            .flatten()
            .unwrap_or(UNKNOWN)
    }

    fn own(&self, tokens: &[u32]) -> Vec<u32> {
        tokens.iter().map(|&token| self.number(token)).collect()
    }

    /// The probability of a token of the mixture, given what the model says of its own one.
    fn prob(&self, token: u32, log10_prob: f32) -> f64 {
        match self.numbers.get(token as usize) {
            Some(None) => 0.0,
            _ => 10f64.powf(log10_prob.into()),
        }
    }
}

impl<M: LanguageModel> LanguageModel for Mixture<M> {
    type State = Vec<M::State>;

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn start(&self) -> Self::State {
        self.parts.iter().map(|part| part.model.start()).collect()
    }

    fn score(&self, state: &Self::State, token: u32) -> Result<(f32, Self::State), Error> {
        let mut prob = 0.0;
        let mut next = Vec::with_capacity(state.len());
        for (part, state) in self.parts.iter().zip(state) {
            let (log10_prob, after) = part.model.score(state, part.number(token))?;
            prob += part.weight * part.prob(token, log10_prob);
            next.push(after);
        }
        Ok((prob.log10() as f32, next))
    }

    fn after(&self, state: &Self::State, token: u32) -> Result<Self::State, Error> {
        let parts = self.parts.iter().zip(state);
        parts
            .map(|(part, state)| part.model.after(state, part.number(token)))
            .collect()
    }

    fn score_batch(
        &self,
        queries: &[(&Self::State, u32)],
    ) -> Result<Vec<(f32, Self::State)>, Error> {
        let mut probs = vec![0.0; queries.len()];
        let mut states = vec![Vec::with_capacity(self.parts.len()); queries.len()];
        for (index, part) in self.parts.iter().enumerate() {
            let own: Vec<_> = queries
                .iter()
                .map(|(state, token)| (&state[index], part.number(*token)))
                .collect();
            for (at, (log10_prob, next)) in part.model.score_batch(&own)?.into_iter().enumerate() {
                probs[at] += part.weight * part.prob(queries[at].1, log10_prob);
                states[at].push(next);
            }
        }
        Ok(probs
            .iter()
            .map(|prob| prob.log10() as f32)
            .zip(states)
            .collect())
    }

    fn score_sentences(&self, sentences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, Error> {
        let mut probs: Vec<Vec<f64>> = sentences
            .iter()
            .map(|tokens| vec![0.0; tokens.len() + 1])
            .collect();
        for part in &self.parts {
            let own: Vec<Vec<u32>> = sentences.iter().map(|tokens| part.own(tokens)).collect();
            let scores = part.model.score_sentences(&own)?;
            for ((probs, scores), tokens) in probs.iter_mut().zip(scores).zip(sentences) {
                let tokens = tokens.iter().chain(&[END]);
                for ((prob, log10_prob), &token) in probs.iter_mut().zip(scores).zip(tokens) {
                    *prob += part.weight * part.prob(token, log10_prob);
                }
            }
        }
        let log10 = |probs: Vec<f64>| probs.iter().map(|prob| prob.log10() as f32).collect();
        Ok(probs.into_iter().map(log10).collect())
    }

    fn in_order(&self) -> bool {
        self.parts.iter().any(|part| part.model.in_order())
    }

    fn forget(&self) -> Result<(), Error> {
        self.parts.iter().try_for_each(|part| part.model.forget())
    }

    fn distribution(&self, state: &Self::State) -> Result<Vec<f32>, Error> {
        let mut probs = vec![0.0; self.vocabulary.len()];
        for (part, state) in self.parts.iter().zip(state) {
            let own = part.model.distribution(state)?;
            for (prob, number) in probs.iter_mut().zip(&part.numbers) {
                let log10_prob = number.and_then(|number| own.get(number as usize));
                *prob += part.weight
                    * log10_prob.map_or(0.0, |&log10_prob| 10f64.powf(log10_prob.into()));
            }
        }
        let mut log10_probs: Vec<f32> = probs.into_iter().map(|prob| prob.log10() as f32).collect();
        log10_probs[START as usize] = f32::NEG_INFINITY;
        Ok(log10_probs)
    }
}

/// Fails unless there is a weight of 0 or more for each model and they sum to one.
pub fn check_weights(weights: &[f64], models: usize) -> Result<(), Error> {
    let sum: f64 = weights.iter().sum();
    let sound = weights.len() == models
        && weights.iter().all(|&weight| weight >= 0.0)
        && (sum - 1.0).abs() < 1e-6;
    if sound {
        return Ok(());
    }
    Err(Error::Option(format!(
        "{} weights that sum to {sum:.4} for {models} models: give one for each, 0 or more, that sum to 1, or tune them with --dev",
        weights.len()
    )))
}

/// The weights that maximise `Σₜ ln Σᵢ λᵢ pᵢ(t)`, by expectation maximisation (Dempster et al. 1977;
/// Jelinek & Mercer 1980) from equal weights. `probs` has for each model the probability of every
/// token, all of one length.
pub fn tune_weights(probs: &[Vec<f64>]) -> Result<Vec<f64>, Error> {
    let tokens = probs.first().map_or(0, Vec::len);
    if tokens == 0 {
        return Err(Error::Empty {
            name: "the text that weights are tuned on".to_string(),
        });
    }
    let mut weights = vec![1.0 / probs.len() as f64; probs.len()];
    for _ in 0..1000 {
        let mut shares = vec![0.0; probs.len()];
        let mut explained = 0.0;
        for token in 0..tokens {
            let sum: f64 = probs
                .iter()
                .zip(&weights)
                .map(|(prob, weight)| prob[token] * weight)
                .sum();
            if sum > 0.0 {
                explained += 1.0;
                for ((share, prob), weight) in shares.iter_mut().zip(probs).zip(&weights) {
                    *share += prob[token] * weight / sum;
                }
            }
        }
        if explained == 0.0 {
            break;
        }
        let change = weights
            .iter_mut()
            .zip(shares)
            .map(|(weight, share)| (std::mem::replace(weight, share / explained) - *weight).abs())
            .fold(0.0, f64::max);
        if change < 1e-7 {
            break;
        }
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuning_finds_the_maximum_that_a_search_finds() {
        let probs = [
            vec![0.5, 0.1, 0.02, 0.3, 0.001],
            vec![0.1, 0.2, 0.3, 0.05, 0.01],
        ];
        let likelihood = |weight: f64| -> f64 {
            probs[0]
                .iter()
                .zip(&probs[1])
                .map(|(a, b)| (weight * a + (1.0 - weight) * b).ln())
                .sum()
        };
        let best = (0..=10_000)
            .map(|i| f64::from(i) / 10_000.0)
            .max_by(|a, b| likelihood(*a).total_cmp(&likelihood(*b)));
        let weights = tune_weights(&probs).unwrap();
        assert!((weights[0] - best.unwrap()).abs() < 2e-4, "{weights:?}");
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn weights_that_are_none_are_refused() {
        for weights in [&[0.5][..], &[0.5, 0.6], &[1.5, -0.5]] {
            let message = check_weights(weights, 2).unwrap_err().to_string();
            assert!(
                message.contains("for 2 models") && message.contains("--dev"),
                "{message}"
            );
        }
        assert!(check_weights(&[0.25, 0.75], 2).is_ok());
        assert!(tune_weights(&[vec![], vec![]]).is_err());
    }
}
