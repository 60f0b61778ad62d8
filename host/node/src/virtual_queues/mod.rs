//! Waits in virtual queues, as reporting hears of them.
//!
//! A submit that names a virtual queue begins a wait, which has an id of its own. EventQueued says that it has
//! begun, also when a target is free at once. Then comes exactly one other event: EventDiverted when the interaction
//! was routed, whatever to; EventAbandoned for any other end (reference page, *Virtual queue reporting*: on loss), with
//! the name of the failure as the reason: the time was over (`timeout`); the strategy cancelled it, stopped the
//! interaction (as it does when the customer has left) or placed it elsewhere, or its session ended (`cancelled`); it
//! is not ours any more (`cancelled`, `not_held`). A submit that is refused at once has not waited, and is not heard of.
//!
//! A session is told the outcome only once the server has the last event on disk (or does not say so within
//! `request-timeout`). So a node that crashes finds the
//! request without an outcome, and asks again: both events go out under keys of the request, and the server passes on
//! each key once. The last event has one key, whichever it is, so that there are never two; what a wait was told to
//! have come to first, it has come to. Keys are remembered for as long as `idempotency-retention` says: a wait
//! that is longer, and of which the node crashes, is said to begin twice, with the same id.
//!
//! What is attached to the interaction is made in the same place (`keys`): what it waits for as soon as it does, what
//! was selected before the interaction goes there, for then it is no longer ours to change. It takes the place of what
//! was attached for the wait before, so that an interaction that waits often does not grow.
//!
//! Owned by the link task. An event is kept here until the server has it, over however many connections. There are at
//! most two for each request that a session has without an outcome.

mod keys;
mod objects;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jackfield_link::LinkError;
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{AgentState, RequestChangeProperties, RequestDistributeEvent};
use jackfield_strategy::Request;
use jackfield_strategy::contract::{Destination, Failure, Outcome, RouteRequest, Routed};
use jackfield_strategy::virtual_queue::wait_id;

use self::keys::{From, Selected, Stage, Wait, first_of_each};
pub use self::objects::{ObjectKind, Objects, ReportTargets};
use crate::failures::HostError;
use crate::link::LinkTask;
use crate::reclaim::Phase;
use crate::requests::{Purpose, key_values, request_key};

/// What is told of waits, and where agents are.
#[derive(Default)]
pub(crate) struct Reports {
    last: u64,
    /// Events the server is not known to have, in order.
    open: BTreeMap<u64, Report>,
    /// Requests whose outcome is told when one of these is with the server.
    ending: HashSet<(Arc<str>, u64)>,
    /// Place of each agent who is logged in.
    places: HashMap<String, String>,
}

struct Report {
    key: String,
    event: RequestDistributeEvent,
    /// What the session is told once the server has it.
    end: Option<Box<End>>,
}

/// How a wait ended.
struct End {
    session: Arc<str>,
    request: u64,
    outcome: Result<Routed, Failure>,
    /// The request that cancelled it.
    cancel: Option<u64>,
}

/// A wait in a virtual queue, by the request that began it.
pub(crate) struct Waits {
    session: Arc<str>,
    request: u64,
    virtual_queue: String,
    route: RouteRequest,
}

impl Waits {
    /// None: the submit names no virtual queue.
    pub fn of(session: &Arc<str>, request: u64, route: &RouteRequest) -> Option<Waits> {
        let virtual_queue = route.virtual_queue.clone().filter(|name| !name.is_empty())?;
        Some(Waits { session: session.clone(), request, virtual_queue, route: route.clone() })
    }
}

impl LinkTask {
    // ---- what happens to a wait ----

    /// It has begun, or goes on after a time in which nobody knew of it.
    pub(crate) fn wait_begins(&mut self, waits: Option<&Waits>) {
        let Some(waits) = waits else { return };
        let event = self.virtual_queue_event(waits, &Stage::Queued);
        let key = request_key(&waits.session, waits.request, ":queued");
        self.report(Report { key, event, end: None });
    }

    /// Nothing was found at once.
    pub(crate) fn wait_goes_on(&mut self, waits: Option<&Waits>) {
        if let Some(waits) = waits
            && self.shared.live().options.report_targets == ReportTargets::All
        {
            self.attach_targets(waits, None);
        }
    }

