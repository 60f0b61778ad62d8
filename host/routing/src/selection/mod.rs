//! The selection itself: what is submitted, who is there, and what comes out.
//!
//! Every method is one step; after it, [`Selection::poll`] yields what the step brought about.
//! A submit ends by `poll` (found, placed, timed out, link down), or by the caller's own doing
//! ([`cancel`](Selection::cancel), [`remove`](Selection::remove),
//! [`delivered`](Selection::delivered)).
//!
//! Its parts: what it is told and answers (`asked`), submits and how they end (`submits`), who is there (`agents`), what
//! time brings (`time`), statistics (`statistics`), and why it decided so (`why`).

mod agents;
mod asked;
mod statistics;
mod submits;
mod time;
mod why;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use self::agents::People;
pub use self::asked::{
    Activity, AgentState, Assigned, CancelError, LinkId, MediaState, Output, Placed, RouteId, Standing, Submit,
    SubmitError,
};
use self::statistics::{Outlook, VirtualQueue};
use self::submits::{Route, State};
use self::time::Timer;
use self::why::Decision;
pub use self::why::{Candidate, Decided, Verdict, Why, WhyTarget};
use crate::choice::Order;
use crate::directory::{AgentNumber, Directory};
use crate::lane::{Fit, How, Lane};
use crate::target::Target;

type LaneKey = (LinkId, Arc<str>);
/// An interaction of a link.
type OfLink = (LinkId, Arc<str>);
/// Agents an interaction is not offered to, and until when.
type Excluded = Vec<(AgentNumber, Instant)>;

/// Target selection over all links of a node.
#[derive(Debug, Default)]
pub struct Selection {
    directory: Directory,
    lanes: BTreeMap<LaneKey, Lane>,
    routes: HashMap<RouteId, Route>,
    by_interaction: HashMap<OfLink, RouteId>,
    excluded: HashMap<OfLink, Excluded>,
    /// Targets that stay with an interaction after its wait has ended.
    carried: HashMap<OfLink, Vec<Target>>,
    people: HashMap<LinkId, People>,
    virtual_queues: HashMap<OfLink, VirtualQueue>,
    /// Interactions that wait in an interaction queue, where that was told.
    queues: HashMap<OfLink, u64>,
    /// Those that somebody wants to know it of.
    wanted_queues: BTreeSet<OfLink>,
    timers: BTreeMap<(Instant, u64), Timer>,
    /// Lanes of which what hangs on thresholds will be looked at again.
    look_again: HashSet<LaneKey>,
    sequence: u64,
    outputs: VecDeque<Output>,
    decisions: VecDeque<Decision>,
}

impl Selection {
    /// Nobody is logged in and nothing waits.
    pub fn new(directory: Directory) -> Selection {
        Selection { directory, ..Selection::default() }
    }

