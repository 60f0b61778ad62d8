//! The request router: what a strategy asks for becomes a request to the Interaction Server its
//! interaction came from, and the answer an event for the session.
//!
//! Each request carries the idempotency key `<session>:<request id>`, so that its effect happens once
//! however often it is sent. It stays on the session's card until the session was told its outcome; what
//! is there when the link comes up is asked again (`reclaim`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use jackfield_link::LinkError;
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{
    KeyValueList, Request3rdServer, RequestChangeProperties, RequestPlaceInQueue, RequestPlaceInWorkbin,
    RequestStopProcessing,
};
use jackfield_strategy::contract::{self, Destination, Failure, Outcome};
use jackfield_strategy::{Pending, Request, SessionEvent, Turn};

use crate::clean_up::Asked;
use crate::failures::{HostError, refused};
use crate::link::{LinkTask, Overdue};
use crate::messages::Step;
use crate::pulling::Pull;
use crate::reclaim::Phase;

/// Requests one session may have unanswered; more fail at once.
const UNANSWERED_BY_SESSION: usize = 4_096;
/// How long a service may take where the strategy does not say.
const SERVICE_WITHIN: Duration = Duration::from_secs(30);

/// Why something was sent, and so what its answer means.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// The reporting subscription.
    Reporting,
    /// A held pull.
    Pull(Pull),
    /// The end of a held pull, at a shutdown.
    CancelPull,
    /// What this node still holds on this server (`reclaim`).
    Reclaim,
    /// Whether a strategy's request was carried out over an earlier connection (`reclaim`).
    Probe { session: Arc<str>, request: u64, then: Then },
    /// A strategy's request.
    Strategy { session: Arc<str>, request: u64, then: Then },
    /// An invitation to an agent; its end comes as an event (`targets`).
    Deliver { interaction: String, number: u64 },
    /// An interaction as it is now, after somebody else changed it (`changes`).
    Refresh { session: Arc<str>, interaction: String },
    /// Getting an interaction back that no agent took (`targets`).
    TakeBack { interaction: String, number: u64 },
    /// What a session left behind goes back to its queue, or aside (`endings`).
    Leave { session: Option<Arc<str>>, interaction: String, how: Leaving },
    /// An event of a virtual queue, by its number (`virtual_queues`).
    Report(u64),
    /// What is attached of a target (`virtual_queues`).
    AttachTargets,
    /// What is in `orchestration_system` (`clean_up`).
    CleanUp(Asked),
}

/// What a strategy's request becomes once it is answered well.
#[derive(Debug)]
pub(crate) enum Then {
    /// `done`.
    Done,
    /// The session no longer holds the interaction; then this outcome.
    Gone { interaction: String, outcome: Outcome },
    /// `service-response`.
    Service,
    /// A step of making a message.
    Message(Step),
}

/// What happens to an interaction a session left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Its failures are counted in its user data; the next one follows.
    Count,
    /// Back to its queue.
    GiveBack,
    /// Into the poison queue.
    Poison,
    /// Held in its queue, because there is no poison queue.
    Hold,
    /// Back to its queue; no session ever ran for it.
    GiveBackUnstarted,
}

impl LinkTask {
    /// What a session asked for in one turn.
    pub(crate) fn turn(&mut self, turn: Turn) {
        let asked_at = turn.clock.wall_ms();
        for (request, what) in turn.requests {
            let Some(running) = self.sessions.get_mut(&turn.session) else { return };
            let needs_no_link = matches!(what, Request::SendEvent { .. } | Request::Fetch(_));
            let waits_for_the_link = waits_for_the_link(&what);
            running.card.asked(request, Pending { request: what, asked_at });
            match &mut self.phase {
                Phase::Up => {
                    running.is_excused = false;
                    self.carry_out(&turn.session, request);
                }
                _ if needs_no_link => self.carry_out(&turn.session, request),
                // After what was asked before.
                Phase::Resuming { todo } => todo.push_back((turn.session.clone(), request)),
                // Asked once the link is up.
                Phase::Down | Phase::Probing { .. } | Phase::Reclaiming { .. } => {
                    if waits_for_the_link {
                        self.link_waits.ask(self.now, &turn.session, request);
                    }
                }
            }
        }
    }

    /// When the next request has waited for the link for too long.
    pub(crate) fn link_waits_until(&self) -> Option<Instant> {
        self.may_give_up().then(|| self.link_waits.next(self.shared.live().options.link_down_timeout))?
    }

    /// Nothing that strategies asked for is under way.
    fn may_give_up(&self) -> bool {
        matches!(self.phase, Phase::Down | Phase::Reclaiming { .. })
    }

