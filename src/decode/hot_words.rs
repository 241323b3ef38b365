//! Phrases that are likelier than the language model knows: names, terms, titles.

use super::Error;
use super::guide::{Guide, Probable, Step};
use super::hypothesis::Word;
use super::lexicon_tree::{LexiconTree, Node, ROOT, Spelling};
use crate::text::Tokens;

/// Boosts for phrases: a hypothesis gains a phrase's boost once for each time that it has the
/// phrase, as whole words. While a phrase is incomplete its prefix carries the boost in proportion,
/// so that it survives; one that is abandoned gives it back.
///
/// The phrases are the patterns of an automaton (Aho & Corasick 1975), which knows every phrase that
/// may be under way. Where tokens are characters, a pattern is a phrase with a space before and
/// behind. Where they are phones, it is a pronunciation of its words, each between a mark for the
/// beginning of any word and one for the end of this one: a word that sounds alike is another.
#[derive(Debug, Clone)]
pub struct HotWords {
    patterns: LexiconTree,
    /// For each node the longest proper suffix that is a node too.
    fail: Vec<Node>,
    /// What a prefix that has come so far carries.
    carried: Vec<f32>,
    /// The boosts of the phrases that are complete here.
    gained: Vec<f32>,
    limits: Limits,
}

/// How words begin and end in the patterns.
#[derive(Debug, Clone, Copy)]
enum Limits {
    /// By this token.
    Space(u32),
    /// By marks that are numbered behind the tokens: this one before every word, and the sum of it
    /// and a step's label where the step says which word ends.
    Marks(u32),
}

/// The pronunciations of a phrase that are searched for: more would be of long phrases of words with
/// several each.
const PRONUNCIATIONS: usize = 256;

/// A phrase and its boost in nats.
#[derive(Debug, Clone, PartialEq)]
pub struct HotPhrase {
    /// Its words, normalised.
    pub text: String,
    /// Added to the score of a hypothesis each time that it has the phrase.
    pub boost: f32,
}

/// A word of hot phrases: its number in the search, and how it is pronounced.
#[derive(Debug, Clone)]
pub struct HotWord {
    /// As a label of [`super::WordGuide`] has it, less one.
    pub number: u32,
    /// Each a sequence of phones.
    pub pronunciations: Vec<Vec<u32>>,
}

impl HotWords {
    /// Phrases for a search over characters.
    ///
    /// # Errors
    /// [`Error::Config`] if a phrase has a character that has no token, or if the inventory has no
    /// space.
    pub fn spelled(phrases: &[HotPhrase], tokens: &Tokens) -> Result<Self, Error> {
        let refuse = |what: String| Error::Config(format!("hot words: {what}"));
        let Some(space) = tokens.space() else {
            return Err(refuse("the inventory has no space between words".into()));
        };
        let mut patterns = Vec::new();
        for (number, phrase) in (0..).zip(phrases) {
            let words: Vec<_> = phrase.text.split_whitespace().collect();
            if !words.is_empty() {
                let pattern = tokens.encode_text(&format!(" {} ", words.join(" ")));
                patterns.push((number, pattern.map_err(|error| refuse(error.to_string()))?));
            }
        }
        Ok(Self::new(phrases, patterns, Limits::Space(space)))
    }

