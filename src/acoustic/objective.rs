//! What training makes small: the CTC loss of an output, or the errors that are to be expected of it.

use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::ctc;
use crate::nn::Packing;
use crate::text::Tokens;

/// Training on the expected transcription loss (Graves & Jaitly 2014, section 4) instead of CTC: the
/// `[expected-loss]` table of an experiment file. It fine-tunes a model that CTC has trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExpectedLoss {
    /// What is counted in outputs of characters; in others always tokens.
    pub unit: ErrorUnit,
    /// Alignments drawn for an utterance.
    pub samples: usize,
    /// How much the CTC loss in nats counts beside an error; a little keeps the model from
    /// forgetting what it was not asked.
    pub ctc_weight: f64,
}

/// What an error is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorUnit {
    /// Words: the expected word error rate.
    Words,
    /// Tokens: the expected character or phone error rate.
    Tokens,
}

impl Default for ExpectedLoss {
    fn default() -> Self {
        Self {
            unit: ErrorUnit::Words,
            samples: 5,
            ctc_weight: 0.1,
        }
    }
}

impl ExpectedLoss {
    /// Refuses impossible values, each with its key and range.
    ///
    /// # Errors
    /// [`Error::Config`] with the first offending key.
    pub fn check(&self) -> Result<(), Error> {
        if !(1..=100).contains(&self.samples) {
            return Err(Error::Config(
                "`expected-loss.samples` must be from 1 to 100".into(),
            ));
        }
        if !(self.ctc_weight >= 0.0 && self.ctc_weight.is_finite()) {
            return Err(Error::Config(
                "`expected-loss.ctc-weight` must be 0 or more".into(),
            ));
        }
        Ok(())
    }
}

/// The utterances of a batch that have a target for an output.
struct Present {
    logits: Tensor,
    packing: Arc<Packing>,
    targets: Vec<Vec<u32>>,
    /// By utterance of `targets`, its place in the batch.
    places: Vec<usize>,
}

impl Present {
    /// `None` if no utterance has a target.
    fn of(
        logits: &Tensor,
        packing: &Arc<Packing>,
        targets: &[Option<&[u32]>],
    ) -> Result<Option<Self>, Error> {
        let places: Vec<usize> = (0..targets.len())
            .filter(|&b| targets[b].is_some())
            .collect();
        let present = targets.iter().flatten().map(|t| t.to_vec()).collect();
        if places.is_empty() {
            return Ok(None);
        }
        if places.len() == targets.len() {
            return Ok(Some(Self {
                logits: logits.clone(),
                packing: packing.clone(),
                targets: present,
                places,
            }));
        }
        let lengths = packing.lengths();
        let part = Packing::new(places.iter().map(|&b| lengths[b]).collect())?;
        let rows: Vec<u32> = (0..part.steps())
            .flat_map(|t| {
                let long = places.iter().take_while(move |&&b| lengths[b] > t);
                long.map(move |&b| packing.row(t, b) as u32)
            })
            .collect();
        let rows = Tensor::from_vec(rows, part.frames(), logits.device())?;
        Ok(Some(Self {
            logits: logits.index_select(&rows, 0)?,
            packing: Arc::new(part),
            targets: present,
            places,
        }))
    }

    /// Values of the present utterances at their places in the batch, and 0 at the others.
    fn spread(&self, values: &[f32], batch: usize) -> Vec<f32> {
        let mut spread = vec![0.0; batch];
        for (&b, value) in self.places.iter().zip(values) {
            spread[b] = *value;
        }
        spread
    }
}

/// The CTC loss of one output over the utterances that have a target for it; `None` if there are
/// none. The infeasible ones are counted in the batch's own order.
pub(super) fn output_loss(
    logits: &Tensor,
    packing: &Arc<Packing>,
    targets: &[Option<&[u32]>],
) -> Result<Option<ctc::CtcLoss>, Error> {
    let Some(present) = Present::of(logits, packing, targets)? else {
        return Ok(None);
    };
    let mut loss = ctc::loss(&present.logits, &present.packing, &present.targets)?;
    loss.per_utterance = present.spread(&loss.per_utterance, targets.len());
    for utterance in &mut loss.infeasible {
        *utterance = present.places[*utterance];
    }
    Ok(Some(loss))
}

