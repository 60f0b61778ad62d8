//! Who takes an interaction, of those that its targets mean: the order of the targets, and the statistic, decide.
//!
//! Capacity comes first: only who is free counts. A queue or a workbin is a target like others that always has room; so it
//! takes what nobody who stands before it could (order `any`), or what nobody at all could where agents are compared by a
//! statistic of theirs, which queues do not have (reference page *eServices*, *URS routing for multimedia*: placement in a
//! queue or workbin is a routing result like others; selection order). A statistic of agents chooses the agent over all
//! targets; any other one chooses the target, and the loading the agent in it.

use std::cmp::Reverse;
use std::sync::Arc;

use super::pool::Pool;
use super::seats::{Rank, Seat};
use super::{Lane, PoolId};
use crate::choice::{Choice, Order};
use crate::directory::{AgentNumber, AgentSet};
use crate::statistic::OfAgent;
use crate::target::Target;

/// What a choice may ask about.
pub(crate) trait Known {
    /// The statistic of a target.
    fn statistic(&self, target: &Target, name: &str) -> Option<i64>;
    /// Thousandths of the time since the login in which the agent had something at hand.
    fn occupancy(&self, agent: AgentNumber) -> i64;
}

/// How to choose.
pub(crate) struct How<'a> {
    pub(crate) choice: &'a Choice,
    /// A number by chance, for percentages.
    pub(crate) draw: u64,
    pub(crate) known: &'a dyn Known,
}

/// Who was found for an interaction.
#[derive(Debug)]
pub(crate) struct Fit {
    /// Who takes it, and where; none: the target takes it itself.
    pub(crate) agent: Option<(AgentNumber, Arc<str>)>,
    /// The target that fitted, by its place in the list.
    pub(crate) index: usize,
    pub(crate) target: Target,
    /// Of each target, the statistic that was compared, as far as one was.
    pub(crate) values: Vec<Option<i64>>,
}

/// Who would take it for one target.
#[derive(Clone, Copy)]
enum Taker {
    Agent(Rank),
    Itself,
}

impl Pool {
    pub(super) fn fit(
        &self,
        index: usize,
        agent: Option<(AgentNumber, &Seat)>,
        values: Vec<Option<i64>>,
    ) -> Option<Fit> {
        let target = self.targets.given().get(index)?.clone();
        Some(Fit { index, agent: agent.map(|(agent, seat)| (agent, seat.place.clone())), target, values })
    }

    /// The first target that means this agent, and counts at this moment.
    pub(super) fn target_for(&self, agent: AgentNumber, known: &dyn Known) -> Option<usize> {
        let given = self.targets.given();
        let mut targets = self.members().iter().zip(given.iter()).enumerate();
        targets
            .find(|(_, (members, target))| members.contains(agent) && counts(target, known))
            .map(|(target, _)| target)
    }
}

/// Whether its threshold holds, if it has one. What is not known passes no threshold.
fn counts(target: &Target, known: &dyn Known) -> bool {
    target.threshold.as_ref().is_none_or(|threshold| {
        known.statistic(target, &threshold.statistic).is_some_and(|value| threshold.holds(value))
    })
}

impl Lane {
    /// The best for what waits in this pool.
    pub(crate) fn choose(&self, id: PoolId, how: &How<'_>, excluded: impl Fn(AgentNumber) -> bool) -> Option<Fit> {
        let pool = self.pool(id)?;
        let (target, taker, values) = match how.choice.order {
            Order::Any => {
                let mut targets = 0..pool.members().len();
                let (target, taker) =
                    targets.find_map(|target| Some((target, self.taker(pool, target, how, &excluded)?)))?;
                (target, taker, Vec::new())
            }
            Order::Percentage => self.by_weight(pool, how, &excluded)?,
            Order::Min | Order::Max => match how.choice.statistic.agent {
                Some(statistic) => self.by_agent(pool, statistic, how, &excluded)?,
                None => self.by_target(pool, how, &excluded)?,
            },
        };
        let agent = match taker {
            Taker::Itself => None,
            Taker::Agent(rank) => Some((rank.agent, self.seats.get(rank.agent)?)),
        };
        pool.fit(target, agent, values)
    }

    /// Who would take it for this target: the least loaded agent, or the target itself.
    fn taker(
        &self,
        pool: &Pool,
        target: usize,
        how: &How<'_>,
        excluded: &impl Fn(AgentNumber) -> bool,
    ) -> Option<Taker> {
        let (members, given) = (pool.members().get(target)?, pool.targets.given().get(target)?);
        let taker = match given.always_takes() {
            true => Taker::Itself,
            false => Taker::Agent(self.seats.least_loaded(members, excluded)?),
        };
        counts(given, how.known).then_some(taker)
    }

