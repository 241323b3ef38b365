//! Logits to log-probabilities, for decoding.

use candle_core::{D, DType, Tensor};

use super::Error;
use super::lanes::{Form, Kernel, Lanes};
use super::softmax::row_statistics;

/// `ln softmax` of each row of logits `[N, V]`, nats. Not part of the graph: the loss takes logits.
///
/// # Errors
/// A logit that is NaN or infinite, with its row.
pub fn log_softmax(logits: &Tensor) -> Result<Tensor, Error> {
    let logits = logits.to_dtype(DType::F32)?.contiguous()?;
    let vocabulary = logits.dim(D::Minus1)?;
    let values = logits.flatten_all()?.to_vec1()?;
    let values = Form::best().run(LogSoftmax { values, vocabulary })?;
    Ok(Tensor::from_vec(values, logits.shape(), logits.device())?)
}

struct LogSoftmax {
    values: Vec<f32>,
    vocabulary: usize,
}

impl Kernel for LogSoftmax {
    type Output = Result<Vec<f32>, Error>;

    #[inline(always)]
    fn run<L: Lanes>(mut self, l: L) -> Self::Output {
        for (index, row) in self.values.chunks_exact_mut(self.vocabulary).enumerate() {
            let Some(statistics) = row_statistics(l, row, row) else {
                return Err(Error::NotFiniteRow { row: index });
            };
            let log_sum = statistics.sum.ln();
            for x in row {
                *x = (*x - statistics.max) - log_sum;
            }
        }
        Ok(self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn probabilities_add_up_to_one_at_any_level() {
        let logits: Vec<f32> = (0..51)
            .map(|i| (i as f32 * 1.7).sin() * 5.0 + 3e4)
            .collect();
        let logits = Tensor::from_vec(logits, (3, 17), &Device::Cpu).unwrap();
        for row in log_softmax(&logits).unwrap().to_vec2::<f32>().unwrap() {
            let total: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
            assert!((total - 1.0).abs() < 1e-6, "{total}");
        }
    }

    #[test]
    fn a_row_that_is_no_number_is_named() {
        let logits = Tensor::from_vec(vec![0.0f32, 1.0, f32::NAN, 0.0], (2, 2), &Device::Cpu);
        let error = log_softmax(&logits.unwrap()).unwrap_err();
        assert!(error.to_string().contains("row 1"), "{error}");
    }
}
