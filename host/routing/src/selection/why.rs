//! Why it decided so.
//!
//! Of the last decisions a few words are kept: whom, for which target, and at which moment in the life of the lane. Who
//! else there was, and why it was nobody of those, is worked out when somebody asks, from the seats as they were at that
//! moment (`lane::Seats::as_of`); so a decision pays for being explained with one record, and no more. What lies too far
//! back is told without the others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::asked::{LinkId, RouteId};
use super::statistics::Outlook;
use super::submits::State;
use super::{LaneKey, Selection, is_excluded};
use crate::choice::{Choice, Order};
use crate::directory::AgentNumber;
use crate::lane::{Fit, InLine, Known, Seat};
use crate::statistic::OfAgent;
use crate::target::{Target, Targets};

/// Decisions that are remembered.
const DECISIONS_REMEMBERED: usize = 4_096;
/// Agents that are told of by name.
const CANDIDATES_TOLD: usize = 100;

/// One decision.
#[derive(Debug)]
pub(super) struct Decision {
    at: Instant,
    interaction: Arc<str>,
    lane: LaneKey,
    targets: Arc<Targets>,
    choice: Choice,
    line: InLine,
    /// The moment in the life of the lane.
    changes: u64,
    excluded: Vec<AgentNumber>,
    agent: Option<AgentNumber>,
    target: usize,
    values: Vec<Option<i64>>,
    agent_came: bool,
}

/// A decision in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The interaction.
    pub interaction: String,
    /// Employee id; none: the target took it itself.
    pub agent: Option<String>,
    /// The target that fitted.
    pub target: Target,
    /// The agent became free, and it was first in line; otherwise the agent was free, and came before others.
    pub agent_came: bool,
}

/// Why an interaction went where it went, or why it still waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The interaction.
    pub interaction: String,
    /// Its media type: only agents with that are looked at.
    pub media_type: String,
    /// How long ago it was decided; none: it still waits, and this is how things stand now.
    pub decided: Option<Duration>,
    /// In one sentence.
    pub because: String,
    /// Priority with which it stood in line.
    pub priority: i32,
    /// Since when it waits, as it was submitted.
    pub since: i64,
    /// How one of those that fit is chosen: `any`, `min`, `max`, `percentage`.
    pub order: &'static str,
    /// The statistic that is compared.
    pub statistic: &'static str,
    /// The targets in their order.
    pub targets: Vec<WhyTarget>,
    /// How many agents there were with each verdict. Empty: it lies too far back to say.
    pub verdicts: BTreeMap<Verdict, usize>,
    /// The agents, the nearest to being chosen first; at most 100.
    pub candidates: Vec<Candidate>,
}

/// One target, seen from a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyTarget {
    /// What it is.
    pub target: Target,
    /// It was the one.
    pub chosen: bool,
    /// Its statistic, where targets were compared by one.
    pub value: Option<i64>,
    /// Its threshold's statistic, as it is now.
    pub threshold: Option<i64>,
}

/// One agent, seen from a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Employee id.
    pub agent: String,
    /// Where the agent is logged in.
    pub place: String,
    /// Why it was this one, or was not.
    pub verdict: Verdict,
    /// More about that; may be empty.
    pub detail: String,
    /// The target that means this agent, by its place in the list.
    pub target: Option<usize>,
    /// Interactions of the media at hand, offered or on their way.
    pub load: u64,
    /// How many of them at once.
    pub capacity: u32,
    /// The statistic by which agents are compared.
    pub value: Option<i64>,
}

/// Why it was this agent, or was not. In the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// This one.
    Chosen,
    /// Fits and is free; another one comes first.
    Fits,
    /// Its target counts only while a statistic is so.
    Threshold,
    /// Has rejected it, or did not answer, a short time ago.
    LeftOut,
    /// Has as many as the capacity allows.
    NoCapacity,
    /// Is not ready for this media.
    NotReady,
    /// Is not logged in there for this media.
    NotLoggedIn,
    /// No target means this agent: the skills are not enough, or it is in no such group or place.
    NotMeant,
}

impl Verdict {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Chosen => "chosen",
            Verdict::Fits => "fits",
            Verdict::Threshold => "threshold",
            Verdict::LeftOut => "left out",
            Verdict::NoCapacity => "no capacity",
            Verdict::NotReady => "not ready",
            Verdict::NotLoggedIn => "not logged in",
            Verdict::NotMeant => "not meant",
        }
    }
}

impl Selection {
    /// Keeps what is needed to explain a decision that is about to be carried out.
    pub(super) fn remember(&mut self, now: Instant, id: RouteId, fit: &Fit, agent_came: bool) {
        let Some(route) = self.routes.get(&id) else { return };
        let excluded = match self.excluded_for(route) {
            Some(list) => list.iter().filter(|(_, until)| *until > now).map(|(agent, _)| *agent).collect(),
            None => Vec::new(),
        };
        let decision = Decision {
            at: now,
            interaction: route.interaction.clone(),
            lane: route.lane.clone(),
            targets: route.targets.clone(),
            choice: route.choice,
            line: route.line,
            changes: self.lanes.get(&route.lane).map_or(0, |lane| lane.seats.changes()),
            excluded,
            agent: fit.agent.as_ref().map(|(agent, _)| *agent),
            target: fit.index,
            values: fit.values.clone(),
            agent_came,
        };
        if self.decisions.len() == DECISIONS_REMEMBERED {
            self.decisions.pop_front();
        }
        self.decisions.push_back(decision);
    }

