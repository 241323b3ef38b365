//! Queries of a compact model.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use flate2::read::DeflateDecoder;

use super::super::super::Error;
use super::super::super::source::Source;
use super::super::super::vocabulary::{SPECIAL, START, UNKNOWN, Vocabulary};
use super::super::arpa_reader::read_arpa;
use super::super::trie::{NEVER, Trie};
use super::bits::read;
use super::build::compact;
use super::codes::PLAIN;
use super::counting::counting_bits;
use super::header::{Header, MAGIC, Outline};
use super::map::Bytes;
use super::marks;
use super::rising::Rising;
use super::state::State;

/// The first bytes of KenLM's binaries.
const KENLM: &[u8] = b"mmap lm http://kheafield.com/code";

/// An n-gram model that answers queries.
pub struct NGram {
    name: String,
    bytes: Bytes,
    vocabulary: Vocabulary,
    header: Header,
    /// Tables of all orders, one after the other; empty if values are plain.
    probs: Vec<f32>,
    backoffs: Vec<f32>,
    /// Where the levels begin among the bytes.
    begin: usize,
    /// By order from 1.
    levels: Vec<Level>,
    start: State,
}

/// The n-grams of an order, among the bytes of the levels.
struct Level {
    /// Ranks, each context's from one number on. Empty for single words.
    words: Rising,
    /// The bit of the first probability.
    probs: usize,
    /// The byte at which the marks of the contexts begin. This and what follows is of no use at the
    /// highest order.
    marks: usize,
    /// Where the continuations of each context begin, and the last one's end.
    bounds: Rising,
    /// The bit of the first back-off weight.
    backoffs: usize,
}

/// The answer to a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// `log₁₀ p` of the word behind the state.
    pub log10_prob: f32,
    /// The state behind the word.
    pub state: State,
    /// Words of the n-gram that the model had, the word itself counted.
    pub order: usize,
}

