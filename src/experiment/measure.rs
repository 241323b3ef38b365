//! Decoding a set and counting its errors.

use std::path::Path;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::results::Rate;
use super::sets::Prepared;
use super::{Error, Experiment, SetResult};
use crate::acoustic::AcousticModel;
use crate::decode::{Decoder, DevUtterance};
use crate::features::Store;
use crate::score::{Costs, ErrorCounts};
use crate::text::Normalisation;
use crate::train::{batches_by_length, write_whole};

/// Frames of a batch when a set is decoded; results do not depend on it.
const DECODE_FRAMES: usize = 8000;

/// The log-probabilities `[T, V]` of every output for utterances of a store, a batch at a time:
/// `each` gets the batch's places in the store, and by utterance and output their matrices.
fn for_each_batch(
    model: &AcousticModel,
    store: &Store,
    mut each: impl FnMut(&[usize], Vec<Vec<Array2<f32>>>) -> Result<(), Error>,
) -> Result<(), Error> {
    let lengths: Vec<usize> = (0..store.len()).map(|index| store.frames(index)).collect();
    for batch in batches_by_length(&lengths, DECODE_FRAMES) {
        let features = batch
            .iter()
            .map(|&index| store.read(index))
            .collect::<Result<Vec<_>, _>>()?;
        let views: Vec<ArrayView2<'_, f32>> = features.iter().map(|f| f.view()).collect();
        let mut by_utterance = vec![Vec::new(); batch.len()];
        for output in model.log_probs(&views)? {
            for (of_utterance, log_probs) in by_utterance.iter_mut().zip(output) {
                of_utterance.push(log_probs);
            }
        }
        each(&batch, by_utterance)?;
    }
    Ok(())
}

/// The utterances of a store, the dev set number `set`, ready for the tuning of a search.
///
/// # Errors
/// A store that cannot be read or is not of the model's features.
pub fn dev_utterances(
    model: &AcousticModel,
    store: &Store,
    normalise: &Normalisation,
    set: usize,
) -> Result<Vec<DevUtterance>, Error> {
    let mut utterances: Vec<Option<DevUtterance>> = (0..store.len()).map(|_| None).collect();
    for_each_batch(model, store, |batch, log_probs| {
        for (&index, outputs) in batch.iter().zip(log_probs) {
            let reference = normalise.apply(store.text(index));
            utterances[index] = Some(DevUtterance {
                outputs,
                reference,
                set,
            });
        }
        Ok(())
    })?;
    Ok(utterances.into_iter().flatten().collect())
}

/// Decodes one set, writes its hypotheses and references, and counts.
pub(super) fn measure(
    experiment: &Experiment,
    decoder: &Decoder,
    model: &AcousticModel,
    store: &Store,
    set: &Prepared,
    role: &str,
    dir: &Path,
) -> Result<SetResult, Error> {
    let mut texts = vec![String::new(); store.len()];
    for_each_batch(model, store, |batch, log_probs| {
        let found = log_probs
            .par_iter()
            .map(|outputs| {
                let views: Vec<ArrayView2<'_, f32>> = outputs.iter().map(|p| p.view()).collect();
                Ok(decoder.n_best(&views, 1)?.swap_remove(0).text)
            })
            .collect::<Result<Vec<String>, Error>>()?;
        for (&index, text) in batch.iter().zip(found) {
            texts[index] = text;
        }
        Ok(())
    })?;

    let (mut references, mut hypotheses) = (String::new(), String::new());
    let (mut words, mut characters) = (ErrorCounts::default(), ErrorCounts::default());
    for (index, found) in texts.iter().enumerate() {
        let reference = experiment.normalise.apply(store.text(index));
        let found = experiment.normalise.apply(found);
        words += ErrorCounts::words(&reference, &found, Costs::Levenshtein);
        characters += ErrorCounts::characters(&reference, &found, Costs::Levenshtein);
        references.push_str(&format!("{} {reference}\n", store.id(index)));
        hypotheses.push_str(&format!("{} {found}\n", store.id(index)));
    }
    let decoded = dir.join("decode");
    write_whole(
        &decoded.join(format!("{}.ref.txt", set.name)),
        references.as_bytes(),
    )?;
    write_whole(
        &decoded.join(format!("{}.hyp.txt", set.name)),
        hypotheses.as_bytes(),
    )?;
    Ok(SetResult {
        name: set.name.clone(),
        role: role.into(),
        decoder: decoder.to_string(),
        utterances: store.len(),
        rates: [("wer", words), ("cer", characters)]
            .into_iter()
            .map(|(name, counts)| (name.to_owned(), Rate::from(counts)))
            .collect(),
    })
}
