//! Queries of a compact model.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::super::super::Error;
use super::super::super::source::Source;
use super::super::super::vocabulary::{SPECIAL, START, UNKNOWN, Vocabulary};
use super::super::arpa_reader::read_arpa;
use super::super::trie::{NEVER, Trie};
use super::bits::read;
use super::build::{MANY, compact};
use super::codes::PLAIN;
use super::header::{Header, MAGIC};
use super::map::Bytes;

/// The first bytes of KenLM's binaries.
const KENLM: &[u8] = b"mmap lm http://kheafield.com/code";

/// A context that matters. Equal states predict alike, whatever words led there.
pub type State = u32;

/// The state of the empty context.
const EMPTY: State = 0;

/// An n-gram model that answers queries.
pub struct NGram {
    name: String,
    bytes: Bytes,
    vocabulary: Vocabulary,
    header: Header,
    /// Tables of all orders, one after the other; empty if values are plain.
    probs: Vec<f32>,
    backoffs: Vec<f32>,
    /// Where the states begin among the bytes.
    states: usize,
    /// Bits of an arc.
    arc: usize,
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

/// A state's fields.
struct Node {
    backoff: u64,
    suffix: State,
    arcs: usize,
    /// The bit at which the arcs begin.
    first: usize,
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
        let words = &rest[..header.vocabulary_bytes];
        let text = std::str::from_utf8(words)
            .map_err(|_| wrong("its words are not UTF-8; convert it again"))?;
        let vocabulary = Vocabulary::from_words(text.lines());
        let special = text.lines().take(SPECIAL.len()).eq(SPECIAL);
        if vocabulary.len() != header.words || !special {
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
        Ok(Self {
            probs: floats(probs),
            backoffs: floats(backoffs),
            states: bytes.len() - header.state_bytes,
            arc: (header.word_bits + header.state_bits + header.prob_bits) as usize,
            vocabulary,
            header,
            name,
            bytes,
        })
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
    pub fn counts(&self) -> &[u64] {
        &self.header.counts
    }

    /// Bytes of the compact form.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The state before a sentence's first word.
    pub fn start(&self) -> State {
        self.header.start
    }

    /// The state without any context.
    pub fn empty(&self) -> State {
        EMPTY
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
        let nodes = self.nodes();
        let word = if (word as usize) < self.header.words {
            word
        } else {
            UNKNOWN
        };
        let mut backoff = 0.0;
        let mut at = state;
        // A sound model reaches the empty context in so many steps.
        for _ in 0..self.header.order {
            if at == EMPTY {
                break;
            }
            let node = self.node(nodes, at);
            if let Some(bit) = self.arc_of(nodes, &node, word) {
                return self.follow(nodes, bit, at, backoff);
            }
            backoff += self.backoff(at, node.backoff);
            at = node.suffix;
        }
        let root = self.node(nodes, EMPTY);
        self.follow(nodes, root.first + word as usize * self.arc, EMPTY, backoff)
    }

    /// Calls `each` with every word that continues the state itself, its `log₁₀ p` and its state.
    pub fn for_each_arc(&self, state: State, mut each: impl FnMut(u32, f32, State)) {
        let nodes = self.nodes();
        let node = self.node(nodes, state);
        for arc in 0..node.arcs {
            let bit = node.first + arc * self.arc;
            let found = self.follow(nodes, bit, state, 0.0);
            each(self.word_at(nodes, bit), found.log10_prob, found.state);
        }
    }

    /// `log₁₀` of the weight for leaving a state, and the state to go to.
    pub fn back_off(&self, state: State) -> (f32, State) {
        let node = self.node(self.nodes(), state);
        (self.backoff(state, node.backoff), node.suffix)
    }

    /// `log₁₀ p` of every word behind a state, by number; that of `<s>`, which is never
    /// predicted, is −∞.
    pub fn distribution(&self, state: State) -> Vec<f32> {
        let mut states = vec![(state, 0.0)];
        while let Some(&(state, sum)) = states.last()
            && state != EMPTY
            && states.len() <= self.header.order
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
    fn nodes(&self) -> &[u8] {
        self.bytes.get(self.states..).unwrap_or_default()
    }

    #[inline(always)]
    fn node(&self, nodes: &[u8], state: State) -> Node {
        let Header {
            backoff_bits,
            state_bits,
            ..
        } = self.header;
        let mut bit = state as usize * 8;
        let mut arcs = read(nodes, bit, 8) as usize;
        bit += 8;
        if arcs == MANY {
            arcs = read(nodes, bit, 32) as usize;
            bit += 32;
        }
        let backoff = read(nodes, bit, backoff_bits);
        bit += backoff_bits as usize;
        let suffix = read(nodes, bit, state_bits) as State;
        let first = bit + state_bits as usize;
        Node {
            backoff,
            suffix,
            arcs,
            first,
        }
    }

    /// The bit of a word's arc.
    #[inline(always)]
    fn arc_of(&self, nodes: &[u8], node: &Node, word: u32) -> Option<usize> {
        let mut base = 0;
        let mut size = node.arcs;
        // Invariant: the arc, if there is one, is among the `size` from `base` on.
        while size > 1 {
            let half = size / 2;
            let middle = self.word_at(nodes, node.first + (base + half) * self.arc);
            base = if middle <= word { base + half } else { base };
            size -= half;
        }
        let bit = node.first + base * self.arc;
        (size == 1 && self.word_at(nodes, bit) == word).then_some(bit)
    }

    #[inline(always)]
    fn word_at(&self, nodes: &[u8], bit: usize) -> u32 {
        read(nodes, bit, self.header.word_bits) as u32
    }

    /// Takes the arc at `bit` of a state.
    #[inline(always)]
    fn follow(&self, nodes: &[u8], bit: usize, from: State, backoff: f32) -> Match {
        let Header {
            word_bits,
            state_bits,
            prob_bits,
            ..
        } = self.header;
        let bit = bit + word_bits as usize;
        let state = read(nodes, bit, state_bits) as State;
        let code = read(nodes, bit + state_bits as usize, prob_bits);
        let length = self.length(from);
        let log10_prob = backoff + value(&self.probs, code, length, prob_bits);
        Match {
            log10_prob,
            state,
            order: length + 1,
        }
    }

    #[inline(always)]
    fn backoff(&self, state: State, code: u64) -> f32 {
        value(
            &self.backoffs,
            code,
            self.length(state),
            self.header.backoff_bits,
        )
    }

    /// Words of a state's context.
    #[inline(always)]
    pub fn length(&self, state: State) -> usize {
        self.header
            .bounds
            .iter()
            .skip(1)
            .take_while(|&&begin| state >= begin)
            .count()
    }
}

/// The value of a code in the table of an order.
#[inline(always)]
fn value(tables: &[f32], code: u64, order: usize, bits: u32) -> f32 {
    if bits == PLAIN {
        f32::from_bits(code as u32)
    } else {
        tables
            .get(order << bits | code as usize)
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
                    prop_assert!((log10_prob - expected).abs() < 1e-4, "{:?}: {} {}", history, log10_prob, expected);
                    if word != START {
                        prop_assert!((distribution[word as usize] - expected).abs() < 1e-4);
                    }
                    state = next;
                }
            }
        }

        #[test]
        fn equal_states_are_equal_futures_and_no_state_is_longer_than_it_must_be(trie in models()) {
            let model = compacted(&trie, None);
            let mut states = vec![model.start(), model.empty()];
            for at in 0..200.min(states.len() * 100) {
                let Some(&state) = states.get(at) else { break };
                // A state that matters continues or has a weight.
                let mut arcs = 0;
                model.for_each_arc(state, |_, _, next| {
                    arcs += 1;
                    if !states.contains(&next) {
                        states.push(next);
                    }
                });
                let matters = state == EMPTY || arcs > 0 || model.back_off(state).0 != 0.0;
                prop_assert!(matters || state == model.start());
            }
        }

        #[test]
        fn expanding_gives_the_model_back(trie in models()) {
            let back = expand(&compacted(&trie, None)).unwrap();
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
