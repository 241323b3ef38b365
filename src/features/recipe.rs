//! Feature recipes: what each stage of the signal chain does, one small TOML file each.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::framing::Framing;
use super::mel::{self, Filter};
use super::{Error, locate, stack};

/// Every built-in recipe: its name and its file.
const BUILT_IN: [(&str, &str); 5] = [
    ("fbank40-8k", include_str!("../../features/fbank40-8k.toml")),
    (
        "fbank40-delta",
        include_str!("../../features/fbank40-delta.toml"),
    ),
    ("fbank80", include_str!("../../features/fbank80.toml")),
    (
        "fbank80-stack3",
        include_str!("../../features/fbank80-stack3.toml"),
    ),
    (
        "spectrogram",
        include_str!("../../features/spectrogram.toml"),
    ),
];

/// Raised whenever the same recipe begins to give other numbers, so that old stores no longer match.
const NUMBERS_VERSION: u32 = 1;

/// Rates that a recipe may have, Hz.
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;

/// A feature recipe. Field names and defaults are Kaldi's where Kaldi has the field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What a frame is made of.
    pub kind: Kind,
    /// Rate of the waveforms, Hz.
    pub sample_rate: u32,
    /// Over what features are normalised to zero mean and unit variance. Default: `none`.
    #[serde(default)]
    pub normalisation: Normalisation,
    /// How the waveform is cut into frames.
    #[serde(default)]
    pub frames: Frames,
    /// The mel filterbank: needed for `fbank`, refused for `spectrogram`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mel: Option<Mel>,
    /// The log energy of the frame as one more feature.
    #[serde(default)]
    pub energy: Energy,
    /// Deltas, appended.
    #[serde(default)]
    pub deltas: Deltas,
    /// Frame stacking and skipping, the last stage.
    #[serde(default)]
    pub stacking: Stacking,
}

/// What a frame is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Natural logarithm of mel filterbank energies (of the power spectrum).
    Fbank,
    /// Natural logarithm of the power spectrum: `N/2 + 1` bins of a transform of `N` samples.
    Spectrogram,
}

/// Over what features are normalised: `(x − mean) / (std + 1e-3)`, population standard deviation, for
/// each dimension before stacking (the 1e-3 keeps a constant dimension finite).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// Not at all.
    #[default]
    None,
    /// Over each utterance.
    Utterance,
    /// Over all utterances of a speaker in the store (of one speed, where speeds are perturbed).
    Speaker,
    /// Over the training set (Graves et al. 2013, section 4): the store keeps the features as they are,
    /// with its own statistics beside them; the training store's are applied at reading and go into
    /// the model.
    Global,
}

impl std::fmt::Display for Normalisation {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Utterance => "utterance",
            Self::Speaker => "speaker",
            Self::Global => "global",
        })
    }
}

/// How the waveform is cut into frames and each frame prepared for its transform.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Frames {
    /// Length, ms; a fraction of a sample is dropped. Default 25 (Kaldi `--frame-length`).
    pub length_ms: f64,
    /// From one frame's start to the next one's, ms. Default 10 (Kaldi `--frame-shift`).
    pub shift_ms: f64,
    /// `true`: only frames wholly inside the waveform. `false`: one frame a shift, reflected at the
    /// edges. Default `true` (Kaldi `--snip-edges`).
    pub snip_edges: bool,
    /// Subtract each frame's mean. Default `true` (Kaldi `--remove-dc-offset`).
    pub remove_dc_offset: bool,
    /// Pre-emphasis coefficient, 0 to 1. Default 0.97 (Kaldi `--preemphasis-coefficient`).
    pub preemphasis: f32,
    /// Window function. Default `povey` (Kaldi `--window-type`).
    pub window: Window,
    /// Pad the frame with zeros to a power of two samples before the transform. Default `true` (Kaldi
    /// `--round-to-power-of-two`).
    pub round_to_power_of_two: bool,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            length_ms: 25.0,
            shift_ms: 10.0,
            snip_edges: true,
            remove_dc_offset: true,
            preemphasis: 0.97,
            window: Window::Povey,
            round_to_power_of_two: true,
        }
    }
}

/// Window functions (Kaldi `--window-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Window {
    /// The Hann window to the power 0.85: like Hamming, but zero at the edges.
    Povey,
    /// 0.54 − 0.46 cos.
    Hamming,
    /// The Hann window, symmetric.
    Hanning,
    /// The Hann window, periodic, as PyTorch's default.
    Hann,
    /// Half a sine.
    Sine,
    /// Blackman's window with coefficient 0.42.
    Blackman,
    /// None.
    Rectangular,
}

