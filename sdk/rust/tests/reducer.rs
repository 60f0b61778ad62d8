//! Strategies that are a state: what is written, when, and that nothing else is needed.

use std::cell::Cell;
use std::collections::BTreeMap;

use jackfield_sdk::interaction::InteractionEvent;
use jackfield_sdk::testing::{self, Route, Script};
use jackfield_sdk::{CHECKPOINT_BYTES, Request, prelude::*};
use serde::{Deserialize, Serialize};

const ID: &str = "0000TEST00000001";

fn email() -> Script {
    Script::new(testing::email().with("Subject", "hello").build())
}

fn lose(at_ms: u64, script: &Script) {
    let event = InteractionEvent { interaction: ID.into(), reason: "link down".into() };
    script.after(at_ms, Event::InteractionNotControlled(event));
}

fn totals(host: &Script) -> Vec<KvValue> {
    let value = |request: &Request| match request {
        Request::UpdateUserData { pairs, .. } => pairs.iter().find(|pair| pair.key == "Total").cloned(),
        _ => None,
    };
    host.requests().iter().filter_map(value).map(|pair| pair.value).collect()
}

/// Adds up what messages named `add` bring, writes the total into the user data, and places the
/// interaction when an hour has passed.
#[derive(Serialize, Deserialize)]
struct Adds {
    total: i32,
    seen: BTreeMap<String, u32>,
    until: u64,
}

impl Reducer for Adds {
    const STATE: &'static str = "adds-1";

    fn manifest() -> Manifest {
        manifest("adds", "1", "Adds up.")
    }

    fn start(session: &mut Session, email: Interaction) -> Result<(Self, Next), Error> {
        session.set_user_data(&email, [("Total", 0)])?;
        let until = session.now() + 3_600_000;
        Ok((Adds { total: 0, seen: BTreeMap::new(), until }, Next::WaitUntil(until)))
    }

    fn handle(&mut self, session: &mut Session, event: Option<Event>) -> Result<Next, Error> {
        match event {
            None => {
                let email = session.interaction()?;
                session.place(&email, "email.added")?;
                return Ok(Next::Finish);
            }
            Some(Event::Message(message)) => {
                *self.seen.entry(message.name.clone()).or_default() += 1;
                if message.name == "add" {
                    self.total += message.data.parse::<i32>().map_err(|error| Error::other(error.to_string()))?;
                    session.set_user_data(ID, [("Total", self.total)])?;
                }
            }
            Some(_) => {}
        }
        Ok(Next::WaitUntil(self.until))
    }
}

fn adding() -> Script {
    let host = email();
    host.message_at(1_000, "add", "5").message_at(1_000, "other", "null").message_at(1_000, "add", "7");
    host.message_at(2_000_000, "add", "30");
    host
}

#[test]
fn a_reducer_is_a_strategy_and_is_handed_every_event_and_the_end_of_its_time() {
    let host = adding();
    assert_eq!(host.run(Adds::run), Ok(()));
    assert_eq!(totals(&host), [0, 5, 12, 42].map(KvValue::Integer));
    assert_eq!((host.placed(), host.elapsed()), (vec!["email.added".to_owned()], 3_600_000));
    let manifest = <Adds as Strategy>::manifest();
    assert_eq!(manifest.states(), ["adds-1"]);
}

