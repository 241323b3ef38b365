//! Why the LSTM is there: how far back a cell can learn to look (Hochreiter & Schmidhuber 1997,
//! section 5; Bengio, Simard & Frasconi 1994 for the gradient).
//!
//! A study is an experiment file that says `study = "long-memory"`. Every cell is trained on delayed
//! recall over every distance; accuracy and gradient are drawn against the distance.

mod page;
mod study;
mod task;

pub use study::{Point, Study, StudyResults, run_study};
