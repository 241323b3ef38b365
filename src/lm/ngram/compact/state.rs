//! The state of a query.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use super::header::MOST_ORDERS;

/// The contexts that end with the words so far, as far as they matter. Equal states predict alike,
/// whatever words led there.
#[derive(Clone, Copy, Debug)]
pub struct State {
    length: u32,
    /// By words from 1: the number of the context among those of its order.
    contexts: [u32; MOST_ORDERS - 1],
}

impl State {
    /// No context.
    pub(super) const EMPTY: Self = Self {
        length: 0,
        contexts: [0; MOST_ORDERS - 1],
    };

    /// Words of the longest context.
    #[inline]
    pub fn length(&self) -> usize {
        self.length as usize
    }

    /// The contexts, the shortest first.
    #[inline(always)]
    pub(super) fn contexts(&self) -> &[u32] {
        self.contexts.get(..self.length()).unwrap_or_default()
    }

    /// The state without its longest context.
    #[inline(always)]
    pub(super) fn shorter(&self) -> Self {
        Self {
            length: self.length.saturating_sub(1),
            ..*self
        }
    }

    /// One context more, longer by a word.
    #[inline(always)]
    pub(super) fn push(&mut self, context: u32) {
        let length = self.length();
        if let Some(place) = self.contexts.get_mut(length) {
            *place = context;
            self.length += 1;
        }
    }

    /// The longest context tells the others.
    #[inline(always)]
    fn longest(&self) -> (u32, Option<&u32>) {
        (self.length, self.contexts().last())
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.longest() == other.longest()
    }
}

impl Eq for State {}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.longest().hash(hasher);
    }
}

impl Ord for State {
    fn cmp(&self, other: &Self) -> Ordering {
        self.longest().cmp(&other.longest())
    }
}

impl PartialOrd for State {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