#[test]
fn dropped_and_rebuilt_after_each_turn_it_asks_for_the_same() {
    let (whole, rebuilt) = (adding(), adding());
    assert_eq!(whole.run(Adds::run), Ok(()));
    let runs = Cell::new(0);
    let ended = rebuilt.run_rebuilt(|session| {
        runs.set(runs.get() + 1);
        Adds::run(session)
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(rebuilt.requests(), whole.requests());
    assert_eq!((rebuilt.elapsed(), rebuilt.is_settled()), (3_600_000, true));
    assert!(runs.get() > 8, "it was dropped: {}", runs.get());
}

#[test]
fn a_checkpoint_is_json_for_people() {
    let host = adding();
    assert_eq!(host.run(Adds::run), Ok(()));
    let text = String::from_utf8(host.last_checkpoint().expect("written")).expect("text");
    let until = testing::START + 3_600_000;
    let state = format!(r#"{{"total":42,"seen":{{"add":3,"other":1}},"until":{until}}}"#);
    assert_eq!(text, format!(r#"{{"format":"adds-1","until":{until},"state":{state}}}"#));
}

/// Counts events while `counts` is set, and finishes at a message.
#[derive(Default, Serialize, Deserialize)]
struct Watches {
    counts: bool,
    events: u32,
}

impl Reducer for Watches {
    const STATE: &'static str = "watches-1";

    fn manifest() -> Manifest {
        manifest("watches", "1", "Counts.")
    }

    fn start(session: &mut Session, _: Interaction) -> Result<(Self, Next), Error> {
        Ok((Watches { counts: session.parameter("counts").is_some(), events: 0 }, Next::Wait))
    }

    fn handle(&mut self, _: &mut Session, event: Option<Event>) -> Result<Next, Error> {
        self.events += u32::from(self.counts);
        Ok(if matches!(event, Some(Event::Message(_))) { Next::Finish } else { Next::Wait })
    }
}

#[test]
fn what_has_not_changed_is_written_once_in_a_while_only() {
    for (counts, written) in [(false, 2), (true, 100)] {
        let host = email();
        if counts {
            host.parameter("counts", "");
        }
        for at in 1..100 {
            host.after(at, Event::TimerFired(at));
        }
        host.message_at(200, "end", "null");
        assert_eq!(host.run(Watches::run), Ok(()));
        assert_eq!(host.checkpoints().len(), written, "counts: {counts}");
    }
}

#[test]
fn a_reducer_that_lost_all_it_held_ends_even_if_it_did_not_notice() {
    let host = email();
    lose(500, &host);
    host.message_at(9_000, "end", "null");
    assert_eq!(host.run_rebuilt(Watches::run), Ok(()));
    assert_eq!(host.elapsed(), 500);
}

#[test]
fn a_reducer_goes_on_with_what_is_lost_and_there_again() {
    let host = email();
    lose(500, &host);
    host.after(500, Event::InteractionPresent(ID.into()));
    host.message_at(9_000, "end", "null");
    assert_eq!(host.run_rebuilt(Watches::run), Ok(()));
    assert_eq!(host.elapsed(), 9_000);
}

/// Asks for a route without waiting for it, and knows it again when it ends.
#[derive(Serialize, Deserialize)]
struct Routes {
    route: u64,
}

impl Reducer for Routes {
    const STATE: &'static str = "routes-1";

    fn manifest() -> Manifest {
        manifest("routes", "1", "Routes.").needs(Capability::Routing)
    }

    fn start(session: &mut Session, email: Interaction) -> Result<(Self, Next), Error> {
        let route = session.route(&email).to(Target::agent_group("Billing")).submit();
        Ok((Routes { route }, Next::Wait))
    }

    fn handle(&mut self, _: &mut Session, event: Option<Event>) -> Result<Next, Error> {
        match event {
            Some(Event::RequestDone(done)) if done.request == self.route => Ok(Next::Finish),
            Some(_) => Ok(Next::WaitFor(hours(20))),
            None => Err("nobody for too long".into()),
        }
    }
}

#[test]
fn a_request_under_way_is_known_again_after_a_rebuild() {
    let host = email();
    host.route(Route::Agent("ann".into(), 86_400_000)).message_at(43_200_000, "hello", "null");
    assert_eq!(host.run_rebuilt(Routes::run), Ok(()));
    assert_eq!((host.requests().len(), host.elapsed()), (1, 86_400_000));
    let host = email();
    host.route(Route::Agent("ann".into(), 86_400_000)).message_at(1, "hello", "null");
    assert_eq!(host.run_rebuilt(Routes::run), Err("nobody for too long".to_owned()), "the time is remembered");
    assert_eq!(host.elapsed(), 72_000_001);
}

/// Gives up a route when it is asked to stop; would fail if it were told how the cancelling ended.
#[derive(Serialize, Deserialize)]
struct GivesUp;

impl Reducer for GivesUp {
    const STATE: &'static str = "gives-up-1";

    fn manifest() -> Manifest {
        manifest("gives-up", "1", "Gives up.").needs(Capability::Routing)
    }

    fn start(_: &mut Session, _: Interaction) -> Result<(Self, Next), Error> {
        Ok((GivesUp, Next::Wait))
    }

    fn handle(&mut self, session: &mut Session, event: Option<Event>) -> Result<Next, Error> {
        match event {
            Some(Event::Message(_)) => {
                let stopped = session.route(ID).to(Target::agent("ann")).send();
                assert_eq!(stopped, Err(Error::Stopped("shutdown".into())));
                Ok(Next::Wait)
            }
            Some(Event::StopRequested(_)) => Ok(Next::WaitFor(secs(5))),
            None => {
                assert_eq!(session.sleep(secs(1)), Err(Error::Stopped("shutdown".into())));
                Ok(Next::Finish)
            }
            other => Err(Error::other(format!("{other:?} is nobody's"))),
        }
    }
}

#[test]
fn what_the_session_itself_remembers_is_in_the_checkpoint() {
    let host = email();
    host.message_at(1_000, "route", "null").after(3_000, Event::StopRequested("shutdown".into()));
    assert_eq!(host.run_rebuilt(GivesUp::run), Ok(()));
    assert_eq!(host.elapsed(), 8_000);
    let text = String::from_utf8(host.last_checkpoint().expect("written")).expect("text");
    assert!(text.contains(r#""stop":"shutdown","given_up":[2]"#), "{text}");
}

/// What `Adds` has become: remembers totals too large for the version before.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct AddsMore {
    grand_total: i64,
    until: u64,
}

impl Reducer for AddsMore {
    const STATE: &'static str = "adds-2";

    fn manifest() -> Manifest {
        manifest("adds", "2", "Adds up more.").reads_state(Adds::STATE)
    }

    fn start(_: &mut Session, _: Interaction) -> Result<(Self, Next), Error> {
        Err("the test moves sessions here".into())
    }

    fn handle(&mut self, session: &mut Session, event: Option<Event>) -> Result<Next, Error> {
        match event {
            None => {
                session.place(ID, &format!("email.{}", self.grand_total))?;
                return Ok(Next::Finish);
            }
            Some(Event::Message(message)) if message.name == "add" => {
                self.grand_total += message.data.parse::<i64>().map_err(|error| Error::other(error.to_string()))?;
            }
            Some(_) => {}
        }
        Ok(Next::WaitUntil(self.until))
    }

    fn migrate(older: OlderState<'_>) -> Result<Self, Error> {
        match older.format() {
            Adds::STATE => {
                let adds: Adds = older.read()?;
                Ok(AddsMore { grand_total: adds.total.into(), until: adds.until })
            }
            _ => Err(older.unknown()),
        }
    }
}

#[test]
fn a_session_goes_on_with_the_next_version_and_still_wakes_in_time() {
    let host = adding();
    let ended = host.run_rebuilt(|session| match session.checkpoint() {
        None => Adds::run(session),
        Some(_) => AddsMore::run(session),
    });
    assert_eq!(ended, Ok(()));
    assert_eq!((host.placed(), host.elapsed()), (vec!["email.42".to_owned()], 3_600_000));
    let text = String::from_utf8(host.last_checkpoint().expect("written")).expect("text");
    assert!(text.starts_with(r#"{"format":"adds-2","#), "{text}");
    assert_eq!(<AddsMore as Strategy>::manifest().states(), ["adds-2", "adds-1"]);
}

#[test]
fn a_checkpoint_nobody_can_read_says_so() {
    let run = |checkpoint: &str| Session::over(email(), Some(checkpoint.into())).finish(AddsMore::run);
    for (checkpoint, text) in [
        ("adds 12", "the checkpoint is none of a reducer: expected value at line 1 column 1"),
        (r#"{"format":"adds-9","state":{}}"#, "this version cannot go on from a checkpoint of format adds-9"),
        (r#"{"format":"adds-2","state":{}}"#, "the checkpoint of format adds-2 cannot be read: missing field"),
        (r#"{"format":"adds-1","state":[]}"#, "the checkpoint of format adds-1 cannot be read: invalid length"),
    ] {
        let error = run(checkpoint).expect_err("not readable");
        assert!(error.starts_with(text), "{error}");
    }
    assert!(Adds::migrate(OlderState::new("adds-0", "{}")).is_err(), "none are known where none are read");
}

/// A state that grows until it is too large.
#[derive(Serialize, Deserialize)]
struct Grows(String);

impl Reducer for Grows {
    const STATE: &'static str = "grows-1";

    fn manifest() -> Manifest {
        manifest("grows", "1", "Grows.")
    }

    fn start(_: &mut Session, _: Interaction) -> Result<(Self, Next), Error> {
        Ok((Grows("x".repeat(CHECKPOINT_BYTES)), Next::Wait))
    }

    fn handle(&mut self, _: &mut Session, _: Option<Event>) -> Result<Next, Error> {
        Ok(Next::Wait)
    }
}

#[test]
fn a_state_that_is_too_large_fails_the_session_before_the_host_does() {
    let error = email().run(Grows::run).expect_err("too large");
    assert_eq!(error, "the state grows-1 has 1048607 bytes; at most 1048576");
}

#[test]
fn a_straight_line_is_rebuilt_too() {
    let host = email();
    host.message_at(5, "hello", "null").route(Route::Nobody).route(Route::Agent("ann".into(), 3_000));
    let ended = host.run_rebuilt(|session| {
        let email = session.interaction()?;
        session.set_user_data(&email, [("Topic", "billing")])?;
        let nobody = session.route(&email).to(Target::skill("Billing >= 5")).within(secs(20)).send();
        assert_eq!(nobody, Err(Error::Timeout));
        session.start_timer(hours(1));
        assert!(matches!(session.next_event(None), Some(Event::Message(_))), "kept meanwhile");
        session.sleep(minutes(1))?;
        session.route(&email).to(Target::agent_group("Billing")).send().map(drop)
    });
    assert_eq!(ended, Ok(()));
    assert_eq!((host.requests().len(), host.elapsed()), (3, 83_000));
}

#[test]
#[should_panic(expected = "run again, the strategy asked for")]
fn a_strategy_that_remembers_outside_of_itself_is_found() {
    let count = Cell::new(0);
    let _ = email().run_rebuilt(|session| {
        count.set(count.get() + 1);
        let email = session.interaction()?;
        session.set_user_data(&email, [("Count", count.get())])?;
        session.place(&email, "email.general")
    });
}

#[test]
#[should_panic(expected = "run again, the strategy waited")]
fn a_strategy_that_waits_differently_is_found() {
    let count = Cell::new(0);
    let _ = email().run_rebuilt(|session| {
        count.set(count.get() + 1);
        let _ = session.interaction()?;
        session.sleep(secs(count.get()))?;
        session.sleep(secs(1))
    });
}

#[test]
#[should_panic(expected = "has to wait before anything else, not facts.parameter")]
fn a_strategy_that_looks_up_before_it_waits_again_is_found() {
    let _ = email().run_rebuilt(|session| {
        let _ = session.interaction()?;
        let _ = session.parameter("seconds");
        session.save_checkpoint(b"here");
        session.sleep(secs(1))
    });
}
