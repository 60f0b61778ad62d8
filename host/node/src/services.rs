//! Requests to servers behind the Interaction Server of which nobody knows whether they were carried out:
//! the server went away before it answered, or the request was asked before and the server is not back
//! yet. A server remembers what it did under a key, so asking again, until the time of the request is over,
//! tells; taking "no such server" for an answer would have strategies do it once more.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jackfield_link::LinkError;
use jackfield_protocol::ErrorCode;
use jackfield_protocol::v1::event::Message as Answer;

use crate::link::LinkTask;
use crate::requests::Then;

/// The pause before a request is asked again.
const PAUSE: Duration = Duration::from_millis(250);

/// Those under way over this connection.
#[derive(Debug, Default)]
pub(crate) struct Services {
    asked: HashMap<(Arc<str>, u64), Asked>,
    /// To be asked again at that time.
    again: BTreeSet<(Instant, Arc<str>, u64)>,
}

#[derive(Debug)]
struct Asked {
    /// When its time is over.
    until: Instant,
    /// It may have been carried out already.
    again: bool,
}

impl Services {
    /// The connection is gone: all of them are asked again over the next one.
    pub fn clear(&mut self) {
        self.asked.clear();
        self.again.clear();
    }

    /// It has its outcome.
    pub fn answered(&mut self, session: &Arc<str>, request: u64) {
        self.asked.remove(&(session.clone(), request));
    }

    /// When the next one is to be asked again.
    pub fn next(&self) -> Option<Instant> {
        self.again.first().map(|(at, ..)| *at)
    }
}

impl LinkTask {
    /// A request is about to be sent that may take so long.
    pub(crate) fn asks_service(&mut self, session: &Arc<str>, request: u64, within: Duration) {
        let until = self.now.checked_add(within).unwrap_or(self.now);
        // Over a connection that is up, the first time is the first time ever.
        let asked = Asked { until, again: !self.phase.is_up() };
        self.services.asked.entry((session.clone(), request)).or_insert(asked);
    }

    /// The answer, unless it leaves open what happened and there is time to ask again.
    pub(crate) fn service_answer(
        &mut self,
        session: &Arc<str>,
        request: u64,
        then: &Then,
        answer: Result<Answer, LinkError>,
    ) -> Option<Result<Answer, LinkError>> {
        let code = answer.as_ref().err().and_then(LinkError::code);
        if !matches!(then, Then::Service | Then::Message(_)) {
            return Some(answer);
        }
        let Some(asked) = self.services.asked.get_mut(&(session.clone(), request)) else { return Some(answer) };
        let is_open = match code {
            Some(ErrorCode::ServiceTimeout) => true,
            Some(ErrorCode::UnknownServer) => asked.again,
            _ => false,
        };
        if !is_open {
            return Some(answer);
        }
        let at = self.now + PAUSE;
        if at >= asked.until {
            return Some(Err(LinkError::Refused(
                ErrorCode::ServiceTimeout.with("the server did not answer in time; whether it did it is not known"),
            )));
        }
        asked.again = true;
        self.services.again.insert((at, session.clone(), request));
        None
    }

    /// Asks again what is due.
    pub(crate) fn ask_services_again(&mut self) {
        while self.services.next().is_some_and(|at| at <= self.now) {
            let Some((_, session, request)) = self.services.again.pop_first() else { break };
            self.carry_out(&session, request);
        }
    }
}
