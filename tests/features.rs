//! Features against the references that no one here wrote, and the `hearken features` command.

use std::path::Path;

use hearken::audio::Waveform;
use hearken::features::{Extractor, Recipe};
use safetensors::{Dtype, SafeTensors};

/// The references of tests/golden/features/make.py.
struct Golden {
    bytes: Vec<u8>,
}

/// One case: its name, its recipe, the reference's features, `[T, D]`.
struct Case {
    name: String,
    recipe: Recipe,
    shape: [usize; 2],
    features: Vec<f32>,
}

impl Golden {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden/features/features.safetensors");
        Self {
            bytes: std::fs::read(path).unwrap(),
        }
    }

    fn wave(&self, sample_rate: u32) -> Waveform {
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = tensors.tensor(&format!("wave/{sample_rate}")).unwrap();
        assert_eq!(tensor.dtype(), Dtype::I16);
        let (samples, _) = tensor.data().as_chunks::<2>();
        Waveform {
            samples: samples
                .iter()
                .map(|&s| f32::from(i16::from_le_bytes(s)) / 32768.0)
                .collect(),
            sample_rate,
        }
    }

    fn cases(&self) -> Vec<Case> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).unwrap();
        let recipes = header.metadata().clone().unwrap();
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        tensors
            .iter()
            .filter(|(name, _)| !name.starts_with("wave/"))
            .map(|(name, tensor)| Case {
                name: name.to_owned(),
                recipe: Recipe::parse(&recipes[name], name).unwrap(),
                shape: [tensor.shape()[0], tensor.shape()[1]],
                features: tensor
                    .data()
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .map(|&x| f32::from_le_bytes(x))
                    .collect(),
            })
            .collect()
    }
}

#[test]
fn features_are_the_references_to_a_thousandth() {
    let golden = Golden::read();
    let cases = golden.cases();
    assert_eq!(cases.len(), 45);
    let mut worst = (0.0f32, "");
    for case in &cases {
        let waveform = golden.wave(case.recipe.sample_rate());
        let features = Extractor::new(&case.recipe)
            .unwrap()
            .compute(&waveform)
            .unwrap();
        assert_eq!(
            [features.nrows(), features.ncols()],
            case.shape,
            "{}",
            case.name
        );
        assert_eq!(case.shape[1], case.recipe.dim(), "{}", case.name);
        // A bin of the plain spectrogram may hold a ten-millionth of its frame's power: there f32's
        // transform is held to a millionth of the frame's largest bin instead.
        let plain = case.name == "spectrogram";
        for (t, (got, want)) in features
            .outer_iter()
            .zip(case.features.chunks(case.shape[1]))
            .enumerate()
        {
            let peak = want.iter().copied().fold(f32::NEG_INFINITY, f32::max).exp();
            for (d, (got, want)) in got.iter().zip(want).enumerate() {
                let error = (got - want).abs();
                let negligible = plain && (got.exp() - want.exp()).abs() < 1e-6 * peak;
                assert!(
                    error < 1e-3 || negligible,
                    "{} frame {t} bin {d}: {got}, not {want}",
                    case.name
                );
                if error > worst.0 && !negligible {
                    worst = (error, &case.name);
                }
            }
        }
    }
    println!("largest difference {:e} in {}", worst.0, worst.1);
}
