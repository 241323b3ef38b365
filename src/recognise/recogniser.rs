//! A model and a recording to words.

use std::io::Read;
use std::iter;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::model::WEIGHTS;
use super::stretches::{Stretch, Stretches};
use super::{
    Description, Error, LanguageChoice, ModelFiles, Windows, read_description, read_language,
    read_rescorer, read_weights,
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
    /// What was said between pauses, in order.
    pub segments: Vec<Segment>,
    /// Length of the recording, seconds.
    pub seconds: f64,
    /// What was done to the recording on the way in.
    pub notices: Vec<Notice>,
}

impl Transcript {
    /// The words of all segments in the order of their times.
    pub fn words(&self) -> impl Iterator<Item = &RecognisedWord> {
        self.segments.iter().flat_map(|segment| &segment.words)
    }

    fn add(&mut self, segment: Segment, heard: &mut dyn FnMut(&Segment)) {
        if !segment.text.is_empty() {
            if !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(&segment.text);
        }
        heard(&segment);
        self.segments.push(segment);
    }
}

/// What was recognised between two pauses of a recording.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Where it begins, seconds.
    pub start: f64,
    /// Its length, seconds.
    pub seconds: f64,
    /// What was said.
    pub text: String,
    /// Hypotheses, best first.
    pub hypotheses: Vec<Hypothesis>,
    /// The words of the first one.
    pub words: Vec<RecognisedWord>,
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
            &settings.hot_words,
            runtime,
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
        self.recognise_windows(self.windows(Blocks::open(path, rate)?), n_best)
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
        self.recognise_windows(self.windows(blocks), n_best)
    }

    /// The windows of a recording that is read at the model's rate.
    pub fn windows(&self, blocks: Blocks) -> Windows {
        Windows::new(blocks, &self.description.features)
    }

    /// Recognises the windows of a recording and joins what they hear.
    ///
    /// # Errors
    /// As [`Recogniser::recognise_file`].
    pub fn recognise_windows(&self, windows: Windows, n_best: usize) -> Result<Transcript, Error> {
        self.recognise_as_it_comes(windows, n_best, &mut |_| {})
    }

    /// The same, and tells of each segment as soon as its words are certain, in order. Windows go
    /// through the network in parallel, as many at once as there are threads, and the stretches
    /// between the pauses that it hears through the search.
    ///
    /// # Errors
    /// As [`Recogniser::recognise_file`].
    pub fn recognise_as_it_comes(
        &self,
        mut windows: Windows,
        n_best: usize,
        heard: &mut dyn FnMut(&Segment),
    ) -> Result<Transcript, Error> {
        let mut stretches = self.stretches(self.description.decode.output);
        let mut transcript = Transcript::default();
        loop {
            let ended = self.push_group(&mut windows, &mut stretches)?;
            let complete: Vec<Stretch> = iter::from_fn(|| stretches.next_stretch(ended)).collect();
            let seconds = windows.seconds();
            let segments: Vec<Result<Segment, Error>> = complete
                .par_iter()
                .map(|stretch| self.recognise_stretch(stretch, seconds, n_best))
                .collect();
            let last = segments.len().checked_sub(1).filter(|_| ended);
            for (at, segment) in segments.into_iter().enumerate() {
                let mut segment = segment?;
                if Some(at) == last {
                    // What is left after the last frame is less than one.
                    segment.seconds = seconds - segment.start;
                }
                transcript.add(segment, heard);
            }
            if ended {
                break;
            }
        }
        transcript.seconds = windows.seconds();
        transcript.notices = windows.notices();
        Ok(transcript)
    }

    /// An empty sequence of log-probabilities, in which the output `output` tells what is silent. A
    /// closed list of texts has none for silence: each stretch of its own would be heard as one.
    pub(super) fn stretches(&self, output: usize) -> Stretches {
        let tokens = &self.description.tokens[output];
        let silent = iter::once(tokens.blank()).chain(tokens.space());
        let silent = silent.map(|token| token as usize).collect();
        let frame = self.description.features.seconds_per_frame();
        let at_pauses = self.description.decode.method != Method::Choices;
        Stretches::new(output, silent, frame, at_pauses)
    }

    /// Adds the log-probabilities of the next windows, as many at once as there are threads; whether
    /// there were none.
    pub(super) fn push_group(
        &self,
        windows: &mut Windows,
        stretches: &mut Stretches,
    ) -> Result<bool, Error> {
        let group = windows.next_group()?;
        let results: Vec<Result<Vec<Array2<f32>>, Error>> = group
            .par_iter()
            .map(|window| self.log_probs(&window.waveform))
            .collect();
        let ended = group.is_empty();
        for (window, result) in group.into_iter().zip(results) {
            stretches.push(window.begins, window.next_begins, result?);
        }
        Ok(ended)
    }

    /// What was said in a stretch of a recording that ends no earlier than at second `end`.
    fn recognise_stretch(
        &self,
        stretch: &Stretch,
        end: f64,
        n_best: usize,
    ) -> Result<Segment, Error> {
        let frame = self.description.features.seconds_per_frame();
        let frames = stretch.log_probs.first().map_or(0, Array2::nrows);
        let (start, seconds) = (stretch.start as f64 * frame, frames as f64 * frame);
        let (hypotheses, words) = self.decode(&stretch.log_probs, start..end, n_best)?;
        Ok(Segment {
            start,
            seconds,
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
        let log_probs = self.log_probs(waveform)?;
        Ok(self.decode(&log_probs, 0.0..waveform.seconds(), n_best)?.0)
    }

    /// Hypotheses, and the words of the first, of log-probabilities from second `times.start` on;
    /// the last frame may reach beyond the samples, which end at `times.end`.
    fn decode(
        &self,
        log_probs: &[Array2<f32>],
        times: Range<f64>,
        n_best: usize,
    ) -> Result<(Vec<Hypothesis>, Vec<RecognisedWord>), Error> {
        let views: Vec<ArrayView2<'_, f32>> = log_probs.iter().map(|part| part.view()).collect();
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
                timed: timed.within(times.start, times.end),
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
