//! Forced alignment: the most probable path of a known target.

use std::ops::RangeInclusive;

use ndarray::ArrayView2;

use super::{BLANK, Error, feasible};

/// The frames in which the best path emits one label of the target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenSpan {
    /// The label.
    pub token: u32,
    /// Its first frame.
    pub start: usize,
    /// The frame after its last one. CTC labels are peaks: the sound often goes on into the
    /// blanks that follow.
    pub end: usize,
    /// The mean log-probability of the label over these frames, nats.
    pub score: f32,
}

/// The most probable path of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Alignment {
    /// One span for each label of the target, in order; `start ≥` the `end` before it.
    pub tokens: Vec<TokenSpan>,
    /// `ln p(π|x)` of the path, nats.
    pub log_probability: f64,
}

/// Aligns a target with the frames of an utterance: the path of highest probability among those
/// that collapse to `target` (the recursion of Graves et al. 2006, section 4.1, with the largest
/// term in place of the sum: Viterbi's algorithm). Of equal paths, one that moves on latest.
///
/// `log_probabilities` `[T, V]`, nats. Exact for any length: where the table of choices would be
/// larger than 32 MiB, the state in the middle frame is found first and each half aligned by
/// itself (Hirschberg 1975), which doubles the work and needs memory for `T + U` numbers only.
///
/// # Errors
/// A target that is infeasible or holds what is no label; values that are NaN or infinite.
pub fn forced_alignment(
    log_probabilities: ArrayView2<'_, f32>,
    target: &[u32],
) -> Result<Alignment, Error> {
    align_within(log_probabilities, target, 32 << 20)
}

fn align_within(
    log_probabilities: ArrayView2<'_, f32>,
    target: &[u32],
    table_bytes: usize,
) -> Result<Alignment, Error> {
    let (frames, vocabulary) = log_probabilities.dim();
    super::check_labels(0, target, vocabulary)?;
    feasible(frames, target)?;
    for (row, values) in log_probabilities.rows().into_iter().enumerate() {
        if !values.iter().all(|x| x.is_finite()) {
            return Err(Error::NotFiniteRow { row });
        }
    }
    let mut states = vec![BLANK];
    for &label in target {
        states.extend([label, BLANK]);
    }
    let mut path = vec![0; frames];
    let last = states.len() - 1;
    let search = Search {
        log_probabilities,
        states,
        table_bytes,
    };
    search.solve(0, 0, last.saturating_sub(1), last, &mut path);
    Ok(search.spans(&path))
}

/// How a path came to a state.
const STAYED: u8 = 0;
const MOVED: u8 = 1;
const SKIPPED: u8 = 2;

struct Search<'a> {
    log_probabilities: ArrayView2<'a, f32>,
    /// The target with blanks around each label.
    states: Vec<u32>,
    table_bytes: usize,
}

impl Search<'_> {
    /// Fills `path` with the states of the frames from `start` on, given that the path stood in
    /// state `from` before them and ends in the better of `low ..= high`.
    fn solve(&self, start: usize, from: usize, low: usize, high: usize, path: &mut [usize]) {
        let frames = path.len();
        if frames == 0 {
            return;
        }
        let width = high - from + 1;
        if frames == 1 || frames * width <= self.table_bytes {
            let mut choices = vec![STAYED; frames * width];
            let scores = self.recur(start, frames, from, low..=high, |t, s, choice| {
                choices[t * width + s] = choice;
            });
            let mut state = better(&scores, low - from, high - from);
            for (t, place) in path.iter_mut().enumerate().rev() {
                *place = from + state;
                state -= usize::from(choices[t * width + state]);
            }
            return;
        }
        // Each state remembers where its path stood in the last frame of the first half. From one
        // frame to the next that travels up by at most two states, so going down keeps it right.
        let half = frames / 2;
        let mut middle: Vec<u32> = (0..width as u32).collect();
        let scores = self.recur(start, frames, from, low..=high, |t, s, choice| {
            if t < half {
                middle[s] = s as u32;
            } else {
                middle[s] = middle[s - usize::from(choice)];
            }
        });
        let end = better(&scores, low - from, high - from);
        let stop = from + middle[end] as usize;
        let end = from + end;
        let (first, second) = path.split_at_mut(half);
        self.solve(start, from, stop, stop, first);
        self.solve(start + half, stop, end, end, second);
    }

    /// The recursion over `frames` frames from `start` on, through the states that are within
    /// reach of `from` and of the `ends`; returns the scores of the states from `from` on, right
    /// for the `ends`. `note(t, s, choice)` hears of every choice, higher states first, with `t`
    /// counted from `start` and `s` from `from`.
    fn recur(
        &self,
        start: usize,
        frames: usize,
        from: usize,
        ends: RangeInclusive<usize>,
        mut note: impl FnMut(usize, usize, u8),
    ) -> Vec<f64> {
        let states = &self.states[from..=*ends.end()];
        let mut scores = vec![f64::NEG_INFINITY; states.len()];
        scores[0] = 0.0;
        let rows = self.log_probabilities.rows().into_iter().skip(start);
        for (t, row) in rows.take(frames).enumerate() {
            let reached = (2 * t + 2).min(states.len() - 1);
            let needed = (ends.start() - from).saturating_sub(2 * (frames - 1 - t));
            for s in (needed..=reached).rev() {
                let mut best = (scores[s], STAYED);
                if s >= 1 && scores[s - 1] > best.0 {
                    best = (scores[s - 1], MOVED);
                }
                let skips = s >= 2 && states[s] != BLANK && states[s] != states[s - 2];
                if skips && scores[s - 2] > best.0 {
                    best = (scores[s - 2], SKIPPED);
                }
                scores[s] = best.0 + f64::from(row[states[s] as usize]);
                note(t, s, best.1);
            }
        }
        scores
    }

    fn spans(&self, path: &[usize]) -> Alignment {
        let mut tokens: Vec<TokenSpan> = Vec::new();
        let mut log_probability = 0.0;
        let mut before = 0;
        for (t, (&state, row)) in path.iter().zip(self.log_probabilities.rows()).enumerate() {
            let token = self.states[state];
            let score = row[token as usize];
            log_probability += f64::from(score);
            if token != BLANK {
                match tokens.last_mut() {
                    Some(span) if state == before => {
                        span.end = t + 1;
                        span.score += score;
                    }
                    _ => tokens.push(TokenSpan {
                        token,
                        start: t,
                        end: t + 1,
                        score,
                    }),
                }
            }
            before = state;
        }
        for span in &mut tokens {
            span.score /= (span.end - span.start) as f32;
        }
        Alignment {
            tokens,
            log_probability,
        }
    }
}

