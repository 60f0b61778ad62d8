//! The selection itself: what is submitted, who is there, and what comes out.
//!
//! Every method is one step; after it, [`Selection::poll`] yields what the step brought about.
//! A submit ends by `poll` (found, timed out, link down), or by the caller's own doing
//! ([`cancel`](Selection::cancel), [`remove`](Selection::remove),
//! [`delivered`](Selection::delivered)).

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::directory::Directory;
use crate::lane::{Fit, Lane, Order};
use crate::target::{Target, TargetError, Targets};

/// Names a link: its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub usize);

/// Names a submit. Chosen by the caller, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub u64);

/// An interaction that needs a target.
#[derive(Clone, Debug)]
pub struct Submit {
    /// Names it from now on.
    pub route: RouteId,
    /// The link the interaction came from; only agents there can get it.
    pub link: LinkId,
    /// Its id, unique on its link.
    pub interaction: String,
    /// Its media type.
    pub media_type: String,
    /// Larger is served first.
    pub priority: i32,
    /// Since when it waits, in milliseconds of any clock; less is served first among equals.
    pub since: i64,
    /// Tried together: whoever fits first gets it.
    pub targets: Vec<Target>,
    /// Ends the wait; none: never. It does not end a delivery under way.
    pub deadline: Option<Instant>,
    /// true: the agent is reserved for a delivery. false: only say who it would be.
    pub deliver: bool,
}

/// Why a submit is refused. Nothing waits then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The targets make no sense.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The interaction waits, or is being delivered, already.
    #[error("interaction `{0}` waits for a target already; cancel that first")]
    Busy(String),
}

/// Why nothing was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CancelError {
    /// It never was, or has ended.
    #[error("nothing with this id waits for a target")]
    Unknown,
    /// An agent is being invited.
    #[error("it is on its way to an agent already")]
    OnItsWay,
}

/// An agent on one link, as the Interaction Server reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentState {
    /// Employee id.
    pub agent: String,
    /// Where the agent is logged in; empty: nowhere.
    pub place: String,
    /// Media the agent has. Empty: the agent is gone.
    pub media: Vec<MediaState>,
}

/// One media type of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaState {
    /// Media type.
    pub media_type: String,
    /// Whether the agent takes it now.
    pub ready: bool,
    /// Interactions at once.
    pub capacity: u32,
    /// Interactions invited to, or with, the agent.
    pub busy: u32,
    /// Last time the agent became ready, or lost an interaction; any clock.
    pub ready_since: i64,
}

/// An agent for an interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The submit.
    pub route: RouteId,
    /// Its link.
    pub link: LinkId,
    /// Its interaction.
    pub interaction: String,
    /// Employee id.
    pub agent: String,
    /// Where the agent is.
    pub place: String,
    /// The target that fitted, as it was given.
    pub target: Target,
}

/// What a step brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Deliver it there. The agent is reserved until [`Selection::delivered`],
    /// [`Selection::put_back`] or [`Selection::remove`]. While the invitation is out it may be part of
    /// the reported load as well, and then counts twice: rather too little for a moment than too much.
    Assign(Assigned),
    /// A submit without delivery has ended: this is who it would be.
    Found(Assigned),
    /// A submit has ended: nobody in time.
    TimedOut(RouteId),
    /// A submit has ended: its link is down.
    LinkDown(RouteId),
}

#[derive(Debug)]
struct Route {
    lane: LaneKey,
    interaction: String,
    pool: Arc<[Target]>,
    targets: Arc<Targets>,
    order: Order,
    deadline: Option<(Instant, u64)>,
    deliver: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting,
    /// Reserved at this agent.
    Assigned(Arc<str>),
}

type LaneKey = (LinkId, Arc<str>);
/// Agents an interaction is not offered to, and until when.
type Excluded = Vec<(Arc<str>, Instant)>;

#[derive(Debug)]
enum Timer {
    Deadline(RouteId),
    ExclusionEnds(LinkId, String),
}

