//! The trainable variables of a model, by name and in a stable order.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Mutex;

use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Tensor, Var};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use safetensors::{Dtype, SafeTensors};

use super::spare::Spare;
use super::{Error, Version, tensor::with_values};

struct Parameter {
    name: String,
    var: Var,
    decay: bool,
}

/// The variables of one model: f32, in the order in which its layers added them.
///
/// They are changed only through [`Parameters::update`] and [`Parameters::load`], which count
/// their changes.
pub struct Parameters {
    entries: Vec<Parameter>,
    generator: Pcg64,
    version: Version,
    spare: Spare,
}

impl Parameters {
    /// An empty set whose initial values will be drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            entries: Vec::new(),
            generator: Pcg64::seed_from_u64(seed),
            version: Version::default(),
            spare: Spare::default(),
        }
    }

    /// Adds a variable with its initial value. `decay` says whether weight decay
    /// concerns it: weights yes, biases no.
    ///
    /// Fails when the name is taken or the tensor is not f32 in main memory.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        value: &Tensor,
        decay: bool,
    ) -> Result<Tensor, Error> {
        let name = name.into();
        if self.get(&name).is_some() {
            return Err(Error::Duplicate(name));
        }
        with_values(value, |_| ())?;
        let var = Var::from_tensor(&value.copy()?)?;
        let tensor = var.as_tensor().clone();
        self.entries.push(Parameter { name, var, decay });
        Ok(tensor)
    }

    /// Draws a tensor uniformly from `±bound`, the next draw of the seed's sequence.
    pub fn uniform(&mut self, shape: &[usize], bound: f32) -> Result<Tensor, Error> {
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| bound * (2.0 * self.generator.random::<f32>() - 1.0))
            .collect();
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    }

    /// How many variables there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many numbers they hold together: the size of the model.
    pub fn count(&self) -> usize {
        self.entries.iter().map(|p| p.var.elem_count()).sum()
    }

    /// Name, value and whether weight decay concerns it, in order. The value is what
    /// `GradStore::get` takes.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor, bool)> {
        self.entries
            .iter()
            .map(|p| (p.name.as_str(), p.var.as_tensor(), p.decay))
    }

    /// The variable of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.entries
            .iter()
            .find(|p| p.name == name)
            .map(|p| p.var.as_tensor())
    }

    /// The count of changes, to be held by whatever caches something derived from the weights.
    pub fn version(&self) -> Version {
        self.version.clone()
    }

    /// The working memory that the layers share.
    pub(super) fn spare(&self) -> Spare {
        self.spare.clone()
    }

    /// Changes the `index`-th variable in place: `change` gets its elements in row-major order.
    ///
    /// Graphs that were built before hold the changed values: do it between a backward pass and
    /// the next forward pass.
    pub fn update<R>(
        &self,
        index: usize,
        change: impl FnOnce(&mut [f32]) -> R,
    ) -> Result<R, Error> {
        let Some(parameter) = self.entries.get(index) else {
            return Err(Error::Setting(format!(
                "there is no parameter {index}: the model has {}",
                self.len()
            )));
        };
        let op = InPlace {
            change: Mutex::new(Some(change)),
            result: Mutex::new(None),
        };
        parameter.var.inplace_op1(&op)?;
        self.version.bump();
        let result = op.result.into_inner().unwrap_or_else(|e| e.into_inner());
        result.ok_or_else(|| Error::Setting("a parameter could not be changed in place".into()))
    }

    /// Sets the `index`-th variable to the values of an f32 tensor.
    ///
    /// Fails, before anything is changed, when the shapes differ.
    pub fn set(&self, index: usize, value: &Tensor) -> Result<(), Error> {
        if let Some(parameter) = self.entries.get(index)
            && parameter.var.dims() != value.dims()
        {
            return Err(Error::Shape {
                what: format!("`{}`", parameter.name),
                expected: parameter.var.dims().to_vec(),
                found: value.dims().to_vec(),
            });
        }
        with_values(value, |values| {
            self.update(index, |target| target.copy_from_slice(values))
        })?
    }

    /// The variables as the bytes of a safetensors file, with `metadata` in its header.
    pub fn to_safetensors(&self, metadata: HashMap<String, String>) -> Result<Vec<u8>, Error> {
        let views = self
            .entries
            .iter()
            .map(|p| {
                with_values(&p.var, |values| {
                    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                    let shape = p.var.dims().to_vec();
                    (p.name.as_str(), Bytes { shape, bytes })
                })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let metadata = (!metadata.is_empty()).then_some(metadata);
        Ok(safetensors::serialize(views, metadata)?)
    }

    /// Sets every variable from the bytes of a safetensors file.
    ///
    /// Fails, before anything is changed, when one is missing, unexpected, or of another shape.
    pub fn load(&self, bytes: &[u8]) -> Result<(), Error> {
        let file = SafeTensors::deserialize(bytes)?;
        if let Some(name) = file.names().into_iter().find(|n| self.get(n).is_none()) {
            return Err(Error::Unexpected(name.to_string()));
        }
        let values = self
            .entries
            .iter()
            .map(|p| match file.tensor(&p.name) {
                Ok(view) => read(&p.name, p.var.dims(), &view),
                Err(_) => Err(Error::Missing(p.name.clone())),
            })
            .collect::<Result<Vec<_>, Error>>()?;
        for (index, values) in values.iter().enumerate() {
            self.update(index, |target| target.copy_from_slice(values))?;
        }
        Ok(())
    }

    /// Sets the variables that a safetensors file holds under the same name and with the same
    /// shape, and tells why each other one, of either side, was left: a line each.
    ///
    /// Fails, before anything is changed, when the bytes are not a safetensors file.
    pub fn load_matching(&self, bytes: &[u8]) -> Result<Vec<String>, Error> {
        let file = SafeTensors::deserialize(bytes)?;
        let mut left = Vec::new();
        for (index, p) in self.entries.iter().enumerate() {
            let values = match file.tensor(&p.name) {
                Ok(view) => read(&p.name, p.var.dims(), &view),
                Err(_) => Err(Error::Missing(p.name.clone())),
            };
            match values {
                Ok(values) => self.update(index, |target| target.copy_from_slice(&values))?,
                Err(error) => left.push(error.to_string()),
            }
        }
        let names = file.names();
        let unknown = names.into_iter().filter(|name| self.get(name).is_none());
        left.extend(unknown.map(|name| Error::Unexpected(name.to_string()).to_string()));
        Ok(left)
    }
}

/// Reads one f32 tensor of a safetensors file, checking type and shape.
fn read(
    name: &str,
    shape: &[usize],
    view: &safetensors::tensor::TensorView<'_>,
) -> Result<Vec<f32>, Error> {
    if view.dtype() != Dtype::F32 || view.shape() != shape {
        return Err(Error::Mismatch {
            name: name.into(),
            expected: shape.to_vec(),
            found: format!("{:?} {:?}", view.dtype(), view.shape()),
        });
    }
    let (numbers, _) = view.data().as_chunks::<4>();
    Ok(numbers.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

/// One tensor's little-endian bytes, as safetensors wants to see it.
struct Bytes {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl safetensors::View for Bytes {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Runs a closure on a variable's own storage.
struct InPlace<F, R> {
    change: Mutex<Option<F>>,
    result: Mutex<Option<R>>,
}

impl<R, F: FnOnce(&mut [f32]) -> R> InplaceOp1 for InPlace<F, R> {
    fn name(&self) -> &'static str {
        "update"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
        else {
            candle_core::bail!("a parameter must be contiguous and {:?}", DType::F32)
        };
        let change = self.change.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(change) = change {
            let result = change(&mut values[start..end]);
            *self.result.lock().unwrap_or_else(|e| e.into_inner()) = Some(result);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(seed: u64) -> Parameters {
        let mut parameters = Parameters::new(seed);
        let w = parameters.uniform(&[2, 3], 0.5).unwrap();
        parameters.add("w", &w, true).unwrap();
        let b = parameters.uniform(&[3], 0.5).unwrap();
        parameters.add("b", &b, false).unwrap();
        parameters
    }

    fn values(parameters: &Parameters, name: &str) -> Vec<f32> {
        with_values(parameters.get(name).unwrap(), <[f32]>::to_vec).unwrap()
    }

    #[test]
    fn the_seed_alone_decides_the_initial_values() {
        assert_eq!(values(&two(7), "w"), values(&two(7), "w"));
        assert_ne!(values(&two(7), "w"), values(&two(8), "w"));
        assert!(values(&two(7), "w").iter().all(|v| v.abs() <= 0.5));
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let saved = two(1).to_safetensors(HashMap::new()).unwrap();
        let other = two(2);
        other.load(&saved).unwrap();
        assert_eq!(values(&other, "w"), values(&two(1), "w"));
        assert_eq!(values(&other, "b"), values(&two(1), "b"));
        assert_eq!(other.count(), 9);
    }

    #[test]
    fn an_update_is_counted_and_seen_through_every_clone() {
        let parameters = two(1);
        let version = parameters.version();
        let held = parameters.get("b").unwrap().clone();
        let before = version.get();
        let sum = parameters
            .update(1, |b| {
                b.fill(2.0);
                b.iter().sum::<f32>()
            })
            .unwrap();
        assert_eq!(sum, 6.0);
        assert_eq!(held.to_vec1::<f32>().unwrap(), [2.0; 3]);
        assert_eq!(version.get(), before + 1);
    }

    #[test]
    fn weights_of_another_architecture_are_refused_whole() {
        let parameters = two(1);
        let before = values(&parameters, "w");
        let mut other = Parameters::new(3);
        let w = other.uniform(&[2, 3], 1.0).unwrap();
        other.add("w", &w, true).unwrap();
        let saved = other.to_safetensors(HashMap::new()).unwrap();
        assert!(matches!(parameters.load(&saved), Err(Error::Missing(name)) if name == "b"));
        let b = other.uniform(&[4], 1.0).unwrap();
        other.add("b", &b, false).unwrap();
        let saved = other.to_safetensors(HashMap::new()).unwrap();
        let message = parameters.load(&saved).unwrap_err().to_string();
        assert!(
            message.contains("`b`") && message.contains("[4]"),
            "{message}"
        );
        let saved = two(1).to_safetensors(HashMap::new()).unwrap();
        assert!(matches!(other.load(&saved[..20]), Err(Error::Weights(_))));
        assert_eq!(values(&parameters, "w"), before);
    }

    #[test]
    fn what_matches_is_loaded_and_the_rest_is_named() {
        let mut other = Parameters::new(3);
        for (name, shape) in [("w", &[2, 3][..]), ("b", &[4]), ("extra", &[1])] {
            let value = other.uniform(shape, 1.0).unwrap();
            other.add(name, &value, true).unwrap();
        }
        let parameters = two(1);
        let saved = other.to_safetensors(HashMap::new()).unwrap();
        let left = parameters.load_matching(&saved).unwrap();
        assert_eq!(values(&parameters, "w"), values(&other, "w"));
        assert_eq!(values(&parameters, "b"), values(&two(1), "b"));
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(
            left[0].contains("`b`") && left[1].contains("`extra`"),
            "{left:?}"
        );
    }

    #[test]
    fn a_name_is_given_once() {
        let mut parameters = two(1);
        let again = parameters.uniform(&[1], 1.0).unwrap();
        assert!(matches!(
            parameters.add("w", &again, true),
            Err(Error::Duplicate(_))
        ));
    }
}
