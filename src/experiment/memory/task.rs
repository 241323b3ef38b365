//! Delayed recall: a symbol, noise, and the question what the symbol was.

use std::sync::Arc;

use candle_core::{D, Device, Tensor, Var};
use rand::RngExt as _;

use super::study::Study;
use crate::nn::{
    Cell, Embedding, Linear, Mode, Packing, Parameters, Recurrent, RecurrentConfig, Runtime,
    with_values,
};
use crate::train::{Error, Evaluation, Loss, Rng, Task, stream};

/// Numbers of the embedding of a token.
const EMBEDDING: usize = 16;

/// Half the width of the interval that an embedding's weights are drawn from.
const EMBEDDING_BOUND: f32 = 1.0;

/// Sequences of the held-out set, and of the set that gradients are measured on.
const HELD_OUT: usize = 512;

/// One cell on delayed recall over one distance: `[s, n, n, …, n, ?] → s`, where the symbol `s` is
/// one of `symbols`, `distance − 1` tokens of as many kinds of noise follow, and the question comes
/// `distance` steps behind the symbol.
pub struct Recall {
    parameters: Parameters,
    embedding: Embedding,
    recurrent: Recurrent,
    output: Linear,
    study: Study,
    distance: usize,
}

/// Sequences of equal length, time-major as batches are packed: `inputs` `[T·B]`, `targets` `[B]`.
pub struct Sequences {
    inputs: Vec<u32>,
    targets: Vec<u32>,
    packing: Arc<Packing>,
}

impl Recall {
    /// A network whose weights are drawn from the study's seed: embedding, one layer, softmax.
    pub fn new(
        study: &Study,
        cell: Cell,
        distance: usize,
        runtime: Runtime,
    ) -> Result<Self, Error> {
        let mut parameters = Parameters::new(study.seed);
        let tokens = 2 * study.symbols + 1;
        let embedding = Embedding::new(
            &mut parameters,
            "embedding",
            tokens,
            EMBEDDING,
            EMBEDDING_BOUND,
        )?;
        let config = RecurrentConfig {
            cell,
            input: EMBEDDING,
            cells: study.cells,
            layers: 1,
            bidirectional: false,
            dropout: 0.0,
            forget_bias: Some(study.forget_bias),
            recompute: false,
        };
        let recurrent = Recurrent::new(&mut parameters, "recurrent", &config, runtime)?;
        let output = Linear::new(
            &mut parameters,
            "output",
            study.cells,
            study.symbols,
            runtime,
        )?;
        Ok(Self {
            parameters,
            embedding,
            recurrent,
            output,
            study: study.clone(),
            distance,
        })
    }

    fn draw(&self, batch: usize, rng: &mut Rng) -> Result<Sequences, Error> {
        let symbols = self.study.symbols as u32;
        let targets: Vec<u32> = (0..batch).map(|_| rng.random_range(0..symbols)).collect();
        let mut inputs = targets.clone();
        inputs.extend(
            (0..(self.distance - 1) * batch).map(|_| symbols + rng.random_range(0..symbols)),
        );
        inputs.extend(vec![2 * symbols; batch]);
        Ok(Sequences {
            inputs,
            targets,
            packing: Arc::new(Packing::new(vec![self.distance + 1; batch])?),
        })
    }

    fn held_out(&self) -> Result<Sequences, Error> {
        let mut rng = stream(self.study.seed, "held-out", 0, 0);
        self.draw(HELD_OUT, &mut rng)
    }

    /// `ln p` `[B, symbols]` of the answers, from the embedded inputs.
    fn answers(
        &self,
        embedded: &Tensor,
        sequences: &Sequences,
        mode: Mode,
    ) -> Result<Tensor, Error> {
        let outputs = self
            .recurrent
            .forward(embedded, &sequences.packing, None, mode)?;
        let batch = sequences.targets.len();
        let last = outputs.top().narrow(0, self.distance * batch, batch)?;
        let logits = self.output.forward(&last)?;
        let highest = logits.max_keepdim(D::Minus1)?;
        let shifted = logits.broadcast_sub(&highest)?;
        let total = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
        Ok(shifted.broadcast_sub(&total)?)
    }

    /// The mean cross-entropy, nats an answer.
    fn cross_entropy(&self, answers: &Tensor, sequences: &Sequences) -> Result<Tensor, Error> {
        let batch = sequences.targets.len();
        let targets = Tensor::from_vec(sequences.targets.clone(), (batch, 1), &Device::Cpu)?;
        Ok((answers.gather(&targets, 1)?.mean_all()? * -1.0)?)
    }

