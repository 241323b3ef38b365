//! The language model of a model directory, or another in its place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Description, Error, ModelFiles};
use crate::decode::{HotPhrase, Language, Rescorer};
use crate::lm::Model;
use crate::lm::ngram::NGram;
use crate::lm::rnn::{self, Rnn};
use crate::nn::Runtime;
use crate::text::{Lexicon, Tokens};

/// The file of the n-gram.
const NGRAM: &str = "ngram.bin";

/// The file of the pronunciations.
const LEXICON: &str = "lexicon";

/// Which language model is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LanguageChoice {
    /// The one in the model directory, if there is one.
    #[default]
    Own,
    /// None.
    None,
    /// An n-gram file, of any kind that is read, or the directory of a recurrent model.
    File(PathBuf),
}

impl std::str::FromStr for LanguageChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "none" => Self::None,
            path => Self::File(path.into()),
        })
    }
}

/// The language model for an output of a model, or `None` if there is none or none is wanted. For
/// phones the pronunciations come from `lexicon`, or from the model directory. The words of `hot`
/// phrases may be found although it does not know them.
///
/// # Errors
/// A file that cannot be read; a language model that does not fit the output.
pub fn read_language(
    files: &ModelFiles,
    description: &Description,
    choice: &LanguageChoice,
    lexicon: Option<&PathBuf>,
    hot: &[HotPhrase],
    runtime: Runtime,
) -> Result<Option<Language>, Error> {
    let Some(tokens) = description.tokens.get(description.decode.output) else {
        return Ok(None);
    };
    let ngram = match choice {
        LanguageChoice::None => return Ok(None),
        LanguageChoice::File(path) if path.is_dir() => {
            let rnn = Rnn::open(path, runtime)?;
            return Ok(Some(Language::recurrent(rnn, tokens)?));
        }
        LanguageChoice::File(path) => NGram::open(path)?,
        LanguageChoice::Own if !description.decode.lm => return Ok(None),
        LanguageChoice::Own if !description.files.contains_key(NGRAM) => return Ok(None),
        LanguageChoice::Own => {
            let name = format!("{}/{NGRAM}", files.name());
            match files.read(NGRAM)? {
                Cow::Borrowed(bytes) => NGram::from_static(&name, bytes)?,
                Cow::Owned(bytes) => NGram::from_bytes(&name, bytes)?,
            }
        }
    };
    let lexicon = read_lexicon(files, description, tokens, lexicon)?;
    let language = Language::new(ngram, tokens, lexicon.as_ref(), hot)?;
    Ok(Some(language))
}

/// The pronunciations over an inventory of phones, from a file and, for words that it lacks, from the
/// model directory; `None` for characters, and where there are none.
///
/// # Errors
/// A file that cannot be read or is no lexicon.
pub fn read_lexicon(
    files: &ModelFiles,
    description: &Description,
    tokens: &Tokens,
    file: Option<&PathBuf>,
) -> Result<Option<Lexicon>, Error> {
    if tokens.is_characters() {
        return Ok(None);
    }
    let own = match description.files.contains_key(LEXICON) {
        true => {
            let name = format!("{}/{LEXICON}", files.name());
            Some(Lexicon::parse(&files.read(LEXICON)?, &name, tokens)?)
        }
        false => None,
    };
    let Some(path) = file else { return Ok(own) };
    let mut lexicon = Lexicon::read(path, tokens)?;
    for (word, pronunciations) in own.iter().flat_map(Lexicon::entries) {
        if lexicon.pronunciations(word).is_empty() {
            for pronunciation in pronunciations {
                lexicon.add(word, pronunciation.clone());
            }
        }
    }
    Ok(Some(lexicon))
}

/// The folder of the second pass's language model.
const RESCORER: &str = "rnnlm";

/// The language model of the second pass, or `None` if there is none or none is wanted. A file is
/// an n-gram, a directory a recurrent model.
///
/// # Errors
/// A model that cannot be read.
pub fn read_rescorer(
    files: &ModelFiles,
    description: &Description,
    choice: &LanguageChoice,
    runtime: Runtime,
) -> Result<Option<Arc<dyn Rescorer>>, Error> {
    let of_model = |file: &str| format!("{RESCORER}/{file}");
    let model = match choice {
        LanguageChoice::None => return Ok(None),
        LanguageChoice::File(path) => Model::open(path, runtime)?,
        LanguageChoice::Own => {
            let listed = &description.files;
            if !description.decode.lm || !listed.contains_key(&of_model(rnn::DESCRIPTION)) {
                return Ok(None);
            }
            let name = format!("{}/{RESCORER}", files.name());
            Model::Rnn(Box::new(Rnn::from_bytes(
                name,
                &files.read(&of_model(rnn::DESCRIPTION))?,
                &files.read(&of_model(rnn::VOCABULARY))?,
                &files.read(&of_model(rnn::WEIGHTS))?,
                runtime,
            )?))
        }
    };
    Ok(Some(Arc::new(model)))
}

/// The files of a recurrent language model as a model directory has them.
///
/// # Errors
/// A file that cannot be read.
pub fn rescorer_files(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    [rnn::DESCRIPTION, rnn::VOCABULARY, rnn::WEIGHTS]
        .into_iter()
        .map(|file| {
            let path = dir.join(file);
            let bytes = std::fs::read(&path).map_err(|source| Error::File { path, source })?;
            Ok((format!("{RESCORER}/{file}"), bytes))
        })
        .collect()
}

/// The files of a search's language model as a model directory has them: the n-gram, in the bytes of
/// its compact form, and its words' part of a lexicon over `tokens`, in CMUdict's format.
pub fn search_files(
    bytes: Vec<u8>,
    ngram: &NGram,
    lexicon: Option<&Lexicon>,
    tokens: &Tokens,
) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    if let Some(lexicon) = lexicon {
        let mut text = String::new();
        for (word, pronunciations) in lexicon.entries() {
            if ngram.vocabulary().find(word).is_some() {
                for pronunciation in pronunciations {
                    text.push_str(&format!("{word} {}\n", tokens.decode(pronunciation)));
                }
            }
        }
        files.insert(LEXICON.to_owned(), text.into_bytes());
    }
    files.insert(NGRAM.to_owned(), bytes);
    files
}
