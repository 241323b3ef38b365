//! The expected transcription loss (Graves & Jaitly 2014, section 4).
//!
//! CTC makes the transcripts probable that stand in the corpus; what counts is the error rate.
//! With any cost `c(y)` of a transcript, this loss is the cost that is expected of an alignment
//! `a` drawn from the network's output, `Σ_a Pr(a|x) c(B(a))`, and its gradient is estimated from
//! a few drawn alignments.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::lanes::{Form, Kernel, Lanes};
use super::loss::rows_by_utterance;
use super::softmax::{row_statistics, softmax_row};
use super::{BLANK, Error};
use crate::nn::{Packing, with_values};

/// The expected cost of a batch.
#[derive(Debug, Clone)]
pub struct ExpectedLoss {
    /// The estimate summed over the utterances, in units of the cost: a scalar, differentiable
    /// with respect to the logits.
    pub total: Tensor,
    /// The mean cost of each utterance's samples: `[B]`.
    pub per_utterance: Vec<f32>,
}

/// The expected cost of transcripts drawn from the network's output, and an unbiased estimate of
/// its gradient (Graves & Jaitly 2014, section 4).
///
/// For each utterance `samples` alignments are drawn: at each frame a token from the softmax of
/// the `logits` `[N, V]`, laid out by `packing`. `cost(b, y)` is the cost of transcript `y`
/// (labels without blanks) for utterance `b`: its word errors, say. For each drawn alignment and
/// frame the cost is asked of every token that might have stood there instead, so it is called up
/// to `T · V` times a sample, once for each transcript that differs.
///
/// The network must be trained already: from scratch nearly all drawn transcripts are equally bad.
/// The bytes depend on `seed` alone, not on the number of threads.
///
/// # Errors
/// Logits that do not fit the packing, or are NaN or infinite, with the utterance and the frame.
pub fn expected_transcription_loss(
    logits: &Tensor,
    packing: &Arc<Packing>,
    samples: usize,
    seed: u64,
    cost: impl Fn(usize, &[u32]) -> f64 + Sync,
) -> Result<ExpectedLoss, Error> {
    let (rows, vocabulary) = logits.dims2()?;
    if rows != packing.frames() {
        return Err(Error::Rows {
            rows,
            frames: packing.frames(),
        });
    }
    let logits = logits.to_dtype(DType::F32)?.contiguous()?;
    let mut gradient = vec![0.0; rows * vocabulary];
    let mut by_utterance = rows_by_utterance(packing, vocabulary, &mut gradient);
    let one = |(utterance, gradient): (usize, &mut Vec<&mut [f32]>), values: &[f32]| {
        let frames = gradient.len();
        let probabilities = Form::best()
            .run(Probabilities {
                logits: values,
                vocabulary,
                rows: (0..frames).map(|t| packing.row(t, utterance)).collect(),
            })
            .map_err(|frame| Error::NotFinite { utterance, frame })?;
        let stream = (utterance as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut generator = Pcg64::seed_from_u64(seed.wrapping_add(stream));
        let mut total = 0.0;
        for _ in 0..samples {
            let path = draw(&probabilities, vocabulary, &mut generator);
            let weight = 1.0 / samples as f64;
            let costs = Substitutions::new(&path, |y: &[u32]| cost(utterance, y));
            total += weight * costs.add_gradient(&probabilities, vocabulary, weight, gradient);
        }
        Ok(total)
    };
    let totals: Result<Vec<f64>, Error> = with_values(&logits, |values| {
        let results: Vec<_> = by_utterance
            .par_iter_mut()
            .enumerate()
            .map(|job| one(job, values))
            .collect();
        results.into_iter().collect()
    })?;
    let totals = totals?;
    let total = totals.iter().sum::<f64>() as f32;
    Ok(ExpectedLoss {
        total: logits.apply_op1(ExpectedOp {
            gradient: Tensor::from_vec(gradient, (rows, vocabulary), logits.device())?,
            total,
        })?,
        per_utterance: totals.into_iter().map(|cost| cost as f32).collect(),
    })
}

/// The softmax of one utterance's rows, `[T, V]`; or the first frame that is not finite.
struct Probabilities<'a> {
    logits: &'a [f32],
    vocabulary: usize,
    rows: Vec<usize>,
}

impl Kernel for Probabilities<'_> {
    type Output = Result<Vec<f32>, usize>;

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> Self::Output {
        let mut probabilities = vec![0.0; self.rows.len() * self.vocabulary];
        let frames = probabilities.chunks_exact_mut(self.vocabulary);
        for (t, (&row, to)) in self.rows.iter().zip(frames).enumerate() {
            let row = &self.logits[row * self.vocabulary..][..self.vocabulary];
            let Some(statistics) = row_statistics(l, row, row) else {
                return Err(t);
            };
            softmax_row(l, row, statistics, 1.0, to, (row, row));
        }
        Ok(probabilities)
    }
}

