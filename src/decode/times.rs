//! When the words of a hypothesis were said.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::Hypothesis;
use crate::ctc;

/// Where a word begins and ends around its tokens' peaks.
///
/// CTC emits a token in a frame or two of its choice, somewhere within the sound, and blanks
/// elsewhere: the last peak is not the word's end. A word is taken to begin `lead` before its first
/// token's first frame, and to go on until `tail` after its last token's last frame. Where that
/// would overlap the next word, the words meet in between, the overlap cut in the same proportion.
///
/// The defaults are measured (`benches/peers/times.py`, figures in `benches/results/`): with them
/// the words of LibriSpeech dev begin and end where a forced alignment by an HMM has them, to a
/// median of 19 ms, and FSDD digits with silence around them where the sound begins and ends, to a
/// median of 42 and 45 ms. Between two words only the proportion of both matters; a word beside a
/// pause has them as they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Boundaries {
    /// Seconds.
    pub lead: f64,
    /// Seconds.
    pub tail: f64,
}

impl Default for Boundaries {
    fn default() -> Self {
        Self {
            lead: 0.04,
            tail: 0.07,
        }
    }
}

/// A word with its times, in seconds from the beginning of the log-probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedWord {
    /// The word.
    pub text: String,
    /// Not before the end of the word before.
    pub start: f64,
    /// After `start`, except for words without a token.
    pub end: f64,
    /// The mean probability of its tokens where the best path emits them: the geometric mean over
    /// their frames; 1 without tokens.
    pub peak: f32,
    /// Its tokens, where the best path emits them.
    pub tokens: Vec<TimedToken>,
}

impl TimedWord {
    /// The times of a recording in which the log-probabilities begin at second `start`, none beyond
    /// `end`: the last frame may reach beyond the samples.
    pub fn within(mut self, start: f64, end: f64) -> Self {
        let place = |time: &mut f64| *time = (*time + start).min(end);
        place(&mut self.start);
        place(&mut self.end);
        for token in &mut self.tokens {
            place(&mut token.start);
            place(&mut token.end);
        }
        self
    }
}

/// A token with its times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimedToken {
    /// The token.
    pub token: u32,
    /// Beginning of its first frame, seconds.
    pub start: f64,
    /// End of its last frame, seconds.
    pub end: f64,
}

/// The times of a hypothesis's words, from the most probable alignment of its tokens with the
/// `[T, V]` log-probabilities they were decoded from.
///
/// # Errors
/// Those of [`ctc::forced_alignment`]: the hypothesis is not of these log-probabilities.
pub fn word_times(
    log_probs: ArrayView2<f32>,
    hypothesis: &Hypothesis,
    seconds_per_frame: f64,
    boundaries: Boundaries,
) -> Result<Vec<TimedWord>, ctc::Error> {
    let spans = ctc::forced_alignment(log_probs, &hypothesis.tokens)?.tokens;
    let timed = |span: &ctc::TokenSpan| TimedToken {
        token: span.token,
        start: span.start as f64 * seconds_per_frame,
        end: span.end as f64 * seconds_per_frame,
    };
    let words = hypothesis.words.iter().map(|word| {
        let spans = spans.get(word.tokens.clone()).unwrap_or_default();
        let frames: usize = spans.iter().map(|span| span.end - span.start).sum();
        let sum: f32 = spans
            .iter()
            .map(|span| span.score * (span.end - span.start) as f32)
            .sum();
        Emitted {
            text: word.text.clone(),
            peak: (sum / frames.max(1) as f32).exp(),
            tokens: spans.iter().map(timed).collect(),
        }
    });
    let total = log_probs.nrows() as f64 * seconds_per_frame;
    Ok(place(words.collect(), boundaries, total))
}

/// A word where the best path emits it.
struct Emitted {
    text: String,
    peak: f32,
    tokens: Vec<TimedToken>,
}

