//! Deltas: the local slope of each feature (Furui 1986), as Kaldi's `add-deltas` computes it.

use ndarray::{Array2, ArrayView2, s};

use super::recipe::Deltas;

/// Regression weights of each order: weights of order `o` at offsets `−o·window … o·window`.
///
/// Order 1: `w_j = j / Σ_k k²`, the least-squares slope of a line through `2·window + 1` frames; order
/// `o` is order `o − 1` convolved with order 1 (Kaldi, `feat/feature-functions.cc`, `DeltaFeatures`).
pub(crate) fn weights(deltas: Deltas) -> Vec<Vec<f32>> {
    let window = deltas.window as i64;
    let norm: i64 = (-window..=window).map(|j| j * j).sum();
    let slope: Vec<f64> = (-window..=window).map(|j| j as f64 / norm as f64).collect();
    let mut orders = vec![vec![1.0f64]];
    for order in 0..deltas.order {
        let previous = &orders[order];
        let mut next = vec![0.0; previous.len() + slope.len() - 1];
        for (i, a) in previous.iter().enumerate() {
            for (j, b) in slope.iter().enumerate() {
                next[i + j] += a * b;
            }
        }
        orders.push(next);
    }
    orders
        .into_iter()
        .map(|order| order.into_iter().map(|w| w as f32).collect())
        .collect()
}

/// `[T, D]` → `[T, (order + 1) · D]`: the features, their deltas, their delta-deltas… Frames before
/// the first and after the last are copies of it.
pub(crate) fn append(weights: &[Vec<f32>], features: ArrayView2<f32>) -> Array2<f32> {
    let (frames, dim) = features.dim();
    let mut out = Array2::zeros((frames, weights.len() * dim));
    for t in 0..frames {
        for (order, weights) in weights.iter().enumerate() {
            let reach = weights.len() / 2;
            let mut row = out.slice_mut(s![t, order * dim..(order + 1) * dim]);
            for (j, &weight) in weights.iter().enumerate() {
                let source = (t + j).saturating_sub(reach).min(frames - 1);
                row.scaled_add(weight, &features.row(source));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_second_order_is_the_slope_of_the_slope() {
        let weights = weights(Deltas {
            order: 2,
            window: 2,
        });
        let expected = [0.04, 0.04, 0.01, -0.04, -0.1, -0.04, 0.01, 0.04, 0.04];
        assert!(
            weights[2]
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-7)
        );
    }

    #[test]
    fn a_straight_line_has_its_slope_and_no_curvature() {
        let x = Array2::from_shape_fn((20, 1), |(t, _)| 3.0 * t as f32 + 1.0);
        let y = append(
            &weights(Deltas {
                order: 2,
                window: 2,
            }),
            x.view(),
        );
        assert!((y[[10, 1]] - 3.0).abs() < 1e-5 && y[[10, 2]].abs() < 1e-5);
    }

    proptest! {
        #[test]
        fn first_deltas_are_their_definition(values in prop::collection::vec(-10.0f32..10.0, 1..30), window in 1usize..5) {
            let x = Array2::from_shape_vec((values.len(), 1), values.clone()).unwrap();
            let y = append(&weights(Deltas { order: 1, window }), x.view());
            let at = |t: i64| f64::from(values[t.clamp(0, values.len() as i64 - 1) as usize]);
            for t in 0..values.len() as i64 {
                let slope = (1..=window as i64).map(|j| j as f64 * (at(t + j) - at(t - j))).sum::<f64>()
                    / (2.0 * (1..=window as i64).map(|j| (j * j) as f64).sum::<f64>());
                prop_assert!((f64::from(y[[t as usize, 1]]) - slope).abs() < 1e-5);
            }
        }
    }
}
