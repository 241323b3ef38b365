//! The words of a vocabulary as a tree of their spellings.

use std::ops::Range;

/// A node: the tokens of a word so far.
pub(super) type Node = u32;

/// The node before a word's first token.
pub(super) const ROOT: Node = 0;

/// A tree of words by their tokens: characters, or the phones of their pronunciations. A node's
/// children stand side by side in the order of their tokens.
#[derive(Debug, Clone)]
pub struct LexiconTree {
    /// Children of node `n` are `first_child[n]..first_child[n + 1]`.
    first_child: Vec<Node>,
    /// The token that leads to each node.
    tokens: Vec<u32>,
    /// The words that end at node `n` are `words[first_word[n]..][..ending[n]]`.
    first_word: Vec<u32>,
    ending: Vec<u32>,
    words: Vec<u32>,
    /// The highest score of a word at or below each node.
    ahead: Vec<f32>,
}

/// A word of the tree: its spelling in tokens, its number, and the score that its letters promise
/// before it is complete (the language model's look-ahead: a log-probability without context).
#[derive(Debug, Clone, PartialEq)]
pub struct Spelling {
    /// Not empty.
    pub tokens: Vec<u32>,
    /// The word's number in the language model.
    pub word: u32,
    /// Higher for likelier words.
    pub score: f32,
}

impl LexiconTree {
    /// Builds the tree. A word may have several spellings and a spelling several words; one that is
    /// there twice counts once, an empty one not at all.
    pub fn new(mut spellings: Vec<Spelling>) -> Self {
        spellings.retain(|spelling| !spelling.tokens.is_empty());
        spellings.sort_by(|a, b| a.tokens.cmp(&b.tokens).then(a.word.cmp(&b.word)));
        spellings.dedup_by(|a, b| a.tokens == b.tokens && a.word == b.word);

        let mut tree = Self {
            first_child: Vec::new(),
            tokens: vec![0],
            first_word: Vec::new(),
            ending: Vec::new(),
            words: spellings.iter().map(|spelling| spelling.word).collect(),
            ahead: Vec::new(),
        };
        // Breadth first: node by node, the spellings below it and how many tokens they share.
        let mut below = vec![(0..spellings.len(), 0)];
        let mut node = 0;
        while let Some((range, depth)) = below.get(node).cloned() {
            let spelled = &spellings[range.clone()];
            let ending = spelled
                .iter()
                .take_while(|s| s.tokens.len() == depth)
                .count();
            tree.first_word.push(range.start as u32);
            tree.ending.push(ending as u32);
            let best = spelled
                .iter()
                .map(|s| s.score)
                .fold(f32::NEG_INFINITY, f32::max);
            tree.ahead.push(best);
            tree.first_child.push(below.len() as Node);
            let mut start = range.start + ending;
            for same in spelled[ending..].chunk_by(|a, b| a.tokens[depth] == b.tokens[depth]) {
                tree.tokens.push(same[0].tokens[depth]);
                below.push((start..start + same.len(), depth + 1));
                start += same.len();
            }
            node += 1;
        }
        tree.first_child.push(below.len() as Node);
        tree
    }

    /// The child of a node by a token.
    #[inline]
    pub(super) fn child(&self, node: Node, token: u32) -> Option<Node> {
        let range = self.children(node);
        let at = self.tokens[range.clone()]
            .iter()
            .position(|&other| other == token)?;
        Some((range.start + at) as Node)
    }

    /// The children of a node, which are nodes themselves.
    pub(super) fn children(&self, node: Node) -> Range<usize> {
        self.first_child[node as usize] as usize..self.first_child[node as usize + 1] as usize
    }

    /// How many nodes there are. They are numbered breadth first.
    pub(super) fn nodes(&self) -> usize {
        self.tokens.len()
    }

    /// The token that leads to a node.
    pub(super) fn token(&self, node: Node) -> u32 {
        self.tokens[node as usize]
    }

    /// The words that end at a node.
    pub(super) fn words(&self, node: Node) -> &[u32] {
        let start = self.first_word[node as usize] as usize;
        &self.words[start..start + self.ending[node as usize] as usize]
    }

    /// The highest score of a word at or below a node.
    #[inline]
    pub(super) fn ahead(&self, node: Node) -> f32 {
        self.ahead[node as usize]
    }

    /// How many spellings there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn walk(tree: &LexiconTree, tokens: &[u32]) -> Option<Node> {
        tokens
            .iter()
            .try_fold(ROOT, |node, &token| tree.child(node, token))
    }

    proptest! {
        /// The slow twin: a map from every spelling and every beginning of one.
        #[test]
        fn the_tree_knows_every_spelling_and_every_beginning(
            spelled in prop::collection::vec((prop::collection::vec(1u32..4, 0..4), 0u32..5), 0..20)
        ) {
            let score = |word: u32| -((word * 7 % 5) as f32);
            let spellings = spelled.iter().map(|(tokens, word)| Spelling {
                tokens: tokens.clone(),
                word: *word,
                score: score(*word),
            });
            let tree = LexiconTree::new(spellings.collect());
            let mut words: BTreeMap<Vec<u32>, Vec<u32>> = BTreeMap::new();
            let mut ahead: BTreeMap<Vec<u32>, f32> = BTreeMap::new();
            for (tokens, word) in spelled.iter().filter(|(tokens, _)| !tokens.is_empty()) {
                words.entry(tokens.clone()).or_default().push(*word);
                for end in 0..=tokens.len() {
                    let best = ahead.entry(tokens[..end].to_vec()).or_insert(f32::NEG_INFINITY);
                    *best = best.max(score(*word));
                }
            }
            let all = (0..=4u32).flat_map(|length| {
                (0..4u32.pow(length)).map(move |index| {
                    (0..length).map(|i| index / 4u32.pow(i) % 4).collect::<Vec<u32>>()
                })
            });
            for tokens in all {
                match walk(&tree, &tokens) {
                    None => prop_assert!(!ahead.contains_key(&tokens)),
                    Some(node) => {
                        let mut expected = words.remove(&tokens).unwrap_or_default();
                        expected.sort_unstable();
                        expected.dedup();
                        prop_assert_eq!(tree.words(node), expected);
                        let none = tokens.is_empty() && tree.is_empty();
                        prop_assert!(none || tree.ahead(node) == ahead[&tokens]);
                    }
                }
            }
        }
    }
}
