//! Between sessions, target selection and agents.
//!
//! Agent states come from the reporting of the link; selection answers with an agent; the
//! interaction is delivered there. An agent who rejects it, or lets it ring, is left out for a while:
//! the interaction is taken back by its id within the server's first-refusal window and waits on,
//! with its age. The session sees nothing but a longer wait.

use std::sync::Arc;
use std::time::Duration;

use jackfield_link::LinkError;
use jackfield_protocol::ErrorCode;
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{
    AgentState as Reported, DeliveryResult, EventDelivery, EventReporting, PullByIds, ReportingName, RequestDeliver,
    RequestPull, request_deliver, request_pull::What,
};
use jackfield_routing::{
    AgentState, Assigned, CancelError, LinkId, MediaState, Output, RouteId, Submit, Target, TargetKind,
};
use jackfield_strategy::contract::{Destination, Failure, Outcome, RouteRequest, Routed, TargetType};

use crate::failures::HostError;
use crate::link::LinkTask;
use crate::requests::{Purpose, failure, request_key};
use crate::shared::count;
use crate::virtual_queues::Waits;

/// How long an agent is left out whom the server did not let be invited: what we know of that agent is
/// behind, and a report is on its way.
const REFUSED_REST: Duration = Duration::from_secs(1);

/// A session waits for a target.
pub(crate) struct Waiting {
    session: Arc<str>,
    request: u64,
    interaction: String,
    virtual_queue: Option<String>,
}

/// An interaction is on its way to an agent.
pub(crate) struct Delivery {
    /// Tells it from earlier ones of the same interaction, whose ends may still come.
    pub number: u64,
    /// Of the request for it; 0: not sent, or sent over an earlier connection.
    pub reference_id: u64,
    pub session: Arc<str>,
    pub request: u64,
    pub kind: Kind,
    pub agent: String,
    /// The invitation ended without acceptance, so; the interaction is being taken back.
    pub ended: Option<DeliveryResult>,
}

pub(crate) enum Kind {
    /// Found by target selection.
    Selected { route: RouteId, target: String },
    /// Found by target selection over an earlier connection, for this request.
    Before { route: RouteRequest },
    /// Named by the strategy.
    Direct { to: Destination },
}

impl Delivery {
    pub fn is_for(&self, session: &Arc<str>, request: u64) -> bool {
        self.session == *session && self.request == request
    }
}

impl LinkTask {
    fn link_id(&self) -> LinkId {
        LinkId(self.index)
    }

    // ---- what sessions ask ----

