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

/// Where corpora and other files are found and where the cache is.
pub(super) struct Places<'a> {
    /// The folder that holds the corpora.
    pub data_root: Option<&'a Path>,
    /// The folder of the experiment file.
    pub folder: &'a Path,
    /// The folder that holds the runs; the cache is in `cache/` there.
    pub runs: &'a Path,
}

/// A part of a set: all of it, a share of it, or one side of a hold-out.
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
    /// A file that an experiment names as `key`: in the data root, or else beside the experiment file.
    ///
    /// # Errors
    /// [`Error::Data`] when it is in neither.
    pub fn find(&self, key: &str, file: &Path) -> Result<PathBuf, Error> {
        let roots = [self.data_root, Some(self.folder)];
        let mut places = roots.into_iter().flatten().map(|root| root.join(file));
        places.find(|place| place.is_file()).ok_or_else(|| {
            Error::Data(format!(
                "{key}: there is no file {} in the data root or beside the experiment file; give --data-root DIR or set HEARKEN_DATA",
                file.display()
            ))
        })
    }

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

    /// The utterances of a part of a set, and the key of its corpus.
    fn part(
        &self,
        set: &SetConfig,
        part: Part,
        say: &mut dyn FnMut(&str),
    ) -> Result<(Vec<Utterance>, String), Error> {
        let (utterances, listing) = self.manifest(set, say)?;
        let utterances = part.of(utterances);
        if utterances.is_empty() {
            return Err(Error::Data(format!(
                "{} holds no utterances; more recordings, or a larger `share` where it or `data` has one, would give it some",
                part.name(set)
            )));
        }
        Ok((utterances, listing))
    }

    /// What [`Prepared::content`] of a part of a set will be, without its features.
    pub fn content(
        &self,
        set: &SetConfig,
        part: Part,
        recipe: &Recipe,
        copies: &Copies,
        say: &mut dyn FnMut(&str),
    ) -> Result<String, Error> {
        let (utterances, _) = self.part(set, part, say)?;
        Ok(content(&utterances, recipe, copies))
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
        let (utterances, listing) = self.part(set, part, say)?;
        let key = self.store_key(&listing, part, recipe, copies);
        let name = part.name(set);
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

    /// A file of the cache.
    pub fn cache(&self, kind: &str, file: &str) -> PathBuf {
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

    /// Those of a set's utterances that belong to the part: decided by a hash of their IDs, so that
    /// neither the order nor the number of utterances matters. Where a hold-out would take none of a few,
    /// it takes the first by that hash.
    pub fn of(self, utterances: Vec<Utterance>) -> Vec<Utterance> {
        let held_out = match self {
            Self::Whole => return utterances,
            Self::Between(from, _) => from,
            Self::HeldOut(fraction) => fraction,
        };
        let first = utterances
            .iter()
            .map(|u| place(&u.id))
            .min_by(f64::total_cmp);
        let held_out = match first {
            Some(first) if held_out > 0.0 && first >= held_out => first.next_up(),
            _ => held_out,
        };
        let belongs = |utterance: &Utterance| {
            let place = place(&utterance.id);
            match self {
                Self::Whole => true,
                Self::Between(_, to) => (held_out..to).contains(&place),
                Self::HeldOut(_) => place < held_out,
            }
        };
        utterances.into_iter().filter(belongs).collect()
    }
}

/// The place of an ID in `[0, 1)`.
fn place(id: &str) -> f64 {
    let digest = Sha256::digest(id.as_bytes());
    let number = digest[..4]
        .iter()
        .fold(0u32, |sum, &byte| (sum << 8) | u32::from(byte));
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
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

    fn numbered(count: usize) -> Vec<Utterance> {
        let named = |i| Utterance {
            id: format!("utterance-{i}"),
            ..utterance("a.wav", "one")
        };
        (0..count).map(named).collect()
    }

    #[test]
    fn a_hold_out_splits_every_utterance_to_one_side() {
        let held = Part::HeldOut(0.1).of(numbered(2000)).len();
        let kept = Part::Between(0.1, 1.0).of(numbered(2000)).len();
        assert_eq!(held + kept, 2000);
        assert!((150..250).contains(&held), "{held}");
    }

    #[test]
    fn a_hold_out_takes_one_of_a_few() {
        for count in 2..12 {
            let held = Part::HeldOut(0.01).of(numbered(count));
            let kept = Part::Between(0.01, 1.0).of(numbered(count));
            assert_eq!((held.len(), kept.len()), (1, count - 1));
            assert!(kept.iter().all(|utterance| utterance.id != held[0].id));
        }
    }

    #[test]
    fn a_smaller_share_lies_within_a_larger_one() {
        let of = |share| Part::Between(0.0, share).of(numbered(2000));
        assert!((400..600).contains(&of(0.25).len()));
        let half = of(0.5);
        assert!(
            of(0.25)
                .iter()
                .all(|u| half.iter().any(|other| other.id == u.id))
        );
        assert_eq!(of(1.0).len(), 2000);
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