fn place(words: Vec<Emitted>, to: Boundaries, total: f64) -> Vec<TimedWord> {
    let mut placed: Vec<TimedWord> = Vec::with_capacity(words.len());
    // The end of the last token so far, from which the next word's beginning is kept.
    let mut peak = 0.0;
    for Emitted {
        text,
        peak: confidence,
        tokens,
    } in words
    {
        let (first, last) = match (tokens.first(), tokens.last()) {
            (Some(first), Some(last)) => (first.start, last.end),
            _ => (peak, peak),
        };
        let mut start = (first - to.lead).max(0.0);
        if let Some(before) = placed.last_mut()
            && before.end > start
        {
            let share = if to.lead + to.tail > 0.0 {
                to.tail / (to.lead + to.tail)
            } else {
                0.5
            };
            let meeting = peak + (first - peak) * share;
            before.end = meeting;
            start = meeting;
        }
        let end = (last + to.tail).min(total).max(last);
        peak = last;
        placed.push(TimedWord {
            text,
            start,
            end,
            peak: confidence,
            tokens,
        });
    }
    placed
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;
    use crate::decode::{PrefixBeam, greedy};
    use crate::text::Tokens;

    /// Log-probabilities whose best path reads like this, `-` for the blank.
    fn path(symbols: &str) -> Array2<f32> {
        let tokens = Tokens::characters();
        let of = |c: char| tokens.id(&c.to_string()).unwrap_or(0) as usize;
        let symbols: Vec<usize> = symbols.chars().map(of).collect();
        Array2::from_shape_fn((symbols.len(), tokens.len()), |(t, v)| {
            if symbols[t] == v { -0.05 } else { -6.0 }
        })
    }

    const BOUNDARIES: Boundaries = Boundaries {
        lead: 0.1,
        tail: 0.2,
    };

    fn times(symbols: &str) -> Vec<(String, f64, f64)> {
        let log_probs = path(symbols);
        let best = greedy(log_probs.view(), &Tokens::characters());
        let words = word_times(log_probs.view(), &best, 0.1, BOUNDARIES).unwrap();
        let round = |x: f64| (x * 1000.0).round() / 1000.0;
        words
            .into_iter()
            .map(|w| (w.text, round(w.start), round(w.end)))
            .collect()
    }

    #[test]
    fn a_pause_belongs_to_no_word() {
        let expected = [("ab".into(), 0.1, 0.6), ("c".into(), 1.0, 1.4)];
        assert_eq!(times("--ab---- --c-----"), expected);
    }

    #[test]
    fn words_close_together_meet_in_between() {
        assert_eq!(
            times("-a bb"),
            [("a".into(), 0.0, 0.267), ("b".into(), 0.267, 0.5)]
        );
        assert_eq!(
            times("a- -b-"),
            [("a".into(), 0.0, 0.3), ("b".into(), 0.3, 0.6)]
        );
    }

    #[test]
    fn nothing_said_has_no_times() {
        assert_eq!(times("----"), []);
    }

    proptest! {
        #[test]
        fn no_word_goes_backwards(symbols in "[ab -]{0,40}", beam in any::<bool>()) {
            let (log_probs, tokens) = (path(&symbols), Tokens::characters());
            let best = if beam {
                PrefixBeam::default().decode(log_probs.view(), &tokens).remove(0)
            } else {
                greedy(log_probs.view(), &tokens)
            };
            let words = word_times(log_probs.view(), &best, 0.03, BOUNDARIES).unwrap();
            prop_assert_eq!(words.len(), best.words.len());
            let mut before = 0.0;
            for word in words {
                prop_assert!(word.start >= before && word.end > word.start, "{:?}", word);
                let (first, last) = (word.tokens[0], word.tokens[word.tokens.len() - 1]);
                prop_assert!(word.start <= first.start + 1e-9 && word.end >= last.end - 1e-9);
                before = word.end;
            }
            prop_assert!(before <= log_probs.nrows() as f64 * 0.03 + 1e-9);
        }
    }
}
