//! A lane: one media type on one link. Agents of a lane can only take what waits in it, so matching
//! never looks further than one lane.
//!
//! What waits is kept in pools, one for each list of targets in use: everything in a pool fits the same agents, and who
//! they are is a set of bits for each target. So both questions are short:
//!
//! * *Who takes this interaction?* (`choose`) Of the free agents, those in the sets of the pool.
//! * *What does this agent take?* The pools are walked through in the order of their first interaction, to the first one
//!   in whose sets the agent is.
//!
//! An interaction whose priority grows is put into its new place in its pool when it does: two steps in a tree, and nothing
//! else is looked at.

mod choose;
mod pool;
mod seats;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

pub(crate) use self::choose::{Fit, How, Known};
use self::pool::Pool;
pub(crate) use self::seats::{Seat, Seats};
use crate::directory::{AgentNumber, Directory};
use crate::selection::{MediaState, RouteId};
use crate::target::{Target, Targets};

/// Who is served first: higher priority, then waiting for longer, then submitted earlier.
pub(crate) type InLine = (Reverse<i32>, i64, u64);

/// Names a pool of a lane for as long as anything waits in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PoolId(usize);

#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) seats: Seats,
    /// By their ids; those that are empty are used again.
    pools: Vec<Option<Pool>>,
    unused: Vec<PoolId>,
    by_targets: HashMap<Arc<[Target]>, PoolId>,
    /// The first interaction of each pool.
    heads: BTreeSet<(InLine, RouteId, PoolId)>,
}

