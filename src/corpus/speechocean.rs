//! speechocean762 (Zhang et al. 2021, OpenSLR 101): two Kaldi data directories, `train` and `test`, whose
//! `wav.scp` is relative to the corpus's root.

use std::collections::BTreeSet;

use super::{Error, Request, Utterance, Warning, kaldi, unknown_split};

/// Of the train speakers, sorted by id as text, every eighth from the first is held out for `dev`.
const DEV_EVERY: usize = 8;

pub(super) fn list(
    request: &Request,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Utterance>, Error> {
    let known = ["train", "dev", "train-all", "test"];
    let Some(split) = request.split.as_deref() else {
        return Err(Error::SplitNeeded {
            kind: request.kind,
            root: request.root.clone(),
            known: known.join(", "),
        });
    };
    if !known.contains(&split) {
        return Err(unknown_split(request, split, &known.map(str::to_owned)));
    }
    let directory = match split {
        "test" => "test",
        _ => "train",
    };
    let directory = request.root.join(directory);
    let mut utterances = kaldi::list(request, &directory, &[&request.root], warnings)?;
    if matches!(split, "train" | "dev") {
        let speakers: BTreeSet<String> = utterances.iter().map(|u| u.speaker.clone()).collect();
        let dev: BTreeSet<String> = speakers.into_iter().step_by(DEV_EVERY).collect();
        utterances.retain(|utterance| dev.contains(&utterance.speaker) == (split == "dev"));
    }
    Ok(utterances)
}
