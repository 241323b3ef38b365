//! What the task trains on: feature stores and the targets of their transcripts.

use std::collections::BTreeMap;

use super::Error;
use crate::features::Store;
use crate::text::{Lexicon, Normalisation, Tokens};

/// One utterance, in one or several speeds.
pub struct Example {
    /// Its ID, without the speed.
    pub id: String,
    /// Its speaker.
    pub speaker: String,
    /// Its normalised transcript.
    pub text: String,
    /// Where its features are: store and place, the recorded speed first.
    pub versions: Vec<Version>,
    /// The target of each output; `None` where the transcript has none (a word without a
    /// pronunciation), and the output then learns nothing from this utterance.
    pub targets: Vec<Option<Vec<u32>>>,
}

/// The features of one utterance at one speed.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    /// Which of the set's stores.
    pub store: usize,
    /// Which utterance of the store.
    pub index: usize,
    /// Its frames, `T`.
    pub frames: usize,
}

/// Feature stores with their transcripts turned into targets.
pub struct DataSet {
    /// The stores, one a corpus split.
    pub stores: Vec<Store>,
    /// A name for each store, for figures by corpus.
    pub names: Vec<String>,
    /// The utterances, in the order of the stores.
    pub examples: Vec<Example>,
    /// What was left out or has no target for some output, a line each.
    pub notes: Vec<String>,
}

impl DataSet {
    /// Joins stores to one set: speed-perturbed copies (`sp0.9-ID`) become versions of their
    /// utterance, transcripts are normalised and encoded for every output.
    ///
    /// A transcript with characters outside the inventory is an error of the configuration and
    /// named; one with a word that `lexicon` lacks has no phone target.
    ///
    /// # Errors
    /// [`Error::Data`] when nothing is left, or when an output of phones has no lexicon.
    pub fn new(
        stores: Vec<(String, Store)>,
        outputs: &[&Tokens],
        lexicon: Option<&Lexicon>,
        normalisation: &Normalisation,
    ) -> Result<Self, Error> {
        let (names, stores): (Vec<_>, Vec<_>) = stores.into_iter().unzip();
        let mut notes = Vec::new();
        let mut examples: Vec<Example> = Vec::new();
        for (number, store) in stores.iter().enumerate() {
            let mut place: BTreeMap<String, usize> = BTreeMap::new();
            let mut copies = Vec::new();
            for index in 0..store.len() {
                let version = Version {
                    store: number,
                    index,
                    frames: store.frames(index),
                };
                let id = store.id(index);
                if let Some(original) = without_speed(id) {
                    copies.push((original.to_owned(), version));
                    continue;
                }
                let text = normalisation.apply(store.text(index));
                let targets = outputs
                    .iter()
                    .map(|tokens| target(&text, tokens, lexicon))
                    .collect::<Result<Vec<_>, String>>();
                match targets {
                    Err(why) => notes.push(format!("{id} of {} is left out: {why}", names[number])),
                    Ok(targets) => {
                        place.insert(id.to_owned(), examples.len());
                        examples.push(Example {
                            id: id.to_owned(),
                            speaker: store.speaker(index).to_owned(),
                            text,
                            versions: vec![version],
                            targets,
                        });
                    }
                }
            }
            for (original, version) in copies {
                if let Some(&index) = place.get(&original) {
                    examples[index].versions.push(version);
                }
            }
        }
        for (output, tokens) in outputs.iter().enumerate() {
            let without = examples
                .iter()
                .filter(|e| e.targets[output].is_none())
                .count();
            if without == examples.len() {
                return Err(Error::Data(format!(
                    "none of the {without} utterances of {} has a target for output {output} ({} tokens)",
                    names.join(", "),
                    tokens.len()
                )));
            }
            if without > 0 {
                notes.push(format!(
                    "{without} utterances have a word without a pronunciation: output {output} learns nothing from them"
                ));
            }
        }
        Ok(Self {
            stores,
            names,
            examples,
            notes,
        })
    }

    /// The target of one output for utterances said one after the other: joined by `space` where the
    /// inventory has one; `None` where one of them has no target.
    pub fn joined_target(
        &self,
        examples: impl IntoIterator<Item = usize>,
        output: usize,
        space: Option<u32>,
    ) -> Option<Vec<u32>> {
        let mut joined = Vec::new();
        for example in examples {
            let target = self.examples[example].targets[output].as_ref()?;
            if !joined.is_empty() {
                joined.extend(space);
            }
            joined.extend_from_slice(target);
        }
        Some(joined)
    }

    /// Frames of every utterance at its recorded speed.
    pub fn lengths(&self) -> Vec<usize> {
        self.examples.iter().map(|e| e.versions[0].frames).collect()
    }

    /// Reads the features `[T, D]` of one version.
    ///
    /// # Errors
    /// A store that cannot be read, by name.
    pub fn read(&self, version: Version) -> Result<ndarray::Array2<f32>, Error> {
        Ok(self.stores[version.store].read(version.index)?)
    }
}

/// The ID of the utterance whose speed-perturbed copy this ID names.
fn without_speed(id: &str) -> Option<&str> {
    let (speed, original) = id.strip_prefix("sp")?.split_once('-')?;
    speed.parse::<f64>().ok().map(|_| original)
}

/// The target of a transcript; `Ok(None)` when a word has no pronunciation, `Err` says what is
/// outside the inventory.
fn target(
    text: &str,
    tokens: &Tokens,
    lexicon: Option<&Lexicon>,
) -> Result<Option<Vec<u32>>, String> {
    if tokens.is_characters() {
        return tokens
            .encode_text(text)
            .map(Some)
            .map_err(|error| error.to_string());
    }
    let Some(lexicon) = lexicon else {
        return Err("an output of phones needs a pronunciation lexicon".into());
    };
    let mut phones = Vec::new();
    for word in text.split_whitespace() {
        match lexicon.pronunciations(word).first() {
            Some(pronunciation) => phones.extend_from_slice(pronunciation),
            None => return Ok(None),
        }
    }
    Ok(Some(phones))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_recognised_by_their_speed() {
        assert_eq!(
            without_speed("sp0.9-251-118436-0000"),
            Some("251-118436-0000")
        );
        assert_eq!(without_speed("sp1.1-a"), Some("a"));
        assert_eq!(without_speed("speaker-1"), None);
        assert_eq!(without_speed("251-118436-0000"), None);
    }
}
