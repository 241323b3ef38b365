//! Feature recipes: what each stage of the signal chain does, one small TOML file each.

mod check;
mod options;

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::framing::Framing;
use super::mel::{self, Filter};
use super::{Error, locate, stack};
pub use options::{Deltas, Energy, Frames, Kind, Mel, Normalisation, Stacking, Window};

/// Every built-in recipe: its name and its file.
const BUILT_IN: [(&str, &str); 8] = [
    ("fbank40-8k", include_str!("../../features/fbank40-8k.toml")),
    (
        "fbank40-delta",
        include_str!("../../features/fbank40-delta.toml"),
    ),
    ("fbank80", include_str!("../../features/fbank80.toml")),
    (
        "fbank80-stack2",
        include_str!("../../features/fbank80-stack2.toml"),
    ),
    (
        "fbank80-stack3",
        include_str!("../../features/fbank80-stack3.toml"),
    ),
    (
        "fbank80-stack3-dither",
        include_str!("../../features/fbank80-stack3-dither.toml"),
    ),
    (
        "fbank80-stack4",
        include_str!("../../features/fbank80-stack4.toml"),
    ),
    (
        "spectrogram",
        include_str!("../../features/spectrogram.toml"),
    ),
];

/// Raised whenever the same recipe begins to give other numbers, so that old stores no longer match.
const NUMBERS_VERSION: u32 = 1;

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
        self.samples_per_frame() as f64 / f64::from(self.sample_rate)
    }

    /// Samples from one output frame to the next, skipping included.
    pub fn samples_per_frame(&self) -> usize {
        self.framing().shift * self.stacking.skip
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
}

#[cfg(test)]
mod tests;
