//! `hearken features`.

use std::io::Write;
use std::path::PathBuf;

use super::Failure;
use crate::features::{
    Copies, ExtractRequest, Extractor, Moments, Noise, Normalisation, Perturbation, Recipe,
    Reverberation, Store, Volume, extract, plot,
};
use crate::{audio, corpus};

/// Extract features to an HDF5 store, inspect it, plot it.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Extract(Extract),
    Inspect(Inspect),
    Plot(Plot),
    Recipes(Recipes),
}

/// Compute the features of a manifest's utterances into an HDF5 store.
#[derive(clap::Args)]
struct Extract {
    /// The manifest: JSON Lines, as `hearken corpus` writes it.
    manifest: PathBuf,
    /// A built-in recipe (see `hearken features recipes`) or a TOML file.
    #[arg(long, value_name = "NAME|FILE.toml")]
    recipe: String,
    /// The store to write; replaced only when the new one is whole.
    #[arg(long, value_name = "STORE.h5")]
    out: PathBuf,
    /// Speeds of the copies; 1 is the recording itself, 0.9 is slower and longer.
    #[arg(long, value_name = "S,S…", value_delimiter = ',', default_value = "1")]
    speeds: Vec<f64>,
    /// Noise behind every copy, at a signal-to-noise ratio drawn between these two, dB.
    #[arg(
        long,
        value_name = "LOW,HIGH",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    snr: Option<Vec<f64>>,
    /// A room around every copy, whose tail falls by 60 dB in a time drawn between these two, s.
    #[arg(long, value_name = "LOW,HIGH", value_delimiter = ',')]
    rt60: Option<Vec<f64>>,
    /// The ratio of the direct sound to a room's tail, drawn between these two, dB.
    #[arg(
        long,
        value_name = "LOW,HIGH",
        value_delimiter = ',',
        allow_hyphen_values = true,
        default_value = "0,15",
        requires = "rt60"
    )]
    direct: Vec<f64>,
    /// Every copy louder or softer by a gain drawn between these two, dB.
    #[arg(
        long,
        value_name = "LOW,HIGH",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    gain: Option<Vec<f64>>,
}

/// What a store holds.
#[derive(clap::Args)]
struct Inspect {
    /// The store.
    store: PathBuf,
    /// One utterance instead of the whole.
    #[arg(long)]
    id: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Draw the features of one utterance: time in seconds across, frequency in Hz upwards.
#[derive(clap::Args)]
struct Plot {
    /// A store (with `--id`) or a recording (with `--recipe`).
    #[arg(value_name = "STORE.h5|AUDIO")]
    input: PathBuf,
    /// The utterance of the store.
    #[arg(long, required_unless_present = "recipe", conflicts_with = "recipe")]
    id: Option<String>,
    /// Compute the features of a recording by this recipe.
    #[arg(long, value_name = "NAME|FILE.toml")]
    recipe: Option<String>,
    /// The picture to write.
    #[arg(long, value_name = "FILE.svg|FILE.png")]
    out: PathBuf,
}

/// List the built-in recipes.
#[derive(clap::Args)]
struct Recipes {}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Extract(args) => run_extract(&args),
        Command::Inspect(args) => run_inspect(&args),
        Command::Plot(args) => run_plot(&args),
        Command::Recipes(_) => run_recipes(),
    }
}

/// The two numbers of an option that takes a range.
fn pair(option: &str, given: Option<&[f64]>) -> Result<Option<[f64; 2]>, Failure> {
    match given {
        Some(&[low, high]) => Ok(Some([low, high])),
        Some(_) => Err(format!("{option} takes two numbers: LOW,HIGH").into()),
        None => Ok(None),
    }
}

fn run_extract(args: &Extract) -> Result<(), Failure> {
    let recipe = Recipe::named(&args.recipe)?;
    let utterances = corpus::read_manifest(&args.manifest)?;
    let direct = pair("--direct", Some(&args.direct))?.unwrap_or_default();
    let copies = Copies {
        speeds: args.speeds.clone(),
        perturbation: Perturbation {
            reverberation: pair("--rt60", args.rt60.as_deref())?.map(|rt60| Reverberation {
                rt60,
                direct,
                share: 1.0,
            }),
            noise: pair("--snr", args.snr.as_deref())?.map(|snr| Noise { snr }),
            volume: pair("--gain", args.gain.as_deref())?.map(|gain| Volume { gain }),
        },
    };
    let summary = extract(&ExtractRequest {
        utterances: &utterances,
        recipe: &recipe,
        copies: &copies,
        out: &args.out,
        progress: true,
    })?;
    let mut stderr = std::io::stderr().lock();
    for (notice, recordings) in &summary.notices {
        writeln!(stderr, "{recordings} recordings: {notice}")?;
    }
    for (id, why) in &summary.skipped {
        writeln!(stderr, "left out {id}: {why}")?;
    }
    writeln!(
        std::io::stdout(),
        "{}: {} utterances, {} frames of {} ({:.2} h), {} left out",
        args.out.display(),
        summary.utterances,
        summary.frames,
        recipe.dim(),
        hours(&recipe, summary.frames as usize),
        summary.skipped.len(),
    )?;
    Ok(())
}

fn hours(recipe: &Recipe, frames: usize) -> f64 {
    frames as f64 * recipe.seconds_per_frame() / 3600.0
}

