//! The seam between tensors and slices: everything in this room computes on `&[f32]`.

use candle_core::{CpuStorage, Layout, Storage, Tensor};

use super::Error;

/// Calls `f` with the elements of an f32 tensor in row-major order, without copying when it
/// already stands so.
///
/// Fails when the tensor is of another type or on another device.
pub fn with_values<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R, Error> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    Ok(f(stored(&storage, layout)?))
}

/// The elements of a contiguous f32 tensor whose storage the caller holds.
pub(super) fn stored<'a>(storage: &'a Storage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    match storage {
        Storage::Cpu(storage) => slice(storage, layout),
        _ => candle_core::bail!("the tensor is not in main memory"),
    }
}

/// The elements of a contiguous f32 storage, as a custom op receives it.
pub(super) fn slice<'a>(
    storage: &'a CpuStorage,
    layout: &Layout,
) -> candle_core::Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("the tensor is not contiguous"),
    }
}
