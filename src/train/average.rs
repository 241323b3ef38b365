//! Weight averaging.

use candle_core::Tensor;

use super::Error;

/// The element-wise weighted mean of several snapshots of the same parameters, each with its weight and
/// a list of named tensors in the same order: Σ w·x / Σ w, sums in f64.
///
/// # Errors
/// [`Error::Config`] when the snapshots differ in names or shapes, or when there is none.
pub fn average(snapshots: &[(f64, Vec<(String, Tensor)>)]) -> Result<Vec<(String, Tensor)>, Error> {
    let Some((_, first)) = snapshots.first() else {
        return Err(Error::Config("there are no weights to average".into()));
    };
    if let Some((_, other)) = snapshots
        .iter()
        .find(|(_, other)| other.len() != first.len())
    {
        return Err(Error::Config(format!(
            "weights to average are {} matrices in one network and {} in another",
            first.len(),
            other.len()
        )));
    }
    let whole: f64 = snapshots.iter().map(|(weight, _)| weight).sum();
    let mut mean = Vec::with_capacity(first.len());
    for (index, (name, tensor)) in first.iter().enumerate() {
        let mut sum = vec![0.0f64; tensor.elem_count()];
        for (weight, snapshot) in snapshots {
            let same = snapshot
                .get(index)
                .filter(|(other, values)| other == name && values.shape() == tensor.shape());
            let Some((_, values)) = same else {
                return Err(Error::Config(format!(
                    "`{name}` differs between the weights to average"
                )));
            };
            let values: Vec<f32> = values.flatten_all()?.to_vec1()?;
            for (total, value) in sum.iter_mut().zip(values) {
                *total += weight * f64::from(value);
            }
        }
        let values: Vec<f32> = sum.iter().map(|total| (total / whole) as f32).collect();
        mean.push((
            name.clone(),
            Tensor::from_vec(values, tensor.shape(), tensor.device())?,
        ));
    }
    Ok(mean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn snapshot(values: &[f32]) -> Vec<(String, Tensor)> {
        let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu).unwrap();
        vec![("w".into(), tensor)]
    }

    #[test]
    fn the_average_is_element_wise_and_weighted() {
        let mean = average(&[(1.0, snapshot(&[1.0, 2.0])), (3.0, snapshot(&[3.0, -2.0]))]);
        assert_eq!(mean.unwrap()[0].1.to_vec1::<f32>().unwrap(), [2.5, -1.0]);
    }

    #[test]
    fn snapshots_of_different_shape_are_refused_by_name() {
        let error = average(&[(1.0, snapshot(&[1.0])), (1.0, snapshot(&[1.0, 2.0]))]).unwrap_err();
        assert!(error.to_string().contains("`w`"));
    }
}