impl NGram {
    /// Opens a model: ours is mapped, an ARPA file (plain, gzip or xz) is read and compacted in
    /// memory. A mapped file must not be changed in place while the model is in use; replacing it
    /// by renaming is safe, and is what this program does.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        if !is_compact(path)? {
            return Self::from_trie(name, &read_arpa(Source::open(path)?)?, None);
        }
        let file = File::open(path).map_err(|source| Error::read(path, source))?;
        let bytes = Bytes::map(&file).map_err(|source| Error::read(path, source))?;
        Self::new(name, bytes)
    }

    /// A model embedded in the program.
    pub fn from_static(name: &str, bytes: &'static [u8]) -> Result<Self, Error> {
        Self::new(name.to_string(), Bytes::Embedded(bytes))
    }

    /// A compact model in memory.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Error> {
        Self::new(name.to_string(), Bytes::Owned(bytes))
    }

    /// Compacts a model.
    pub fn from_trie(name: String, trie: &Trie, quantise: Option<u32>) -> Result<Self, Error> {
        Self::new(name, Bytes::Owned(compact(trie, quantise)?))
    }

    fn new(name: String, bytes: Bytes) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Model {
            name: name.clone(),
            why: why.to_string(),
        };
        let (header, body) = Header::read(&bytes).map_err(|why| wrong(&why))?;
        let (probs, rest) = bytes[body..].split_at(header.probs * 4);
        let (backoffs, rest) = rest.split_at(header.backoffs * 4);
        let mut text = String::new();
        DeflateDecoder::new(&rest[..header.vocabulary_bytes])
            .read_to_string(&mut text)
            .map_err(|_| wrong("its words cannot be read; convert it again"))?;
        let vocabulary = Vocabulary::from_words(text.lines());
        let special = text.lines().take(SPECIAL.len()).eq(SPECIAL);
        if vocabulary.len() != header.words || header.words != header.levels[0].ngrams || !special {
            return Err(wrong(
                "its words are not as many as its header says; convert it again",
            ));
        }
        let floats = |bytes: &[u8]| {
            bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|&b| f32::from_le_bytes(b))
                .collect()
        };
        let begin = bytes.len() - header.level_bytes;
        let level = |outline: &Outline| {
            let rising = |at, length| Rising::new(&bytes[begin..], at, length);
            Level {
                words: rising(outline.words, outline.ngrams),
                probs: outline.probs * 8,
                marks: outline.marks,
                bounds: rising(outline.bounds, outline.contexts + 1),
                backoffs: outline.backoffs * 8,
            }
        };
        let mut model = Self {
            probs: floats(probs),
            backoffs: floats(backoffs),
            levels: header.levels.iter().map(level).collect(),
            begin,
            start: State::EMPTY,
            vocabulary,
            header,
            name,
            bytes,
        };
        model.start = model.score(State::EMPTY, START).1;
        Ok(model)
    }

    /// The file's path, or what stands for it in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The words.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Words of the longest n-grams.
    pub fn order(&self) -> usize {
        self.header.order
    }

    /// n-grams of each order.
    pub fn counts(&self) -> Vec<u64> {
        let ngrams = |level: &Outline| level.ngrams as u64;
        self.header.levels.iter().map(ngrams).collect()
    }

    /// Bytes of the compact form.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The state before a sentence's first word.
    pub fn start(&self) -> State {
        self.start
    }

    /// The state without any context.
    pub fn empty(&self) -> State {
        State::EMPTY
    }

    /// `log₁₀ p` of a word behind a state, and the state behind the word. A number that is no
    /// word's counts as `<unk>`; `<s>` is not to be asked for.
    #[inline]
    pub fn score(&self, state: State, word: u32) -> (f32, State) {
        let found = self.find(state, word);
        (found.log10_prob, found.state)
    }

    /// [`Self::score`], and how long an n-gram the model had.
    #[inline]
    pub fn find(&self, state: State, word: u32) -> Match {
        counting_bits(
            #[inline(always)]
            || self.find_anywhere(state, word),
        )
    }

    /// [`Self::find`] in the instructions of whoever calls it.
    #[inline(always)]
    fn find_anywhere(&self, state: State, word: u32) -> Match {
        let bytes = self.level_bytes();
        let word = if (word as usize) < self.header.words {
            word as usize
        } else {
            UNKNOWN as usize
        };
        let mut place = word;
        let mut rank = word;
        let mut order = 1;
        let mut next = State::EMPTY;
        self.reach(bytes, &mut next, order, place);
        for (levels, &context) in self.levels.windows(2).zip(state.contexts()) {
            let within = continuations(&levels[0], bytes, context);
            let begin = within.start;
            let excess = rank as u64 + 1;
            let Some(found) = levels[1].words.find_behind(bytes, within, excess) else {
                break;
            };
            place = found;
            rank = found - begin;
            order += 1;
            self.reach(bytes, &mut next, order, place);
        }
        let left = (order..).zip(state.contexts().iter().skip(order - 1));
        let backoff: f32 = left
            .map(|(length, &context)| self.backoff(bytes, length, context))
            .sum();
        Match {
            log10_prob: backoff + self.log10_prob(bytes, order, place),
            state: next,
            order,
        }
    }

    /// Calls `each` with every word that continues the state's longest context, its `log₁₀ p` and
    /// its state.
    pub fn for_each_arc(&self, state: State, mut each: impl FnMut(u32, f32, State)) {
        let bytes = self.level_bytes();
        // By words of the context from 0, where its continuations stand in the next order, and what
        // is added to their ranks.
        let mut behind = vec![(0..self.header.words, 0)];
        for (levels, &context) in self.levels.windows(2).zip(state.contexts()) {
            let within = continuations(&levels[0], bytes, context);
            let before = within.start.checked_sub(1);
            let base = before.map_or(0, |at| levels[1].words.get(bytes, at));
            behind.push((within, base));
        }
        let longest = behind.len();
        let mut places = vec![0; longest];
        for place in behind[longest - 1].0.clone() {
            // From the n-gram to those without its first words, down to the last word alone.
            places[longest - 1] = place;
            for length in (1..longest).rev() {
                let number = self.levels[length].words.get(bytes, places[length]);
                let rank = number.wrapping_sub(behind[length].1 + 1) as usize;
                places[length - 1] = behind[length - 1].0.start.wrapping_add(rank);
            }
            let mut next = State::EMPTY;
            for (order, &place) in (1..).zip(&places) {
                self.reach(bytes, &mut next, order, place);
            }
            let log10_prob = self.log10_prob(bytes, longest, place);
            each(places[0] as u32, log10_prob, next);
        }
    }

    /// `log₁₀` of the weight for leaving a state, and the state to go to.
    pub fn back_off(&self, state: State) -> (f32, State) {
        let backoff = match state.contexts().last() {
            Some(&context) => self.backoff(self.level_bytes(), state.length(), context),
            None => 0.0,
        };
        (backoff, state.shorter())
    }

    /// `log₁₀ p` of every word behind a state, by number; that of `<s>`, which is never
    /// predicted, is −∞.
    pub fn distribution(&self, state: State) -> Vec<f32> {
        let mut states = vec![(state, 0.0)];
        while let Some(&(state, sum)) = states.last()
            && state != State::EMPTY
        {
            let (backoff, suffix) = self.back_off(state);
            states.push((suffix, sum + backoff));
        }
        let mut log10_probs = vec![NEVER; self.header.words];
        for (state, sum) in states.into_iter().rev() {
            self.for_each_arc(state, |word, log10_prob, _| {
                if let Some(place) = log10_probs.get_mut(word as usize) {
                    *place = sum + log10_prob;
                }
            });
        }
        log10_probs[START as usize] = f32::NEG_INFINITY;
        log10_probs
    }

    #[inline(always)]
    fn level_bytes(&self) -> &[u8] {
        self.bytes.get(self.begin..).unwrap_or_default()
    }

    /// Adds the n-gram of an order to the contexts of a state that has all shorter ones, if it is
    /// one.
    #[inline(always)]
    fn reach(&self, bytes: &[u8], state: &mut State, order: usize, place: usize) {
        if state.length() + 1 < order || order >= self.header.order {
            return;
        }
        if let Some(context) = marks::rank(bytes, self.levels[order - 1].marks, place) {
            state.push(context);
        }
    }

    #[inline(always)]
    fn log10_prob(&self, bytes: &[u8], order: usize, place: usize) -> f32 {
        let bits = self.header.prob_bits;
        let bit = self.levels[order - 1].probs + place * bits as usize;
        value(&self.probs, read(bytes, bit, bits), order, bits)
    }

    #[inline(always)]
    fn backoff(&self, bytes: &[u8], length: usize, context: u32) -> f32 {
        let bits = self.header.backoff_bits;
        let bit = self.levels[length - 1].backoffs + context as usize * bits as usize;
        value(&self.backoffs, read(bytes, bit, bits), length, bits)
    }
}

