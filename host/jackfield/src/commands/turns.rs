//! Turns as people read them: what each took, looked up and asked for, and how it waits.

use std::collections::BTreeMap;
use std::fmt::Write;

use jackfield_strategy::contract::{Destination, Failure, Interaction, KvValue, Level, Outcome, RequestId};
use jackfield_strategy::{Input, SessionEvent, Turn};

use crate::text;

/// Characters of a line that are shown, the word at its beginning not counted.
const SHOWN: usize = 160;

/// Writes the turns of one session, in their order.
#[derive(Debug, Default)]
pub struct Turns {
    /// What was asked for so far, for its outcome.
    asked: BTreeMap<RequestId, String>,
}

impl Turns {
    /// One turn, with what it wrote to the log where that is known.
    pub fn write(&mut self, turn: &Turn, log: &[(Level, String)]) -> String {
        let time = i64::try_from(turn.clock.monotonic / 1_000_000).unwrap_or(i64::MAX);
        let mut shown = format!("turn {:<4} after {:<7} {}", turn.number, text::time(time), self.input(&turn.input));
        let mut line = |word: &str, rest: &str| {
            // Writing into memory does not fail.
            let _ = write!(shown, "\n    {word:<12} {}", text::clip(rest, SHOWN));
        };
        for lookup in &turn.lookups {
            let question = lookup.question.to_string();
            let question = question.strip_prefix("look up ").unwrap_or(&question);
            line("looked up", &format!("{question}: {}", lookup.answer.as_deref().unwrap_or("there is none")));
        }
        for (level, said) in log {
            line(&format!("log {}", level_word(*level)), said);
        }
        for change in &turn.timers {
            line("timer", &change.to_string());
        }
        for (id, request) in &turn.requests {
            let request = request.to_string();
            line(&format!("request {id}"), &request);
            self.asked.insert(*id, request);
        }
        for (id, failure) in &turn.refused {
            line(&format!("refused {id}"), &failed(failure));
        }
        match turn.wait {
            _ if turn.last => line("ends", ""),
            Some(milliseconds) => {
                let wait = text::time(i64::try_from(milliseconds).unwrap_or(i64::MAX));
                line("waits", &format!("for an event, at most {wait}"));
            }
            None => line("waits", "for an event"),
        }
        shown.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// What a turn began with.
    fn input(&self, input: &Input) -> String {
        match input {
            Input::Start => "it began".into(),
            Input::TimedOut => "nothing came in the time it waited".into(),
            Input::Held(interaction) => format!("interaction {interaction} is here"),
            Input::Refused(request) => format!("request {request} was refused"),
            Input::Timer(timer) => format!("timer {timer} fired"),
            Input::Event(event) => text::clip(&self.event(event), SHOWN),
        }
    }

    fn event(&self, event: &SessionEvent) -> String {
        match event {
            SessionEvent::InteractionPresent(interaction) => {
                let Interaction { id, media_type, queue, .. } = &**interaction;
                format!("interaction {id} is here ({media_type}, from queue {queue})")
            }
            SessionEvent::InteractionNotControlled { interaction, reason } => {
                format!("interaction {interaction} is held no longer: {reason}")
            }
            SessionEvent::InteractionDeleted { interaction, reason } => {
                format!("interaction {interaction} was stopped by somebody else: {reason}")
            }
            SessionEvent::UserDataChanged(interaction) => format!("user data of {} changed", interaction.id),
            SessionEvent::RequestDone { request, outcome } => {
                format!("request {request} done{}{}", done(outcome), self.what(*request))
            }
            SessionEvent::RequestFailed { request, failure } => {
                format!("request {request} failed: {}{}", failed(failure), self.what(*request))
            }
            SessionEvent::Message { name, data, .. } => format!("message {name}: {data}"),
            SessionEvent::StopRequested(reason) => format!("it was asked to stop: {reason}"),
        }
    }

    /// The request, where its turn was written before.
    fn what(&self, request: RequestId) -> String {
        self.asked.get(&request).map(|asked| format!(" ({asked})")).unwrap_or_default()
    }
}

fn done(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => String::new(),
        Outcome::MessageCreated(interaction) => format!(": message {interaction}"),
        Outcome::Routed(routed) => format!(": {} took it, {}", routed.target, destination(&routed.destination)),
        Outcome::ServiceResponse(pairs) => {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|pair| match &pair.value {
                    KvValue::Text(text) | KvValue::Nested(text) => format!("{}={text}", pair.key),
                    KvValue::Integer(number) => format!("{}={number}", pair.key),
                    KvValue::Binary(bytes) => format!("{}=<{} bytes>", pair.key, bytes.len()),
                })
                .collect();
            format!(": {}", pairs.join(", "))
        }
        Outcome::Waiting(waiting) => {
            let expected = waiting.expected.map(|expected| format!(", {expected} ms expected")).unwrap_or_default();
            format!(": number {} of priority {}{expected}", waiting.position, waiting.priority)
        }
        Outcome::HttpResponse(response) => format!(": status {}, <{} bytes>", response.status, response.body.len()),
    }
}

fn destination(destination: &Destination) -> String {
    match destination {
        Destination::Agent(name) => format!("agent {name}"),
        Destination::Place(name) => format!("place {name}"),
        Destination::InteractionQueue(name) => format!("queue {name}"),
        Destination::Workbin(workbin) => format!("workbin {} of {}", workbin.name, workbin.owner),
    }
}

fn failed(failure: &Failure) -> String {
    format!("{} {} {}", failure.code, failure.name, failure.description)
}

/// As the contract calls it.
pub fn level_word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

#[cfg(test)]
mod tests {
    use jackfield_strategy::{Clock, Lookup, Question, Request, TimerChange};

    use super::*;

    #[test]
    fn a_turn_and_the_outcome_of_what_it_asked_for() {
        let first = Turn {
            number: 1,
            lookups: vec![
                Lookup { question: Question::Parameter("queue".into()), answer: Some("out".into()) },
                Lookup { question: Question::Parameter("limit".into()), answer: None },
            ],
            timers: vec![TimerChange::Started(1, 5_000)],
            requests: vec![(1, Request::PlaceInQueue { interaction: "i".into(), queue: "out".into() })],
            wait: Some(90_000),
            ..Turn::default()
        };
        let mut turns = Turns::default();
        let expected = "turn 1    after 0 ms    it began\n    \
                        looked up    parameter queue: out\n    \
                        looked up    parameter limit: there is none\n    \
                        log info     placed\n    \
                        timer        start timer 1 of 5000 ms\n    \
                        request 1    place-in-queue i: out\n    \
                        waits        for an event, at most 1 min";
        assert_eq!(turns.write(&first, &[(Level::Info, "placed".into())]), expected);

        let done = SessionEvent::RequestDone { request: 1, outcome: Outcome::Done };
        let clock = Clock { monotonic: 12_000_000, ..Clock::default() };
        let second = Turn { number: 2, clock, input: Input::Event(done), last: true, ..Turn::default() };
        let expected = "turn 2    after 12 ms   request 1 done (place-in-queue i: out)\n    ends";
        assert_eq!(turns.write(&second, &[]), expected);
    }
}
