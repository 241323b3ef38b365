//! The search that a configuration describes.

use std::sync::Arc;

use ndarray::ArrayView2;

use super::language::Reading;
use super::{
    Both, CharacterGuide, Choices, Config, Error, Guide, HotPhrase, HotWords, Hypothesis, Language,
    Method, PrefixBeam, Unguided, WordGuide, greedy,
};
use crate::text::Tokens;

/// From the log-probabilities of a model's outputs to hypotheses. It can be shared between threads.
pub struct Decoder {
    config: Config,
    tokens: Tokens,
    choices: Option<Choices>,
    language: Option<Arc<Language>>,
    hot_words: Option<HotWords>,
}

impl Decoder {
    /// The search of `config` for a model whose outputs have the given inventories. The language
    /// model, if any, is for the inventory of the output that is decoded; `config.lm` says whether
    /// it is used.
    ///
    /// # Errors
    /// [`Error::Config`]: settings that are impossible for these outputs.
    pub fn new(
        config: &Config,
        outputs: &[Tokens],
        language: Option<Arc<Language>>,
        hot_words: &[HotPhrase],
    ) -> Result<Self, Error> {
        config.check()?;
        let Some(tokens) = outputs.get(config.output) else {
            return Err(Error::Config(format!(
                "`decode.output` is {}, and the model's outputs are 0 to {}",
                config.output,
                outputs.len().saturating_sub(1)
            )));
        };
        let choices = match config.method {
            Method::Choices => Some(Choices::new(&config.choices, tokens)?),
            Method::Beam | Method::Greedy => None,
        };
        let hot_words = match hot_words {
            [] => None,
            _ if config.method != Method::Beam || config.beam == 1 => {
                return Err(Error::Config(
                    "hot words need a beam search: set `decode.method` to beam, and --beam above 1"
                        .into(),
                ));
            }
            phrases => Some(
                HotWords::new(phrases, tokens)
                    .map_err(|error| Error::Config(format!("hot words: {error}")))?,
            ),
        };
        Ok(Self {
            config: config.clone(),
            tokens: tokens.clone(),
            choices,
            language: language.filter(|_| config.lm),
            hot_words,
        })
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Up to `n` hypotheses for the `[T, V]` log-probabilities (nats) of each of the model's
    /// outputs, best first, at least one.
    ///
    /// # Errors
    /// Log-probabilities that are not finite.
    pub fn n_best(
        &self,
        outputs: &[ArrayView2<'_, f32>],
        n: usize,
    ) -> Result<Vec<Hypothesis>, Error> {
        let log_probs = outputs[self.config.output].reborrow();
        let mut hypotheses = match &self.choices {
            Some(choices) => choices.decode(log_probs, n)?,
            None if self.is_best_path() => Vec::new(),
            None => self.beam_search(log_probs, n),
        };
        if hypotheses.is_empty() {
            hypotheses.push(greedy(log_probs, &self.tokens));
        }
        Ok(hypotheses)
    }

    /// A beam of one is the best path, unless something else than the acoustic model has a say.
    fn is_best_path(&self) -> bool {
        self.config.method == Method::Greedy || (self.config.beam == 1 && self.language.is_none())
    }

    fn beam_search(&self, log_probs: ArrayView2<'_, f32>, n: usize) -> Vec<Hypothesis> {
        let beam = PrefixBeam {
            beam: self.config.beam,
            nbest: n.max(1),
            beam_threshold: self.config.score_threshold,
            token_threshold: self.config.token_threshold,
        };
        let weights = self.config.weights();
        let Some(language) = &self.language else {
            return self.search(&beam, log_probs, Unguided);
        };
        let ngram = language.ngram();
        match language.reading() {
            Reading::Words(tree) => {
                let guide = WordGuide::new(ngram, tree, weights, &self.tokens);
                self.search(&beam, log_probs, guide)
            }
            Reading::Characters => {
                let guide = CharacterGuide::new(ngram, weights, &self.tokens);
                self.search(&beam, log_probs, guide)
            }
        }
    }

    fn search<G: Guide>(
        &self,
        beam: &PrefixBeam,
        log_probs: ArrayView2<'_, f32>,
        guide: G,
    ) -> Vec<Hypothesis> {
        match &self.hot_words {
            Some(hot_words) => beam.decode_with(log_probs, &self.tokens, &Both(guide, hot_words)),
            None => beam.decode_with(log_probs, &self.tokens, &guide),
        }
    }
}

impl std::fmt::Display for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(choices) = &self.choices {
            return write!(f, "the most probable of {} texts", choices.count());
        }
        if self.is_best_path() {
            return f.write_str("best path");
        }
        write!(f, "prefix beam search, width {}", self.config.beam)?;
        if let Some(language) = &self.language {
            let Config { alpha, beta, .. } = self.config;
            write!(f, ", {language} (alpha {alpha}, beta {beta})")?;
        }
        Ok(())
    }
}