    pub(crate) fn route(
        &mut self,
        session: &Arc<str>,
        request: u64,
        route: RouteRequest,
        asked_at: u64,
    ) -> Result<(), Failure> {
        let in_virtual_queue = Waits::of(session, request, &route);
        let RouteRequest { interaction, virtual_queue, priority, targets, timeout, deliver, .. } = route;
        self.check_held(session, &interaction)?;
        let (media_type, since) = match self.sessions.get(session).and_then(|running| running.holds(&interaction)) {
            Some(held) if held.busy => {
                let text = format!("interaction `{interaction}` waits for a target already; cancel that first");
                return Err(HostError::InteractionBusy.with(text));
            }
            Some(held) => (held.media_type.to_string(), held.received_at),
            None => return Err(HostError::NotHeld.with("the session does not hold the interaction")),
        };
        let mut selected = Vec::with_capacity(targets.len());
        let mut queue = None;
        for target in targets {
            let kind = match target.target_type {
                TargetType::Agent => TargetKind::Agent,
                TargetType::Place => TargetKind::Place,
                TargetType::AgentGroup => TargetKind::AgentGroup,
                TargetType::Skill => TargetKind::Skill,
                TargetType::PlaceGroup => {
                    let text = format!("place group `{}`: place groups cannot be selected from yet", target.name);
                    return Err(HostError::UnknownTarget.with(text));
                }
                TargetType::InteractionQueue => {
                    queue.get_or_insert(target.name);
                    continue;
                }
            };
            selected.push(Target::new(kind, target.name));
        }
        let has_agents = !selected.is_empty();
        if has_agents || queue.is_none() {
            self.last_route += 1;
            let id = RouteId(self.last_route);
            let submit = Submit {
                route: id,
                link: self.link_id(),
                interaction: interaction.clone(),
                media_type,
                priority,
                since,
                targets: selected,
                // Further off than a clock can tell is the same as never.
                deadline: timeout
                    .and_then(|timeout| self.now.checked_add(left(timeout, asked_at, jackfield_world::wall_ms()))),
                deliver,
            };
            self.selection.submit(self.now, submit).map_err(|error| HostError::UnknownTarget.with(error))?;
            let waiting = Waiting {
                session: session.clone(),
                request,
                interaction: interaction.clone(),
                virtual_queue: virtual_queue.clone(),
            };
            self.routes.insert(id, waiting);
            self.wait_begins(in_virtual_queue.as_ref());
            if let Some(running) = self.sessions.get_mut(session) {
                running.routes.push((request, id));
                if let Some(held) = running.held_mut(&interaction) {
                    held.busy = true;
                }
            }
            let waits = self.selection.is_waiting(id);
            match queue {
                // A queue always has room: it is next when nobody fits at this moment.
                Some(_) if waits => {
                    let _ = self.selection.cancel(id);
                    self.forget_route(id);
                }
                _ => {
                    self.selected();
                    if self.selection.is_waiting(id) {
                        self.wait_goes_on(in_virtual_queue.as_ref());
                    }
                    return Ok(());
                }
            }
        }
        let Some(queue) = queue else { return Ok(()) };
        let destination = Destination::InteractionQueue(queue.clone());
        self.wait_begins(in_virtual_queue.as_ref().filter(|_| !has_agents));
        self.target_selected(in_virtual_queue.as_ref(), &queue, &destination);
        let routed = routed(queue.clone(), destination, virtual_queue);
        if deliver {
            return self.place_in_queue(session, request, &interaction, &queue, Outcome::Routed(routed));
        }
        self.routed(session, request, routed);
        Ok(())
    }

    pub(crate) fn cancel_route(&mut self, session: &Arc<str>, request: u64, submit: u64) -> Result<(), Failure> {
        let Some(running) = self.sessions.get(session) else { return Ok(()) };
        let cancelled = match running.route(submit) {
            Some(route) => self.selection.cancel(route).map(|()| route),
            None if self.deliveries.values().any(|delivery| delivery.is_for(session, submit)) => {
                Err(CancelError::OnItsWay)
            }
            None => Err(CancelError::Unknown),
        };
        match cancelled {
            Ok(route) => {
                self.forget_route(route);
                let failure = HostError::Cancelled.with("cancelled by the strategy");
                self.not_routed(session, submit, failure, Some(request));
                Ok(())
            }
            Err(error @ CancelError::Unknown) => Err(HostError::RequestUnknown.with(error)),
            Err(error @ CancelError::OnItsWay) => Err(HostError::InteractionBusy.with(error)),
        }
    }

    pub(crate) fn deliver_directly(
        &mut self,
        session: &Arc<str>,
        request: u64,
        interaction: String,
        to: Destination,
    ) -> Result<(), Failure> {
        self.check_held(session, &interaction)?;
        let target = match &to {
            Destination::Agent(agent) => request_deliver::Target::Agent(agent.clone()),
            Destination::Place(place) => request_deliver::Target::Place(place.clone()),
            Destination::InteractionQueue(_) | Destination::Workbin(_) => {
                return Err(HostError::BadRequest.with("only agents and places are invited"));
            }
        };
        self.withdraw(session, &interaction);
        self.deliver(session.clone(), request, interaction, target, Kind::Direct { to }, String::new());
        Ok(())
    }

    // ---- what selection says ----

