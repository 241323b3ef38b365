//! From texts to a model directory.

use std::path::{Path, PathBuf};

use super::config::{Config, ModelConfig};
use super::directory::{Description, Provenance, write};
use super::model::Rnn;
use super::network::Network;
use super::partition::Partition;
use super::task::RnnTask;
use super::text::{Text, encode};
use crate::lm::ngram::{Reading, VocabularyLimit};
use crate::lm::{Error, LanguageModel, Source, Unit, Vocabulary};
use crate::nn::{Runtime, Storage, write_weights};
use crate::train::{self, EpochRecord, Observer, Outcome, Plan, Progress};

/// What a recurrent model is trained with.
pub struct Training<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The texts, read one after the other.
    pub texts: Vec<Source>,
    /// The text that the best epoch is chosen by.
    pub dev: Source,
    /// How they are read.
    pub reading: Reading,
    /// The vocabulary, if it is not the configuration's so many most frequent words.
    pub vocabulary: Option<VocabularyLimit>,
    /// The model directory whose weights and vocabulary training starts from, instead of random ones.
    pub init: Option<&'a Path>,
    /// The model directory; its `training/` holds the run: checkpoint, metrics, best weights.
    pub out: &'a Path,
    /// How the model's weights are stored.
    pub storage: Storage,
    /// Whether a checkpoint made on another instruction path may be resumed.
    pub allow_other_path: bool,
}

/// Trains a model, going on from the checkpoint of the same run if there is one, and writes its
/// directory: after every epoch that is the best so far, and at the end.
///
/// Fails at texts without words, and wherever training does; the last checkpoint is then kept.
pub fn train(training: Training, observer: &mut dyn Observer) -> Result<Outcome, Error> {
    let Training { config, out, .. } = training;
    let runtime = Runtime::new(config.precision);
    let texts = training
        .texts
        .iter()
        .map(|text| text.name().to_string())
        .collect();
    let (text, network, init) = match training.init {
        Some(dir) => {
            let init = Rnn::open(dir, runtime)?;
            let vocabulary = init.vocabulary().clone();
            let text = Text::read_with(training.texts, training.reading, vocabulary)?;
            let network = start_from(&init, &config.model, runtime)?;
            (text, network, Some(init))
        }
        None => {
            let limit = training
                .vocabulary
                .unwrap_or(match config.model.vocabulary {
                    0 => VocabularyLimit::All,
                    number => VocabularyLimit::MostFrequent(number),
                });
            let text = Text::read(training.texts, training.reading, &limit)?;
            let partition = Partition::new(&config.model.softmax, &text.counts)?;
            let bias = partition.log_shares(&text.counts);
            let network = Network::new(&config.model, partition, bias, runtime, config.seed)?;
            (text, network, None)
        }
    };
    let dev = encode(training.dev, training.reading, &text.vocabulary)?;
    observer.note(&format!(
        "{} tokens, {} of them unknown; a vocabulary of {}",
        text.tokens.len(),
        text.counts[crate::lm::UNKNOWN as usize],
        text.vocabulary.len()
    ));
    observer.note(&format!(
        "{} parameters, on the path {}",
        network.parameters().count(),
        runtime.path
    ));
    let identity = identity(config, &text, &dev, init.as_ref())?;
    let characters = config.model.unit == Unit::Character;
    let task = RnnTask::new(network, text.tokens, dev, config, characters);
    let directory = Directory {
        out: out.to_owned(),
        storage: training.storage,
        vocabulary: &text.vocabulary,
        description: Description {
            format: 0,
            context: config.batches.context,
            softmax_bounds: Vec::new(),
            model: config.model.clone(),
            provenance: Provenance {
                version: env!("CARGO_PKG_VERSION").to_string(),
                texts,
                seed: config.seed,
                path: runtime.path.to_string(),
                epochs: Vec::new(),
                dev_loss: 0.0,
            },
            files: Default::default(),
        },
    };
    let dir = out.join("training");
    let plan = Plan {
        config: &config.train,
        seed: config.seed,
        dir: &dir,
        identity: &identity,
        path: &runtime.path.to_string(),
        allow_other_path: training.allow_other_path,
    };
    let mut saving = Saving {
        observer,
        task: &task,
        directory: &directory,
        best: f64::INFINITY,
    };
    let outcome = train::train(&task, &plan, &mut saving)?;
    directory.write(&task, &outcome.epochs, outcome.evaluation.loss)?;
    Ok(outcome)
}

/// A network with the weights of `init`; what is dropped and how is `config`'s.
///
/// Fails when the architectures differ, with the setting.
fn start_from(init: &Rnn, config: &ModelConfig, runtime: Runtime) -> Result<Network, Error> {
    let given = init.network();
    let same = ModelConfig {
        dropout: config.dropout,
        ..given.config().clone()
    };
    if same != *config {
        return Err(Error::Model {
            name: init.name().to_owned(),
            why: format!("its `[model]` is {same:?} and the configuration's is {config:?}"),
        });
    }
    let partition = given.output().partition().clone();
    let bias = vec![0.0; partition.rows()];
    let network = Network::new(config, partition, bias, runtime, 0)?;
    for (index, (_, value, _)) in given.parameters().iter().enumerate() {
        network.parameters().set(index, value)?;
    }
    Ok(network)
}

/// A hash of all that the weights depend on.
fn identity(
    config: &Config,
    text: &Text,
    dev: &[u32],
    init: Option<&Rnn>,
) -> Result<String, Error> {
    let config = toml::to_string(config).map_err(|error| Error::Option(error.to_string()))?;
    let mut bytes = config.into_bytes();
    for word in text.vocabulary.words() {
        bytes.extend_from_slice(word.as_bytes());
        bytes.push(b'\n');
    }
    let tokens = text.tokens.iter().chain(dev);
    bytes.extend(tokens.flat_map(|token| token.to_le_bytes()));
    if let Some(init) = init {
        let weights = write_weights(init.network().parameters(), Storage::F32);
        bytes.extend(weights.map_err(Error::Option)?);
    }
    Ok(train::sha256(&bytes))
}

/// The model directory of a run.
struct Directory<'a> {
    out: PathBuf,
    storage: Storage,
    vocabulary: &'a Vocabulary,
    description: Description,
}

impl Directory<'_> {
    fn write(&self, task: &RnnTask, epochs: &[usize], dev_loss: f64) -> Result<(), Error> {
        let mut description = self.description.clone();
        description.provenance.epochs = epochs.to_vec();
        description.provenance.dev_loss = dev_loss;
        let network = task.network();
        write(
            &self.out,
            &description,
            network,
            self.vocabulary,
            self.storage,
        )
    }
}

/// Writes the model whenever it is the best so far: long runs give something on the way.
struct Saving<'a> {
    observer: &'a mut dyn Observer,
    task: &'a RnnTask,
    directory: &'a Directory<'a>,
    best: f64,
}

impl Observer for Saving<'_> {
    fn step(&mut self, progress: &Progress) {
        self.observer.step(progress);
    }

    fn epoch(&mut self, record: &EpochRecord) {
        self.observer.epoch(record);
        if record.dev_loss < self.best {
            self.best = record.dev_loss;
            let written = self
                .directory
                .write(self.task, &[record.epoch], record.dev_loss);
            if let Err(error) = written {
                self.observer.note(&error.to_string());
            }
        }
    }

    fn note(&mut self, note: &str) {
        self.observer.note(note);
    }
}
