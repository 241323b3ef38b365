//! The whole signal chain on one waveform.

use ndarray::Array2;

use super::framing::Framing;
use super::mel::{self, Filter};
use super::normalise::{Moments, Stats};
use super::recipe::{Frames, Kind, Normalisation, Recipe};
use super::rfft::PowerSpectrum;
use super::{Error, deltas, ln, preemphasis, stack, window};
use crate::audio::Waveform;

/// Kaldi reads samples as 16-bit integers; a [`Waveform`] has full scale ±1.
const SCALE: f64 = 32768.0;

/// Runs a [`Recipe`] on waveforms: plans, tables and scratch space of one thread.
#[derive(Clone)]
pub struct Extractor {
    recipe: Recipe,
    stats: Option<Stats>,
    framing: Framing,
    window: Vec<f32>,
    power_spectrum: PowerSpectrum,
    dither: Vec<f32>,
    filters: Vec<Filter>,
    delta_weights: Vec<Vec<f32>>,
    scratch: Scratch,
}

#[derive(Clone)]
struct Scratch {
    edge: Vec<f32>,
    centred: Vec<f32>,
    padded: Vec<f32>,
    power: Vec<f32>,
}

/// The power that white noise of standard deviation `frames.dither` has on average in each bin of a
/// transform of `length` samples, after pre-emphasis and `window`; empty without dither.
fn dither(frames: Frames, window: &[f32], length: usize) -> Vec<f32> {
    if frames.dither == 0.0 {
        return Vec::new();
    }
    let deviation = f64::from(frames.dither) / SCALE;
    let windowed: f64 = window.iter().map(|w| f64::from(*w).powi(2)).sum();
    let a = f64::from(frames.preemphasis);
    (0..=length / 2)
        .map(|bin| {
            let angle = std::f64::consts::TAU * bin as f64 / length as f64;
            let emphasis = 1.0 + a * a - 2.0 * a * angle.cos();
            (deviation * deviation * windowed * emphasis) as f32
        })
        .collect()
}

impl Extractor {
    /// Plans the transform and builds the tables of `recipe`.
    ///
    /// # Errors
    /// [`Error::Recipe`] when a value of the recipe is impossible.
    pub fn new(recipe: &Recipe) -> Result<Self, Error> {
        recipe.check()?;
        let framing = recipe.framing();
        let fft_length = recipe.fft_length();
        let window = window::window(recipe.frames.window, framing.length, SCALE);
        let dither = dither(recipe.frames, &window, fft_length);
        let filters = recipe.filters()?;
        Ok(Self {
            recipe: recipe.clone(),
            stats: None,
            framing,
            window,
            power_spectrum: PowerSpectrum::new(fft_length),
            dither,
            filters,
            delta_weights: deltas::weights(recipe.deltas),
            scratch: Scratch {
                edge: vec![0.0; framing.length],
                centred: vec![0.0; framing.length],
                padded: vec![0.0; fft_length],
                power: vec![0.0; fft_length / 2 + 1],
            },
        })
    }

    /// Normalises with these statistics: the training set's where the recipe says `global`, a
    /// speaker's where it says `speaker`. Other recipes ignore them.
    ///
    /// # Errors
    /// [`Error::StatisticsDimension`] when they are of another dimension than the frames.
    pub fn with_stats(mut self, stats: &Stats) -> Result<Self, Error> {
        stats.check(self.recipe.frame_dim())?;
        self.stats = Some(stats.clone());
        Ok(self)
    }

    /// The recipe that it runs.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Features of a waveform, `[T, D]`: every stage of the recipe. Natural-log energies of samples
    /// on the 16-bit scale (full scale ±32768), normalised as the recipe says.
    ///
    /// A `speaker` recipe without statistics takes the waveform for all there is of its speaker.
    ///
    /// # Errors
    /// A waveform of another rate, too short for one frame, or with a sample that is not finite;
    /// [`Error::StatisticsMissing`] for a `global` recipe without statistics.
    pub fn compute(&mut self, waveform: &Waveform) -> Result<Array2<f32>, Error> {
        let mut frames = self.frames(waveform)?;
        match self.recipe.normalisation {
            Normalisation::None => {}
            Normalisation::Utterance => {
                Moments::of(frames.view()).stats().normalise(&mut frames)?
            }
            Normalisation::Speaker => match &self.stats {
                Some(stats) => stats.normalise(&mut frames)?,
                None => Moments::of(frames.view()).stats().normalise(&mut frames)?,
            },
            Normalisation::Global => {
                self.stats
                    .as_ref()
                    .ok_or(Error::StatisticsMissing)?
                    .normalise(&mut frames)?;
            }
        }
        Ok(self.stack(frames))
    }

    /// The chain up to and with the deltas, before normalisation and stacking, `[T, D]`.
    pub(crate) fn frames(&mut self, waveform: &Waveform) -> Result<Array2<f32>, Error> {
        if waveform.sample_rate != self.recipe.sample_rate {
            return Err(Error::SampleRate {
                found: waveform.sample_rate,
                expected: self.recipe.sample_rate,
            });
        }
        let needed = self.recipe.min_samples();
        if waveform.samples.len() < needed {
            return Err(Error::TooShort {
                samples: waveform.samples.len(),
                needed,
            });
        }
        if let Some(index) = waveform.samples.iter().position(|x| !x.is_finite()) {
            return Err(Error::NotFinite { index });
        }
        let statics = self.statics(&waveform.samples);
        Ok(if self.recipe.deltas.order == 0 {
            statics
        } else {
            deltas::append(&self.delta_weights, statics.view())
        })
    }

