//! A lane: one media type on one link. Agents of a lane can only take what waits in it, so matching
//! never looks further than one lane.
//!
//! What waits is kept in pools, one for each list of targets in use: everything in a pool fits the same agents, and who
//! they are is one set of bits. So both questions are short:
//!
//! * *Who takes this interaction?* Of the free agents, those in the pool's set. Where they are few, they are compared with
//!   each other; where they are many, the free agents are walked through from the best, and one who fits is met soon.
//! * *What does this agent take?* The pools are walked through in the order of their first interaction, to the first one
//!   in whose set the agent is.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::directory::{AgentNumber, AgentSet, Directory};
use crate::selection::{MediaState, RouteId};
use crate::target::{Target, Targets};

/// Who is served first: higher priority, then waiting for longer, then submitted earlier.
pub(crate) type Order = (Reverse<i32>, i64, u64);

/// Names a pool of a lane. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PoolId(u64);

/// One agent, seen from one media type.
#[derive(Clone, Debug, Default)]
struct Seat {
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

    /// Nobody sits there, and nothing is on its way.
    fn is_empty(&self) -> bool {
        !self.ready && self.capacity == 0 && self.reserved == 0
    }

    fn rank(&self, agent: AgentNumber) -> Rank {
        Rank { load: self.load(), capacity: u64::from(self.capacity), ready_since: self.ready_since, agent }
    }
}

/// How much a free agent is to be preferred; less is better: the least loaded, then the one ready for the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rank {
    load: u64,
    /// Not 0: the agent is free.
    capacity: u64,
    ready_since: i64,
    agent: AgentNumber,
}

impl Ord for Rank {
    fn cmp(&self, other: &Rank) -> Ordering {
        let (left, right) = (self.load * other.capacity, other.load * self.capacity);
        left.cmp(&right)
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

#[derive(Debug)]
struct Pool {
    targets: Arc<Targets>,
    /// Everybody it fits, wherever they are at this moment.
    fits: AgentSet,
    waiting: BTreeSet<(Order, RouteId)>,
}

/// Who was found for an interaction.
#[derive(Debug)]
pub(crate) struct Fit {
    pub(crate) agent: AgentNumber,
    pub(crate) place: Arc<str>,
    pub(crate) target: Target,
}

#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// By the agent's number.
    seats: Vec<Seat>,
    /// Seats that are not empty.
    seated: usize,
    free: AgentSet,
    /// The free ones, the best first.
    ranked: BTreeSet<Rank>,
    pools: HashMap<PoolId, Pool>,
    by_targets: HashMap<Arc<[Target]>, PoolId>,
    /// The first interaction of each pool.
    heads: BTreeSet<(Order, RouteId, PoolId)>,
    last_pool: u64,
}

impl Lane {
    pub(crate) fn is_empty(&self) -> bool {
        self.seated == 0 && self.pools.is_empty()
    }

    pub(crate) fn has_free(&self) -> bool {
        !self.ranked.is_empty()
    }

    // ---- agents ----

    /// What the server says of an agent's media.
    pub(crate) fn report(&mut self, agent: AgentNumber, place: &Arc<str>, state: &MediaState, directory: &Directory) {
        let moved = self.seats.get(agent).is_none_or(|seat| seat.place != *place);
        self.change(agent, |seat| {
            seat.place = place.clone();
            seat.ready = state.ready;
            seat.capacity = state.capacity;
            seat.busy = state.busy;
            seat.ready_since = state.ready_since;
        });
        if moved {
            self.sits_elsewhere(agent, directory);
        }
    }

    /// The agent does not have this media any more. What is reserved stays counted until it ends.
    pub(crate) fn leave(&mut self, agent: AgentNumber, directory: &Directory) {
        if self.seats.get(agent).is_some_and(|seat| !seat.is_empty()) {
            self.change(agent, |seat| *seat = Seat { reserved: seat.reserved, ..Seat::default() });
            self.sits_elsewhere(agent, directory);
        }
    }

    pub(crate) fn agents(&self) -> Vec<AgentNumber> {
        let seats = self.seats.iter().enumerate();
        seats.filter(|(_, seat)| !seat.is_empty()).map(|(agent, _)| agent).collect()
    }

    pub(crate) fn knows(&self, agent: AgentNumber) -> bool {
        self.seats.get(agent).is_some_and(|seat| !seat.is_empty())
    }

    pub(crate) fn reserve(&mut self, agent: AgentNumber) {
        self.change(agent, |seat| seat.reserved += 1);
    }

    pub(crate) fn release(&mut self, agent: AgentNumber) {
        self.change(agent, |seat| seat.reserved = seat.reserved.saturating_sub(1));
    }

