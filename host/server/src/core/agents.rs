//! Agents: logged in through a client, at a place, with media they are ready for and how much of each
//! they take.

use std::collections::{BTreeMap, HashMap};

use jackfield_protocol::v1::{
    AgentState, ClientType, MediaState, ReportingName, RequestAgentLogin, RequestAgentLogout,
};
use jackfield_protocol::{ErrorCode, RequestError};

use super::holding::Holder;
use super::{Answered, ClientId, Core, acknowledge, checks};

/// Media types of one agent.
const MEDIA_TYPES: usize = 64;

/// Everybody who is logged in.
#[derive(Debug, Default)]
pub(super) struct Agents {
    agents: BTreeMap<String, Agent>,
    /// By place, who sits there.
    places: HashMap<String, String>,
}

#[derive(Debug)]
pub(super) struct Agent {
    pub(super) client: ClientId,
    pub(super) place: String,
    media: BTreeMap<String, Media>,
    /// Interactions of a media type it was offered or handles; also of media it does not list.
    busy: BTreeMap<String, u32>,
    activity: Activity,
}

/// What the agent did since the login; times in milliseconds.
#[derive(Debug, Default)]
struct Activity {
    logged_in_at: i64,
    /// With something offered or at hand, up to the last time there was nothing.
    busy: i64,
    /// Since when there is; 0: there is nothing.
    busy_since: i64,
    answered: u64,
    completed: u64,
    /// From acceptance to the end of those.
    handling: i64,
}

impl Activity {
    fn busy_at(&self, now: i64) -> i64 {
        let current = if self.busy_since > 0 { now.saturating_sub(self.busy_since).max(0) } else { 0 };
        self.busy.saturating_add(current)
    }
}

#[derive(Debug, Default)]
struct Media {
    capacity: u32,
    ready: bool,
    ready_since: i64,
}

impl Agents {
    pub(super) fn get(&self, agent: &str) -> Option<&Agent> {
        self.agents.get(agent)
    }

    pub(super) fn at_place(&self, place: &str) -> Option<&str> {
        self.places.get(place).map(String::as_str)
    }

    pub(super) fn states(&self, now: i64) -> Vec<AgentState> {
        self.agents.iter().map(|(id, agent)| agent.state(id, now)).collect()
    }

    fn of_client(&self, client: ClientId) -> impl Iterator<Item = &str> {
        self.agents.iter().filter(move |(_, agent)| agent.client == client).map(|(id, _)| id.as_str())
    }
}

impl Agent {
    fn state(&self, id: &str, now: i64) -> AgentState {
        let media = self
            .media
            .iter()
            .map(|(media_type, media)| MediaState {
                media_type: media_type.clone(),
                ready: media.ready,
                capacity: media.capacity,
                busy: self.busy.get(media_type).copied().unwrap_or(0),
                ready_since: media.ready_since,
            })
            .collect();
        AgentState {
            agent: id.into(),
            place: self.place.clone(),
            media,
            at: now,
            logged_in_at: self.activity.logged_in_at,
            busy_ms: self.activity.busy_at(now),
            answered: self.activity.answered,
            completed: self.activity.completed,
            handling_ms: self.activity.handling,
        }
    }

    /// Whether it would take one more of this media.
    ///
    /// # Errors
    /// Not ready for it, or as many at hand or offered as the capacity allows.
    pub(super) fn takes(&self, id: &str, media_type: &str) -> Result<(), RequestError> {
        let busy = self.busy.get(media_type).copied().unwrap_or(0);
        match self.media.get(media_type) {
            Some(media) if media.ready && busy < media.capacity => Ok(()),
            Some(media) if media.ready => Err(ErrorCode::AgentAtCapacity.with(format!(
                "the agent `{id}` has {busy} of {} interactions of media type {media_type}; wait for the next report",
                media.capacity
            ))),
            _ => Err(ErrorCode::AgentNotReady.with(format!("the agent `{id}` is not ready for {media_type}"))),
        }
    }
}

