//! The language model of an experiment: the `[lm]` table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Error;
use super::domain::{DomainConfig, Transcripts};
use super::sets::{Places, hash};
use crate::lm::Source;
use crate::lm::ngram::{self, Estimation, InMemory, Limit, NGram, Reading, Trie};
use crate::lm::ngram::{VocabularyLimit, compact};
use crate::lm::rnn;
use crate::lm::{MAX_LINE, Unit};
use crate::pronounce::{self, Guesses, LetterToSound, Training};
use crate::recognise::rescorer_files;
use crate::text::{Lexicon, Tokens};

/// The n-gram that goes into the model: a file, or what is estimated from texts.
///
/// Files are looked for in the data root, then beside the experiment file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LanguageConfig {
    /// A finished n-gram of any kind that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ngram: Option<PathBuf>,
    /// The texts to estimate one from: plain, gzip or xz, one sentence a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<PathBuf>,
    /// Whether the estimated model predicts characters instead of words.
    pub characters: bool,
    /// Words of its longest n-grams.
    pub order: usize,
    /// Its words: so many of the most frequent; all of them by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<usize>,
    /// Leaves out n-grams that occur so often or more rarely: a number for each order, the last for
    /// all longer ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prune: Vec<u64>,
    /// Leaves out n-grams whose loss raises the perplexity by less than this fraction (Stolcke
    /// 1998).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune_entropy: Option<f64>,
    /// Keeps so many of the n-grams of two words and more, those that matter most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ngrams: Option<usize>,
    /// Texts nearer to what is to be recognised, for models that are mixed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainConfig>,
    /// Bits of the stored values; plain f32 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantise: Option<u32>,
    /// Pronunciations of its words in CMUdict's format, for phones; by default those of
    /// `data.lexicon`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lexicon: Option<PathBuf>,
    /// Whether the words that the lexicon lacks get the pronunciation that letter-to-sound, learnt
    /// from the lexicon, finds most probable.
    pub letter_to_sound: bool,
    /// The directory of a trained recurrent language model that rescores the n-best hypotheses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rnn: Option<PathBuf>,
    /// Whether the weights of `[decode]` are tuned on the dev data.
    pub tune: bool,
}

impl Default for LanguageConfig {
    fn default() -> Self {
        Self {
            ngram: None,
            texts: Vec::new(),
            characters: false,
            order: 3,
            vocabulary: None,
            prune: Vec::new(),
            prune_entropy: None,
            ngrams: None,
            domain: None,
            quantise: None,
            lexicon: None,
            letter_to_sound: false,
            rnn: None,
            tune: true,
        }
    }
}

