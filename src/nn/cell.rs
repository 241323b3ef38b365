//! The kinds of recurrent cell.

use serde::{Deserialize, Serialize};

/// The recurrent cell of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Cell {
    /// Long short-term memory without peepholes.
    #[default]
    Lstm,
    /// `s_t = σ(U x_t + W s_{t-1} + b)`, the unit of Mikolov et al. 2010.
    RnnSigmoid,
    /// `s_t = tanh(U x_t + W s_{t-1} + b)`.
    RnnTanh,
    /// `s_t = max(0, U x_t + W s_{t-1} + b)`.
    RnnRelu,
}

impl Cell {
    /// `G`, how many pre-activations a cell has: 4 for the LSTM (i, f, g, o), 1 for the others.
    pub fn gates(self) -> usize {
        match self {
            Cell::Lstm => 4,
            Cell::RnnSigmoid | Cell::RnnTanh | Cell::RnnRelu => 1,
        }
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Cell::Lstm => "lstm",
            Cell::RnnSigmoid => "rnn-sigmoid",
            Cell::RnnTanh => "rnn-tanh",
            Cell::RnnRelu => "rnn-relu",
        })
    }
}