impl Core {
    pub(super) fn agent_login(&mut self, client: ClientId, request: RequestAgentLogin) -> Answered {
        let permitted = matches!(self.client_type(client), ClientType::AgentApplication | ClientType::Proxy);
        self.permit(client, permitted, "log agents in")?;
        checks::name("the agent", &request.agent)?;
        checks::optional_name("the place", &request.place)?;
        let id = request.agent;
        if !self.is_agent(&id) {
            return Err(ErrorCode::UnknownAgent.with(format!("there is no agent `{id}` on this server")));
        }
        if !request.place.is_empty() && !self.is_place(&request.place) {
            return Err(ErrorCode::UnknownPlace.with(format!("there is no place `{}` on this server", request.place)));
        }
        match self.agents.get(&id) {
            Some(agent) if agent.client == client => {
                return Err(ErrorCode::BadRequest.with(format!("the agent `{id}` is logged in; log out first")));
            }
            Some(agent) => {
                return Err(ErrorCode::AgentLoggedInElsewhere.with(format!(
                    "the agent `{id}` is logged in through another connection, at place `{}`",
                    agent.place
                )));
            }
            None => {}
        }
        if let Some(other) = self.agents.at_place(&request.place) {
            return Err(
                ErrorCode::PlaceOccupied.with(format!("the agent `{other}` is logged in at place `{}`", request.place))
            );
        }
        if request.media.len() > MEDIA_TYPES {
            return Err(ErrorCode::BadRequest
                .with(format!("{} media types, at most {MEDIA_TYPES} are allowed", request.media.len())));
        }
        let mut media = BTreeMap::new();
        for asked in request.media {
            self.known_media_type(&asked.media_type)?;
            let own = self.settings.agents.iter().find(|agent| agent.id == id).map(|agent| agent.capacity.as_slice());
            let rules = &self.settings.capacity;
            let capacity = rules.capacity(own.unwrap_or_default(), &request.place, &asked.media_type, asked.capacity);
            media.insert(asked.media_type, Media { capacity, ..Media::default() });
        }
        if !request.place.is_empty() {
            self.agents.places.insert(request.place.clone(), id.clone());
        }
        let now = self.now.wall;
        let activity = Activity { logged_in_at: now, ..Activity::default() };
        let agent = Agent { client, place: request.place, media, busy: BTreeMap::new(), activity };
        let state = agent.state(&id, now);
        self.agents.agents.insert(id, agent);
        self.report_agent(ReportingName::AgentLoggedIn, client, state, "");
        acknowledge()
    }

    pub(super) fn agent_logout(&mut self, client: ClientId, request: &RequestAgentLogout) -> Answered {
        self.own_agent(client, &request.agent)?;
        self.log_out(&request.agent, "the agent logged out");
        acknowledge()
    }

    pub(super) fn log_out_agents_of(&mut self, client: ClientId, reason: &str) {
        let agents: Vec<String> = self.agents.of_client(client).map(String::from).collect();
        for agent in agents {
            self.log_out(&agent, reason);
        }
    }

    /// What was offered to the agent, and what it handles, goes back. That it is gone is said first, so
    /// that nobody routes to it what it gives back.
    fn log_out(&mut self, id: &str, reason: &str) {
        let Some(agent) = self.agents.agents.remove(id) else { return };
        self.agents.places.remove(&agent.place);
        self.report_agent(ReportingName::AgentLoggedOut, agent.client, agent.state(id, self.now.wall), reason);
        self.end_invitations_of(id, reason);
        let mut handled: Vec<String> = self
            .out
            .iter()
            .filter(|(_, out)| matches!(&out.holder, Holder::Agent { agent, .. } if agent == id))
            .map(|(interaction, _)| interaction.clone())
            .collect();
        handled.sort_unstable();
        for interaction in handled {
            self.revoke(agent.client, &interaction, 0, reason);
            self.give_back(&interaction, reason);
        }
    }

    /// For these media, or for all the agent has when none is named.
    pub(super) fn set_ready(
        &mut self,
        client: ClientId,
        id: &str,
        media_types: &[String],
        ready: bool,
        reason: &str,
    ) -> Answered {
        self.own_agent(client, id)?;
        let now = self.now.wall;
        let Some(agent) = self.agents.agents.get_mut(id) else { return acknowledge() };
        if let Some(unknown) = media_types.iter().find(|media_type| !agent.media.contains_key(*media_type)) {
            return Err(ErrorCode::UnknownMediaType
                .with(format!("the agent `{id}` did not log in with the media type `{unknown}`")));
        }
        for (media_type, media) in &mut agent.media {
            let is_meant = media_types.is_empty() || media_types.contains(media_type);
            if is_meant && media.ready != ready {
                media.ready = ready;
                media.ready_since = if ready { now } else { 0 };
            }
        }
        let state = agent.state(id, now);
        let name = if ready { ReportingName::ReadyForMedia } else { ReportingName::NotReadyForMedia };
        self.report_agent(name, client, state, reason);
        acknowledge()
    }

