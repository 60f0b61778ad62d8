//! The surroundings of a machine, over the contract.
//!
//! A message named [`HTTP_REQUEST`] is a request for the Basic HTTP event I/O processor. Where a document's sessions can
//! be reached is the parameter [`HTTP_LOCATION`]; without it they have no location, and what is sent to one fails.

use jackfield_scxml_runtime::{
    Datum, Environment, Failure, HttpRequest, LogLine, Machine, Platform, Post, Status, TraceLine,
};
use jackfield_sdk::bindings::jackfield::strategy::events::{self, Event, Outcome};
use jackfield_sdk::bindings::jackfield::strategy::http::{self, Method};
use jackfield_sdk::bindings::jackfield::strategy::types::{self, HttpHeader};
use jackfield_sdk::bindings::jackfield::strategy::{facts, log, session, timers};

use crate::platform::{Modules, Told};
use crate::trace::{self, Wanted};

/// Name of the messages that carry an HTTP request: `{"session", "method", "target", "headers": [[name, value]], "body"}`.
const HTTP_REQUEST: &str = "jackfield.http.request";

/// The parameter that says under which address the sessions of this strategy take HTTP requests; the session's id
/// follows it.
const HTTP_LOCATION: &str = "http-location";

/// Characters of a session's id (interface `session` of the contract).
const SESSION_ID: usize = 32;

/// The contract as what a machine needs.
pub(crate) struct Contract {
    modules: Modules,
    /// What somebody wants to see.
    pub wanted: Wanted,
}

impl Contract {
    /// That of this session.
    pub(crate) fn new() -> Contract {
        Contract { modules: Modules::default(), wanted: Wanted::of_session() }
    }

    /// True when no action is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.modules.is_idle()
    }

    /// Tells the document of answers that needed nothing from outside.
    fn at_once(&self, machine: &mut Machine) -> Result<Status, Failure> {
        while let Some(answer) = self.modules.at_once() {
            if machine.answer(&answer)? == Status::Finished {
                return Ok(Status::Finished);
            }
        }
        Ok(Status::Waiting)
    }
}

impl Environment for Contract {
    fn now(&self) -> u64 {
        facts::now()
    }

    fn session_id(&self) -> String {
        session::id()
    }

    fn start_timer(&self, after: u64) -> u64 {
        timers::start(after)
    }

    fn cancel_timer(&self, timer: u64) {
        timers::cancel(timer);
    }

    fn log(&self, line: &LogLine<'_>) {
        let level = match line.level {
            2 => log::Level::Error,
            3 => log::Level::Warn,
            4 => log::Level::Debug,
            _ => log::Level::Info,
        };
        if line.label.is_empty() {
            log::write(level, line.text);
        } else {
            log::write(level, &format!("{}: {}", line.label, line.text));
        }
    }

    fn http_location(&self, session: &str) -> Option<String> {
        facts::parameter(HTTP_LOCATION).map(|location| format!("{}/{session}", location.trim_end_matches('/')))
    }

    fn post(&self, post: Post) -> Option<u64> {
        let request = http::Request {
            method: Method::Post,
            url: post.url,
            headers: vec![HttpHeader { name: "content-type".to_owned(), value: post.content_type.to_owned() }],
            body: post.body.into_bytes(),
            timeout: None,
        };
        Some(http::fetch(&request))
    }

    fn offset_from_utc(&self, _seconds: i64) -> i32 {
        facts::local_time(None).map_or(0, |time| time.offset)
    }

    fn platform(&self) -> Option<&dyn Platform> {
        Some(&self.modules)
    }

    fn traces(&self) -> bool {
        self.wanted.steps
    }

    fn trace(&self, step: &TraceLine<'_>) {
        trace::step(step);
    }

