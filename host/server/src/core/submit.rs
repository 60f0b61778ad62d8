//! Interactions come in.

use jackfield_protocol::ErrorCode;
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::{ClientType, EventAck, Interaction, ReportingName, RequestSubmit};

use super::holding::Holder;
use super::reporting::Party;
use super::{Answered, ClientId, Core, Reply, checks};
use crate::store::{Entry, Write};

impl Core {
    /// From an agent the interaction is in its hands at once; otherwise it waits in its queue or workbin.
    pub(super) fn submit(&mut self, client: ClientId, request: RequestSubmit) -> Answered {
        let client_type = self.client_type(client);
        self.permit(client, client_type != ClientType::ReportingEngine, "submit interactions")?;
        self.check_submit(&request)?;
        let agent = match client_type {
            ClientType::AgentApplication => Some(self.agent_of(client)?),
            _ => None,
        };
        let id = match request.interaction_id.is_empty() {
            true => self.ids.next(),
            false => request.interaction_id,
        };
        if self.entry(&id).is_some() {
            return Err(ErrorCode::DuplicateInteraction.with(format!("there is an interaction `{id}` already")));
        }
        let now = self.now.wall;
        let interaction = Interaction {
            interaction_id: id.clone(),
            external_id: request.external_id,
            parent_id: request.parent_id,
            tenant_id: self.settings.tenant_id,
            media_type: request.media_type,
            interaction_type: request.interaction_type,
            interaction_subtype: request.interaction_subtype,
            queue: request.queue,
            workbin: request.workbin,
            is_online: request.is_online,
            priority: request.priority,
            received_at: if request.received_at == 0 { now } else { request.received_at },
            submitted_at: now,
            submitted_by: self.client_name(client).into(),
            placed_in_queue_at: now,
            moved_to_queue_at: now,
            in_queues: request.in_queues,
            out_queues: request.out_queues,
            user_data: request.user_data,
            service_objective: request.service_objective,
            ..Interaction::default()
        };
        let entry = Entry::of(&interaction, &self.settings.custom_properties);
        let user_data = || interaction.user_data.clone();
        self.report_interaction_with(ReportingName::InteractionSubmitted, &entry, Party::Client(client), "", user_data);
        let patience = self.handling_patience(&interaction);
        self.bodies.put(interaction.clone(), self.sequence);
        self.outbox.writes.push(Write::Insert(Box::new(interaction), entry.clone()));
        match agent {
            Some(agent) => {
                let holder = Holder::Agent { client, agent };
                self.report_interaction(ReportingName::PartyAdded, &entry, Party::Holder(&holder), "");
                self.claim(entry, holder, None, patience);
            }
            None => self.rest(entry),
        }
        Ok(Reply::Now(EventMessage::Ack(EventAck { interaction_id: id })))
    }

    fn check_submit(&self, request: &RequestSubmit) -> Result<(), jackfield_protocol::RequestError> {
        checks::optional_name("the interaction id", &request.interaction_id)?;
        checks::at_most("the external id", &request.external_id, checks::EXTERNAL_ID_BYTES)?;
        checks::optional_name("the parent id", &request.parent_id)?;
        checks::name("the media type", &request.media_type)?;
        checks::optional_name("the interaction type", &request.interaction_type)?;
        checks::optional_name("the interaction subtype", &request.interaction_subtype)?;
        checks::suggested_queues("InQueues", &request.in_queues)?;
        checks::suggested_queues("OutQueues", &request.out_queues)?;
        if let Some(user_data) = &request.user_data {
            checks::user_data(user_data)?;
        }
        if request.received_at < 0 {
            return Err(ErrorCode::BadRequest.with("ReceivedAt lies before 1970"));
        }
        self.known_media_type(&request.media_type)?;
        match &request.workbin {
            Some(workbin) => {
                self.known_workbin(workbin)?;
                // A queue beside it is where it belongs; none is needed.
                if !request.queue.is_empty() {
                    self.known_queue(&request.queue)?;
                }
                Ok(())
            }
            None => self.known_queue(&request.queue),
        }
    }
}
