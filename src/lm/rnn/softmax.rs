//! Softmax and cross entropy as one operation.
//!
//! The logits of a whole batch (thousands of rows over tens of thousands of tokens) never stand in
//! memory together: a few rows at a time become probabilities, losses and gradients.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Shape, Tensor};
use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::exp::softmax;
use super::partition::Partition;
use crate::lm::START;
use crate::nn::gemm::{PackedB, Start};
use crate::nn::{Derived, Error, Parameters, Path, Runtime, with_values};

/// Logits that stand in memory at a time, 32 MiB: each time the table and its gradient are read
/// whole. Fixed, so that sums are the same on any machine.
const LOGITS: usize = 1 << 23;

/// The output layer: `p(token | h)` by the softmaxes of a [`Partition`], `logits = h Eᵀ + b` with a
/// table `E` `[R, D]` (the embedding's own when it is tied, Press & Wolf 2017; Inan et al. 2017)
/// and `b` `[R]`, `R` the partition's rows. `<s>` is never predicted: its logit is −∞.
pub struct Output {
    partition: Arc<Partition>,
    table: Tensor,
    bias: Tensor,
    runtime: Runtime,
    /// `Eᵀ` of each softmax, packed for the path.
    packed: Derived<Vec<PackedB>>,
}

impl Output {
    /// An output on parameters that exist.
    pub fn new(
        partition: Partition,
        table: Tensor,
        bias: Tensor,
        parameters: &Parameters,
        runtime: Runtime,
    ) -> Self {
        Self {
            partition: Arc::new(partition),
            table,
            bias,
            runtime,
            packed: Derived::new(parameters.version()),
        }
    }

    /// The cut of the vocabulary.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    fn packed(&self) -> Result<Arc<Vec<PackedB>>, Error> {
        let dim = self.table.dim(1)?;
        let blocks = self.partition.blocks();
        with_values(&self.table, |table| {
            let table = matrix(table, dim);
            self.packed.get(|| {
                let pack = |rows: Range<usize>| {
                    PackedB::new(self.runtime.path, table.slice(s![rows, ..]).reversed_axes())
                };
                blocks.into_iter().map(pack).collect()
            })
        })
    }

    /// `Σ −ln p(target | h)` over the rows of `h` `[N, D]`: a scalar to differentiate, and the sum
    /// in f64. The gradients are computed on the way.
    ///
    /// Fails when the shapes disagree.
    pub fn loss(&self, h: &Tensor, targets: &[u32]) -> Result<(Tensor, f64), Error> {
        self.check(h, targets)?;
        let sum = Arc::default();
        let op = CrossEntropy {
            partition: self.partition.clone(),
            packed: self.packed()?,
            path: self.runtime.path,
            targets: targets.to_vec(),
            sum: Arc::clone(&sum),
            gradients: Mutex::default(),
        };
        let loss = h.contiguous()?.apply_op3(&self.table, &self.bias, op)?;
        let sum = *sum.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((loss, sum))
    }

    /// `−ln p(target | h)` of every row.
    ///
    /// Fails when the shapes disagree.
    pub fn losses(&self, h: &Tensor, targets: &[u32]) -> Result<Vec<f32>, Error> {
        self.check(h, targets)?;
        let packed = self.packed()?;
        with_values(h, |h| {
            with_values(&self.table, |table| {
                with_values(&self.bias, |bias| {
                    let rows = Rows {
                        partition: &self.partition,
                        packed: &packed,
                        path: self.runtime.path,
                        table,
                        bias,
                    };
                    rows.losses(h, targets, None)
                })
            })
        })??
    }

    /// `ln p` of every token for one row `h` `[D]`: `[V]`.
    ///
    /// Fails when the shapes disagree.
    pub fn log_probs(&self, h: &[f32]) -> Result<Vec<f32>, Error> {
        let row = Tensor::from_slice(h, (1, h.len()), &Device::Cpu)?;
        self.check(&row, &[START])?;
        let packed = self.packed()?;
        let blocks = self.partition.blocks();
        let mut all: Vec<f32> = Vec::with_capacity(self.partition.rows());
        with_values(&self.bias, |bias| {
            for (index, (rows, packed)) in blocks.iter().zip(packed.iter()).enumerate() {
                let mut logits = vec![0.0; rows.len()];
                let start = Start::Row(&bias[rows.clone()]);
                packed.product(matrix(h, h.len()), start, &mut logits, rows.len());
                if let Some(column) = impossible(&self.partition, index) {
                    logits[column] = f32::NEG_INFINITY;
                }
                let stand_in = match index {
                    0 => 0.0,
                    group => all[group - 1],
                };
                let log_sum = softmax(&mut logits.clone());
                all.extend(logits.iter().map(|logit| stand_in + logit - log_sum));
            }
        })?;
        Ok(all.split_off(self.partition.groups()))
    }

    fn check(&self, h: &Tensor, targets: &[u32]) -> Result<(), Error> {
        let (rows, dim) = h.dims2()?;
        let expected = (targets.len(), self.table.dim(1)?);
        if (rows, dim) != expected {
            return Err(Error::Shape {
                what: "input of the softmax".into(),
                expected: vec![expected.0, expected.1],
                found: vec![rows, dim],
            });
        }
        let size = self.partition.tokens();
        match targets.iter().find(|&&token| token as usize >= size) {
            Some(&token) => Err(Error::Token { token, size }),
            None => Ok(()),
        }
    }
}

