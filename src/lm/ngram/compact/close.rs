//! n-grams that the compact form needs: with an n-gram, the one without its first word.
//!
//! Models as they are estimated and mixed have them. One that was pruned elsewhere may not; what is
//! missing gets the probability that it had by backing off, so that every answer stays the same.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::super::super::Error;
use super::super::key::{Key, Packing};
use super::super::trie::{Builder, Trie};

/// The model with the end of every n-gram.
pub fn close(trie: &Trie) -> Result<Cow<'_, Trie>, Error> {
    let missing = missing(trie);
    if missing.is_empty() {
        return Ok(Cow::Borrowed(trie));
    }
    let packing = Packing::new(trie.vocabulary.len(), trie.order())?;
    let closed = if packing.width(trie.order()) <= u64::BITS {
        extended::<u64>(trie, &missing, packing)
    } else {
        extended::<u128>(trie, &missing, packing)
    };
    Ok(Cow::Owned(closed.map_err(Error::Vocabulary)?))
}

/// The words of the n-grams that are missing.
fn missing(trie: &Trie) -> BTreeSet<Vec<u32>> {
    let suffixes = trie.suffixes();
    let mut missing = BTreeSet::new();
    for (order, suffixes) in (1..).zip(&suffixes).skip(2) {
        let open = |&at: &usize| suffixes[at].order as usize + 1 < order;
        let places: Vec<usize> = (0..suffixes.len()).filter(open).collect();
        if places.is_empty() {
            continue;
        }
        let words = words(trie, order);
        for at in places {
            let first = order - suffixes[at].order as usize;
            missing.extend((1..first).map(|from| words(at)[from..].to_vec()));
        }
    }
    missing
}

/// Tells the words of an n-gram of an order by its place.
fn words(trie: &Trie, order: usize) -> impl Fn(usize) -> Vec<u32> {
    let parents: Vec<Vec<u32>> = trie.levels[..order - 1]
        .iter()
        .map(|level| level.parents())
        .collect();
    move |mut at| {
        let mut words = vec![0; order];
        for n in (0..order).rev() {
            words[n] = trie.levels[n].words[at];
            if n > 0 {
                at = parents[n - 1][at] as usize;
            }
        }
        words
    }
}

fn extended<K: Key>(
    trie: &Trie,
    missing: &BTreeSet<Vec<u32>>,
    packing: Packing,
) -> Result<Trie, String> {
    let mut builder: Builder<K> = Builder::new(trie.vocabulary.clone(), packing, trie.order());
    for (order, level) in (1..).zip(&trie.levels) {
        let words = words(trie, order);
        for at in 0..level.len() {
            let key = packing.reading_order(words(at).into_iter());
            builder.push(order, key, level.log10_probs[at], level.backoffs[at]);
        }
    }
    for words in missing {
        let key = packing.reading_order(words.iter().copied());
        builder.push(words.len(), key, trie.log10_prob(words), 0.0);
    }
    builder.finish()
}
