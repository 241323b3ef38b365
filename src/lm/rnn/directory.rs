//! The directory of a recurrent model: `rnn.toml`, `vocabulary.xz`, `weights.safetensors`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::config::{Context, ModelConfig};
use super::model::Rnn;
use super::network::Network;
use super::partition::Partition;
use crate::lm::vocabulary::SPECIAL;
use crate::lm::{Error, Vocabulary};
use crate::nn::{Runtime, Storage, read_weights, write_weights};
use crate::train::{sha256, write_whole};

/// The version of the format that this program writes.
const FORMAT: u32 = 1;

/// The description of a model directory.
pub const DESCRIPTION: &str = "rnn.toml";
/// The words of a model directory, the most frequent first, one a line, compressed by xz.
pub const VOCABULARY: &str = "vocabulary.xz";
/// The weights of a model directory.
pub const WEIGHTS: &str = "weights.safetensors";

/// What `rnn.toml` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Description {
    /// Version of the format.
    pub format: u32,
    /// What the model knew of the text before a sentence in training.
    pub context: Context,
    /// First token of each group of the softmax, and the size of the vocabulary.
    pub softmax_bounds: Vec<usize>,
    /// The network.
    pub model: ModelConfig,
    /// Where the model comes from.
    pub provenance: Provenance,
    /// SHA-256 of the other files, in hexadecimal.
    pub files: BTreeMap<String, String>,
}

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provenance {
    /// Version of the program.
    pub version: String,
    /// The texts.
    pub texts: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// Instruction path of the training.
    pub path: String,
    /// The epochs whose weights it has, from 1.
    pub epochs: Vec<usize>,
    /// Mean loss on the dev text, nats a token.
    pub dev_loss: f64,
}

/// Writes a model directory, each file whole; the description comes last.
///
/// Fails when a file cannot be written.
pub fn write(
    dir: &Path,
    description: &Description,
    network: &Network,
    vocabulary: &Vocabulary,
    storage: Storage,
) -> Result<(), Error> {
    let refuse = |why: String| Error::Model {
        name: dir.display().to_string(),
        why,
    };
    let weights = write_weights(network.parameters(), storage).map_err(refuse)?;
    let words: String = vocabulary
        .words()
        .skip(SPECIAL.len())
        .flat_map(|word| [word, "\n"])
        .collect();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 9);
    let words = xz
        .write_all(words.as_bytes())
        .and_then(|()| xz.finish())
        .map_err(|error| refuse(error.to_string()))?;
    let mut description = description.clone();
    description.format = FORMAT;
    description.softmax_bounds = network.output().partition().bounds().to_vec();
    description.files = BTreeMap::from([
        (WEIGHTS.to_owned(), sha256(&weights)),
        (VOCABULARY.to_owned(), sha256(&words)),
    ]);
    let text = toml::to_string(&description).map_err(|error| refuse(error.to_string()))?;
    write_whole(&dir.join(WEIGHTS), &weights)?;
    write_whole(&dir.join(VOCABULARY), &words)?;
    Ok(write_whole(&dir.join(DESCRIPTION), text.as_bytes())?)
}

impl Rnn {
    /// Reads a model directory.
    ///
    /// Fails when a file is missing or is not what the description says.
    pub fn open(dir: &Path, runtime: Runtime) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = dir.join(name);
            std::fs::read(&path).map_err(|source| Error::read(&path, source))
        };
        let name = dir.display().to_string();
        let (description, vocabulary, weights) =
            (read(DESCRIPTION)?, read(VOCABULARY)?, read(WEIGHTS)?);
        Self::from_bytes(name, &description, &vocabulary, &weights, runtime)
    }

    /// A model from the bytes of its three files; `name` stands in messages.
    ///
    /// Fails when one of them is not what the description says.
    pub fn from_bytes(
        name: String,
        description: &[u8],
        vocabulary: &[u8],
        weights: &[u8],
        runtime: Runtime,
    ) -> Result<Self, Error> {
        let refuse = |why: String| Error::Model {
            name: name.clone(),
            why,
        };
        let text = std::str::from_utf8(description)
            .map_err(|_| refuse(format!("{DESCRIPTION} is not UTF-8 text")))?;
        let description: Description = toml::from_str(text)
            .map_err(|error| refuse(format!("{DESCRIPTION}: {}", error.message())))?;
        if description.format != FORMAT {
            return Err(refuse(format!(
                "its format is {} and this program reads {FORMAT}",
                description.format
            )));
        }
        for (file, bytes) in [(VOCABULARY, vocabulary), (WEIGHTS, weights)] {
            if description.files.get(file) != Some(&sha256(bytes)) {
                return Err(refuse(format!(
                    "{file} is not the file that {DESCRIPTION} describes (its SHA-256 differs): copy the whole directory again"
                )));
            }
        }
        description.model.check()?;
        let mut words = String::new();
        liblzma::read::XzDecoder::new(vocabulary)
            .read_to_string(&mut words)
            .map_err(|error| refuse(format!("{VOCABULARY}: {error}")))?;
        let vocabulary = Vocabulary::from_words(words.lines());
        let partition = Partition::from_bounds(description.softmax_bounds)
            .filter(|partition| partition.tokens() == vocabulary.len())
            .ok_or_else(|| {
                refuse(format!(
                    "{DESCRIPTION} is of another vocabulary than {VOCABULARY}"
                ))
            })?;
        let bias = vec![0.0; partition.rows()];
        // Nothing is dropped outside of training, dynamic evaluation included.
        let config = ModelConfig {
            dropout: 0.0,
            ..description.model
        };
        let network = Network::new(&config, partition, bias, runtime, 0)?;
        let weights = read_weights(weights).map_err(refuse)?;
        let parameters = network.parameters();
        for (index, (parameter, ..)) in parameters.iter().enumerate() {
            match weights.iter().find(|(other, _)| other == parameter) {
                Some((_, value)) => parameters.set(index, value)?,
                None => return Err(refuse(format!("{WEIGHTS} lacks `{parameter}`"))),
            }
        }
        Self::new(name, network, vocabulary, description.context)
    }
}