/// The column of `<s>` if this softmax (0 the head, then the groups) is the one that has it.
fn impossible(partition: &Partition, block: usize) -> Option<usize> {
    let place = partition.place(START);
    match place.tail {
        None => (block == 0).then_some(place.head),
        Some((group, column)) => (block == group + 1).then_some(column),
    }
}

fn matrix(values: &[f32], width: usize) -> ArrayView2<'_, f32> {
    let rows = values.len().checked_div(width).unwrap_or(0);
    // `rows · width ≤ values.len()`, so the shape always fits.
    ArrayView2::from_shape((rows, width), &values[..rows * width]).expect("whole rows")
}

/// The gradients of the sum of losses.
struct Gradients {
    h: Vec<f32>,
    table: Vec<f32>,
    bias: Vec<f32>,
}

/// What losses are computed from.
struct Rows<'a> {
    partition: &'a Partition,
    packed: &'a [PackedB],
    path: Path,
    table: &'a [f32],
    bias: &'a [f32],
}

impl Rows<'_> {
    /// `−ln p(target | h)` of every row, and the gradients of their sum added to `gradients`.
    fn losses(
        &self,
        h: &[f32],
        targets: &[u32],
        mut gradients: Option<&mut Gradients>,
    ) -> Vec<f32> {
        let dim = h.len().checked_div(targets.len()).unwrap_or(0);
        let h = matrix(h, dim);
        let places: Vec<_> = targets
            .iter()
            .map(|&token| self.partition.place(token))
            .collect();
        let mut losses = vec![0.0; targets.len()];
        for (index, rows) in self.partition.blocks().into_iter().enumerate() {
            // The batch's rows that this softmax decides, and in which column.
            let (chosen, columns): (Vec<usize>, Vec<usize>) = match index {
                0 => places.iter().map(|place| place.head).enumerate().unzip(),
                group => {
                    let column = |(row, place): (usize, &super::partition::Place)| match place.tail
                    {
                        Some((of, column)) if of + 1 == group => Some((row, column)),
                        _ => None,
                    };
                    places.iter().enumerate().filter_map(column).unzip()
                }
            };
            if chosen.is_empty() {
                continue;
            }
            let block = matrix(&self.table[rows.start * dim..rows.end * dim], dim);
            let back = gradients.is_some().then(|| PackedB::new(self.path, block));
            let height = (LOGITS / rows.len()).clamp(32, 4096);
            for (chosen, columns) in chosen.chunks(height).zip(columns.chunks(height)) {
                let part = match chosen {
                    [first, .., last] if last - first + 1 == chosen.len() => {
                        h.slice(s![*first..=*last, ..]).to_owned()
                    }
                    _ => h.select(Axis(0), chosen),
                };
                let probs = self.probabilities(index, rows.clone(), &part, columns);
                for (&row, loss) in chosen.iter().zip(&probs.losses) {
                    losses[row] += loss;
                }
                if let (Some(gradients), Some(back)) = (gradients.as_deref_mut(), &back) {
                    let d_logits = probs.minus_targets(columns);
                    self.add_gradients(gradients, &rows, &part, d_logits.view(), chosen, back);
                }
            }
        }
        losses
    }

    /// The probabilities `[n, columns]` of one softmax for rows `h` `[n, D]`.
    fn probabilities(
        &self,
        index: usize,
        rows: Range<usize>,
        h: &Array2<f32>,
        columns: &[usize],
    ) -> Probabilities {
        let width = rows.len();
        let mut values = vec![0.0; h.nrows() * width];
        let start = Start::Row(&self.bias[rows]);
        self.packed[index].product(h.view(), start, &mut values, width);
        let masked = impossible(self.partition, index);
        let mut losses = vec![0.0; h.nrows()];
        values
            .par_chunks_mut(width)
            .zip(&mut losses)
            .zip(columns)
            .for_each(|((row, loss), &column)| {
                if let Some(masked) = masked {
                    row[masked] = f32::NEG_INFINITY;
                }
                let logit = row[column];
                *loss = softmax(row) - logit;
            });
        Probabilities {
            values,
            width,
            losses,
        }
    }

    fn add_gradients(
        &self,
        gradients: &mut Gradients,
        rows: &Range<usize>,
        h: &Array2<f32>,
        d_logits: ArrayView2<'_, f32>,
        chosen: &[usize],
        back: &PackedB,
    ) {
        let dim = h.ncols();
        let d_table = &mut gradients.table[rows.start * dim..rows.end * dim];
        PackedB::new(self.path, h.view()).product(
            d_logits.reversed_axes(),
            Start::Accumulate,
            d_table,
            dim,
        );
        let d_bias = &mut gradients.bias[rows.clone()];
        for row in d_logits.outer_iter() {
            for (sum, d) in d_bias.iter_mut().zip(row) {
                *sum += d;
            }
        }
        let mut d_h = vec![0.0; h.len()];
        back.product(d_logits, Start::Zero, &mut d_h, dim);
        for (&row, d) in chosen.iter().zip(d_h.chunks_exact(dim)) {
            for (sum, d) in gradients.h[row * dim..(row + 1) * dim].iter_mut().zip(d) {
                *sum += d;
            }
        }
    }
}