    /// The decisions that are remembered, the oldest first.
    pub fn decisions(&self) -> impl Iterator<Item = Decided> {
        self.decisions.iter().filter_map(|decision| {
            let agent = decision.agent.and_then(|agent| self.directory.name(agent));
            Some(Decided {
                interaction: decision.interaction.to_string(),
                agent: agent.map(ToString::to_string),
                target: decision.targets.given().get(decision.target)?.clone(),
                agent_came: decision.agent_came,
            })
        })
    }

    /// Why it went where it went, by the last decision about it, or why it still waits. None: nothing is remembered of it.
    pub fn why(&self, now: Instant, link: LinkId, interaction: &str) -> Option<Why> {
        let waits = self.by_interaction.get(&(link, interaction.into())).and_then(|route| self.routes.get(route));
        if let Some(route) = waits
            && matches!(route.state, State::Waiting)
        {
            let decision = Decision {
                at: now,
                interaction: route.interaction.clone(),
                lane: route.lane.clone(),
                targets: route.targets.clone(),
                choice: route.choice,
                line: route.line,
                changes: self.lanes.get(&route.lane)?.seats.changes(),
                excluded: Vec::new(),
                agent: None,
                target: usize::MAX,
                values: Vec::new(),
                agent_came: false,
            };
            let left_out = self.excluded_for(route);
            return Some(self.explain(now, &decision, true, |agent| is_excluded(left_out, agent, now)));
        }
        let is_of = |decision: &&Decision| decision.lane.0 == link && *decision.interaction == *interaction;
        let decision = self.decisions.iter().rev().find(is_of)?;
        Some(self.explain(now, decision, false, |agent| decision.excluded.contains(&agent)))
    }

    fn explain(&self, now: Instant, decision: &Decision, waits: bool, left_out: impl Fn(AgentNumber) -> bool) -> Why {
        let known = Outlook { selection: self, now, link: decision.lane.0, media_type: Some(&decision.lane.1) };
        let given = decision.targets.given();
        let targets: Vec<WhyTarget> = given
            .iter()
            .enumerate()
            .map(|(index, target)| WhyTarget {
                target: target.clone(),
                chosen: index == decision.target,
                value: decision.values.get(index).copied().flatten(),
                threshold: target.threshold.as_ref().and_then(|bound| known.statistic(target, &bound.statistic)),
            })
            .collect();
        let seats = self.lanes.get(&decision.lane).and_then(|lane| lane.seats.as_of(decision.changes));
        let mut candidates = Vec::new();
        if let Some(seats) = &seats {
            let wall = known.wall(decision.at);
            for agent in 0..self.directory.count() {
                let seat = seats.get(agent).filter(|seat| !seat.is_empty());
                if seat.is_some() || self.directory.profile(agent).is_some() {
                    candidates.push(self.candidate(decision, &targets, agent, seat, wall, &left_out));
                }
            }
        }
        let mut verdicts = BTreeMap::new();
        for candidate in &candidates {
            *verdicts.entry(candidate.verdict).or_default() += 1;
        }
        candidates.sort_by(|one, other| (one.verdict, &one.agent).cmp(&(other.verdict, &other.agent)));
        candidates.truncate(CANDIDATES_TOLD);
        Why {
            interaction: decision.interaction.to_string(),
            media_type: decision.lane.1.to_string(),
            decided: (!waits).then(|| now.saturating_duration_since(decision.at)),
            because: self.because(decision, waits, &verdicts),
            priority: decision.line.0.0,
            since: decision.line.1,
            order: decision.choice.order.name(),
            statistic: decision.choice.statistic.name,
            targets,
            verdicts,
            candidates,
        }
    }