    /// Phrases for a search over phones that a [`super::WordGuide`] guides; `word` knows their words.
    ///
    /// # Errors
    /// [`Error::Config`] if it does not know one.
    pub fn pronounced<'a>(
        phrases: &[HotPhrase],
        tokens: &Tokens,
        word: impl Fn(&str) -> Option<&'a HotWord>,
    ) -> Result<Self, Error> {
        let mark = tokens.len() as u32;
        let mut patterns = Vec::new();
        for (number, phrase) in (0..).zip(phrases) {
            let mut ways = vec![Vec::new()];
            for text in phrase.text.split_whitespace() {
                let Some(word) = word(text) else {
                    return Err(Error::Config(format!(
                        "hot words: the lexicon lacks `{text}`: give --lexicon FILE with a line of the word and its phones"
                    )));
                };
                let end = mark + word.number + 1;
                let longer = |way: &Vec<u32>| {
                    let way = way.clone();
                    word.pronunciations
                        .iter()
                        .map(move |phones| [&way, &[mark][..], phones, &[end]].concat())
                };
                ways = ways.iter().flat_map(longer).take(PRONUNCIATIONS).collect();
            }
            ways.retain(|way| !way.is_empty());
            patterns.extend(ways.into_iter().map(|way| (number, way)));
        }
        Ok(Self::new(phrases, patterns, Limits::Marks(mark)))
    }

    /// The automaton of patterns, each with the number of its phrase.
    fn new(phrases: &[HotPhrase], patterns: Vec<(u32, Vec<u32>)>, limits: Limits) -> Self {
        let boost = |number: u32| phrases.get(number as usize).map_or(0.0, |p| p.boost);
        let spelling = |(number, tokens)| Spelling {
            tokens,
            word: number,
            score: boost(number),
        };
        let spellings: Vec<Spelling> = patterns.into_iter().map(spelling).collect();
        let patterns = LexiconTree::new(spellings.clone());
        let nodes = patterns.nodes();
        let mut carried = vec![0.0f32; nodes];
        for spelling in &spellings {
            let letters = (spelling.tokens.len() - 1) as f32;
            let mut node = ROOT;
            // The last token completes the phrase: it is gained then, not carried.
            for (before, &token) in spelling.tokens[..spelling.tokens.len() - 1]
                .iter()
                .enumerate()
            {
                node = patterns.child(node, token).unwrap_or(ROOT);
                let share = spelling.score * before as f32 / letters;
                carried[node as usize] = carried[node as usize].max(share);
            }
        }
        let ending = |node: Node| patterns.words(node).iter().map(|n| boost(*n)).sum();
        let gained = (0..nodes as Node).map(ending).collect();
        let mut hot = Self {
            fail: vec![ROOT; nodes],
            patterns,
            carried,
            gained,
            limits,
        };
        // Nodes come breadth first: a shorter suffix is done before a longer one asks for it.
        for node in 0..nodes as Node {
            for child in hot.patterns.children(node) {
                let fail = match node {
                    ROOT => ROOT,
                    _ => hot.next(hot.fail[node as usize], hot.patterns.token(child as Node)),
                };
                hot.fail[child] = fail;
                hot.carried[child] = hot.carried[child].max(hot.carried[fail as usize]);
                hot.gained[child] += hot.gained[fail as usize];
            }
        }
        hot
    }

    /// The node before the first word.
    fn start(&self) -> Node {
        match self.limits {
            Limits::Space(mark) | Limits::Marks(mark) => self.next(ROOT, mark),
        }
    }

    /// The node behind a step, and what the steps to it add.
    fn step(&self, node: Node, step: Step) -> (Node, f32) {
        let (mut at, mut gained) = (node, 0.0);
        let mut read = |token| {
            at = self.next(at, token);
            gained += self.gained[at as usize];
        };
        if let Limits::Marks(mark) = self.limits
            && step.label > 0
        {
            read(mark + step.label);
            read(mark);
        }
        read(step.token);
        (
            at,
            gained + self.carried[at as usize] - self.carried[node as usize],
        )
    }

    /// What the end of the utterance adds, which ends a word as `label` says.
    fn end(&self, node: Node, label: u32) -> f32 {
        let last = match self.limits {
            Limits::Space(space) => self.next(node, space),
            Limits::Marks(_) if label == 0 => ROOT,
            Limits::Marks(mark) => self.next(node, mark + label),
        };
        self.gained[last as usize] - self.carried[node as usize]
    }

    /// The node after one token more.
    fn next(&self, mut node: Node, token: u32) -> Node {
        loop {
            if let Some(child) = self.patterns.child(node, token) {
                return child;
            }
            if node == ROOT {
                return ROOT;
            }
            node = self.fail[node as usize];
        }
    }
}