/// The state of the higher score; the lower state of two equal ones.
fn better(scores: &[f64], low: usize, high: usize) -> usize {
    if scores[high] > scores[low] {
        high
    } else {
        low
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{all_paths, log_softmax, path_score};
    use super::super::{collapse, needed_frames};
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;

    fn problem(
        vocabulary: std::ops::Range<usize>,
        frames: std::ops::Range<usize>,
    ) -> impl Strategy<Value = (Array2<f32>, Vec<u32>)> {
        (vocabulary, frames)
            .prop_flat_map(|(v, t)| {
                let logits = prop::collection::vec(-6.0f64..6.0, v * t);
                let target = prop::collection::vec(1..v as u32, 0..=t);
                (Just((t, v)), logits, target)
            })
            .prop_map(|((t, v), logits, mut target)| {
                while needed_frames(&target) > t {
                    target.pop();
                }
                let scores = log_softmax(&logits, v).iter().map(|&x| x as f32).collect();
                (Array2::from_shape_vec((t, v), scores).unwrap(), target)
            })
    }

    /// The tokens of the frames, as the spans say.
    fn spelled(alignment: &Alignment, frames: usize) -> Vec<u32> {
        let mut path = vec![BLANK; frames];
        for span in &alignment.tokens {
            path[span.start..span.end].fill(span.token);
        }
        path
    }

    proptest! {
        #[test]
        fn no_path_of_the_target_is_better((scores, target) in problem(2..5, 1..7)) {
            let (frames, v) = scores.dim();
            let flat: Vec<f64> = scores.iter().map(|&x| x.into()).collect();
            let best = all_paths(frames, v)
                .filter(|path| collapse(path) == target)
                .map(|path| path_score(&flat, v, &path))
                .fold(f64::NEG_INFINITY, f64::max);
            for table in [0, 10, 1 << 20] {
                let alignment = align_within(scores.view(), &target, table).unwrap();
                let path = spelled(&alignment, frames);
                prop_assert_eq!(&collapse(&path), &target);
                prop_assert!((alignment.log_probability - best).abs() < 1e-9);
                prop_assert!((path_score(&flat, v, &path) - best).abs() < 1e-9);
            }
        }

        #[test]
        fn halves_meet_where_the_whole_table_leads((scores, target) in problem(3..9, 60..200)) {
            let whole = align_within(scores.view(), &target, usize::MAX).unwrap();
            for table in [0, 50, 2000] {
                let halves = align_within(scores.view(), &target, table).unwrap();
                prop_assert_eq!(&halves, &whole);
            }
        }
    }

    #[test]
    fn spans_say_where_and_how_surely() {
        let likely = |token: usize| {
            let mut row = [0.05f32.ln(); 3];
            row[token] = 0.9f32.ln();
            row
        };
        let scores: Vec<f32> = [0, 1, 1, 0, 1, 2].into_iter().flat_map(likely).collect();
        let scores = Array2::from_shape_vec((6, 3), scores).unwrap();
        let alignment = forced_alignment(scores.view(), &[1, 1, 2]).unwrap();
        let spans: Vec<_> = alignment
            .tokens
            .iter()
            .map(|s| (s.token, s.start, s.end))
            .collect();
        assert_eq!(spans, [(1, 1, 3), (1, 4, 5), (2, 5, 6)]);
        assert!((alignment.tokens[0].score - 0.9f32.ln()).abs() < 1e-6);
        assert!((alignment.log_probability - 6.0 * 0.9f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn what_cannot_be_aligned_is_said() {
        let scores = Array2::from_elem((3, 3), -1.0f32);
        let short = forced_alignment(scores.view(), &[1, 1, 1]).unwrap_err();
        assert!(short.to_string().contains("needs 5"), "{short}");
        assert!(forced_alignment(scores.view(), &[3]).is_err());
        let mut bad = scores.clone();
        bad[[2, 1]] = f32::NAN;
        let error = forced_alignment(bad.view(), &[1]).unwrap_err();
        assert!(error.to_string().contains("row 2"), "{error}");
        assert_eq!(forced_alignment(scores.view(), &[]).unwrap().tokens, []);
    }
}
