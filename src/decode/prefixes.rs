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
        let future = self.number(step.token, guide.future(&state));
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

    /// How many prefixes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Forgets all prefixes that neither are among `kept` nor begin one of them, and gives those of
    /// `kept` their new places. Futures have new numbers.
    pub fn forget_all_but<G: Guide<State = S, Future = F>>(
        &mut self,
        kept: &mut [&mut Prefix],
        guide: &G,
    ) {
        let mut needed = vec![false; self.nodes.len()];
        for prefix in kept.iter() {
            let mut at = **prefix;
            while at != NONE && !std::mem::replace(&mut needed[at as usize], true) {
                at = self.node(at).parent;
            }
        }
        needed[ROOT as usize] = true;
        // Parents come before their children, so that a prefix's new place is known when they are met.
        let mut places = vec![NONE; self.nodes.len()];
        let nodes = std::mem::take(&mut self.nodes);
        let states = std::mem::take(&mut self.states);
        self.futures.clear();
        for (old, (node, state)) in nodes.into_iter().zip(states).enumerate() {
            if !needed[old] {
                continue;
            }
            let place = self.nodes.len() as Prefix;
            places[old] = place;
            let parent = places.get(node.parent as usize).copied().unwrap_or(NONE);
            let next_sibling = match self.nodes.get_mut(parent as usize) {
                Some(parent) => std::mem::replace(&mut parent.first_child, place),
                None => NONE,
            };
            let future = match node.future {
                NONE => NONE,
                _ => self.number(node.step.token, guide.future(&state)),
            };
            self.nodes.push(Node {
                parent,
                first_child: NONE,
                next_sibling,
                future,
                ..node
            });
            self.states.push(state);
        }
        for prefix in kept {
            **prefix = places[**prefix as usize];
        }
    }

    /// The number of what is ahead of a prefix.
    fn number(&mut self, token: u32, future: Option<F>) -> u32 {
        let next = self.futures.len() as u32;
        future.map_or(NONE, |future| {
            *self.futures.entry((token, future)).or_insert(next)
        })
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
