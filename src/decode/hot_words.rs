//! Phrases that are likelier than the language model knows: names, terms, titles.

use super::guide::{Guide, Step};
use super::hypothesis::Word;
use super::lexicon_tree::{LexiconTree, Node, ROOT, Spelling};
use crate::text::{self, Tokens};

/// Boosts for phrases: a hypothesis gains a phrase's boost once for each time that it has the
/// phrase, as whole words. While a phrase is incomplete its prefix carries the boost in proportion,
/// so that it survives; one that is abandoned gives it back.
///
/// The phrases with a space before and behind are the patterns of an automaton (Aho & Corasick
/// 1975), which knows every phrase that may be under way. Inventories of characters only.
#[derive(Debug, Clone)]
pub struct HotWords {
    patterns: LexiconTree,
    /// For each node the longest proper suffix that is a node too.
    fail: Vec<Node>,
    /// What a prefix that has come so far carries.
    carried: Vec<f32>,
    /// The boosts of the phrases that are complete here.
    gained: Vec<f32>,
    space: u32,
}

/// A phrase and its boost in nats.
#[derive(Debug, Clone, PartialEq)]
pub struct HotPhrase {
    /// Its words, normalised.
    pub text: String,
    /// Added to the score of a hypothesis each time that it has the phrase.
    pub boost: f32,
}

impl HotWords {
    /// # Errors
    /// [`text::Error::OutsideInventory`] if a phrase has a character that has no token, or if the
    /// inventory has no space.
    pub fn new(phrases: &[HotPhrase], tokens: &Tokens) -> Result<Self, text::Error> {
        let no_space = || text::Error::OutsideInventory {
            symbol: " ".into(),
            text: " ".into(),
        };
        let space = tokens.space().ok_or_else(no_space)?;
        let mut spellings = Vec::new();
        for (word, phrase) in (0..).zip(phrases) {
            let words: Vec<_> = phrase.text.split_whitespace().collect();
            if !words.is_empty() {
                let tokens = tokens.encode_text(&format!(" {} ", words.join(" ")))?;
                spellings.push(Spelling {
                    tokens,
                    word,
                    score: phrase.boost,
                });
            }
        }

        let patterns = LexiconTree::new(spellings.clone());
        let nodes = patterns.nodes();
        let mut carried = vec![0.0f32; nodes];
        for spelling in &spellings {
            let letters = (spelling.tokens.len() - 1) as f32;
            let mut node = ROOT;
            // The space behind completes the phrase: it is gained then, not carried.
            for (before, &token) in spelling.tokens[..spelling.tokens.len() - 1]
                .iter()
                .enumerate()
            {
                node = patterns.child(node, token).unwrap_or(ROOT);
                let share = spelling.score * before as f32 / letters;
                carried[node as usize] = carried[node as usize].max(share);
            }
        }
        let boost = |&word: &u32| {
            phrases
                .get(word as usize)
                .map_or(0.0, |phrase| phrase.boost)
        };
        let ending = |node: Node| patterns.words(node).iter().map(boost).sum();
        let gained = (0..nodes as Node).map(ending).collect();
        let mut hot = Self {
            fail: vec![ROOT; nodes],
            patterns,
            carried,
            gained,
            space,
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
        Ok(hot)
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

impl Guide for HotWords {
    type State = Node;
    type Future = Node;

    fn start(&self) -> Node {
        self.next(ROOT, self.space)
    }

    fn extend(&self, node: &Node, token: u32, mut each: impl FnMut(u32, f32)) {
        let next = self.next(*node, token) as usize;
        each(
            0,
            self.carried[next] + self.gained[next] - self.carried[*node as usize],
        );
    }

    fn advance(&self, node: &Node, step: Step) -> Node {
        self.next(*node, step.token)
    }

    fn future(&self, node: &Node) -> Option<Node> {
        Some(*node)
    }

    fn finish(&self, node: &Node, mut each: impl FnMut(u32, f32)) {
        let last = self.next(*node, self.space) as usize;
        each(0, self.gained[last] - self.carried[*node as usize]);
    }
}

/// Two guides at once; their scores add up. The labels are the first one's: the second must have
/// but one way to read a token.
#[derive(Debug, Clone, Copy)]
pub struct Both<A, B>(pub A, pub B);

impl<A: Guide, B: Guide> Guide for Both<A, B> {
    type State = (A::State, B::State);
    type Future = (A::Future, B::Future);

    fn start(&self) -> Self::State {
        (self.0.start(), self.1.start())
    }

    fn extend(&self, state: &Self::State, token: u32, mut each: impl FnMut(u32, f32)) {
        self.1.extend(&state.1, token, |_, second| {
            self.0
                .extend(&state.0, token, |label, first| each(label, first + second));
        });
    }

    fn advance(&self, state: &Self::State, step: Step) -> Self::State {
        (
            self.0.advance(&state.0, step),
            self.1.advance(&state.1, step),
        )
    }

    fn future(&self, state: &Self::State) -> Option<Self::Future> {
        Some((self.0.future(&state.0)?, self.1.future(&state.1)?))
    }

    fn finish(&self, state: &Self::State, mut each: impl FnMut(u32, f32)) {
        self.1.finish(&state.1, |_, second| {
            self.0
                .finish(&state.0, |label, first| each(label, first + second));
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
            hot.extend(&node, token, |_, score| total += score);
            node = hot.advance(&node, Step { token, label: 0 });
        }
        hot.finish(&node, |_, score| total += score);
        total
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
            let automaton = HotWords::new(&hot, &tokens).unwrap();
            let expected: f32 =
                hot.iter().map(|p| p.boost * occurrences(&text, &p.text) as f32).sum();
            let total = along(&automaton, &tokens.encode_text(&text).unwrap());
            prop_assert!((total - expected).abs() < 1e-4, "{} and {}", total, expected);
        }
    }

    #[test]
    fn an_abandoned_phrase_gives_its_boost_back() {
        let tokens = Tokens::characters();
        let hot = HotWords::new(&phrases(&[("new york", 8.0)]), &tokens).unwrap();
        let partial = |text: &str| {
            let mut node = hot.start();
            let mut total = 0.0;
            for token in tokens.encode_text(text).unwrap() {
                hot.extend(&node, token, |_, score| total += score);
                node = hot.advance(&node, Step { token, label: 0 });
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
            let hot = HotWords::new(&phrases(hot), &tokens).unwrap();
            let guide = Both(Unguided, hot);
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
        let error = HotWords::new(&phrases(&[("café", 1.0)]), &Tokens::characters()).unwrap_err();
        assert!(error.to_string().contains("`é`"));
        assert!(HotWords::new(&phrases(&[("AH", 1.0)]), &Tokens::phones()).is_err());
    }
}
