//! The recordings that an experiment names.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::corpus::Kind;

/// The `[data]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Data {
    /// What the model is trained on.
    pub train: Vec<SetConfig>,
    /// What everything is chosen on.
    #[serde(default)]
    pub dev: Vec<SetConfig>,
    /// What is measured once, at the end.
    #[serde(default)]
    pub test: Vec<SetConfig>,
    /// The fraction of the training utterances that is held out as dev data when `dev` is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_out: Option<f64>,
    /// The share of the training utterances that is trained on, of sets without one of their own; 1 by
    /// default, for a curve over the size of the data. A smaller share lies within a larger one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Pronunciations for outputs of phones, in CMUdict's format: in the data root, or beside the
    /// experiment file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lexicon: Option<PathBuf>,
}

impl Data {
    /// All sets, with the key that each stands under.
    fn sets(&self) -> impl Iterator<Item = (&'static str, &SetConfig)> {
        [
            ("data.train", &self.train),
            ("data.dev", &self.dev),
            ("data.test", &self.test),
        ]
        .into_iter()
        .flat_map(|(key, sets)| sets.iter().map(move |set| (key, set)))
    }

    /// Refuses impossible values: what is wrong, with the key.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.train.is_empty() {
            return Err("`data.train` must hold at least one corpus".into());
        }
        match self.hold_out {
            Some(part) if !(part > 0.0 && part < 1.0) => {
                return Err("`data.hold-out` must be between 0 and 1".into());
            }
            None if self.dev.is_empty() => {
                return Err(
                    "`data.dev` must hold at least one corpus (or set `data.hold-out`)".into(),
                );
            }
            _ => {}
        }
        let possible = |share: f64| share > 0.0 && share <= 1.0;
        if self.share.is_some_and(|share| !possible(share)) {
            return Err("`data.share` must be above 0 and at most 1".into());
        }
        for (key, set) in self.sets() {
            let name = set.name();
            match set.share {
                Some(_) if key != "data.train" => {
                    return Err(format!(
                        "`{key}`: {name} has a `share`, but dev and test sets are taken whole: remove it"
                    ));
                }
                Some(share) if !possible(share) => {
                    return Err(format!(
                        "`{key}`: the `share` of {name} must be above 0 and at most 1"
                    ));
                }
                _ => {}
            }
            if matches!(set.corpus, Kind::Kaldi | Kind::Folder) && set.path.is_none() {
                return Err(format!(
                    "`{key}`: a corpus of kind `{}` needs its `path`",
                    set.corpus
                ));
            }
        }
        Ok(())
    }
}

/// One corpus, or a split of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SetConfig {
    /// Which importer reads it.
    pub corpus: Kind,
    /// Which split; everything by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Its folder, relative to the data root; by default where the corpus unpacks to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The share of it that is trained on, instead of `data.share`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

impl SetConfig {
    /// The name of the set in figures and files: `librispeech-dev`, `robotutor`.
    pub fn name(&self) -> String {
        let corpus = match &self.path {
            Some(path) => path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned()),
            None => None,
        };
        let corpus = corpus.unwrap_or_else(|| self.corpus.to_string());
        match &self.split {
            Some(split) => format!("{corpus}-{split}"),
            None => corpus,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(share: f64, more: &str) -> Result<(), String> {
        let text = format!(
            "train = [{{ corpus = \"fsdd\", split = \"train\", share = {share} }}]\n\
             dev = [{{ corpus = \"fsdd\", split = \"dev\" }}]\n{more}"
        );
        toml::from_str::<Data>(&text).unwrap().check()
    }

    #[test]
    fn a_share_is_of_what_is_trained_on() {
        assert_eq!(checked(0.5, "share = 0.25"), Ok(()));
        let error = checked(0.5, "share = 0.0").unwrap_err();
        assert!(error.starts_with("`data.share`"), "{error}");
        let error = checked(1.5, "").unwrap_err();
        assert!(
            error.contains("`data.train`: the `share` of fsdd-train"),
            "{error}"
        );
        let test = "test = [{ corpus = \"fsdd\", split = \"test\", share = 0.5 }]";
        let error = checked(0.5, test).unwrap_err();
        assert!(error.contains("`data.test`: fsdd-test"), "{error}");
    }
}
