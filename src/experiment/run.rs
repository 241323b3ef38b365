//! A run from the experiment file to the figures: prepare, features, train, decode, score, report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::domain::Transcripts;
use super::identity::identity;
use super::measure::{dev_utterances, measure};
use super::results::{TrainSet, Tuning, today};
use super::sets::{Part, Places, Prepared, hash};
use super::{Error, Experiment, LanguageConfig, Results, SetConfig, write_report};
use crate::acoustic::{AcousticModel, AcousticTask, DataSet, Initial, initialise_from};
use crate::decode::{self, Decoder, Method};
use crate::features::{Copies, Normalisation, Recipe, Stats, Store};
use crate::lm::ngram::NGram;
use crate::nn::Runtime;
use crate::recognise::{
    Description, LanguageChoice, ModelFiles, Provenance, Storage, read_description, read_language,
    read_model, read_rescorer, rewrite_model, search_files, write_model,
};
use crate::text::{Lexicon, Tokens};
use crate::train::{self, Observer, train, write_whole};

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
    /// The folder of the experiment file, where the files that it names may be.
    pub experiment_dir: Option<PathBuf>,
    /// Storage of the finished model's weights.
    pub storage: Storage,
}

/// Everything about a run that can be said before it begins, a line each: the plan of `--dry-run`.
///
/// # Errors
/// A recipe or an architecture that is wrong. Corpora that are not there are lines of the plan.
pub fn plan_of(experiment: &Experiment, options: &RunOptions) -> Result<Vec<String>, Error> {
    let places = places(options);
    let recipe = Recipe::named(&experiment.features.recipe)?;
    let mut lines = vec![
        format!("experiment   {}", experiment.name),
        format!(
            "run          {}",
            options.runs.join(&experiment.name).display()
        ),
        format!("seed         {}", experiment.seed),
        format!("instructions {}", Runtime::new(experiment.precision).path),
        format!(
            "features     {} ({} a frame, {:.0} ms)",
            experiment.features.recipe,
            recipe.dim(),
            1000.0 * recipe.seconds_per_frame()
        ),
    ];
    for (role, set, part, copies) in sets(experiment) {
        let state = match places.locate(&set) {
            Err(error) => format!("missing: {error}"),
            Ok(place) if places.is_cached(&set, part, &recipe, &copies) => {
                format!("{} (features cached)", place.display())
            }
            Ok(place) => format!("{} (features to extract)", place.display()),
        };
        lines.push(format!("{role:<12} {} from {state}", set.name()));
    }
    let model = AcousticModel::new(
        &experiment.model,
        inventories(experiment)?,
        recipe.dim(),
        Runtime::new(experiment.precision),
        experiment.seed,
    )?;
    let directions = if experiment.model.bidirectional {
        "bidirectional "
    } else {
        ""
    };
    lines.push(format!(
        "model        {} {directions}layers of {} {:?} cells, {} parameters",
        experiment.model.layers,
        experiment.model.cells,
        experiment.model.cell,
        model.parameters().count()
    ));
    for output in model.outputs() {
        lines.push(format!("output       {} tokens", output.tokens.len()));
    }
    if let Some(start) = &experiment.init_from {
        lines.push(format!("start        the weights of {start}"));
    }
    if let Some(expected) = &experiment.expected_loss {
        lines.push(format!(
            "loss         expected errors, {} alignments an utterance, and {} of the CTC loss",
            expected.samples, expected.ctc_weight
        ));
    }
    lines.push(format!(
        "train        {} epochs, {} frames a batch",
        experiment.train.epochs, experiment.train.batch_frames
    ));
    let needs = |recompute| experiment.step_memory(recompute).map(|bytes| bytes >> 20);
    lines.push(match experiment.model.recompute {
        false => format!(
            "memory       {} MiB a step; {} with `model.recompute = true`, which takes longer",
            needs(false)?,
            needs(true)?
        ),
        true => format!(
            "memory       {} MiB a step, as activations are computed again; {} without",
            needs(true)?,
            needs(false)?
        ),
    });
    let decoder = Decoder::new(&experiment.decode, &inventories(experiment)?, None, &[])?;
    lines.push(format!("decode       {decoder}"));
    if let Some(lm) = &experiment.lm {
        lines.push(format!("lm           {}", lm.describe()));
    }
    Ok(lines)
}