    /// What is configured about agents and places has changed: what waits is looked at again. What is on its way stays
    /// so.
    pub fn set_directory(&mut self, now: Instant, directory: Directory) {
        self.directory.change(directory);
        let lanes: Vec<LaneKey> = self.lanes.keys().cloned().collect();
        for key in lanes {
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.know_anew(&self.directory);
            }
            self.place_all(now, &key);
        }
    }

    /// The next thing the last step brought about.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Submits that wait for a target, on one link.
    pub fn waiting(&self, link: LinkId) -> usize {
        self.routes.values().filter(|route| route.lane.0 == link && matches!(route.state, State::Waiting)).count()
    }

    /// Whether this submit waits for a target, and nobody was found yet.
    pub fn is_waiting(&self, route: RouteId) -> bool {
        matches!(self.routes.get(&route), Some(Route { state: State::Waiting, .. }))
    }

    /// Whether this submit waits or is being delivered.
    pub fn contains(&self, route: RouteId) -> bool {
        self.routes.contains_key(&route)
    }

    // ---- inside ----

    fn lanes_of(&self, link: LinkId) -> Vec<LaneKey> {
        self.lanes.keys().filter(|(of, _)| *of == link).cloned().collect()
    }

    /// The lane; a new one gets a history of its own.
    fn lane(&mut self, key: &LaneKey) -> &mut Lane {
        if !self.lanes.contains_key(key) {
            self.sequence += 1;
        }
        let number = self.sequence;
        self.lanes.entry(key.clone()).or_insert_with(|| Lane::new(number))
    }

    /// Finds somebody for one that waits.
    fn place(&mut self, now: Instant, id: RouteId) {
        let Some(route @ Route { state: State::Waiting, .. }) = self.routes.get(&id) else { return };
        let draw = match route.choice.order {
            Order::Percentage => {
                self.sequence += 1;
                scatter(self.sequence)
            }
            Order::Any | Order::Min | Order::Max => 0,
        };
        let excluded = self.excluded_for(route);
        let known = Outlook { selection: self, now, link: route.lane.0, media_type: Some(&route.lane.1) };
        let how = How { choice: &route.choice, draw, known: &known };
        let lane = self.lanes.get(&route.lane);
        let fit = lane.and_then(|lane| lane.choose(route.pool, &how, |agent| is_excluded(excluded, agent, now)));
        if let Some(fit) = fit {
            self.assign(now, id, fit, false);
        }
    }

    /// Finds somebody for all that waits in a lane, in its order.
    fn place_all(&mut self, now: Instant, key: &LaneKey) {
        for route in self.lanes.get(key).map(|lane| lane.in_line(false)).unwrap_or_default() {
            if !self.lanes.get(key).is_some_and(|lane| lane.seats.has_free()) {
                break;
            }
            self.place(now, route);
        }
    }

    /// Gives one agent what should go there, up to the agent's capacity.
    fn fill(&mut self, now: Instant, key: &LaneKey, agent: AgentNumber) {
        loop {
            let known = Outlook { selection: self, now, link: key.0, media_type: Some(&key.1) };
            let found = self.lanes.get(key).and_then(|lane| {
                lane.best_waiting(agent, &known, |id| {
                    self.routes.get(&id).is_none_or(|route| is_excluded(self.excluded_for(route), agent, now))
                })
            });
            match found {
                Some((id, fit)) => self.assign(now, id, fit, true),
                None => break,
            }
        }
    }

    fn excluded_for(&self, route: &Route) -> Option<&Excluded> {
        // Nearly always there is none at all.
        if self.excluded.is_empty() {
            return None;
        }
        self.excluded.get(&(route.lane.0, route.interaction.clone()))
    }

    /// `agent_came`: the agent became free, and this was first in line; otherwise the interaction looked for somebody.
    fn assign(&mut self, now: Instant, id: RouteId, fit: Fit, agent_came: bool) {
        self.remember(now, id, &fit, agent_came);
        let Some(route) = self.routes.get_mut(&id) else { return };
        let (link, interaction) = (route.lane.0, route.interaction.to_string());
        let Some((agent, place)) = fit.agent else {
            self.forget(id);
            self.outputs.push_back(Output::Place(Placed { route: id, link, interaction, target: fit.target }));
            return;
        };
        let assigned = Assigned {
            route: id,
            link,
            interaction,
            agent: self.directory.name(agent).map(ToString::to_string).unwrap_or_default(),
            place: place.to_string(),
            target: fit.target,
        };
        if !route.deliver {
            self.forget(id);
            self.outputs.push_back(Output::Found(assigned));
            return;
        }
        if let Some(lane) = self.lanes.get_mut(&route.lane) {
            lane.take(route.pool, route.line, id);
            lane.reserve(agent);
        }
        route.state = State::Assigned(agent);
        self.outputs.push_back(Output::Assign(assigned));
    }
}

/// Numbers that look like chance (SplitMix64), so that shares come out right whatever else goes on.
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn is_excluded(excluded: Option<&Excluded>, agent: AgentNumber, now: Instant) -> bool {
    excluded.is_some_and(|list| list.iter().any(|(who, until)| *who == agent && *until > now))
}
