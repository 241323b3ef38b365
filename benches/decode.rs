//! Decoding on stored log-probabilities, one thread: `benches/peers/decode.py` times flashlight-text
//! and pyctcdecode on the same file.
//!
//!     cargo bench --bench decode -- MODEL_DIR FEATURES.h5 LM|none|own OUT.json LOG_PROBS.safetensors [KEY=VALUE…]
//!
//! KEY=VALUE changes the model's `[decode]` table: `output=0 combine=0.0 alpha=1.0 beam=100`.
//! Writes each utterance's text and scores, the median over three rounds of the seconds that all
//! took, and the log-probabilities of every output as `INDEX.OUTPUT`, unless that file is there.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use candle_core::{Device, Tensor};
use hearken::decode::{Config, Decoder, DevUtterance};
use hearken::experiment::dev_utterances;
use hearken::features::Store;
use hearken::nn::{Precision, Runtime};
use hearken::recognise::{LanguageChoice, ModelFiles, read_language, read_model};

type Failure = Box<dyn std::error::Error>;

const ROUNDS: usize = 3;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [model, features, lm, out, log_probs, settings @ ..] = arguments.as_slice() else {
        // `cargo test --benches` runs this without arguments.
        return Ok(());
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()?;
    let files = ModelFiles::Directory(model.into());
    let (mut description, acoustic) =
        read_model(&files, Runtime::new(hearken::nn::Precision::F32))?;
    description.decode = changed(&description.decode, settings)?;
    description.decode.lm = lm != "none";
    let choice = match lm.as_str() {
        "own" => LanguageChoice::Own,
        other => other.parse()?,
    };
    let opened = Instant::now();
    let language = read_language(
        &files,
        &description,
        &choice,
        None,
        &[],
        Runtime::new(Precision::default()),
    )?;
    let loading = opened.elapsed().as_secs_f64();
    let decoder = Decoder::new(
        &description.decode,
        &description.tokens,
        language.map(Arc::new),
        &[],
    )?;
    let store = Store::open(Path::new(features))?;
    store.require(&description.features)?;
    let utterances = dev_utterances(&acoustic, &store, &description.normalise, 0)?;
    if !Path::new(log_probs).exists() {
        write(&utterances, log_probs)?;
    }
    let decode = |utterance: &DevUtterance| {
        let views: Vec<_> = utterance.outputs.iter().map(|p| p.view()).collect();
        Ok::<_, hearken::decode::Error>(decoder.n_best(&views, 1)?.swap_remove(0))
    };
    let mut rounds = Vec::new();
    let mut found = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        found = utterances.iter().map(decode).collect::<Result<_, _>>()?;
        rounds.push(started.elapsed().as_secs_f64());
    }
    rounds.sort_by(f64::total_cmp);
    let seconds = rounds[ROUNDS / 2];
    let frames: usize = utterances.iter().map(|u| u.outputs[0].nrows()).sum();
    let rows: Vec<_> = (0..)
        .zip(found.iter().zip(&utterances))
        .map(|(index, (best, DevUtterance { reference, .. }))| {
            serde_json::json!({
                "id": store.id(index), "text": best.text, "reference": reference,
                "score": best.score, "output": best.parts.output, "lm": best.parts.lm,
            })
        })
        .collect();
    eprintln!(
        "{decoder}: {seconds:.3} s for {frames} frames, {:.4} s for 800; loading {loading:.2} s",
        800.0 * seconds / frames as f64
    );
    let result = serde_json::json!({ "seconds": seconds, "frames": frames, "utterances": rows });
    std::fs::write(out, serde_json::to_string(&result)?)?;
    Ok(())
}

/// The settings with some keys changed.
fn changed(config: &Config, settings: &[String]) -> Result<Config, Failure> {
    let mut table = toml::Table::try_from(config)?;
    for setting in settings {
        table.extend(setting.parse::<toml::Table>()?);
    }
    Ok(table.try_into()?)
}

/// Writes the log-probabilities where the peers read them.
fn write(utterances: &[DevUtterance], path: &str) -> Result<(), Failure> {
    let mut tensors = std::collections::HashMap::new();
    for (index, utterance) in utterances.iter().enumerate() {
        for (output, log_probs) in utterance.outputs.iter().enumerate() {
            let values = log_probs.iter().copied().collect();
            let tensor = Tensor::from_vec(values, log_probs.dim(), &Device::Cpu)?;
            tensors.insert(format!("{index}.{output}"), tensor);
        }
    }
    candle_core::safetensors::save(&tensors, path)?;
    Ok(())
}