/// Runs an experiment, going on from whatever an earlier, interrupted run left. Returns the run's
/// directory and its results.
///
/// # Errors
/// Whatever a stage gives; what earlier stages made is kept.
pub fn run(
    experiment: &Experiment,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<(PathBuf, Results), Error> {
    let dir = options.runs.join(&experiment.name);
    write_whole(&dir.join("config.toml"), resolve(experiment)?.as_bytes())?;

    let recipe = Recipe::named(&experiment.features.recipe)?;
    let places = places(options);
    let (mut train_sets, mut dev_sets, mut test_sets) = (Vec::new(), Vec::new(), Vec::new());
    for (role, set, part, copies) in sets(experiment) {
        let mut say = |line: &str| observer.note(line);
        let prepared = places.prepare(&set, part, &recipe, &copies, &mut say)?;
        match role {
            "train" => train_sets.push(prepared),
            "dev" => dev_sets.push(prepared),
            _ => test_sets.push(prepared),
        }
    }

    let runtime = Runtime::new(experiment.precision);
    let tokens = inventories(experiment)?;
    let lexicon = lexicon(experiment, options)?;
    let statistics = statistics(&recipe, &train_sets)?;
    let open = |sets: &[Prepared]| -> Result<DataSet, Error> {
        let stores = sets
            .iter()
            .map(|set| {
                Ok((
                    set.name.clone(),
                    open_store(set, &recipe, statistics.as_ref())?,
                ))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let tokens: Vec<&Tokens> = tokens.iter().collect();
        Ok(DataSet::new(
            stores,
            &tokens,
            lexicon.as_ref(),
            &experiment.normalise,
        )?)
    };
    let (train_data, dev_data) = (open(&train_sets)?, open(&dev_sets)?);
    for note in train_data.notes.iter().chain(&dev_data.notes) {
        observer.note(note);
    }
    let model = AcousticModel::new(
        &experiment.model,
        tokens.clone(),
        recipe.dim(),
        runtime,
        experiment.seed,
    )?;
    let parameters = model.parameters().count();
    if let Some(name) = &experiment.init_from {
        start_from(name, &options.runs, &model, observer)?;
    }
    let mask_groups = recipe.dim() / mask_bins(&recipe);
    let task = AcousticTask::new(
        model,
        train_data,
        dev_data,
        experiment.augment.clone(),
        &experiment.train,
        mask_groups,
    )?
    .with_expected_loss(experiment.expected_loss);
    let data_hash = data_hash(&train_sets, &dev_sets);
    let identity = identity(experiment, &data_hash)?;
    let path = runtime.path.to_string();
    let outcome = train(
        &task,
        &train::Plan {
            config: &experiment.train,
            seed: experiment.seed,
            dir: &dir.join("train"),
            identity: &identity,
            path: &path,
            allow_other_path: options.allow_other_path,
        },
        observer,
    )?;

    let description = Description {
        format: 0,
        name: experiment.name.clone(),
        normalise: experiment.normalise.clone(),
        tokens,
        decode: experiment.decode.clone(),
        acoustic: experiment.model.clone(),
        features: recipe.clone(),
        statistics: statistics.clone(),
        provenance: Provenance {
            experiment: experiment.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            seed: experiment.seed,
            path: path.clone(),
            mixed_paths: outcome.mixed_paths,
            data: train_sets
                .iter()
                .map(|set| {
                    format!(
                        "{}: {} utterances, {:.2} h",
                        set.name, set.utterances, set.hours
                    )
                })
                .collect(),
            data_hash,
            steps: outcome.steps,
            epochs: outcome.epochs.clone(),
            dev: outcome.evaluation.figures.iter().cloned().collect(),
            init_from: experiment.init_from.clone(),
        },
        files: BTreeMap::new(),
    };
    let model_dir = dir.join("model");
    let others = language_files(experiment, options, lexicon.as_ref(), observer)?;
    write_model(
        &model_dir,
        &description,
        &task.model,
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
        for (number, set) in dev_sets.iter().enumerate() {
            let store = open_store(set, &recipe, statistics.as_ref())?;
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

    let mut results = Results {
        name: experiment.name.clone(),
        command: options.command.clone(),
        date: today(),
        version: env!("CARGO_PKG_VERSION").into(),
        seed: experiment.seed,
        path,
        parameters,
        steps: outcome.steps,
        epochs: outcome.epochs,
        train: train_sets
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
    for (role, sets) in [("dev", &dev_sets), ("test", &test_sets)] {
        for set in sets {
            let store = open_store(set, &recipe, statistics.as_ref())?;
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
    lexicon: Option<&Lexicon>,
    observer: &mut dyn Observer,
) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let Some(lm) = &experiment.lm else {
        return Ok(BTreeMap::new());
    };
    let mut say = |line: &str| observer.note(line);
    let transcripts = transcripts(experiment, lm, options, &mut say)?;
    let bytes = lm.ngram(options, &transcripts, &mut say)?;
    let ngram = NGram::from_bytes("the n-gram", bytes.clone())?;
    let lexicon = lm.lexicon(&ngram, lexicon, options, &mut say)?;
    let mut files = search_files(bytes, &ngram, lexicon.as_ref(), &Tokens::phones());
    files.extend(lm.recurrent(options)?);
    Ok(files)
}

/// The transcripts that the language model asks for, as the normalisation leaves them.
fn transcripts(
    experiment: &Experiment,
    lm: &LanguageConfig,
    options: &RunOptions,
    say: &mut dyn FnMut(&str),
) -> Result<Transcripts, Error> {
    let mut transcripts = Transcripts::default();
    let Some(domain) = &lm.domain else {
        return Ok(transcripts);
    };
    let places = places(options);
    for (role, set, part, _) in sets(experiment) {
        let lines = match role {
            "train" if domain.transcripts.contains(&set.name()) => &mut transcripts.train,
            "dev" if domain.dev.is_none() => &mut transcripts.dev,
            _ => continue,
        };
        let (utterances, _) = places.manifest(&set, say)?;
        let utterances = utterances.iter().filter(|u| part.holds(&u.id));
        lines.extend(utterances.map(|u| experiment.normalise.apply(&u.text)));
    }
    Ok(transcripts)
}

fn places(options: &RunOptions) -> Places<'_> {
    Places {
        data_root: options.data_root.as_deref(),
        runs: &options.runs,
    }
}

/// Every set with its role, the part of it, and what is stored of its recordings.
fn sets(experiment: &Experiment) -> Vec<(&'static str, SetConfig, Part, Copies)> {
    let data = &experiment.data;
    let hold_out = if data.dev.is_empty() {
        data.hold_out
    } else {
        None
    };
    let mut all = Vec::new();
    let from = hold_out.unwrap_or(0.0);
    let part = match from + (1.0 - from) * data.share.unwrap_or(1.0) {
        1.0 if from == 0.0 => Part::Whole,
        to => Part::Between(from, to),
    };
    for set in &data.train {
        let mut copies = Copies {
            speeds: experiment.augment.speeds.clone(),
            perturbation: experiment.augment.perturbation(),
        };
        if !copies.speeds.contains(&1.0) {
            copies.speeds.insert(0, 1.0);
        }
        all.push(("train", set.clone(), part, copies));
        if let Some(fraction) = hold_out {
            all.push(("dev", set.clone(), Part::HeldOut(fraction), Copies::plain()));
        }
    }
    for (role, sets) in [("dev", &data.dev), ("test", &data.test)] {
        for set in sets {
            all.push((role, set.clone(), Part::Whole, Copies::plain()));
        }
    }
    all
}

fn inventories(experiment: &Experiment) -> Result<Vec<Tokens>, Error> {
    let outputs = &experiment.model.outputs;
    Ok(outputs
        .iter()
        .map(|output| Tokens::named(&output.tokens))
        .collect::<Result<_, _>>()?)
}

fn lexicon(experiment: &Experiment, options: &RunOptions) -> Result<Option<Lexicon>, Error> {
    let Some(file) = &experiment.data.lexicon else {
        return Ok(None);
    };
    let file = match &options.data_root {
        Some(root) => root.join(file),
        None => file.clone(),
    };
    Ok(Some(Lexicon::read(&file, &Tokens::phones())?))
}

/// The statistics of the first training store, for a recipe that normalises globally.
fn statistics(recipe: &Recipe, train: &[Prepared]) -> Result<Option<Stats>, Error> {
    if recipe.normalisation != Normalisation::Global {
        return Ok(None);
    }
    match train.first() {
        Some(set) => Ok(Some(Store::open(&set.store)?.global_stats().clone())),
        None => Ok(None),
    }
}

fn open_store(set: &Prepared, recipe: &Recipe, stats: Option<&Stats>) -> Result<Store, Error> {
    let store = Store::open(&set.store)?;
    store.require(recipe)?;
    match stats {
        Some(stats) => Ok(store.with_stats(stats)?),
        None => Ok(store),
    }
}

/// The size of the blocks of a frame that SpecAugment masks alike: the features before stacking and
/// before deltas.
fn mask_bins(recipe: &Recipe) -> usize {
    recipe.frame_dim() / (recipe.deltas.order + 1)
}

fn data_hash(train: &[Prepared], dev: &[Prepared]) -> String {
    let keys: Vec<&[u8]> = train
        .iter()
        .chain(dev)
        .map(|set| set.content.as_bytes())
        .collect();
    hash(&keys)
}

pub(super) fn resolve(experiment: &Experiment) -> Result<String, Error> {
    toml::to_string(experiment).map_err(|error| Error::Data(error.to_string()))
}

/// Takes the weights of a finished run of that name, or else of the model that the name finds.
fn start_from(
    name: &str,
    runs: &Path,
    model: &AcousticModel,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    let of_run = runs.join(name).join("model");
    let files = match of_run.is_dir() {
        true => ModelFiles::Directory(of_run),
        false => ModelFiles::find(name)?,
    };
    let description = read_description(&files)?;
    let tensors = crate::recognise::model_weights(&files)?;
    let initial = Initial {
        tensors: &tensors,
        tokens: description.tokens.iter().collect(),
    };
    for mismatch in initialise_from(model, &initial)? {
        observer.note(&format!("starting from {name}: {mismatch}"));
    }
    Ok(())
}