/// Where the continuations of a context stand in the order above its own.
#[inline(always)]
fn continuations(level: &Level, bytes: &[u8], context: u32) -> Range<usize> {
    let (begin, end) = level.bounds.pair(bytes, context as usize);
    begin as usize..end as usize
}

/// The value of a code in the table of an order, counted from 1.
#[inline(always)]
fn value(tables: &[f32], code: u64, order: usize, bits: u32) -> f32 {
    if bits == PLAIN {
        f32::from_bits(code as u32)
    } else {
        tables
            .get((order - 1) << bits | code as usize)
            .copied()
            .unwrap_or(NEVER)
    }
}

/// Whether a file is a compact model of ours. Fails if it is KenLM's.
pub fn is_compact(path: &Path) -> Result<bool, Error> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(KENLM.len() as u64).read_to_end(&mut start))
        .map_err(|source| Error::read(path, source))?;
    if start == KENLM {
        return Err(Error::Model {
            name: path.display().to_string(),
            why: "it is a binary of KenLM, which only KenLM reads; convert the ARPA file that it was made from: `hearken lm convert LM.arpa LM.bin`".to_string(),
        });
    }
    Ok(start.starts_with(MAGIC))
}

#[cfg(test)]
mod tests {
    use super::super::super::key::Packing;
    use super::super::super::trie::Builder;
    use super::super::close::close;
    use super::super::expand::expand;
    use super::*;
    use crate::lm::END;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// n-grams over five words with any values: sparse, with suffixes and contexts missing.
    fn models() -> impl Strategy<Value = Trie> {
        let ngram = prop::collection::vec(0u32..8, 1..=4);
        let values = (-5.0f32..0.0, prop_oneof![Just(0.0f32), -2.0f32..0.5]);
        prop::collection::btree_map(ngram, values, 0..60).prop_map(trie)
    }

    fn trie(ngrams: BTreeMap<Vec<u32>, (f32, f32)>) -> Trie {
        let vocabulary = Vocabulary::from_words(["a", "b", "c", "d", "e"]);
        let packing = Packing::new(vocabulary.len(), 4).unwrap();
        let mut builder: Builder<u64> = Builder::new(vocabulary, packing, 4);
        for (words, (log10_prob, backoff)) in ngrams {
            let backoff = if words.len() == 4 { 0.0 } else { backoff };
            let key = packing.reading_order(words.iter().copied());
            builder.push(words.len(), key, log10_prob, backoff);
        }
        builder.finish().unwrap()
    }

    fn compacted(trie: &Trie, quantise: Option<u32>) -> NGram {
        NGram::from_trie("m".into(), trie, quantise).unwrap()
    }

