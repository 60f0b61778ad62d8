//! A lane: one media type on one link. Agents of a lane can only take what waits in it, so matching
//! never looks further than one lane.
//!
//! What waits is kept in pools, one for each list of targets in use: everything in a pool fits the
//! same agents, so an agent who becomes free is compared with pools, not with interactions.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::directory::Directory;
use crate::selection::{MediaState, RouteId};
use crate::target::{Candidate, Target, Targets};

/// Who is served first: higher priority, then waiting for longer, then submitted earlier.
pub(crate) type Order = (Reverse<i32>, i64, u64);

/// One agent, seen from one media type.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    place: Arc<str>,
    ready: bool,
    capacity: u32,
    busy: u32,
    ready_since: i64,
    /// Assigned by us and not yet part of `busy`.
    reserved: u32,
}

impl Seat {
    fn load(&self) -> u64 {
        u64::from(self.busy) + u64::from(self.reserved)
    }

    fn is_free(&self) -> bool {
        self.ready && self.load() < u64::from(self.capacity)
    }

    /// Less: to be preferred.
    fn compare(&self, other: &Seat) -> Ordering {
        let left = self.load() * u64::from(other.capacity);
        let right = other.load() * u64::from(self.capacity);
        left.cmp(&right).then(self.ready_since.cmp(&other.ready_since))
    }
}

#[derive(Debug)]
struct Pool {
    targets: Arc<Targets>,
    waiting: BTreeSet<(Order, RouteId)>,
}

/// Who was found for an interaction.
#[derive(Debug)]
pub(crate) struct Fit {
    pub(crate) agent: Arc<str>,
    pub(crate) place: Arc<str>,
    pub(crate) target: Target,
}

#[derive(Debug, Default)]
pub(crate) struct Lane {
    seats: BTreeMap<Arc<str>, Seat>,
    free: BTreeSet<Arc<str>>,
    pools: HashMap<Arc<[Target]>, Pool>,
}

impl Lane {
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.pools.is_empty()
    }

    pub(crate) fn is_free(&self, agent: &str) -> bool {
        self.free.contains(agent)
    }

    pub(crate) fn knows(&self, agent: &str) -> bool {
        self.seats.contains_key(agent)
    }

    pub(crate) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    // ---- agents ----

    /// What the server says of an agent's media.
    pub(crate) fn report(&mut self, agent: &Arc<str>, place: &Arc<str>, state: &MediaState) {
        let seat = self.seats.entry(agent.clone()).or_default();
        seat.place = place.clone();
        seat.ready = state.ready;
        seat.capacity = state.capacity;
        seat.busy = state.busy;
        seat.ready_since = state.ready_since;
        self.settle(agent);
    }

    /// The agent does not have this media any more. What is reserved stays counted until it ends.
    pub(crate) fn leave(&mut self, agent: &str) {
        if let Some((agent, seat)) = self.seats.get_key_value(agent) {
            let (agent, reserved) = (agent.clone(), seat.reserved);
            self.seats.insert(agent.clone(), Seat { reserved, ..Seat::default() });
            self.settle(&agent);
        }
    }

    pub(crate) fn agents(&self) -> Vec<Arc<str>> {
        self.seats.keys().cloned().collect()
    }

    pub(crate) fn reserve(&mut self, agent: &Arc<str>) {
        if let Some(seat) = self.seats.get_mut(agent) {
            seat.reserved += 1;
            self.settle(agent);
        }
    }

    pub(crate) fn release(&mut self, agent: &Arc<str>) {
        if let Some(seat) = self.seats.get_mut(agent) {
            seat.reserved = seat.reserved.saturating_sub(1);
            self.settle(agent);
        }
    }

    /// Brings `free` in step with a seat that changed.
    fn settle(&mut self, agent: &Arc<str>) {
        let Some(seat) = self.seats.get(agent) else { return };
        if seat.is_free() {
            self.free.insert(agent.clone());
        } else {
            self.free.remove(agent);
            if !seat.ready && seat.capacity == 0 && seat.reserved == 0 {
                self.seats.remove(agent);
            }
        }
    }

    // ---- what waits ----

    pub(crate) fn wait(&mut self, key: &Arc<[Target]>, targets: &Arc<Targets>, order: Order, route: RouteId) {
        let pool = self
            .pools
            .entry(key.clone())
            .or_insert_with(|| Pool { targets: targets.clone(), waiting: BTreeSet::new() });
        pool.waiting.insert((order, route));
    }

    /// Targets that were understood already, because something waits for them.
    pub(crate) fn understood(&self, key: &Arc<[Target]>) -> Option<Arc<Targets>> {
        self.pools.get(key).map(|pool| pool.targets.clone())
    }

    /// Takes a waiting interaction out.
    pub(crate) fn take(&mut self, key: &Arc<[Target]>, order: Order, route: RouteId) {
        if let Some(pool) = self.pools.get_mut(key) {
            pool.waiting.remove(&(order, route));
            if pool.waiting.is_empty() {
                self.pools.remove(key);
            }
        }
    }

    /// Everything that waits, in the order it is served.
    pub(crate) fn in_order(&self) -> Vec<RouteId> {
        let mut all: Vec<_> = self.pools.values().flat_map(|pool| pool.waiting.iter().copied()).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, route)| route).collect()
    }

    // ---- matching ----

    /// The best free agent for what waits in this pool.
    pub(crate) fn best_agent(
        &self,
        key: &Arc<[Target]>,
        directory: &Directory,
        excluded: impl Fn(&str) -> bool,
    ) -> Option<Fit> {
        let pool = self.pools.get(key)?;
        self.free
            .iter()
            .filter(|agent| !excluded(agent))
            .filter_map(|agent| {
                let seat = self.seats.get(agent)?;
                let target = pool.targets.fit(&Candidate { agent, place: &seat.place }, directory)?;
                Some((agent, seat, target))
            })
            .min_by(|(_, left, _), (_, right, _)| left.compare(right))
            .map(|(agent, seat, target)| Fit {
                agent: agent.clone(),
                place: seat.place.clone(),
                target: target.clone(),
            })
    }

    /// What this agent should take next.
    pub(crate) fn best_waiting(
        &self,
        agent: &Arc<str>,
        directory: &Directory,
        excluded: impl Fn(RouteId) -> bool,
    ) -> Option<(RouteId, Fit)> {
        if !self.is_free(agent) {
            return None;
        }
        let seat = self.seats.get(agent)?;
        let candidate = Candidate { agent, place: &seat.place };
        self.pools
            .values()
            .filter_map(|pool| {
                let target = pool.targets.fit(&candidate, directory)?;
                let first = pool.waiting.iter().find(|(_, route)| !excluded(*route))?;
                Some((*first, target))
            })
            .min_by_key(|(first, _)| *first)
            .map(|((_, route), target)| {
                (route, Fit { agent: agent.clone(), place: seat.place.clone(), target: target.clone() })
            })
    }
}