    /// Acts on what target selection has brought about.
    pub(crate) fn selected(&mut self) {
        while let Some(output) = self.selection.poll() {
            match output {
                Output::Assign(assigned) => self.assigned(assigned),
                Output::Found(Assigned { route, agent, target, .. }) => {
                    if let Some(Waiting { session, request, virtual_queue, .. }) = self.forget_route(route) {
                        let destination = Destination::Agent(agent);
                        let in_virtual_queue = virtual_queue.is_some().then(|| self.waits(&session, request)).flatten();
                        self.target_selected(in_virtual_queue.as_ref(), &target.name, &destination);
                        self.routed(&session, request, routed(target.name, destination, virtual_queue));
                    }
                }
                Output::TimedOut(route) => {
                    self.end_route(route, HostError::Timeout.with("nobody who fits was free in time"));
                }
                // It is submitted again when the link is up.
                Output::LinkDown(route) => {
                    self.forget_route(route);
                }
            }
        }
    }

    fn assigned(&mut self, assigned: Assigned) {
        let Assigned { route, interaction, agent, target, .. } = assigned;
        let Some(waiting) = self.routes.get(&route) else {
            self.selection.remove(self.now, route);
            return;
        };
        let (session, request) = (waiting.session.clone(), waiting.request);
        self.attempts += 1;
        let step = format!(":deliver:{}", self.attempts);
        let in_virtual_queue = waiting.virtual_queue.is_some().then(|| self.waits(&session, request)).flatten();
        self.target_selected(in_virtual_queue.as_ref(), &target.name, &Destination::Agent(agent.clone()));
        let to = request_deliver::Target::Agent(agent);
        self.deliver(session, request, interaction, to, Kind::Selected { route, target: target.name }, step);
    }

    fn deliver(
        &mut self,
        session: Arc<str>,
        request: u64,
        interaction: String,
        target: request_deliver::Target,
        kind: Kind,
        step: String,
    ) {
        let key = request_key(&session, request, &step);
        let agent = match &target {
            request_deliver::Target::Agent(agent) => agent.clone(),
            request_deliver::Target::Place(_) => String::new(),
        };
        self.last_delivery += 1;
        let number = self.last_delivery;
        let delivery = Delivery { number, reference_id: 0, session, request, kind, agent, ended: None };
        self.deliveries.insert(interaction.clone(), delivery);
        let ask = RequestDeliver {
            interaction_id: interaction.clone(),
            target: Some(target),
            timeout_ms: 0,
            reason: String::new(),
        };
        self.send(Ask::Deliver(ask), key, Purpose::Deliver { interaction, number }, None);
    }

    // ---- how deliveries go ----

    /// The invitation is out, or could not be made.
    pub(crate) fn deliver_answer(&mut self, interaction: String, number: u64, answer: Result<Answer, LinkError>) {
        if !self.is_delivery(&interaction, number) {
            return;
        }
        let error = match answer {
            Ok(Answer::Ack(_)) => return,
            Ok(_) => failure(LinkError::Protocol("the answer to a delivery is no acknowledgement".into())),
            Err(error) => {
                let not_there = matches!(
                    error.code(),
                    Some(
                        ErrorCode::AgentNotReady
                            | ErrorCode::AgentNotLoggedIn
                            | ErrorCode::UnknownAgent
                            | ErrorCode::UnknownPlace
                    )
                );
                if not_there
                    && let Some(Delivery { kind: Kind::Selected { route, .. }, .. }) = self.deliveries.get(&interaction)
                {
                    let route = *route;
                    self.end_delivery(&interaction);
                    self.selection.put_back(self.now, route, Some(self.now + REFUSED_REST));
                    return;
                }
                failure(error)
            }
        };
        // Nothing was changed: the session still holds it, unless its link is gone.
        let Some(delivery) = self.end_delivery(&interaction) else { return };
        self.delivery_failed(&delivery, error);
    }

