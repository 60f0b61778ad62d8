//! Event names: which transitions a name is for (section 3.12.1), with each name looked at once.
//!
//! A descriptor is a sequence of interned tokens, and matches the names that begin with them. [`Descriptors::row`] turns
//! a name into the set of the transitions it is for; whoever runs the document keeps these sets by name.

use serde::{Deserialize, Serialize};

use crate::{Bits, Index};

/// All event descriptors of a document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Descriptors {
    /// The tokens that occur in them, sorted.
    tokens: Vec<String>,
    entries: Vec<Descriptor>,
    transitions: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Descriptor {
    /// Empty matches every name.
    tokens: Vec<u32>,
    transition: Index,
}

impl Descriptors {
    /// Of the transitions and their attributes `event`.
    pub fn of<'a>(events: impl Iterator<Item = (Index, &'a str)> + Clone) -> Descriptors {
        let mut tokens: Vec<String> = events
            .clone()
            .flat_map(|(_, descriptors)| descriptors.split_ascii_whitespace())
            .flat_map(|descriptor| tokens_of(descriptor).map(str::to_owned))
            .collect();
        tokens.sort();
        tokens.dedup();
        let mut built = Descriptors { tokens, ..Descriptors::default() };
        for (transition, descriptors) in events {
            built.transitions = built.transitions.max(transition.saturating_add(1));
            for descriptor in descriptors.split_ascii_whitespace() {
                let tokens = tokens_of(descriptor).filter_map(|token| built.token(token)).collect();
                built.entries.push(Descriptor { tokens, transition });
            }
        }
        built
    }

    fn token(&self, token: &str) -> Option<u32> {
        let found = self.tokens.binary_search_by(|known| known.as_str().cmp(token)).ok()?;
        u32::try_from(found).ok()
    }

    /// The transitions that wait for an event of this name.
    pub fn row(&self, name: &str) -> Bits {
        let name: Vec<Option<u32>> = name.split('.').map(|token| self.token(token)).collect();
        let mut row = Bits::with_capacity(self.transitions as usize);
        for entry in &self.entries {
            let begins = entry.tokens.len() <= name.len();
            if begins && entry.tokens.iter().zip(&name).all(|(token, named)| Some(*token) == *named) {
                row.insert(entry.transition);
            }
        }
        row
    }

    pub(crate) fn is_within(&self, transitions: usize) -> bool {
        self.transitions as usize <= transitions
            && self.entries.iter().all(|entry| (entry.transition as usize) < transitions)
    }
}

/// `a.b`, `a.b.` and `a.b.*` are the same; `*` has no tokens.
fn tokens_of(descriptor: &str) -> impl Iterator<Item = &str> {
    let descriptor = descriptor.strip_suffix('*').unwrap_or(descriptor);
    let descriptor = descriptor.strip_suffix('.').unwrap_or(descriptor);
    descriptor.split('.').filter(move |_| !descriptor.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_match_whole_tokens_from_the_left() {
        let events = ["error", "error.queue.*", "errors.my", "*", "a.b c.", "error.queue.submit.x"];
        let rows = Descriptors::of(events.iter().enumerate().map(|(at, events)| (at as u32, *events)));
        let matched = |name| rows.row(name).iter().collect::<Vec<_>>();
        assert_eq!(matched("error"), [0, 3]);
        assert_eq!(matched("error.queue.submit"), [0, 1, 3]);
        assert_eq!(matched("errors"), [3]);
        assert_eq!(matched("errors.my.custom"), [2, 3]);
        assert_eq!(matched("a"), [3]);
        assert_eq!(matched("a.b.c"), [3, 4]);
        assert_eq!(matched("c"), [3, 4]);
        assert_eq!(matched("never.seen"), [3]);
    }
}
