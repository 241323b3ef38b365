//! Best path decoding.

use ndarray::ArrayView2;

use super::collapse;

/// The label sequence of the most probable path: at each frame the best token, then
/// [`collapse`] (Graves et al. 2006, section 3.2, "best path decoding").
///
/// `scores` `[T, V]` are log-probabilities or logits: each frame's order is all that counts. The
/// lowest token wins a tie; NaN never wins.
pub fn best_path(scores: ArrayView2<'_, f32>) -> Vec<u32> {
    let path: Vec<u32> = scores
        .rows()
        .into_iter()
        .map(|row| {
            let mut best = (super::BLANK, f32::NEG_INFINITY);
            for (token, &score) in row.iter().enumerate() {
                if score > best.1 {
                    best = (token as u32, score);
                }
            }
            best.0
        })
        .collect();
    collapse(&path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_best_tokens_are_collapsed() {
        let scores = array![
            [0.1, 0.7, 0.2],
            [0.1, 0.8, 0.1],
            [0.9, 0.0, 0.1],
            [0.1, 0.5, 0.4],
            [0.2, 0.3, 0.5]
        ];
        assert_eq!(best_path(scores.view()), [1, 1, 2]);
    }

    #[test]
    fn ties_and_nan_leave_the_lowest_token() {
        let scores = array![[0.5, 0.5], [f32::NAN, f32::NAN], [f32::NAN, 0.1]];
        assert_eq!(best_path(scores.view()), [1]);
    }
}
