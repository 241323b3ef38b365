//! From a [`Trie`] to the compact form.

use super::super::super::Error;
use super::super::super::vocabulary::START;
use super::super::trie::{Place, Trie};
use super::bits::Writer;
use super::codes::Codes;
use super::header::{Header, MOST_ORDERS, checksum};

/// A number of continuations from here on is written in four more bytes.
pub const MANY: usize = u8::MAX as usize;

/// The bytes of a model; probabilities and back-offs in `quantise` bits, or exact.
pub fn compact(trie: &Trie, quantise: Option<u32>) -> Result<Vec<u8>, Error> {
    let order = trie.order();
    if order > MOST_ORDERS {
        return Err(Error::Option(format!(
            "a compact model has {MOST_ORDERS} orders at most, and this has {order}"
        )));
    }
    let states = States::new(trie);
    let probs: Vec<&[f32]> = trie
        .levels
        .iter()
        .map(|level| &level.log10_probs[..])
        .collect();
    let backoffs: Vec<&[f32]> = trie.levels[..order - 1]
        .iter()
        .map(|level| &level.backoffs[..])
        .collect();
    // The empty context falls back on nothing.
    let backoffs = [vec![&[0.0][..]], backoffs].concat();
    let probs = Codes::new(&probs, quantise);
    let backoffs = Codes::new(&backoffs, quantise);
    let words = trie.vocabulary.len();
    let mut header = Header {
        order,
        words,
        vocabulary_bytes: 0,
        word_bits: (words.max(2) - 1).ilog2() + 1,
        state_bits: 0,
        prob_bits: probs.bits,
        backoff_bits: backoffs.bits,
        start: 0,
        counts: trie.counts(),
        bounds: Vec::new(),
        probs: probs.tables.iter().map(Vec::len).sum(),
        backoffs: backoffs.tables.iter().map(Vec::len).sum(),
        state_bytes: 0,
        checksum: 0,
    };
    let offsets = states.lay_out(&mut header)?;
    let at = |place: Place| u64::from(offsets[place.order as usize][place.at as usize]);
    header.start = at(states.of(Place::new(1, START as usize))) as u32;
    header.bounds = states
        .orders
        .iter()
        .scan(0, |end, places| {
            let begin = *end;
            *end += places
                .iter()
                .map(|place| place.bytes(&header) as u32)
                .sum::<u32>();
            Some(begin)
        })
        .collect();

    let mut writer = Writer::default();
    for (length, places) in (0..).zip(&states.orders) {
        for state in places {
            debug_assert_eq!(
                writer.len() as u64,
                at(Place::new(length, state.at as usize))
            );
            writer.push(state.arcs.min(MANY) as u64, 8);
            if state.arcs >= MANY {
                writer.push(state.arcs as u64, 32);
            }
            let (backoff, suffix, arcs) = match length {
                0 => (0.0, Place::EMPTY, 0..words),
                _ => {
                    let level = &trie.levels[length - 1];
                    let place = state.at as usize;
                    (
                        level.backoffs[place],
                        states.suffix(length, place),
                        level.children(place),
                    )
                }
            };
            writer.push(backoffs.of(length, backoff), header.backoff_bits);
            writer.push(at(suffix), header.state_bits);
            let level = &trie.levels[length];
            for arc in arcs {
                writer.push(level.words[arc].into(), header.word_bits);
                writer.push(
                    at(states.of(Place::new(length + 1, arc))),
                    header.state_bits,
                );
                writer.push(probs.of(length, level.log10_probs[arc]), header.prob_bits);
            }
            writer.align();
        }
    }
    let states = writer.finish();
    let mut body: Vec<u8> = Vec::new();
    for table in probs.tables.iter().chain(&backoffs.tables) {
        body.extend(table.iter().flat_map(|value| value.to_le_bytes()));
    }
    let tables = body.len();
    for word in trie.vocabulary.words() {
        body.extend_from_slice(word.as_bytes());
        body.push(b'\n');
    }
    header.vocabulary_bytes = body.len() - tables;
    header.state_bytes = states.len();
    body.extend(states);
    header.checksum = checksum(&body);
    let mut bytes = header.write();
    bytes.extend(body);
    Ok(bytes)
}

/// The contexts that matter.
struct States {
    /// By order from 0: where those of so many words stand in the trie, and how many words continue
    /// them.
    orders: Vec<Vec<Context>>,
    /// By order from 1, by place in the trie: the longest suffix that is a state, the n-gram itself
    /// included.
    reached: Vec<Vec<Place>>,
    /// By order from 1: the longest proper suffix that is an n-gram.
    suffixes: Vec<Vec<Place>>,
}

struct Context {
    at: u32,
    arcs: usize,
}

impl Context {
    fn bytes(&self, header: &Header) -> u64 {
        let many = if self.arcs < MANY { 0 } else { 32 };
        let head = 8 + many + header.backoff_bits + header.state_bits;
        let arc = u64::from(header.word_bits + header.state_bits + header.prob_bits);
        (u64::from(head) + arc * self.arcs as u64).div_ceil(8)
    }
}

impl States {
    fn new(trie: &Trie) -> Self {
        let suffixes = trie.suffixes();
        let empty = Context {
            at: 0,
            arcs: trie.vocabulary.len(),
        };
        let mut states = Self {
            orders: vec![vec![empty]],
            reached: Vec::new(),
            suffixes,
        };
        for (order, level) in (1..).zip(&trie.levels) {
            let mut contexts = Vec::new();
            let mut reached = Vec::with_capacity(level.len());
            for at in 0..level.len() {
                let arcs = level.children(at).len();
                let matters = order < trie.order() && (arcs > 0 || level.backoffs[at] != 0.0);
                if matters {
                    contexts.push(Context {
                        at: at as u32,
                        arcs,
                    });
                }
                reached.push(if matters {
                    Place::new(order, at)
                } else {
                    states.suffix(order, at)
                });
            }
            states.reached.push(reached);
            if order < trie.order() {
                states.orders.push(contexts);
            }
        }
        states
    }

    /// The state that an n-gram leads to.
    fn of(&self, ngram: Place) -> Place {
        match ngram.order {
            0 => Place::EMPTY,
            order => self.reached[order as usize - 1][ngram.at as usize],
        }
    }

    /// The state of an n-gram's longest proper suffix that is one.
    fn suffix(&self, order: usize, at: usize) -> Place {
        self.of(self.suffixes[order - 1][at])
    }

    /// Chooses the bits of a state and gives each its place among the bytes, by order and place in
    /// the trie.
    fn lay_out(&self, header: &mut Header) -> Result<Vec<Vec<u32>>, Error> {
        let all = || self.orders.iter().flatten();
        header.state_bits = 1;
        while all().map(|state| state.bytes(header)).sum::<u64>() > 1 << header.state_bits {
            header.state_bits += 1;
            if header.state_bits > u32::BITS {
                return Err(Error::Option(
                    "the model is beyond 4 GiB in the compact form; prune it or use --quantize"
                        .to_string(),
                ));
            }
        }
        let mut next = 0;
        let lengths = std::iter::once(1).chain(self.reached.iter().map(Vec::len));
        let offsets = self.orders.iter().zip(lengths).map(|(contexts, places)| {
            let mut offsets = vec![0; places];
            for state in contexts {
                offsets[state.at as usize] = next;
                next += state.bytes(header) as u32;
            }
            offsets
        });
        Ok(offsets.collect())
    }
}
