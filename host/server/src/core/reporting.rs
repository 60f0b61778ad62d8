//! Reporting: copies of state changes for the clients that asked for them, numbered (`reporting_stream`).

use std::collections::HashSet;

use jackfield_protocol::ErrorCode;
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::{
    Actor, AgentState, ClientType, EventAgentStates, EventReporting, KeyValueList, ReportingName,
    RequestDistributeEvent, RequestStartReporting, actor,
};

use super::holding::Holder;
use super::timers::Timer;
use super::{Answered, ClientId, Core, Reply, acknowledge, checks};
use crate::store::Entry;

/// Queues one client may name in its filter.
const FILTER_QUEUES: usize = 1_024;

/// What one client wants to know, and how far it was told.
#[derive(Debug)]
pub(super) struct Reporting {
    interactions: bool,
    agents: bool,
    /// Empty: all.
    queues: HashSet<String>,
    is_resumable: bool,
    /// Number of the last event it was told of, or of the one from which it goes on.
    pub(super) told: u64,
}

impl Reporting {
    fn wants(&self, about: About<'_>) -> bool {
        match about {
            About::Interaction { queue, virtual_queue } => {
                let named = |queue| self.queues.contains(queue);
                self.interactions && (self.queues.is_empty() || named(queue) || named(virtual_queue))
            }
            About::Agent => self.agents,
        }
    }

    /// The event as this client gets it.
    fn tell(&mut self, event: &EventReporting) -> EventMessage {
        let previous = std::mem::replace(&mut self.told, event.sequence);
        EventMessage::Reporting(EventReporting { previous, ..event.clone() })
    }
}

#[derive(Clone, Copy, Debug)]
enum About<'a> {
    /// An interaction of this queue, or a wait in this virtual queue (empty: none).
    Interaction {
        queue: &'a str,
        virtual_queue: &'a str,
    },
    Agent,
}

impl About<'_> {
    fn queue(queue: &str) -> About<'_> {
        About::Interaction { queue, virtual_queue: "" }
    }

    fn of(event: &EventReporting) -> About<'_> {
        match event.agent_state {
            Some(_) => About::Agent,
            None => About::Interaction { queue: &event.queue, virtual_queue: &event.this_queue },
        }
    }
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
    pub(super) fn start_reporting(
        &mut self,
        client: ClientId,
        reference_id: u64,
        request: RequestStartReporting,
    ) -> Answered {
        if request.queues.len() > FILTER_QUEUES {
            return Err(ErrorCode::BadRequest.with(format!(
                "the filter names {} queues, at most {FILTER_QUEUES} are allowed; name none for all",
                request.queues.len()
            )));
        }
        let (mut told, mut gap, mut missed) = (self.stream.last(), None, Vec::new());
        let mut reporting = Reporting {
            interactions: request.interactions,
            agents: request.agents,
            queues: request.queues.into_iter().collect(),
            is_resumable: request.resumable,
            told: 0,
        };
        if let Some(position) = &request.resume_after {
            let Some((from, lost, kept)) = self.stream.since(position) else {
                return Err(ErrorCode::BadRequest.with(format!(
                    "there has been no reporting event {} yet, the last one is {told}; resume after one that was received",
                    position.sequence
                )));
            };
            (told, gap) = (from, lost);
            reporting.told = told;
            missed = kept.filter(|event| reporting.wants(About::of(event))).cloned().collect();
        } else if let Some(before) = self.clients.get(&client).and_then(|known| known.reporting.as_ref()) {
            // Asking again changes the filter, and goes on.
            told = before.told;
        }
        reporting.told = told;
        let position = Some(self.stream.position(told));
        let states = EventAgentStates { agents: self.agents.states(), position, gap };
        self.reply(client, reference_id, Ok(Reply::Now(EventMessage::AgentStates(states))));
        for event in missed {
            let event = reporting.tell(&event);
            self.event(client, event);
        }
        if reporting.is_resumable {
            self.stream.begin_to_keep();
        }
        let was_resumable = self.is_resumable(client);
        if let Some(known) = self.clients.get_mut(&client) {
            known.reporting = Some(reporting);
        }
        if !self.reporting.contains(&client) {
            self.reporting.push(client);
        }
        if was_resumable && !request.resumable {
            self.keep_for_a_while();
        }
        Ok(Reply::Later)
    }

    /// The client is told nothing more.
    pub(super) fn end_reporting(&mut self, client: ClientId) {
        self.reporting.retain(|&reporting| reporting != client);
        if self.is_resumable(client) {
            self.keep_for_a_while();
        }
    }

    /// Whoever asked that recent events are kept has gone, and may come back.
    fn keep_for_a_while(&mut self) {
        let window = checks::millis(self.settings.timers.reporting_window);
        if let Some(timer) = self.stop_keeping.take() {
            self.timers.cancel(timer);
        }
        self.stop_keeping = Some(self.timers.set(self.now.ticks.saturating_add(window), Timer::StopKeeping));
    }

    /// The last of them went a while ago, unless one has come back.
    pub(super) fn stop_keeping(&mut self) {
        self.stop_keeping = None;
        if !self.reporting.iter().any(|&client| self.is_resumable(client)) {
            self.stream.stop_keeping();
        }
    }

    fn is_resumable(&self, client: ClientId) -> bool {
        let reporting = self.clients.get(&client).and_then(|known| known.reporting.as_ref());
        reporting.is_some_and(|reporting| reporting.is_resumable)
    }

    /// A reporting event of the client's own making.
    pub(super) fn distribute_event(&mut self, client: ClientId, request: RequestDistributeEvent) -> Answered {
        let RequestDistributeEvent { interaction_id, name, data, this_dn, this_queue, extensions, reasons } = request;
        checks::name("the name of the event", &name)?;
        checks::optional_name("ThisDN", &this_dn)?;
        checks::optional_name("ThisQueue", &this_queue)?;
        for list in [&data, &extensions, &reasons].into_iter().flatten() {
            checks::user_data(list)?;
        }
        let entry = self.entry(&interaction_id).cloned();
        let queue = entry.as_ref().map_or("", |entry| entry.key.queue.as_str());
        let virtual_queue = this_queue.clone();
        self.report(About::Interaction { queue, virtual_queue: &virtual_queue }, |core| EventReporting {
            name: ReportingName::CustomReporting.into(),
            interaction_id,
            media_type: entry.as_ref().map(|entry| entry.media_type.clone()).unwrap_or_default(),
            queue: queue.into(),
            actor: core.actor(Party::Client(client)),
            custom_name: name,
            data,
            this_dn,
            this_queue,
            extensions,
            reasons,
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
        self.report(About::queue(&entry.key.queue), |core| EventReporting {
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
        self.report(About::queue(queue), |core| EventReporting {
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

    /// Makes the event only when somebody wants it, or may want it later.
    fn report(&mut self, about: About<'_>, make: impl FnOnce(&Core) -> EventReporting) {
        let sequence = self.stream.next();
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
        if wanting.is_empty() && !self.stream.is_keeping() {
            return;
        }
        let event = EventReporting { sequence, at: self.now.wall, ..make(self) };
        for client in wanting {
            let Some(reporting) = self.clients.get_mut(&client).and_then(|known| known.reporting.as_mut()) else {
                continue;
            };
            let event = reporting.tell(&event);
            self.event(client, event);
        }
        self.stream.keep(event);
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