impl Lane {
    /// `number` is larger than that of any lane before.
    pub(crate) fn new(number: u64) -> Lane {
        Lane { seats: Seats::new(number), ..Lane::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty() && self.by_targets.is_empty()
    }

    // ---- agents ----

    /// What the server says of an agent's media.
    pub(crate) fn report(&mut self, agent: AgentNumber, place: &Arc<str>, state: &MediaState, directory: &Directory) {
        let moved = self.seats.get(agent).is_none_or(|seat| seat.place != *place);
        self.seats.change(agent, |seat| {
            if seat.place != *place {
                seat.place = place.clone();
            }
            seat.ready = state.ready;
            seat.capacity = state.capacity;
            seat.busy = state.busy;
            seat.ready_since = state.ready_since;
            seat.behind = false;
        });
        if moved {
            self.sits_elsewhere(agent, directory);
        }
    }

    /// The agent does not have this media any more. What is reserved stays counted until it ends.
    pub(crate) fn leave(&mut self, agent: AgentNumber, directory: &Directory) {
        if self.seats.get(agent).is_some() {
            self.seats.change(agent, |seat| *seat = Seat { reserved: seat.reserved, ..Seat::default() });
            self.sits_elsewhere(agent, directory);
        }
    }

    pub(crate) fn agents(&self) -> Vec<AgentNumber> {
        self.seats.seated().map(|(agent, _)| agent).collect()
    }

    pub(crate) fn reserve(&mut self, agent: AgentNumber) {
        self.seats.change(agent, |seat| seat.reserved += 1);
    }

    pub(crate) fn release(&mut self, agent: AgentNumber) {
        self.seats.change(agent, |seat| seat.reserved = seat.reserved.saturating_sub(1));
    }

    /// What is known of the agent is behind, until the next report.
    pub(crate) fn is_behind(&mut self, agent: AgentNumber) {
        self.seats.change(agent, |seat| seat.behind = true);
    }

    /// Which targets mean an agent by the place may have changed.
    fn sits_elsewhere(&mut self, agent: AgentNumber, directory: &Directory) {
        let place = self.seats.get(agent).map(|seat| seat.place.clone()).unwrap_or_default();
        for pool in self.pools.iter_mut().flatten() {
            pool.sits_elsewhere(agent, &place, directory);
        }
    }

    /// What is configured about agents has changed.
    pub(crate) fn know_anew(&mut self, directory: &Directory) {
        for pool in self.pools.iter_mut().flatten() {
            pool.know_anew(&self.seats, directory);
        }
    }

    fn pool(&self, id: PoolId) -> Option<&Pool> {
        self.pools.get(id.0)?.as_ref()
    }

    fn pool_mut(&mut self, id: PoolId) -> Option<&mut Pool> {
        self.pools.get_mut(id.0)?.as_mut()
    }

    // ---- what waits ----

    /// One more waits for these.
    pub(crate) fn wait(
        &mut self,
        targets: &Arc<Targets>,
        line: InLine,
        route: RouteId,
        directory: &Directory,
    ) -> PoolId {
        let id = match self.by_targets.get(targets.given()) {
            Some(id) => *id,
            None => self.open_pool(targets, directory),
        };
        self.with_head(id, |pool| {
            pool.waiting.insert((line, route));
        });
        id
    }

    fn open_pool(&mut self, targets: &Arc<Targets>, directory: &Directory) -> PoolId {
        let id = self.unused.pop().unwrap_or(PoolId(self.pools.len()));
        let pool = Some(Pool::new(targets.clone(), &self.seats, directory));
        match self.pools.get_mut(id.0) {
            Some(place) => *place = pool,
            None => self.pools.push(pool),
        }
        self.by_targets.insert(targets.given().clone(), id);
        id
    }

    /// Changes what waits in a pool, and keeps its first one known.
    fn with_head(&mut self, id: PoolId, change: impl FnOnce(&mut Pool)) {
        let Some(pool) = self.pool_mut(id) else { return };
        let before = pool.waiting.first().copied();
        change(pool);
        let after = pool.waiting.first().copied();
        if before == after {
            return;
        }
        if let Some((line, route)) = before {
            self.heads.remove(&(line, route, id));
        }
        if let Some((line, route)) = after {
            self.heads.insert((line, route, id));
        }
    }

    /// Targets that were understood already, because something waits for them.
    pub(crate) fn understood(&self, targets: &[Target]) -> Option<Arc<Targets>> {
        let pool = self.pool(*self.by_targets.get(targets)?)?;
        Some(pool.targets.clone())
    }

    /// Takes a waiting interaction out.
    pub(crate) fn take(&mut self, id: PoolId, line: InLine, route: RouteId) {
        self.with_head(id, |pool| {
            pool.waiting.remove(&(line, route));
        });
        if let Some(place) = self.pools.get_mut(id.0)
            && let Some(pool) = place.take_if(|pool| pool.waiting.is_empty())
        {
            self.by_targets.remove(pool.targets.given());
            self.unused.push(id);
        }
    }

    /// One that waits has another place in line.
    pub(crate) fn move_in_line(&mut self, id: PoolId, from: InLine, to: InLine, route: RouteId) {
        self.with_head(id, |pool| {
            pool.waiting.remove(&(from, route));
            pool.waiting.insert((to, route));
        });
    }

    /// What waits, in the order it is served; only what hangs on a threshold, or all.
    pub(crate) fn in_line(&self, only_with_thresholds: bool) -> Vec<RouteId> {
        let pools = self.pools.iter().flatten().filter(|pool| pool.have_thresholds || !only_with_thresholds);
        let mut all: Vec<_> = pools.flat_map(|pool| pool.waiting.iter().copied()).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, route)| route).collect()
    }

    /// Whether anything waits that hangs on a threshold.
    pub(crate) fn have_thresholds(&self) -> bool {
        self.pools.iter().flatten().any(|pool| pool.have_thresholds)
    }

    /// How many wait for this target, alone or among others.
    pub(crate) fn waiting_for(&self, target: &Target) -> usize {
        let of = |pool: &&Pool| pool.targets.given().iter().any(|other| other.is_same(target));
        self.pools.iter().flatten().filter(of).map(|pool| pool.waiting.len()).sum()
    }

    /// How many come before one in line that wait for any of its targets.
    pub(crate) fn before(&self, id: PoolId, line: InLine, route: RouteId) -> usize {
        let Some(own) = self.pool(id) else { return 0 };
        let is_rival = |pool: &&Pool| {
            let mut others = pool.targets.given().iter();
            others.any(|other| own.targets.given().iter().any(|target| target.is_same(other)))
        };
        let rivals = self.pools.iter().flatten().filter(is_rival);
        rivals.map(|pool| pool.waiting.range(..(line, route)).count()).sum()
    }

    // ---- matching ----

    /// What this agent should take next.
    pub(crate) fn best_waiting(
        &self,
        agent: AgentNumber,
        known: &dyn Known,
        excluded: impl Fn(RouteId) -> bool,
    ) -> Option<(RouteId, Fit)> {
        if !self.seats.is_free(agent) {
            return None;
        }
        let mut best: Option<(InLine, RouteId, &Pool)> = None;
        for (line, route, id) in &self.heads {
            if best.is_some_and(|(best, other, _)| (best, other) < (*line, *route)) {
                break;
            }
            let fits =
                |pool: &&Pool| pool.means(agent) && (!pool.have_thresholds || pool.target_for(agent, known).is_some());
            let Some(pool) = self.pool(*id).filter(fits) else { continue };
            // Its first one that may go there, which is nearly always its first one.
            if let Some(&(line, route)) = pool.waiting.iter().find(|(_, route)| !excluded(*route))
                && best.is_none_or(|(best, other, _)| (line, route) < (best, other))
            {
                best = Some((line, route, pool));
            }
        }
        let (_, route, pool) = best?;
        let target = pool.target_for(agent, known)?;
        Some((route, pool.fit(target, Some((agent, self.seats.get(agent)?)), Vec::new())?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::choice::Choice;
    use crate::directory::AgentProfile;
    use crate::target::{Present, TargetKind};

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
        Arc::new(Targets::understand(vec![target], directory, &Nobody).expect("targets"))
    }

    struct Nobody;

    impl Present for Nobody {
        fn agent(&self, _: &str) -> bool {
            false
        }

        fn place(&self, _: &str) -> bool {
            false
        }
    }

    impl Known for Nobody {
        fn statistic(&self, _: &Target, _: &str) -> Option<i64> {
            None
        }

        fn occupancy(&self, _: AgentNumber) -> i64 {
            0
        }
    }

    proptest! {
        #[test]
        fn the_best_agent_and_the_first_interaction_are_those_a_scan_finds(
            agents in agents(),
            levels in prop::collection::vec((0..22i32, 0..3i32), 1..20),
            left_out in 0..120usize,
        ) {
            let directory = directory(&agents);
            let mut lane = Lane::new(1);
            let choice = Choice::default();
            let how = How { choice: &choice, draw: 0, known: &Nobody };
            let mut waiting = Vec::new();
            for (index, (level, priority)) in levels.iter().enumerate() {
                let (line, route) = ((Reverse(*priority), 0, index as u64), RouteId(index as u64));
                let pool = lane.wait(&targets(*level, &directory), line, route, &directory);
                waiting.push((line, route, *level, pool));
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
                let found = lane.choose(*pool, &how, |agent| agent == left_out);
                prop_assert_eq!(found.and_then(|fit| fit.agent).map(|(agent, _)| agent), best.map(|(index, _)| index));
            }
            for (index, agent) in agents.iter().enumerate() {
                let excluded = |route: RouteId| route.0 as usize == left_out;
                let fitting = waiting.iter().filter(|(_, route, level, _)| agent.0 >= *level && !excluded(*route));
                let first = fitting.map(|(line, route, _, _)| (*line, *route)).min().filter(|_| is_free(agent));
                let found = lane.best_waiting(index, &Nobody, excluded);
                prop_assert_eq!(found.map(|(route, _)| route), first.map(|(_, route)| route));
            }
        }
    }
}
