//! Language models of texts nearer to what is to be recognised, mixed into that of much text: the
//! `[lm.domain]` table.

use std::io::Cursor;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Error;
use super::language::{find_all, open_all};
use super::sets::Places;
use crate::lm::ngram::{self, NGram, Trie};
use crate::lm::{MAX_LINE, Mixture, Source};

/// The further models of a mixture, over the words of the first: one of texts, one of transcripts.
/// Expectation maximisation chooses the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DomainConfig {
    /// The texts of one model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<PathBuf>,
    /// The sets of `data.train` whose transcripts are the text of another, named as figures name
    /// them: `speechocean762-train`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transcripts: Vec<String>,
    /// The text that chooses the weights of the mixture; by default the transcripts of the dev data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<PathBuf>,
    /// Words of their longest n-grams.
    pub order: usize,
}

/// The normalised transcripts that a language model asks for, one a line.
#[derive(Clone, Debug, Default)]
pub(super) struct Transcripts {
    /// Those of the sets that [`DomainConfig::transcripts`] names.
    pub train: Vec<String>,
    /// Those of the dev data, where no other text chooses the weights.
    pub dev: Vec<String>,
}

impl Transcripts {
    /// All of them.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.train.iter().chain(&self.dev).map(String::as_str)
    }
}

impl DomainConfig {
    /// Refuses impossible values, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.order == 0 {
            return Err("`lm.domain.order` must be at least 1".into());
        }
        if self.texts.is_empty() && self.transcripts.is_empty() {
            return Err("`lm.domain` must name `texts` or `transcripts`".into());
        }
        Ok(())
    }

    /// The files that it names, and the transcripts beside them.
    pub(super) fn find<'a>(
        &self,
        places: &Places,
        transcripts: &'a Transcripts,
    ) -> Result<Domain<'a>, Error> {
        let dev = self
            .dev
            .as_ref()
            .map(|dev| places.find("lm.domain.dev", dev));
        Ok(Domain {
            order: self.order,
            texts: find_all(&self.texts, places)?,
            dev: dev.transpose()?,
            transcripts,
        })
    }
}

/// A [`DomainConfig`] whose texts have been found.
pub(super) struct Domain<'a> {
    order: usize,
    texts: Vec<PathBuf>,
    dev: Option<PathBuf>,
    transcripts: &'a Transcripts,
}

impl Domain<'_> {
    /// Words of the longest n-grams.
    pub fn order(&self) -> usize {
        self.order
    }

    /// All files that the mixture depends on.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.texts.iter().chain(&self.dev).cloned()
    }

    /// The further models, each with the name of what it was estimated from.
    pub fn models(
        &self,
        estimate: impl Fn(Vec<Source>) -> Result<Trie, Error>,
    ) -> Result<Vec<(String, Trie)>, Error> {
        let mut models = Vec::new();
        if !self.texts.is_empty() {
            let name = format!("{} texts", self.texts.len());
            models.push((name, estimate(open_all(&self.texts)?)?));
        }
        let lines = &self.transcripts.train;
        if !lines.is_empty() {
            let name = format!("{} transcripts", lines.len());
            models.push((name, estimate(vec![source(lines)?])?));
        }
        Ok(models)
    }

    /// The mixture of the `first` model with the further ones.
    pub fn mix(
        &self,
        first: Trie,
        near: Vec<(String, Trie)>,
        say: &mut dyn FnMut(&str),
    ) -> Result<Trie, Error> {
        let (names, near): (Vec<String>, Vec<Trie>) = near.into_iter().unzip();
        let models: Vec<Trie> = [first].into_iter().chain(near).collect();
        let queried = models
            .iter()
            .map(|model| NGram::from_trie("the n-gram".into(), model, None))
            .collect::<Result<Vec<_>, _>>()?;
        let dev = match &self.dev {
            Some(dev) => Source::open(dev)?,
            None => source(&self.transcripts.dev)?,
        };
        let weights = Mixture::tuned(queried, dev, MAX_LINE)?.weights();
        let parts = names.iter().zip(&weights[1..]);
        let parts: Vec<String> = parts
            .map(|(name, weight)| format!("{weight:.4} of a {}-gram from {name}", self.order))
            .collect();
        say(&format!(
            "mixed {:.4} with {}",
            weights[0],
            parts.join(" and ")
        ));
        Ok(ngram::mix(&models, &weights)?)
    }
}

fn source(lines: &[String]) -> Result<Source, Error> {
    Ok(Source::new(
        "the transcripts".into(),
        Cursor::new(lines.join("\n")),
    )?)
}
