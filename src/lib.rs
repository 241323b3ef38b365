//! hearken: a speech-recognition research pipeline.
//!
//! ```text
//! WAV ──audio──▶ waveform ──features──▶ filterbanks ──(HDF5 store)──▶ batches
//!                                                                       │
//! words ◀──decode── n-best ◀──ctc── log-probs ◀──acoustic── deep bidirectional LSTM
//!   │         ▲
//! score       └──lm── n-gram in the search, RNN language model over the n-best
//! ```
//!
//! Each module is one room with one purpose. Imports point one way, in the order in which the
//! rooms stand below: a room uses only rooms above its own line.
//!
//! Dimensions are written the same way everywhere:
//!
//! | letter | what |
//! |---|---|
//! | `T` | frames of one utterance |
//! | `B` | utterances of a batch |
//! | `N` | frames of a whole batch without padding, `N = Σ T` |
//! | `D` | feature dimension |
//! | `H` | cells per direction |
//! | `V` | tokens; token 0 is the blank |
//! | `U` | target length |

pub mod audio;
pub mod text;

pub mod score;

pub mod corpus;

pub mod features;

pub mod nn;

pub mod ctc;

pub mod train;

pub mod acoustic;

pub mod lm;

pub mod pronounce;

pub mod decode;

pub mod recognise;

pub mod experiment;

pub mod cli;
