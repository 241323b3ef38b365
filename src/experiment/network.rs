//! The acoustic model of an experiment: trained, or gone on with, from what it starts from.

use std::collections::BTreeMap;

use super::identity::identity;
use super::material::Material;
use super::run::write_config;
use super::start::start_from;
use super::{Error, Experiment, RunOptions};
use crate::acoustic::{AcousticModel, AcousticTask};
use crate::features::Recipe;
use crate::nn::Runtime;
use crate::recognise::{Description, Provenance, write_model};
use crate::train::{self, Checkpoint, Observer, Outcome, Task, train};

/// A trained network.
pub(super) struct Network {
    /// It, and what it was trained on.
    pub task: AcousticTask,
    /// How it was trained.
    pub outcome: Outcome,
    /// What its directory says of it.
    pub description: Description,
}

/// Trains the network of an experiment, unless its run has it already: what another one starts from. Its
/// `model` is written without language models.
///
/// # Errors
/// Whatever preparing and training give; what was made is kept.
pub(super) fn train_first(
    experiment: &Experiment,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    let dir = options.runs.join(&experiment.name);
    let material = Material::prepare(experiment, options, observer)?;
    let finished = match Checkpoint::read(&dir.join("train/checkpoint.safetensors"))? {
        Some(Checkpoint { state, .. }) => {
            state.finished && state.identity == identity(experiment, &material.hash())?
        }
        None => false,
    };
    if finished && dir.join("model").is_dir() {
        observer.note(&format!("{} is trained", experiment.name));
        return Ok(());
    }
    observer.note(&format!("training {}", experiment.name));
    write_config(experiment, &dir)?;
    let network = train_network(experiment, options, &material, observer)?;
    Ok(write_model(
        &dir.join("model"),
        &network.description,
        &network.task.model,
        options.storage,
        BTreeMap::new(),
    )?)
}

/// Trains, going on from whatever an earlier, interrupted run left.
pub(super) fn train_network(
    experiment: &Experiment,
    options: &RunOptions,
    material: &Material,
    observer: &mut dyn Observer,
) -> Result<Network, Error> {
    let runtime = Runtime::new(experiment.precision);
    let train_data = material.data(experiment, &material.train)?;
    let dev_data = material.data(experiment, &material.dev)?;
    for note in train_data.notes.iter().chain(&dev_data.notes) {
        observer.note(note);
    }
    let model = AcousticModel::new(
        &experiment.model,
        material.tokens.clone(),
        material.recipe.dim(),
        runtime,
        experiment.seed,
    )?;
    if let Some(start) = &experiment.init_from {
        start_from(start, &options.runs, &model, observer)?;
    }
    let task = AcousticTask::new(
        model,
        train_data,
        dev_data,
        experiment.augment.clone(),
        &experiment.train,
        material.recipe.dim() / mask_bins(&material.recipe),
    )?
    .with_expected_loss(experiment.expected_loss);
    let path = runtime.path.to_string();
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
                dir: &options.runs.join(&experiment.name).join("train"),
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
