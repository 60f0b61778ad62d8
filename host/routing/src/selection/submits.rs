//! Submits: how they begin, wait and end.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agents::Here;
use super::asked::{CancelError, LinkId, Output, RouteId, Submit, SubmitError};
use super::time::{Timer, TimerKey};
use super::{LaneKey, OfLink, Selection};
use crate::choice::{Aging, Choice, Order, STEPS_PER_SUBMIT};
use crate::directory::AgentNumber;
use crate::lane::{InLine, PoolId};
use crate::statistic::Of;
use crate::target::{TARGETS_PER_SUBMIT, Target, TargetError, TargetKind, Targets};

#[derive(Debug)]
pub(super) struct Route {
    pub(super) lane: LaneKey,
    pub(super) interaction: Arc<str>,
    pub(super) virtual_queue: Option<Arc<str>>,
    pub(super) pool: PoolId,
    pub(super) targets: Arc<Targets>,
    pub(super) line: InLine,
    pub(super) choice: Choice,
    pub(super) grows: Option<Grows>,
    /// What it may go to later, and when.
    pub(super) later: VecDeque<(Instant, Arc<Targets>)>,
    /// Of the first of those.
    pub(super) widens: Option<TimerKey>,
    pub(super) deadline: Option<TimerKey>,
    pub(super) clear_on_timeout: bool,
    pub(super) deliver: bool,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    Waiting,
    /// Reserved at this agent.
    Assigned(AgentNumber),
}

/// A priority that grows.
#[derive(Debug)]
pub(super) struct Grows {
    pub(super) aging: Aging,
    pub(super) first: i32,
    /// How old the submit was at this moment.
    pub(super) waited: Duration,
    pub(super) at: Instant,
    pub(super) timer: Option<TimerKey>,
}

impl Grows {
    /// The priority at this moment, and when it changes next.
    pub(super) fn priority(&self, now: Instant) -> (i32, Option<Instant>) {
        let every = self.aging.every();
        let age = self.waited.saturating_add(now.saturating_duration_since(self.at));
        let times = age.as_millis() / every.as_millis().max(1);
        let times = u64::try_from(times).unwrap_or(u64::MAX);
        let priority = self.aging.priority(self.first, times);
        let next = u32::try_from(times.saturating_add(1)).ok().and_then(|times| every.checked_mul(times));
        let next = next.filter(|_| self.aging.goes_on(priority));
        (priority, next.and_then(|next| self.at.checked_add(next.saturating_sub(self.waited))))
    }
}

impl Selection {
    /// An interaction needs a target.
    ///
    /// # Errors
    /// When it waits already, or its targets make no sense. The submit has ended then.
    pub fn submit(&mut self, now: Instant, submit: Submit) -> Result<(), SubmitError> {
        let Submit { route: id, link, interaction, media_type, targets, relaxation, .. } = submit;
        let name: Arc<str> = interaction.as_str().into();
        if self.by_interaction.contains_key(&(link, name.clone())) || self.routes.contains_key(&id) {
            return Err(SubmitError::Busy(interaction));
        }
        let interaction = name;
        let is_later = relaxation.iter().zip(relaxation.iter().skip(1)).all(|(one, next)| one.after < next.after);
        if relaxation.len() > STEPS_PER_SUBMIT || !is_later {
            return Err(SubmitError::Steps);
        }
        let key: LaneKey = (link, media_type.into());
        let carried = self.carried.get(&(link, interaction.clone())).cloned().unwrap_or_default();
        let mut targets = self.understand(&key, targets, &carried)?;
        let mut later = VecDeque::with_capacity(relaxation.len());
        for step in relaxation {
            let step_targets = self.understand(&key, step.targets, &carried)?;
            match step.after.checked_sub(submit.waited) {
                Some(left) if !left.is_zero() => {
                    // Further off than a clock can tell is the same as never.
                    later.extend(now.checked_add(left).map(|at| (at, step_targets)));
                }
                _ => targets = step_targets,
            }
        }
        let mut grows = submit.aging.map(|aging| Grows {
            aging,
            first: submit.priority,
            waited: submit.waited,
            at: now,
            timer: None,
        });
        let mut priority = submit.priority;
        if let Some(grows) = &mut grows {
            let (grown, next) = grows.priority(now);
            priority = grown;
            grows.timer = next.map(|at| self.start_timer(at, Timer::Grows(id)));
        }
        let widens = later.front().map(|(at, _)| *at).map(|at| self.start_timer(at, Timer::Widens(id)));
        let deadline = submit.deadline.map(|at| self.start_timer(at, Timer::Deadline(id)));
        let compares = submit.choice.order != Order::Any && submit.choice.statistic.of == Of::Waiting;
        for targets in std::iter::once(&targets).chain(later.iter().map(|(_, targets)| targets)) {
            let queues = targets.given().iter().filter(|target| target.kind == TargetKind::Queue);
            for queue in queues.filter(|queue| compares || queue.threshold.is_some()) {
                self.want_queue(link, &queue.name);
            }
        }
        self.sequence += 1;
        let line = (Reverse(priority), submit.since, self.sequence);
        let virtual_queue = submit.virtual_queue.map(|name| self.enter_queue(link, &name, &targets));
        self.by_interaction.insert((link, interaction.clone()), id);
        let pool = self.wait(now, &key, &targets, line, id);
        let route = Route {
            lane: key,
            interaction,
            virtual_queue,
            pool,
            targets,
            line,
            choice: submit.choice,
            grows,
            later,
            widens,
            deadline,
            clear_on_timeout: submit.clear_on_timeout,
            deliver: submit.deliver,
            state: State::Waiting,
        };
        self.routes.insert(id, route);
        self.place(now, id);
        self.time_out_if_due(now, id);
        Ok(())
    }