    /// Stacks normalised frames.
    pub(crate) fn stack(&self, frames: Array2<f32>) -> Array2<f32> {
        stack::stack(self.recipe.stacking, frames)
    }

    /// Log energies of every frame, `[T, bins (+ 1)]`.
    fn statics(&mut self, samples: &[f32]) -> Array2<f32> {
        let frames = self.framing.frames(samples.len());
        let dim = self.recipe.static_dim();
        let mut out = vec![0.0; frames * dim];
        for (t, row) in out.chunks_exact_mut(dim).enumerate() {
            self.frame(samples, t, row);
        }
        Array2::from_shape_vec((frames, dim), out).expect("frames × dim values were made")
    }

    /// One frame: mean, energy, pre-emphasis, window, power spectrum, filters, logarithm.
    fn frame(&mut self, samples: &[f32], t: usize, row: &mut [f32]) {
        let options = &self.recipe.frames;
        let Scratch {
            edge,
            centred,
            padded,
            power,
        } = &mut self.scratch;
        let frame = self.framing.frame(samples, t, edge);
        let mean = if options.remove_dc_offset {
            preemphasis::mean(frame)
        } else {
            0.0
        };
        preemphasis::subtract(frame, mean, centred);
        let (windowed, padding) = padded.split_at_mut(self.framing.length);
        preemphasis::preemphasise(centred, options.preemphasis, windowed);
        window::apply(windowed, &self.window);
        padding.fill(0.0);

        let energy = self.recipe.energy;
        let bins = if energy.append {
            let value = if energy.raw {
                preemphasis::energy(centred) * (SCALE * SCALE) as f32
            } else {
                preemphasis::energy(windowed)
            };
            let log_energy = value.max(f32::EPSILON).ln();
            let floor = if energy.floor > 0.0 {
                energy.floor.ln()
            } else {
                f32::NEG_INFINITY
            };
            let (place, bins) = if energy.last {
                let (bins, last) = row.split_at_mut(row.len() - 1);
                (last, bins)
            } else {
                row.split_at_mut(1)
            };
            place.fill(log_energy.max(floor));
            bins
        } else {
            row
        };

        self.power_spectrum.compute(padded, power);
        for (power, dither) in power.iter_mut().zip(&self.dither) {
            *power += dither;
        }
        match self.recipe.kind {
            Kind::Fbank => mel::apply(&self.filters, power, bins),
            Kind::Spectrogram => bins.copy_from_slice(power),
        }
        for energy in bins.iter_mut() {
            *energy = energy.max(f32::EPSILON);
        }
        ln::ln(bins);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// White noise of standard deviation 1 on the 16-bit scale, one second.
    fn white() -> Waveform {
        let mut state = 1u64;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as f32 / (1u64 << 31) as f32 - 0.5
        };
        let sample = |_| uniform() * 12f32.sqrt() / SCALE as f32;
        Waveform {
            samples: (0..16000).map(sample).collect(),
            sample_rate: 16000,
        }
    }

    fn energies(dither: f32, samples: &Waveform) -> Array2<f32> {
        let recipe = format!(
            "kind = \"fbank\"\nsample_rate = 16000\n[frames]\ndither = {dither:?}\n[mel]\nbins = 40\n"
        );
        let recipe = Recipe::parse(&recipe, "test").unwrap();
        let features = Extractor::new(&recipe).unwrap().compute(samples).unwrap();
        features.mapv(f32::exp)
    }

    #[test]
    fn dither_is_the_mean_power_of_white_noise() {
        let silence = Waveform {
            samples: vec![0.0; 16000],
            sample_rate: 16000,
        };
        let (noise, dither) = (energies(0.0, &white()), energies(1.0, &silence));
        for (noise, dither) in noise.columns().into_iter().zip(dither.columns()).skip(3) {
            let (found, expected) = (noise.mean().unwrap(), dither[0]);
            assert!((found / expected - 1.0).abs() < 0.25, "{found} {expected}");
            assert!(dither.iter().all(|power| *power == expected));
        }
        let share = noise.sum() / energies(1.0, &silence).sum();
        assert!((share - 1.0).abs() < 0.05, "{share}");
    }

    #[test]
    fn dither_hides_the_rounding_to_sixteen_bits() {
        let tone = |i: usize| 0.1 * (i as f32 * 0.1).sin();
        let exact = Waveform {
            samples: (0..16000).map(tone).collect(),
            sample_rate: 16000,
        };
        let mut rounded = exact.clone();
        for sample in &mut rounded.samples {
            *sample = (*sample * SCALE as f32).round() / SCALE as f32;
        }
        let apart = |dither| {
            let (exact, rounded) = (energies(dither, &exact), energies(dither, &rounded));
            let ratios = rounded.iter().zip(&exact).map(|(a, b)| (a / b).ln().abs());
            ratios.fold(0.0f32, f32::max)
        };
        assert!(
            apart(0.0) > 1.0 && apart(1.0) < 0.5,
            "{} {}",
            apart(0.0),
            apart(1.0)
        );
    }
}