    fn send_outside(&self, session: &str, event: &str, data: &Datum) -> Option<u64> {
        // What cannot be the id of a session is none at once; of others it is known after the turn.
        let may_be_one = session.len() == SESSION_ID && session.bytes().all(|byte| byte.is_ascii_alphanumeric());
        may_be_one.then(|| events::send(session, event, &data.to_json()))
    }
}

fn about(interaction: &str, more: &[(&str, &str)]) -> Datum {
    let pairs = [("interactionid", interaction)].into_iter().chain(more.iter().copied());
    Datum::Map(pairs.map(|(name, value)| (name.to_owned(), Datum::text(value))).collect())
}

/// Hands an event of the contract to the machine, under the names of the reference page (section 4.5).
pub(crate) fn take(contract: &Contract, machine: &mut Machine, event: Event) -> Result<Status, Failure> {
    match happens(contract, machine, event)? {
        Status::Finished => Ok(Status::Finished),
        Status::Waiting => contract.at_once(machine),
    }
}

/// The end of a request: of an action, or of a post.
fn ended(
    contract: &Contract,
    machine: &mut Machine,
    request: u64,
    result: Result<Outcome, types::Failure>,
) -> Result<Status, Failure> {
    let posted = match &result {
        Ok(Outcome::HttpResponse(response)) if !(200..300).contains(&response.status) => {
            Err(format!("the server answered with status {}", response.status))
        }
        Ok(_) => Ok(()),
        Err(failure) => Err(failure.description.clone()),
    };
    match contract.modules.ended(request, result) {
        None => machine.post_ended(request, posted),
        Some(Told::Answer(answer)) => machine.answer(&answer),
        Some(Told::Event(name, data)) => machine.external(name, data),
        Some(Told::Nothing) => Ok(Status::Waiting),
    }
}

fn happens(contract: &Contract, machine: &mut Machine, event: Event) -> Result<Status, Failure> {
    match event {
        Event::InteractionPresent(id) => {
            let status = machine.external("interaction.added", about(&id, &[]))?;
            if status == Status::Finished {
                return Ok(status);
            }
            machine.external("interaction.present", about(&id, &[]))
        }
        Event::InteractionNotControlled(event) => {
            let data = about(&event.interaction, &[("resultof", &event.reason)]);
            machine.external("interaction.notcontrolled", data)
        }
        Event::InteractionDeleted(event) => {
            machine.external("interaction.deleted", about(&event.interaction, &[("resultof", "deletion")]))
        }
        Event::UserDataChanged(id) => machine.external("interaction.udata.changed", about(&id, &[])),
        Event::RequestDone(done) => ended(contract, machine, done.request, Ok(done.outcome)),
        Event::RequestFailed(failed) => ended(contract, machine, failed.request, Err(failed.failure)),
        Event::TimerFired(timer) => machine.timer_fired(timer),
        Event::Message(message) if message.name == HTTP_REQUEST => match request_of(&message.data) {
            Some((session, request)) => machine.http_request(&session, &request).map(|(_, status)| status),
            None => Ok(Status::Waiting),
        },
        Event::Message(message) => {
            let data = Datum::from_json(&message.data).unwrap_or(Datum::Text(message.data));
            machine.external(&message.name, data)
        }
        // Its states are left, with their handlers; nothing is waited for any more.
        Event::StopRequested(_) => machine.cancel(),
    }
}

fn request_of(data: &str) -> Option<(String, HttpRequest)> {
    let data = Datum::from_json(data)?;
    let text = |name: &str| data.get(name).and_then(Datum::as_text).map(str::to_owned);
    let headers = match data.get("headers") {
        Some(Datum::List(headers)) => headers
            .iter()
            .filter_map(|header| match header {
                Datum::List(pair) => match pair.as_slice() {
                    [Datum::Text(name), Datum::Text(value)] => Some((name.clone(), value.clone())),
                    _ => None,
                },
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    let body = text("body").unwrap_or_default();
    Some((text("session")?, HttpRequest { method: text("method")?, target: text("target")?, headers, body }))
}
