//! Statistics of agents, groups and queues, computed when they are asked for: from what is reported of agents, and from
//! what waits. Nothing is counted ahead but what would otherwise be forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::asked::{LinkId, RouteId, Standing};
use super::submits::State;
use super::{OfLink, Selection};
use crate::directory::{AgentNumber, AgentSet};
use crate::lane::{Known, Lane};
use crate::skill::SkillExpression;
use crate::statistic::{self, Seen};
use crate::target::{self, Target, TargetKind, Targets};
use crate::target_text::WrittenTarget;

/// Virtual queues of one link that are remembered; strategies name them as they like.
const VIRTUAL_QUEUES: usize = 4_096;

/// Interaction queues of one link whose lengths are wanted.
const QUEUES_WANTED: usize = 256;

/// What is remembered of a virtual queue.
#[derive(Debug)]
pub(super) struct VirtualQueue {
    pub(super) answered: u64,
    /// Of the last that entered it.
    targets: Arc<Targets>,
}

/// What is known at a moment, seen from one media type of a link, or from all.
pub(super) struct Outlook<'a> {
    pub(super) selection: &'a Selection,
    pub(super) now: Instant,
    pub(super) link: LinkId,
    pub(super) media_type: Option<&'a str>,
}

impl Known for Outlook<'_> {
    fn statistic(&self, target: &Target, name: &str) -> Option<i64> {
        (statistic::find(name)?.value)(&self.of_target(target))
    }

    fn occupancy(&self, agent: AgentNumber) -> i64 {
        let Some(people) = self.selection.people.get(&self.link) else { return 0 };
        people.get(agent).map_or(0, |person| {
            let (at_work, there) = person.times(people.wall(self.now));
            at_work.saturating_mul(1_000).checked_div(there).unwrap_or(0)
        })
    }
}

impl super::agents::Person {
    /// Milliseconds with something at hand, and since the login.
    fn times(&self, wall: i64) -> (i64, i64) {
        let since = wall.saturating_sub(self.activity.at).max(0);
        let at_work = self.activity.busy.saturating_add(if self.is_busy { since } else { 0 });
        (at_work, wall.saturating_sub(self.activity.logged_in_at).max(0))
    }
}

impl Outlook<'_> {
    /// What the server's clock showed.
    pub(super) fn wall(&self, at: Instant) -> i64 {
        let people = self.selection.people.get(&self.link);
        let ago = i64::try_from(self.now.saturating_duration_since(at).as_millis()).unwrap_or(i64::MAX);
        people.map_or(0, |people| people.wall(self.now).saturating_sub(ago))
    }

    fn lanes(&self) -> impl Iterator<Item = &Lane> {
        let lanes = self.selection.lanes.iter();
        let counts = |media_type: &str| self.media_type.is_none_or(|only| only == media_type);
        lanes.filter(move |((link, media), _)| *link == self.link && counts(media)).map(|(_, lane)| lane)
    }

    fn of_target(&self, target: &Target) -> Seen {
        if target.kind == TargetKind::Queue {
            let waiting = self.selection.queues.get(&(self.link, target.name.as_str().into()));
            return Seen { waiting: waiting.copied(), ..Seen::default() };
        }
        let waiting: usize = self.lanes().map(|lane| lane.waiting_for(target)).sum();
        let mut seen = self.of_agents(&self.members(target));
        seen.waiting = u64::try_from(waiting).ok();
        seen
    }

    /// Those a target means who are logged in.
    fn members(&self, of: &Target) -> AgentSet {
        let directory = &self.selection.directory;
        let expression = match of.kind {
            TargetKind::Skill => SkillExpression::parse(&of.name).ok(),
            _ => None,
        };
        let mut members = target::members(of, expression.as_ref(), directory);
        if matches!(of.kind, TargetKind::Place | TargetKind::PlaceGroup)
            && let Some(people) = self.selection.people.get(&self.link)
        {
            for (agent, person) in people.all() {
                if target::means(of, None, agent, &person.place, directory) {
                    members.grow_and_insert(agent);
                }
            }
        }
        members
    }

    fn of_agents(&self, members: &AgentSet) -> Seen {
        let mut seen = Seen { about_agents: true, ..Seen::default() };
        let Some(people) = self.selection.people.get(&self.link) else { return seen };
        let wall = people.wall(self.now);
        let lanes: Vec<&Lane> = self.lanes().collect();
        let mut handling = 0_i64;
        for agent in members.ones() {
            let Some(person) = people.get(agent) else { continue };
            let (mut ready, mut free, mut busy) = (false, false, false);
            for seat in lanes.iter().filter_map(|lane| lane.seats.get(agent)) {
                seen.load += seat.load();
                seen.capacity += u64::from(seat.capacity);
                ready |= seat.ready;
                free |= seat.is_free();
                busy |= seat.load() > 0;
                if seat.ready {
                    let since = wall.saturating_sub(seat.ready_since).max(0);
                    seen.longest_ready = seen.longest_ready.max(Some(since));
                }
            }
            seen.logged_in += 1;
            seen.ready += u64::from(ready);
            seen.available += u64::from(free);
            seen.busy += u64::from(busy);
            let (at_work, there) = person.times(wall);
            seen.at_work = seen.at_work.saturating_add(at_work);
            seen.there = seen.there.saturating_add(there);
            seen.answered += person.activity.answered;
            seen.completed += person.activity.completed;
            handling = handling.saturating_add(person.activity.handling);
        }
        seen.handling = i64::try_from(seen.completed).ok().and_then(|completed| handling.checked_div(completed));
        seen
    }

    /// Those whom any of these targets means.
    fn of_targets(&self, targets: &Targets) -> Seen {
        let mut members = AgentSet::new();
        for target in targets.given().iter().filter(|target| !target.always_takes()) {
            members.union_with(&self.members(target));
        }
        self.of_agents(&members)
    }

    fn of_virtual_queue(&self, name: &str) -> Option<Seen> {
        let key: OfLink = (self.link, name.into());
        let queue = self.selection.virtual_queues.get(&key)?;
        let waits = |route: &&super::Route| {
            route.lane.0 == self.link
                && matches!(route.state, State::Waiting)
                && route.virtual_queue.as_deref() == Some(name)
        };
        let waiting = self.selection.routes.values().filter(waits).count();
        let of_agents = self.of_targets(&queue.targets);
        Some(Seen { waiting: u64::try_from(waiting).ok(), answered: queue.answered, ..of_agents })
    }
}

