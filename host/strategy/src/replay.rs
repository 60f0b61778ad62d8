//! Recorded turns, happening again: each call of the strategy is answered from the record, and what it
//! asks for is compared with what it asked for then.
//!
//! A rebuilt session goes through this before it goes on; a session that is only looked at
//! ([`Engine::replay`](crate::Engine::replay)) ends with it. The first difference ends it: what comes
//! after would be compared with a past that was not this one's.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::contract::{Level, RequestId};
use crate::record::{Lookup, Question, TimerChange, Turn};
use crate::request::Request;

/// What is left of the past.
#[derive(Debug)]
pub(crate) struct Replay {
    /// The turn that happens again.
    now: Turn,
    /// How much of it has.
    requests: usize,
    timers: usize,
    /// Turns after that.
    later: VecDeque<Turn>,
    /// The last of them is one in which the session failed.
    fails: bool,
    /// Every look-up of the past: another version may ask in another order.
    answers: BTreeMap<Question, Option<String>>,
}

/// A strategy did something else than what was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Number of the turn.
    pub turn: u64,
    /// What it did then; empty: nothing.
    pub then: String,
    /// What it does now; empty: nothing.
    pub now: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |what: &str| if what.is_empty() { "nothing more".to_owned() } else { format!("`{what}`") };
        write!(formatter, "turn {}: then {}, now {}", self.turn, said(&self.then), said(&self.now))
    }
}

/// One turn as it happened again.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// As it was recorded.
    pub turn: Turn,
    /// What the strategy wrote to its log, which is not recorded.
    pub log: Vec<(Level, String)>,
}

impl Replay {
    /// With the turn in which the session failed, if it did. None: nothing is recorded.
    pub fn new(mut turns: Vec<Turn>, failed: Option<Turn>) -> Option<Replay> {
        let fails = failed.is_some();
        turns.extend(failed);
        let answers = turns
            .iter()
            .flat_map(|turn| &turn.lookups)
            .map(|lookup| (lookup.question.clone(), lookup.answer.clone()))
            .collect();
        let mut later: VecDeque<Turn> = turns.into();
        let now = later.pop_front()?;
        Some(Replay { now, requests: 0, timers: 0, later, fails, answers })
    }

    pub fn now(&self) -> &Turn {
        &self.now
    }

    /// The strategy looks something up. None: it did not then.
    pub fn look_up(&self, question: &Question) -> Result<Option<String>, Difference> {
        let is_it = |lookup: &&Lookup| lookup.question == *question;
        match self.now.lookups.iter().find(is_it) {
            Some(lookup) => Ok(lookup.answer.clone()),
            None => match self.answers.get(question) {
                Some(answer) => Ok(answer.clone()),
                None => Err(self.differs("", &question.to_string())),
            },
        }
    }

    /// The strategy asks for something, or is refused on the spot.
    pub fn ask(&mut self, id: RequestId, request: Option<&Request>) -> Result<(), Difference> {
        let Some(request) = request else {
            if self.now.refused.iter().any(|(refused, _)| *refused == id) {
                return Ok(());
            }
            return Err(self.differs("", &format!("request {id}, which is refused")));
        };
        match self.now.requests.get(self.requests) {
            Some((recorded, then)) if *recorded == id && then == request => {
                self.requests += 1;
                Ok(())
            }
            Some((_, then)) => {
                let (mut was, mut is) = (then.to_string(), request.to_string());
                if was == is {
                    // The difference is in what is not shown to people as a rule.
                    (was, is) = around(&format!("{then:?}"), &format!("{request:?}"));
                }
                Err(self.differs(&was, &is))
            }
            None => Err(self.differs("", &request.to_string())),
        }
    }

    /// The strategy starts or cancels a timer.
    pub fn timer(&mut self, change: TimerChange) -> Result<(), Difference> {
        match self.now.timers.get(self.timers) {
            Some(then) if *then == change => {
                self.timers += 1;
                Ok(())
            }
            Some(then) => Err(self.differs(&then.to_string(), &change.to_string())),
            None => Err(self.differs("", &change.to_string())),
        }
    }

