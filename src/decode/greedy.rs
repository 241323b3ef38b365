//! Best path decoding (Graves et al. 2006, section 3.2).

use ndarray::ArrayView2;

use super::Hypothesis;
use crate::ctc;
use crate::text::Tokens;

/// Decodes `[T, V]` log-probabilities (nats) by the best path: the most probable token of each
/// frame, repeats merged, blanks dropped. `score` is the log-probability of that one path.
pub fn greedy(log_probs: ArrayView2<f32>, tokens: &Tokens) -> Hypothesis {
    let path = ctc::best_path(log_probs);
    let best =
        |row: ndarray::ArrayView1<f32>| row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let score = log_probs.outer_iter().map(best).sum();
    Hypothesis::spelled(path, tokens, score)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn repeats_merge_and_a_blank_keeps_them_apart() {
        let tokens = Tokens::characters();
        let symbols = "aa<bb<b< <c";
        let mut log_probs = Array2::from_elem((symbols.len(), tokens.len()), -9.0);
        for (t, symbol) in symbols.chars().enumerate() {
            let token = tokens.id(&symbol.to_string()).unwrap_or(tokens.blank());
            log_probs[[t, token as usize]] = -0.5;
        }
        let hypothesis = greedy(log_probs.view(), &tokens);
        assert_eq!(hypothesis.text, "abb c");
        assert_eq!(hypothesis.tokens, tokens.encode_text("abb c").unwrap());
        assert_eq!(hypothesis.score, -0.5 * symbols.len() as f32);
    }

    #[test]
    fn no_frames_give_no_words() {
        let hypothesis = greedy(Array2::zeros((0, 29)).view(), &Tokens::characters());
        assert_eq!((hypothesis.text.as_str(), hypothesis.score), ("", 0.0));
    }
}
