//! From the compact form back to a [`Trie`], to be written as ARPA, pruned or mixed.

use super::super::super::Error;
use super::super::trie::{Level, Trie};
use super::model::NGram;

/// All n-grams of a compact model, with the values that it answers with.
pub fn expand(model: &NGram) -> Result<Trie, Error> {
    let order = model.order();
    let mut levels: Vec<Level> = Vec::new();
    // The states of the level above, in its order; `None` where the n-gram is no state.
    let mut states = vec![Some(model.empty())];
    for (n, promised) in (1..=order).zip(model.counts()) {
        let promised = promised as usize;
        let mut level = Level::default();
        let mut next_states = Vec::new();
        let mut children = vec![0];
        for state in states {
            if let Some(state) = state {
                model.for_each_arc(state, |word, log10_prob, next| {
                    let own = (n < order && next.length() == n).then_some(next);
                    level.words.push(word);
                    level.log10_probs.push(log10_prob);
                    level
                        .backoffs
                        .push(own.map_or(0.0, |own| model.back_off(own).0));
                    if n < order {
                        next_states.push(own);
                    }
                });
            }
            children.push(level.len() as u32);
            if level.len() > promised {
                break;
            }
        }
        if level.len() != promised {
            let name = model.name().to_string();
            let why = format!("it has not as many {n}-grams as its header says; convert it again");
            return Err(Error::Model { name, why });
        }
        if let Some(above) = levels.last_mut() {
            above.children = children;
        }
        levels.push(level);
        states = next_states;
    }
    let vocabulary = model.vocabulary().clone();
    Ok(Trie { vocabulary, levels })
}
