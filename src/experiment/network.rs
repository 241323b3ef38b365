//! The acoustic model of an experiment: trained, or gone on with, from what it starts from.

use std::collections::BTreeMap;
use std::path::Path;

use super::identity::identity;
use super::material::{Material, content_hash, inventories};
use super::run::write_config;
use super::start::{Networks, Weights, start_from, weights_of};
use super::{Error, Experiment, RunOptions};
use crate::acoustic::{AcousticModel, AcousticTask};
use crate::features::Recipe;
use crate::nn::Runtime;
use crate::recognise::{Description, Provenance};
use crate::train::{self, Checkpoint, Observer, Outcome, Task, train, write_whole};

/// Where a training stands, in its folder.
const CHECKPOINT: &str = "checkpoint.safetensors";
/// The digest of the weights that it began with.
const START: &str = "start.sha256";

/// A trained network.
pub(super) struct Network {
    /// It, and what it was trained on.
    pub task: AcousticTask,
    /// How it was trained.
    pub outcome: Outcome,
    /// What its directory says of it.
    pub description: Description,
}

/// The network of an experiment that another one starts from: trained, unless its run has it already.
/// What its run has besides is left alone.
///
/// # Errors
/// Whatever preparing and training give; what was made is kept.
pub(super) fn train_first(
    experiment: &Experiment,
    options: &RunOptions,
    chain: &Networks,
    observer: &mut dyn Observer,
) -> Result<Weights, Error> {
    if experiment.train.epochs == 0 {
        let (model, _) = begin(experiment, options, chain, observer)?;
        return Ok(Weights::of(&model));
    }
    let dir = options.runs.join(&experiment.name);
    let checkpoint = Checkpoint::read(&dir.join("train").join(CHECKPOINT))?;
    match checkpoint {
        None => write_config(experiment, &dir)?,
        Some(found) if found.state.finished => {
            let data_hash = content_hash(experiment, options, observer)?;
            if found.state.identity == identity(experiment, &data_hash)? {
                let (_, start) = begin(experiment, options, chain, observer)?;
                if began_with(&dir, &start)? {
                    observer.note(&format!("{} is trained", experiment.name));
                    let model = found.under("model.");
                    let tensors = model.map(|(name, tensor)| (name.to_owned(), tensor.clone()));
                    return Ok(Weights::new(tensors, inventories(experiment)?));
                }
            }
        }
        Some(_) => {}
    }
    observer.note(&format!("training {}", experiment.name));
    let material = Material::prepare(experiment, options, observer)?;
    let network = train_network(experiment, options, &material, chain, observer)?;
    Ok(Weights::of(&network.task.model))
}

/// The model before its first step, and the digest of the weights that it starts from: empty if there are none.
fn begin(
    experiment: &Experiment,
    options: &RunOptions,
    chain: &Networks,
    observer: &mut dyn Observer,
) -> Result<(AcousticModel, String), Error> {
    let model = AcousticModel::new(
        &experiment.model,
        inventories(experiment)?,
        Recipe::named(&experiment.features.recipe)?.dim(),
        Runtime::new(experiment.precision),
        experiment.seed,
    )?;
    let Some(start) = &experiment.init_from else {
        return Ok((model, String::new()));
    };
    let weights = weights_of(start, &options.runs, chain)?;
    start_from(start, &weights, &model, observer)?;
    Ok((model, weights.digest()?))
}

/// Whether what was trained in a run's directory began with the weights of this digest; also where
/// nothing says what it began with.
fn began_with(dir: &Path, start: &str) -> Result<bool, Error> {
    let path = dir.join("train").join(START);
    match std::fs::read_to_string(&path) {
        Ok(found) => Ok(found.trim() == start),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(Error::File { path, source }),
    }
}

/// Notes the weights that a training begins with, and refuses to go on with one that began with others.
fn note_start(dir: &Path, start: &str) -> Result<(), Error> {
    let path = dir.join("train").join(CHECKPOINT);
    if !path.is_file() {
        let note = dir.join("train").join(START);
        return Ok(write_whole(&note, format!("{start}\n").as_bytes())?);
    }
    match began_with(dir, start)? {
        true => Ok(()),
        false => Err(Error::Train(train::Error::Checkpoint {
            path,
            why: "it began with other weights than those that `init-from` gives now; choose another --out or move it away"
                .into(),
        })),
    }
}

/// Trains, going on from whatever an earlier, interrupted run left.
pub(super) fn train_network(
    experiment: &Experiment,
    options: &RunOptions,
    material: &Material,
    chain: &Networks,
    observer: &mut dyn Observer,
) -> Result<Network, Error> {
    let dir = options.runs.join(&experiment.name);
    let train_data = material.data(experiment, &material.train)?;
    let dev_data = material.data(experiment, &material.dev)?;
    for note in train_data.notes.iter().chain(&dev_data.notes) {
        observer.note(note);
    }
    let (model, start) = begin(experiment, options, chain, observer)?;
    let task = AcousticTask::new(
        model,
        train_data,
        dev_data,
        experiment.augment.clone(),
        &experiment.train,
        material.recipe.dim() / mask_bins(&material.recipe),
    )?
    .with_expected_loss(experiment.expected_loss);
    let path = Runtime::new(experiment.precision).path.to_string();
    if experiment.train.epochs > 0 {
        note_start(&dir, &start)?;
    }
    let outcome = match experiment.train.epochs {
        0 => Outcome {
            evaluation: task.evaluate()?,
            epochs: Vec::new(),
            steps: 0,
            mixed_paths: false,
        },
        _ => train(
            &task,
            &train::Plan {
                config: &experiment.train,
                seed: experiment.seed,
                dir: &dir.join("train"),
                identity: &identity(experiment, &material.hash())?,
                path: &path,
                allow_other_path: options.allow_other_path,
            },
            observer,
        )?,
    };
    let description = Description {
        format: 0,
        name: experiment.name.clone(),
        normalise: experiment.normalise.clone(),
        tokens: material.tokens.clone(),
        decode: experiment.decode.clone(),
        acoustic: experiment.model.clone(),
        features: material.recipe.clone(),
        statistics: material.statistics.clone(),
        provenance: Provenance {
            experiment: experiment.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            seed: experiment.seed,
            path,
            mixed_paths: outcome.mixed_paths,
            data: material
                .train
                .iter()
                .map(|set| {
                    format!(
                        "{}: {} utterances, {:.2} h",
                        set.name, set.utterances, set.hours
                    )
                })
                .collect(),
            data_hash: material.hash(),
            steps: outcome.steps,
            epochs: outcome.epochs.clone(),
            dev: outcome.evaluation.figures.iter().cloned().collect(),
            init_from: experiment.init_from.as_ref().map(ToString::to_string),
        },
        files: BTreeMap::new(),
    };
    Ok(Network {
        task,
        outcome,
        description,
    })
}

/// The size of the blocks of a frame that SpecAugment masks alike: the features before stacking and
/// before deltas.
fn mask_bins(recipe: &Recipe) -> usize {
    recipe.frame_dim() / (recipe.deltas.order + 1)
}