fn run_inspect(args: &Inspect) -> Result<(), Failure> {
    let store = Store::open(&args.store)?;
    match &args.id {
        Some(id) => inspect_utterance(&store, id, args.json),
        None => inspect_store(&store, args.json),
    }
}

fn inspect_store(store: &Store, json: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let recipe = store.recipe();
    let lengths = (0..store.len()).map(|i| store.frames(i));
    let (shortest, longest) = (
        lengths.clone().min().unwrap_or(0),
        lengths.max().unwrap_or(0),
    );
    let speakers: std::collections::BTreeSet<&str> =
        (0..store.len()).map(|i| store.speaker(i)).collect();
    let stats = store.global_stats();
    if json {
        let object = serde_json::json!({
            "utterances": store.len(),
            "speakers": speakers.len(),
            "frames": store.total_frames(),
            "dim": store.dim(),
            "hours": hours(recipe, store.total_frames()),
            "shortest": shortest,
            "longest": longest,
            "recipe": recipe,
            "recipe_hash": store.recipe_hash(),
            "mean": stats.mean,
            "std": stats.std,
        });
        writeln!(out, "{object}")?;
        return Ok(());
    }
    writeln!(out, "utterances  {}", store.len())?;
    writeln!(out, "speakers    {}", speakers.len())?;
    writeln!(
        out,
        "frames      {} of {} dimensions, one every {} ms: {:.2} h; {shortest} to {longest} an utterance",
        store.total_frames(),
        store.dim(),
        1000.0 * recipe.seconds_per_frame(),
        hours(recipe, store.total_frames()),
    )?;
    writeln!(
        out,
        "recipe      {}",
        recipe.name().unwrap_or("(of its own)")
    )?;
    writeln!(out, "hash        {}", store.recipe_hash())?;
    writeln!(out, "\n{}", recipe.to_toml())?;
    write_stats(&mut out, &stats.mean, &stats.std)?;
    Ok(())
}

fn inspect_utterance(store: &Store, id: &str, json: bool) -> Result<(), Failure> {
    let i = position(store, id)?;
    let features = store.read_stored(i)?;
    let stats = Moments::of(features.view()).stats();
    let seconds = features.nrows() as f64 * store.recipe().seconds_per_frame();
    let mut out = std::io::stdout().lock();
    if json {
        let object = serde_json::json!({
            "id": id,
            "speaker": store.speaker(i),
            "text": store.text(i),
            "frames": features.nrows(),
            "seconds": seconds,
            "mean": stats.mean,
            "std": stats.std,
        });
        writeln!(out, "{object}")?;
        return Ok(());
    }
    writeln!(out, "id          {id}")?;
    writeln!(out, "speaker     {}", store.speaker(i))?;
    writeln!(out, "text        {}", store.text(i))?;
    writeln!(
        out,
        "frames      {} of {} dimensions: {seconds:.2} s\n",
        features.nrows(),
        features.ncols()
    )?;
    write_stats(&mut out, &stats.mean, &stats.std)?;
    Ok(())
}

fn position(store: &Store, id: &str) -> Result<usize, Failure> {
    store.position(id).ok_or_else(|| {
        format!(
            "{}: has no utterance {id}: `hearken features inspect` counts what it has",
            store.path().display()
        )
        .into()
    })
}

/// A table of mean and standard deviation, a line a dimension.
fn write_stats(out: &mut impl Write, mean: &[f32], std: &[f32]) -> std::io::Result<()> {
    writeln!(out, "{:>9} {:>10} {:>10}", "dimension", "mean", "std")?;
    for (d, (mean, std)) in mean.iter().zip(std).enumerate() {
        writeln!(out, "{d:>9} {mean:>10.4} {std:>10.4}")?;
    }
    Ok(())
}

fn run_plot(args: &Plot) -> Result<(), Failure> {
    if let Some(id) = &args.id {
        let store = Store::open(&args.input)?;
        let i = position(&store, id)?;
        let title = match store.text(i) {
            "" => id.clone(),
            text => format!("{id}: {text}"),
        };
        plot(
            store.read_stored(i)?.view(),
            store.recipe(),
            &title,
            &args.out,
        )?;
    } else if let Some(recipe) = &args.recipe {
        let recipe = Recipe::named(recipe)?;
        let decoded = audio::read_at(&args.input, recipe.sample_rate())?;
        let path = args.input.display();
        for notice in &decoded.notices {
            writeln!(std::io::stderr(), "{path}: {notice}")?;
        }
        // One recording has no training set: what would be normalised by one is shown as it is.
        let recipe = match recipe.normalisation {
            Normalisation::Global => Recipe {
                normalisation: Normalisation::None,
                ..recipe
            },
            _ => recipe,
        };
        let features = Extractor::new(&recipe)?
            .compute(&decoded.waveform)
            .map_err(|error| format!("{path}: {error}"))?;
        plot(features.view(), &recipe, &path.to_string(), &args.out)?;
    }
    Ok(())
}

fn run_recipes() -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for name in Recipe::built_in() {
        let recipe = Recipe::named(name)?;
        writeln!(
            out,
            "{name:<16} {:>4} dimensions every {:>6} ms at {:>5} Hz, normalised: {}",
            recipe.dim(),
            1000.0 * recipe.seconds_per_frame(),
            recipe.sample_rate(),
            recipe.normalisation,
        )?;
    }
    Ok(())
}