    proptest! {
        #[test]
        fn a_compact_model_answers_as_the_definition_does(trie in models(), words in prop::collection::vec(0u32..8, 1..12)) {
            let model = compacted(&trie, None);
            for start in [model.start(), model.empty()] {
                let mut history = if start == model.empty() { vec![] } else { vec![START] };
                let mut state = start;
                for &word in &words {
                    history.push(word);
                    let expected = trie.log10_prob(&history);
                    let distribution = model.distribution(state);
                    let (log10_prob, next) = model.score(state, word);
                    let found = model.find(state, word);
                    prop_assert_eq!(found, model.find_anywhere(state, word));
                    prop_assert!((log10_prob - expected).abs() < 1e-4, "{:?}: {} {}", history, log10_prob, expected);
                    if word != START {
                        prop_assert!((distribution[word as usize] - expected).abs() < 1e-4);
                    }
                    state = next;
                }
            }
        }

        #[test]
        fn no_state_is_longer_than_it_must_be(trie in models()) {
            let model = compacted(&trie, None);
            let mut states = vec![(model.empty(), 0)];
            let mut at = 0;
            while let Some(&(state, _)) = states.get(at) {
                let mut arcs = 0;
                model.for_each_arc(state, |_, _, next| {
                    arcs += 1;
                    if states.iter().all(|&(known, _)| known != next) {
                        states.push((next, 0));
                    }
                });
                states[at].1 = arcs;
                at += 1;
            }
            // A state that matters continues or has a weight, or is the end of one that does.
            for &(state, arcs) in &states {
                let end = states.iter().any(|(longer, _)| longer.length() > state.length() && longer.shorter() == state);
                prop_assert!(state == model.empty() || arcs > 0 || model.back_off(state).0 != 0.0 || end);
            }
        }

        #[test]
        fn expanding_gives_the_model_back(trie in models()) {
            let back = expand(&compacted(&trie, None)).unwrap();
            let trie = close(&trie).unwrap();
            prop_assert_eq!(back.counts(), trie.counts());
            for (ours, theirs) in back.levels.iter().zip(&trie.levels) {
                prop_assert_eq!(&ours.words, &theirs.words);
                prop_assert_eq!(&ours.log10_probs, &theirs.log10_probs);
                prop_assert_eq!(&ours.backoffs, &theirs.backoffs);
                prop_assert_eq!(&ours.children, &theirs.children);
            }
        }

        #[test]
        fn damaged_bytes_are_refused(trie in models(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let bytes = compact(&trie, None).unwrap();
            let at = at.index(bytes.len());
            let cut = NGram::from_bytes("m", bytes[..at].to_vec());
            prop_assert!(cut.is_err());
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            prop_assert!(NGram::from_bytes("m", flipped).is_err());
            let longer = [bytes, vec![0]].concat();
            prop_assert!(NGram::from_bytes("m", longer).is_err());
        }
    }

    #[test]
    fn another_version_of_the_format_is_refused_with_what_to_do() {
        let trie = trie([(vec![END], (-0.5, 0.0))].into());
        let mut bytes = compact(&trie, None).unwrap();
        bytes[MAGIC.len()] = 1;
        let error = NGram::from_bytes("old.bin", bytes).err().unwrap();
        let message = error.to_string();
        assert!(message.contains("old.bin"), "{message}");
        assert!(
            message.contains("format 1 and this program reads format 2; train it again"),
            "{message}"
        );
    }

    #[test]
    fn words_beyond_the_vocabulary_are_unknown() {
        let trie = trie([(vec![UNKNOWN], (-1.5, 0.0)), (vec![END], (-0.5, 0.0))].into());
        let model = compacted(&trie, None);
        assert_eq!(model.score(model.start(), 999).0, -1.5);
        assert_eq!(model.score(model.start(), 5).0, NEVER);
    }

    #[test]
    fn quantising_keeps_values_near_and_makes_the_model_smaller() {
        let ngrams = (0..8u32).flat_map(|a| (0..8u32).map(move |b| (a, b)));
        let ngrams: BTreeMap<_, _> = ngrams
            .flat_map(|(a, b)| {
                let at = (a * 8 + b) as f32;
                [
                    (vec![a, b], (-0.01 * at - 0.003 * at.sin(), 0.0)),
                    (vec![a], (-0.1, -0.02 * a as f32)),
                ]
            })
            .collect();
        let trie = trie(ngrams);
        let exact = compacted(&trie, None);
        let coarse = compacted(&trie, Some(4));
        assert!(coarse.size() < exact.size());
        for a in 3..8 {
            let states = [&exact, &coarse].map(|model| model.score(model.empty(), a).1);
            for b in 2..8 {
                let difference = exact.score(states[0], b).0 - coarse.score(states[1], b).0;
                assert!(difference.abs() < 0.05, "{a} {b}: {difference}");
            }
        }
    }
}