    /// The one agent this client speaks for, when it pulls or submits.
    pub(super) fn agent_of(&self, client: ClientId) -> Result<String, RequestError> {
        let mut agents = self.agents.of_client(client);
        match (agents.next(), agents.next()) {
            (Some(agent), None) => Ok(agent.into()),
            (None, _) => Err(ErrorCode::AgentNotLoggedIn.with("no agent is logged in through this client")),
            (Some(_), Some(_)) => Err(ErrorCode::BadRequest
                .with("several agents are logged in through this client; to pull or submit, connect for each agent")),
        }
    }

    fn own_agent(&self, client: ClientId, id: &str) -> Result<(), RequestError> {
        match self.agents.get(id) {
            Some(agent) if agent.client == client => Ok(()),
            Some(_) => Err(ErrorCode::AgentLoggedInElsewhere
                .with(format!("the agent `{id}` is logged in through another connection"))),
            None => Err(ErrorCode::AgentNotLoggedIn.with(format!("the agent `{id}` is not logged in"))),
        }
    }

    pub(super) fn is_agent(&self, id: &str) -> bool {
        let agents = &self.settings.agents;
        agents.is_empty() || agents.iter().any(|agent| agent.id == id)
    }

    pub(super) fn is_place(&self, place: &str) -> bool {
        let places = &self.settings.places;
        places.is_empty() || places.iter().any(|known| known == place)
    }

    pub(super) fn known_media_type(&self, media_type: &str) -> Result<(), RequestError> {
        checks::name("a media type", media_type)?;
        let known = &self.settings.media_types;
        if known.is_empty() || known.iter().any(|known| known.name == media_type) {
            return Ok(());
        }
        let known: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
        Err(ErrorCode::UnknownMediaType
            .with(format!("the media type `{media_type}` is not configured; known are {}", known.join(", "))))
    }

    pub(super) fn agent_is_busier(&mut self, id: &str, media_type: &str) {
        let now = self.now.wall;
        let Some(agent) = self.agents.agents.get_mut(id) else { return };
        if agent.busy.is_empty() {
            agent.activity.busy_since = now;
        }
        *agent.busy.entry(media_type.into()).or_default() += 1;
        let (client, state) = (agent.client, agent.state(id, now));
        self.report_agent(ReportingName::PlaceAgentState, client, state, "");
    }

    /// The agent has accepted one, or taken it.
    pub(super) fn agent_has_answered(&mut self, id: &str) {
        if let Some(agent) = self.agents.agents.get_mut(id) {
            agent.activity.answered += 1;
        }
    }

    /// The agent is done with one that was accepted then.
    pub(super) fn agent_has_completed(&mut self, id: &str, accepted_at: i64) {
        let handling = self.now.wall.saturating_sub(accepted_at).max(0);
        if let Some(agent) = self.agents.agents.get_mut(id) {
            agent.activity.completed += 1;
            agent.activity.handling = agent.activity.handling.saturating_add(handling);
        }
    }

    pub(super) fn agent_is_freer(&mut self, id: &str, media_type: &str) {
        let now = self.now.wall;
        let Some(agent) = self.agents.agents.get_mut(id) else { return };
        if let Some(busy) = agent.busy.get_mut(media_type) {
            *busy = busy.saturating_sub(1);
        }
        let was_busy = !agent.busy.is_empty();
        agent.busy.retain(|_, busy| *busy > 0);
        if was_busy && agent.busy.is_empty() {
            agent.activity.busy = agent.activity.busy_at(now);
            agent.activity.busy_since = 0;
        }
        if let Some(media) = agent.media.get_mut(media_type)
            && media.ready
        {
            media.ready_since = now;
        }
        let (client, state) = (agent.client, agent.state(id, now));
        self.report_agent(ReportingName::PlaceAgentState, client, state, "");
    }
}
