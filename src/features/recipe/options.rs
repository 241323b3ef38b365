//! The options of each stage, their defaults and units.

use serde::{Deserialize, Serialize};

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
    /// Standard deviation of the white noise whose expected power is added to the spectrum, on the
    /// 16-bit scale (±32768): Kaldi's `--dither` without its chance. With 1, what is recorded hides
    /// whether it was rounded to 16 bits. Default 0: none (Kaldi: 1).
    #[serde(skip_serializing_if = "is_zero")]
    pub dither: f32,
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
            dither: 0.0,
            window: Window::Povey,
            round_to_power_of_two: true,
        }
    }
}

/// Left out of a recipe's canonical form, so that recipes from before it keep their hash.
fn is_zero(dither: &f32) -> bool {
    *dither == 0.0
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
