//! What every language model can do, n-gram or recurrent.

use std::collections::HashMap;

use super::ngram::NGram;
use super::vocabulary::{END, Vocabulary};
use super::{Error, ngram};

/// A model that predicts a sentence token by token: `p(token | what came before)`, where what came
/// before is a state. Probabilities are `log₁₀`.
///
/// Tokens are numbers of the model's vocabulary; one that is no word's counts as `<unk>`. After the
/// last word comes `</s>`. `<s>` is never predicted.
pub trait LanguageModel: Sync {
    /// All that the model knows of the tokens so far.
    type State: Clone + Send + Sync;

    /// The tokens that the model knows.
    fn vocabulary(&self) -> &Vocabulary;

    /// The state before the first token of a sentence.
    fn start(&self) -> Self::State;

    /// `log₁₀ p` of a token behind a state, and the state behind the token.
    fn score(&self, state: &Self::State, token: u32) -> Result<(f32, Self::State), Error>;

    /// The state behind a token, for a caller that does not need its probability.
    fn after(&self, state: &Self::State, token: u32) -> Result<Self::State, Error> {
        Ok(self.score(state, token)?.1)
    }

    /// `log₁₀ p` of all tokens behind a state, by number: `[V]`. That of `<s>` is −∞.
    fn distribution(&self, state: &Self::State) -> Result<Vec<f32>, Error>;

    /// `log₁₀ p` that the sentence ends here.
    fn end(&self, state: &Self::State) -> Result<f32, Error> {
        Ok(self.score(state, END)?.0)
    }

    /// Many queries at once, in their order; a recurrent model answers them as one batch.
    fn score_batch(
        &self,
        queries: &[(&Self::State, u32)],
    ) -> Result<Vec<(f32, Self::State)>, Error> {
        queries
            .iter()
            .map(|&(state, token)| self.score(state, token))
            .collect()
    }

    /// `log₁₀ p` of every token of many sentences, `</s>` last. Sentences that begin alike, as those
    /// of an n-best list do, are scored once up to where they part.
    fn score_sentences(&self, sentences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, Error> {
        score_sharing_prefixes(self, sentences)
    }

    /// Whether what is scored depends on what was scored before (a state carried from sentence to
    /// sentence, dynamic evaluation): texts must then be scored in their order.
    fn in_order(&self) -> bool {
        false
    }

    /// Forgets what was scored before, where it matters.
    fn forget(&self) -> Result<(), Error> {
        Ok(())
    }

    /// For an n-gram model, how long an n-gram it had for each token of a sentence, `</s>` last.
    fn matched_orders(&self, _sentence: &[u32]) -> Option<Vec<usize>> {
        None
    }
}

/// A tree of prefixes, breadth first: one batch of queries for each position, in which no question
/// is asked twice.
pub(super) fn score_sharing_prefixes<M: LanguageModel + ?Sized>(
    model: &M,
    sentences: &[Vec<u32>],
) -> Result<Vec<Vec<f32>>, Error> {
    let mut scores: Vec<Vec<f32>> = vec![Vec::new(); sentences.len()];
    let mut states = vec![model.start()];
    // By sentence, the state that its tokens so far have led to.
    let mut reached = vec![0; sentences.len()];
    let longest = sentences.iter().map(Vec::len).max();
    for at in 0..longest.map_or(0, |longest| longest + 1) {
        let mut queries: Vec<(usize, u32)> = Vec::new();
        let mut known = HashMap::new();
        let mut asked = Vec::new();
        for (sentence, tokens) in sentences
            .iter()
            .enumerate()
            .filter(|(_, tokens)| at <= tokens.len())
        {
            let query = (reached[sentence], tokens.get(at).copied().unwrap_or(END));
            let place = *known.entry(query).or_insert_with(|| {
                queries.push(query);
                queries.len() - 1
            });
            asked.push((sentence, place));
        }
        let batch: Vec<_> = queries
            .iter()
            .map(|&(state, token)| (&states[state], token))
            .collect();
        let answers = model.score_batch(&batch)?;
        for (sentence, place) in asked {
            scores[sentence].push(answers[place].0);
            reached[sentence] = place;
        }
        states = answers.into_iter().map(|(_, state)| state).collect();
    }
    Ok(scores)
}

impl LanguageModel for NGram {
    type State = ngram::State;

    fn vocabulary(&self) -> &Vocabulary {
        self.vocabulary()
    }

    fn start(&self) -> ngram::State {
        self.start()
    }

    fn score(&self, state: &ngram::State, token: u32) -> Result<(f32, ngram::State), Error> {
        Ok(self.score(*state, token))
    }

    fn distribution(&self, state: &ngram::State) -> Result<Vec<f32>, Error> {
        Ok(self.distribution(*state))
    }

    /// A query costs less than finding out whether it was asked before.
    fn score_sentences(&self, sentences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, Error> {
        let score = |tokens: &Vec<u32>| {
            let mut state = self.start();
            let mut scores = Vec::with_capacity(tokens.len() + 1);
            for &token in tokens.iter().chain(&[END]) {
                let (log10_prob, next) = self.score(state, token);
                scores.push(log10_prob);
                state = next;
            }
            scores
        };
        Ok(sentences.iter().map(score).collect())
    }

    fn matched_orders(&self, sentence: &[u32]) -> Option<Vec<usize>> {
        let mut state = self.start();
        let order = |&token: &u32| {
            let found = self.find(state, token);
            state = found.state;
            found.order
        };
        Some(sentence.iter().chain(&[END]).map(order).collect())
    }
}
