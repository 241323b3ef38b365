//! The sets of an experiment: from a corpus on disk to a feature store, each step cached.
//!
//! A cached file is named by a hash of everything that it depends on, so it is either right or not
//! there; runs share the cache.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::{Error, SetConfig};
use crate::corpus::{self, Request, Utterance};
use crate::features::{Copies, ExtractRequest, Recipe, Store, extract};

/// Where corpora are found and where the cache is.
pub(super) struct Places<'a> {
    /// The folder that holds the corpora.
    pub data_root: Option<&'a Path>,
    /// The folder that holds the runs; the cache is in `cache/` there.
    pub runs: &'a Path,
}

/// A part of a set: all of it, or one side of a hold-out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part {
    /// Every utterance.
    Whole,
    /// What is trained on: those whose place in `[0, 1)` is at least the first number and below the
    /// second.
    Between(f64, f64),
    /// The fraction that is held out.
    HeldOut(f64),
}

/// What became of a set.
pub(super) struct Prepared {
    /// Its name in figures.
    pub name: String,
    /// Its feature store.
    pub store: PathBuf,
    /// A hash of what is learnt from: the utterances, the recipe and the copies, wherever the corpus
    /// lies and however old its files are, so that a copy of it trains the same run.
    pub content: String,
    /// Utterances, without speed-perturbed copies.
    pub utterances: usize,
    /// Hours, likewise.
    pub hours: f64,
}

impl Places<'_> {
    /// The folder of a set.
    ///
    /// # Errors
    /// [`Error::Data`] that says where it was looked for and how to say where it is.
    pub fn locate(&self, set: &SetConfig) -> Result<PathBuf, Error> {
        let usual = set.corpus.usual_place().map(PathBuf::from);
        let relative = set.path.clone().or(usual).unwrap_or_default();
        let place = match self.data_root {
            Some(root) => root.join(&relative),
            None if relative.is_absolute() => relative,
            None => {
                return Err(Error::Data(format!(
                    "{}: no data root; give --data-root DIR or set HEARKEN_DATA to the folder that holds `{}`",
                    set.name(),
                    relative.display()
                )));
            }
        };
        if !place.is_dir() {
            return Err(Error::Data(format!(
                "{}: there is no folder {}; give --data-root DIR or set HEARKEN_DATA to the folder that holds it",
                set.name(),
                place.display()
            )));
        }
        Ok(place)
    }

    /// Imports a set, or reads its manifest from the cache; `say` hears what was left out.
    pub fn manifest(
        &self,
        set: &SetConfig,
        say: &mut dyn FnMut(&str),
    ) -> Result<(Vec<Utterance>, String), Error> {
        let root = self.locate(set)?;
        let key = self.listing_key(set, &root)?;
        let file = self.cache("manifests", &format!("{}-{}.jsonl", set.name(), &key[..16]));
        if file.is_file() {
            return Ok((corpus::read_manifest(&file)?, key));
        }
        let imported = corpus::import(&Request::new(set.corpus, &root, set.split.as_deref()))?;
        for warning in imported.warnings.iter().take(5) {
            say(&format!("{}: {warning}", set.name()));
        }
        if imported.warnings.len() > 5 {
            say(&format!(
                "{}: {} more such lines (`hearken corpus import` shows all)",
                set.name(),
                imported.warnings.len() - 5
            ));
        }
        create_parent(&file)?;
        corpus::write_manifest(&file, &imported.utterances)?;
        Ok((imported.utterances, key))
    }

    /// Extracts the features of a part of a set, unless the cache has them.
    pub fn prepare(
        &self,
        set: &SetConfig,
        part: Part,
        recipe: &Recipe,
        copies: &Copies,
        say: &mut dyn FnMut(&str),
    ) -> Result<Prepared, Error> {
        let (utterances, listing) = self.manifest(set, say)?;
        let utterances: Vec<Utterance> = utterances
            .into_iter()
            .filter(|utterance| part.holds(&utterance.id))
            .collect();
        let key = self.store_key(&listing, part, recipe, copies);
        let name = part.name(set);
        if utterances.is_empty() {
            return Err(Error::Data(format!(
                "{name} holds no utterances; where `data.share` is set, a larger one would take some"
            )));
        }
        let store = self.store(&name, &key);
        let hours = utterances.iter().map(|u| u.duration).sum::<f64>() / 3600.0;
        if Store::open(&store).is_err() {
            create_parent(&store)?;
            say(&format!(
                "extracting {name}: {} utterances, {hours:.2} h",
                utterances.len()
            ));
            let summary = extract(&ExtractRequest {
                utterances: &utterances,
                recipe,
                copies,
                out: &store,
                progress: true,
            })?;
            for (id, why) in &summary.skipped {
                say(&format!("{name}: {id} is left out: {why}"));
            }
            for (notice, count) in &summary.notices {
                say(&format!("{name}: {count} recordings: {notice}"));
            }
        }
        Ok(Prepared {
            name,
            store,
            content: content(&utterances, recipe, copies),
            utterances: utterances.len(),
            hours,
        })
    }

    /// Whether the cache holds the features of a part of a set; for the plan of a dry run.
    pub fn is_cached(&self, set: &SetConfig, part: Part, recipe: &Recipe, copies: &Copies) -> bool {
        let Ok(root) = self.locate(set) else {
            return false;
        };
        let Ok(listing) = self.listing_key(set, &root) else {
            return false;
        };
        let key = self.store_key(&listing, part, recipe, copies);
        let name = part.name(set);
        self.store(&name, &key).is_file()
    }

    fn store(&self, name: &str, key: &str) -> PathBuf {
        self.cache("features", &format!("{name}-{}.h5", &key[..16]))
    }

    fn store_key(&self, listing: &str, part: Part, recipe: &Recipe, copies: &Copies) -> String {
        hash(&[
            listing.as_bytes(),
            format!("{part:?}").as_bytes(),
            recipe.hash().as_bytes(),
            copies.key().as_bytes(),
            env!("CARGO_PKG_VERSION").as_bytes(),
        ])
    }

    fn cache(&self, kind: &str, file: &str) -> PathBuf {
        self.runs.join("cache").join(kind).join(file)
    }

    /// A hash of the names, sizes and times of a corpus's files: another when any of them changes.
    fn listing_key(&self, set: &SetConfig, root: &Path) -> Result<String, Error> {
        let mut lines = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            let at = |source| Error::File {
                path: folder.clone(),
                source,
            };
            for entry in std::fs::read_dir(&folder).map_err(at)? {
                let path = entry.map_err(at)?.path();
                let Ok(metadata) = std::fs::metadata(&path) else {
                    continue;
                };
                if metadata.is_dir() {
                    folders.push(path);
                    continue;
                }
                let modified = metadata
                    .modified()
                    .ok()
                    .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                    .map_or(0, |time| time.as_nanos());
                lines.push(format!("{} {} {modified}", path.display(), metadata.len()));
            }
        }
        lines.sort_unstable();
        let header = format!(
            "{} {:?} {}",
            set.corpus,
            set.split,
            env!("CARGO_PKG_VERSION")
        );
        Ok(hash(&[header.as_bytes(), lines.join("\n").as_bytes()]))
    }
}

