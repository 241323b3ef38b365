//! A closed list of texts: isolated words, commands, a small grammar written out.

use std::sync::Arc;

use ndarray::ArrayView2;

use super::{Error, Hypothesis};
use crate::ctc;
use crate::nn::Packing;
use crate::text::Tokens;

/// The texts that may be recognised, and nothing else. Each is scored exactly, by the CTC
/// forward algorithm over all its alignments (Graves et al. 2006, section 4.1): no beam.
#[derive(Clone, Debug)]
pub struct Choices {
    tokens: Tokens,
    texts: Vec<Vec<u32>>,
}

impl Choices {
    /// The given texts in the tokens of an output.
    ///
    /// # Errors
    /// [`Error::Config`] for an empty list or a text with a symbol outside the inventory.
    pub fn new(texts: &[String], tokens: &Tokens) -> Result<Self, Error> {
        if texts.is_empty() {
            return Err(Error::Config("`decode.choices` is empty".into()));
        }
        let texts = texts
            .iter()
            .map(|text| match tokens.encode_text(text) {
                Ok(encoded) => Ok(encoded),
                Err(error) => Err(Error::Config(format!("`decode.choices`: {error}"))),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            tokens: tokens.clone(),
            texts,
        })
    }

    /// How many texts there are.
    pub fn count(&self) -> usize {
        self.texts.len()
    }

    /// The texts for log-probabilities `[T, V]` (nats), the most probable first, at most `n`; texts
    /// that need more frames than there are are left out.
    ///
    /// # Errors
    /// [`Error::Loss`] when a log-probability is not finite.
    pub fn decode(
        &self,
        log_probs: ArrayView2<'_, f32>,
        n: usize,
    ) -> Result<Vec<Hypothesis>, Error> {
        let packing = Packing::new(vec![log_probs.nrows()])?;
        let packed = packing.pack(&[log_probs])?;
        let packing = Arc::new(packing);
        let mut hypotheses = Vec::new();
        for text in &self.texts {
            if ctc::feasible(log_probs.nrows(), text).is_err() {
                continue;
            }
            let loss = ctc::loss(&packed, &packing, std::slice::from_ref(text))?;
            let score = -loss.per_utterance[0];
            hypotheses.push(Hypothesis::spelled(text.clone(), &self.tokens, score));
        }
        hypotheses.sort_by(|a, b| b.score.total_cmp(&a.score));
        hypotheses.truncate(n.max(1));
        Ok(hypotheses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::PrefixBeam;
    use ndarray::Array2;

    fn log_probs(frames: usize, vocabulary: usize) -> Array2<f32> {
        let mut matrix = Array2::from_shape_fn((frames, vocabulary), |(t, v)| {
            ((t * 31 + v * 17) % 13) as f32 / 3.0
        });
        for mut row in matrix.rows_mut() {
            let sum = row.iter().map(|x| x.exp()).sum::<f32>().ln();
            row.mapv_inplace(|x| x - sum);
        }
        matrix
    }

    #[test]
    fn scores_are_those_of_an_exhaustive_beam() {
        let tokens =
            Tokens::from_symbols(["<blank>", "a", "b"].map(String::from).to_vec()).unwrap();
        let log_probs = log_probs(5, 3);
        let everything = PrefixBeam {
            beam: 10_000,
            nbest: 10_000,
            beam_threshold: f32::INFINITY,
            token_threshold: f32::INFINITY,
            alike: 0,
        };
        let all = everything.decode(log_probs.view(), &tokens);
        let texts: Vec<String> = all.iter().map(|h| h.text.clone()).collect();
        let choices = Choices::new(&texts, &tokens).unwrap();
        let found = choices.decode(log_probs.view(), usize::MAX).unwrap();
        assert_eq!(found.len(), all.len());
        for (choice, beam) in found.iter().zip(&all) {
            assert!((choice.score - beam.score).abs() < 1e-4);
        }
    }

    #[test]
    fn texts_too_long_for_the_recording_are_left_out() {
        let tokens = Tokens::characters();
        let choices = Choices::new(&["seven".into(), "two".into()], &tokens).unwrap();
        let found = choices.decode(log_probs(3, 29).view(), 5).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].text, "two");
    }

    #[test]
    fn a_text_outside_the_inventory_is_refused() {
        let error = Choices::new(&["7".into()], &Tokens::characters()).unwrap_err();
        assert!(error.to_string().contains("decode.choices"), "{error}");
    }
}
