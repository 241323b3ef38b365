//! `hearken tune`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::Failure;
use crate::corpus::{self, Kind, Request, Utterance};
use crate::decode::{self, DevUtterance, Method};
use crate::experiment::dev_utterances;
use crate::features::Store;
use crate::lm::ngram::{self, NGram};
use crate::nn::Precision;
use crate::recognise::{
    Description, LanguageChoice, ModelFiles, Recogniser, Settings, read_language, read_lexicon,
    read_rescorer, rescorer_files, rewrite_model, search_files,
};
use crate::score::ErrorCounts;

/// Choose the weights of a model's language model on a dev set, and write them into the model.
///
/// With --lm the n-gram becomes the model's own, with the pronunciations that --lexicon has for its
/// words. Where characters are decoded the weights are never worse on the dev set than no language
/// model.
#[derive(clap::Args)]
pub struct Args {
    /// The model's directory.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// A manifest with texts; may be given several times.
    #[arg(long, value_name = "M.jsonl", required_unless_present_any = ["data", "features"])]
    manifest: Vec<PathBuf>,
    /// A Kaldi data directory with texts.
    #[arg(long, value_name = "KALDI_DIR")]
    data: Vec<PathBuf>,
    /// A feature store, as `hearken run` and `hearken features` make them.
    #[arg(long, value_name = "STORE.h5")]
    features: Vec<PathBuf>,
    /// The n-gram, as ARPA or compact binary, instead of the model's own.
    #[arg(long, value_name = "FILE")]
    lm: Option<PathBuf>,
    /// The directory of the recurrent language model that rescores the n-best hypotheses, instead of
    /// the model's own.
    #[arg(long, value_name = "DIR")]
    rnn_lm: Option<PathBuf>,
    /// Pronunciations in CMUdict's format, for an output of phones.
    #[arg(long, value_name = "FILE", requires = "lm")]
    lexicon: Option<PathBuf>,
    /// Which of the model's outputs is decoded, from 0, instead of the one that it decodes now.
    #[arg(long, value_name = "N")]
    output: Option<usize>,
    /// Width of the beam, instead of the model's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    beam: Option<u32>,
    /// Precision of the heavy products.
    #[arg(long, value_enum, default_value = "auto")]
    precision: Precision,
    /// Print the weights and leave the model as it is.
    #[arg(long)]
    dry_run: bool,
}

