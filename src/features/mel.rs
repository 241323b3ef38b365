//! The mel filterbank: triangles of equal width on the mel scale, as Kaldi builds them
//! (`feat/mel-computations.cc`, `MelBanks`).

/// Hz → mel, HTK's formula: 1127 ln(1 + f/700).
pub(crate) fn mel_scale(hz: f32) -> f32 {
    1127.0 * (1.0 + hz / 700.0).ln()
}

/// mel → Hz.
#[cfg(test)]
pub(crate) fn inverse_mel_scale(mel: f32) -> f32 {
    700.0 * ((mel / 1127.0).exp() - 1.0)
}

/// One triangle: weights of the FFT bins `first …`; all others are 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filter {
    pub first: usize,
    pub weights: Vec<f32>,
}

/// A filter of the bank covers no FFT bin: there are too many for this transform's length.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("filter {0} would cover no bin of the transform: take fewer filters or a longer frame")]
pub(crate) struct EmptyFilter(pub usize);

/// The bank of `bins` triangles between `low` and `high` Hz for a transform of `fft_length` samples at
/// `sample_rate` Hz.
///
/// The corners are equidistant in mel; a triangle rises from 0 at its left corner to 1 at its centre,
/// the left corner of the next but one, and falls to 0 at its right corner, linearly in mel. The bin
/// of the Nyquist frequency has no weight. In f32 throughout, as Kaldi computes it.
pub(crate) fn filters(
    bins: usize,
    low: f32,
    high: f32,
    fft_length: usize,
    sample_rate: u32,
) -> Result<Vec<Filter>, EmptyFilter> {
    let (mel_low, mel_high) = (mel_scale(low), mel_scale(high));
    let step = (mel_high - mel_low) / (bins + 1) as f32;
    let bin_width = sample_rate as f32 / fft_length as f32;
    let mels: Vec<f32> = (0..fft_length / 2)
        .map(|i| mel_scale(bin_width * i as f32))
        .collect();
    (0..bins)
        .map(|bin| {
            let left = mel_low + bin as f32 * step;
            let centre = mel_low + (bin + 1) as f32 * step;
            let right = mel_low + (bin + 2) as f32 * step;
            let inside = |mel: f32| mel > left && mel < right;
            let first = mels
                .iter()
                .position(|&mel| inside(mel))
                .ok_or(EmptyFilter(bin))?;
            let weights = mels[first..]
                .iter()
                .take_while(|&&mel| inside(mel))
                .map(|&mel| {
                    if mel <= centre {
                        (mel - left) / (centre - left)
                    } else {
                        (right - mel) / (right - centre)
                    }
                })
                .collect();
            Ok(Filter { first, weights })
        })
        .collect()
}

/// `out[b] = Σ_i weight[b, i] · power[i]`.
pub(crate) fn apply(filters: &[Filter], power: &[f32], out: &mut [f32]) {
    for (out, filter) in out.iter_mut().zip(filters) {
        *out = filter
            .weights
            .iter()
            .zip(&power[filter.first..])
            .map(|(weight, power)| weight * power)
            .sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_scale_has_its_inverse() {
        for hz in [20.0, 440.0, 1000.0, 7999.0] {
            assert!((inverse_mel_scale(mel_scale(hz)) - hz).abs() < 1e-2);
        }
        // 1000 Hz are 1000 mel, by the scale's construction.
        assert!((mel_scale(1000.0) - 1000.0).abs() < 0.1);
    }

    #[test]
    fn between_the_outer_centres_the_triangles_add_up_to_one() {
        let bank = filters(40, 20.0, 8000.0, 512, 16000).unwrap();
        let mut total = vec![0.0f32; 256];
        for filter in &bank {
            for (i, weight) in filter.weights.iter().enumerate() {
                total[filter.first + i] += weight;
            }
        }
        assert!(total[10..230].iter().all(|t| (t - 1.0).abs() < 1e-4));
    }

    #[test]
    fn too_many_filters_are_named() {
        assert!(matches!(
            filters(200, 20.0, 4000.0, 256, 8000),
            Err(EmptyFilter(_))
        ));
    }

    proptest! {
        #[test]
        fn energies_are_the_direct_formula(seed in prop::collection::vec(0.0f32..1e6, 256), bins in 3usize..81) {
            let bank = filters(bins, 20.0, 8000.0, 512, 16000).unwrap();
            let mut energies = vec![0.0; bins];
            apply(&bank, &seed, &mut energies);
            let mel = |hz: f64| 1127.0 * (1.0 + hz / 700.0).ln();
            let step = (mel(8000.0) - mel(20.0)) / (bins + 1) as f64;
            for (b, &energy) in energies.iter().enumerate() {
                let centre = mel(20.0) + (b + 1) as f64 * step;
                let direct: f64 = seed
                    .iter()
                    .enumerate()
                    .map(|(i, &power)| {
                        let distance = (mel(31.25 * i as f64) - centre).abs() / step;
                        (1.0 - distance).max(0.0) * f64::from(power)
                    })
                    .sum();
                prop_assert!((f64::from(energy) - direct).abs() <= 1e-3 * direct.max(1.0), "{energy} {direct}");
            }
        }
    }
}
