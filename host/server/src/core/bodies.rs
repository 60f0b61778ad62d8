//! A bounded cache of recent interactions, so that the usual way (submitted, pulled soon after) reads
//! nothing from the disk. What is not on disk yet stays in it whatever the bound: the reader cannot
//! see it.

use std::collections::{HashMap, VecDeque};

use jackfield_protocol::v1::Interaction;
use prost::Message;

/// What an interaction costs in memory beyond its encoded bytes, roughly.
const OVERHEAD_BYTES: usize = 1_024;
/// Places of interactions that have left the cache which its order may hold before it is swept.
const STALE_PLACES: usize = 1_024;

#[derive(Debug)]
pub(super) struct Bodies {
    recent: HashMap<String, Recent>,
    /// In the order in which they came; those whose stamp is not the current one are stale.
    order: VecDeque<(u64, String)>,
    stamp: u64,
    bytes: usize,
    limit: usize,
    durable: u64,
}

#[derive(Debug)]
struct Recent {
    interaction: Interaction,
    bytes: usize,
    /// The number of the write that makes it durable.
    sequence: u64,
    stamp: u64,
}

impl Bodies {
    pub(super) fn new(limit: usize) -> Bodies {
        Bodies { recent: HashMap::new(), order: VecDeque::new(), stamp: 0, bytes: 0, limit, durable: 0 }
    }

    /// `sequence`: of the write that makes it durable, 0 when it was read from the store.
    pub(super) fn put(&mut self, interaction: Interaction, sequence: u64) {
        let bytes = interaction.encoded_len() + OVERHEAD_BYTES;
        self.stamp += 1;
        let id = interaction.interaction_id.clone();
        self.order.push_back((self.stamp, id.clone()));
        self.bytes += bytes;
        if let Some(old) = self.recent.insert(id, Recent { interaction, bytes, sequence, stamp: self.stamp }) {
            self.bytes -= old.bytes;
        }
        self.evict();
    }

    pub(super) fn get(&self, id: &str) -> Option<&Interaction> {
        self.recent.get(id).map(|recent| &recent.interaction)
    }

    pub(super) fn remove(&mut self, id: &str) {
        if let Some(old) = self.recent.remove(id) {
            self.bytes -= old.bytes;
        }
        if self.order.len() > 2 * self.recent.len() + STALE_PLACES {
            let recent = &self.recent;
            self.order.retain(|(stamp, id)| recent.get(id).is_some_and(|recent| recent.stamp == *stamp));
        }
    }

    pub(super) fn durable(&mut self, sequence: u64) {
        self.durable = sequence;
        self.evict();
    }

    fn evict(&mut self) {
        while let Some((stamp, id)) = self.order.front() {
            match self.recent.get(id) {
                Some(recent) if recent.stamp == *stamp => {
                    if self.bytes <= self.limit || recent.sequence > self.durable {
                        return;
                    }
                    self.bytes -= recent.bytes;
                    self.recent.remove(id);
                }
                _ => {}
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interaction(id: &str) -> Interaction {
        Interaction { interaction_id: id.into(), ..Interaction::default() }
    }

    #[test]
    fn what_is_not_durable_stays_and_the_oldest_of_the_rest_goes() {
        let mut bodies = Bodies::new(2 * (OVERHEAD_BYTES + 10));
        for (sequence, id) in ["a", "b", "c", "d"].into_iter().enumerate() {
            bodies.put(interaction(id), sequence as u64 + 1);
        }
        assert!(["a", "b", "c", "d"].iter().all(|id| bodies.get(id).is_some()), "nothing is durable");
        bodies.durable(1);
        assert!(bodies.get("a").is_none() && bodies.get("b").is_some());
        bodies.durable(4);
        assert!(bodies.get("b").is_none() && bodies.get("c").is_some() && bodies.get("d").is_some());
    }

    #[test]
    fn coming_and_going_leaves_nothing_behind() {
        let mut bodies = Bodies::new(1 << 20);
        for number in 0..10_000 {
            let id = number.to_string();
            bodies.put(interaction(&id), 0);
            bodies.remove(&id);
        }
        assert_eq!((bodies.recent.len(), bodies.bytes), (0, 0));
        assert!(bodies.order.len() <= STALE_PLACES + 1, "{}", bodies.order.len());
    }
}
