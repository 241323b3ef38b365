//! Weights on disk: safetensors, in f32 or in 8 bits with one scale a row.

use candle_core::{Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::{Parameters, with_values};

/// How weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// As trained.
    F32,
    /// Matrices as signed bytes, each row with its own scale (its largest magnitude / 127) in
    /// `NAME.scale`; biases stay f32. A quarter of the size; computed in f32.
    Int8,
}

/// What follows the name of a matrix in the name of its scales.
const SCALE: &str = ".scale";

/// The parameters as a safetensors file.
///
/// # Errors
/// A tensor that cannot be read or serialised, in words.
pub fn write_weights(parameters: &Parameters, storage: Storage) -> Result<Vec<u8>, String> {
    let mut parts: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, tensor, is_matrix) in parameters.iter() {
        let shape = tensor.dims().to_vec();
        let values = with_values(tensor, <[f32]>::to_vec).map_err(|error| error.to_string())?;
        if storage == Storage::F32 || !is_matrix {
            parts.push((name.to_owned(), Dtype::F32, shape, le_bytes(&values)));
            continue;
        }
        let width = shape.last().copied().unwrap_or(1).max(1);
        let (mut bytes, mut scales) = (Vec::with_capacity(values.len()), Vec::new());
        for row in values.chunks(width) {
            let largest = row
                .iter()
                .fold(0.0f32, |largest, value| largest.max(value.abs()));
            let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
            scales.push(scale);
            bytes.extend(row.iter().map(|value| (value / scale).round() as i8 as u8));
        }
        let rows = vec![scales.len()];
        parts.push((
            format!("{name}{SCALE}"),
            Dtype::F32,
            rows,
            le_bytes(&scales),
        ));
        parts.push((name.to_owned(), Dtype::I8, shape, bytes));
    }
    let views = parts
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            TensorView::new(*dtype, shape.clone(), bytes)
                .map(|view| (name.as_str(), view))
                .map_err(|error| error.to_string())
        })
        .collect::<Result<Vec<_>, _>>()?;
    safetensors::serialize(views, None).map_err(|error| error.to_string())
}

/// The tensors of a file that [`write_weights`] wrote, all in f32.
///
/// # Errors
/// Bytes that are not such a file, in words.
pub fn read_weights(bytes: &[u8]) -> Result<Vec<(String, Tensor)>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut tensors = Vec::new();
    for (name, view) in file.tensors() {
        if name.ends_with(SCALE) {
            continue;
        }
        let values = match view.dtype() {
            Dtype::F32 => floats(view.data()),
            Dtype::I8 => {
                let scales = file
                    .tensor(&format!("{name}{SCALE}"))
                    .map_err(|_| format!("`{name}` has no scales"))?;
                let scales = floats(scales.data());
                let width = view.shape().last().copied().unwrap_or(1).max(1);
                if scales.len() * width != view.data().len() {
                    return Err(format!("`{name}` has {} scales for its rows", scales.len()));
                }
                view.data()
                    .chunks(width)
                    .zip(scales)
                    .flat_map(|(row, scale)| row.iter().map(move |&b| f32::from(b as i8) * scale))
                    .collect()
            }
            other => return Err(format!("`{name}` is of type {other:?}, not f32 or int8")),
        };
        let tensor = Tensor::from_vec(values, view.shape(), &Device::Cpu)
            .map_err(|error| error.to_string())?;
        tensors.push((name, tensor));
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(tensors)
}

fn le_bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Parameters {
        let mut parameters = Parameters::new(1);
        let matrix = Tensor::new(&[[1.0f32, -0.5, 0.25], [0.0, 0.0, 0.0]], &Device::Cpu).unwrap();
        let bias = Tensor::new(&[0.1f32, 1e-9], &Device::Cpu).unwrap();
        parameters.add("w", &matrix, true).unwrap();
        parameters.add("b", &bias, false).unwrap();
        parameters
    }

    #[test]
    fn f32_weights_read_back_as_they_were() {
        let read = read_weights(&write_weights(&parameters(), Storage::F32).unwrap()).unwrap();
        assert_eq!(read[1].1.to_vec2::<f32>().unwrap()[0], [1.0, -0.5, 0.25]);
    }

    #[test]
    fn int8_weights_read_back_within_half_a_step_and_biases_exactly() {
        let read = read_weights(&write_weights(&parameters(), Storage::Int8).unwrap()).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].1.to_vec1::<f32>().unwrap(), [0.1, 1e-9]);
        let rows = read[1].1.to_vec2::<f32>().unwrap();
        for (value, expected) in rows[0].iter().zip([1.0, -0.5, 0.25]) {
            assert!((value - expected).abs() <= 0.5 / 127.0);
        }
        assert_eq!(rows[1], [0.0, 0.0, 0.0]);
    }

    #[test]
    fn bytes_that_are_no_weights_are_refused() {
        assert!(read_weights(b"nonsense").is_err());
    }
}
