//! Decoding on stored log-probabilities, one thread: `benches/peers/decode.py` times flashlight-text
//! and pyctcdecode on the same file.
//!
//!     cargo bench --bench decode -- MODEL_DIR FEATURES.h5 LM|none ALPHA BETA BEAM OUT.json [LOG_PROBS.safetensors]
//!
//! Writes each utterance's text and scores, the seconds that all took, and, if asked, the
//! log-probabilities of every output as `INDEX.OUTPUT`. The model's `[decode]` says the rest.

use std::sync::Arc;
use std::time::Instant;

use hearken::decode::Decoder;
use hearken::experiment::dev_utterances;
use hearken::features::Store;
use hearken::nn::Runtime;
use hearken::recognise::{LanguageChoice, ModelFiles, read_language, read_model};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [model, features, lm, alpha, beta, beam, out, rest @ ..] = arguments.as_slice() else {
        // `cargo test --benches` runs this without arguments.
        return Ok(());
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()?;
    let files = ModelFiles::Directory(model.into());
    let (mut description, acoustic) =
        read_model(&files, Runtime::new(hearken::nn::Precision::F32))?;
    let config = &mut description.decode;
    config.alpha = alpha.parse()?;
    config.beta = beta.parse()?;
    config.beam = beam.parse()?;
    config.lm = lm != "none";
    let choice = match lm.as_str() {
        "own" => LanguageChoice::Own,
        other => other.parse()?,
    };
    let opened = Instant::now();
    let language = read_language(&files, &description, &choice, None)?;
    let loading = opened.elapsed().as_secs_f64();
    let decoder = Decoder::new(
        &description.decode,
        &description.tokens,
        language.map(Arc::new),
        &[],
    )?;
    let store = Store::open(std::path::Path::new(features))?;
    store.require(&description.features)?;
    let utterances = dev_utterances(&acoustic, &store, &description.normalise)?;
    if let [path] = rest {
        let mut tensors = std::collections::HashMap::new();
        for (index, utterance) in utterances.iter().enumerate() {
            for (output, log_probs) in utterance.outputs.iter().enumerate() {
                let values = log_probs.iter().copied().collect();
                let tensor = candle_core::Tensor::from_vec(
                    values,
                    log_probs.dim(),
                    &candle_core::Device::Cpu,
                )?;
                tensors.insert(format!("{index}.{output}"), tensor);
            }
        }
        candle_core::safetensors::save(&tensors, path)?;
    }
    let mut rows = Vec::new();
    let started = Instant::now();
    for utterance in &utterances {
        let views: Vec<_> = utterance.outputs.iter().map(|p| p.view()).collect();
        let best = decoder.n_best(&views, 1)?.swap_remove(0);
        rows.push((best, &utterance.reference));
    }
    let seconds = started.elapsed().as_secs_f64();
    let frames: usize = utterances.iter().map(|u| u.outputs[0].nrows()).sum();
    let rows: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(index, (best, reference))| {
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
