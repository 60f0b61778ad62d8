//! `send` and `cancel`, and where events go (section 6.2, appendix C).

use std::rc::Rc;

use jackfield_scxml_program::Place;
use jackfield_scxml_program::content::{Operand, Send};

use crate::content::Failed;
use crate::data::Trouble;
use crate::datum::Datum;
use crate::event::{Details, EventData, EventKind};
use crate::fault::Fault;
use crate::host::Post;
use crate::http::{self, HttpRequest};
use crate::limits::Failure;
use crate::session::{BASIC_HTTP, SCXML, SessionBody};
use crate::shared::{Delayed, Foreign, Message, Posted, Target, Task};

impl SessionBody {
    pub(crate) fn send(&mut self, send: &Send, at: Place) -> Result<(), Failed> {
        let id = self.send_id(send, at)?;
        let result = self.message(send, id.clone(), at);
        let (message, delay) = result.map_err(|(fault, trouble)| {
            // Errors of a send carry its id (section 5.10.1).
            self.fault(fault, &trouble, at, "send", id);
            Failed
        })?;
        if delay == 0 {
            self.dispatch(message);
            return Ok(());
        }
        let world = &self.shared.world;
        if world.delayed.borrow().len() >= world.limits.pending {
            let limit = world.limits.pending as u64;
            world.fail(Failure::Limit { what: "delayed events", limit, place: self.shared.program.place(at) });
            return Err(Failed);
        }
        let timer = world.environment.start_timer(delay);
        let delayed = Delayed { session: self.shared.number, send_id: message.send_id.clone(), message };
        world.delayed.borrow_mut().insert(timer, delayed);
        Ok(())
    }

    fn send_id(&mut self, send: &Send, at: Place) -> Result<Option<Rc<str>>, Failed> {
        if let Some(location) = send.id_location {
            let id = format!("send.{}.{}", self.shared.id, self.shared.world.generate());
            self.assign_text(location, &id, at, "send")?;
            return Ok(Some(id.into()));
        }
        let Some(id) = &send.id else { return Ok(None) };
        match self.operand(id) {
            Ok(id) => Ok(Some(id.into())),
            Err(trouble) => Err(self.failed(Fault::Value, &trouble, at, "send")),
        }
    }

    /// All of a `send`, evaluated, and its delay in milliseconds.
    fn message(
        &mut self,
        send: &Send,
        send_id: Option<Rc<str>>,
        at: Place,
    ) -> Result<(Message, u64), (Fault, Trouble)> {
        let mut text = |operand: &Option<Operand>| match operand {
            None => Ok(None),
            Some(operand) => self.operand(operand).map(Some).map_err(|trouble| (Fault::Value, trouble)),
        };
        let name = text(&send.event)?;
        let kind = text(&send.kind)?;
        let target = text(&send.target)?;
        let delay = match text(&send.delay)? {
            None => 0,
            Some(delay) => milliseconds(&delay)
                .ok_or_else(|| (Fault::Value, Trouble::new(format!("{delay} is no delay, such as 5s or 200ms"))))?,
        };
        let mut target = self.target(kind.as_deref(), target)?;
        if delay > 0 && matches!(target, Target::Internal) {
            return Err((Fault::TargetType, Trouble::new("what goes to the internal queue cannot be held back")));
        }
        let data = if let Target::Http { body, .. } = &mut target {
            *body = self.http_body(send, name.as_deref(), at)?;
            EventData::None
        } else {
            if name.is_none() && send.payload.content.is_none() {
                return Err((Fault::NoEvent, Trouble::new("the event to be sent has no name")));
            }
            self.checked_payload(send, at)?
        };
        Ok((Message { name: name.unwrap_or_default(), send_id, target, data, at }, delay))
    }

    /// The data of a `send`: its errors are those of the whole (section 6.2.3).
    fn checked_payload(&mut self, send: &Send, at: Place) -> Result<EventData, (Fault, Trouble)> {
        let mut pairs = Vec::new();
        for parameter in &send.payload.parameters {
            let value = self.expression(parameter.value).map_err(|trouble| (Fault::Value, trouble))?;
            pairs.push((parameter.name.clone(), value));
        }
        if pairs.is_empty() || send.payload.content.is_some() {
            let failed = |_: Failed| (Fault::Value, Trouble::new("its content cannot be evaluated"));
            return match &send.payload.content {
                Some(jackfield_scxml_program::content::Value::Text(_)) | None => {
                    self.payload(&send.payload, at, "send", false).map_err(failed)
                }
                Some(content) => self.value(content).map(EventData::Value).map_err(|trouble| (Fault::Value, trouble)),
            };
        }
        let object = self.data().and_then(|data| data.object(&pairs));
        object.map(EventData::Value).map_err(|trouble| (Fault::Value, trouble))
    }