    /// Puts one into the lane.
    pub(super) fn wait(
        &mut self,
        now: Instant,
        key: &LaneKey,
        targets: &Arc<Targets>,
        line: InLine,
        id: RouteId,
    ) -> PoolId {
        if targets.have_thresholds() {
            self.look_again(now, key);
        }
        self.lane(key);
        match self.lanes.get_mut(key) {
            Some(lane) => lane.wait(targets, line, id, &self.directory),
            None => PoolId::default(),
        }
    }

    /// These, and those that stayed with the interaction, as far as there is room for them.
    fn understand(
        &self,
        key: &LaneKey,
        mut targets: Vec<Target>,
        carried: &[Target],
    ) -> Result<Arc<Targets>, TargetError> {
        for target in carried {
            if targets.len() < TARGETS_PER_SUBMIT && !targets.contains(target) {
                targets.push(target.clone());
            }
        }
        match self.lanes.get(key).and_then(|lane| lane.understood(&targets)) {
            Some(targets) => Ok(targets),
            None => {
                let here = Here { selection: self, link: key.0 };
                Ok(Arc::new(Targets::understand(targets, &self.directory, &here)?))
            }
        }
    }

    /// Stop waiting. What has stayed with its interaction from earlier submits is forgotten as well.
    ///
    /// # Errors
    /// When it does not wait; nothing changes then.
    pub fn cancel(&mut self, route: RouteId) -> Result<(), CancelError> {
        match self.routes.get(&route).map(|route| &route.state) {
            None => Err(CancelError::Unknown),
            Some(State::Assigned(_)) => Err(CancelError::OnItsWay),
            Some(State::Waiting) => {
                if let Some(forgotten) = self.forget(route) {
                    self.carried.remove(&forgotten.interaction);
                }
                Ok(())
            }
        }
    }

    /// Forget it, whatever it is doing: whoever submitted it is gone.
    pub fn remove(&mut self, now: Instant, route: RouteId) {
        if let Some(Forgotten { lane, freed: Some(agent), .. }) = self.forget(route) {
            self.fill(now, &lane, agent);
        }
    }

    /// The interaction is somebody else's: nothing stays with it.
    pub fn forget_interaction(&mut self, link: LinkId, interaction: &str) {
        if !self.carried.is_empty() {
            self.carried.remove(&(link, interaction.into()));
        }
    }

    // ---- deliveries ----

    /// The agent has it: the submit has ended.
    pub fn delivered(&mut self, now: Instant, route: RouteId) {
        self.answered(route);
        self.remove(now, route);
    }

    /// The agent did not take it: it waits again, with its age, and is not offered to that agent
    /// until `exclude_until`.
    pub fn put_back(&mut self, now: Instant, id: RouteId, exclude_until: Option<Instant>) {
        let Some(route) = self.routes.get_mut(&id) else { return };
        let State::Assigned(agent) = std::mem::replace(&mut route.state, State::Waiting) else { return };
        let (key, targets, line) = (route.lane.clone(), route.targets.clone(), route.line);
        let interaction = (key.0, route.interaction.clone());
        self.lane(&key).release(agent);
        let pool = self.wait(now, &key, &targets, line, id);
        if let Some(route) = self.routes.get_mut(&id) {
            route.pool = pool;
        }
        if let Some(until) = exclude_until.filter(|until| *until > now) {
            self.start_timer(until, Timer::ExclusionEnds(interaction.0, interaction.1.clone()));
            self.excluded.entry(interaction).or_default().push((agent, until));
        }
        self.fill(now, &key, agent);
        self.place(now, id);
        self.time_out_if_due(now, id);
    }

    /// The server did not let the agent be invited, because the agent is not ready, or has no room: what is known here is
    /// behind. It waits again, and nothing is offered to that agent until the next report. (A report that the server
    /// made before it refused, and that comes later, costs one more refusal.)
    pub fn refused(&mut self, now: Instant, id: RouteId) {
        if let Some(Route { state: State::Assigned(agent), lane, .. }) = self.routes.get(&id) {
            let agent = *agent;
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.is_behind(agent);
            }
            self.put_back(now, id, None);
        }
    }

    // ---- ends ----

    /// Nobody is known there any more, and everything submitted from there ends. What stayed with interactions still
    /// does.
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
        self.queues.retain(|(of, _), _| *of != link);
        self.people.remove(&link);
    }

    /// Takes a submit out of everything.
    pub(super) fn forget(&mut self, id: RouteId) -> Option<Forgotten> {
        let route = self.routes.remove(&id)?;
        let timers = [route.deadline, route.widens, route.grows.and_then(|grows| grows.timer)];
        for key in timers.into_iter().flatten() {
            self.timers.remove(&key);
        }
        let mut freed = None;
        if let Some(lane) = self.lanes.get_mut(&route.lane) {
            match route.state {
                State::Waiting => lane.take(route.pool, route.line, id),
                State::Assigned(agent) => {
                    lane.release(agent);
                    freed = Some(agent);
                }
            }
            if lane.is_empty() {
                self.lanes.remove(&route.lane);
            }
        }
        let interaction = (route.lane.0, route.interaction);
        self.by_interaction.remove(&interaction);
        Some(Forgotten { lane: route.lane, interaction, targets: route.targets, freed })
    }
}

/// What was taken out.
pub(super) struct Forgotten {
    pub(super) lane: LaneKey,
    pub(super) interaction: OfLink,
    pub(super) targets: Arc<Targets>,
    /// The agent it was assigned to.
    pub(super) freed: Option<AgentNumber>,
}
