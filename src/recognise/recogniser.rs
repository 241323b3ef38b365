//! A model and a recording to words.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array2, ArrayView2};

use super::model::WEIGHTS;
use super::{
    Description, Error, LanguageChoice, ModelFiles, Windows, read_description, read_language,
    read_weights,
};
use crate::acoustic::AcousticModel;
use crate::audio::{Blocks, Notice, Waveform};
use crate::decode::{Decoder, HotPhrase, Hypothesis, Method};
use crate::features::Extractor;
use crate::nn::{Precision, Runtime};

/// What a user may set over the model's own choices.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Precision of the heavy products.
    pub precision: Precision,
    /// Prefixes kept at every frame; 1 decodes by the best path.
    pub beam: Option<usize>,
    /// The language model.
    pub language: LanguageChoice,
    /// Pronunciations for an output of phones, instead of the model's.
    pub lexicon: Option<PathBuf>,
    /// The language model's weight.
    pub alpha: Option<f32>,
    /// The bonus for every word, nats.
    pub beta: Option<f32>,
    /// Phrases that are likelier than the language model knows.
    pub hot_words: Vec<HotPhrase>,
}

/// What was recognised in one recording.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    /// The words.
    pub text: String,
    /// Hypotheses, best first; for a long recording, of each window in turn.
    pub windows: Vec<WindowResult>,
    /// Length of the recording, seconds.
    pub seconds: f64,
    /// What was done to the recording on the way in.
    pub notices: Vec<Notice>,
}

/// What was recognised in one window of a recording.
#[derive(Clone, Debug)]
pub struct WindowResult {
    /// Where the window begins, seconds.
    pub start: f64,
    /// Its length, seconds.
    pub seconds: f64,
    /// Hypotheses, best first.
    pub hypotheses: Vec<Hypothesis>,
}

/// A trained model, ready to turn recordings into words. It can be shared between threads.
pub struct Recogniser {
    description: Description,
    model: AcousticModel,
    extractor: Extractor,
    decoder: Decoder,
}

/// Reads a model directory: its description, and the acoustic model with its weights.
///
/// # Errors
/// [`Error::Model`] when a part is missing, damaged, or does not fit the others.
pub fn read_model(
    files: &ModelFiles,
    runtime: Runtime,
) -> Result<(Description, AcousticModel), Error> {
    let description = read_description(files)?;
    let model = AcousticModel::new(
        &description.acoustic,
        description.tokens.clone(),
        description.features.dim(),
        runtime,
        0,
    )?;
    let weights = model_weights(files)?;
    let refuse = |what: String| Error::Model {
        model: files.name(),
        what: format!("{WEIGHTS} {what}"),
    };
    for (index, (name, value, _)) in model.parameters().iter().enumerate() {
        let found = weights.iter().find(|(other, _)| other == name);
        let Some((_, tensor)) = found else {
            return Err(refuse(format!("lacks `{name}`")));
        };
        if tensor.shape() != value.shape() {
            return Err(refuse(format!(
                "has `{name}` of shape {:?}, and the architecture says {:?}",
                tensor.shape(),
                value.shape()
            )));
        }
        model.parameters().set(index, tensor)?;
    }
    Ok((description, model))
}

/// The weights of a model directory by name.
///
/// # Errors
/// [`Error::Model`] when the file is damaged.
pub fn model_weights(files: &ModelFiles) -> Result<Vec<(String, candle_core::Tensor)>, Error> {
    read_weights(&files.read(WEIGHTS)?).map_err(|what| Error::Model {
        model: files.name(),
        what: format!("{WEIGHTS}: {what}"),
    })
}

