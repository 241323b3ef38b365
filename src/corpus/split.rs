//! A corpus without official splits, cut into parts.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::Utterance;

/// What stays together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// All utterances of a speaker: figures on one part tell about strangers.
    Speaker,
    /// Single utterances: every part has every speaker.
    Utterance,
}

/// Cuts utterances into parts whose lengths in seconds have about the given shares. Units are taken longest
/// first, each into the part that lacks most; equal ones in an order that the seed draws. Each part keeps
/// the order of the list. The same list, shares and seed give the same parts on any machine.
pub fn split(
    utterances: &[Utterance],
    shares: &[f64],
    unit: Unit,
    seed: u64,
) -> Vec<Vec<Utterance>> {
    let mut seconds: BTreeMap<&str, f64> = BTreeMap::new();
    for utterance in utterances {
        *seconds.entry(name(utterance, unit)).or_default() += utterance.duration;
    }
    let mut units: Vec<(&str, f64, [u8; 32])> = seconds
        .into_iter()
        .map(|(name, seconds)| (name, seconds, lot(name, seed)))
        .collect();
    units.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.2.cmp(&b.2)));

    let total: f64 = units.iter().map(|unit| unit.1).sum();
    let sum: f64 = shares.iter().sum();
    let mut lacking: Vec<f64> = shares.iter().map(|share| share / sum * total).collect();
    let mut part_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, seconds, _) in units {
        let most =
            (0..lacking.len()).max_by(|&a, &b| lacking[a].total_cmp(&lacking[b]).then(b.cmp(&a)));
        if let Some(part) = most {
            lacking[part] -= seconds;
            part_of.insert(name, part);
        }
    }
    let mut parts = vec![Vec::new(); shares.len()];
    for utterance in utterances {
        if let Some(&part) = part_of.get(name(utterance, unit)) {
            parts[part].push(utterance.clone());
        }
    }
    parts
}

fn name(utterance: &Utterance, unit: Unit) -> &str {
    match unit {
        Unit::Speaker => &utterance.speaker,
        Unit::Utterance => &utterance.id,
    }
}

/// What the seed draws for a unit, whatever else is in the list.
fn lot(name: &str, seed: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name.as_bytes());
    hash.finalize().into()
}
