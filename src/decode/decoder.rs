//! The search that a configuration describes.

use std::sync::Arc;

use ndarray::ArrayView2;

use super::language::Reading;
use super::rescore::label_log_probs;
use super::{
    Boosted, CharacterGuide, Choices, Config, Error, Guide, HotPhrase, HotWords, Hypothesis,
    Language, Method, PrefixBeam, Recurrent, Rescorer, TimedWord, Unguided, WordGuide, greedy,
    interpolated, text_log_probs, word_posteriors,
};
use crate::text::Tokens;

/// From the log-probabilities of a model's outputs to hypotheses. It can be shared between threads.
pub struct Decoder {
    config: Config,
    tokens: Tokens,
    choices: Option<Choices>,
    language: Option<Arc<Language>>,
    hot_words: Option<HotWords>,
    /// The output of characters beside the decoded one.
    other: Option<(usize, Tokens)>,
    rescorer: Option<Arc<dyn Rescorer>>,
    /// Whether all parts of scores are found, those of weight 0 too.
    every_part: bool,
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
        let language = language.filter(|_| config.lm);
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
            phrases if tokens.space().is_some() => Some(HotWords::spelled(phrases, tokens)?),
            phrases => match &language {
                None => {
                    return Err(Error::Config(
                        "hot words need a language model where phones are decoded: do without --lm none, or give --lm FILE"
                            .into(),
                    ));
                }
                Some(language) => Some(HotWords::pronounced(phrases, tokens, |word| {
                    language.hot_word(word)
                })?),
            },
        };
        Ok(Self {
            config: config.clone(),
            tokens: tokens.clone(),
            choices,
            language,
            hot_words,
            other: other_output(config, outputs),
            rescorer: None,
            every_part: false,
        })
    }

    /// With a second pass by another language model.
    pub fn with_rescorer(self, rescorer: Option<Arc<dyn Rescorer>>) -> Self {
        Self { rescorer, ..self }
    }

    /// Finds all parts of scores, as tuning needs them.
    pub(super) fn with_every_part(self) -> Self {
        Self {
            every_part: true,
            ..self
        }
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
        let n = n.max(1);
        let mut hypotheses = match &self.choices {
            Some(choices) => choices.decode(log_probs, n)?,
            None if self.is_best_path() => Vec::new(),
            None => {
                let wanted = match self.has_second_pass() {
                    true => self.config.nbest,
                    false => COMPLETED,
                };
                let mut list = self.beam_search(log_probs, n.max(wanted))?;
                complete(log_probs, &mut list)?;
                if self.has_second_pass() {
                    self.second_pass(outputs, &mut list)?;
                }
                rank(&mut list);
                list.truncate(n);
                list
            }
        };
        if hypotheses.is_empty() {
            hypotheses.push(greedy(log_probs, &self.tokens));
        }
        for hypothesis in &mut hypotheses {
            if let Some(language) = &self.language {
                let unknown = self.config.unknown;
                let log_probs = language.token_log_probs(&hypothesis.text, unknown)?;
                hypothesis.parts.lm = Some(log_probs.iter().sum());
            }
        }
        Ok(hypotheses)
    }

    fn has_second_pass(&self) -> bool {
        self.rescorer.is_some() || self.combined().is_some()
    }

    /// The output that the decoded one is combined with.
    fn combined(&self) -> Option<&(usize, Tokens)> {
        let wanted = self.config.combine > 0.0 || self.every_part;
        self.other.as_ref().filter(|_| wanted)
    }

    /// Gives a list the scores of the other output and of the other language model.
    fn second_pass(
        &self,
        outputs: &[ArrayView2<'_, f32>],
        list: &mut [Hypothesis],
    ) -> Result<(), Error> {
        let texts: Vec<String> = list.iter().map(|h| h.text.clone()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let config = &self.config;
        if let Some((output, tokens)) = self.combined() {
            let scores = text_log_probs(outputs[*output].reborrow(), tokens, &texts)?;
            for (hypothesis, score) in list.iter_mut().zip(scores) {
                hypothesis.parts.combined = Some(score);
                hypothesis.acoustic =
                    (1.0 - config.combine) * hypothesis.parts.output + config.combine * score;
            }
        }
        if let Some(rescorer) = &self.rescorer {
            let second = rescorer.token_log_probs(&texts, config.unknown)?;
            for ((hypothesis, second), text) in list.iter_mut().zip(second).zip(&texts) {
                hypothesis.parts.rescoring = Some(second.iter().sum());
                let change = match &self.language {
                    Some(language) => {
                        let first = language.token_log_probs(text, config.unknown)?;
                        interpolated(&first, &second, config.rescoring_weight)
                            - first.iter().sum::<f32>()
                    }
                    None => config.rescoring_weight * second.iter().sum::<f32>(),
                };
                hypothesis.language += config.alpha * change;
            }
        }
        Ok(())
    }

    /// How sure the decoder is of each word of the first hypothesis: its calibrated posterior over
    /// the list, or, where there is but one, the mean probability of its tokens on the best path.
    ///
    /// `words` are those of the first hypothesis with their times.
    pub fn confidences(&self, list: &[Hypothesis], words: &[TimedWord]) -> Vec<f32> {
        match list {
            [] => Vec::new(),
            [_] => words.iter().map(|word| word.peak).collect(),
            _ => word_posteriors(list, self.config.posterior_scale)
                .into_iter()
                .map(|posterior| self.config.calibration.apply(posterior))
                .collect(),
        }
    }

    /// A beam of one is the best path, unless something else than the acoustic model has a say.
    fn is_best_path(&self) -> bool {
        self.config.method == Method::Greedy || (self.config.beam == 1 && self.language.is_none())
    }

    fn beam_search(
        &self,
        log_probs: ArrayView2<'_, f32>,
        n: usize,
    ) -> Result<Vec<Hypothesis>, Error> {
        let beam = PrefixBeam {
            beam: self.config.beam,
            nbest: n.max(1),
            beam_threshold: self.config.score_threshold,
            token_threshold: self.config.token_threshold,
            alike: self.config.alike,
        };
        let weights = self.config.weights();
        let Some(language) = &self.language else {
            return Ok(self.search(&beam, log_probs, Unguided));
        };
        Ok(match language.reading() {
            Reading::Words(ngram, tree) => {
                let guide =
                    WordGuide::new(ngram, tree, weights, &self.tokens).with_words(language.more());
                self.search(&beam, log_probs, guide)
            }
            Reading::Characters(ngram) => {
                let guide = CharacterGuide::new(ngram, weights, &self.tokens);
                self.search(&beam, log_probs, guide)
            }
            Reading::Recurrent(rnn) => {
                let model = Recurrent::new(rnn);
                let guide = CharacterGuide::new(&model, weights, &self.tokens);
                let list = self.search(&beam, log_probs, guide);
                match model.into_failure() {
                    Some(failure) => return Err(failure.into()),
                    None => list,
                }
            }
        })
    }

    fn search<G: Guide>(
        &self,
        beam: &PrefixBeam,
        log_probs: ArrayView2<'_, f32>,
        guide: G,
    ) -> Vec<Hypothesis> {
        match &self.hot_words {
            Some(hot_words) => {
                beam.decode_with(log_probs, &self.tokens, &Boosted(guide, hot_words))
            }
            None => beam.decode_with(log_probs, &self.tokens, &guide),
        }
    }
}

/// Hypotheses whose probability is completed where fewer are asked for: the best one is usually among
/// them.
const COMPLETED: usize = 8;

/// Gives hypotheses the probability of all their alignments: the search has lost those whose
/// beginnings left the beam. A text that was read from several label sequences keeps what it had if
/// that is more.
fn complete(log_probs: ArrayView2<'_, f32>, list: &mut [Hypothesis]) -> Result<(), Error> {
    let labels: Vec<Option<&[u32]>> = list.iter().map(|h| Some(h.tokens.as_slice())).collect();
    let whole = label_log_probs(log_probs, &labels)?;
    for (hypothesis, whole) in list.iter_mut().zip(whole) {
        hypothesis.acoustic = hypothesis.acoustic.max(whole);
        hypothesis.parts.output = hypothesis.acoustic;
    }
    Ok(())
}

/// Sums each hypothesis's score and puts the best first. Stable: equals keep the order of the search.
fn rank(list: &mut [Hypothesis]) {
    for hypothesis in list.iter_mut() {
        hypothesis.score = hypothesis.acoustic + hypothesis.language;
    }
    list.sort_by(|a, b| b.score.total_cmp(&a.score));
}

/// The first output of characters that is not the one that is decoded.
pub(super) fn other_output(config: &Config, outputs: &[Tokens]) -> Option<(usize, Tokens)> {
    let mut others = outputs.iter().enumerate();
    others
        .find(|(at, tokens)| *at != config.output && tokens.space().is_some())
        .map(|(at, tokens)| (at, tokens.clone()))
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
        if let Some((output, _)) = self.combined() {
            write!(f, ", output {output} by {}", self.config.combine)?;
        }
        if self.rescorer.is_some() {
            write!(f, ", {} best rescored", self.config.nbest)?;
        }
        Ok(())
    }
}