impl LanguageConfig {
    /// Refuses impossible values, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.ngram.is_some() != self.texts.is_empty() {
            return Err("`lm` must name either an `ngram` or the `texts` to estimate one".into());
        }
        if self.prune_entropy.is_some() && self.ngrams.is_some() {
            return Err("`lm.ngrams` and `lm.prune-entropy` exclude each other".into());
        }
        if self.order == 0 {
            return Err("`lm.order` must be at least 1".into());
        }
        if let Some(domain) = &self.domain {
            domain.check()?;
        }
        if self.ngram.is_some() && self.domain.is_some() {
            return Err("`lm.domain` needs the `lm.texts` to mix its model with".into());
        }
        Ok(())
    }

    /// Where the n-gram comes from, for the plan.
    pub(super) fn describe(&self) -> String {
        match &self.ngram {
            Some(file) => file.display().to_string(),
            None => format!("a {}-gram from {} texts", self.order, self.texts.len()),
        }
    }

    /// The n-gram in its compact form, from the cache if it is there.
    pub(super) fn ngram(
        &self,
        places: &Places,
        transcripts: &Transcripts,
        say: &mut dyn FnMut(&str),
    ) -> Result<Vec<u8>, Error> {
        if let Some(file) = &self.ngram {
            let path = places.find("lm", file)?;
            if self.prune_entropy.is_none() && self.ngrams.is_none() {
                return Ok(ngram::read_compact(&path, self.quantise)?);
            }
            return self.finish(ngram::read(&path)?);
        }
        let texts = find_all(&self.texts, places)?;
        let mut sources = texts.clone();
        let domain = match &self.domain {
            Some(domain) => {
                let found = domain.find(places, transcripts)?;
                sources.extend(found.files());
                Some(found)
            }
            None => None,
        };
        let cached = self.cached(&sources, transcripts, places)?;
        if cached.is_file() {
            return read(&cached);
        }
        say(&format!(
            "estimating a {}-gram from {} texts",
            self.order,
            texts.len()
        ));
        let vocabulary = self
            .vocabulary
            .map_or(VocabularyLimit::All, VocabularyLimit::MostFrequent);
        let sources = open_all(&texts)?;
        let mut trie = self.estimate(sources, self.order, self.prune.clone(), vocabulary, None)?;
        if let Some(domain) = domain {
            let near = |sources| {
                let words = trie.vocabulary.words().map(str::to_owned).collect();
                let words = VocabularyLimit::Listed(words);
                let fallback = Some(ngram::FALLBACK);
                self.estimate(sources, domain.order(), Vec::new(), words, fallback)
            };
            let near = domain.models(near)?;
            trie = domain.mix(trie, near, say)?;
        }
        let bytes = self.finish(trie)?;
        if let Some(folder) = cached.parent() {
            std::fs::create_dir_all(folder).map_err(|source| Error::File {
                path: folder.to_owned(),
                source,
            })?;
        }
        crate::train::write_whole(&cached, &bytes)?;
        Ok(bytes)
    }

    fn estimate(
        &self,
        sources: Vec<Source>,
        order: usize,
        prune: Vec<u64>,
        vocabulary: VocabularyLimit,
        discount_fallback: Option<[f32; 3]>,
    ) -> Result<Trie, Error> {
        let estimation = Estimation {
            order,
            prune,
            vocabulary,
            discount_fallback,
            reading: Reading {
                unit: match self.characters {
                    true => Unit::Character,
                    false => Unit::Word,
                },
                max_line: MAX_LINE,
                skip_symbols: false,
            },
            memory: MEMORY,
            folder: std::env::temp_dir(),
        };
        Ok(ngram::estimate(sources, &estimation, InMemory)?)
    }

    /// The pronunciations of the n-gram's words, from its own lexicon or that of the data; `None`
    /// if there is neither.
    pub(super) fn lexicon(
        &self,
        ngram: &NGram,
        of_data: Option<&Lexicon>,
        places: &Places,
        say: &mut dyn FnMut(&str),
    ) -> Result<Option<Lexicon>, Error> {
        let phones = Tokens::phones();
        let own = match &self.lexicon {
            Some(file) => Some(Lexicon::read(&places.find("lm.lexicon", file)?, &phones)?),
            None => of_data.cloned(),
        };
        let Some(mut lexicon) = own else {
            return Ok(None);
        };
        if !self.letter_to_sound {
            return Ok(Some(lexicon));
        }
        let trie = LetterToSound::train(&lexicon, &phones, Training::default())?;
        let model = LetterToSound::from_trie(&trie, &phones)?;
        let words: Vec<&str> = ngram.vocabulary().words().collect();
        let entries = pronounce::complete(&words, &lexicon, Some(&model), Guesses::BEST);
        let mut guessed = 0;
        for (word, entry) in words.iter().zip(entries) {
            if !entry.known && !entry.pronunciations.is_empty() {
                guessed += 1;
                entry
                    .pronunciations
                    .into_iter()
                    .for_each(|pronunciation| lexicon.add(word, pronunciation));
            }
        }
        say(&format!(
            "guessed how {guessed} of {} words are pronounced",
            words.len()
        ));
        Ok(Some(lexicon))
    }

    /// The files of the recurrent language model, if there is to be one.
    pub(super) fn recurrent(&self, places: &Places) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        match &self.rnn {
            Some(dir) => {
                let description = places.find("lm.rnn", &dir.join(rnn::DESCRIPTION))?;
                let dir = description.parent().unwrap_or(Path::new("."));
                Ok(rescorer_files(dir)?)
            }
            None => Ok(BTreeMap::new()),
        }
    }

    fn finish(&self, trie: Trie) -> Result<Vec<u8>, Error> {
        let limit = match (self.prune_entropy, self.ngrams) {
            (Some(share), _) => Some(Limit::Threshold(share)),
            (None, ngrams) => ngrams.map(Limit::Ngrams),
        };
        let trie = match limit {
            Some(limit) => ngram::prune(&trie, limit),
            None => trie,
        };
        Ok(compact(&trie, self.quantise)?)
    }

    /// Where the estimated model is kept: named by all that it depends on.
    fn cached(
        &self,
        texts: &[PathBuf],
        transcripts: &Transcripts,
        places: &Places,
    ) -> Result<PathBuf, Error> {
        let mut parts = vec![format!(
            "{:?} {:?}",
            Self {
                tune: true,
                lexicon: None,
                letter_to_sound: false,
                rnn: None,
                ..self.clone()
            },
            ngram::FORMAT
        )];
        for text in texts {
            let metadata = std::fs::metadata(text).map_err(|source| Error::File {
                path: text.clone(),
                source,
            })?;
            let modified = metadata.modified().ok();
            parts.push(format!("{text:?} {} {modified:?}", metadata.len()));
        }
        parts.extend(transcripts.lines().map(str::to_owned));
        let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        let name = format!("{}.bin", &hash(&parts)[..16]);
        Ok(places.cache("lm", &name))
    }
}

/// Memory for texts and n-grams; what goes beyond is sorted in temporary files.
const MEMORY: usize = 4 << 30;

pub(super) fn find_all(files: &[PathBuf], places: &Places) -> Result<Vec<PathBuf>, Error> {
    files.iter().map(|file| places.find("lm", file)).collect()
}

/// The texts, opened.
pub(super) fn open_all(texts: &[PathBuf]) -> Result<Vec<Source>, Error> {
    let sources = texts.iter().map(|text| Source::open(text));
    Ok(sources.collect::<Result<_, _>>()?)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}