    /// Changes a seat, and keeps what is known of it in step.
    fn change(&mut self, agent: AgentNumber, change: impl FnOnce(&mut Seat)) {
        if self.seats.len() <= agent {
            self.seats.resize(agent + 1, Seat::default());
            self.free.grow(agent + 1);
        }
        let Some(seat) = self.seats.get_mut(agent) else { return };
        if seat.is_free() {
            self.ranked.remove(&seat.rank(agent));
        }
        let was_empty = seat.is_empty();
        change(seat);
        if seat.is_empty() {
            // Whoever comes back comes to a place anew.
            *seat = Seat::default();
        }
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

    /// Which targets mean an agent by the place may have changed.
    fn sits_elsewhere(&mut self, agent: AgentNumber, directory: &Directory) {
        let Some(seat) = self.seats.get(agent) else { return };
        for pool in self.pools.values_mut().filter(|pool| pool.targets.name_places()) {
            pool.fits.grow(agent + 1);
            pool.fits.set(agent, pool.targets.fit(agent, &seat.place, directory).is_some());
        }
    }

    /// What is configured about agents has changed.
    pub(crate) fn know_anew(&mut self, directory: &Directory) {
        for pool in self.pools.values_mut() {
            pool.fits = pool.targets.everybody(directory);
        }
        for agent in self.agents() {
            self.sits_elsewhere(agent, directory);
        }
    }

    // ---- what waits ----

    /// One more waits for these.
    pub(crate) fn wait(
        &mut self,
        targets: &Arc<Targets>,
        order: Order,
        route: RouteId,
        directory: &Directory,
    ) -> PoolId {
        let id = match self.by_targets.get(targets.given()) {
            Some(id) => *id,
            None => self.open_pool(targets, directory),
        };
        if let Some(pool) = self.pools.get_mut(&id) {
            let before = pool.waiting.first().copied();
            pool.waiting.insert((order, route));
            set_head(&mut self.heads, id, before, pool.waiting.first().copied());
        }
        id
    }

    fn open_pool(&mut self, targets: &Arc<Targets>, directory: &Directory) -> PoolId {
        self.last_pool += 1;
        let id = PoolId(self.last_pool);
        let mut fits = targets.everybody(directory);
        if targets.name_places() {
            fits.grow(self.seats.len());
            for (agent, seat) in self.seats.iter().enumerate() {
                if !seat.is_empty() && targets.fit(agent, &seat.place, directory).is_some() {
                    fits.insert(agent);
                }
            }
        }
        self.by_targets.insert(targets.given().clone(), id);
        self.pools.insert(id, Pool { targets: targets.clone(), fits, waiting: BTreeSet::new() });
        id
    }

    /// Targets that were understood already, because something waits for them.
    pub(crate) fn understood(&self, targets: &[Target]) -> Option<Arc<Targets>> {
        let pool = self.pools.get(self.by_targets.get(targets)?)?;
        Some(pool.targets.clone())
    }

    /// Takes a waiting interaction out.
    pub(crate) fn take(&mut self, id: PoolId, order: Order, route: RouteId) {
        let Some(pool) = self.pools.get_mut(&id) else { return };
        let before = pool.waiting.first().copied();
        pool.waiting.remove(&(order, route));
        let after = pool.waiting.first().copied();
        set_head(&mut self.heads, id, before, after);
        if after.is_none()
            && let Some(pool) = self.pools.remove(&id)
        {
            self.by_targets.remove(pool.targets.given());
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
        id: PoolId,
        directory: &Directory,
        excluded: impl Fn(AgentNumber) -> bool,
    ) -> Option<Fit> {
        let pool = self.pools.get(&id)?;
        let count = pool.fits.intersection_count(&self.free);
        // Of so many, evenly spread, the first to be met comes after free/count others.
        let agent = if count.saturating_mul(count) <= self.ranked.len() {
            let fitting = pool.fits.intersection(&self.free).filter(|agent| !excluded(*agent));
            fitting.filter_map(|agent| Some(self.seats.get(agent)?.rank(agent))).min()?.agent
        } else {
            let fits = |rank: &&Rank| pool.fits.contains(rank.agent) && !excluded(rank.agent);
            self.ranked.iter().find(fits)?.agent
        };
        self.fit(pool, agent, directory)
    }

    /// What this agent should take next.
    pub(crate) fn best_waiting(
        &self,
        agent: AgentNumber,
        directory: &Directory,
        excluded: impl Fn(RouteId) -> bool,
    ) -> Option<(RouteId, Fit)> {
        if !self.free.contains(agent) {
            return None;
        }
        let mut best: Option<(Order, RouteId, &Pool)> = None;
        for (order, route, id) in &self.heads {
            if best.is_some_and(|(best, other, _)| (best, other) < (*order, *route)) {
                break;
            }
            let Some(pool) = self.pools.get(id).filter(|pool| pool.fits.contains(agent)) else { continue };
            // Its first one that may go there, which is nearly always its first one.
            if let Some(&(order, route)) = pool.waiting.iter().find(|(_, route)| !excluded(*route))
                && best.is_none_or(|(best, other, _)| (order, route) < (best, other))
            {
                best = Some((order, route, pool));
            }
        }
        let (_, route, pool) = best?;
        Some((route, self.fit(pool, agent, directory)?))
    }

    fn fit(&self, pool: &Pool, agent: AgentNumber, directory: &Directory) -> Option<Fit> {
        let seat = self.seats.get(agent)?;
        let target = pool.targets.fit(agent, &seat.place, directory)?.clone();
        Some(Fit { agent, place: seat.place.clone(), target })
    }
}

fn set_head(
    heads: &mut BTreeSet<(Order, RouteId, PoolId)>,
    pool: PoolId,
    before: Option<(Order, RouteId)>,
    after: Option<(Order, RouteId)>,
) {
    if before == after {
        return;
    }
    if let Some((order, route)) = before {
        heads.remove(&(order, route, pool));
    }
    if let Some((order, route)) = after {
        heads.insert((order, route, pool));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::directory::AgentProfile;
    use crate::target::TargetKind;

    /// Level of the one skill, capacity, busy, ready, ready since.
    type Agent = (i32, u32, u32, bool, i64);

    fn agents() -> impl Strategy<Value = Vec<Agent>> {
        prop::collection::vec((0..20i32, 0..4u32, 0..3u32, prop::bool::weighted(0.8), 0..50i64), 1..120)
    }

    fn directory(agents: &[Agent]) -> Directory {
        let profile = |level: i32| AgentProfile { skills: [("a".to_owned(), level)].into(), ..AgentProfile::default() };
        agents.iter().enumerate().map(|(index, agent)| (format!("{index:03}"), profile(agent.0))).collect()
    }

    fn targets(level: i32, directory: &Directory) -> Arc<Targets> {
        let target = Target::new(TargetKind::Skill, format!("a >= {level}"));
        Arc::new(Targets::understand(vec![target], directory, |_| false).expect("targets"))
    }

    proptest! {
        #[test]
        fn the_best_agent_and_the_first_interaction_are_those_a_scan_finds(
            agents in agents(),
            levels in prop::collection::vec((0..22i32, 0..3i32), 1..20),
            left_out in 0..120usize,
        ) {
            let directory = directory(&agents);
            let mut lane = Lane::default();
            let mut waiting = Vec::new();
            for (index, (level, priority)) in levels.iter().enumerate() {
                let (order, route) = ((Reverse(*priority), 0, index as u64), RouteId(index as u64));
                let pool = lane.wait(&targets(*level, &directory), order, route, &directory);
                waiting.push((order, route, *level, pool));
            }
            for (agent, (_, capacity, busy, ready, ready_since)) in agents.iter().copied().enumerate() {
                let state = MediaState { media_type: "email".into(), ready, capacity, busy, ready_since };
                lane.report(agent, &"desk".into(), &state, &directory);
            }
            let is_free = |agent: &Agent| agent.3 && agent.2 < agent.1;
            for (_, _, level, pool) in &waiting {
                let fitting = agents.iter().enumerate().filter(|(index, agent)| {
                    is_free(agent) && agent.0 >= *level && *index != left_out
                });
                let best = fitting.min_by(|(one, left), (other, right)| {
                    let (load, others) = (left.2 * right.1, right.2 * left.1);
                    load.cmp(&others).then(left.4.cmp(&right.4)).then(one.cmp(other))
                });
                let found = lane.best_agent(*pool, &directory, |agent| agent == left_out);
                prop_assert_eq!(found.map(|fit| fit.agent), best.map(|(index, _)| index));
            }
            for (index, agent) in agents.iter().enumerate() {
                let excluded = |route: RouteId| route.0 as usize == left_out;
                let fitting = waiting.iter().filter(|(_, route, level, _)| agent.0 >= *level && !excluded(*route));
                let first = fitting.map(|(order, route, _, _)| (*order, *route)).min().filter(|_| is_free(agent));
                let found = lane.best_waiting(index, &directory, excluded);
                prop_assert_eq!(found.map(|(route, _)| route), first.map(|(_, route)| route));
            }
        }
    }
}
