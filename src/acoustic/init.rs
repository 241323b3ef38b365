//! Starting from a trained model.

use candle_core::Tensor;
use ndarray::Array2;

use super::{AcousticModel, Error};
use crate::nn::with_values;
use crate::text::Tokens;

/// The weights and inventories of the model to start from.
pub struct Initial<'a> {
    /// Weights by parameter name.
    pub tensors: &'a [(String, Tensor)],
    /// The inventory of each output.
    pub tokens: Vec<&'a Tokens>,
}

/// Sets the weights of `model` from a trained one: layers are matched by name and shape, the rows
/// of an output by the symbols of its tokens. Returns a line for everything that does not match and
/// keeps its random start.
///
/// # Errors
/// [`Error::Weights`] when nothing at all matches: then it is another kind of model.
pub fn initialise_from(model: &AcousticModel, initial: &Initial) -> Result<Vec<String>, Error> {
    let mut mismatches = Vec::new();
    let mut matched = 0;
    let find = |name: &str| initial.tensors.iter().find(|(other, _)| other == name);
    for (index, (name, value, _)) in model.parameters().iter().enumerate() {
        let Some((_, given)) = find(name) else {
            mismatches.push(format!("`{name}` is not in the model to start from"));
            continue;
        };
        let output = name
            .strip_prefix("output.")
            .and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
        match output {
            None if given.shape() == value.shape() => {
                model.parameters().set(index, given)?;
                matched += 1;
            }
            None => mismatches.push(format!(
                "`{name}` is {:?} here and {:?} in the model to start from",
                value.shape(),
                given.shape()
            )),
            Some(output) => {
                let wanted = &model.outputs()[output].tokens;
                let Some(there) = initial.tokens.get(output) else {
                    mismatches.push(format!(
                        "`{name}` has no inventory in the model to start from"
                    ));
                    continue;
                };
                let missing = copy_rows(model, index, given, wanted, there)?;
                if missing.is_empty() {
                    matched += 1;
                } else {
                    mismatches.push(format!("`{name}`: {}", missing.join(", ")));
                }
            }
        }
    }
    if matched == 0 {
        return Err(Error::Weights(mismatches.join("; ")));
    }
    Ok(mismatches)
}

/// Copies the rows (of `w` `[V, D]` or of `b` `[V]`) whose symbols both inventories have; returns
/// what could not be copied.
fn copy_rows(
    model: &AcousticModel,
    index: usize,
    given: &Tensor,
    wanted: &Tokens,
    there: &Tokens,
) -> Result<Vec<String>, Error> {
    let rows = |tensor: &Tensor| -> Result<Array2<f32>, Error> {
        let first = tensor.dims().first().copied().unwrap_or(0);
        let values = with_values(tensor, <[f32]>::to_vec)?;
        let width = values.len().checked_div(first).unwrap_or(0);
        Array2::from_shape_vec((first, width), values)
            .map_err(|error| Error::Weights(error.to_string()))
    };
    let given = rows(given)?;
    if given.nrows() != there.len() {
        return Ok(vec![format!(
            "{} rows for {} tokens in the model to start from",
            given.nrows(),
            there.len()
        )]);
    }
    let mut missing = Vec::new();
    let mut sources = Vec::new();
    for symbol in wanted.symbols() {
        let source = there.symbols().iter().position(|other| other == symbol);
        if source.is_none() {
            missing.push(format!("token `{symbol}` is new"));
        }
        sources.push(source);
    }
    let width = given.ncols();
    let fits = model.parameters().update(index, |weights| {
        if weights.len() != wanted.len() * width {
            return false;
        }
        for (row, source) in weights.chunks_exact_mut(width).zip(&sources) {
            if let Some(source) = source {
                for (weight, value) in row.iter_mut().zip(given.row(*source)) {
                    *weight = *value;
                }
            }
        }
        true
    })?;
    if !fits {
        missing.push(format!(
            "{width} inputs in the model to start from, another number here"
        ));
    }
    Ok(missing)
}
