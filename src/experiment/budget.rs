//! What a training step needs, and how it is made to need less.

use super::{Error, Experiment};
use crate::features::Recipe;

impl Experiment {
    /// Bytes that the recurrent layers of a training step need, with or without
    /// `model.recompute`. See [`crate::nn::Memory`].
    ///
    /// # Errors
    /// An unknown recipe.
    pub fn step_memory(&self, recompute: bool) -> Result<usize, Error> {
        self.memory_of(self.train.batch_frames, recompute)
    }

    fn memory_of(&self, frames: usize, recompute: bool) -> Result<usize, Error> {
        let dim = Recipe::named(&self.features.recipe)?.dim();
        let mut layers = self.model.recurrent(dim);
        layers.recompute = recompute;
        Ok(layers.memory(frames).total())
    }

    /// Sets `model.recompute` to what needs less, where a step would need more than `bytes` as it is. The
    /// weights come out the same either way.
    ///
    /// # Errors
    /// An unknown recipe; [`Error::Data`] with the batch that would fit, if this one does not even so.
    pub fn fit_into(&mut self, bytes: usize) -> Result<(), Error> {
        if self.train.epochs == 0 || self.step_memory(self.model.recompute)? <= bytes {
            return Ok(());
        }
        // A single layer keeps nothing that it would not compute again at once.
        let recompute = self.step_memory(true)? < self.step_memory(false)?;
        let least = self.step_memory(recompute)?;
        if least <= bytes {
            self.model.recompute = recompute;
            return Ok(());
        }
        let fixed = self.memory_of(0, recompute)?;
        let each = (least - fixed).div_ceil(self.train.batch_frames.max(1));
        let advice = match bytes.saturating_sub(fixed) / each.max(1) {
            0 => "make the model smaller".to_string(),
            fits => format!("set `train.batch-frames` to {fits} at most"),
        };
        Err(Error::Data(format!(
            "{}: a training step needs {} MiB with `model.recompute = {recompute}`, and may take {} MiB: {advice}",
            self.name,
            least.div_ceil(1 << 20),
            bytes >> 20
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_computes_again_what_does_not_fit() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/experiments/librispeech-mini.toml"
        );
        let with = |settings: &[String]| Experiment::read(file.as_ref(), settings).unwrap();
        let read = || with(&[]);
        let (whole, least) = (
            read().step_memory(false).unwrap(),
            read().step_memory(true).unwrap(),
        );
        assert!(least < whole);
        for (bytes, recompute) in [(whole, false), (whole - 1, true), (least, true)] {
            let mut experiment = read();
            experiment.fit_into(bytes).unwrap();
            assert_eq!(experiment.model.recompute, recompute);
        }
        let message = read().fit_into(least - 1).unwrap_err().to_string();
        let frames = message.split("batch-frames` to ").nth(1).unwrap();
        let mut smaller = read();
        smaller.train.batch_frames = frames.split(' ').next().unwrap().parse().unwrap();
        smaller.fit_into(least - 1).unwrap();
        assert!(
            read()
                .fit_into(1 << 20)
                .unwrap_err()
                .to_string()
                .ends_with("make the model smaller")
        );
        let mut single = with(&["model.layers=1".into(), "model.recompute=true".into()]);
        let whole = single.step_memory(false).unwrap();
        single.fit_into(whole).unwrap();
        assert!(!single.model.recompute);
    }
}