    fn http_body(&mut self, send: &Send, name: Option<&str>, at: Place) -> Result<String, (Fault, Trouble)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        if let Some(name) = name {
            pairs.push(("_scxmleventname".to_owned(), name.to_owned()));
        }
        if send.payload.content.is_some() {
            let data = self.checked_payload(send, at)?;
            let data = self.export(data).map_err(|trouble| (Fault::Value, trouble))?;
            // With a name there has to be a parameter for it; without, the body is the content alone.
            return Ok(match pairs.is_empty() {
                true => http::escaped(&data.display()),
                false => http::form(&[pairs, vec![("content".to_owned(), data.display())]].concat()),
            });
        }
        for parameter in &send.payload.parameters {
            let value = self.expression(parameter.value).map_err(|trouble| (Fault::Value, trouble))?;
            let value = self.data().and_then(|data| data.export(&value)).map_err(|trouble| (Fault::Value, trouble))?;
            pairs.push((parameter.name.clone(), value.display()));
        }
        Ok(http::form(&pairs))
    }

    fn target(&self, kind: Option<&str>, target: Option<String>) -> Result<Target, (Fault, Trouble)> {
        let target = target.filter(|target| !target.is_empty());
        match kind.unwrap_or("") {
            "" | "scxml" | SCXML | "http://www.w3.org/TR/scxml" | "http://www.w3.org/TR/scxml/" => {
                let Some(target) = target else { return Ok(Target::Own) };
                let rest = target.strip_prefix("#_");
                Ok(match (target.as_str(), rest) {
                    (_, Some("internal")) => Target::Internal,
                    ("_internal", _) if self.shared.is_ors() => Target::Internal,
                    (_, Some("parent")) => Target::Parent,
                    (_, Some(rest)) => match rest.strip_prefix("scxml_") {
                        Some(session) => Target::Session(session.into()),
                        None => Target::Invoked(rest.into()),
                    },
                    // A bare id of a session is how the draft of 2009 names it.
                    _ if self.shared.is_ors() => Target::Session(target.as_str().into()),
                    _ => return Err((Fault::TargetType, Trouble::new(format!("{target} is no target of events")))),
                })
            }
            "basichttp" | BASIC_HTTP | "http://www.w3.org/TR/scxml/#BasicHTTPEventProcessor/" => match target {
                Some(url) => Ok(Target::Http { url, body: String::new() }),
                None => Err((Fault::Unreachable, Trouble::new("an event that goes over HTTP needs a target"))),
            },
            kind => Err((Fault::TargetType, Trouble::new(format!("events of type {kind} cannot be sent")))),
        }
    }

    /// Sends a message on its way.
    pub(crate) fn dispatch(&mut self, message: Message) {
        let Message { name, send_id, target, data, at } = message;
        let own_location: Rc<str> = format!("#_scxml_{}", self.shared.id).into();
        let to_self = |data: EventData, send_id: Option<Rc<str>>| Details {
            send_id,
            origin: Some(Rc::clone(&own_location)),
            origin_type: Some(SCXML.into()),
            data,
            ..Details::default()
        };
        let (to, invoke_id) = match target {
            Target::Own => {
                let details = Box::new(to_self(data, send_id));
                return self.shared.enqueue(self.shared.event(&name, EventKind::External, Some(details)));
            }
            Target::Internal => {
                let details = Box::new(Details { send_id, data, ..Details::default() });
                return self.shared.raise(self.shared.event(&name, EventKind::Internal, Some(details)));
            }
            Target::Session(id) if id == self.shared.id => {
                let details = Box::new(to_self(data, send_id));
                return self.shared.enqueue(self.shared.event(&name, EventKind::External, Some(details)));
            }
            Target::Http { url, body } => return self.post(url, body, send_id, at),
            Target::Parent => match self.invoked.clone() {
                Some((parent, id)) => (Some(parent), Some(id)),
                None => (None, None),
            },
            Target::Invoked(id) => {
                (self.invocations.iter().find(|invocation| invocation.id == id).map(|found| found.number), None)
            }
            Target::Session(id) => match self.shared.world.live(|live| live.id == id) {
                Some(live) => (Some(live.number), None),
                None => return self.send_outside(&id, &name, data, send_id, at),
            },
        };
        let Some(to) = to.filter(|to| self.shared.world.live(|live| live.number == *to).is_some()) else {
            let trouble = Trouble::new(format!("{name} could not be sent: there is no such session"));
            return self.fault(Fault::NoSession, &trouble, at, "send", send_id);
        };
        let origin_type = Some(SCXML.into());
        match self.export(data) {
            Ok(data) => {
                let event = Foreign { name, send_id, origin: Some(own_location), origin_type, invoke_id, data };
                self.shared.world.task(Task::Deliver { to, event });
            }
            Err(trouble) => self.fault(Fault::Value, &trouble, at, "send", send_id),
        }
    }

    fn send_outside(&mut self, session: &str, name: &str, data: EventData, send_id: Option<Rc<str>>, at: Place) {
        let sent = self.export(data).map(|data| self.shared.world.environment.send_outside(session, name, &data));
        let trouble = match sent {
            Ok(Some(number)) => {
                let posted = Posted { session: self.shared.number, send_id, at };
                self.shared.world.posts.borrow_mut().insert(number, posted);
                return;
            }
            Ok(None) => Trouble::new(format!("{name} could not be sent: there is no session {session}")),
            Err(trouble) => trouble,
        };
        self.fault(Fault::NoSession, &trouble, at, "send", send_id);
    }

    fn post(&mut self, url: String, body: String, send_id: Option<Rc<str>>, at: Place) {
        let world = &self.shared.world;
        if world.environment.http_location(&self.shared.id).is_some_and(|own| own == url) {
            // What it sends to itself needs no network, and keeps its place among its other events.
            let headers = vec![("Content-Type".to_owned(), http::FORM.to_owned())];
            return self.receive_request(&HttpRequest { method: "POST".to_owned(), target: url, headers, body });
        }
        let has_room = world.posts.borrow().len() < world.limits.pending;
        let post = Post { url, content_type: http::FORM, body };
        match has_room.then(|| world.environment.post(post)).flatten() {
            Some(number) => {
                let posted = Posted { session: self.shared.number, send_id, at };
                world.posts.borrow_mut().insert(number, posted);
            }
            None => {
                let trouble = Trouble::new("the event could not be sent over HTTP");
                self.fault(Fault::Unreachable, &trouble, at, "send", send_id);
            }
        }
    }

    /// Takes in a request of the Basic HTTP event I/O processor.
    pub(crate) fn receive_request(&self, request: &HttpRequest) {
        let (name, data) = request.event();
        let details = Details {
            origin_type: Some(BASIC_HTTP.into()),
            data: EventData::Datum(data),
            raw: Some(request.raw().into()),
            ..Details::default()
        };
        self.shared.enqueue(self.shared.event(&name, EventKind::External, Some(Box::new(details))));
    }

    /// `cancel` (section 6.3): of this session's own delayed events. In profile `ors` it is answered.
    pub(crate) fn cancel_send(&mut self, id: &Operand, at: Place) -> Result<(), Failed> {
        let id = self.operand(id).map_err(|trouble| self.failed(Fault::Value, &trouble, at, "cancel"))?;
        let number = self.shared.number;
        let timers: Vec<u64> = {
            let delayed = self.shared.world.delayed.borrow();
            let is_meant =
                |delayed: &Delayed| delayed.session == number && delayed.send_id.as_deref() == Some(id.as_str());
            delayed.iter().filter(|(_, delayed)| is_meant(delayed)).map(|(timer, _)| *timer).collect()
        };
        for timer in &timers {
            self.shared.world.delayed.borrow_mut().remove(timer);
            self.shared.world.environment.cancel_timer(*timer);
        }
        if self.shared.is_ors() {
            let name = if timers.is_empty() { "error.notallowed" } else { "cancel.successful" };
            let data = EventData::Datum(Datum::Map(vec![("sendid".to_owned(), Datum::text(id.as_str()))]));
            let details = Details { send_id: Some(id.into()), data, ..Details::default() };
            self.shared.enqueue(self.shared.event(name, EventKind::External, Some(Box::new(details))));
        }
        Ok(())
    }
}

/// A time of CSS 2: `1.5s`, `200ms`. None for what is none.
pub(crate) fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1.0),
        None => (text.strip_suffix('s')?, 1_000.0),
    };
    let is_number = number.chars().all(|character| character.is_ascii_digit() || character == '.' || character == '+');
    let number: f64 = number.trim().parse().ok().filter(|_| is_number)?;
    let result = (number * unit).ceil();
    (result.is_finite() && result >= 0.0).then_some(result as u64)
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn delays_are_times_of_css() {
        let times = ["5s", "1.5s", ".5s", "200ms", "0s", " 1s "];
        assert_eq!(times.map(milliseconds), [5_000, 1_500, 500, 200, 0, 1_000].map(Some));
        assert_eq!(["", "5", "s", "-1s", "1m", "infs", "NaNs", "1e3s"].map(milliseconds), [None; 8]);
    }
}