/// Tunes; prints the figures on stdout.
pub fn run(args: Args) -> Result<(), Failure> {
    let files = ModelFiles::Directory(args.model.clone());
    let settings = Settings {
        precision: args.precision,
        language: LanguageChoice::None,
        ..Settings::default()
    };
    let recogniser = Recogniser::open(&files, &settings)?;
    let mut description = recogniser.description().clone();
    let config = &mut description.decode;
    config.method = Method::Beam;
    config.lm = true;
    config.output = args.output.unwrap_or(config.output);
    config.beam = args.beam.map_or(config.beam, |beam| beam as usize);

    let choice = match &args.lm {
        Some(path) => LanguageChoice::File(path.clone()),
        None => LanguageChoice::Own,
    };
    if let Some(path) = args
        .lm
        .as_ref()
        .filter(|path| path.is_dir() && !args.dry_run)
    {
        return Err(format!(
            "{}: a recurrent model in the search stays outside the model's directory: --dry-run prints its weights, `transcribe --lm` takes it",
            path.display()
        )
        .into());
    }
    let runtime = super::runtime(args.precision);
    let lexicon = args.lexicon.as_ref();
    let language = read_language(&files, &description, &choice, lexicon, &[], runtime)?
        .map(Arc::new)
        .ok_or("the model has no language model of its own: give --lm FILE")?;
    let choice = args.rnn_lm.clone().map(LanguageChoice::File);
    let rescorer = read_rescorer(&files, &description, &choice.unwrap_or_default(), runtime)?;
    let dev = dev_set(&args, &recogniser)?;
    if dev.iter().all(|utterance| utterance.reference.is_empty()) {
        return Err("the dev set has no texts to compare with".into());
    }
    let tuned = decode::tune(
        &description.decode,
        &description.tokens,
        &decode::Models { language, rescorer },
        &dev,
        &description.normalise,
        &mut |line| eprintln!("{line}"),
    )?;
    let mut out = std::io::stdout().lock();
    let per_cent = |counts: ErrorCounts| 100.0 * counts.rate();
    if let Some(without) = tuned.without {
        writeln!(
            out,
            "without a language model: WER {:.2}%",
            per_cent(without)
        )?;
    }
    let chosen = match tuned.config.lm {
        true => format!(
            "alpha {} beta {} combine {} rescoring-weight {}",
            tuned.config.alpha,
            tuned.config.beta,
            tuned.config.combine,
            tuned.config.rescoring_weight
        ),
        false => "no language model is best".to_owned(),
    };
    writeln!(
        out,
        "{chosen}: WER {:.2}% (oracle {:.2}%)",
        per_cent(tuned.best),
        per_cent(tuned.oracle)
    )?;
    let share = |share: &Option<f64>| share.map_or("none".into(), |share| format!("{share:.3}"));
    let shares: Vec<String> = tuned.cross_entropy.iter().map(share).collect();
    writeln!(
        out,
        "confidence: normalised cross entropy of each dev set, calibrated on the others (of halves of a single one): {}",
        shares.join(" ")
    )?;
    if !args.dry_run {
        description.decode = tuned.config;
        let others = installed(&args, &files, &description)?;
        rewrite_model(&args.model, &description, others)?;
    }
    Ok(())
}

/// The files that --lm, --rnn-lm and --lexicon bring into the model.
fn installed(
    args: &Args,
    files: &ModelFiles,
    description: &Description,
) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let tokens = description.decoded_tokens();
    let mut others = match &args.lm {
        Some(path) => {
            let lexicon = read_lexicon(files, description, tokens, args.lexicon.as_ref())?;
            let bytes = ngram::read_compact(path, None)?;
            let ngram = NGram::from_bytes(&path.display().to_string(), bytes.clone())?;
            search_files(bytes, &ngram, lexicon.as_ref(), tokens)
        }
        None => BTreeMap::new(),
    };
    if let Some(dir) = &args.rnn_lm {
        others.extend(rescorer_files(dir)?);
    }
    Ok(others)
}

fn dev_set(args: &Args, recogniser: &Recogniser) -> Result<Vec<DevUtterance>, Failure> {
    let description = recogniser.description();
    let mut dev = Vec::new();
    let mut set = 0;
    for path in &args.features {
        let mut store = Store::open(path)?;
        store.require(&description.features)?;
        if let Some(stats) = &description.statistics {
            store = store.with_stats(stats)?;
        }
        let normalise = &description.normalise;
        dev.extend(dev_utterances(recogniser.model(), &store, normalise, set)?);
        set += 1;
    }
    let mut utterances: Vec<(usize, Utterance)> = Vec::new();
    let mut add = |of_set: Vec<Utterance>| {
        utterances.extend(of_set.into_iter().map(|utterance| (set, utterance)));
        set += 1;
    };
    for path in &args.manifest {
        add(corpus::read_manifest(path)?);
    }
    for dir in &args.data {
        add(corpus::import(&Request::new(Kind::Kaldi, dir, None))?.utterances);
    }
    let rate = description.features.sample_rate();
    let decoded = utterances
        .par_iter()
        .map(|(set, utterance)| {
            let decoded = corpus::load_audio(utterance, rate)?;
            Ok(DevUtterance {
                outputs: recogniser.log_probs(&decoded.waveform)?,
                reference: description.normalise.apply(&utterance.text),
                set: *set,
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    dev.extend(decoded);
    Ok(dev)
}
