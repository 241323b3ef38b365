//! The CTC loss of a packed batch as one differentiable operation.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::forward_backward::{BackwardPass, Check, Forward, ForwardPass};
use super::lanes::Form;
use super::states::{Lattice, NotFinite, Rows};
use super::{Error, check_labels, feasible};
use crate::nn::{Packing, with_values};

/// The loss of a batch.
#[derive(Debug, Clone)]
pub struct CtcLoss {
    /// `−Σ ln p(z|x)` over the feasible utterances, nats: a scalar, differentiable with respect
    /// to the logits. How it is averaged is the caller's choice.
    pub total: Tensor,
    /// `−ln p(z|x)` of each utterance, nats; 0 for an infeasible one: `[B]`.
    pub per_utterance: Vec<f32>,
    /// The utterances whose targets need more frames than they have, in order. They weigh
    /// nothing, and their gradient is zero.
    pub infeasible: Vec<usize>,
}

/// The CTC loss `−ln p(z|x)` (Graves et al. 2006, section 4) of a packed batch, nats.
///
/// `logits` `[N, V]` are unnormalised (the softmax is part of the loss) and laid out by `packing`;
/// `targets` are the `B` label sequences in the packing's order, without blanks. An empty target
/// is all blanks. The gradient of each frame, `softmax − occupancy`, sums to zero.
///
/// Values and gradients agree with PyTorch's `ctc_loss` after `log_softmax`, in f64, to 10⁻⁵. The
/// bytes are the same on any number of threads and for any instruction set. Logits more than
/// 16,384 nats below their frame's largest count as just so far below it.
///
/// # Errors
/// Shapes that do not fit, labels outside `1 … V − 1`, and logits that are NaN or infinite, with
/// the utterance and the frame.
pub fn loss(
    logits: &Tensor,
    packing: &Arc<Packing>,
    targets: &[Vec<u32>],
) -> Result<CtcLoss, Error> {
    loss_in(Form::best(), logits, packing, targets)
}

pub(super) fn loss_in(
    form: Form,
    logits: &Tensor,
    packing: &Arc<Packing>,
    targets: &[Vec<u32>],
) -> Result<CtcLoss, Error> {
    let (rows, vocabulary) = logits.dims2()?;
    if rows != packing.frames() || targets.len() != packing.batch() {
        return Err(Error::Batch {
            rows,
            frames: packing.frames(),
            targets: targets.len(),
            utterances: packing.batch(),
        });
    }
    for (utterance, target) in targets.iter().enumerate() {
        check_labels(utterance, target, vocabulary)?;
    }
    let logits = logits.to_dtype(DType::F32)?.contiguous()?;
    let batch = Arc::new(Batch {
        form,
        packing: packing.clone(),
        targets: targets.to_vec(),
        vocabulary,
    });
    let forwards = with_values(&logits, |values| batch.forward(values))??;

    let mut total = 0.0;
    let mut per_utterance = Vec::with_capacity(forwards.len());
    let mut infeasible = Vec::new();
    for (b, forward) in forwards.iter().enumerate() {
        let nats = forward.as_ref().map_or(0.0, |f| -f.log_probability);
        if forward.is_none() {
            infeasible.push(b);
        }
        total += nats;
        per_utterance.push(nats as f32);
    }
    let total = logits.apply_op1(CtcOp {
        batch,
        forwards,
        total: total as f32,
    })?;
    Ok(CtcLoss {
        total,
        per_utterance,
        infeasible,
    })
}

/// Deals out the rows of a packed `[N, V]` to the utterances that they belong to.
pub(super) fn rows_by_utterance<'a>(
    packing: &Packing,
    vocabulary: usize,
    values: &'a mut [f32],
) -> Vec<Vec<&'a mut [f32]>> {
    let lengths = packing.lengths().iter();
    let mut by_utterance: Vec<Vec<_>> = lengths.map(|&t| Vec::with_capacity(t)).collect();
    let mut rows = values.chunks_exact_mut(vocabulary);
    for t in 0..packing.steps() {
        let there = &mut by_utterance[..packing.batch_at(t)];
        for (utterance, row) in there.iter_mut().zip(&mut rows) {
            utterance.push(row);
        }
    }
    by_utterance
}

/// A checked batch.
struct Batch {
    form: Form,
    packing: Arc<Packing>,
    targets: Vec<Vec<u32>>,
    vocabulary: usize,
}

impl Batch {
    /// The rows of utterance `b`.
    fn index(&self, b: usize) -> Vec<usize> {
        let frames = self.packing.lengths()[b];
        (0..frames).map(|t| self.packing.row(t, b)).collect()
    }

    /// The forward pass of every utterance; `None` where it is infeasible.
    fn forward(&self, logits: &[f32]) -> Result<Vec<Option<Forward>>, Error> {
        let one = |utterance: usize| {
            let index = self.index(utterance);
            let rows = Rows {
                logits,
                vocabulary: self.vocabulary,
                index: &index,
            };
            let target = &self.targets[utterance];
            let forward = if feasible(index.len(), target).is_ok() {
                let lattice = Lattice::new(target);
                let lattice = &lattice;
                self.form.run(ForwardPass { rows, lattice }).map(Some)
            } else {
                self.form.run(Check { rows }).map(|()| None)
            };
            forward.map_err(|NotFinite { frame }| Error::NotFinite { utterance, frame })
        };
        let forwards: Vec<_> = (0..self.targets.len()).into_par_iter().map(one).collect();
        forwards.into_iter().collect()
    }