    /// The interaction is about to go there.
    pub(crate) fn target_selected(&mut self, waits: Option<&Waits>, target: &str, destination: &Destination) {
        if let Some(waits) = waits
            && self.shared.live().options.report_targets != ReportTargets::Off
        {
            self.attach_targets(waits, Some((target, destination)));
        }
    }

    /// It was routed; the session is told.
    pub(crate) fn routed(&mut self, session: &Arc<str>, request: u64, mut routed: Routed) {
        routed.place = self.place_of(&routed.destination);
        let waits = if routed.virtual_queue.is_some() { self.waits(session, request) } else { None };
        match waits {
            Some(waits) => {
                routed.virtual_queue_id = Some(wait_id(session, request));
                self.wait_ends(&waits, Ok(routed), None);
            }
            None => {
                if let Some(running) = self.sessions.get_mut(session) {
                    running.done(request, Outcome::Routed(routed));
                }
            }
        }
    }

    /// It was not; the session is told, and that its `cancel` is done, where it asked for that.
    pub(crate) fn not_routed(&mut self, session: &Arc<str>, request: u64, failure: Failure, cancel: Option<u64>) {
        match self.waits(session, request) {
            Some(waits) => self.wait_ends(&waits, Err(failure), cancel),
            None => {
                if let Some(running) = self.sessions.get_mut(session) {
                    running.failed(request, failure);
                    if let Some(cancel) = cancel {
                        running.done(cancel, Outcome::Done);
                    }
                }
            }
        }
    }

    /// A request was refused. One that is asked again may have waited before.
    pub(crate) fn not_carried_out(&mut self, session: &Arc<str>, request: u64, failure: Failure) {
        let waits = if matches!(self.phase, Phase::Resuming { .. }) { self.waits(session, request) } else { None };
        match waits {
            Some(waits) => {
                self.wait_begins(Some(&waits));
                self.wait_ends(&waits, Err(failure), None);
            }
            None => {
                if let Some(running) = self.sessions.get_mut(session) {
                    running.failed(request, failure);
                }
            }
        }
    }

    /// Its session cannot go on after a start of the node.
    pub(crate) fn wait_is_left_open(&mut self, waits: &Waits) {
        self.wait_begins(Some(waits));
        self.wait_ends(waits, Err(HostError::Cancelled.with("its session could not go on")), None);
    }

    /// The outcome of this request is told when the last event of a wait is with the server.
    pub(crate) fn is_ending(&self, session: &Arc<str>, request: u64) -> bool {
        !self.reports.ending.is_empty() && self.reports.ending.contains(&(session.clone(), request))
    }

    fn wait_ends(&mut self, waits: &Waits, outcome: Result<Routed, Failure>, cancel: Option<u64>) {
        let Waits { session, request, .. } = waits;
        let request = *request;
        if !self.reports.ending.insert((session.clone(), request)) {
            return;
        }
        self.reports.ending.extend(cancel.map(|cancel| (session.clone(), cancel)));
        let event = match &outcome {
            Ok(Routed { target, destination, place, .. }) => {
                let selected = Selected { target, destination, place: place.as_deref() };
                self.virtual_queue_event(waits, &Stage::Diverted(&selected))
            }
            Err(failure) => self.virtual_queue_event(waits, &Stage::Abandoned(failure)),
        };
        let end = Some(Box::new(End { session: session.clone(), request, outcome, cancel }));
        self.report(Report { key: request_key(session, request, ":left"), event, end });
    }

    /// The wait in a virtual queue that this request of a session is.
    pub(crate) fn waits(&self, session: &Arc<str>, request: u64) -> Option<Waits> {
        match self.sessions.get(session)?.card.pending(request)?.request {
            Request::Route(route) => Waits::of(session, request, &route),
            _ => None,
        }
    }

    // ---- what is attached ----

    fn attach_targets(&mut self, waits: &Waits, selected: Option<(&str, &Destination)>) {
        let live = self.shared.live();
        let is_all = live.options.report_targets == ReportTargets::All;
        let place = selected.and_then(|(_, destination)| self.place_of(destination));
        let selected = selected.map(|(target, destination)| Selected { target, destination, place: place.as_deref() });
        let id = wait_id(&waits.session, waits.request);
        let (changed, defaults) = first_of_each(self.wait(waits, &id).pairs(&live.objects, is_all, selected.as_ref()));
        let change = RequestChangeProperties {
            interaction_id: waits.route.interaction.clone(),
            changed: key_values(changed).ok(),
            defaults: key_values(defaults).ok(),
            ..Default::default()
        };
        self.send(Ask::ChangeProperties(change), String::new(), Purpose::AttachTargets, None);
    }

