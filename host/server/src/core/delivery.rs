//! Delivery: an interaction is offered to an agent, who accepts, rejects, lets it ring, or goes away.
//!
//! The router's party ends when the invitation goes out. Unless the agent accepts, the interaction is
//! back where it was taken from, in its old place, and kept for a moment for the router that offered
//! it, so that it can offer it to somebody else. An invitation outlives the connection of its router,
//! which hears how it ends if it comes back and reclaims the interaction.

use std::sync::Arc;

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request_deliver::Target;
use jackfield_protocol::v1::{
    ClientType, DeliveryResult, EventDelivery, EventInteraction, EventInvite, ReportingName, RequestAccept,
    RequestDeliver, RequestReject,
};
use jackfield_protocol::{ErrorCode, RequestError};

use super::holding::Holder;
use super::keeping::Whom;
use super::reporting::Party;
use super::timers::{Timer, TimerKey};
use super::{Answered, ClientId, Core, Reply, acknowledge, checks};
use crate::store::Write;

/// Bounds of the time to accept, in milliseconds (option delivering-timeout, 1 to 86,400 s). A router
/// may ask for less than a second.
const DELIVERING_TIMEOUT: std::ops::RangeInclusive<u64> = 1..=86_400_000;

/// An interaction that is offered to an agent.
#[derive(Debug)]
pub(super) struct Invitation {
    interaction: String,
    /// The agent's client.
    client: ClientId,
    pub(super) agent: String,
    place: String,
    inviter: Inviter,
    /// The agent who hands it on, where it is no router that offers it.
    pub(super) by_agent: Option<String>,
    /// Of the RequestDeliver; empty: none.
    idempotency_key: String,
    pub(super) timer: TimerKey,
}

/// Who offered an interaction, and is told how that ends.
#[derive(Debug)]
pub(super) enum Inviter {
    /// This client, with the RequestDeliver of this reference id; 0 where it has reclaimed it since.
    Here(ClientId, u64),
    /// The routing engine of this name, whose connection broke; until these ticks it is waited for.
    Away(Arc<str>, u64),
    /// A client that does not come back for it.
    Gone,
}

impl Invitation {
    /// The clients it is between: the router's, while that is there, and the agent's.
    pub(super) fn parties(&self) -> impl Iterator<Item = ClientId> {
        let router = match self.inviter {
            Inviter::Here(router, _) => Some(router),
            Inviter::Away(..) | Inviter::Gone => None,
        };
        router.into_iter().chain([self.client])
    }
}

impl Core {
    pub(super) fn deliver(
        &mut self,
        client: ClientId,
        reference_id: u64,
        idempotency_key: &str,
        request: RequestDeliver,
    ) -> Answered {
        let client_type = self.client_type(client);
        let permitted = !matches!(client_type, ClientType::MediaServer | ClientType::ReportingEngine);
        self.permit(client, permitted, "deliver interactions")?;
        let id = request.interaction_id;
        if let Some(ticket) = self.invited_before(client, &id, idempotency_key) {
            self.hears_of(ticket, client, reference_id);
            return acknowledge();
        }
        let media_type = self.held_by(client, &id)?.entry.media_type.clone();
        let agent = self.target(request.target)?;
        let known = self
            .agents
            .get(&agent)
            .ok_or_else(|| ErrorCode::AgentNotLoggedIn.with(format!("the agent `{agent}` is not logged in here")))?;
        known.takes(&agent, &media_type)?;
        let (agent_client, place) = (known.client, known.place.clone());
        let patience = match request.timeout_ms {
            0 => checks::millis(self.settings.timers.delivering_timeout),
            own => own.into(),
        }
        .clamp(*DELIVERING_TIMEOUT.start(), *DELIVERING_TIMEOUT.end());
        let mut interaction = self.interaction(&id)?;

        self.tickets += 1;
        let ticket = self.tickets;
        let Some(holder) = self.offer(&id, ticket) else { return Err(Self::unknown_interaction(&id)) };
        // An agent who hands on is free of it from here on.
        let by_agent = match &holder {
            Holder::Agent { agent, .. } => Some(agent.clone()),
            Holder::Router { .. } | Holder::Invited { .. } => None,
        };
        if let Some(agent) = &by_agent {
            let accepted_at = self.out.get(&id).map_or(0, |out| out.assigned_at);
            self.agent_has_completed(agent, accepted_at);
            self.agent_is_freer(agent, &media_type);
        }
        let Some(out) = self.out.get_mut(&id) else { return Err(Self::unknown_interaction(&id)) };
        if out.entry.delivered_at == 0 {
            out.entry.delivered_at = self.now.wall;
            interaction.delivered_at = self.now.wall;
            self.outbox.writes.push(Write::Move { from: out.entry.key.clone(), to: out.entry.clone() });
        }
        let entry = out.entry.clone();
        let timer = self.timers.set(self.now.ticks.saturating_add(patience), Timer::Invitation(ticket));
        self.invitations.insert(
            ticket,
            Invitation {
                interaction: id,
                client: agent_client,
                agent: agent.clone(),
                place,
                inviter: Inviter::Here(client, reference_id),
                by_agent,
                idempotency_key: idempotency_key.into(),
                timer,
            },
        );
        let invited = Party::Agent(agent_client, &agent);
        self.report_interaction(ReportingName::AgentInvited, &entry, invited, &request.reason);
        self.report_interaction(ReportingName::PartyRemoved, &entry, Party::Holder(&holder), &request.reason);
        self.agent_is_busier(&agent, &media_type);
        let invite = EventInvite {
            ticket_id: ticket,
            interaction: Some(interaction),
            timeout_ms: u32::try_from(patience).unwrap_or(u32::MAX),
            reason: request.reason,
        };
        self.event(agent_client, EventMessage::Invite(invite));
        acknowledge()
    }