/// The mel filterbank.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mel {
    /// Triangular filters, at least 3. Default 23 (Kaldi `--num-mel-bins`).
    pub bins: usize,
    /// Lower corner of the first filter, Hz. Default 20 (Kaldi `--low-freq`).
    pub low_hz: f32,
    /// Upper corner of the last filter, Hz; 0 or below: added to half the sample rate. Default 0 (Kaldi
    /// `--high-freq`).
    pub high_hz: f32,
}

impl Window {
    /// Every window function.
    pub const ALL: [Self; 7] = [
        Self::Povey,
        Self::Hamming,
        Self::Hanning,
        Self::Hann,
        Self::Sine,
        Self::Blackman,
        Self::Rectangular,
    ];
}

impl Default for Mel {
    fn default() -> Self {
        Self {
            bins: 23,
            low_hz: 20.0,
            high_hz: 0.0,
        }
    }
}

/// The log energy of the frame as one more feature.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Energy {
    /// Append it. Default `false` (Kaldi `--use-energy`).
    pub append: bool,
    /// `true`: of the samples before pre-emphasis and window. `false`: after them. Default `true` (Kaldi
    /// `--raw-energy`).
    pub raw: bool,
    /// Smallest energy, on the 16-bit scale squared; 0: the smallest is f32's epsilon. Default 0 (Kaldi
    /// `--energy-floor`).
    pub floor: f32,
    /// `true`: after the other features. `false`: before them. Default `false` (Kaldi `--htk-compat`).
    pub last: bool,
}

impl Default for Energy {
    fn default() -> Self {
        Self {
            append: false,
            raw: true,
            floor: 0.0,
            last: false,
        }
    }
}

/// Deltas: the slope of each feature over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deltas {
    /// 0: none; 1: deltas; 2: deltas and delta-deltas. Default 0.
    pub order: usize,
    /// Frames on each side of the regression. Default 2 (Kaldi `--delta-window`).
    pub window: usize,
}

impl Default for Deltas {
    fn default() -> Self {
        Self {
            order: 0,
            window: 2,
        }
    }
}

/// Frame stacking and skipping. A trailing incomplete stack is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stacking {
    /// Successive frames joined into one. Default 1: none.
    pub frames: usize,
    /// Frames from one stack's start to the next one's. Default 1.
    pub skip: usize,
}

impl Default for Stacking {
    fn default() -> Self {
        Self { frames: 1, skip: 1 }
    }
}

