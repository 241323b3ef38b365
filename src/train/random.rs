//! Random streams that are a function of the seed and the position.

use rand_pcg::Pcg64;
use sha2::{Digest, Sha256};

/// The generator used everywhere that chance enters.
pub type Rng = Pcg64;

/// The stream of random numbers for one purpose at one position.
///
/// A stream depends on `seed`, the `purpose` (a fixed name such as `"batches"`) and two counters
/// (epoch and batch, say) and on nothing that was drawn before: a resumed run, and a reader thread
/// that runs ahead, draw the same numbers as a run that was never interrupted.
pub fn stream(seed: u64, purpose: &str, major: u64, minor: u64) -> Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(major.to_le_bytes());
    hash.update(minor.to_le_bytes());
    hash.update(purpose.as_bytes());
    let digest = hash.finalize();
    let half = |range: std::ops::Range<usize>| {
        digest[range]
            .iter()
            .fold(0u128, |sum, &byte| (sum << 8) | u128::from(byte))
    };
    Pcg64::new(half(0..16), half(16..32))
}

#[cfg(test)]
mod tests {
    use super::stream;
    use rand::Rng as _;

    #[test]
    fn a_stream_repeats_and_differs_from_its_neighbours() {
        let draw = |seed, purpose, major, minor| {
            let mut rng = stream(seed, purpose, major, minor);
            (rng.next_u64(), rng.next_u64())
        };
        let first = draw(1, "batches", 2, 3);
        assert_eq!(first, draw(1, "batches", 2, 3));
        assert_ne!(first, draw(2, "batches", 2, 3));
        assert_ne!(first, draw(1, "masks", 2, 3));
        assert_ne!(first, draw(1, "batches", 3, 2));
        assert_ne!(first, draw(1, "batches", 2, 4));
    }
}
