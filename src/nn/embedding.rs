//! Rows of a table, one a token.

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Shape, Tensor};

use super::tensor::{slice, stored};
use super::{Error, Parameters};

/// A vector for each token. Parameter: `NAME.w` `[V, D]`.
pub struct Embedding {
    table: Tensor,
}

impl Embedding {
    /// Adds the table, drawn uniformly from ±`bound`.
    ///
    /// Fails when the name is taken or a dimension is zero.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        tokens: usize,
        dim: usize,
        bound: f32,
    ) -> Result<Self, Error> {
        if tokens == 0 || dim == 0 {
            return Err(Error::Setting(format!(
                "embedding `{name}` has {tokens} tokens of {dim} dimensions; both must be at least 1"
            )));
        }
        let table = parameters.uniform(&[tokens, dim], bound)?;
        Ok(Self {
            table: parameters.add(format!("{name}.w"), &table, true)?,
        })
    }

    /// The rows of `tokens`: `[N, D]`.
    ///
    /// Fails when a token is outside the table.
    pub fn forward(&self, tokens: &[u32]) -> Result<Tensor, Error> {
        let size = self.table.dim(0)?;
        if let Some(&token) = tokens.iter().find(|&&token| token as usize >= size) {
            return Err(Error::Token { token, size });
        }
        let rows = tokens.iter().map(|&token| token as usize).collect();
        Ok(self.table.apply_op1(Rows(rows))?)
    }
}

/// Picks rows; its gradient adds to them, in the tokens' order.
struct Rows(Vec<usize>);

impl CustomOp1 for Rows {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn cpu_fwd(
        &self,
        table: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (_, dim) = layout.shape().dims2()?;
        let table = slice(table, layout)?;
        let mut output = Vec::with_capacity(self.0.len() * dim);
        for row in &self.0 {
            output.extend_from_slice(&table[row * dim..(row + 1) * dim]);
        }
        Ok((CpuStorage::F32(output), (self.0.len(), dim).into()))
    }

    fn bwd(
        &self,
        table: &Tensor,
        _: &Tensor,
        d_output: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let (tokens, dim) = table.dims2()?;
        let d_output = d_output.contiguous()?;
        let (storage, layout) = d_output.storage_and_layout();
        let d_output = stored(&storage, layout)?;
        let mut d_table = vec![0.0; tokens * dim];
        for (row, d) in self.0.iter().zip(d_output.chunks_exact(dim)) {
            for (sum, d) in d_table[row * dim..(row + 1) * dim].iter_mut().zip(d) {
                *sum += d;
            }
        }
        Ok(Some(Tensor::from_vec(
            d_table,
            (tokens, dim),
            &Device::Cpu,
        )?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_occurs_twice_gets_both_gradients() {
        let mut parameters = Parameters::new(1);
        let embedding = Embedding::new(&mut parameters, "tokens", 4, 2, 0.1).unwrap();
        let y = embedding.forward(&[3, 1, 3]).unwrap();
        let table = embedding.table.to_vec2::<f32>().unwrap();
        assert_eq!(
            y.to_vec2::<f32>().unwrap(),
            [&table[3][..], &table[1], &table[3]]
        );
        let weigh = Tensor::new(&[[1f32, 2.0], [3.0, 4.0], [5.0, 6.0]], &Device::Cpu).unwrap();
        let gradients = (y * weigh).unwrap().sum_all().unwrap().backward().unwrap();
        assert_eq!(
            gradients
                .get(&embedding.table)
                .unwrap()
                .to_vec2::<f32>()
                .unwrap(),
            [[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [6.0, 8.0]]
        );
    }

    #[test]
    fn a_token_outside_the_table_is_named() {
        let mut parameters = Parameters::new(1);
        let embedding = Embedding::new(&mut parameters, "tokens", 4, 2, 0.1).unwrap();
        assert!(matches!(
            embedding.forward(&[0, 4]),
            Err(Error::Token { token: 4, size: 4 })
        ));
    }
}
