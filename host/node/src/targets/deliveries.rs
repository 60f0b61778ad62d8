//! Deliveries: an agent is invited, and accepts, or does not.

use std::sync::Arc;
use std::time::Duration;

use jackfield_link::LinkError;
use jackfield_protocol::ErrorCode;
use jackfield_protocol::v1::event::Message as Answer;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{
    DeliveryResult, EventDelivery, PullByIds, RequestDeliver, RequestPull, request_deliver, request_pull::What,
};
use jackfield_routing::Assigned;
use jackfield_strategy::contract::{Destination, Failure};

use super::{Delivery, Kind, destination_name, routed};
use crate::failures::HostError;
use crate::link::LinkTask;
use crate::requests::{Purpose, failure, request_key};
use crate::shared::count;

/// How long an agent is left out of whom the server says that there is nobody to be invited.
const REFUSED_REST: Duration = Duration::from_secs(1);

impl LinkTask {
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

    pub(super) fn assigned(&mut self, assigned: Assigned) {
        let Assigned { route, interaction, agent, target, .. } = assigned;
        let Some(waiting) = self.routes.get(&route) else {
            self.selection().remove(self.now, route);
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

    /// The invitation is out, or could not be made.
    pub(crate) fn deliver_answer(&mut self, interaction: String, number: u64, answer: Result<Answer, LinkError>) {
        if !self.is_delivery(&interaction, number) {
            return;
        }
        let error = match answer {
            Ok(Answer::Ack(_)) => return,
            Ok(_) => failure(LinkError::Protocol("the answer to a delivery is no acknowledgement".into())),
            Err(error) => {
                if let Some(Delivery { kind: Kind::Selected { route, .. }, .. }) = self.deliveries.get(&interaction) {
                    let route = *route;
                    match error.code() {
                        // Somebody else was faster; what the agent takes next is reported.
                        Some(ErrorCode::AgentAtCapacity | ErrorCode::AgentNotReady) => {
                            self.end_delivery(&interaction);
                            self.selection().refused(self.now, route);
                            return;
                        }
                        Some(ErrorCode::AgentNotLoggedIn | ErrorCode::UnknownAgent | ErrorCode::UnknownPlace) => {
                            self.end_delivery(&interaction);
                            self.selection().put_back(self.now, route, Some(self.now + REFUSED_REST));
                            return;
                        }
                        _ => {}
                    }
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
                self.selection().delivered(self.now, route);
                let virtual_queue = self.forget_route(route).and_then(|waiting| waiting.virtual_queue);
                (target, Destination::Agent(event.agent), virtual_queue)
            }
        };
        self.release_from(&session, &interaction);
        self.routed(&session, request, routed(target, destination, Some(event.place), virtual_queue));
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
            self.selection().put_back(self.now, route, Some(self.now + rest));
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
            self.selection().remove(self.now, *route);
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
}
