//! Window functions, as Kaldi defines them (`feat/feature-window.cc`, `FeatureWindowFunction`).

use std::f64::consts::TAU;

use super::recipe::Window;

/// The window of `length` samples, computed in f64 and multiplied by `scale`.
///
/// With `x = 2πi / (length − 1)` (`hann`: `2πi / length`):
///
/// | name | value |
/// |---|---|
/// | `povey` | (0.5 − 0.5 cos x)^0.85 |
/// | `hamming` | 0.54 − 0.46 cos x |
/// | `hanning`, `hann` | 0.5 − 0.5 cos x |
/// | `sine` | sin x/2 |
/// | `blackman` | c − 0.5 cos x + (0.5 − c) cos 2x, c = 0.42 |
/// | `rectangular` | 1 |
pub(crate) fn window(kind: Window, length: usize, scale: f64) -> Vec<f32> {
    const BLACKMAN: f64 = 0.42;
    let period = match kind {
        Window::Hann => length as f64,
        _ => (length as f64 - 1.0).max(1.0),
    };
    (0..length)
        .map(|i| {
            let x = TAU * i as f64 / period;
            let value = match kind {
                Window::Povey => (0.5 - 0.5 * x.cos()).powf(0.85),
                Window::Hamming => 0.54 - 0.46 * x.cos(),
                Window::Hanning | Window::Hann => 0.5 - 0.5 * x.cos(),
                Window::Sine => (0.5 * x).sin(),
                Window::Blackman => BLACKMAN - 0.5 * x.cos() + (0.5 - BLACKMAN) * (2.0 * x).cos(),
                Window::Rectangular => 1.0,
            };
            (scale * value) as f32
        })
        .collect()
}

/// `frame[i] *= window[i]`.
pub(crate) fn apply(frame: &mut [f32], window: &[f32]) {
    for (sample, weight) in frame.iter_mut().zip(window) {
        *sample *= weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_window_is_symmetric_but_the_periodic_one() {
        for kind in Window::ALL {
            let w = window(kind, 25, 1.0);
            let first = if kind == Window::Hann { 1 } else { 0 };
            for i in 0..25 - first {
                let mirrored = w[24 - i];
                assert!((w[i + first] - mirrored).abs() < 1e-6, "{kind:?} at {i}");
            }
        }
    }

    #[test]
    fn povey_goes_to_zero_at_the_edges_and_hamming_does_not() {
        assert!(window(Window::Povey, 400, 1.0)[0].abs() < 1e-6);
        assert!((window(Window::Hamming, 400, 1.0)[0] - 0.08).abs() < 1e-6);
    }

    #[test]
    fn the_scale_multiplies_every_value() {
        let (one, many) = (
            window(Window::Povey, 200, 1.0),
            window(Window::Povey, 200, 32768.0),
        );
        assert!(one.iter().zip(&many).all(|(a, b)| a * 32768.0 == *b));
    }
}