    fn target(&self, target: Option<Target>) -> Result<String, RequestError> {
        match target {
            Some(Target::Agent(agent)) if self.is_agent(&agent) => Ok(agent),
            Some(Target::Agent(agent)) => {
                Err(ErrorCode::UnknownAgent.with(format!("there is no agent `{agent}` on this server")))
            }
            Some(Target::Place(place)) if !self.is_place(&place) => {
                Err(ErrorCode::UnknownPlace.with(format!("there is no place `{place}` on this server")))
            }
            Some(Target::Place(place)) => {
                self.agents.at_place(&place).map(String::from).ok_or_else(|| {
                    ErrorCode::AgentNotLoggedIn.with(format!("no agent is logged in at place `{place}`"))
                })
            }
            None => Err(ErrorCode::BadRequest.with("the target is missing; name an agent or a place")),
        }
    }

    pub(super) fn accept(&mut self, client: ClientId, request: RequestAccept) -> Answered {
        self.invitation(client, request.ticket_id, &request.interaction_id)?;
        // Read before anything changes: this may fail.
        let interaction = self.interaction(&request.interaction_id)?;
        let patience = self.handling_patience(&interaction);
        let Some(invitation) = self.invitations.remove(&request.ticket_id) else {
            return Err(unknown_ticket(request.ticket_id));
        };
        self.timers.cancel(invitation.timer);
        let id = request.interaction_id;
        self.assign(&id, client, &invitation.agent, patience);
        if let Some(entry) = self.out.get(&id).map(|out| out.entry.clone()) {
            let party = Party::Agent(client, &invitation.agent);
            self.report_interaction(ReportingName::PartyAdded, &entry, party, "");
        }
        self.tell_router(&invitation, DeliveryResult::Accepted, "");
        let interaction = Some(self.interaction(&id)?);
        Ok(Reply::Now(EventMessage::Interaction(EventInteraction { interaction })))
    }

    pub(super) fn reject(&mut self, client: ClientId, request: RequestReject) -> Answered {
        self.invitation(client, request.ticket_id, &request.interaction_id)?;
        self.end_invitation(request.ticket_id, DeliveryResult::Rejected, &request.reason);
        acknowledge()
    }

    pub(super) fn invitation_timed_out(&mut self, ticket: u64) {
        let Some(invitation) = self.invitations.get(&ticket) else { return };
        let (client, id) = (invitation.client, invitation.interaction.clone());
        self.revoke(client, &id, ticket, "delivering-timeout");
        self.end_invitation(ticket, DeliveryResult::TimedOut, "delivering-timeout");
    }

