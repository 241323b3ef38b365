//! What an experiment works on: its sets, their features, its tokens and its lexicon.

use super::sets::{Part, Places, Prepared, hash};
use super::{Error, Experiment, RunOptions, SetConfig};
use crate::acoustic::DataSet;
use crate::features::{Copies, Normalisation, Recipe, Stats, Store};
use crate::text::{Lexicon, Tokens};
use crate::train::Observer;

/// Everything that an experiment reads, prepared.
pub(super) struct Material {
    /// How features are made.
    pub recipe: Recipe,
    /// What is learnt from.
    pub train: Vec<Prepared>,
    /// What everything is chosen on.
    pub dev: Vec<Prepared>,
    /// What is measured once, at the end.
    pub test: Vec<Prepared>,
    /// The inventory of each output.
    pub tokens: Vec<Tokens>,
    /// Pronunciations, for outputs of phones.
    pub lexicon: Option<Lexicon>,
    /// Statistics of the training features, for a recipe that normalises globally.
    pub statistics: Option<Stats>,
}

impl Material {
    /// Prepares every set.
    pub fn prepare(
        experiment: &Experiment,
        options: &RunOptions,
        observer: &mut dyn Observer,
    ) -> Result<Self, Error> {
        let recipe = Recipe::named(&experiment.features.recipe)?;
        let places = places(experiment, options);
        let (mut train, mut dev, mut test) = (Vec::new(), Vec::new(), Vec::new());
        for (role, set, part, copies) in sets(experiment) {
            let mut say = |line: &str| observer.note(line);
            let prepared = places.prepare(&set, part, &recipe, &copies, &mut say)?;
            match role {
                "train" => train.push(prepared),
                "dev" => dev.push(prepared),
                _ => test.push(prepared),
            }
        }
        Ok(Self {
            statistics: statistics(&recipe, &train)?,
            tokens: inventories(experiment)?,
            lexicon: lexicon(experiment, &places)?,
            recipe,
            train,
            dev,
            test,
        })
    }

    /// The features of a set, as the network gets them.
    pub fn open(&self, set: &Prepared) -> Result<Store, Error> {
        let store = Store::open(&set.store)?;
        store.require(&self.recipe)?;
        match &self.statistics {
            Some(stats) => Ok(store.with_stats(stats)?),
            None => Ok(store),
        }
    }

    /// Sets with their targets.
    pub fn data(&self, experiment: &Experiment, sets: &[Prepared]) -> Result<DataSet, Error> {
        let stores = sets
            .iter()
            .map(|set| Ok((set.name.clone(), self.open(set)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        let tokens: Vec<&Tokens> = self.tokens.iter().collect();
        Ok(DataSet::new(
            stores,
            &tokens,
            self.lexicon.as_ref(),
            &experiment.normalise,
        )?)
    }

    /// A hash of everything that is learnt from and chosen on.
    pub fn hash(&self) -> String {
        let sets = self.train.iter().chain(&self.dev);
        let keys: Vec<&[u8]> = sets.map(|set| set.content.as_bytes()).collect();
        hash(&keys)
    }
}

pub(super) fn places<'a>(experiment: &'a Experiment, options: &'a RunOptions) -> Places<'a> {
    Places {
        data_root: options.data_root.as_deref(),
        folder: &experiment.folder,
        runs: &options.runs,
    }
}

/// What [`Material::hash`] will be, from the manifests alone.
pub(super) fn content_hash(
    experiment: &Experiment,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<String, Error> {
    let recipe = Recipe::named(&experiment.features.recipe)?;
    let places = places(experiment, options);
    let mut contents = Vec::new();
    for wanted in ["train", "dev"] {
        for (role, set, part, copies) in sets(experiment) {
            if role == wanted {
                let mut say = |line: &str| observer.note(line);
                contents.push(places.content(&set, part, &recipe, &copies, &mut say)?);
            }
        }
    }
    let keys: Vec<&[u8]> = contents.iter().map(String::as_bytes).collect();
    Ok(hash(&keys))
}

/// Every set with its role, the part of it, and what is stored of its recordings.
pub(super) fn sets(experiment: &Experiment) -> Vec<(&'static str, SetConfig, Part, Copies)> {
    let data = &experiment.data;
    let hold_out = if data.dev.is_empty() {
        data.hold_out
    } else {
        None
    };
    let mut all = Vec::new();
    let from = hold_out.unwrap_or(0.0);
    for set in &data.train {
        let share = set.share.or(data.share).unwrap_or(1.0);
        let part = match from + (1.0 - from) * share {
            1.0 if from == 0.0 => Part::Whole,
            to => Part::Between(from, to),
        };
        let mut copies = Copies {
            speeds: experiment.augment.speeds.clone(),
            perturbation: experiment.augment.perturbation(),
        };
        if !copies.speeds.contains(&1.0) {
            copies.speeds.insert(0, 1.0);
        }
        all.push(("train", set.clone(), part, copies));
        if let Some(fraction) = hold_out {
            all.push(("dev", set.clone(), Part::HeldOut(fraction), Copies::plain()));
        }
    }
    for (role, sets) in [("dev", &data.dev), ("test", &data.test)] {
        for set in sets {
            all.push((role, set.clone(), Part::Whole, Copies::plain()));
        }
    }
    all
}

pub(super) fn inventories(experiment: &Experiment) -> Result<Vec<Tokens>, Error> {
    let outputs = &experiment.model.outputs;
    Ok(outputs
        .iter()
        .map(|output| Tokens::named(&output.tokens))
        .collect::<Result<_, _>>()?)
}

fn lexicon(experiment: &Experiment, places: &Places) -> Result<Option<Lexicon>, Error> {
    let Some(file) = &experiment.data.lexicon else {
        return Ok(None);
    };
    let file = places.find("data.lexicon", file)?;
    Ok(Some(Lexicon::read(&file, &Tokens::phones())?))
}

/// The statistics of the first training store, for a recipe that normalises globally.
fn statistics(recipe: &Recipe, train: &[Prepared]) -> Result<Option<Stats>, Error> {
    if recipe.normalisation != Normalisation::Global {
        return Ok(None);
    }
    match train.first() {
        Some(set) => Ok(Some(Store::open(&set.store)?.global_stats().clone())),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_one_set_goes_before_that_of_all() {
        let experiment: Experiment = toml::from_str(
            r#"
name = "shares"
[data]
train = [
    { corpus = "librispeech", split = "train" },
    { corpus = "kaldi", path = "synthetic", share = 1.0 },
    { corpus = "ljspeech", share = 0.5 },
]
dev = [{ corpus = "librispeech", split = "dev" }]
share = 0.25
[features]
recipe = "fbank80"
[model]
layers = 1
cells = 8
output = [{ tokens = "characters" }]
"#,
        )
        .unwrap();
        let parts: Vec<Part> = sets(&experiment).into_iter().map(|set| set.2).collect();
        let quarter = Part::Between(0.0, 0.25);
        assert_eq!(
            parts,
            [quarter, Part::Whole, Part::Between(0.0, 0.5), Part::Whole]
        );
    }
}
