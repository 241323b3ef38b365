//! What can go wrong in this room.

/// Errors of layers, parameters and packed batches.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lengths of a batch cannot be packed: none at all, one that is zero, or not longest first.
    #[error("cannot pack a batch: {0}")]
    Packing(String),
    /// A tensor's shape is not the one that the layer was built for.
    #[error("{what}: expected shape {expected:?}, got {found:?}")]
    Shape {
        /// Which tensor of which layer.
        what: String,
        /// The shape that the layer needs.
        expected: Vec<usize>,
        /// The shape that was passed.
        found: Vec<usize>,
    },
    /// Two parameters of one model share a name.
    #[error("parameter `{0}` exists already; give each layer its own name")]
    Duplicate(String),
    /// The file of weights lacks a parameter of the model.
    #[error("the weights hold no parameter `{0}`; are they of another architecture?")]
    Missing(String),
    /// The file of weights holds parameters that the model has no place for.
    #[error("the weights hold `{0}`, which this architecture does not have")]
    Unexpected(String),
    /// A parameter is there with another shape or type.
    #[error("parameter `{name}`: the model needs f32 {expected:?}, the weights hold {found}")]
    Mismatch {
        /// The parameter's name.
        name: String,
        /// The model's shape.
        expected: Vec<usize>,
        /// Type and shape of what was found.
        found: String,
    },
    /// The bytes are not a safetensors file.
    #[error("the weights are not a readable safetensors file: {0}")]
    Weights(#[from] safetensors::SafeTensorError),
    /// A token outside the embedding's table.
    #[error("token {token} is outside the embedding's table of {size}")]
    Token {
        /// The token.
        token: u32,
        /// Rows of the table.
        size: usize,
    },
    /// A setting that no layer can have: zero cells, a dropout of 1.
    #[error("{0}")]
    Setting(String),
    /// The machine lacks the instructions of the path that was asked for.
    #[error("this machine has no {wanted} path; it has {available}")]
    Path {
        /// The path asked for.
        wanted: super::Path,
        /// What is there, joined by commas.
        available: String,
    },
    /// The tensor library failed.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}