/// Target selection over all links of a node.
#[derive(Debug, Default)]
pub struct Selection {
    directory: Directory,
    lanes: BTreeMap<LaneKey, Lane>,
    routes: HashMap<RouteId, Route>,
    by_interaction: HashMap<(LinkId, String), RouteId>,
    excluded: HashMap<(LinkId, String), Excluded>,
    timers: BTreeMap<(Instant, u64), Timer>,
    sequence: u64,
    outputs: VecDeque<Output>,
}

impl Selection {
    /// Nobody is logged in and nothing waits.
    pub fn new(directory: Directory) -> Selection {
        Selection { directory, ..Selection::default() }
    }

    /// What is configured about agents has changed: what waits is looked at again. What is on its way stays so.
    pub fn set_directory(&mut self, now: Instant, directory: Directory) {
        self.directory = directory;
        let lanes: Vec<LaneKey> = self.lanes.keys().cloned().collect();
        for key in lanes {
            self.place_all(now, &key);
        }
    }

    /// The next thing the last step brought about.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`tick`](Selection::tick) has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.keys().next().map(|(at, _)| *at)
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

    // ---- submits ----

    /// An interaction needs a target.
    ///
    /// # Errors
    /// When it waits already, or its targets make no sense. The submit has ended then.
    pub fn submit(&mut self, now: Instant, submit: Submit) -> Result<(), SubmitError> {
        let Submit { route: id, link, interaction, media_type, priority, since, targets, deadline, deliver } = submit;
        if self.by_interaction.contains_key(&(link, interaction.clone())) || self.routes.contains_key(&id) {
            return Err(SubmitError::Busy(interaction));
        }
        let key: LaneKey = (link, media_type.into());
        let pool: Arc<[Target]> = targets.into();
        let targets = match self.lanes.get(&key).and_then(|lane| lane.understood(&pool)) {
            Some(targets) => targets,
            None => Arc::new(self.understand(link, &pool)?),
        };
        self.sequence += 1;
        let order = (Reverse(priority), since, self.sequence);
        let deadline = deadline.map(|at| self.start_timer(at, Timer::Deadline(id)));
        self.lanes.entry(key.clone()).or_default().wait(&pool, &targets, order, id);
        self.by_interaction.insert((link, interaction.clone()), id);
        self.routes.insert(
            id,
            Route { lane: key, interaction, pool, targets, order, deadline, deliver, state: State::Waiting },
        );
        self.place(now, id);
        if deadline.is_some_and(|(at, _)| at <= now) {
            self.time_out(id);
        }
        Ok(())
    }

    /// Stop waiting.
    ///
    /// # Errors
    /// When it does not wait; nothing changes then.
    pub fn cancel(&mut self, route: RouteId) -> Result<(), CancelError> {
        match self.routes.get(&route).map(|route| &route.state) {
            None => Err(CancelError::Unknown),
            Some(State::Assigned(_)) => Err(CancelError::OnItsWay),
            Some(State::Waiting) => {
                self.forget(route);
                Ok(())
            }
        }
    }

    /// Forget it, whatever it is doing: whoever submitted it is gone.
    pub fn remove(&mut self, now: Instant, route: RouteId) {
        if let Some((lane, Some(agent))) = self.forget(route) {
            self.fill(now, &lane, &agent);
        }
    }

    // ---- deliveries ----

    /// The agent has it: the submit has ended.
    pub fn delivered(&mut self, now: Instant, route: RouteId) {
        self.remove(now, route);
    }