/// The errors that are to be expected of one output over the utterances that have a target for it.
pub(super) fn expected_errors(
    logits: &Tensor,
    packing: &Arc<Packing>,
    targets: &[Option<&[u32]>],
    tokens: &Tokens,
    config: ExpectedLoss,
    seed: u64,
) -> Result<Option<ctc::ExpectedLoss>, Error> {
    let Some(present) = Present::of(logits, packing, targets)? else {
        return Ok(None);
    };
    let space = tokens.space().filter(|_| config.unit == ErrorUnit::Words);
    let cost = |utterance: usize, labels: &[u32]| {
        let reference = &present.targets[utterance];
        match space {
            Some(space) => edit_distance(&words(reference, space), &words(labels, space)) as f64,
            None => edit_distance(reference, labels) as f64,
        }
    };
    let mut loss = ctc::expected_transcription_loss(
        &present.logits,
        &present.packing,
        config.samples,
        seed,
        cost,
    )?;
    loss.per_utterance = present.spread(&loss.per_utterance, targets.len());
    Ok(Some(loss))
}

fn words(labels: &[u32], space: u32) -> Vec<&[u32]> {
    labels
        .split(|label| *label == space)
        .filter(|word| !word.is_empty())
        .collect()
}

/// The Levenshtein distance. It is asked for thousands of transcripts of every utterance, so it
/// keeps one row and no alignment, unlike `score`.
fn edit_distance<T: PartialEq>(reference: &[T], hypothesis: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=reference.len()).collect();
    for (number, item) in (1..).zip(hypothesis) {
        let mut diagonal = std::mem::replace(&mut row[0], number);
        for (at, other) in reference.iter().enumerate() {
            let substituted = diagonal + usize::from(item != other);
            diagonal = row[at + 1];
            row[at + 1] = substituted.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[reference.len()]
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};
    use proptest::prelude::*;

    use super::*;
    use crate::score::{Costs, ErrorCounts};

    proptest! {
        #[test]
        fn the_distance_is_the_errors_of_the_alignment(
            reference in prop::collection::vec(0u8..4, 0..12),
            hypothesis in prop::collection::vec(0u8..4, 0..12),
        ) {
            let counts = ErrorCounts::of(&reference, &hypothesis, Costs::Levenshtein);
            prop_assert_eq!(edit_distance(&reference, &hypothesis) as u64, counts.errors());
        }
    }

    /// A batch of three utterances, the second without a target, whose network says their targets
    /// nearly surely, but for the first frame of the third.
    fn batch(tokens: &Tokens) -> (Var, Arc<Packing>, Vec<Option<Vec<u32>>>) {
        let says = |text: &str| tokens.encode_text(text).unwrap();
        let targets = vec![Some(says("a b")), None, Some(says("cd"))];
        let packing = Packing::new(vec![4, 3, 2]).unwrap();
        let mut values = vec![0.0f32; packing.frames() * tokens.len()];
        for (b, target) in targets.iter().enumerate() {
            for (t, label) in target.iter().flatten().enumerate() {
                let sure = if (b, t) == (2, 0) { 1.0 } else { 30.0 };
                values[packing.row(t, b) * tokens.len() + *label as usize] = sure;
            }
        }
        values[packing.row(3, 0) * tokens.len()] = 30.0;
        let shape = (packing.frames(), tokens.len());
        let logits = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        (
            Var::from_tensor(&logits).unwrap(),
            Arc::new(packing),
            targets,
        )
    }

    #[test]
    fn errors_are_expected_where_the_network_is_unsure_and_its_gradient_removes_them() {
        let tokens = Tokens::characters();
        let (logits, packing, targets) = batch(&tokens);
        let targets: Vec<Option<&[u32]>> = targets.iter().map(Option::as_deref).collect();
        for unit in [ErrorUnit::Words, ErrorUnit::Tokens] {
            let config = ExpectedLoss {
                unit,
                samples: 100,
                ctc_weight: 0.0,
            };
            let loss = expected_errors(&logits, &packing, &targets, &tokens, config, 1)
                .unwrap()
                .unwrap();
            assert_eq!(loss.per_utterance[..2], [0.0, 0.0]);
            assert!(loss.per_utterance[2] > 0.5, "{:?}", loss.per_utterance);
            let gradients = loss.total.backward().unwrap();
            let gradient = gradients.get(&logits).unwrap().to_vec2::<f32>().unwrap();
            let right = tokens.encode_text("c").unwrap()[0] as usize;
            assert!(gradient[packing.row(0, 2)][right] < -0.01);
        }
    }
}