    /// What has waited for the link for too long fails; it goes nowhere else.
    pub(crate) fn give_up_waiting(&mut self) {
        if !self.may_give_up() {
            return;
        }
        let limit = self.shared.live().options.link_down_timeout;
        let mut waits = std::mem::take(&mut self.link_waits);
        let overdue = waits.overdue(self.now, limit, || self.pending(waits_for_the_link).into());
        self.link_waits = waits;
        for Overdue { session, request, may_be_done } in overdue {
            let Some(running) = self.sessions.get_mut(&session) else { continue };
            let what = if may_be_done { "whether it was done is not known" } else { "it was not asked for" };
            let seconds = limit.as_secs();
            running.is_excused = true;
            running.failed(
                request,
                HostError::LinkDown.with(format!(
                    "the link to the interaction server `{}` did not come back within {seconds} s (link-down-timeout); {what}",
                    self.server
                )),
            );
            self.settle(&session);
        }
    }

    /// Does what a request without an outcome asks for.
    pub(crate) fn carry_out(&mut self, session: &Arc<str>, request: u64) {
        let Some(running) = self.sessions.get(session) else { return };
        let Some(Pending { request: what, asked_at }) = running.card.pending(request) else { return };
        let done = if running.card.unanswered() > UNANSWERED_BY_SESSION {
            let most = format!("a session may have {UNANSWERED_BY_SESSION} requests unanswered; wait for some");
            Err(HostError::TooManyRequests.with(most))
        } else {
            self.strategy_request(session, request, what, asked_at)
        };
        if let Err(failure) = done {
            self.not_carried_out(session, request, failure);
        }
    }

    fn strategy_request(
        &mut self,
        session: &Arc<str>,
        request: u64,
        what: Request,
        asked_at: u64,
    ) -> Result<(), Failure> {
        if let Some(Lasting { interaction, ask, then }) = lasting(&what)? {
            self.check_held(session, &interaction)?;
            self.ask(session, request, ask, "", then, Duration::ZERO);
            return Ok(());
        }
        match what {
            Request::CallService { server, service, method, parameters, user_data, timeout_ms } => {
                let ask = Request3rdServer {
                    app_name: server,
                    service,
                    method,
                    parameters: Some(key_values(parameters)?),
                    user_data: Some(key_values(user_data)?),
                    timeout_ms: u32::try_from(timeout_ms).unwrap_or(u32::MAX),
                    ..Default::default()
                };
                let wait = Duration::from_millis(timeout_ms);
                self.asks_service(session, request, if wait.is_zero() { SERVICE_WITHIN } else { wait });
                self.ask(session, request, Ask::ThirdServer(ask), "", Then::Service, wait);
                Ok(())
            }
            Request::CreateMessage(message) => self.create_message(session, request, message),
            Request::SendMessage { interaction, server } => {
                self.send_message(session, request, interaction, server);
                Ok(())
            }
            Request::Route(route) => self.route(session, request, route, asked_at),
            Request::QueryRoute(submit) => {
                Err(HostError::UnknownTarget.with(format!("request {submit} waits for nothing")))
            }
            Request::CancelRoute(submit) => self.cancel_route(session, request, submit),
            Request::Deliver { interaction, to } => self.deliver_directly(session, request, interaction, to),
            Request::SendEvent { session: to, name, data } => self.send_event(session, request, &to, name, data),
            Request::Fetch(what) => {
                self.fetch(session, request, what);
                Ok(())
            }
            Request::UpdateUserData { .. }
            | Request::DeleteUserData { .. }
            | Request::PlaceInQueue { .. }
            | Request::StopProcessing { .. }
            | Request::AttachVirtualQueue { .. } => Ok(()),
        }
    }

    pub(crate) fn place_in_queue(
        &mut self,
        session: &Arc<str>,
        request: u64,
        interaction: &str,
        queue: &str,
        outcome: Outcome,
    ) -> Result<(), Failure> {
        self.check_held(session, interaction)?;
        let Lasting { ask, then, .. } = placed(interaction, queue, outcome);
        self.ask(session, request, ask, "", then, Duration::ZERO);
        Ok(())
    }

    fn send_event(
        &mut self,
        session: &Arc<str>,
        request: u64,
        to: &str,
        name: String,
        data: String,
    ) -> Result<(), Failure> {
        let Some(target) = self.shared.directory.session(to) else {
            return Err(HostError::SessionUnknown.with(format!("there is no session `{to}` on this node")));
        };
        let key = if self.shared.book.is_some() { request_key(session, request, "") } else { String::new() };
        if target.deliver(SessionEvent::Message { key, name, data }).is_err() {
            return Err(HostError::SessionNotReading.with(format!("session `{to}` takes no more events")));
        }
        if let Some(running) = self.sessions.get_mut(session) {
            running.done(request, Outcome::Done);
        }
        Ok(())
    }