/// Probabilities of some rows and the losses of their targets.
struct Probabilities {
    values: Vec<f32>,
    width: usize,
    losses: Vec<f32>,
}

impl Probabilities {
    /// `p − 1[target]`, the gradient of the losses with respect to the logits.
    fn minus_targets(self, columns: &[usize]) -> Array2<f32> {
        let Self {
            mut values, width, ..
        } = self;
        for (row, &column) in values.chunks_exact_mut(width).zip(columns) {
            row[column] -= 1.0;
        }
        // One row of `width` a column of `columns`, by construction.
        Array2::from_shape_vec((columns.len(), width), values).expect("whole rows")
    }
}

/// The loss in the graph. Its gradients are known when the loss is, and wait for the backward pass.
struct CrossEntropy {
    partition: Arc<Partition>,
    packed: Arc<Vec<PackedB>>,
    path: Path,
    targets: Vec<u32>,
    sum: Arc<Mutex<f64>>,
    gradients: Mutex<Option<Gradients>>,
}

fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("the tensor is not contiguous"),
    }
}

impl CustomOp3 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(
        &self,
        h: &CpuStorage,
        h_layout: &Layout,
        table: &CpuStorage,
        table_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let h = slice(h, h_layout)?;
        let rows = Rows {
            partition: &self.partition,
            packed: &self.packed,
            path: self.path,
            table: slice(table, table_layout)?,
            bias: slice(bias, bias_layout)?,
        };
        let mut gradients = Gradients {
            h: vec![0.0; h.len()],
            table: vec![0.0; rows.table.len()],
            bias: vec![0.0; rows.bias.len()],
        };
        let losses = rows.losses(h, &self.targets, Some(&mut gradients));
        let sum: f64 = losses.iter().copied().map(f64::from).sum();
        *self.sum.lock().unwrap_or_else(PoisonError::into_inner) = sum;
        *self
            .gradients
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(gradients);
        Ok((CpuStorage::F32(vec![sum as f32]), Shape::from(())))
    }

    fn bwd(
        &self,
        h: &Tensor,
        table: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        d_loss: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let scale = d_loss.to_scalar::<f32>()?;
        let kept = self
            .gradients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(gradients) = kept else {
            candle_core::bail!("the loss was not computed, or differentiated twice")
        };
        let tensor = |mut values: Vec<f32>, like: &Tensor| {
            values.par_chunks_mut(1 << 15).for_each(|values| {
                for value in values {
                    *value *= scale;
                }
            });
            Tensor::from_vec(values, like.shape(), &Device::Cpu).map(Some)
        };
        Ok((
            tensor(gradients.h, h)?,
            tensor(gradients.table, table)?,
            tensor(gradients.bias, bias)?,
        ))
    }
}

#[cfg(test)]
#[path = "softmax_tests.rs"]
mod tests;
