//! The statistics that can be asked for, and that thresholds and choices go by: one table, in which more can be added.
//!
//! All of them are computed from what the Interaction Server reports of its agents, and from what waits here. Names are
//! those of the field (reference page *SCXML*, *Statistic module*; *eServices*, *URS routing for multimedia*). Times are
//! in seconds, shares in percent.

use std::fmt;

/// One statistic.
#[derive(Clone, Copy)]
pub struct Statistic {
    /// How it is asked for.
    pub name: &'static str,
    /// What it is of.
    pub of: Of,
    /// What it counts.
    pub unit: Unit,
    /// How it is computed.
    pub text: &'static str,
    /// Where it tells the agents of a target apart, how; then it chooses among them. The others choose the target.
    pub(crate) agent: Option<OfAgent>,
    pub(crate) value: fn(&Seen) -> Option<i64>,
}

/// What a statistic is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Those whom a target means: one agent, a place, a group, a skill expression; or those whom what waits in a virtual
    /// queue may go to.
    Agents,
    /// What waits for a target, or in a virtual queue or an interaction queue.
    Waiting,
}

/// What a statistic counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// People.
    Agents,
    /// Interactions.
    Interactions,
    /// Hundredths.
    Percent,
    /// Seconds.
    Seconds,
}

/// How agents are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfAgent {
    Loading,
    TimeInReadyState,
    Occupancy,
}

/// What is seen of an object when one of its statistics is asked for: sums over those who are logged in, of the media
/// that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// There are people it is about, logged in or not.
    pub about_agents: bool,
    pub logged_in: u64,
    /// Ready for some media.
    pub ready: u64,
    /// Ready, and with room for one more.
    pub available: u64,
    /// With an interaction at hand, or offered.
    pub busy: u64,
    /// Interactions at hand or offered, and how many they take.
    pub load: u64,
    pub capacity: u64,
    /// Milliseconds since the one who is ready for the longest became so; none: nobody is.
    pub longest_ready: Option<i64>,
    /// Milliseconds since their logins together, and with an interaction at hand.
    pub there: i64,
    pub at_work: i64,
    pub answered: u64,
    pub completed: u64,
    /// Mean time from answer to completion in milliseconds; none: nothing to tell it from.
    pub handling: Option<i64>,
    /// Interactions that wait; none: not known.
    pub waiting: Option<u64>,
}

impl Seen {
    fn agents(&self, count: u64) -> Option<i64> {
        self.about_agents.then(|| whole(count))
    }

    /// Milliseconds until the one that stands there in line is answered: one is done with at a time, by all of them
    /// together, as fast as they have been.
    pub(crate) fn expected_wait(&self, position: u64) -> Option<i64> {
        if self.logged_in == 0 || self.capacity == 0 {
            return None;
        }
        Some(self.handling?.saturating_mul(whole(position)) / whole(self.capacity))
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn percent(part: i64, of: i64) -> Option<i64> {
    part.saturating_mul(100).checked_div(of)
}

const fn agents(name: &'static str, text: &'static str, value: fn(&Seen) -> Option<i64>) -> Statistic {
    Statistic { name, of: Of::Agents, unit: Unit::Agents, text, agent: None, value }
}

/// All of them.
pub static STATISTICS: [Statistic; 15] = [
    Statistic {
        agent: Some(OfAgent::Loading),
        unit: Unit::Percent,
        ..agents(
            "StatAgentLoading",
            "interactions at hand or offered, of the capacity of those who are logged in",
            |seen| percent(whole(seen.load), whole(seen.capacity)),
        )
    },
    Statistic {
        agent: Some(OfAgent::TimeInReadyState),
        unit: Unit::Seconds,
        ..agents(
            "StatTimeInReadyState",
            "since the agent became ready or last lost an interaction; of several, the longest",
            |seen| seen.longest_ready.map(|time| time / 1_000),
        )
    },
    Statistic {
        agent: Some(OfAgent::Occupancy),
        unit: Unit::Percent,
        ..agents(
            "StatAgentOccupancy",
            "time with an interaction at hand or offered, of the time since the login",
            |seen| percent(seen.at_work, seen.there),
        )
    },
    agents("StatAgentsTotal", "those who are logged in", |seen| seen.agents(seen.logged_in)),
    agents("StatAgentsLoggedIn", "the same as StatAgentsTotal", |seen| seen.agents(seen.logged_in)),
    agents("StatAgentsInQueueLogin", "the same as StatAgentsTotal", |seen| seen.agents(seen.logged_in)),
    agents("StatAgentsReady", "those who are ready for some media, with or without room", |seen| {
        seen.agents(seen.ready)
    }),
    agents("StatAgentsInQueueReady", "the same as StatAgentsReady", |seen| seen.agents(seen.ready)),
    agents("StatAgentsAvailable", "those who are ready and have room for one more", |seen| seen.agents(seen.available)),
    agents("StatAgentsBusy", "those with an interaction at hand or offered", |seen| seen.agents(seen.busy)),
    Statistic {
        unit: Unit::Interactions,
        ..agents(
            "StatCallsAnswered",
            "interactions accepted since the login; of a virtual queue, since the start",
            |seen| Some(whole(seen.answered)),
        )
    },
    Statistic {
        unit: Unit::Interactions,
        ..agents("StatCallsCompleted", "interactions accepted and done with since the login", |seen| {
            seen.about_agents.then(|| whole(seen.completed))
        })
    },
    Statistic {
        name: "StatCallsInQueue",
        of: Of::Waiting,
        unit: Unit::Interactions,
        text: "interactions that wait for the target, or in the queue",
        agent: None,
        value: |seen| seen.waiting.map(whole),
    },
    Statistic {
        name: "StatExpectedWaitingTime",
        of: Of::Waiting,
        unit: Unit::Seconds,
        text: "of one more: 0 while somebody is available; else the mean time those who are logged in take for one, \
               times those that wait and itself, by their capacity",
        agent: None,
        value: |seen| {
            let waiting = seen.waiting?;
            if waiting == 0 && seen.available > 0 {
                return Some(0);
            }
            seen.expected_wait(waiting.saturating_add(1)).map(|time| time / 1_000)
        },
    },
    Statistic {
        name: "StatLoadBalance",
        of: Of::Waiting,
        unit: Unit::Percent,
        text: "what waits and what is at hand or offered, of the capacity of those who are logged in",
        agent: None,
        value: |seen| percent(whole(seen.load.saturating_add(seen.waiting?)), whole(seen.capacity)),
    },
];

/// The one that chooses where none is named.
pub(crate) static LOADING: &Statistic = &STATISTICS[0];

/// The statistic of this name.
pub fn find(name: &str) -> Option<&'static Statistic> {
    STATISTICS.iter().find(|statistic| statistic.name == name)
}

/// For messages.
pub(crate) fn names() -> String {
    let names: Vec<&str> = STATISTICS.iter().map(|statistic| statistic.name).collect();
    format!("there are {}", names.join(", "))
}

impl fmt::Debug for Statistic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl PartialEq for Statistic {
    fn eq(&self, other: &Statistic) -> bool {
        self.name == other.name
    }
}

impl Eq for Statistic {}
