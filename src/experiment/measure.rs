//! Decoding a set and counting its errors.

use std::path::Path;

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::results::Rate;
use super::sets::Prepared;
use super::{Error, Experiment, SetResult};
use crate::acoustic::AcousticModel;
use crate::features::Store;
use crate::recognise::Decoder;
use crate::score::{Costs, ErrorCounts};
use crate::train::{batches_by_length, write_whole};

/// Frames of a batch when a set is decoded; results do not depend on it.
const DECODE_FRAMES: usize = 8000;

/// Decodes one set, writes its hypotheses and references, and counts.
pub(super) fn measure(
    experiment: &Experiment,
    model: &AcousticModel,
    store: &Store,
    set: &Prepared,
    role: &str,
    dir: &Path,
) -> Result<SetResult, Error> {
    let output = experiment.decode.output;
    let tokens = &model.outputs()[output].tokens;
    let decoder = Decoder::new(&experiment.decode, tokens.clone())?;
    let mut texts = vec![String::new(); store.len()];
    let lengths: Vec<usize> = (0..store.len()).map(|index| store.frames(index)).collect();
    for batch in batches_by_length(&lengths, DECODE_FRAMES) {
        let features = batch
            .iter()
            .map(|&index| store.read(index))
            .collect::<Result<Vec<_>, _>>()?;
        let views: Vec<ArrayView2<'_, f32>> = features.iter().map(|f| f.view()).collect();
        let log_probs = model.log_probs(&views)?.swap_remove(output);
        let found = log_probs
            .par_iter()
            .map(|log_probs| Ok(decoder.n_best(log_probs.view(), 1)?.swap_remove(0).text))
            .collect::<Result<Vec<String>, Error>>()?;
        for (index, text) in batch.into_iter().zip(found) {
            texts[index] = text;
        }
    }

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