    /// The session holds the interaction, and it is not on its way to an agent.
    pub(crate) fn check_held(&self, session: &Arc<str>, interaction: &str) -> Result<(), Failure> {
        let held = self.sessions.get(session).and_then(|running| running.holds(interaction));
        match held {
            None => Err(HostError::NotHeld.with(format!("the session does not hold interaction `{interaction}`"))),
            Some(_) if self.deliveries.contains_key(interaction) => Err(HostError::InteractionBusy
                .with(format!("interaction `{interaction}` is on its way to an agent; wait for the outcome"))),
            Some(_) if self.late.contains(interaction) => Err(HostError::InteractionBusy.with(format!(
                "the server has not answered a request about interaction `{interaction}` yet, whose time is over; try again"
            ))),
            Some(_) => Ok(()),
        }
    }

    /// Sends a strategy's request. `step` tells the requests of one id apart; `wait` is added to the
    /// time a server has to answer.
    pub(crate) fn ask(
        &mut self,
        session: &Arc<str>,
        request: u64,
        message: Ask,
        step: &str,
        then: Then,
        wait: Duration,
    ) {
        let key = request_key(session, request, step);
        let purpose = Purpose::Strategy { session: session.clone(), request, then };
        let within = self.shared.request_timeout().saturating_add(wait);
        self.send(message, key, purpose, Some(within));
    }

    /// A strategy's request was answered, or never will be.
    pub(crate) fn strategy_answer(
        &mut self,
        session: &Arc<str>,
        request: u64,
        then: Then,
        answer: Result<Answer, LinkError>,
    ) {
        let Some(answer) = self.service_answer(session, request, &then, answer) else { return };
        let answer = match (then, answer) {
            (Then::Message(step), answer) => self.message_answer(session, request, step, answer),
            (_, Err(error)) => Some(Err(failure(error))),
            (Then::Done, Ok(Answer::Ack(_))) => Some(Ok(Outcome::Done)),
            (Then::Gone { interaction, outcome }, Ok(Answer::Ack(_))) => {
                self.withdraw(session, &interaction);
                self.release_from(session, &interaction);
                Some(Ok(outcome))
            }
            (Then::Service, Ok(answer)) => Some(
                service_outcome(answer)
                    .map(|parameters| Outcome::ServiceResponse(contract::pairs_from_protocol(parameters))),
            ),
            (_, Ok(_)) => Some(Err(unexpected())),
        };
        if answer.is_some() {
            self.services.answered(session, request);
        }
        match answer {
            Some(Ok(Outcome::Routed(routed))) => self.routed(session, request, routed),
            Some(Ok(outcome)) => {
                if let Some(running) = self.sessions.get_mut(session) {
                    running.done(request, outcome);
                }
            }
            Some(Err(failure)) => self.not_routed(session, request, failure, None),
            // Another step follows.
            None => {}
        }
        self.settle(session);
    }

    /// No answer in time. One that still comes only corrects what the session holds.
    pub(crate) fn unanswered(&mut self, purpose: &Purpose) {
        match purpose {
            Purpose::Strategy { session, request, then } => {
                if let Then::Gone { interaction, .. } = then {
                    self.late.insert(interaction.clone());
                }
                tracing::warn!(server = self.server, session = &**session, request, "the server does not answer");
                self.services.answered(session, *request);
                let session = session.clone();
                let failure = HostError::Timeout.with("the server did not answer in time");
                self.not_routed(&session, *request, failure, None);
                self.settle(&session);
            }
            Purpose::Pull(pull) => self.pull_failed(*pull, &LinkError::TimedOut),
            Purpose::Probe { .. } => self.probed(),
            Purpose::Report(number) => self.report_is_late(*number),
            // A server that does not answer this is not there: the next connection starts over.
            Purpose::Reclaim => self.cut(),
            _ => {}
        }
    }

    /// An answer that came after its time.
    pub(crate) fn late_answer(&mut self, purpose: Purpose, answer: Result<Answer, LinkError>) {
        match (purpose, answer) {
            (Purpose::Strategy { session, then: Then::Gone { interaction, .. }, .. }, answer) => {
                self.late.remove(&interaction);
                let is_done = matches!(answer, Ok(Answer::Ack(_)));
                if is_done && self.interactions.get(interaction.as_str()) == Some(&session) {
                    self.lost(&interaction, "the server did it after all");
                }
                self.settle(&session);
            }
            // `pulled` sees that it no longer counts, and gives everything back.
            (Purpose::Pull(pull), Ok(Answer::PulledInteractions(pulled))) => self.pulled(pull, pulled),
            (Purpose::Report(number), answer) => self.reported(number, &answer),
            _ => {}
        }
    }
}

/// Whether a request fails when the link does not come back: what is asked of a server. A wait for a target is
/// the host's own, and goes on with the time it has.
fn waits_for_the_link(what: &Request) -> bool {
    !matches!(what, Request::SendEvent { .. } | Request::Fetch(_) | Request::Route(_) | Request::CancelRoute(_))
}