impl Recipe {
    /// A built-in recipe by its name, or a file: what has a `/` or ends in `.toml`.
    ///
    /// # Errors
    /// An unknown name, an unreadable file, a bad recipe.
    pub fn named(name: &str) -> Result<Self, Error> {
        if name.contains('/') || name.ends_with(".toml") {
            let text = std::fs::read_to_string(name).map_err(|source| Error::Io {
                path: Path::new(name).into(),
                source,
            })?;
            return Self::parse(&text, name);
        }
        match BUILT_IN.iter().find(|(known, _)| *known == name) {
            Some((name, text)) => Self::parse(text, name),
            None => Err(Error::UnknownRecipe {
                name: name.to_owned(),
                known: Self::built_in().collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// Names of the built-in recipes.
    pub fn built_in() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The name of the built-in recipe that equals this one.
    pub fn name(&self) -> Option<&'static str> {
        Self::built_in().find(|name| Self::named(name).is_ok_and(|recipe| recipe == *self))
    }

    /// A recipe from its TOML text; `origin` is what errors call it.
    ///
    /// # Errors
    /// [`Error::Recipe`] with line and key: no TOML, an unknown key, a wrong type, an impossible value.
    pub fn parse(toml: &str, origin: &str) -> Result<Self, Error> {
        let at = |(line, key): (usize, String), message: String| Error::Recipe {
            origin: origin.to_owned(),
            line,
            key,
            message,
        };
        let recipe: Self = toml::from_str(toml).map_err(|error| {
            let place = locate::key_at(toml, error.span().map_or(0, |span| span.start));
            at(place, error.message().replace('\n', " "))
        })?;
        match recipe.impossible() {
            None => Ok(recipe),
            Some((key, message)) => Err(at((locate::line_of(toml, key), key.to_owned()), message)),
        }
    }

    /// The recipe with every field, as TOML; [`Recipe::parse`] gives it back.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a struct of numbers, flags and unit variants is TOML")
    }

    /// SHA-256, in hex, of the canonical form: the recipe with every field in the order of its struct,
    /// as compact JSON. Comments, key order and spelt-out defaults do not change it.
    pub fn hash(&self) -> String {
        let canonical = serde_json::to_string(self)
            .expect("a struct of finite numbers, flags and unit variants is JSON");
        let digest = Sha256::digest(format!("hearken features {NUMBERS_VERSION} {canonical}"));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Where it differs from `other`: `mel.bins: 40 and 80`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let (ours, theirs) = (self.flat(), other.flat());
        let keys: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
        let show = |value: Option<&serde_json::Value>| match value {
            Some(value) => value.to_string(),
            None => "absent".to_owned(),
        };
        keys.into_iter()
            .filter(|key| ours.get(*key) != theirs.get(*key))
            .map(|key| {
                format!(
                    "{key}: {} and {}",
                    show(ours.get(key)),
                    show(theirs.get(key))
                )
            })
            .collect()
    }

    fn flat(&self) -> std::collections::BTreeMap<String, serde_json::Value> {
        let mut flat = std::collections::BTreeMap::new();
        if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(self) {
            for (key, value) in fields {
                match value {
                    serde_json::Value::Object(inner) => flat.extend(
                        inner
                            .into_iter()
                            .map(|(name, value)| (format!("{key}.{name}"), value)),
                    ),
                    value => drop(flat.insert(key, value)),
                }
            }
        }
        flat
    }

    /// Rate of the waveforms, Hz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Dimension `D` of an output frame, deltas and stacking included.
    pub fn dim(&self) -> usize {
        self.frame_dim() * self.stacking.frames
    }

    /// Dimension of a frame before stacking, deltas included: what normalisation statistics have.
    pub fn frame_dim(&self) -> usize {
        self.static_dim() * (self.deltas.order + 1)
    }

    /// Dimension of a frame before the deltas.
    pub(crate) fn static_dim(&self) -> usize {
        let bins = match (self.kind, &self.mel) {
            (Kind::Fbank, Some(mel)) => mel.bins,
            (Kind::Fbank, None) => 0,
            (Kind::Spectrogram, _) => self.fft_length() / 2 + 1,
        };
        bins + usize::from(self.energy.append)
    }

    /// Seconds from one output frame to the next, skipping included.
    pub fn seconds_per_frame(&self) -> f64 {
        (self.framing().shift * self.stacking.skip) as f64 / f64::from(self.sample_rate)
    }

    /// Samples that give one output frame: one window, or as many as a whole stack covers.
    pub fn min_samples(&self) -> usize {
        self.framing().samples_for(self.stacking.frames)
    }

    /// Output frames of a waveform of `samples` samples.
    pub fn output_frames(&self, samples: usize) -> usize {
        stack::stacked_frames(self.stacking, self.framing().frames(samples))
    }

    /// Frame geometry in samples. Kaldi truncates; a millionth is added first, so that 15.875 ms at
    /// 16 kHz are 254 samples whatever the rounding.
    pub(crate) fn framing(&self) -> Framing {
        let samples = |ms: f64| (ms * 1e-3 * f64::from(self.sample_rate) + 1e-6) as usize;
        Framing {
            length: samples(self.frames.length_ms),
            shift: samples(self.frames.shift_ms),
            snip_edges: self.frames.snip_edges,
        }
    }

    /// Samples of the transform.
    pub(crate) fn fft_length(&self) -> usize {
        let length = self.framing().length;
        if self.frames.round_to_power_of_two {
            length.next_power_of_two()
        } else {
            length
        }
    }

    /// The mel filters; none for a spectrogram.
    pub(crate) fn filters(&self) -> Result<Vec<Filter>, Error> {
        let Some(mel) = &self.mel else {
            return Ok(Vec::new());
        };
        mel::filters(
            mel.bins,
            mel.low_hz,
            self.high_hz(mel),
            self.fft_length(),
            self.sample_rate,
        )
        .map_err(|empty| Error::RecipeValue {
            key: "mel.bins".into(),
            message: empty.to_string(),
        })
    }

    /// Upper corner of the last filter, Hz.
    pub(crate) fn high_hz(&self, mel: &Mel) -> f32 {
        let nyquist = 0.5 * self.sample_rate as f32;
        if mel.high_hz > 0.0 {
            mel.high_hz
        } else {
            nyquist + mel.high_hz
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::RecipeValue`] names the first impossible one.
    pub fn check(&self) -> Result<(), Error> {
        match self.impossible() {
            None => Ok(()),
            Some((key, message)) => Err(Error::RecipeValue {
                key: key.into(),
                message,
            }),
        }
    }

    /// The first impossible value: its key and what would be right.
    fn impossible(&self) -> Option<(&'static str, String)> {
        let refuse =
            |bad: bool, key: &'static str, message: &str| bad.then(|| (key, message.to_owned()));
        let Frames {
            length_ms,
            shift_ms,
            preemphasis,
            ..
        } = self.frames;
        let one_second = |ms: f64| ms > 0.0 && ms <= 1000.0;
        refuse(
            !SAMPLE_RATES.contains(&self.sample_rate),
            "sample_rate",
            &format!(
                "must be {} to {} Hz",
                SAMPLE_RATES.start(),
                SAMPLE_RATES.end()
            ),
        )
        .or_else(|| {
            refuse(
                !one_second(length_ms),
                "frames.length_ms",
                "must be above 0 and at most 1000",
            )
        })
        .or_else(|| {
            refuse(
                !one_second(shift_ms),
                "frames.shift_ms",
                "must be above 0 and at most 1000",
            )
        })
        .or_else(|| {
            refuse(
                self.framing().length < 2,
                "frames.length_ms",
                "is less than two samples",
            )
        })
        .or_else(|| {
            refuse(
                self.framing().shift < 1,
                "frames.shift_ms",
                "is less than one sample",
            )
        })
        .or_else(|| {
            refuse(
                !(0.0..=1.0).contains(&preemphasis),
                "frames.preemphasis",
                "must be 0 to 1",
            )
        })
        .or_else(|| {
            refuse(
                !self.fft_length().is_multiple_of(2),
                "frames.length_ms",
                "must be an even number of samples where round_to_power_of_two is false",
            )
        })
        .or_else(|| self.impossible_mel())
        .or_else(|| {
            let floor = self.energy.floor;
            refuse(
                !(floor >= 0.0 && floor.is_finite()),
                "energy.floor",
                "must be 0 or above",
            )
        })
        .or_else(|| refuse(self.deltas.order > 3, "deltas.order", "must be 0 to 3"))
        .or_else(|| {
            refuse(
                !(1..=50).contains(&self.deltas.window),
                "deltas.window",
                "must be 1 to 50",
            )
        })
        .or_else(|| {
            refuse(
                !(1..=50).contains(&self.stacking.frames),
                "stacking.frames",
                "must be 1 to 50",
            )
        })
        .or_else(|| {
            refuse(
                !(1..=50).contains(&self.stacking.skip),
                "stacking.skip",
                "must be 1 to 50",
            )
        })
    }

    fn impossible_mel(&self) -> Option<(&'static str, String)> {
        let mel = match (self.kind, &self.mel) {
            (Kind::Fbank, Some(mel)) => mel,
            (Kind::Fbank, None) => {
                return Some((
                    "kind",
                    "\"fbank\" needs a [mel] section with its number of bins".into(),
                ));
            }
            (Kind::Spectrogram, None) => return None,
            (Kind::Spectrogram, Some(_)) => {
                return Some((
                    "mel",
                    "a spectrogram has no mel filters: leave the section out".into(),
                ));
            }
        };
        let nyquist = 0.5 * self.sample_rate as f32;
        let high = self.high_hz(mel);
        if mel.bins < 3 {
            Some(("mel.bins", "must be at least 3".into()))
        } else if !(0.0..nyquist).contains(&mel.low_hz) {
            Some((
                "mel.low_hz",
                format!("must be 0 to below half the sample rate, {nyquist} Hz"),
            ))
        } else if !(high > mel.low_hz && high <= nyquist) {
            Some((
                "mel.high_hz",
                format!(
                    "the upper corner is {high} Hz: must be above low_hz and at most {nyquist} Hz"
                ),
            ))
        } else if mel.bins > self.fft_length() {
            Some((
                "mel.bins",
                format!(
                    "must be at most the transform's {} samples",
                    self.fft_length()
                ),
            ))
        } else {
            mel::filters(
                mel.bins,
                mel.low_hz,
                high,
                self.fft_length(),
                self.sample_rate,
            )
            .err()
            .map(|empty| ("mel.bins", empty.to_string()))
        }
    }
}

#[cfg(test)]
mod tests;
