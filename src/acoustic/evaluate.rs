//! Greedy figures of a model on held-out data.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2, Axis};

use super::objective::output_loss;
use super::{AcousticModel, DataSet, Error};
use crate::ctc;
use crate::nn::{Mode, Packing};
use crate::score::{Costs, ErrorCounts};
use crate::text::{BLANK, Tokens};
use crate::train::{Evaluation, batches_by_length};

/// Frames of a batch; figures do not depend on it.
const BATCH_FRAMES: usize = 8000;

/// Sums over a set of utterances.
#[derive(Clone, Copy, Default)]
struct Sums {
    tokens: ErrorCounts,
    words: ErrorCounts,
    loss: f64,
    frames: f64,
    blanks: f64,
}

/// Mean loss (nats a frame, of the first output), and for every output the token error rate (`cer`
/// of characters, `per` of phones), the word error rate of characters, and the fraction of frames
/// whose best token is the blank; everything by best-path decoding. Figures by store follow when
/// there are several, as `cer.NAME`. Rates are fractions. The selection is the first output's token
/// error rate over all stores pooled.
pub(super) fn evaluate(model: &AcousticModel, data: &DataSet) -> Result<Evaluation, Error> {
    let outputs = model.outputs();
    let mut sums = vec![vec![Sums::default(); data.stores.len()]; outputs.len()];
    let mut sample = None;
    let lengths = data.lengths();
    for batch in batches_by_length(&lengths, BATCH_FRAMES) {
        let features = batch
            .iter()
            .map(|&index| data.read(data.examples[index].versions[0]))
            .collect::<Result<Vec<Array2<f32>>, _>>()?;
        let views: Vec<ArrayView2<'_, f32>> = features.iter().map(|f| f.view()).collect();
        let packing = Arc::new(Packing::new(views.iter().map(|f| f.nrows()).collect())?);
        let logits = model.forward(&packing.pack(&views)?, &packing, Mode::Infer)?;
        for (output, logits) in logits.iter().enumerate() {
            let targets: Vec<Option<&[u32]>> = batch
                .iter()
                .map(|&index| data.examples[index].targets[output].as_deref())
                .collect();
            let Some(loss) = output_loss(logits, &packing, &targets)? else {
                continue;
            };
            let utterances = packing.unpack(logits)?;
            for (b, (logits, &index)) in utterances.iter().zip(&batch).enumerate() {
                let example = &data.examples[index];
                let Some(target) = targets[b] else { continue };
                let sums = &mut sums[output][example.versions[0].store];
                sums.loss += f64::from(loss.per_utterance[b]);
                let found = measure(sums, logits, target, &outputs[output].tokens);
                if index == 0 && output == 0 {
                    sample = Some(format!("{} | {found}", example.text));
                }
            }
        }
    }

    let mut evaluation = Evaluation {
        sample,
        ..Evaluation::default()
    };
    for (index, (output, by_store)) in outputs.iter().zip(&sums).enumerate() {
        let characters = output.tokens.is_characters();
        let rate = if characters { "cer" } else { "per" };
        let pooled = by_store
            .iter()
            .fold(Sums::default(), |sum, part| sum.plus(part));
        let mut put = |name: String, value: f64| evaluation.figures.push((name, value));
        let suffix = |name: &str| match index {
            0 => name.to_owned(),
            _ => format!("{name}.output{index}"),
        };
        if index == 0 {
            evaluation.loss = pooled.loss / pooled.frames;
            evaluation.selection = pooled.tokens.rate();
        }
        put(suffix(rate), pooled.tokens.rate());
        if characters {
            put(suffix("wer"), pooled.words.rate());
        }
        put(suffix("blank_fraction"), pooled.blanks / pooled.frames);
        if data.stores.len() > 1 {
            for (part, name) in by_store.iter().zip(&data.names) {
                put(suffix(&format!("{rate}.{name}")), part.tokens.rate());
                if characters {
                    put(suffix(&format!("wer.{name}")), part.words.rate());
                }
            }
        }
    }
    Ok(evaluation)
}

impl Sums {
    fn plus(mut self, other: &Self) -> Self {
        self.tokens += other.tokens;
        self.words += other.words;
        self.loss += other.loss;
        self.frames += other.frames;
        self.blanks += other.blanks;
        self
    }
}

/// Adds one utterance `[T, V]`; returns what was recognised.
fn measure(sums: &mut Sums, logits: &Array2<f32>, target: &[u32], tokens: &Tokens) -> String {
    let best = ctc::best_path(logits.view());
    let blanks = logits
        .axis_iter(Axis(0))
        .filter(|row| row.iter().all(|logit| *logit <= row[BLANK as usize]))
        .count();
    let found = tokens.decode(&best);
    sums.frames += logits.nrows() as f64;
    sums.blanks += blanks as f64;
    if tokens.is_characters() {
        let reference = tokens.decode(target);
        sums.tokens += ErrorCounts::characters(&reference, &found, Costs::Levenshtein);
        sums.words += ErrorCounts::words(&reference, &found, Costs::Levenshtein);
    } else {
        sums.tokens += ErrorCounts::of(target, &best, Costs::Levenshtein);
    }
    found
}