    /// Those that could take it share by their weights.
    fn by_weight(
        &self,
        pool: &Pool,
        how: &How<'_>,
        excluded: &impl Fn(AgentNumber) -> bool,
    ) -> Option<(usize, Taker, Vec<Option<i64>>)> {
        let given = pool.targets.given();
        let takers: Vec<(usize, Taker, u64)> = given
            .iter()
            .enumerate()
            .filter_map(|(index, target)| {
                Some((index, self.taker(pool, index, how, excluded)?, u64::from(target.weight.max(1))))
            })
            .collect();
        let all: u64 = takers.iter().map(|(_, _, weight)| weight).sum();
        let mut drawn = how.draw.checked_rem(all)?;
        for (index, taker, weight) in takers {
            if drawn < weight {
                return Some((index, taker, Vec::new()));
            }
            drawn -= weight;
        }
        None
    }

    /// The target with the smallest or largest value of the statistic, of those that could take it; one whose value is
    /// not known comes after all others, and of equals the one that stands first.
    fn by_target(
        &self,
        pool: &Pool,
        how: &How<'_>,
        excluded: &impl Fn(AgentNumber) -> bool,
    ) -> Option<(usize, Taker, Vec<Option<i64>>)> {
        let name = how.choice.statistic.name;
        let given = pool.targets.given();
        let values: Vec<Option<i64>> = given.iter().map(|target| how.known.statistic(target, name)).collect();
        let mut targets: Vec<(usize, Option<i64>)> = values.iter().copied().enumerate().collect();
        targets.sort_by_key(|(_, value)| (value.is_none(), value.map(|value| how.choice.cost(value))));
        let found = targets.into_iter().find_map(|(index, _)| Some((index, self.taker(pool, index, how, excluded)?)));
        let (target, taker) = found?;
        Some((target, taker, values))
    }

    /// The agent with the smallest or largest value, over all targets; among equals as ever.
    fn by_agent(
        &self,
        pool: &Pool,
        statistic: OfAgent,
        how: &How<'_>,
        excluded: &impl Fn(AgentNumber) -> bool,
    ) -> Option<(usize, Taker, Vec<Option<i64>>)> {
        let mut best: Option<(usize, Rank)> = None;
        let mut last_resort = None;
        for (index, (target, members)) in pool.targets.given().iter().zip(pool.members()).enumerate() {
            if !counts(target, how.known) {
                continue;
            }
            if target.always_takes() {
                last_resort = last_resort.or(Some(index));
                continue;
            }
            if let Some(rank) = self.extreme(members, statistic, how, excluded)
                && best.is_none_or(|(_, other)| self.is_better(statistic, how, rank, other))
            {
                best = Some((index, rank));
            }
        }
        let found = best.map(|(index, rank)| (index, Taker::Agent(rank)));
        let (target, taker) = found.or_else(|| Some((last_resort?, Taker::Itself)))?;
        Some((target, taker, Vec::new()))
    }

    fn extreme(
        &self,
        members: &AgentSet,
        statistic: OfAgent,
        how: &How<'_>,
        excluded: &impl Fn(AgentNumber) -> bool,
    ) -> Option<Rank> {
        if statistic == OfAgent::Loading && how.choice.order == Order::Min {
            return self.seats.least_loaded(members, excluded);
        }
        let free = self.seats.free_of(members).filter(|(agent, _)| !excluded(*agent));
        let ranks = free.map(|(agent, seat)| seat.rank(agent));
        ranks.reduce(|best, rank| if self.is_better(statistic, how, rank, best) { rank } else { best })
    }

    fn is_better(&self, statistic: OfAgent, how: &How<'_>, one: Rank, other: Rank) -> bool {
        let compared = match statistic {
            OfAgent::Loading => one.cmp_loading(&other),
            // Longer is ready since earlier.
            OfAgent::TimeInReadyState => Reverse(one.ready_since).cmp(&Reverse(other.ready_since)),
            OfAgent::Occupancy => how.known.occupancy(one.agent).cmp(&how.known.occupancy(other.agent)),
        };
        let compared = if how.choice.order == Order::Max { compared.reverse() } else { compared };
        compared.then(one.cmp(&other)).is_lt()
    }
}
