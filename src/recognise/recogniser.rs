//! A model and a recording to words.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::join::join;
use super::model::WEIGHTS;
use super::{
    Description, Error, LanguageChoice, ModelFiles, Window, Windows, read_description,
    read_language, read_rescorer, read_weights,
};
use crate::acoustic::AcousticModel;
use crate::audio::{Blocks, Notice, Waveform};
use crate::decode::{self, Decoder, HotPhrase, Hypothesis, Method, TimedWord};
use crate::features::Extractor;
use crate::nn::{Precision, Runtime};

/// Hypotheses from which confidences are told.
const CONFIDENCE_NBEST: usize = 50;

/// What a user may set over the model's own choices.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Precision of the heavy products.
    pub precision: Precision,
    /// Prefixes kept at every frame; 1 decodes by the best path.
    pub beam: Option<usize>,
    /// The language model.
    pub language: LanguageChoice,
    /// The language model of the second pass: a recurrent one's directory.
    pub rescorer: LanguageChoice,
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

impl Transcript {
    /// The words of all windows in the order of their times.
    pub fn words(&self) -> impl Iterator<Item = &RecognisedWord> {
        self.windows.iter().flat_map(|window| &window.words)
    }

    fn add(&mut self, window: WindowResult, heard: &mut dyn FnMut(&WindowResult)) {
        if !window.text.is_empty() {
            if !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(&window.text);
        }
        self.seconds = window.start + window.seconds;
        heard(&window);
        self.windows.push(window);
    }
}

/// What was recognised in one window of a recording.
#[derive(Clone, Debug)]
pub struct WindowResult {
    /// Where the window's core begins, seconds.
    pub start: f64,
    /// The core's length, seconds.
    pub seconds: f64,
    /// What was said in the core.
    pub text: String,
    /// Hypotheses, best first, of the core and what overlaps its neighbours.
    pub hypotheses: Vec<Hypothesis>,
    /// The words of the first one that are not the neighbours'.
    pub words: Vec<RecognisedWord>,
}

fn joined_text(words: &[RecognisedWord]) -> String {
    let texts: Vec<&str> = words.iter().map(|word| word.timed.text.as_str()).collect();
    texts.join(" ")
}

/// A word with when it was said and how sure that is.
#[derive(Clone, Debug)]
pub struct RecognisedWord {
    /// The word and its tokens with their times, in seconds from the recording's beginning.
    pub timed: TimedWord,
    /// The probability that the word is right, as far as the decoder can tell.
    pub confidence: f32,
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
        let runtime = Runtime::new(settings.precision);
        let (mut description, model) = read_model(files, runtime)?;
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
        // Another language model in the search, or none, does without the model's own second pass.
        let own = settings.language == LanguageChoice::Own;
        let rescorer = match &settings.rescorer {
            LanguageChoice::Own if !own => None,
            choice => read_rescorer(files, &description, choice, runtime)?,
        };
        let decoder = decoder.with_rescorer(rescorer);
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

    /// Recognises the windows of a recording and joins their words.
    ///
    /// # Errors
    /// As [`Recogniser::recognise_file`].
    pub fn recognise_windows(&self, windows: Windows, n_best: usize) -> Result<Transcript, Error> {
        self.recognise_as_it_comes(windows, n_best, &mut |_| {})
    }

    /// The same, and tells of each window as soon as its words are final, in order. Windows are
    /// recognised in parallel, as many at once as there are threads.
    ///
    /// # Errors
    /// As [`Recogniser::recognise_file`].
    pub fn recognise_as_it_comes(
        &self,
        mut windows: Windows,
        n_best: usize,
        heard: &mut dyn FnMut(&WindowResult),
    ) -> Result<Transcript, Error> {
        let mut transcript = Transcript::default();
        let mut before: Option<WindowResult> = None;
        loop {
            let group = windows.next_group()?;
            if group.is_empty() {
                break;
            }
            let results: Vec<Result<WindowResult, Error>> = group
                .par_iter()
                .map(|window| self.recognise_window(window, n_best))
                .collect();
            for result in results {
                let mut result = result?;
                if let Some(mut left) = before.take() {
                    join(&mut left.words, &mut result.words, result.start);
                    left.text = joined_text(&left.words);
                    result.text = joined_text(&result.words);
                    transcript.add(left, heard);
                }
                before = Some(result);
            }
        }
        if let Some(last) = before {
            transcript.add(last, heard);
        }
        transcript.notices = windows.notices();
        Ok(transcript)
    }

    fn recognise_window(&self, window: &Window, n_best: usize) -> Result<WindowResult, Error> {
        let (hypotheses, words) = self.recognise_at(window.begins, &window.waveform, n_best)?;
        Ok(WindowResult {
            start: window.start,
            seconds: window.end - window.start,
            text: hypotheses[0].text.clone(),
            hypotheses,
            words,
        })
    }

    /// Recognises one waveform at the model's rate as a whole: hypotheses, best first, at least one.
    ///
    /// # Errors
    /// A waveform at another rate or too short for one frame.
    pub fn recognise(&self, waveform: &Waveform, n_best: usize) -> Result<Vec<Hypothesis>, Error> {
        Ok(self.recognise_at(0.0, waveform, n_best)?.0)
    }

    /// Hypotheses, and the words of the first, of a waveform that begins at second `start`.
    fn recognise_at(
        &self,
        start: f64,
        waveform: &Waveform,
        n_best: usize,
    ) -> Result<(Vec<Hypothesis>, Vec<RecognisedWord>), Error> {
        let log_probs = self.log_probs(waveform)?;
        let views: Vec<ArrayView2<'_, f32>> = log_probs.iter().map(|p| p.view()).collect();
        let mut list = self.decoder.n_best(&views, n_best.max(CONFIDENCE_NBEST))?;
        let config = &self.description.decode;
        let words = decode::word_times(
            views[config.output],
            &list[0],
            self.description.features.seconds_per_frame(),
            config.boundaries,
        )
        .map_err(decode::Error::from)?;
        let confidences = self.decoder.confidences(&list, &words);
        list.truncate(n_best.max(1));
        let words = words
            .into_iter()
            .zip(confidences)
            .map(|(timed, confidence)| RecognisedWord {
                timed: timed.within(start, start + waveform.seconds()),
                confidence,
            })
            .collect();
        Ok((list, words))
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