    /// The agent did not take it: it waits again, with its age, and is not offered to that agent
    /// until `exclude_until`.
    pub fn put_back(&mut self, now: Instant, id: RouteId, exclude_until: Option<Instant>) {
        let Some(route) = self.routes.get_mut(&id) else { return };
        let State::Assigned(agent) = std::mem::replace(&mut route.state, State::Waiting) else { return };
        let (key, pool, targets) = (route.lane.clone(), route.pool.clone(), route.targets.clone());
        let (order, deadline) = (route.order, route.deadline);
        let interaction = (key.0, route.interaction.clone());
        let lane = self.lanes.entry(key.clone()).or_default();
        lane.release(&agent);
        lane.wait(&pool, &targets, order, id);
        if let Some(until) = exclude_until.filter(|until| *until > now) {
            self.start_timer(until, Timer::ExclusionEnds(interaction.0, interaction.1.clone()));
            self.excluded.entry(interaction).or_default().push((agent.clone(), until));
        }
        self.fill(now, &key, &agent);
        self.place(now, id);
        if deadline.is_some_and(|(at, _)| at <= now) {
            self.time_out(id);
        }
    }

    // ---- agents ----

    /// Everybody on this link at this moment; whoever is not in the list is not there.
    pub fn agents(&mut self, now: Instant, link: LinkId, states: &[AgentState]) {
        let keys = self.lanes_of(link);
        for key in &keys {
            let agents = self.lanes.get(key).map(Lane::agents).unwrap_or_default();
            for agent in agents.iter().filter(|agent| !states.iter().any(|state| *state.agent == ***agent)) {
                self.leave(key, agent);
            }
        }
        for state in states {
            self.report(link, state);
        }
        for key in self.lanes_of(link) {
            self.place_all(now, &key);
        }
    }

    /// One agent changed. No media: the agent is gone.
    pub fn agent(&mut self, now: Instant, link: LinkId, state: &AgentState) {
        self.report(link, state);
        let agent: Arc<str> = state.agent.as_str().into();
        for key in self.lanes_of(link) {
            self.fill(now, &key, &agent);
        }
    }

    /// Nobody is known there any more, and everything submitted from there ends.
    pub fn link_down(&mut self, link: LinkId) {
        let mut ended: Vec<RouteId> =
            self.routes.iter().filter(|(_, route)| route.lane.0 == link).map(|(id, _)| *id).collect();
        ended.sort_unstable();
        for route in ended {
            self.forget(route);
            self.outputs.push_back(Output::LinkDown(route));
        }
        self.lanes.retain(|(of, _), _| *of != link);
        self.excluded.retain(|(of, _), _| *of != link);
    }

    // ---- time ----

