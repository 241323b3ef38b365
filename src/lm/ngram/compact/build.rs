//! From a [`Trie`] to the compact form.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::super::super::Error;
use super::super::super::vocabulary::Vocabulary;
use super::super::trie::{Level, Place, Trie};
use super::bits::Writer;
use super::close::close;
use super::codes::Codes;
use super::header::{Header, MOST_ORDERS, Outline, checksum};
use super::{marks, rising};

/// The bytes of a model; probabilities and back-offs in `quantise` bits, or exact.
pub fn compact(trie: &Trie, quantise: Option<u32>) -> Result<Vec<u8>, Error> {
    let order = trie.order();
    if order > MOST_ORDERS {
        return Err(Error::Option(format!(
            "a compact model has {MOST_ORDERS} orders at most, and this has {order}; write NAME.arpa or lower --order"
        )));
    }
    let trie = &*close(trie)?;
    let suffixes = trie.suffixes();
    let contexts = contexts(trie, &suffixes);
    let probs: Vec<&[f32]> = trie
        .levels
        .iter()
        .map(|level| &level.log10_probs[..])
        .collect();
    let backoffs: Vec<Vec<f32>> = contexts
        .iter()
        .zip(&trie.levels)
        .map(|(places, level)| places.iter().map(|&at| level.backoffs[at]).collect())
        .collect();
    let probs = Codes::new(&probs, quantise);
    let backoff_codes = Codes::new(
        &backoffs
            .iter()
            .map(|values| &values[..])
            .collect::<Vec<_>>(),
        quantise,
    );

    let mut to = Writer::default();
    let mut outlines = Vec::new();
    for (at, level) in trie.levels.iter().enumerate() {
        let mut outline = Outline {
            ngrams: level.len(),
            ..Outline::default()
        };
        if at > 0 {
            outline.words = to.len();
            rising::write(&ranks(trie, &suffixes, at + 1), &mut to);
        }
        outline.probs = to.len();
        for &log10_prob in &level.log10_probs {
            to.push(probs.of(at, log10_prob), probs.bits);
        }
        to.align();
        if let Some(places) = contexts.get(at) {
            outline.contexts = places.len();
            outline.marks = to.len();
            let mut set = vec![false; level.len()];
            places.iter().for_each(|&place| set[place] = true);
            marks::write(&set, &mut to);
            outline.bounds = to.len();
            rising::write(&bounds(level, places), &mut to);
            outline.backoffs = to.len();
            for &backoff in &backoffs[at] {
                to.push(backoff_codes.of(at, backoff), backoff_codes.bits);
            }
            to.align();
        }
        outlines.push(outline);
    }
    let levels = to.finish();

    let mut body: Vec<u8> = Vec::new();
    for table in probs.tables.iter().chain(&backoff_codes.tables) {
        body.extend(table.iter().flat_map(|value| value.to_le_bytes()));
    }
    let vocabulary = deflated(&trie.vocabulary);
    body.extend(&vocabulary);
    body.extend(&levels);
    let header = Header {
        order,
        words: trie.vocabulary.len(),
        vocabulary_bytes: vocabulary.len(),
        prob_bits: probs.bits,
        backoff_bits: backoff_codes.bits,
        levels: outlines,
        probs: probs.tables.iter().map(Vec::len).sum(),
        backoffs: backoff_codes.tables.iter().map(Vec::len).sum(),
        level_bytes: levels.len(),
        checksum: checksum(&body),
    };
    let mut bytes = header.write();
    bytes.extend(body);
    Ok(bytes)
}

/// By order from 1, below the highest: the places of the n-grams that are contexts, those which are
/// continued, have a back-off weight, or are the end of a longer context.
fn contexts(trie: &Trie, suffixes: &[Vec<Place>]) -> Vec<Vec<usize>> {
    let lower = &trie.levels[..trie.order() - 1];
    let mut matter: Vec<Vec<bool>> = lower
        .iter()
        .map(|level| {
            let matters = |at: usize| !level.children(at).is_empty() || level.backoffs[at] != 0.0;
            (0..level.len()).map(matters).collect()
        })
        .collect();
    for order in (2..=lower.len()).rev() {
        let (shorter, longer) = matter.split_at_mut(order - 1);
        for (suffix, _) in suffixes[order - 1]
            .iter()
            .zip(&longer[0])
            .filter(|(_, matters)| **matters)
        {
            shorter[order - 2][suffix.at as usize] = true;
        }
    }
    let places = |matter: Vec<bool>| (0..matter.len()).filter(|&at| matter[at]).collect();
    matter.into_iter().map(places).collect()
}

/// The words of an order as one rising sequence: the rank of each among the continuations of the
/// context without its first word (for pairs, its number), plus one and the number before the
/// context's first.
fn ranks(trie: &Trie, suffixes: &[Vec<Place>], order: usize) -> Vec<u64> {
    let contexts = &trie.levels[order - 2];
    let mut numbers = Vec::with_capacity(trie.levels[order - 1].len());
    let mut base = 0;
    for context in 0..contexts.len() {
        let shorter = suffixes[order - 2][context];
        let begin = match order {
            2 => 0,
            _ => trie.levels[order - 3].children(shorter.at as usize).start,
        };
        let ngrams = contexts.children(context);
        numbers.extend(ngrams.map(|ngram| {
            let rank = suffixes[order - 1][ngram].at as usize - begin;
            base + rank as u64 + 1
        }));
        base = numbers.last().copied().unwrap_or(base);
    }
    numbers
}

/// Where the continuations of each context begin in the next order, and the last one's end.
fn bounds(level: &Level, contexts: &[usize]) -> Vec<u64> {
    let begins = contexts.iter().map(|&at| level.children(at).start as u64);
    let end = level.children.last().copied().unwrap_or(0);
    begins.chain([end.into()]).collect()
}

/// The words, each followed by a line break, deflated.
fn deflated(vocabulary: &Vocabulary) -> Vec<u8> {
    let mut text = DeflateEncoder::new(Vec::new(), Compression::best());
    for word in vocabulary.words() {
        text.write_all(word.as_bytes()).expect(INFALLIBLE);
        text.write_all(b"\n").expect(INFALLIBLE);
    }
    text.finish().expect(INFALLIBLE)
}

const INFALLIBLE: &str = "a vector takes all bytes";
