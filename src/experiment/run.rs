//! A run from the experiment file to the figures: prepare, features, train, decode, score, report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::domain::Transcripts;
use super::material::{Material, places, sets};
use super::measure::{dev_utterances, measure};
use super::network::{train_first, train_network};
use super::results::{TrainSet, Tuning, today};
use super::sets::Places;
use super::start::Networks;
use super::{Error, Experiment, LanguageConfig, Results, write_report};
use crate::decode::{self, Decoder, Method};
use crate::lm::ngram::NGram;
use crate::nn::Runtime;
use crate::recognise::{
    LanguageChoice, ModelFiles, Storage, read_language, read_model, read_rescorer, rewrite_model,
    search_files, write_model,
};
use crate::text::Tokens;
use crate::train::{Observer, write_whole};

/// Where a run finds and puts things.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The folder that holds the corpora.
    pub data_root: Option<PathBuf>,
    /// The folder that holds the runs and their cache.
    pub runs: PathBuf,
    /// Whether a checkpoint made on another instruction path may be resumed.
    pub allow_other_path: bool,
    /// The command line, for the results file.
    pub command: String,
    /// Storage of the finished model's weights.
    pub storage: Storage,
}

/// Runs the last experiment of a chain ([`Experiment::read_chain`]), going on from whatever an earlier,
/// interrupted run left; those before it are trained first, where their runs do not have their networks
/// yet. Returns the run's directory and its results.
///
/// # Errors
/// Whatever a stage gives; what earlier stages made is kept.
pub fn run(
    chain: &[Experiment],
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(PathBuf, Results), Error> {
    let Some((experiment, before)) = chain.split_last() else {
        return Err(Error::Data("there is no experiment to run".into()));
    };
    let mut networks = Networks::new();
    for earlier in before {
        let network = train_first(earlier, options, &networks, observer)?;
        networks.insert(earlier.name.clone(), network);
    }
    let dir = options.runs.join(&experiment.name);
    write_config(experiment, &dir)?;
    let material = Material::prepare(experiment, options, observer)?;
    let network = train_network(experiment, options, &material, &networks, observer)?;
    let runtime = Runtime::new(experiment.precision);
    let model_dir = dir.join("model");
    let others = language_files(experiment, options, &material, observer)?;
    write_model(
        &model_dir,
        &network.description,
        &network.task.model,
        options.storage,
        others,
    )?;
    // What is measured is what ships: the model as it stands on disk.
    let files = ModelFiles::Directory(model_dir.clone());
    let (mut shipped_as, shipped) = read_model(&files, runtime)?;
    let language = read_language(
        &files,
        &shipped_as,
        &LanguageChoice::Own,
        None,
        &[],
        runtime,
    )?
    .map(Arc::new);
    let rescorer = read_rescorer(&files, &shipped_as, &LanguageChoice::Own, runtime)?;
    let mut tuning = None;
    if let (Some(language), Some(lm)) = (&language, &experiment.lm)
        && lm.tune
        && shipped_as.decode.method == Method::Beam
    {
        let mut dev = Vec::new();
        for (number, set) in material.dev.iter().enumerate() {
            let store = material.open(set)?;
            let normalise = &experiment.normalise;
            dev.extend(dev_utterances(&shipped, &store, normalise, number)?);
        }
        let tuned = decode::tune(
            &shipped_as.decode,
            &shipped_as.tokens,
            &decode::Models {
                language: language.clone(),
                rescorer: rescorer.clone(),
            },
            &dev,
            &experiment.normalise,
            &mut |line| observer.note(line),
        )?;
        tuning = Some(Tuning {
            oracle: tuned.oracle.rate(),
            cross_entropy: tuned.cross_entropy,
        });
        shipped_as.decode = tuned.config;
        rewrite_model(&model_dir, &shipped_as, BTreeMap::new())?;
    }
    let decoder = Decoder::new(&shipped_as.decode, &shipped_as.tokens, language, &[])?
        .with_rescorer(rescorer);

    let outcome = network.outcome;
    let mut results = Results {
        name: experiment.name.clone(),
        command: options.command.clone(),
        date: today(),
        version: env!("CARGO_PKG_VERSION").into(),
        seed: experiment.seed,
        path: network.description.provenance.path,
        parameters: network.task.model.parameters().count(),
        steps: outcome.steps,
        epochs: outcome.epochs,
        train: material
            .train
            .iter()
            .map(|set| TrainSet {
                name: set.name.clone(),
                utterances: set.utterances,
                hours: set.hours,
            })
            .collect(),
        best_path: outcome.evaluation.figures.into_iter().collect(),
        tuning,
        sets: Vec::new(),
    };
    for (role, sets) in [("dev", &material.dev), ("test", &material.test)] {
        for set in sets {
            let store = material.open(set)?;
            let measured = measure(experiment, &decoder, &shipped, &store, set, role, &dir)?;
            results.sets.push(measured);
        }
    }
    results.write(&dir.join("results.json"))?;
    write_report(&dir)?;
    Ok((dir, results))
}

/// The files of the language model: the n-gram, and the pronunciations of its words for phones.
fn language_files(
    experiment: &Experiment,
    options: &RunOptions,
    material: &Material,
    observer: &mut dyn Observer,
) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let Some(lm) = &experiment.lm else {
        return Ok(BTreeMap::new());
    };
    let mut say = |line: &str| observer.note(line);
    let places = places(experiment, options);
    let transcripts = transcripts(experiment, lm, &places, &mut say)?;
    let bytes = lm.ngram(&places, &transcripts, &mut say)?;
    let ngram = NGram::from_bytes("the n-gram", bytes.clone())?;
    let lexicon = lm.lexicon(&ngram, material.lexicon.as_ref(), &places, &mut say)?;
    let mut files = search_files(bytes, &ngram, lexicon.as_ref(), &Tokens::phones());
    files.extend(lm.recurrent(&places)?);
    Ok(files)
}

/// The transcripts that the language model asks for, as the normalisation leaves them.
fn transcripts(
    experiment: &Experiment,
    lm: &LanguageConfig,
    places: &Places,
    say: &mut dyn FnMut(&str),
) -> Result<Transcripts, Error> {
    let mut transcripts = Transcripts::default();
    let Some(domain) = &lm.domain else {
        return Ok(transcripts);
    };
    for (role, set, part, _) in sets(experiment) {
        let lines = match role {
            "train" if domain.transcripts.contains(&set.name()) => &mut transcripts.train,
            "dev" if domain.dev.is_none() => &mut transcripts.dev,
            _ => continue,
        };
        let (utterances, _) = places.manifest(&set, say)?;
        let utterances = part.of(utterances);
        lines.extend(
            utterances
                .iter()
                .map(|u| experiment.normalise.apply(&u.text)),
        );
    }
    Ok(transcripts)
}

/// Leaves the resolved experiment in its run's directory.
pub(super) fn write_config(experiment: &Experiment, dir: &Path) -> Result<(), Error> {
    Ok(write_whole(
        &dir.join("config.toml"),
        resolve(experiment)?.as_bytes(),
    )?)
}

pub(super) fn resolve(experiment: &Experiment) -> Result<String, Error> {
    toml::to_string(experiment).map_err(|error| Error::Data(error.to_string()))
}
