//! To another sample rate: rubato's synchronous resampler, aligned in time and of exact length.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

use super::Waveform;
use super::error::{Error, check_rate};

/// Taps of the anti-aliasing filter at the lower of the two rates, at least: with rubato's squared
/// Blackman–Harris window the pass band ends at 98% of the lower Nyquist frequency or above.
const MIN_TAPS: u32 = 1024;

/// Resamples a stream. The filter is a windowed sinc; its delay is taken out, so sample `i` of the output
/// is the signal at second `i / to`, and `n` samples become `round(n·to/from)`.
pub(super) struct Resampler {
    fft: Fft<f32>,
    file: String,
    from: u32,
    to: u32,
    pending: Vec<f32>,
    /// Output samples of the filter's delay that are still to be dropped.
    delay: usize,
    received: u64,
    produced: u64,
}

impl Resampler {
    pub(super) fn new(file: &str, from: u32, to: u32) -> Result<Self, Error> {
        check_rate(file, from)?;
        check_rate(file, to)?;
        let divisor = greatest_common_divisor(from, to);
        let (step_in, step_out) = (from / divisor, to / divisor);
        // An even number of steps puts the centre of the filter on a whole sample of both rates.
        let steps = MIN_TAPS.div_ceil(step_in.min(step_out)).next_multiple_of(2);
        let chunk = (steps * step_in) as usize;
        let fft = Fft::new_custom(
            from as usize,
            to as usize,
            chunk,
            1,
            1,
            rubato::WindowFunction::BlackmanHarris2,
            FixedSync::Input,
        )
        .map_err(|error| failed(file, from, to, error))?;
        Ok(Self {
            delay: fft.output_delay(),
            fft,
            file: file.to_owned(),
            from,
            to,
            pending: Vec::new(),
            received: 0,
            produced: 0,
        })
    }

    /// Takes samples at the old rate, gives those at the new rate that are ready.
    pub(super) fn push(&mut self, samples: &[f32]) -> Result<Vec<f32>, Error> {
        self.received += samples.len() as u64;
        self.pending.extend_from_slice(samples);
        let mut output = Vec::new();
        let mut consumed = 0;
        while self.pending.len() - consumed >= self.fft.input_frames_next() {
            consumed += self.process(consumed, &mut output)?;
        }
        self.pending.drain(..consumed);
        Ok(output)
    }

    /// The rest: the signal is silence after its end.
    pub(super) fn finish(&mut self) -> Result<Vec<f32>, Error> {
        let expected = resampled_length(self.received, self.from, self.to);
        let mut output = Vec::new();
        while self.produced < expected {
            self.pending.resize(self.fft.input_frames_next(), 0.0);
            self.process(0, &mut output)?;
            self.pending.clear();
        }
        let surplus = self.produced - expected;
        output.truncate(output.len() - surplus as usize);
        Ok(output)
    }

    /// One chunk that starts at `offset` of the pending samples; the samples it took.
    fn process(&mut self, offset: usize, output: &mut Vec<f32>) -> Result<usize, Error> {
        let chunk = self.fft.input_frames_next();
        let input = &self.pending[offset..offset + chunk];
        let mut ready = vec![0.0; self.fft.output_frames_next()];
        let frames = ready.len();
        let fail = |error: &dyn std::fmt::Display| failed(&self.file, self.from, self.to, error);
        let input = InterleavedSlice::new(input, 1, chunk).map_err(|e| fail(&e))?;
        let mut buffer = InterleavedSlice::new_mut(&mut ready, 1, frames).map_err(|e| fail(&e))?;
        let (taken, given) = self
            .fft
            .process_into_buffer(&input, &mut buffer, None::<&Indexing>)
            .map_err(|e| fail(&e))?;
        let dropped = self.delay.min(given);
        self.delay -= dropped;
        output.extend_from_slice(&ready[dropped..given]);
        self.produced += (given - dropped) as u64;
        Ok(taken)
    }
}

/// A waveform at another rate: windowed sinc, aligned in time, `round(n·to/from)` samples. At the same
/// rate it is returned as it is.
///
/// # Errors
/// A rate outside [`super::MIN_RATE`]..=[`super::MAX_RATE`].
pub fn resample(waveform: &Waveform, sample_rate: u32) -> Result<Waveform, Error> {
    if waveform.sample_rate == sample_rate {
        return Ok(waveform.clone());
    }
    let mut resampler = Resampler::new("the waveform", waveform.sample_rate, sample_rate)?;
    let mut samples = resampler.push(&waveform.samples)?;
    samples.extend(resampler.finish()?);
    Ok(Waveform {
        samples,
        sample_rate,
    })
}

fn resampled_length(samples: u64, from: u32, to: u32) -> u64 {
    let (from, to) = (u128::from(from), u128::from(to));
    ((u128::from(samples) * to * 2 + from) / (from * 2)) as u64
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn failed(file: &str, from: u32, to: u32, what: impl std::fmt::Display) -> Error {
    Error::Resample {
        file: file.to_owned(),
        from,
        to,
        what: what.to_string(),
    }
}
