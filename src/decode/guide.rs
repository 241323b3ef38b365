//! What else than the acoustic model knows which prefixes are likely: the seam between the search
//! and language models, lexicons and hot words.

/// Scores prefixes as they grow, a token at a time.
///
/// The search adds a guide's scores to the acoustic log-probability: a prefix's guide score is the
/// sum of [`score`](Guide::score) over its tokens, a hypothesis's has [`finish`](Guide::finish) on
/// top. Scores are in nats, already weighted; `-∞` forbids.
pub trait Guide {
    /// What the guide remembers of a prefix.
    type State: Clone;

    /// The state of the empty prefix.
    fn start(&self) -> Self::State;

    /// What extending a prefix with a token adds. Called for every candidate of every frame: cheap,
    /// from what `advance` prepared.
    fn score(&self, state: &Self::State, token: u32) -> f32;

    /// The state of the extended prefix. Called once for each prefix that enters the beam.
    fn advance(&self, state: &Self::State, token: u32) -> Self::State;

    /// What ending the utterance here adds.
    fn finish(&self, state: &Self::State) -> f32;
}

/// No guide: the acoustic model alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unguided;

impl Guide for Unguided {
    type State = ();

    fn start(&self) {}

    fn score(&self, (): &(), _token: u32) -> f32 {
        0.0
    }

    fn advance(&self, (): &(), _token: u32) {}

    fn finish(&self, (): &()) -> f32 {
        0.0
    }
}