    /// How an invitation ended.
    pub(crate) fn delivery(&mut self, event: EventDelivery) {
        let interaction = event.interaction_id.clone();
        let Some(delivery) = self.deliveries.get_mut(&interaction) else { return };
        if delivery.reference_id != event.deliver_reference_id {
            // Of an earlier one: a pull has brought the interaction back before this was heard.
            return;
        }
        if event.result() != DeliveryResult::Accepted {
            let number = delivery.number;
            delivery.ended = Some(event.result());
            delivery.agent = event.agent;
            let pull = RequestPull {
                what: Some(What::ByIds(PullByIds { interaction_ids: vec![interaction.clone()] })),
                count: 1,
                reason: "not accepted".to_owned(),
                ..Default::default()
            };
            self.send(Ask::Pull(pull), String::new(), Purpose::TakeBack { interaction, number }, None);
            return;
        }
        count(&self.shared.counters.delivered);
        let Some(Delivery { session, request, kind, .. }) = self.end_delivery(&interaction) else { return };
        let (target, destination, virtual_queue) = match kind {
            Kind::Direct { to } => (destination_name(&to), to, None),
            Kind::Before { route } => {
                (self.target_of(&route, &event.agent), Destination::Agent(event.agent), route.virtual_queue)
            }
            Kind::Selected { route, target } => {
                self.selection.delivered(self.now, route);
                let virtual_queue = self.forget_route(route).and_then(|waiting| waiting.virtual_queue);
                (target, Destination::Agent(event.agent), virtual_queue)
            }
        };
        self.release_from(&session, &interaction);
        self.routed(&session, request, routed(target, destination, virtual_queue));
        self.settle(&session);
    }

    /// An interaction that no agent took is ours again, or somebody else was faster.
    pub(crate) fn taken_back(&mut self, interaction: String, number: u64, answer: Result<Answer, LinkError>) {
        let pulled = match answer {
            Ok(Answer::PulledInteractions(mut pulled)) => pulled.interactions.pop(),
            _ => None,
        };
        let again = pulled.is_some();
        if self.is_delivery(&interaction, number) {
            if let Some(interaction) = pulled.and_then(|pulled| pulled.interaction) {
                self.show_change(interaction);
            }
            self.returned(interaction, again);
        } else if again && !self.interactions.contains_key(interaction.as_str()) {
            self.give_back_unstarted(interaction);
        }
    }

    /// A delivery has ended without acceptance. `again`: we hold the interaction again.
    pub(crate) fn returned(&mut self, interaction: String, again: bool) {
        let Some(delivery) = self.end_delivery(&interaction) else { return };
        count(&self.shared.counters.not_accepted);
        let why = match delivery.ended {
            Some(DeliveryResult::TimedOut) => HostError::NotAnswered.with("the agent did not answer the invitation"),
            Some(DeliveryResult::AgentGone) => HostError::AgentGone.with("the agent's application went away"),
            _ => HostError::Rejected.with("the agent rejected the interaction"),
        };
        if !again {
            self.delivery_failed(&delivery, why);
            self.lost(&interaction, "not accepted, and taken by somebody else from its queue");
        } else if let Kind::Selected { route, .. } = delivery.kind
            && self.sessions.get(&delivery.session).is_some_and(|running| running.end.is_none())
        {
            let rest = self.shared.live().options.rejection_rest;
            self.selection.put_back(self.now, route, Some(self.now + rest));
        } else if let Kind::Before { .. } = delivery.kind
            && self.sessions.get(&delivery.session).is_some_and(|running| running.end.is_none())
        {
            self.carry_out(&delivery.session, delivery.request);
        } else {
            self.delivery_failed(&delivery, why);
        }
        self.settle(&delivery.session);
    }

    fn delivery_failed(&mut self, delivery: &Delivery, failure: Failure) {
        if let Kind::Selected { route, .. } = &delivery.kind {
            self.selection.remove(self.now, *route);
            self.forget_route(*route);
        }
        self.not_routed(&delivery.session, delivery.request, failure, None);
        self.settle(&delivery.session);
    }

    /// Whether this one is still under way.
    fn is_delivery(&self, interaction: &str, number: u64) -> bool {
        self.deliveries.get(interaction).is_some_and(|delivery| delivery.number == number)
    }

    fn end_delivery(&mut self, interaction: &str) -> Option<Delivery> {
        self.deliveries.remove(interaction)
    }

    // ---- over a connection that is gone ----

    /// The link is down: nothing that waits on it, or is on its way, is known any more.
    pub(crate) fn forget_targets(&mut self) {
        self.deliveries.clear();
        self.selection.link_down(self.link_id());
        self.selected();
    }

    // ---- waits ----

