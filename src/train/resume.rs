//! What a run takes over from a checkpoint, and the weights as named tensors.

use std::path::Path;

use candle_core::Tensor;

use super::epoch::Plan;
use super::{Error, State, global_norm};
use crate::nn::Parameters;

/// Whether a checkpoint is of this run and of a path that may continue it.
pub(super) fn accept(state: &State, plan: &Plan, file: &Path) -> Result<State, Error> {
    let refuse = |why: String| {
        Err(Error::Checkpoint {
            path: file.to_owned(),
            why,
        })
    };
    if state.identity != plan.identity || state.seed != plan.seed {
        return refuse(
            "it belongs to a run with another configuration, seed or data; choose another --out or move it away"
                .into(),
        );
    }
    let mut state = state.clone();
    if state.path != plan.path {
        if !plan.allow_other_path {
            return refuse(format!(
                "it was computed on the instruction path `{}` and this machine would go on with `{}`; pass --allow-other-path to go on all the same (the run is then marked)",
                state.path, plan.path
            ));
        }
        state.path = plan.path.to_owned();
        state.mixed_paths = true;
    }
    Ok(state)
}

/// The parameters as named tensors; they share memory with the model's.
pub(super) fn weights(parameters: &Parameters) -> Vec<(String, Tensor)> {
    parameters
        .iter()
        .map(|(name, value, _)| (name.to_owned(), value.clone()))
        .collect()
}

pub(super) fn set(
    parameters: &Parameters,
    file: &Path,
    values: &[(String, Tensor)],
) -> Result<(), Error> {
    load(parameters, file, |name| {
        values
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, tensor)| tensor.clone())
    })
}

pub(super) fn load(
    parameters: &Parameters,
    file: &Path,
    find: impl Fn(&str) -> Option<Tensor>,
) -> Result<(), Error> {
    let refuse = |why: String| Error::Checkpoint {
        path: file.to_owned(),
        why,
    };
    for (index, (name, value, _)) in parameters.iter().enumerate() {
        let tensor = find(name).ok_or_else(|| refuse(format!("it lacks `{name}`")))?;
        if tensor.shape() != value.shape() {
            return Err(refuse(format!(
                "`{name}` is {:?} there and {:?} in the model",
                tensor.shape(),
                value.shape()
            )));
        }
        parameters.set(index, &tensor)?;
    }
    Ok(())
}

pub(super) fn bad_gradient(
    parameters: &Parameters,
    gradients: &[Option<Tensor>],
) -> Result<String, Error> {
    for ((name, ..), gradient) in parameters.iter().zip(gradients) {
        let alone = std::slice::from_ref(gradient);
        if !global_norm(alone)?.is_finite() {
            return Ok(format!("the gradient of `{name}` is not finite"));
        }
    }
    Ok("the norm of all gradients together is not finite".into())
}