    /// `‖∂L/∂x₀‖`, how much of the gradient at the answer comes back to the symbol, the mean over
    /// the held-out sequences, divided by the same at the question, `distance` steps later.
    pub fn gradient(&self) -> Result<f64, Error> {
        let sequences = self.held_out()?;
        let embedded = Var::from_tensor(&self.embedding.forward(&sequences.inputs)?.detach())?;
        let answers = self.answers(&embedded, &sequences, Mode::Train { seed: 0 })?;
        let gradients = self.cross_entropy(&answers, &sequences)?.backward()?;
        let Some(gradient) = gradients.get(&embedded) else {
            return Ok(0.0);
        };
        let norm = |at: usize| -> Result<f64, Error> {
            let rows = gradient.narrow(0, at * HELD_OUT, HELD_OUT)?.contiguous()?;
            Ok(with_values(&rows, |values| {
                let norms = values.chunks(EMBEDDING).map(|row| {
                    let squares: f64 = row.iter().map(|v| f64::from(*v).powi(2)).sum();
                    squares.sqrt()
                });
                norms.sum::<f64>() / HELD_OUT as f64
            })?)
        };
        Ok(norm(0)? / norm(self.distance)?)
    }
}

impl Task for Recall {
    type Plan = usize;
    type Batch = Sequences;

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn plan(&self, _: usize, _: &mut Rng) -> Vec<usize> {
        (0..self.study.steps).collect()
    }

    fn load(&self, _: usize, _: &usize, rng: &mut Rng) -> Result<Sequences, Error> {
        self.draw(self.study.batch, rng)
    }

    fn loss(&self, batch: &Sequences, rng: &mut Rng) -> Result<Loss, Error> {
        let embedded = self.embedding.forward(&batch.inputs)?;
        let mode = Mode::Train { seed: rng.random() };
        let answers = self.answers(&embedded, batch, mode)?;
        let objective = self.cross_entropy(&answers, batch)?;
        let weight = batch.targets.len() as f64;
        Ok(Loss {
            sum: f64::from(objective.to_scalar::<f32>()?) * weight,
            objective,
            weight,
            frames: batch.inputs.len(),
            left_out: Vec::new(),
        })
    }

    fn diagnose(&self, _: &Sequences) -> String {
        format!("delayed recall over {} steps", self.distance)
    }

    fn evaluate(&self) -> Result<Evaluation, Error> {
        let sequences = self.held_out()?;
        let embedded = self.embedding.forward(&sequences.inputs)?;
        let answers = self.answers(&embedded, &sequences, Mode::Infer)?;
        let loss = self.cross_entropy(&answers, &sequences)?;
        let found: Vec<u32> = answers.argmax(D::Minus1)?.to_vec1()?;
        let wrong = found
            .iter()
            .zip(&sequences.targets)
            .filter(|(found, target)| found != target)
            .count();
        let error = wrong as f64 / sequences.targets.len() as f64;
        Ok(Evaluation {
            loss: loss.to_scalar::<f32>()?.into(),
            selection: error,
            figures: vec![("error".into(), error)],
            sample: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Precision;

    fn study() -> Study {
        toml::from_str("study = \"long-memory\"\nname = \"m\"\ncells = 8\nsymbols = 3\n").unwrap()
    }

    #[test]
    fn the_answer_is_the_symbol_that_came_first() {
        let recall = Recall::new(&study(), Cell::Lstm, 4, Runtime::new(Precision::F32)).unwrap();
        let drawn = recall.draw(5, &mut stream(1, "test", 0, 0)).unwrap();
        assert_eq!(drawn.inputs.len(), 5 * 5);
        assert_eq!(drawn.inputs[..5], drawn.targets[..]);
        assert!(drawn.targets.iter().all(|target| *target < 3));
        assert!(
            drawn.inputs[5..20]
                .iter()
                .all(|noise| (3..6).contains(noise))
        );
        assert!(drawn.inputs[20..].iter().all(|question| *question == 6));
    }

    #[test]
    fn the_gradient_of_a_squashing_cell_vanishes_with_the_distance() {
        let gradient = |cell, distance| {
            let recall =
                Recall::new(&study(), cell, distance, Runtime::new(Precision::F32)).unwrap();
            recall.gradient().unwrap()
        };
        let sigmoid = [
            gradient(Cell::RnnSigmoid, 2),
            gradient(Cell::RnnSigmoid, 20),
        ];
        assert!(
            sigmoid[0] > 0.0 && sigmoid[1] < 1e-3 * sigmoid[0],
            "{sigmoid:?}"
        );
        assert!(gradient(Cell::Lstm, 20) > 100.0 * sigmoid[1]);
    }
}
