//! Best path decoding: the most probable token of each frame, collapsed (Graves et al. 2006,
//! section 3.2).

use ndarray::ArrayView2;

use super::Hypothesis;
use crate::text::{BLANK, Tokens};

/// The most probable token of each frame of `[T, V]` log-probabilities (or logits: the best token
/// is the same); of equals the first.
pub fn best_path(log_probs: ArrayView2<f32>) -> Vec<u32> {
    let best = |row: ndarray::ArrayView1<f32>| {
        let mut best = (BLANK, f32::NEG_INFINITY);
        for (token, &log_prob) in (0..).zip(row) {
            if log_prob > best.1 {
                best = (token, log_prob);
            }
        }
        best.0
    };
    log_probs.outer_iter().map(best).collect()
}

/// Decodes `[T, V]` log-probabilities (nats) by the best path: repeats are merged, then blanks
/// dropped. `score` is the log-probability of that one path.
pub fn greedy(log_probs: ArrayView2<f32>, tokens: &Tokens) -> Hypothesis {
    let path = best_path(log_probs);
    let score = path
        .iter()
        .zip(log_probs.outer_iter())
        .map(|(&token, row)| row[token as usize]);
    let score = score.sum();
    let mut collapsed = path;
    collapsed.dedup();
    collapsed.retain(|&token| token != BLANK);
    let text = tokens.decode(&collapsed);
    Hypothesis {
        tokens: collapsed,
        text,
        score,
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, arr2};

    use super::*;

    #[test]
    fn repeats_merge_and_a_blank_keeps_them_apart() {
        let tokens = Tokens::characters();
        let symbols = "aa<bb<b< <c";
        let mut log_probs = Array2::from_elem((symbols.len(), tokens.len()), -9.0);
        for (t, symbol) in symbols.chars().enumerate() {
            let token = tokens.id(&symbol.to_string()).unwrap_or(BLANK);
            log_probs[[t, token as usize]] = -0.5;
        }
        let hypothesis = greedy(log_probs.view(), &tokens);
        assert_eq!(hypothesis.text, "abb c");
        assert_eq!(hypothesis.tokens, tokens.encode_text("abb c").unwrap());
        assert_eq!(hypothesis.score, -0.5 * symbols.len() as f32);
    }

    #[test]
    fn of_equal_tokens_the_first_is_taken() {
        assert_eq!(
            best_path(arr2(&[[-1.0, -1.0], [-2.0, -1.0]]).view()),
            [0, 1]
        );
    }

    #[test]
    fn no_frames_give_no_words() {
        let hypothesis = greedy(Array2::zeros((0, 29)).view(), &Tokens::characters());
        assert_eq!((hypothesis.text.as_str(), hypothesis.score), ("", 0.0));
    }
}
