//! What waits for the same targets, and whom those mean.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{InLine, Seats};
use crate::directory::{AgentNumber, AgentSet, Directory};
use crate::selection::RouteId;
use crate::target::Targets;

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) targets: Arc<Targets>,
    /// Everybody whom any of its targets means, wherever they are at this moment.
    all: AgentSet,
    /// The same of each target; empty where there is only one.
    each: Vec<AgentSet>,
    pub(super) have_thresholds: bool,
    pub(super) waiting: BTreeSet<(InLine, RouteId)>,
}

impl Pool {
    pub(super) fn new(targets: Arc<Targets>, seats: &Seats, directory: &Directory) -> Pool {
        let have_thresholds = targets.have_thresholds();
        let mut pool =
            Pool { targets, all: AgentSet::new(), each: Vec::new(), have_thresholds, waiting: BTreeSet::new() };
        pool.know_anew(seats, directory);
        pool
    }

    /// What is configured about agents has changed.
    pub(super) fn know_anew(&mut self, seats: &Seats, directory: &Directory) {
        let mut each = self.targets.members(directory);
        if self.targets.name_places() {
            for (target, members) in each.iter_mut().enumerate() {
                members.grow(seats.len());
                for (agent, seat) in seats.seated() {
                    if self.targets.means(target, agent, &seat.place, directory) {
                        members.insert(agent);
                    }
                }
            }
        }
        self.all = each.iter().fold(AgentSet::new(), |mut all, members| {
            all.union_with(members);
            all
        });
        self.each = if each.len() > 1 { each } else { Vec::new() };
    }

    /// Which targets mean an agent by the place may have changed.
    pub(super) fn sits_elsewhere(&mut self, agent: AgentNumber, place: &str, directory: &Directory) {
        if !self.targets.name_places() {
            return;
        }
        let means = |target| self.targets.means(target, agent, place, directory);
        let mut any = self.each.is_empty() && means(0);
        for (target, members) in self.each.iter_mut().enumerate() {
            members.grow(agent + 1);
            members.set(agent, means(target));
            any |= means(target);
        }
        self.all.grow(agent + 1);
        self.all.set(agent, any);
    }

    /// Whether any of its targets means this agent.
    pub(super) fn means(&self, agent: AgentNumber) -> bool {
        self.all.contains(agent)
    }

    /// Of each target in its order, everybody whom it means.
    pub(super) fn members(&self) -> &[AgentSet] {
        if self.each.is_empty() { std::slice::from_ref(&self.all) } else { &self.each }
    }
}