impl Selection {
    /// A statistic, over all media: of an object that is written as a target is (`Billing@.GA`), or of a virtual queue by
    /// its name. Times in seconds, shares in percent. None: there is no such object or statistic, or nothing to tell it
    /// from.
    pub fn statistic(&mut self, now: Instant, link: LinkId, object: &str, name: &str) -> Option<i64> {
        let value = statistic::find(name)?.value;
        let known = Outlook { selection: self, now, link, media_type: None };
        if let Some(seen) = known.of_virtual_queue(object) {
            return value(&seen);
        }
        let mut targets = WrittenTarget::parse_list(object).ok()?.into_iter();
        let (Some(target), None) = (targets.next(), targets.next()) else { return None };
        let target = Target::from(target);
        if target.kind == TargetKind::Queue {
            self.want_queue(link, &target.name);
        }
        let known = Outlook { selection: self, now, link, media_type: None };
        let here = super::agents::Here { selection: self, link };
        Targets::understand(vec![target.clone()], &self.directory, &here).ok()?;
        value(&known.of_target(&target))
    }

    /// From now on somebody wants to know how many wait there.
    pub(super) fn want_queue(&mut self, link: LinkId, queue: &str) {
        let of_link = self.wanted_queues.iter().filter(|(of, _)| *of == link).count();
        if of_link < QUEUES_WANTED {
            self.wanted_queues.insert((link, queue.into()));
        }
    }

    /// Interaction queues of which [`queue_length`](Selection::queue_length) is to be told again and again.
    pub fn wanted_queues(&self, link: LinkId) -> impl Iterator<Item = &str> {
        self.wanted_queues.iter().filter(move |(of, _)| *of == link).map(|(_, queue)| &**queue)
    }

    /// How many interactions wait in an interaction queue.
    pub fn queue_length(&mut self, link: LinkId, queue: &str, waiting: u64) {
        if let Some(known) = self.queues.get_mut(&(link, queue.into())) {
            *known = waiting;
        } else {
            self.queues.insert((link, queue.into()), waiting);
        }
    }

    /// How a submit stands that waits.
    pub fn standing(&self, now: Instant, id: RouteId) -> Option<Standing> {
        let route = self.routes.get(&id).filter(|route| matches!(route.state, State::Waiting))?;
        let position = self.lanes.get(&route.lane)?.before(route.pool, route.line, id) + 1;
        let known = Outlook { selection: self, now, link: route.lane.0, media_type: Some(&route.lane.1) };
        let seen = known.of_targets(&route.targets);
        let expected = u64::try_from(position).ok().and_then(|position| seen.expected_wait(position));
        let expected = expected.and_then(|time| u64::try_from(time).ok()).map(Duration::from_millis);
        Some(Standing { priority: route.line.0.0, position, expected })
    }

    /// One more is in this virtual queue.
    pub(super) fn enter_queue(&mut self, link: LinkId, name: &str, targets: &Arc<Targets>) -> Arc<str> {
        let name: Arc<str> = name.into();
        let key = (link, name.clone());
        match self.virtual_queues.get_mut(&key) {
            Some(queue) => queue.targets = targets.clone(),
            None => {
                if self.virtual_queues.len() >= VIRTUAL_QUEUES
                    && let Some(other) = self.virtual_queues.keys().next().cloned()
                {
                    self.virtual_queues.remove(&other);
                }
                self.virtual_queues.insert(key, VirtualQueue { answered: 0, targets: targets.clone() });
            }
        }
        name
    }

    /// An agent has accepted it.
    pub(super) fn answered(&mut self, route: RouteId) {
        if let Some(of) = self.routes.get(&route)
            && let Some(name) = &of.virtual_queue
            && let Some(queue) = self.virtual_queues.get_mut(&(of.lane.0, name.clone()))
        {
            queue.answered += 1;
        }
    }
}