    /// The agent is about to go.
    pub(super) fn end_invitations_of(&mut self, agent: &str, reason: &str) {
        let invitations: Vec<(u64, ClientId, String)> = self
            .invitations
            .iter()
            .filter(|(_, invitation)| invitation.agent == agent)
            .map(|(&ticket, invitation)| (ticket, invitation.client, invitation.interaction.clone()))
            .collect();
        for (ticket, client, id) in invitations {
            self.revoke(client, &id, ticket, reason);
            self.end_invitation(ticket, DeliveryResult::AgentGone, reason);
        }
    }

    /// The open invitation this client, or the routing engine it is, has made for the interaction under
    /// this key.
    fn invited_before(&self, client: ClientId, id: &str, idempotency_key: &str) -> Option<u64> {
        let Holder::Invited { ticket } = self.out.get(id)?.holder else { return None };
        let is_same = self.invitations.get(&ticket)?.idempotency_key == idempotency_key;
        (!idempotency_key.is_empty() && is_same && self.is_inviter(client, ticket)).then_some(ticket)
    }

    /// Whether an invitation is this client's, made on this connection or on one that broke.
    pub(super) fn is_inviter(&self, client: ClientId, ticket: u64) -> bool {
        match self.invitations.get(&ticket).map(|invitation| &invitation.inviter) {
            Some(Inviter::Here(here, _)) => *here == client,
            Some(Inviter::Away(name, _)) => self.whom(client) == Whom::Router(name.clone()),
            Some(Inviter::Gone) | None => false,
        }
    }

    fn hears_of(&mut self, ticket: u64, client: ClientId, reference_id: u64) {
        if let Some(invitation) = self.invitations.get_mut(&ticket) {
            invitation.inviter = Inviter::Here(client, reference_id);
        }
    }

    /// The router has reclaimed what it offered.
    pub(super) fn inviter_is_back(&mut self, client: ClientId, ticket: u64) {
        if let Some(Invitation { inviter: Inviter::Away(..), .. }) = self.invitations.get(&ticket) {
            self.hears_of(ticket, client, 0);
        }
    }

    /// Its connection broke.
    pub(super) fn inviter_is_away(&mut self, client: ClientId, name: &Arc<str>, until: u64) {
        for invitation in self.invitations.values_mut() {
            if matches!(invitation.inviter, Inviter::Here(here, _) if here == client) {
                invitation.inviter = Inviter::Away(name.clone(), until);
            }
        }
    }

    /// Nobody is to be told how these invitations end.
    pub(super) fn inviter_is_gone(&mut self, which: impl Fn(&Inviter) -> bool) {
        for invitation in self.invitations.values_mut() {
            if which(&invitation.inviter) {
                invitation.inviter = Inviter::Gone;
            }
        }
    }

    fn invitation(&self, client: ClientId, ticket: u64, id: &str) -> Result<(), RequestError> {
        match self.invitations.get(&ticket) {
            Some(invitation) if invitation.client == client && invitation.interaction == id => Ok(()),
            _ => Err(unknown_ticket(ticket)),
        }
    }

    /// Without acceptance.
    fn end_invitation(&mut self, ticket: u64, result: DeliveryResult, reason: &str) {
        let Some(invitation) = self.invitations.remove(&ticket) else { return };
        self.timers.cancel(invitation.timer);
        let id = &invitation.interaction;
        let Some(out) = self.release(id) else { return };
        self.agent_is_freer(&invitation.agent, &out.entry.media_type);
        let name = match result {
            DeliveryResult::Rejected => ReportingName::RejectedByAgent,
            _ => ReportingName::InteractionRevoked,
        };
        let party = Party::Agent(invitation.client, &invitation.agent);
        self.report_interaction(name, &out.entry, party, reason);
        self.keep_for_inviter(&invitation.inviter, id);
        self.back_to_its_place(out.entry, reason);
        self.tell_router(&invitation, result, reason);
    }

    fn tell_router(&mut self, invitation: &Invitation, result: DeliveryResult, reason: &str) {
        let Inviter::Here(router, deliver_reference_id) = invitation.inviter else { return };
        let delivery = EventDelivery {
            deliver_reference_id,
            interaction_id: invitation.interaction.clone(),
            agent: invitation.agent.clone(),
            place: invitation.place.clone(),
            result: result.into(),
            reason: reason.into(),
        };
        self.event(router, EventMessage::Delivery(delivery));
    }
}

fn unknown_ticket(ticket: u64) -> RequestError {
    ErrorCode::UnknownTicket
        .with(format!("there is no invitation {ticket} of this interaction for this client; it may have ended"))
}
