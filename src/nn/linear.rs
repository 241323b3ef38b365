//! The affine map that stands above the recurrent layers.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Shape, Tensor};

use super::gemm::{self, PackedB, Start};
use super::recurrence::matrix;
use super::tensor::{slice, stored, with_values};
use super::{Derived, Error, Parameters, Path, Runtime};

/// `y = x W^T + b`. Parameters: `NAME.w` `[V, D]`, `NAME.b` `[V]`.
pub struct Linear {
    weights: Tensor,
    bias: Tensor,
    runtime: Runtime,
    /// `W^T`, packed for the path.
    packed: Derived<PackedB>,
}

impl Linear {
    /// Adds the parameters, drawn uniformly from ±1/√D as PyTorch does.
    ///
    /// Fails when the name is taken or a dimension is zero.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        input: usize,
        output: usize,
        runtime: Runtime,
    ) -> Result<Self, Error> {
        if input == 0 || output == 0 {
            return Err(Error::Setting(format!(
                "layer `{name}` has {input} inputs and {output} outputs; both must be at least 1"
            )));
        }
        let bound = 1.0 / (input as f32).sqrt();
        let weights = parameters.uniform(&[output, input], bound)?;
        let bias = parameters.uniform(&[output], bound)?;
        Ok(Self {
            weights: parameters.add(format!("{name}.w"), &weights, true)?,
            bias: parameters.add(format!("{name}.b"), &bias, false)?,
            runtime,
            packed: Derived::new(parameters.version()),
        })
    }

    /// `x` `[N, D]` to `[N, V]`.
    ///
    /// Fails when `x` has another dimension.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        let (rows, dim) = x.dims2()?;
        let input = self.weights.dim(1)?;
        if dim != input {
            return Err(Error::Shape {
                what: "input of a linear layer".into(),
                expected: vec![rows, input],
                found: vec![rows, dim],
            });
        }
        let path = self.runtime.path;
        let packed = with_values(&self.weights, |weights| {
            let transposed = matrix(weights, input).reversed_axes();
            self.packed.get(|| PackedB::new(path, transposed))
        })?;
        let op = LinearOp {
            path,
            input,
            packed,
        };
        Ok(x.contiguous()?.apply_op3(&self.weights, &self.bias, op)?)
    }
}

struct LinearOp {
    path: Path,
    input: usize,
    packed: Arc<PackedB>,
}

impl CustomOp3 for LinearOp {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = matrix(slice(x, x_layout)?, self.input);
        let bias = slice(bias, bias_layout)?;
        let mut output = vec![0.0; x.nrows() * bias.len()];
        let start = Start::Row(bias);
        self.packed.product(x, start, &mut output, bias.len());
        Ok((CpuStorage::F32(output), (x.nrows(), bias.len()).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weights: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        d_output: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let d_output = d_output.contiguous()?;
        let (x_storage, x_layout) = x.storage_and_layout();
        let (w_storage, w_layout) = weights.storage_and_layout();
        let (d_storage, d_layout) = d_output.storage_and_layout();
        let x_values = stored(&x_storage, x_layout)?;
        let w_values = stored(&w_storage, w_layout)?;
        let d_output = matrix(stored(&d_storage, d_layout)?, bias.dim(0)?);

        let mut d_weights = vec![0.0; w_values.len()];
        let x_matrix = matrix(x_values, self.input);
        let d_output_t = d_output.reversed_axes();
        gemm::product(
            self.path,
            d_output_t,
            x_matrix,
            Start::Zero,
            &mut d_weights,
            self.input,
        );
        let mut d_bias = vec![0.0; bias.dim(0)?];
        for row in d_output.outer_iter() {
            for (sum, d) in d_bias.iter_mut().zip(row) {
                *sum += d;
            }
        }
        let d_x = if x.track_op() {
            let mut d_x = vec![0.0; x_values.len()];
            let weights = matrix(w_values, self.input);
            gemm::product(
                self.path,
                d_output,
                weights,
                Start::Zero,
                &mut d_x,
                self.input,
            );
            Some(Tensor::from_vec(d_x, x.shape(), &Device::Cpu)?)
        } else {
            None
        };
        let d_weights = Tensor::from_vec(d_weights, weights.shape(), &Device::Cpu)?;
        let d_bias = Tensor::from_vec(d_bias, bias.shape(), &Device::Cpu)?;
        Ok((d_x, Some(d_weights), Some(d_bias)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    #[test]
    fn values_and_gradients_are_those_of_the_tensor_library() {
        for path in Path::ALL
            .into_iter()
            .filter(|p| p.is_available() && !p.is_bf16())
        {
            let mut parameters = Parameters::new(1);
            let linear = Linear::new(&mut parameters, "out", 7, 5, Runtime { path }).unwrap();
            let x = parameters.uniform(&[11, 7], 1.0).unwrap();
            let x = Var::from_tensor(&x).unwrap();
            let seen = linear.forward(&x).unwrap();
            let (w, b) = (&linear.weights, &linear.bias);
            let expected = x.matmul(&w.t().unwrap()).unwrap().broadcast_add(b).unwrap();
            let weigh = parameters.uniform(&[11, 5], 1.0).unwrap();
            let gradients =
                |y: &Tensor| (y * &weigh).unwrap().sum_all().unwrap().backward().unwrap();
            let (seen_d, expected_d) = (gradients(&seen), gradients(&expected));
            let close = |a: &Tensor, b: &Tensor| {
                let worst = (a - b).unwrap().abs().unwrap().max_all().unwrap();
                assert!(worst.to_scalar::<f32>().unwrap() < 1e-5);
            };
            close(&seen, &expected);
            for of in [x.as_tensor(), w, b] {
                close(seen_d.get(of).unwrap(), expected_d.get(of).unwrap());
            }
        }
    }

    #[test]
    fn an_input_of_another_dimension_is_refused() {
        let mut parameters = Parameters::new(1);
        let runtime = Runtime {
            path: Path::Portable,
        };
        let linear = Linear::new(&mut parameters, "out", 3, 2, runtime).unwrap();
        let x = parameters.uniform(&[4, 5], 1.0).unwrap();
        let message = linear.forward(&x).unwrap_err().to_string();
        assert!(
            message.contains("[4, 3]") && message.contains("[4, 5]"),
            "{message}"
        );
    }
}