    fn wait<'a>(&'a self, waits: &'a Waits, id: &'a str) -> Wait<'a> {
        let running = self.sessions.get(&waits.session);
        let strategy = running.and_then(|running| self.shared.strategy(running.card.strategy));
        Wait {
            id,
            virtual_queue: &waits.virtual_queue,
            route: &waits.route,
            strategy: strategy.map_or("", |strategy| &strategy.name),
            tenant: self.tenant(),
        }
    }

    fn virtual_queue_event(&self, waits: &Waits, stage: &Stage<'_>) -> RequestDistributeEvent {
        let settings = &self.shared.settings;
        let from = From { name: &settings.name, cluster: &settings.cluster, server: &self.server };
        let id = wait_id(&waits.session, waits.request);
        self.wait(waits, &id).event(&self.shared.live().objects, &from, stage)
    }

    fn place_of(&self, destination: &Destination) -> Option<String> {
        match destination {
            Destination::Agent(agent) => self.reports.places.get(agent).cloned(),
            _ => None,
        }
    }

    /// What is known of an agent's place.
    pub(crate) fn agent_is_at(&mut self, state: &AgentState) {
        match self.reports.places.get_mut(&state.agent) {
            Some(place) => place.clone_from(&state.place),
            None => {
                self.reports.places.insert(state.agent.clone(), state.place.clone());
            }
        }
    }

    /// Of those who are logged in now; of others nothing is known any more.
    pub(crate) fn agents_are_at(&mut self, states: &[AgentState]) {
        self.reports.places.clear();
        for state in states {
            self.agent_is_at(state);
        }
    }

    // ---- to the server ----

    fn report(&mut self, report: Report) {
        self.reports.last += 1;
        let number = self.reports.last;
        self.reports.open.insert(number, report);
        self.send_report(number);
    }

    fn send_report(&mut self, number: u64) {
        if let Some(Report { key, event, .. }) = self.reports.open.get(&number).filter(|_| self.client_is_there()) {
            let (event, key) = (Ask::DistributeEvent(event.clone()), key.clone());
            let within = self.shared.request_timeout();
            self.send(event, key, Purpose::Report(number), Some(within));
        }
    }

    /// There is a connection: what the server may not have is sent again, in order.
    pub(crate) fn report_again(&mut self) {
        for number in self.reports.open.keys().copied().collect::<Vec<_>>() {
            self.send_report(number);
        }
    }

    /// The server has it, or has refused it.
    pub(crate) fn reported(&mut self, number: u64, answer: &Result<Answer, LinkError>) {
        if let Err(error) = answer {
            // Another end of the same wait was told before: that one counts.
            tracing::debug!(server = self.server, %error, "an event of a virtual queue was not taken");
        }
        if let Some(end) = self.reports.open.remove(&number).and_then(|report| report.end) {
            self.wait_ended(*end);
        }
    }

    /// The server does not say in time whether it has it: the session waits no longer for that.
    pub(crate) fn report_is_late(&mut self, number: u64) {
        if let Some(end) = self.reports.open.get_mut(&number).and_then(|report| report.end.take()) {
            self.wait_ended(*end);
        }
    }

    fn wait_ended(&mut self, end: End) {
        let End { session, request, outcome, cancel } = end;
        for request in std::iter::once(request).chain(cancel) {
            self.reports.ending.remove(&(session.clone(), request));
        }
        if let Some(running) = self.sessions.get_mut(&session) {
            match outcome {
                Ok(routed) => running.done(request, Outcome::Routed(routed)),
                Err(failure) => running.failed(request, failure),
            }
            if let Some(cancel) = cancel {
                running.done(cancel, Outcome::Done);
            }
        }
        self.settle(&session);
    }
}

/// What an answer to an attachment says: nothing more can be done.
pub(crate) fn attached(server: &str, answer: Result<Answer, LinkError>) {
    if let Err(error) = answer {
        tracing::warn!(server, %error, "what reporting is to know of a target could not be attached");
    }
}