/// An alignment: at each frame a token, drawn by its probability.
fn draw(probabilities: &[f32], vocabulary: usize, generator: &mut Pcg64) -> Vec<u32> {
    let token = |frame: &[f32]| {
        let mut left = generator.random::<f64>();
        for (token, &probability) in frame.iter().enumerate() {
            left -= f64::from(probability);
            if left < 0.0 {
                return token as u32;
            }
        }
        // The probabilities add up to one but for their rounding.
        (vocabulary - 1) as u32
    };
    probabilities.chunks_exact(vocabulary).map(token).collect()
}

/// Tokens less probable than this are taken to change nothing: they could move the gradient by
/// that part of the cost at most, and in a trained network nearly all tokens are such.
const NEGLIGIBLE: f32 = 1e-6;

/// What an alignment would cost if another token stood at one of its frames.
struct Substitutions<'a, C> {
    path: &'a [u32],
    /// The transcript, B of the path.
    labels: Vec<u32>,
    /// How many labels have begun before each frame: `[T + 1]`.
    begun: Vec<usize>,
    cost: C,
    /// Costs of `labels[..p]`, then a label unless it is blank, then `labels[q..]`.
    known: HashMap<(usize, u32, usize), f64>,
    transcript: Vec<u32>,
}

impl<'a, C: Fn(&[u32]) -> f64> Substitutions<'a, C> {
    fn new(path: &'a [u32], cost: C) -> Self {
        let mut labels = Vec::new();
        let mut begun = vec![0];
        for (t, &token) in path.iter().enumerate() {
            if token != BLANK && (t == 0 || path[t - 1] != token) {
                labels.push(token);
            }
            begun.push(labels.len());
        }
        Self {
            path,
            labels,
            begun,
            cost,
            known: HashMap::new(),
            transcript: Vec::new(),
        }
    }

    /// `c(B(a'))`, where `a'` is the path with `token` at frame `t`.
    fn cost(&mut self, t: usize, token: u32) -> f64 {
        let neighbour = |t: Option<usize>| t.and_then(|t| self.path.get(t)).copied();
        let before = neighbour(t.checked_sub(1)).unwrap_or(BLANK);
        let after = neighbour(Some(t + 1)).unwrap_or(BLANK);
        // Without frame t the transcript falls apart into the labels begun before it and those of
        // the frames after it. A label that frame t + 1 goes on with belongs to the second part.
        let head = self.begun[t];
        let mut tail = match after {
            BLANK => self.begun[t + 1],
            _ => self.begun[t + 2] - 1,
        };
        let mut label = token;
        if token != BLANK && token == after {
            // The token begins the label after it sooner; and joins it to an equal one before.
            label = BLANK;
            tail += usize::from(token == before);
        } else if token == before {
            label = BLANK;
        }
        let Self {
            labels,
            cost,
            known,
            transcript,
            ..
        } = self;
        *known.entry((head, label, tail)).or_insert_with(|| {
            transcript.clear();
            transcript.extend(&labels[..head]);
            transcript.extend((label != BLANK).then_some(label));
            transcript.extend(&labels[tail..]);
            cost(transcript)
        })
    }

    /// Adds `weight` times this alignment's part of the gradient with respect to the logits,
    /// `Pr(k, t) · (c(a with k at t) − Σ_j Pr(j, t) c(a with j at t))`, and returns the
    /// alignment's own cost.
    fn add_gradient(
        mut self,
        probabilities: &[f32],
        vocabulary: usize,
        weight: f64,
        gradient: &mut [&mut [f32]],
    ) -> f64 {
        let own = (self.cost)(&self.labels);
        let mut differences = vec![0.0; vocabulary];
        let frames = probabilities.chunks_exact(vocabulary).zip(gradient);
        for (t, (probabilities, gradient)) in frames.enumerate() {
            let mut expected = 0.0;
            for (token, &probability) in probabilities.iter().enumerate() {
                differences[token] = if probability < NEGLIGIBLE {
                    0.0
                } else {
                    self.cost(t, token as u32) - own
                };
                expected += f64::from(probability) * differences[token];
            }
            let terms = differences.iter().zip(probabilities);
            for (to, (difference, &probability)) in gradient.iter_mut().zip(terms) {
                *to += (weight * f64::from(probability) * (difference - expected)) as f32;
            }
        }
        own
    }
}

/// The estimate as a node of the graph; its gradient is known when it is made.
struct ExpectedOp {
    gradient: Tensor,
    total: f32,
}

