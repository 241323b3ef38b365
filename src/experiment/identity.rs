//! Which run a checkpoint belongs to.

use super::run::resolve;
use super::sets::hash;
use super::{Error, Experiment};

/// What the trained weights depend on: a run with another identity is another run, whose checkpoints
/// are not resumed. How the model is searched and what it is tested on may change.
pub(super) fn identity(experiment: &Experiment, data_hash: &str) -> Result<String, Error> {
    let training = training(experiment)?;
    Ok(hash(&[training.as_bytes(), data_hash.as_bytes()]))
}

/// The search's table in every identity, as the first runs had it: a setting that the search gains
/// must not make their checkpoints those of other runs.
const DECODE: &str = "\n[decode]\nmethod = \"beam\"\nbeam = 32\noutput = 0\n";

/// The resolved experiment without what weights do not depend on. A field that is new in another
/// table must be left out of it where it is not set.
fn training(experiment: &Experiment) -> Result<String, Error> {
    let mut training = experiment.clone();
    training.about.clear();
    training.data.test.clear();
    training.lm = None;
    // The same weights come out, only later.
    training.model.recompute = false;
    // Nor shares that say what holds without them.
    let of_all = training.data.share.unwrap_or(1.0);
    for set in &mut training.data.train {
        set.share.take_if(|share| *share == of_all);
    }
    training.data.share.take_if(|share| *share == 1.0);
    // The search is the last table of an experiment.
    let resolved = resolve(&training)?;
    let Some((training, _)) = resolved.split_once("\n[decode]\n") else {
        return Err(Error::Data("an experiment has no `[decode]`".into()));
    };
    Ok(format!("{training}{DECODE}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::sha256;

    /// A recipe as runs have been started with.
    const RECIPE: &str = r#"
name = "english"
about = "Not what weights depend on."
[data]
train = [
    { corpus = "librispeech", split = "train" },
    { corpus = "ljspeech" },
    { corpus = "speechocean762", split = "train" },
    { corpus = "kaldi", path = "robotutor" },
    { corpus = "kaldi", path = "synthetic/kokoro" },
]
dev = [{ corpus = "librispeech", split = "dev" }, { corpus = "speechocean762", split = "dev" }]
lexicon = "lexicon/cmudict.dict"
[features]
recipe = "fbank80-stack3"
[augment]
speeds = [0.9, 1.0, 1.1]
[augment.specaugment]
from-epoch = 3
[model]
layers = 4
cells = 320
dropout = 0.25
output = [{ tokens = "characters" }, { tokens = "phones" }]
[train]
epochs = 16
batch-frames = 4200
clip-norm = 1.0
average-best = 3
[train.optimiser]
kind = "adamw"
learning-rate = 1.2e-3
beta2 = 0.98
weight-decay = 0.01
[train.schedule]
kind = "cosine"
warmup-steps = 300
hold = 0.35
"#;

    fn of(recipe: &str) -> String {
        training(&toml::from_str(recipe).unwrap()).unwrap()
    }

    /// The digest is that of the text which a version without language models made.
    #[test]
    fn a_run_stays_the_same_run_in_another_version() {
        assert_eq!(
            sha256(of(RECIPE).as_bytes()),
            "ca8df8c2c43867c586fbf40a7c27831fe5c39550ca205b94c46d107ed2ff40c2",
            "{}",
            of(RECIPE)
        );
    }

    #[test]
    fn another_search_is_the_same_run_and_another_network_is_not() {
        let search = "[decode]\nbeam = 500\noutput = 1\nalpha = 2.0\n[lm]\nngram = \"a.bin\"\n";
        assert_eq!(of(&format!("{RECIPE}{search}")), of(RECIPE));
        let wider = RECIPE.replace("cells = 320", "cells = 400");
        assert_ne!(of(&wider), of(RECIPE));
        let again = RECIPE.replace("layers = 4", "layers = 4\nrecompute = true");
        assert_eq!(of(&again), of(RECIPE));
        let share = |share| RECIPE.replace("[data]", &format!("[data]\nshare = {share}"));
        assert_eq!(of(&share("1.0")), of(RECIPE));
        assert_ne!(of(&share("0.5")), of(RECIPE));
        let of_one = |recipe: &str, share| {
            recipe.replace("\"ljspeech\"", &format!("\"ljspeech\", share = {share}"))
        };
        assert_eq!(of(&of_one(RECIPE, "1.0")), of(RECIPE));
        assert_ne!(of(&of_one(RECIPE, "0.5")), of(RECIPE));
        assert_eq!(of(&of_one(&share("0.5"), "0.5")), of(&share("0.5")));
    }
}