    /// Whether the session failed in this turn.
    pub fn is_to_fail(&self) -> bool {
        self.fails && self.later.is_empty()
    }

    /// The turn ends: has everything happened that did then?
    pub fn end_turn(&self, wait: Option<u64>, last: bool) -> Result<(), Difference> {
        if self.is_to_fail() {
            return Err(self.differs("it failed", &waiting(wait, last)));
        }
        if let Some((_, then)) = self.now.requests.get(self.requests) {
            return Err(self.differs(&then.to_string(), ""));
        }
        if let Some(then) = self.now.timers.get(self.timers) {
            return Err(self.differs(&then.to_string(), ""));
        }
        if (self.now.last, self.now.wait) != (last, wait) {
            return Err(self.differs(&waiting(self.now.wait, self.now.last), &waiting(wait, last)));
        }
        Ok(())
    }

    /// The next turn of the past. None: it is over.
    pub fn next(self) -> Option<Replay> {
        let Replay { mut later, fails, answers, .. } = self;
        let now = later.pop_front()?;
        Some(Replay { now, requests: 0, timers: 0, later, fails, answers })
    }

    /// It ended where it did not then.
    pub fn ended(&self, how: &str) -> Difference {
        self.differs(&waiting(self.now.wait, self.now.last), how)
    }

    fn differs(&self, then: &str, now: &str) -> Difference {
        Difference { turn: self.now.number, then: then.into(), now: now.into() }
    }
}

/// Bytes of two texts that are shown before and after the place where they differ.
const SHOWN: (usize, usize) = (40, 120);

/// As much of two texts as shows where they differ: a request may hold a megabyte.
fn around(one: &str, other: &str) -> (String, String) {
    let at = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let cut = |text: &str| {
        let from = text.floor_char_boundary(at.saturating_sub(SHOWN.0));
        let to = text.floor_char_boundary(at.saturating_add(SHOWN.1));
        let dots = |is_cut| if is_cut { "…" } else { "" };
        format!("{}{}{}", dots(from > 0), text.get(from..to).unwrap_or_default(), dots(to < text.len()))
    };
    (cut(one), cut(other))
}

fn waiting(wait: Option<u64>, last: bool) -> String {
    match wait {
        _ if last => "its end".into(),
        Some(milliseconds) => format!("wait for {milliseconds} ms"),
        None => "wait for an event".into(),
    }
}

impl fmt::Display for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Question::ListItem { name, item, key: Some(key) } => write!(formatter, "look up {name}/{item}/{key}"),
            Question::ListItem { name, item, key: None } => write!(formatter, "look up {name}/{item}"),
            Question::Parameter(name) => write!(formatter, "look up parameter {name}"),
            Question::Statistic { object, name } => write!(formatter, "look up {name} of {object}"),
            Question::LocalTime(Some(zone)) => write!(formatter, "look up the time in {zone}"),
            Question::LocalTime(None) => write!(formatter, "look up the time here"),
            Question::IsOpen(hours) => write!(formatter, "look up whether {hours} is open"),
            Question::IsSpecialDay { table, day, zone: _ } => {
                write!(formatter, "look up whether today is {} of {table}", day.as_deref().unwrap_or("any day"))
            }
            Question::Targets(text) => write!(formatter, "read the targets {text}"),
        }
    }
}

impl fmt::Display for TimerChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimerChange::Started(timer, after) => write!(formatter, "start timer {timer} of {after} ms"),
            TimerChange::Cancelled(timer) => write!(formatter, "cancel timer {timer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::around;

    #[test]
    fn long_texts_are_shown_where_they_differ() {
        assert_eq!(around("a b", "a c"), ("a b".into(), "a c".into()));
        let (one, other) = around(&format!("{}one{}", "ü".repeat(500), "y".repeat(500)), &"ü".repeat(510));
        assert_eq!(one, format!("…{}one{}…", "ü".repeat(20), "y".repeat(117)));
        assert_eq!(other, format!("…{}", "ü".repeat(30)));
    }
}
