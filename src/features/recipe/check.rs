//! Values that a recipe may not have.

use super::{Frames, Kind, Recipe};
use crate::features::{Error, mel};

/// Rates that a recipe may have, Hz.
const SAMPLE_RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;

impl Recipe {
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
    pub(super) fn impossible(&self) -> Option<(&'static str, String)> {
        let refuse =
            |bad: bool, key: &'static str, message: &str| bad.then(|| (key, message.to_owned()));
        let Frames {
            length_ms,
            shift_ms,
            preemphasis,
            dither,
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
                !(0.0..=1000.0).contains(&dither),
                "frames.dither",
                "must be 0 to 1000",
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