impl CustomOp1 for ExpectedOp {
    fn name(&self) -> &'static str {
        "expected-transcription-loss"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![self.total]), Shape::from(())))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(self.gradient.broadcast_mul(grad)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::collapse;
    use super::super::reference::{all_paths, log_softmax, path_score};
    use super::*;
    use candle_core::{Device, Var};
    use proptest::prelude::*;

    /// A cost without symmetries: no two transcripts of a few labels cost the same.
    fn cost(transcript: &[u32]) -> f64 {
        let place = |total: f64, &label: &u32| total * 1.7 + f64::from(label).sqrt();
        transcript.iter().fold(0.3, place)
    }

    /// `Σ_a Pr(a|x) c(B(a))` as its definition says.
    fn exact(logits: &[f64], vocabulary: usize) -> f64 {
        let log_probabilities = log_softmax(logits, vocabulary);
        all_paths(logits.len() / vocabulary, vocabulary)
            .map(|path| {
                let probability = path_score(&log_probabilities, vocabulary, &path).exp();
                probability * cost(&collapse(&path))
            })
            .sum()
    }

    fn exact_slopes(logits: &[f32], vocabulary: usize) -> Vec<f64> {
        let logits: Vec<f64> = logits.iter().map(|&x| x.into()).collect();
        (0..logits.len())
            .map(|i| {
                let at = |step: f64| {
                    let mut moved = logits.clone();
                    moved[i] += step;
                    exact(&moved, vocabulary)
                };
                (at(1e-5) - at(-1e-5)) / 2e-5
            })
            .collect()
    }

    proptest! {
        #[test]
        fn a_substitution_costs_what_its_transcript_costs(
            path in prop::collection::vec(0u32..4, 1..12),
        ) {
            let mut costs = Substitutions::new(&path, cost);
            for t in 0..path.len() {
                for token in 0..4 {
                    let mut other = path.clone();
                    other[t] = token;
                    prop_assert_eq!(costs.cost(t, token), cost(&collapse(&other)));
                }
            }
        }

        /// The estimate is unbiased: weighted by their probabilities, the parts of all alignments
        /// add up to the derivative of the expected cost.
        #[test]
        fn the_gradient_is_the_slope_of_the_expected_cost(
            (v, logits) in (2usize..4, 1usize..5).prop_flat_map(|(v, t)| {
                (Just(v), prop::collection::vec(-2.0f32..2.0, v * t))
            }),
        ) {
            let frames = logits.len() / v;
            let exact_logits: Vec<f64> = logits.iter().map(|&x| x.into()).collect();
            let log_probabilities = log_softmax(&exact_logits, v);
            let probabilities: Vec<f32> = log_probabilities.iter().map(|x| x.exp() as f32).collect();
            let mut gradient = vec![0.0; logits.len()];
            let mut rows: Vec<&mut [f32]> = gradient.chunks_mut(v).collect();
            let mut expected = 0.0;
            for path in all_paths(frames, v) {
                let weight = path_score(&log_probabilities, v, &path).exp();
                let costs = Substitutions::new(&path, cost);
                expected += weight * costs.add_gradient(&probabilities, v, weight, &mut rows);
            }
            prop_assert!((expected - exact(&exact_logits, v)).abs() < 1e-9);
            for (ours, slope) in gradient.iter().zip(exact_slopes(&logits, v)) {
                prop_assert!((f64::from(*ours) - slope).abs() < 1e-5, "{ours} for {slope}");
            }
        }
    }

    #[test]
    fn many_samples_come_near_the_exact_gradient_of_each_utterance() {
        let (v, lengths) = (3, [4, 2]);
        let packing = Arc::new(Packing::new(lengths.to_vec()).unwrap());
        let values: Vec<f32> = (0..18).map(|i| (i as f32 * 2.3).sin() * 1.5).collect();
        let logits = Var::from_vec(values, (6, v), &Device::Cpu).unwrap();
        let run = |seed| {
            let loss = expected_transcription_loss(&logits, &packing, 20_000, seed, |_, y| cost(y))
                .unwrap();
            let gradient = loss.total.backward().unwrap().remove(&logits).unwrap();
            (loss, packing.unpack(&gradient).unwrap())
        };
        let (loss, gradient) = run(5);
        for (b, utterance) in packing.unpack(&logits).unwrap().iter().enumerate() {
            let values: Vec<f32> = utterance.iter().copied().collect();
            let wide: Vec<f64> = values.iter().map(|&x| x.into()).collect();
            let exact = exact(&wide, v);
            let off = f64::from(loss.per_utterance[b]) / exact - 1.0;
            assert!(off.abs() < 0.02, "{off}");
            for (ours, slope) in gradient[b].iter().zip(exact_slopes(&values, v)) {
                assert!(
                    (f64::from(*ours) - slope).abs() < 0.02 * exact,
                    "{ours} for {slope}"
                );
            }
        }
        assert_eq!(run(5).1, gradient);
        assert_ne!(run(6).1, gradient);
    }

    #[test]
    fn what_does_not_fit_or_is_no_number_is_named() {
        let packing = Arc::new(Packing::new(vec![2, 1]).unwrap());
        let expected = |values: Vec<f32>| {
            let logits = Tensor::from_vec(values, ((), 2), &Device::Cpu).unwrap();
            expected_transcription_loss(&logits, &packing, 1, 0, |_, y| cost(y))
        };
        assert!(expected(vec![0.0; 6]).is_ok());
        assert!(matches!(expected(vec![0.0; 4]), Err(Error::Rows { .. })));
        let error = expected(vec![0.0, 0.0, f32::NAN, 0.0, 0.0, 0.0]).unwrap_err();
        assert!(error.to_string().contains("utterance 1"), "{error}");
    }
}
