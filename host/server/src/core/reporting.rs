//! Reporting: copies of state changes for the clients that asked for them, numbered for each client.

use std::collections::HashSet;

use jackfield_protocol::ErrorCode;
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::{
    Actor, AgentState, ClientType, EventAgentStates, EventReporting, KeyValueList, ReportingName,
    RequestDistributeEvent, RequestStartReporting, actor,
};

use super::holding::Holder;
use super::{Answered, ClientId, Core, Reply, acknowledge, checks};
use crate::store::Entry;

/// Queues one client may name in its filter.
const FILTER_QUEUES: usize = 1_024;

/// What one client wants to know, and how much it was told.
#[derive(Debug, Default)]
pub(super) struct Reporting {
    interactions: bool,
    agents: bool,
    /// Empty: all.
    queues: HashSet<String>,
    pub(super) sequence: u64,
}

impl Reporting {
    fn wants(&self, about: About<'_>) -> bool {
        match about {
            About::Interaction(queue) => self.interactions && (self.queues.is_empty() || self.queues.contains(queue)),
            About::Agent => self.agents,
        }
    }
}

#[derive(Clone, Copy)]
enum About<'a> {
    /// An interaction of this queue.
    Interaction(&'a str),
    Agent,
}

/// Who did what is reported.
#[derive(Clone, Copy)]
pub(super) enum Party<'a> {
    /// Nobody in particular.
    None,
    /// This client, for itself.
    Client(ClientId),
    /// Who holds the interaction.
    Holder(&'a Holder),
    /// An agent, through this client.
    Agent(ClientId, &'a str),
}

impl Core {
    pub(super) fn start_reporting(&mut self, client: ClientId, request: RequestStartReporting) -> Answered {
        if request.queues.len() > FILTER_QUEUES {
            return Err(ErrorCode::BadRequest.with(format!(
                "the filter names {} queues, at most {FILTER_QUEUES} are allowed; name none for all",
                request.queues.len()
            )));
        }
        if let Some(known) = self.clients.get_mut(&client) {
            // Asking again changes the filter and goes on counting.
            let sequence = known.reporting.as_ref().map_or(0, |reporting| reporting.sequence);
            known.reporting = Some(Reporting {
                interactions: request.interactions,
                agents: request.agents,
                queues: request.queues.into_iter().collect(),
                sequence,
            });
        }
        if !self.reporting.contains(&client) {
            self.reporting.push(client);
        }
        Ok(Reply::Now(EventMessage::AgentStates(EventAgentStates { agents: self.agents.states() })))
    }

    /// A reporting event of the client's own making.
    pub(super) fn distribute_event(&mut self, client: ClientId, request: RequestDistributeEvent) -> Answered {
        checks::name("the name of the event", &request.name)?;
        if let Some(data) = &request.data {
            checks::user_data(data)?;
        }
        let entry = self.entry(&request.interaction_id).cloned();
        let queue = entry.as_ref().map_or("", |entry| entry.key.queue.as_str());
        self.report(About::Interaction(queue), |core| EventReporting {
            name: ReportingName::CustomReporting.into(),
            interaction_id: request.interaction_id,
            media_type: entry.as_ref().map(|entry| entry.media_type.clone()).unwrap_or_default(),
            queue: queue.into(),
            actor: core.actor(Party::Client(client)),
            custom_name: request.name,
            data: request.data,
            ..EventReporting::default()
        });
        acknowledge()
    }

    /// Reports what happened to an interaction.
    pub(super) fn report_interaction(&mut self, name: ReportingName, entry: &Entry, party: Party<'_>, reason: &str) {
        self.report_interaction_with(name, entry, party, reason, || None);
    }

    pub(super) fn report_interaction_with(
        &mut self,
        name: ReportingName,
        entry: &Entry,
        party: Party<'_>,
        reason: &str,
        data: impl FnOnce() -> Option<KeyValueList>,
    ) {
        self.report(About::Interaction(&entry.key.queue), |core| EventReporting {
            name: name.into(),
            interaction_id: entry.key.id.clone(),
            media_type: entry.media_type.clone(),
            queue: entry.key.queue.clone(),
            workbin: entry.workbin.clone(),
            actor: core.actor(party),
            reason: reason.into(),
            data: data(),
            parent_id: entry.parent_id.clone(),
            ..EventReporting::default()
        });
    }

    /// Reports an ESP request or its answer.
    pub(super) fn report_service(
        &mut self,
        name: ReportingName,
        interaction_id: &str,
        party: Party<'_>,
        reason: &str,
        envelope: impl FnOnce() -> KeyValueList,
    ) {
        let entry = self.entry(interaction_id).cloned();
        let queue = entry.as_ref().map_or("", |entry| entry.key.queue.as_str());
        self.report(About::Interaction(queue), |core| EventReporting {
            name: name.into(),
            interaction_id: interaction_id.into(),
            media_type: entry.as_ref().map(|entry| entry.media_type.clone()).unwrap_or_default(),
            queue: queue.into(),
            actor: core.actor(party),
            reason: reason.into(),
            data: Some(envelope()),
            ..EventReporting::default()
        });
    }

    /// Reports an agent's new state.
    pub(super) fn report_agent(&mut self, name: ReportingName, client: ClientId, state: AgentState, reason: &str) {
        self.report(About::Agent, |core| EventReporting {
            name: name.into(),
            actor: core.actor(Party::Agent(client, &state.agent)),
            reason: reason.into(),
            agent_state: Some(state),
            ..EventReporting::default()
        });
    }

    /// Makes the event only when somebody wants it.
    fn report(&mut self, about: About<'_>, make: impl FnOnce(&Core) -> EventReporting) {
        let wanting: Vec<ClientId> = self
            .reporting
            .iter()
            .copied()
            .filter(|client| {
                self.clients
                    .get(client)
                    .and_then(|known| known.reporting.as_ref())
                    .is_some_and(|reporting| reporting.wants(about))
            })
            .collect();
        if wanting.is_empty() {
            return;
        }
        let event = EventReporting { at: self.now.wall, ..make(self) };
        for client in wanting {
            let Some(reporting) = self.clients.get_mut(&client).and_then(|known| known.reporting.as_mut()) else {
                continue;
            };
            reporting.sequence += 1;
            let event = EventReporting { sequence: reporting.sequence, ..event.clone() };
            self.event(client, EventMessage::Reporting(event));
        }
    }

    fn actor(&self, party: Party<'_>) -> Option<Actor> {
        let (client, party) = match party {
            Party::None => return None,
            Party::Client(client) => {
                let name = self.client_name(client).to_owned();
                let is_media_server = self.client_type(client) == ClientType::MediaServer;
                (client, is_media_server.then_some(actor::Party::MediaServer(name)))
            }
            Party::Agent(client, agent) => (client, Some(actor::Party::Agent(agent.into()))),
            Party::Holder(Holder::Agent { client, agent }) => (*client, Some(actor::Party::Agent(agent.clone()))),
            Party::Holder(Holder::Router { client, strategy }) => {
                (*client, strategy.as_deref().map(|strategy| actor::Party::Strategy(strategy.into())))
            }
            Party::Holder(Holder::Invited { .. }) => return None,
        };
        Some(Actor { party, client: self.client_name(client).into() })
    }
}