impl Recogniser {
    /// Opens a model.
    ///
    /// # Errors
    /// [`Error::Model`] or [`Error::File`] when it is not whole.
    pub fn open(files: &ModelFiles, settings: &Settings) -> Result<Self, Error> {
        let (mut description, model) = read_model(files, Runtime::new(settings.precision))?;
        let decode = &mut description.decode;
        decode.beam = settings.beam.unwrap_or(decode.beam);
        decode.alpha = settings.alpha.unwrap_or(decode.alpha);
        decode.beta = settings.beta.unwrap_or(decode.beta);
        if matches!(settings.language, LanguageChoice::File(_)) {
            decode.lm = true;
            decode.method = Method::Beam;
            decode.choices.clear();
        }
        let language = read_language(
            files,
            &description,
            &settings.language,
            settings.lexicon.as_ref(),
        )?;
        let decoder = Decoder::new(
            &description.decode,
            &description.tokens,
            language.map(Arc::new),
            &settings.hot_words,
        )
        .map_err(|error| Error::Model {
            model: files.name(),
            what: error.to_string(),
        })?;
        let extractor = Extractor::new(&description.features)?;
        let extractor = match &description.statistics {
            Some(stats) => extractor.with_stats(stats)?,
            None => extractor,
        };
        Ok(Self {
            decoder,
            extractor,
            description,
            model,
        })
    }

    /// What the model says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The search.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Recognises a recording of any length, in a file of any format that is read.
    ///
    /// # Errors
    /// The file cannot be read, or is too short for one frame.
    pub fn recognise_file(&self, path: &Path, n_best: usize) -> Result<Transcript, Error> {
        let rate = self.description.features.sample_rate();
        self.recognise_windows(Windows::new(Blocks::open(path, rate)?, rate), n_best)
    }

    /// Recognises a WAV from a stream that messages call `name`.
    ///
    /// # Errors
    /// As [`Recogniser::recognise_file`].
    pub fn recognise_wav(
        &self,
        reader: impl Read + Send + 'static,
        name: &str,
        n_best: usize,
    ) -> Result<Transcript, Error> {
        let rate = self.description.features.sample_rate();
        let blocks = Blocks::from_wav(reader, name, rate)?;
        self.recognise_windows(Windows::new(blocks, rate), n_best)
    }

    /// Recognises the pieces of a recording and joins their words.
    ///
    /// # Errors
    /// As [`Recogniser::recognise_file`].
    pub fn recognise_windows(
        &self,
        mut windows: Windows,
        n_best: usize,
    ) -> Result<Transcript, Error> {
        let mut transcript = Transcript::default();
        while let Some((start, waveform)) = windows.next_window()? {
            let seconds = waveform.seconds();
            transcript.seconds = start + seconds;
            let hypotheses = match self.recognise(&waveform, n_best) {
                // The last piece of a long recording may be shorter than a frame.
                Err(Error::Features(_)) if start > 0.0 => continue,
                other => other?,
            };
            if !hypotheses[0].text.is_empty() {
                if !transcript.text.is_empty() {
                    transcript.text.push(' ');
                }
                transcript.text.push_str(&hypotheses[0].text);
            }
            transcript.windows.push(WindowResult {
                start,
                seconds,
                hypotheses,
            });
        }
        transcript.notices = windows.notices();
        Ok(transcript)
    }

    /// Recognises one waveform at the model's rate as a whole: hypotheses, best first, at least one.
    ///
    /// # Errors
    /// A waveform at another rate or too short for one frame.
    pub fn recognise(&self, waveform: &Waveform, n_best: usize) -> Result<Vec<Hypothesis>, Error> {
        let log_probs = self.log_probs(waveform)?;
        let views: Vec<ArrayView2<'_, f32>> = log_probs.iter().map(|p| p.view()).collect();
        Ok(self.decoder.n_best(&views, n_best)?)
    }

    /// The `[T, V]` log-probabilities (nats) of every output for a waveform at the model's rate.
    ///
    /// # Errors
    /// As [`Recogniser::recognise`].
    pub fn log_probs(&self, waveform: &Waveform) -> Result<Vec<Array2<f32>>, Error> {
        let features = self.extractor.clone().compute(waveform)?;
        let outputs = self.model.log_probs(&[features.view()])?.into_iter();
        Ok(outputs
            .map(|mut matrices| matrices.swap_remove(0))
            .collect())
    }

    /// The acoustic model.
    pub fn model(&self) -> &AcousticModel {
        &self.model
    }
}
