//! The agents of a lane, as the server reports them, and what was assigned to them on top of that.
//!
//! Who is free is kept as bits, and in the order of how much each is to be preferred. What a seat was before each of its
//! last changes is remembered as well, within a bound, so that a decision can be explained as it was made without
//! anything being written down at that moment.

use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::directory::{AgentNumber, AgentSet};

/// Changes of seats that are remembered.
const CHANGES_REMEMBERED: usize = 16_384;

/// One agent, seen from one media type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seat {
    pub(crate) place: Arc<str>,
    pub(crate) ready: bool,
    pub(crate) capacity: u32,
    pub(crate) busy: u32,
    pub(crate) ready_since: i64,
    /// Assigned by us and not yet part of `busy`.
    pub(crate) reserved: u32,
    /// The server knows better than what is said here: its next report is waited for.
    pub(crate) behind: bool,
}

impl Seat {
    pub(crate) fn load(&self) -> u64 {
        u64::from(self.busy) + u64::from(self.reserved)
    }

    pub(crate) fn has_room(&self) -> bool {
        !self.behind && self.load() < u64::from(self.capacity)
    }

    pub(crate) fn is_free(&self) -> bool {
        self.ready && self.has_room()
    }

    /// Nobody sits there, and nothing is on its way.
    pub(crate) fn is_empty(&self) -> bool {
        !self.ready && self.capacity == 0 && self.reserved == 0 && self.busy == 0 && self.place.is_empty()
    }

    pub(crate) fn rank(&self, agent: AgentNumber) -> Rank {
        Rank { load: self.load(), capacity: u64::from(self.capacity), ready_since: self.ready_since, agent }
    }
}

/// How much a free agent is to be preferred; less is better: the least loaded, then the one ready for the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rank {
    load: u64,
    /// Not 0: the agent is free.
    capacity: u64,
    pub(crate) ready_since: i64,
    pub(crate) agent: AgentNumber,
}

impl Rank {
    /// Compares how large a part of their capacities is in use.
    pub(crate) fn cmp_loading(&self, other: &Rank) -> Ordering {
        (self.load * other.capacity).cmp(&(other.load * self.capacity))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Rank) -> Ordering {
        self.cmp_loading(other)
            .then(self.ready_since.cmp(&other.ready_since))
            .then(self.agent.cmp(&other.agent))
            // Two loads may be the same part of two capacities.
            .then(self.capacity.cmp(&other.capacity))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Rank) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Seats {
    /// By the agent's number.
    seats: Vec<Seat>,
    /// Seats that are not empty.
    seated: usize,
    free: AgentSet,
    /// The free ones, the best first.
    ranked: BTreeSet<Rank>,
    /// Whose seat changed, and what it was before; the oldest first.
    before: VecDeque<(AgentNumber, Seat)>,
    changes: u64,
}

impl Seats {
    /// Changes are counted so that none of a lane with another number can be meant.
    pub(crate) fn new(lane: u64) -> Seats {
        Seats { changes: lane << 32, ..Seats::default() }
    }

    pub(crate) fn get(&self, agent: AgentNumber) -> Option<&Seat> {
        self.seats.get(agent).filter(|seat| !seat.is_empty())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.seated == 0
    }

    /// Who sits there, by their numbers.
    pub(crate) fn seated(&self) -> impl Iterator<Item = (AgentNumber, &Seat)> {
        self.seats.iter().enumerate().filter(|(_, seat)| !seat.is_empty())
    }

    /// Room for so many.
    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    pub(crate) fn is_free(&self, agent: AgentNumber) -> bool {
        self.free.contains(agent)
    }

    pub(crate) fn has_free(&self) -> bool {
        !self.ranked.is_empty()
    }

    /// The free ones of these.
    pub(crate) fn free_of<'a>(&'a self, set: &'a AgentSet) -> impl Iterator<Item = (AgentNumber, &'a Seat)> {
        set.intersection(&self.free).filter_map(|agent| Some((agent, self.seats.get(agent)?)))
    }

    /// The least loaded of the free ones of these.
    pub(crate) fn least_loaded(&self, of: &AgentSet, excluded: &impl Fn(AgentNumber) -> bool) -> Option<Rank> {
        let count = of.intersection_count(&self.free);
        if count == 0 {
            return None;
        }
        // Of so many, evenly spread, the first to be met comes after free/count others.
        if count.saturating_mul(count) <= self.ranked.len() {
            let fitting = self.free_of(of).filter(|(agent, _)| !excluded(*agent));
            fitting.map(|(agent, seat)| seat.rank(agent)).min()
        } else {
            self.ranked.iter().find(|rank| of.contains(rank.agent) && !excluded(rank.agent)).copied()
        }
    }

    /// Changes a seat, and keeps what is known of it in step.
    pub(crate) fn change(&mut self, agent: AgentNumber, change: impl FnOnce(&mut Seat)) {
        if self.seats.len() <= agent {
            self.seats.resize(agent + 1, Seat::default());
            self.free.grow(agent + 1);
        }
        let Some(seat) = self.seats.get_mut(agent) else { return };
        if self.before.len() == CHANGES_REMEMBERED {
            self.before.pop_front();
        }
        self.before.push_back((agent, seat.clone()));
        self.changes += 1;
        if seat.is_free() {
            self.ranked.remove(&seat.rank(agent));
        }
        let was_empty = seat.is_empty();
        change(seat);
        match (was_empty, seat.is_empty()) {
            (true, false) => self.seated += 1,
            (false, true) => self.seated -= 1,
            _ => {}
        }
        self.free.set(agent, seat.is_free());
        if seat.is_free() {
            self.ranked.insert(seat.rank(agent));
        }
    }

    /// How many changes there were: a moment in the life of the lane.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// The seats as they were after so many changes; none: that is too long ago.
    pub(crate) fn as_of(&self, changes: u64) -> Option<Vec<Seat>> {
        let undo = usize::try_from(self.changes.checked_sub(changes)?).ok()?;
        if undo > self.before.len() {
            return None;
        }
        let mut seats = self.seats.clone();
        for (agent, before) in self.before.iter().rev().take(undo) {
            if let Some(seat) = seats.get_mut(*agent) {
                seat.clone_from(before);
            }
        }
        Some(seats)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn seats_are_remembered_as_they_were(changes in prop::collection::vec((0..5usize, 0..4u32), 1..60)) {
            let mut seats = Seats::default();
            let mut past = vec![Vec::new()];
            for (agent, busy) in changes {
                seats.change(agent, |seat| seat.busy = busy);
                past.push(seats.seats.iter().map(|seat| seat.busy).collect());
            }
            for (moment, was) in past.iter().enumerate() {
                let told = seats.as_of(moment as u64).expect("not so long ago");
                let told: Vec<u32> = told.iter().map(|seat| seat.busy).collect();
                // Seats that came later were empty then.
                prop_assert_eq!(told.get(..was.len()), Some(was.as_slice()));
                prop_assert!(told.iter().skip(was.len()).all(|busy| *busy == 0));
            }
        }
    }
}