    /// The interaction goes elsewhere: it waits for a target no longer.
    pub(crate) fn withdraw(&mut self, session: &Arc<str>, interaction: &str) {
        let Some(running) = self.sessions.get(session) else { return };
        let mut routes = running.routes.iter().map(|(_, route)| *route);
        let route =
            routes.find(|route| self.routes.get(route).is_some_and(|waiting| waiting.interaction == interaction));
        if let Some(route) = route
            && self.selection.cancel(route).is_ok()
        {
            self.end_route(route, HostError::Cancelled.with("the interaction went elsewhere"));
        }
    }

    /// A wait ends without a target.
    fn end_route(&mut self, route: RouteId, failure: Failure) {
        if let Some(waiting) = self.forget_route(route) {
            self.not_routed(&waiting.session, waiting.request, failure, None);
        }
    }

    pub(crate) fn forget_route(&mut self, route: RouteId) -> Option<Waiting> {
        let waiting = self.routes.remove(&route)?;
        if let Some(running) = self.sessions.get_mut(&waiting.session) {
            running.routes.retain(|(_, of)| *of != route);
            if let Some(held) = running.held_mut(&waiting.interaction) {
                held.busy = false;
            }
        }
        Some(waiting)
    }

    /// The session has ended: its waits are over. Deliveries under way come to their own end.
    pub(crate) fn forget_waits(&mut self, session: &Arc<str>) {
        let Some(running) = self.sessions.get(session) else { return };
        for (request, route) in running.routes.clone() {
            if self.selection.cancel(route).is_ok() {
                self.forget_route(route);
                self.not_routed(session, request, HostError::Cancelled.with("the session has ended"), None);
            }
        }
    }

    // ---- agents ----

    /// Who is logged in at this moment.
    pub(crate) fn agent_states(&mut self, agents: Vec<Reported>) {
        self.agents_are_at(&agents);
        let states: Vec<AgentState> = agents.into_iter().map(agent_state).collect();
        self.agents = states.iter().filter(|state| !state.media.is_empty()).map(|state| state.agent.clone()).collect();
        self.selection.agents(self.now, self.link_id(), &states);
        self.selected();
    }

    /// A reporting event: agents, and what happens in `orchestration_system`.
    pub(crate) fn reporting(&mut self, event: EventReporting) {
        let name = event.name();
        if let Some(reported) = event.agent_state.clone() {
            self.agent_is_at(&reported);
            let mut state = agent_state(reported);
            if name == ReportingName::AgentLoggedOut {
                state.media.clear();
            }
            if state.media.is_empty() {
                self.agents.remove(&state.agent);
            } else {
                self.agents.insert(state.agent.clone());
            }
            self.selection.agent(self.now, self.link_id(), &state);
            self.selected();
        }
        if event.queue == jackfield_protocol::ORCHESTRATION_SYSTEM {
            self.heard_of_orchestration_system(&event);
        }
    }
}

/// What is left of a time-out in milliseconds that began at this wall-clock time, whatever the clock does.
fn left(timeout: u64, asked_at: u64, now: u64) -> Duration {
    Duration::from_millis(timeout.saturating_sub(now.saturating_sub(asked_at)))
}

/// A wait, or a delivery, that has come to its end.
pub(crate) fn routed(target: String, destination: Destination, virtual_queue: Option<String>) -> Routed {
    let agent = match &destination {
        Destination::Agent(agent) => Some(agent.clone()),
        _ => None,
    };
    Routed { target, destination, virtual_queue, virtual_queue_id: None, agent, place: None }
}

pub(crate) fn destination_name(to: &Destination) -> String {
    match to {
        Destination::Agent(name) | Destination::Place(name) | Destination::InteractionQueue(name) => name.clone(),
        Destination::Workbin(workbin) => workbin.name.clone(),
    }
}

fn agent_state(reported: Reported) -> AgentState {
    AgentState {
        agent: reported.agent,
        place: reported.place,
        media: reported
            .media
            .into_iter()
            .map(|media| MediaState {
                media_type: media.media_type,
                ready: media.ready,
                capacity: media.capacity,
                busy: media.busy,
                ready_since: media.ready_since,
            })
            .collect(),
    }
}