/// A request that changes what the server keeps: it remembers the answer by the request's key.
pub(crate) struct Lasting {
    pub interaction: String,
    pub ask: Ask,
    pub then: Then,
}

/// The request to the server, where it is one that the server remembers.
///
/// # Errors
/// When it cannot be carried by the protocol.
pub(crate) fn lasting(what: &Request) -> Result<Option<Lasting>, Failure> {
    let (interaction, ask, then) = match what {
        Request::UpdateUserData { interaction, pairs } => {
            let changed = Some(key_values(pairs.clone())?);
            (interaction, change(interaction, changed, None, Vec::new()), Then::Done)
        }
        Request::DeleteUserData { interaction, keys } => {
            (interaction, change(interaction, None, None, keys.clone()), Then::Done)
        }
        Request::AttachVirtualQueue { interaction, added, .. } => {
            let added = Some(key_values(added.clone())?);
            (interaction, change(interaction, None, added, Vec::new()), Then::Done)
        }
        Request::PlaceInQueue { interaction, queue }
        | Request::Deliver { interaction, to: Destination::InteractionQueue(queue) } => {
            return Ok(Some(placed(interaction, queue, Outcome::Done)));
        }
        Request::StopProcessing { interaction, reason } => {
            let (interaction_id, reason) = (interaction.clone(), reason.clone().unwrap_or_default());
            let ask = Ask::StopProcessing(RequestStopProcessing { interaction_id, reason });
            (interaction, ask, Then::Gone { interaction: interaction.clone(), outcome: Outcome::Done })
        }
        Request::Deliver { interaction, to: Destination::Workbin(workbin) } => {
            let ask = Ask::PlaceInWorkbin(RequestPlaceInWorkbin {
                interaction_id: interaction.clone(),
                workbin: Some(contract::workbin_to_protocol(workbin.clone())),
                ..Default::default()
            });
            (interaction, ask, Then::Gone { interaction: interaction.clone(), outcome: Outcome::Done })
        }
        _ => return Ok(None),
    };
    Ok(Some(Lasting { interaction: interaction.clone(), ask, then }))
}

pub(crate) fn placed(interaction: &str, queue: &str, outcome: Outcome) -> Lasting {
    let place =
        RequestPlaceInQueue { interaction_id: interaction.to_owned(), queue: queue.to_owned(), ..Default::default() };
    Lasting {
        interaction: interaction.to_owned(),
        ask: Ask::PlaceInQueue(place),
        then: Then::Gone { interaction: interaction.to_owned(), outcome },
    }
}

fn change(interaction: &str, changed: Option<KeyValueList>, added: Option<KeyValueList>, deleted: Vec<String>) -> Ask {
    Ask::ChangeProperties(RequestChangeProperties {
        interaction_id: interaction.to_owned(),
        changed,
        added,
        deleted,
        ..Default::default()
    })
}

/// The idempotency key of a strategy's request; `step` tells apart what it takes more than one request for.
/// It names a message to another session, too.
pub(crate) fn request_key(session: &str, request: u64, step: &str) -> String {
    format!("{session}:{request}{step}")
}

/// A strategy's key-value list; the strategy crate has checked it already.
pub(crate) fn key_values(pairs: Vec<contract::KvPair>) -> Result<KeyValueList, Failure> {
    contract::pairs_to_protocol(pairs).map_err(|error| HostError::BadRequest.with(error))
}

/// What a server behind the Interaction Server answered.
pub(crate) fn service_outcome(answer: Answer) -> Result<KeyValueList, Failure> {
    match answer {
        Answer::ThirdServerResponse(response) => Ok(response.parameters.unwrap_or_default()),
        Answer::ThirdServerFault(fault) => Err(Failure {
            code: u32::try_from(fault.fault_code)
                .ok()
                .filter(|code| *code > 0)
                .unwrap_or(HostError::ServiceFault.number()),
            name: HostError::ServiceFault.name().to_owned(),
            description: fault.fault_string,
        }),
        _ => Err(unexpected()),
    }
}

pub(crate) fn unexpected() -> Failure {
    HostError::UnexpectedAnswer.with("the server's answer does not belong to this request")
}

/// What a strategy learns of a request that failed.
pub(crate) fn failure(error: LinkError) -> Failure {
    match error {
        LinkError::Refused(error) => refused(error),
        LinkError::Down(reason) => {
            HostError::LinkDown.with(format!("the link to the interaction server is down: {reason}"))
        }
        LinkError::TimedOut => HostError::Timeout.with("the interaction server did not answer in time"),
        LinkError::Protocol(reason) => HostError::UnexpectedAnswer.with(reason),
    }
}
