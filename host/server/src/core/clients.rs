//! Clients: they come, register, and go; what goes with them.

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::{ClientType, EventClientRegistered, RequestRegisterClient};
use jackfield_protocol::{ErrorCode, RequestError, VERSION};

use super::reporting::Reporting;
use super::{Answered, ClientId, Core, Reply, acknowledge, checks};

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// None until it has registered.
    pub(super) registration: Option<Registration>,
    /// Ticks of its last request.
    pub(super) last_request: u64,
    /// What it wants reported, once it asked.
    pub(super) reporting: Option<Reporting>,
}

/// Who a client says it is.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    pub(super) name: String,
    pub(super) client_type: ClientType,
    pub(super) media_type: String,
    pub(super) cluster: String,
}

/// How a client goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// In good order: it gives up what it holds.
    Unregistered,
    /// Its connection ended, or was cut off: it may come back for what it held.
    Broken,
}

impl Core {
    pub(super) fn connected(&mut self, client: ClientId) {
        self.clients.insert(client, Client { last_request: self.now.ticks, ..Client::default() });
    }

    pub(super) fn register(&mut self, client: ClientId, request: RequestRegisterClient) -> Answered {
        if self.registration(client).is_some() {
            return Err(ErrorCode::NotRegistered.with("this client is registered already; open another connection"));
        }
        checks::name("the client name", &request.client_name)?;
        checks::optional_name("the media type", &request.media_type)?;
        checks::optional_name("the cluster", &request.cluster)?;
        let client_type = request.client_type();
        if client_type == ClientType::UnknownClient {
            return Err(ErrorCode::BadRequest.with("the client type is missing, or one this server does not know"));
        }
        if client_type == ClientType::MediaServer {
            checks::name("the media type of a media server", &request.media_type)?;
        }
        if request.tenant_id != 0 && request.tenant_id != self.settings.tenant_id {
            return Err(ErrorCode::UnknownTenant.with(format!(
                "tenant {} is not served here; this server's tenant is {}",
                request.tenant_id, self.settings.tenant_id
            )));
        }
        if VERSION < request.version_min || VERSION > request.version_max {
            return Err(ErrorCode::VersionMismatch.with(format!(
                "the client speaks versions {} to {} of the protocol, this server speaks {VERSION}",
                request.version_min, request.version_max
            )));
        }
        if client_type == ClientType::RoutingEngine {
            self.take_over(&request.client_name);
        }
        if let Some(known) = self.clients.get_mut(&client) {
            known.registration = Some(Registration {
                name: request.client_name,
                client_type,
                media_type: request.media_type,
                cluster: request.cluster,
            });
        }
        Ok(Reply::Now(EventMessage::ClientRegistered(EventClientRegistered {
            server_name: self.settings.name.clone(),
            tenant_id: self.settings.tenant_id,
            version: VERSION,
            incarnation: self.incarnation.to_string(),
        })))
    }

    /// A routing engine of this name registers anew: the connection it had is dead and does not know it
    /// yet, or another node goes by its name. Either way the one that came last goes on alone.
    fn take_over(&mut self, name: &str) {
        let is_same = |registration: &Registration| {
            registration.client_type == ClientType::RoutingEngine && registration.name == name
        };
        let earlier: Vec<ClientId> = self
            .clients
            .iter()
            .filter(|(_, client)| client.registration.as_ref().is_some_and(is_same))
            .map(|(&id, _)| id)
            .collect();
        for client in earlier {
            tracing::warn!(client = name, "a routing engine registers again; its earlier connection is cut off");
            let reason = "another connection of a routing engine of this name has registered";
            let error = ErrorCode::Replaced.with(format!("{reason}; a name may be used once for each server"));
            self.event(client, EventMessage::Error(error.into()));
            self.close(client, Leaving::Broken, reason);
        }
    }

    /// The client leaves in good order.
    pub(super) fn unregister(&mut self, client: ClientId, reference_id: u64) -> Answered {
        self.reply(client, reference_id, acknowledge());
        self.close(client, Leaving::Unregistered, "the client unregistered");
        Ok(Reply::Later)
    }

    /// The client is gone: what it holds goes back, what it asked for is dropped.
    pub(super) fn gone(&mut self, client: ClientId, leaving: Leaving, reason: &str) {
        if !self.clients.contains_key(&client) {
            return;
        }
        self.end_reporting(client);
        self.strategies.forget_pulls(client, &mut self.timers);
        match leaving {
            Leaving::Unregistered => self.leave_nothing(client),
            Leaving::Broken => self.leave_behind(client, reason),
        }
        self.log_out_agents_of(client, reason);
        self.give_back_all(client, reason);
        self.end_services(client);
        self.clients.remove(&client);
    }

    pub(super) fn registration(&self, client: ClientId) -> Option<&Registration> {
        self.clients.get(&client)?.registration.as_ref()
    }

    pub(super) fn client_type(&self, client: ClientId) -> ClientType {
        self.registration(client).map_or(ClientType::UnknownClient, |registration| registration.client_type)
    }

    pub(super) fn client_name(&self, client: ClientId) -> &str {
        self.registration(client).map_or("", |registration| registration.name.as_str())
    }

    /// Refuses what this type of client may not do.
    pub(super) fn permit(&self, client: ClientId, permitted: bool, what: &str) -> Result<(), RequestError> {
        if permitted {
            return Ok(());
        }
        let client_type = self.client_type(client).as_str_name();
        Err(ErrorCode::NotPermitted.with(format!("a client of type {client_type} may not {what}")))
    }
}
