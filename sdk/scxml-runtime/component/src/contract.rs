//! The surroundings of a machine, over the contract.
//!
//! A message named [`HTTP_REQUEST`] is a request for the Basic HTTP event I/O processor. Where a document's sessions can
//! be reached is the parameter [`HTTP_LOCATION`]; without it they have no location, and what is sent to one fails.

use jackfield_scxml_runtime::{Datum, Environment, Failure, HttpRequest, LogLine, Machine, Post, Status};
use jackfield_sdk::bindings::jackfield::strategy::events::{self, Event};
use jackfield_sdk::bindings::jackfield::strategy::http::{self, Method};
use jackfield_sdk::bindings::jackfield::strategy::types::HttpHeader;
use jackfield_sdk::bindings::jackfield::strategy::{facts, log, session, timers};

/// Name of the messages that carry an HTTP request: `{"session", "method", "target", "headers": [[name, value]], "body"}`.
const HTTP_REQUEST: &str = "jackfield.http.request";

/// The parameter that says under which address the sessions of this strategy take HTTP requests; the session's id
/// follows it.
const HTTP_LOCATION: &str = "http-location";

/// The contract as what a machine needs.
pub(crate) struct Contract;

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

    fn send_outside(&self, session: &str, event: &str, data: &Datum) -> Option<u64> {
        Some(events::send(session, event, &data.to_json()))
    }
}

fn about(interaction: &str, more: &[(&str, &str)]) -> Datum {
    let pairs = [("interactionid", interaction)].into_iter().chain(more.iter().copied());
    Datum::Map(pairs.map(|(name, value)| (name.to_owned(), Datum::text(value))).collect())
}

/// Hands an event of the contract to the machine, under the names of the reference page (section 4.5).
pub(crate) fn take(machine: &mut Machine, event: Event) -> Result<Status, Failure> {
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
        Event::RequestDone(done) => machine.post_ended(done.request, Ok(())),
        Event::RequestFailed(failed) => machine.post_ended(failed.request, Err(failed.failure.description)),
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
