//! What a training step needs, told before it runs.

use super::{Cell, RecurrentConfig};

const F32: usize = size_of::<f32>();

/// Bytes that a training step of a recurrent stack needs, the optimiser's moments and the layers
/// above not counted. An upper estimate: 427 MiB for three bidirectional layers of 320 LSTM cells
/// on 16 × 400 frames, whose whole process was seen to peak at 372 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// The weights.
    pub parameters: usize,
    /// Their gradients.
    pub gradients: usize,
    /// What the forward pass leaves for the backward pass: inputs, outputs, activations.
    pub kept: usize,
    /// What the largest layer needs besides while it runs backward.
    pub working: usize,
}

impl Memory {
    /// All of it: the peak, at the beginning of the backward pass.
    pub fn total(&self) -> usize {
        self.parameters + self.gradients + self.kept + self.working
    }
}

impl RecurrentConfig {
    /// What a training step on `frames` (`N`, without padding) needs.
    ///
    /// A budget in bytes turns into batches by asking for their sizes, and into the choice of
    /// [`RecurrentConfig::recompute`] by asking for both.
    pub fn memory(&self, frames: usize) -> Memory {
        let (mut parameters, mut largest) = (0, 0);
        let mut kept = frames * self.input;
        let mut working = 0;
        for i in 0..self.layers {
            let layer = self.layer(i);
            let (directions, output) = (layer.directions(), layer.output());
            let size = directions * layer.width() * (layer.input + self.cells + 1);
            parameters += size;
            largest = largest.max(size);
            let cells = if self.cell == Cell::Lstm { output } else { 0 };
            let activations = frames * (directions * layer.width() + cells);
            kept += frames * output;
            if i > 0 && self.dropout > 0.0 {
                kept += frames * layer.input;
            }
            // The previous h of both directions, and the gradients of output and input; the
            // tensor library adds the latter to zeros, out of place.
            let mut needs = frames * (output + output);
            if i > 0 {
                needs += 3 * frames * layer.input;
            }
            if self.recompute {
                needs += activations + frames * output;
            } else {
                kept += activations;
            }
            working = working.max(needs);
        }
        Memory {
            parameters: parameters * F32,
            gradients: parameters * F32,
            kept: kept * F32,
            // Gradients of weights, too, are added to zeros.
            working: (working + 2 * largest) * F32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Parameters, Path, Recurrent, Runtime};

    fn config(cell: Cell) -> RecurrentConfig {
        RecurrentConfig {
            cell,
            input: 120,
            cells: 32,
            layers: 3,
            bidirectional: true,
            dropout: 0.1,
            forget_bias: None,
            recompute: false,
        }
    }

    #[test]
    fn the_weights_are_counted_as_they_are() {
        for cell in [Cell::Lstm, Cell::RnnTanh] {
            let mut parameters = Parameters::new(0);
            let runtime = Runtime {
                path: Path::Portable,
            };
            Recurrent::new(&mut parameters, "recurrent", &config(cell), runtime).unwrap();
            assert_eq!(config(cell).memory(10).parameters, 4 * parameters.count());
        }
    }

    #[test]
    fn recomputing_keeps_less_and_needs_less_in_all() {
        let kept = config(Cell::Lstm).memory(1000);
        let again = RecurrentConfig {
            recompute: true,
            ..config(Cell::Lstm)
        }
        .memory(1000);
        // 3 layers of N · 2 · (4 + 1) · H numbers.
        assert_eq!(kept.kept - again.kept, 4 * 3 * 1000 * 2 * 5 * 32);
        assert!(again.total() < kept.total());
    }
}
