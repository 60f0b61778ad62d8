//! Who is there, as the Interaction Servers report it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use super::asked::{Activity, AgentState, LinkId};
use super::{LaneKey, Selection};
use crate::directory::AgentNumber;
use crate::target::{Present, Target, Targets};

/// Everybody who is logged in on one link.
#[derive(Debug, Default)]
pub(super) struct People {
    /// By the agent's number.
    people: Vec<Option<Person>>,
    /// The server's clock, when it was last heard of.
    clock: Option<(Instant, i64)>,
}

#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) place: Arc<str>,
    pub(super) activity: Activity,
    /// There was something at hand or offered.
    pub(super) is_busy: bool,
}

impl People {
    pub(super) fn get(&self, agent: AgentNumber) -> Option<&Person> {
        self.people.get(agent)?.as_ref()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (AgentNumber, &Person)> {
        self.people.iter().enumerate().filter_map(|(agent, person)| Some((agent, person.as_ref()?)))
    }

    /// What the server's clock shows now.
    pub(super) fn wall(&self, now: Instant) -> i64 {
        self.clock.map_or(0, |(at, wall)| {
            let passed = now.saturating_duration_since(at).as_millis();
            wall.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
        })
    }

    fn set(&mut self, agent: AgentNumber, person: Option<Person>) {
        if self.people.len() <= agent {
            self.people.resize(agent + 1, None);
        }
        if let Some(of) = self.people.get_mut(agent) {
            *of = person;
        }
    }
}

/// Who is logged in on a link.
pub(super) struct Here<'a> {
    pub(super) selection: &'a Selection,
    pub(super) link: LinkId,
}

impl Present for Here<'_> {
    fn agent(&self, id: &str) -> bool {
        let agent = self.selection.directory.number(id);
        agent.is_some_and(|agent| self.selection.person(self.link, agent).is_some())
    }

    fn place(&self, place: &str) -> bool {
        let people = self.selection.people.get(&self.link);
        people.is_some_and(|people| people.all().any(|(_, person)| *person.place == *place))
    }
}

impl Selection {
    /// Everybody on this link at this moment; whoever is not in the list is not there.
    pub fn agents(&mut self, now: Instant, link: LinkId, states: &[AgentState]) {
        let there: HashSet<AgentNumber> = states.iter().map(|state| self.directory.meet(&state.agent)).collect();
        for key in self.lanes_of(link) {
            let agents = self.lanes.get(&key).map(|lane| lane.agents()).unwrap_or_default();
            for agent in agents.into_iter().filter(|agent| !there.contains(agent)) {
                self.leave(&key, agent);
            }
        }
        let people = self.people.entry(link).or_default();
        for (agent, person) in people.people.iter_mut().enumerate() {
            if !there.contains(&agent) {
                *person = None;
            }
        }
        for state in states {
            self.report(now, link, state);
        }
        for key in self.lanes_of(link) {
            self.place_all(now, &key);
        }
    }

    /// One agent changed. No media: the agent is gone.
    pub fn agent(&mut self, now: Instant, link: LinkId, state: &AgentState) {
        let (agent, lanes) = self.report(now, link, state);
        for key in lanes {
            self.fill(now, &key, agent);
        }
    }

    /// The first of these targets that means this agent, where the agent is; none: no target does. Of an agent who is not
    /// logged in any more, a place or a place group may have been it.
    pub fn target_for(&self, link: LinkId, targets: &[Target], agent: &str) -> Option<usize> {
        let here = Here { selection: self, link };
        let understood = targets.iter().map(|target| {
            Targets::understand(vec![target.clone()], &self.directory, &here).ok().filter(|_| !target.always_takes())
        });
        let understood: Vec<Option<Targets>> = understood.collect();
        let number = self.directory.number(agent);
        let person = number.and_then(|number| self.person(link, number));
        let place = person.map(|person| &*person.place).unwrap_or_default();
        let means = |of: &Option<Targets>| {
            let of = of.as_ref().zip(number);
            of.is_some_and(|(of, number)| of.means(0, number, place, &self.directory))
        };
        let is_place = |of: &Option<Targets>| of.as_ref().is_some_and(Targets::name_places);
        understood.iter().position(means).or_else(|| understood.iter().position(is_place))
    }

    pub(super) fn person(&self, link: LinkId, agent: AgentNumber) -> Option<&Person> {
        self.people.get(&link)?.get(agent)
    }

    /// Whether nobody whom these targets mean is logged in.
    pub(super) fn nobody_logged_in(&self, link: LinkId, targets: &Targets) -> bool {
        let Some(people) = self.people.get(&link) else { return true };
        !people.all().any(|(agent, person)| {
            (0..targets.given().len()).any(|target| targets.means(target, agent, &person.place, &self.directory))
        })
    }

    /// Answers who it is, and the lanes of the link.
    fn report(&mut self, now: Instant, link: LinkId, state: &AgentState) -> (AgentNumber, Vec<LaneKey>) {
        let agent = self.directory.meet(&state.agent);
        let people = self.people.entry(link).or_default();
        if state.activity.at > 0 {
            people.clock = Some((now, state.activity.at));
        }
        let place: Arc<str> = match people.get(agent) {
            Some(person) if *person.place == *state.place => person.place.clone(),
            _ => state.place.as_str().into(),
        };
        let person = (!state.media.is_empty()).then(|| Person {
            place: place.clone(),
            activity: state.activity,
            is_busy: state.media.iter().any(|media| media.busy > 0),
        });
        people.set(agent, person);
        let mut keys = self.lanes_of(link);
        for key in &keys {
            if !state.media.iter().any(|media| *media.media_type == *key.1) {
                self.leave(key, agent);
            }
        }
        for media in &state.media {
            let known = keys.iter().position(|key| *key.1 == *media.media_type);
            let place_in_keys = known.unwrap_or_else(|| {
                keys.push((link, media.media_type.as_str().into()));
                keys.len() - 1
            });
            let Some(key) = keys.get(place_in_keys) else { continue };
            if known.is_none() {
                self.lane(key);
            }
            if let Some(lane) = self.lanes.get_mut(key) {
                lane.report(agent, &place, media, &self.directory);
            }
        }
        (agent, keys)
    }

    fn leave(&mut self, key: &LaneKey, agent: AgentNumber) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.leave(agent, &self.directory);
            if lane.is_empty() {
                self.lanes.remove(key);
            }
        }
    }
}