fn content(utterances: &[Utterance], recipe: &Recipe, copies: &Copies) -> String {
    let mut lines = format!("{} {}", recipe.hash(), copies.key());
    for utterance in utterances {
        lines.push_str(&format!(
            "\n{}\t{:?} {:?} {}\t{}",
            utterance.id, utterance.start, utterance.end, utterance.duration, utterance.text
        ));
    }
    hash(&[lines.as_bytes()])
}

impl Part {
    /// The name of this part of a set in figures and files.
    fn name(self, set: &SetConfig) -> String {
        match self {
            Self::HeldOut(_) => format!("{}-held-out", set.name()),
            Self::Whole | Self::Between(..) => set.name(),
        }
    }

    /// Whether an utterance belongs to the part: decided by a hash of its ID, so that neither the
    /// order nor the number of utterances matters.
    pub fn holds(self, id: &str) -> bool {
        let digest = Sha256::digest(id.as_bytes());
        let number = digest[..4]
            .iter()
            .fold(0u32, |sum, &byte| (sum << 8) | u32::from(byte));
        let place = f64::from(number) / (f64::from(u32::MAX) + 1.0);
        match self {
            Self::Whole => true,
            Self::Between(from, to) => (from..to).contains(&place),
            Self::HeldOut(fraction) => place < fraction,
        }
    }
}

/// SHA-256 of several parts, each with its length.
pub(super) fn hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn create_parent(file: &Path) -> Result<(), Error> {
    let parent = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|source| Error::File {
        path: parent.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_out_splits_every_utterance_to_one_side() {
        let ids: Vec<String> = (0..2000).map(|i| format!("utterance-{i}")).collect();
        let held = ids.iter().filter(|id| Part::HeldOut(0.1).holds(id)).count();
        let kept = Part::Between(0.1, 1.0);
        let kept = ids.iter().filter(|id| kept.holds(id)).count();
        assert_eq!(held + kept, ids.len());
        assert!((150..250).contains(&held), "{held}");
    }

    #[test]
    fn a_smaller_share_lies_within_a_larger_one() {
        let ids: Vec<String> = (0..2000).map(|i| format!("utterance-{i}")).collect();
        let of = |share| {
            ids.iter()
                .filter(move |id| Part::Between(0.0, share).holds(id))
        };
        assert!((400..600).contains(&of(0.25).count()));
        assert!(of(0.25).all(|id| Part::Between(0.0, 0.5).holds(id)));
        assert_eq!(of(1.0).count(), ids.len());
    }

    fn utterance(audio: &str, text: &str) -> Utterance {
        let line = format!(
            r#"{{"id": "a", "audio": "{audio}", "text": "{text}", "speaker": "s", "duration": 1.5}}"#
        );
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn a_copy_of_a_corpus_is_the_same_to_learn_from_and_other_texts_are_not() {
        let recipe = Recipe::named("fbank80-stack3").unwrap();
        let of = |utterance, speeds: &[f64]| content(&[utterance], &recipe, &Copies::at(speeds));
        let here = of(utterance("here/a.wav", "one"), &[1.0]);
        assert_eq!(here, of(utterance("there/a.wav", "one"), &[1.0]));
        assert_ne!(here, of(utterance("here/a.wav", "two"), &[1.0]));
        assert_ne!(here, of(utterance("here/a.wav", "one"), &[0.9, 1.0]));
    }
}