    /// `scale` times the gradient with respect to the logits: `[N, V]`.
    fn backward(&self, logits: &[f32], forwards: &[Option<Forward>], scale: f32) -> Vec<f32> {
        let mut gradient = vec![0.0; logits.len()];
        let mut rows_of = rows_by_utterance(&self.packing, self.vocabulary, &mut gradient);
        rows_of
            .par_iter_mut()
            .zip(forwards)
            .enumerate()
            .for_each(|(b, (gradient, forward))| {
                let Some(forward) = forward else { return };
                let index = self.index(b);
                let lattice = Lattice::new(&self.targets[b]);
                self.form.run(BackwardPass {
                    rows: Rows {
                        logits,
                        vocabulary: self.vocabulary,
                        index: &index,
                    },
                    lattice: &lattice,
                    forward,
                    scale,
                    gradient,
                });
            });
        gradient
    }
}

/// The loss as a node of the graph: its value is known when it is made, its gradient is computed
/// when it is asked for.
struct CtcOp {
    batch: Arc<Batch>,
    forwards: Vec<Option<Forward>>,
    total: f32,
}

impl CustomOp1 for CtcOp {
    fn name(&self) -> &'static str {
        "ctc-loss"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![self.total]), Shape::from(())))
    }

    fn bwd(
        &self,
        logits: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let scale = grad.to_scalar::<f32>()?;
        let gradient = with_values(logits, |values| {
            self.batch.backward(values, &self.forwards, scale)
        })
        .map_err(candle_core::Error::wrap)?;
        Ok(Some(Tensor::from_vec(
            gradient,
            logits.shape(),
            logits.device(),
        )?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn logits(rows: usize, vocabulary: usize) -> Vec<f32> {
        (0..rows * vocabulary)
            .map(|i| ((i * i) as f32 * 0.37).sin() * 3.0)
            .collect()
    }

    fn packing(lengths: &[usize]) -> Arc<Packing> {
        Arc::new(Packing::new(lengths.to_vec()).unwrap())
    }

    #[test]
    fn what_is_not_finite_is_named_by_utterance_and_frame() {
        let packing = packing(&[5, 4]);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for target in [vec![1], vec![1; 9]] {
                let mut values = logits(9, 3);
                values[packing.row(3, 1) * 3 + 2] = bad;
                let logits = Tensor::from_vec(values, (9, 3), &Device::Cpu).unwrap();
                let error = loss(&logits, &packing, &[vec![1, 2], target]).unwrap_err();
                let Error::NotFinite { utterance, frame } = error else {
                    panic!("{error}");
                };
                assert_eq!((utterance, frame), (1, 3));
            }
        }
    }

    #[test]
    fn labels_that_the_model_lacks_are_named() {
        let packing = packing(&[5]);
        let logits = Tensor::from_vec(logits(5, 3), (5, 3), &Device::Cpu).unwrap();
        for token in [0, 3] {
            let error = loss(&logits, &packing, &[vec![1, token]]).unwrap_err();
            assert!(error.to_string().contains("position 1"), "{error}");
        }
        assert!(matches!(
            loss(&logits, &packing, &[vec![], vec![]]),
            Err(Error::Batch { targets: 2, .. })
        ));
    }

    #[test]
    fn extreme_logits_give_finite_losses_and_gradients() {
        let packing = packing(&[4]);
        let extremes = [f32::MAX, f32::MIN, 0.0, 1e30, -1e30, 1e-38, 700.0, -700.0];
        for shift in 0..extremes.len() {
            let values = (0..16).map(|i| extremes[(i * 3 + shift) % 8]).collect();
            let logits = Var::from_vec(values, (4, 4), &Device::Cpu).unwrap();
            for target in [vec![], vec![1, 2], vec![3, 3]] {
                let loss = loss(&logits, &packing, &[target]).unwrap();
                assert!(loss.total.to_scalar::<f32>().unwrap().is_finite());
                let gradient = loss.total.backward().unwrap().remove(&logits).unwrap();
                let gradient = gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert!(gradient.iter().all(|x| x.abs() <= 1.0), "{gradient:?}");
            }
        }
    }

    #[test]
    fn the_gradient_follows_the_scale_of_what_comes_after() {
        let packing = packing(&[6, 3]);
        let logits = Var::from_vec(logits(9, 4), (9, 4), &Device::Cpu).unwrap();
        let loss = loss(&logits, &packing, &[vec![1, 1], vec![2]]).unwrap();
        let gradient = |total: &Tensor| {
            let gradient = total.backward().unwrap().remove(&logits).unwrap();
            gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let scaled = gradient(&(&loss.total * 0.25).unwrap());
        for (scaled, plain) in scaled.iter().zip(gradient(&loss.total)) {
            assert!((scaled - plain * 0.25).abs() < 1e-7);
        }
    }

    #[test]
    fn the_bytes_are_the_same_on_any_number_of_threads() {
        let packing = packing(&[40, 33, 20, 20, 5]);
        let targets: Vec<Vec<u32>> = (0..5).map(|b| vec![1 + b, 2, 2, 7]).collect();
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                let logits = Var::from_vec(logits(118, 9), (118, 9), &Device::Cpu).unwrap();
                let loss = loss(&logits, &packing, &targets).unwrap();
                let gradient = loss.total.backward().unwrap().remove(&logits).unwrap();
                let mut values = gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                values.push(loss.total.to_scalar().unwrap());
                values.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
            })
        };
        let one = run(1);
        assert!([2, 3, 8].into_iter().all(|threads| run(threads) == one));
    }
}