/// A guide whose hypotheses gain the boosts of hot words.
#[derive(Debug, Clone, Copy)]
pub struct Boosted<'a, G>(pub G, pub &'a HotWords);

impl<G: Guide> Guide for Boosted<'_, G> {
    type State = (G::State, Node);
    type Future = (G::Future, Node);

    fn start(&self) -> Self::State {
        (self.0.start(), self.1.start())
    }

    fn extend(&self, (state, node): &Self::State, token: u32, mut each: impl FnMut(u32, f32)) {
        self.0.extend(state, token, |label, score| {
            each(label, score + self.1.step(*node, Step { token, label }).1);
        });
    }

    fn extend_all(
        &self,
        (state, node): &Self::State,
        tokens: &Probable,
        mut each: impl FnMut(u32, f32, u32, f32),
    ) {
        self.0
            .extend_all(state, tokens, |token, log_prob, label, score| {
                let boost = self.1.step(*node, Step { token, label }).1;
                each(token, log_prob, label, score + boost);
            });
    }

    fn advance(&self, (state, node): &Self::State, step: Step) -> Self::State {
        (self.0.advance(state, step), self.1.step(*node, step).0)
    }

    fn future(&self, (state, node): &Self::State) -> Option<Self::Future> {
        Some((self.0.future(state)?, *node))
    }

    fn finish(&self, (state, node): &Self::State, mut each: impl FnMut(u32, f32)) {
        self.0.finish(state, |label, score| {
            each(label, score + self.1.end(*node, label))
        });
    }

    fn words(&self, tokens: &Tokens, steps: &[Step], end: Option<u32>) -> Vec<Word> {
        self.0.words(tokens, steps, end)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;
    use crate::decode::{PrefixBeam, Unguided};

    fn phrases(phrases: &[(&str, f32)]) -> Vec<HotPhrase> {
        phrases
            .iter()
            .map(|&(text, boost)| HotPhrase {
                text: text.into(),
                boost,
            })
            .collect()
    }

    /// The sum of what the automaton adds along a text, and the least sum on the way.
    fn along(hot: &HotWords, tokens: &[u32]) -> f32 {
        let mut node = hot.start();
        let mut total = 0.0;
        for &token in tokens {
            let (next, score) = hot.step(node, Step { token, label: 0 });
            (node, total) = (next, total + score);
        }
        total + hot.end(node, 0)
    }

    /// The slow twin: every place at which a phrase stands as whole words.
    fn occurrences(text: &str, phrase: &str) -> usize {
        let (text, phrase): (Vec<_>, Vec<_>) =
            (text.split(' ').collect(), phrase.split(' ').collect());
        text.windows(phrase.len())
            .filter(|window| *window == phrase)
            .count()
    }

    proptest! {
        #[test]
        fn a_text_gains_each_phrase_as_often_as_it_has_it(
            text in "[ab]{1,2}( [ab]{1,2}){0,6}",
            hot in prop::collection::btree_map("[ab]{1,2}( [ab]{1,2}){0,2}", 1u8..9, 1..4),
        ) {
            let tokens = Tokens::characters();
            let hot: Vec<_> = hot
                .into_iter()
                .map(|(text, boost)| HotPhrase { text, boost: f32::from(boost) })
                .collect();
            let automaton = HotWords::spelled(&hot, &tokens).unwrap();
            let expected: f32 =
                hot.iter().map(|p| p.boost * occurrences(&text, &p.text) as f32).sum();
            let total = along(&automaton, &tokens.encode_text(&text).unwrap());
            prop_assert!((total - expected).abs() < 1e-4, "{} and {}", total, expected);
        }
    }

    #[test]
    fn an_abandoned_phrase_gives_its_boost_back() {
        let tokens = Tokens::characters();
        let hot = HotWords::spelled(&phrases(&[("new york", 8.0)]), &tokens).unwrap();
        let partial = |text: &str| {
            let mut node = hot.start();
            let mut total = 0.0;
            for token in tokens.encode_text(text).unwrap() {
                let (next, score) = hot.step(node, Step { token, label: 0 });
                (node, total) = (next, total + score);
            }
            total
        };
        assert!(partial("new yo") > partial("new y") && partial("new y") > 0.0);
        assert_eq!(partial("new yolk"), 0.0);
        assert_eq!(partial("renew york"), 0.0);
        assert!((partial("new york ") - 8.0).abs() < 1e-5);
    }

    #[test]
    fn a_boost_turns_the_scale() {
        let tokens = Tokens::characters();
        let letters = [("c", 0.5f32), ("k", 0.4)];
        let mut log_probs = Array2::from_elem((3, tokens.len()), -12.0);
        for (letter, p) in letters {
            log_probs[[0, tokens.id(letter).unwrap() as usize]] = p.ln();
        }
        log_probs[[1, tokens.id("a").unwrap() as usize]] = -0.01;
        log_probs[[2, tokens.id("y").unwrap() as usize]] = -0.01;
        let best = |hot: &[(&str, f32)]| {
            let hot = HotWords::spelled(&phrases(hot), &tokens).unwrap();
            let guide = Boosted(Unguided, &hot);
            PrefixBeam::default()
                .decode_with(log_probs.view(), &tokens, &guide)
                .remove(0)
        };
        assert_eq!(best(&[]).text, "cay");
        let boosted = best(&[("kay", 2.0)]);
        assert_eq!(boosted.text, "kay");
        assert!((boosted.language - 2.0).abs() < 1e-5);
        assert_eq!(best(&[("kayak", 2.0)]).text, "cay");
    }

    #[test]
    fn a_phrase_outside_the_inventory_is_named() {
        let error =
            HotWords::spelled(&phrases(&[("café", 1.0)]), &Tokens::characters()).unwrap_err();
        assert!(error.to_string().contains("`é`"));
        assert!(HotWords::spelled(&phrases(&[("AH", 1.0)]), &Tokens::phones()).is_err());
        let unknown = HotWords::pronounced(&phrases(&[("zorb", 1.0)]), &Tokens::phones(), |_| None);
        assert!(unknown.unwrap_err().to_string().contains("lacks `zorb`"));
    }

    proptest! {
        /// Words of phones with homophones: a text gains a phrase wherever it has its words, in
        /// whatever pronunciation, and nothing for others that sound alike.
        #[test]
        fn a_text_of_phones_gains_each_phrase_as_often_as_it_has_it(
            said in prop::collection::vec((0u32..4, 0usize..2), 1..8),
            hot in prop::collection::btree_map(prop::collection::vec(0u32..4, 1..4), 1u8..9, 1..4),
        ) {
            let tokens = Tokens::phones();
            // Two words sound alike, and one is the beginning of another.
            let sounds = [[vec![1, 2], vec![3]], [vec![1, 2], vec![4, 1]], [vec![1], vec![2, 3]], [vec![3, 1, 2], vec![4]]];
            let words: Vec<HotWord> = (0..)
                .zip(sounds)
                .map(|(number, sounds)| HotWord { number, pronunciations: sounds.to_vec() })
                .collect();
            let text = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
            let hot: Vec<HotPhrase> = hot
                .into_iter()
                .map(|(numbers, boost)| HotPhrase { text: text(&numbers), boost: f32::from(boost) })
                .collect();
            let known = |word: &str| word.parse::<usize>().ok().and_then(|number| words.get(number));
            let automaton = HotWords::pronounced(&hot, &tokens, known).unwrap();
            let (mut node, mut total, mut label) = (automaton.start(), 0.0, 0);
            for &(number, way) in &said {
                for &token in &words[number as usize].pronunciations[way] {
                    let (next, score) = automaton.step(node, Step { token, label });
                    (node, total, label) = (next, total + score, 0);
                }
                label = number + 1;
            }
            total += automaton.end(node, label);
            let said: Vec<u32> = said.iter().map(|(number, _)| *number).collect();
            let expected: f32 =
                hot.iter().map(|p| p.boost * occurrences(&text(&said), &p.text) as f32).sum();
            prop_assert!((total - expected).abs() < 1e-3, "{} and {}", total, expected);
        }
    }
}