    fn candidate(
        &self,
        decision: &Decision,
        targets: &[WhyTarget],
        agent: AgentNumber,
        seat: Option<&Seat>,
        wall: i64,
        left_out: &impl Fn(AgentNumber) -> bool,
    ) -> Candidate {
        let place = seat.map(|seat| seat.place.to_string()).unwrap_or_default();
        let means = |target: &usize| decision.targets.means(*target, agent, &place, &self.directory);
        let holds = |target: &usize| targets.get(*target).is_some_and(WhyTarget::holds);
        let meant: Vec<usize> = (0..targets.len()).filter(means).collect();
        let target = meant.iter().copied().find(holds).or_else(|| meant.first().copied());
        let is_chosen = decision.agent == Some(agent);
        let (verdict, detail) = match (target, seat) {
            (Some(_), Some(_)) if is_chosen => (Verdict::Chosen, String::new()),
            (None, _) => (Verdict::NotMeant, self.lacks(decision, agent)),
            (Some(_), None) => (Verdict::NotLoggedIn, String::new()),
            (Some(_), Some(seat)) if !seat.ready => (Verdict::NotReady, String::new()),
            (Some(_), Some(seat)) if seat.behind => {
                (Verdict::NoCapacity, "as the server said when it refused; its next report is waited for".to_owned())
            }
            (Some(_), Some(seat)) if !seat.has_room() => (Verdict::NoCapacity, String::new()),
            (Some(_), _) if left_out(agent) => (Verdict::LeftOut, "did not take it a short time ago".to_owned()),
            (Some(target), _) if !holds(&target) => {
                let threshold = targets.get(target).and_then(WhyTarget::threshold_text);
                (Verdict::Threshold, threshold.unwrap_or_default())
            }
            (Some(_), Some(_)) => (Verdict::Fits, String::new()),
        };
        let value = seat.and_then(|seat| match decision.choice.statistic.agent {
            Some(OfAgent::Loading) => {
                i64::try_from(seat.load() * 100).ok().and_then(|load| load.checked_div(i64::from(seat.capacity)))
            }
            Some(OfAgent::TimeInReadyState) if seat.ready => Some(wall.saturating_sub(seat.ready_since) / 1_000),
            _ => None,
        });
        Candidate {
            agent: self.directory.name(agent).map(ToString::to_string).unwrap_or_default(),
            place,
            verdict,
            detail,
            target: decision.target.ne(&usize::MAX).then_some(decision.target).filter(|_| is_chosen).or(target),
            load: seat.map_or(0, Seat::load),
            capacity: seat.map_or(0, |seat| seat.capacity),
            value,
        }
    }

    /// The levels the agent has of the skills that were asked for.
    fn lacks(&self, decision: &Decision, agent: AgentNumber) -> String {
        let skills: BTreeSet<&str> = decision.targets.skills();
        let Some(profile) = self.directory.profile(agent).filter(|_| !skills.is_empty()) else {
            return String::new();
        };
        let mut text = "has".to_owned();
        for (index, skill) in skills.into_iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let _ = write!(text, "{comma} {skill} {}", profile.level(skill));
        }
        text
    }

    fn because(&self, decision: &Decision, waits: bool, verdicts: &BTreeMap<Verdict, usize>) -> String {
        let count = |verdict: Verdict| verdicts.get(&verdict).copied().unwrap_or(0);
        if waits {
            let whom: usize =
                verdicts.iter().filter(|(verdict, _)| **verdict != Verdict::NotMeant).map(|(_, count)| count).sum();
            let reasons =
                [Verdict::NotLoggedIn, Verdict::NotReady, Verdict::NoCapacity, Verdict::LeftOut, Verdict::Threshold];
            let reasons: Vec<String> = reasons
                .into_iter()
                .filter(|reason| count(*reason) > 0)
                .map(|reason| format!("{} {}", count(reason), reason.name()))
                .collect();
            return match whom {
                0 => "it waits: its targets mean nobody who is configured or logged in".to_owned(),
                _ => format!("it waits: of {whom} whom its targets mean, {}", reasons.join(", ")),
            };
        }
        let target = decision.targets.given().get(decision.target).map(ToString::to_string).unwrap_or_default();
        let Some(agent) = decision.agent.and_then(|agent| self.directory.name(agent)) else {
            return format!("{target} always has room, and nothing that comes before it had");
        };
        if decision.agent_came {
            return format!("`{agent}` became free, and of all that waits and fits there, this was first in line");
        }
        let free = count(Verdict::Fits) + count(Verdict::Chosen);
        let of = match free {
            0 => "of those who were free and fitted".to_owned(),
            1 => return format!("`{agent}` was the only one who fitted and was free"),
            _ => format!("of {free} who were free and fitted"),
        };
        let statistic = decision.choice.statistic;
        match (decision.choice.order, statistic.agent) {
            (Order::Percentage, _) => {
                format!("{target} was drawn by its weight; {of} there, `{agent}` was the least loaded")
            }
            (Order::Min, Some(_)) if statistic.name != "StatAgentLoading" => {
                format!("{of}, `{agent}` had the smallest {}", statistic.name)
            }
            (Order::Max, Some(_)) => format!("{of}, `{agent}` had the largest {}", statistic.name),
            (Order::Min | Order::Max, None) => format!(
                "{target} had the {} {}; {of} there, `{agent}` was the least loaded",
                if decision.choice.order == Order::Min { "smallest" } else { "largest" },
                statistic.name
            ),
            _ => format!("{of}, `{agent}` was the least loaded, and of equals ready for the longest"),
        }
    }
}

impl WhyTarget {
    fn holds(&self) -> bool {
        self.target.threshold.as_ref().is_none_or(|bound| self.threshold.is_some_and(|value| bound.holds(value)))
    }

    fn threshold_text(&self) -> Option<String> {
        let bound = self.target.threshold.as_ref()?;
        let value = self.threshold.map_or_else(|| "not known".to_owned(), |value| value.to_string());
        Some(format!("{} is {value}, not {bound}", bound.statistic))
    }
}
