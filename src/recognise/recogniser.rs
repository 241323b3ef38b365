//! A model and a recording to words.

use std::io::Read;
use std::path::Path;

use ndarray::ArrayView2;

use super::model::WEIGHTS;
use super::{Description, Error, ModelFiles, Windows, read_description, read_weights};
use crate::acoustic::AcousticModel;
use crate::audio::{Blocks, Notice, Waveform};
use crate::decode::{self, Choices, Hypothesis, Method, PrefixBeam};
use crate::features::Extractor;
use crate::nn::{Precision, Runtime};
use crate::text::Tokens;

/// What a user may set over the model's own choices.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Precision of the heavy products.
    pub precision: Precision,
    /// Prefixes kept at every frame; 1 decodes by the best path.
    pub beam: Option<usize>,
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

/// A search as a configuration says it.
pub struct Decoder {
    tokens: Tokens,
    search: Search,
}

/// The kinds of search.
enum Search {
    Greedy,
    Beam(PrefixBeam),
    Choices(Choices),
}

impl Decoder {
    /// The search of `config` over an output with the given inventory.
    ///
    /// # Errors
    /// Settings that are impossible for this inventory.
    pub fn new(config: &decode::Config, tokens: Tokens) -> Result<Self, decode::Error> {
        config.check()?;
        let search = match config.method {
            Method::Choices => Search::Choices(Choices::new(&config.choices, &tokens)?),
            Method::Beam if config.beam > 1 => Search::Beam(PrefixBeam {
                beam: config.beam,
                ..PrefixBeam::default()
            }),
            Method::Beam | Method::Greedy => Search::Greedy,
        };
        Ok(Self { tokens, search })
    }

    /// Up to `n` hypotheses for log-probabilities `[T, V]` (nats), best first, at least one.
    ///
    /// # Errors
    /// Log-probabilities that are not finite.
    pub fn n_best(
        &self,
        log_probs: ArrayView2<'_, f32>,
        n: usize,
    ) -> Result<Vec<Hypothesis>, decode::Error> {
        let mut hypotheses = match &self.search {
            Search::Greedy => Vec::new(),
            Search::Beam(beam) => {
                let beam = PrefixBeam {
                    nbest: n.max(1),
                    ..beam.clone()
                };
                beam.decode(log_probs, &self.tokens)
            }
            Search::Choices(choices) => choices.decode(log_probs, n)?,
        };
        if hypotheses.is_empty() {
            hypotheses.push(decode::greedy(log_probs, &self.tokens));
        }
        Ok(hypotheses)
    }
}

impl std::fmt::Display for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.search {
            Search::Greedy => f.write_str("best path"),
            Search::Beam(beam) => write!(f, "prefix beam search, width {}", beam.beam),
            Search::Choices(choices) => write!(f, "the best of {} texts", choices.count()),
        }
    }
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
        if let Some(beam) = settings.beam {
            description.decode.beam = beam;
        }
        let output = description.decode.output;
        let tokens = match model.outputs().get(output) {
            Some(output) => output.tokens.clone(),
            None => {
                return Err(Error::Model {
                    model: files.name(),
                    what: format!(
                        "it decodes output {output} and has {}",
                        model.outputs().len()
                    ),
                });
            }
        };
        let extractor = Extractor::new(&description.features)?;
        let extractor = match &description.statistics {
            Some(stats) => extractor.with_stats(stats)?,
            None => extractor,
        };
        Ok(Self {
            decoder: Decoder::new(&description.decode, tokens)?,
            extractor,
            description,
            model,
        })
    }

    /// What the model says of itself.
    pub fn description(&self) -> &Description {
        &self.description
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
        let features = self.extractor.clone().compute(waveform)?;
        let log_probs = self
            .model
            .log_probs(&[features.view()])?
            .swap_remove(self.description.decode.output)
            .swap_remove(0);
        Ok(self.decoder.n_best(log_probs.view(), n_best)?)
    }
}
