//! The tree of prefixes that a search has met.

use std::collections::HashMap;
use std::hash::Hash;

use super::{Guide, Step};

/// A prefix: its place in the tree.
pub(super) type Prefix = u32;

/// The empty prefix.
pub(super) const ROOT: Prefix = 0;

const NONE: u32 = u32::MAX;

/// All prefixes that entered the beam once, each there once: one that left it and comes back is
/// found again, so that its descendants still in the beam stay its descendants.
pub(super) struct Prefixes<S, F> {
    nodes: Vec<Node>,
    states: Vec<S>,
    /// A number for each last token and guide's future.
    futures: HashMap<(u32, F), u32>,
}

#[derive(Clone, Copy)]
struct Node {
    parent: Prefix,
    step: Step,
    first_child: Prefix,
    next_sibling: Prefix,
    /// Sum of the guide's scores.
    guide: f32,
    /// Place in the beam, where the beam says so of the same prefix.
    slot: u32,
    /// The number of what is ahead of it.
    future: u32,
}

impl<S, F: Eq + Hash> Prefixes<S, F> {
    pub fn new(start: S) -> Self {
        let root = Node {
            parent: NONE,
            step: Step {
                token: NONE,
                label: NONE,
            },
            first_child: NONE,
            next_sibling: NONE,
            guide: 0.0,
            slot: 0,
            future: NONE,
        };
        Self {
            nodes: vec![root],
            states: vec![start],
            futures: HashMap::new(),
        }
    }

    fn node(&self, prefix: Prefix) -> &Node {
        &self.nodes[prefix as usize]
    }

    /// The prefix without its last token.
    pub fn parent(&self, prefix: Prefix) -> Option<Prefix> {
        Some(self.node(prefix).parent).filter(|&parent| parent != NONE)
    }

    /// The guide's score of the prefix.
    pub fn guide(&self, prefix: Prefix) -> f32 {
        self.node(prefix).guide
    }

    /// The guide's state of the prefix.
    pub fn state(&self, prefix: Prefix) -> &S {
        &self.states[prefix as usize]
    }

    /// Where the prefix was last said to be in the beam.
    pub fn slot(&self, prefix: Prefix) -> u32 {
        self.node(prefix).slot
    }

    /// Notes where the prefix is in the beam.
    pub fn set_slot(&mut self, prefix: Prefix, slot: u32) {
        self.nodes[prefix as usize].slot = slot;
    }

    /// The step that made the prefix.
    pub fn step(&self, prefix: Prefix) -> Step {
        self.node(prefix).step
    }

    /// A number from 0 that prefixes share whose last tokens are equal and which the guide treats
    /// alike from there on; `None` if it cannot tell.
    pub fn future(&self, prefix: Prefix) -> Option<usize> {
        let future = self.node(prefix).future;
        (future != NONE).then_some(future as usize)
    }

    /// The prefix extended by a step, made if it is not there; the guide gives the step `score`.
    pub fn extended<G: Guide<State = S, Future = F>>(
        &mut self,
        prefix: Prefix,
        step: Step,
        score: f32,
        guide: &G,
    ) -> Prefix {
        let mut child = self.node(prefix).first_child;
        while child != NONE {
            let node = self.node(child);
            if node.step == step {
                return child;
            }
            child = node.next_sibling;
        }
        let child = self.nodes.len() as Prefix;
        let score = self.guide(prefix) + score;
        let state = guide.advance(self.state(prefix), step);
        let next = self.futures.len() as u32;
        let future = guide.future(&state).map_or(NONE, |future| {
            *self.futures.entry((step.token, future)).or_insert(next)
        });
        let parent = &mut self.nodes[prefix as usize];
        let next_sibling = std::mem::replace(&mut parent.first_child, child);
        self.nodes.push(Node {
            parent: prefix,
            step,
            first_child: NONE,
            next_sibling,
            guide: score,
            slot: 0,
            future,
        });
        self.states.push(state);
        child
    }

    /// The steps that made the prefix, first to last.
    pub fn steps(&self, prefix: Prefix) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut node = self.node(prefix);
        while node.parent != NONE {
            steps.push(node.step);
            node = self.node(node.parent);
        }
        steps.reverse();
        steps
    }
}