    /// Ends waits whose time is over, and exclusions.
    pub fn tick(&mut self, now: Instant) {
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > now {
                break;
            }
            match entry.remove() {
                Timer::Deadline(route) => self.time_out(route),
                Timer::ExclusionEnds(link, interaction) => {
                    let key = (link, interaction);
                    if let Some(excluded) = self.excluded.get_mut(&key) {
                        excluded.retain(|(_, until)| *until > now);
                        if excluded.is_empty() {
                            self.excluded.remove(&key);
                        }
                    }
                    if let Some(route) = self.by_interaction.get(&key) {
                        self.place(now, *route);
                    }
                }
            }
        }
    }

    fn start_timer(&mut self, at: Instant, timer: Timer) -> (Instant, u64) {
        self.sequence += 1;
        self.timers.insert((at, self.sequence), timer);
        (at, self.sequence)
    }

    fn time_out(&mut self, id: RouteId) {
        if let Some(Route { state: State::Waiting, .. }) = self.routes.get(&id) {
            self.forget(id);
            self.outputs.push_back(Output::TimedOut(id));
        }
    }

    // ---- inside ----

    fn understand(&self, link: LinkId, targets: &[Target]) -> Result<Targets, TargetError> {
        Targets::understand(targets, &self.directory, |agent| {
            self.lanes.iter().any(|((of, _), lane)| *of == link && lane.knows(agent))
        })
    }

    fn lanes_of(&self, link: LinkId) -> Vec<LaneKey> {
        self.lanes.keys().filter(|(of, _)| *of == link).cloned().collect()
    }

    fn report(&mut self, link: LinkId, state: &AgentState) {
        let agent: Arc<str> = state.agent.as_str().into();
        let place: Arc<str> = state.place.as_str().into();
        for key in self.lanes_of(link) {
            if !state.media.iter().any(|media| *media.media_type == *key.1) {
                self.leave(&key, &agent);
            }
        }
        for media in &state.media {
            let key = (link, media.media_type.as_str().into());
            self.lanes.entry(key).or_default().report(&agent, &place, media);
        }
    }

    fn leave(&mut self, key: &LaneKey, agent: &str) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.leave(agent);
            if lane.is_empty() {
                self.lanes.remove(key);
            }
        }
    }

    /// Takes a submit out of everything; answers its lane, and the agent it was assigned to.
    fn forget(&mut self, id: RouteId) -> Option<(LaneKey, Option<Arc<str>>)> {
        let route = self.routes.remove(&id)?;
        if let Some(key) = route.deadline {
            self.timers.remove(&key);
        }
        let mut freed = None;
        if let Some(lane) = self.lanes.get_mut(&route.lane) {
            match route.state {
                State::Waiting => lane.take(&route.pool, route.order, id),
                State::Assigned(agent) => {
                    lane.release(&agent);
                    freed = Some(agent);
                }
            }
            if lane.is_empty() {
                self.lanes.remove(&route.lane);
            }
        }
        self.by_interaction.remove(&(route.lane.0, route.interaction));
        Some((route.lane, freed))
    }

    /// Finds an agent for one that waits.
    fn place(&mut self, now: Instant, id: RouteId) {
        let Some(route @ Route { state: State::Waiting, .. }) = self.routes.get(&id) else { return };
        let excluded = self.excluded.get(&(route.lane.0, route.interaction.clone()));
        let fit = self
            .lanes
            .get(&route.lane)
            .and_then(|lane| lane.best_agent(&route.pool, &self.directory, |agent| is_excluded(excluded, agent, now)));
        if let Some(fit) = fit {
            self.assign(id, fit);
        }
    }

    /// Finds agents for all that waits in a lane, in its order.
    fn place_all(&mut self, now: Instant, key: &LaneKey) {
        for route in self.lanes.get(key).map(Lane::in_order).unwrap_or_default() {
            if !self.lanes.get(key).is_some_and(Lane::has_free) {
                break;
            }
            self.place(now, route);
        }
    }

    /// Gives one agent what should go there, up to the agent's capacity.
    fn fill(&mut self, now: Instant, key: &LaneKey, agent: &Arc<str>) {
        while let Some((id, fit)) = self.lanes.get(key).and_then(|lane| {
            lane.best_waiting(agent, &self.directory, |id| {
                self.routes.get(&id).is_none_or(|route| {
                    !self.excluded.is_empty()
                        && is_excluded(self.excluded.get(&(key.0, route.interaction.clone())), agent, now)
                })
            })
        }) {
            self.assign(id, fit);
        }
    }

    fn assign(&mut self, id: RouteId, fit: Fit) {
        let Some(route) = self.routes.get_mut(&id) else { return };
        let assigned = Assigned {
            route: id,
            link: route.lane.0,
            interaction: route.interaction.clone(),
            agent: fit.agent.to_string(),
            place: fit.place.to_string(),
            target: fit.target,
        };
        if !route.deliver {
            self.forget(id);
            self.outputs.push_back(Output::Found(assigned));
            return;
        }
        if let Some(lane) = self.lanes.get_mut(&route.lane) {
            lane.take(&route.pool, route.order, id);
            lane.reserve(&fit.agent);
        }
        route.state = State::Assigned(fit.agent);
        self.outputs.push_back(Output::Assign(assigned));
    }
}

fn is_excluded(excluded: Option<&Excluded>, agent: &str, now: Instant) -> bool {
    excluded.is_some_and(|list| list.iter().any(|(who, until)| **who == *agent && *until > now))
}
