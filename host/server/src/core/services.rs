//! ESP: a client's request to a media server, relayed, and the answer relayed back.

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::{
    Answer3rdServer, ClientType, Event, Event3rdServerFault, Event3rdServerRequest, Event3rdServerResponse,
    KeyValueList, ReportingName, Request3rdServer,
};
use jackfield_protocol::{ErrorCode, RequestError};

use super::reporting::Party;
use super::timers::{Timer, TimerKey};
use super::{Answered, ClientId, Core, Output, Reply, acknowledge, checks};

/// Time a media server has, where the request names none, in milliseconds.
const SERVICE_TIMEOUT: u64 = 30_000;
/// The longest a request may name.
const SERVICE_TIMEOUT_MOST: u64 = 3_600_000;
/// FaultCode of a fault that names none.
const UNSPECIFIED_FAULT: i32 = 1;

/// A request a media server has not answered yet.
#[derive(Debug)]
pub(super) struct ServiceCall {
    client: ClientId,
    reference_id: u64,
    server: ClientId,
    interaction_id: String,
    timer: TimerKey,
}

impl Core {
    pub(super) fn call_service(
        &mut self,
        client: ClientId,
        reference_id: u64,
        key: &str,
        request: Request3rdServer,
    ) -> Answered {
        checks::name("the service", &request.service)?;
        checks::name("the method", &request.method)?;
        checks::optional_name("the version", &request.version)?;
        checks::optional_name("the interaction id", &request.interaction_id)?;
        for list in [&request.parameters, &request.user_data].into_iter().flatten() {
            checks::user_data(list)?;
        }
        let server = self.find_server(&request.app_name, &request.app_type)?;
        self.service_references += 1;
        let server_reference_id = self.service_references;
        let patience = match request.timeout_ms {
            0 => SERVICE_TIMEOUT,
            own => u64::from(own).min(SERVICE_TIMEOUT_MOST),
        };
        let timer = self.timers.set(self.now.ticks + patience, Timer::Service(server_reference_id));
        let call = ServiceCall { client, reference_id, server, interaction_id: request.interaction_id.clone(), timer };
        self.service_calls.insert(server_reference_id, call);
        self.report_service(
            ReportingName::ExternalServiceRequested,
            &request.interaction_id,
            Party::Client(client),
            "",
            || {
                KeyValueList::default()
                    .with("Server", request.app_name.as_str())
                    .with("Service", request.service.as_str())
                    .with("Method", request.method.as_str())
                    .with("Parameters", request.parameters.clone().unwrap_or_default())
            },
        );
        // A sign of life, where the client holds the interaction it is about.
        let _ = self.held_by(client, &request.interaction_id);
        let version = if request.version.is_empty() { "1.0".into() } else { request.version };
        let relayed = Event3rdServerRequest {
            server_reference_id,
            service: request.service,
            method: request.method,
            version,
            parameters: request.parameters,
            user_data: request.user_data,
            interaction_id: request.interaction_id,
            client: self.client_name(client).into(),
            idempotency_key: key.into(),
        };
        self.event(server, EventMessage::ThirdServerRequest(relayed));
        Ok(Reply::Later)
    }

    /// By name any registered client; by type the media servers of that media, the one with the fewest
    /// open calls first.
    fn find_server(&self, app_name: &str, app_type: &str) -> Result<ClientId, RequestError> {
        let registered = self.clients.iter().filter_map(|(&id, client)| Some((id, client.registration.as_ref()?)));
        if !app_name.is_empty() {
            return registered
                .filter(|(_, registration)| registration.name == app_name)
                .map(|(id, _)| id)
                .next()
                .ok_or_else(|| ErrorCode::UnknownServer.with(format!("no client named `{app_name}` is connected")));
        }
        checks::name("the server: give app_name or app_type, it", app_type)?;
        registered
            .filter(|(_, registration)| {
                registration.client_type == ClientType::MediaServer && registration.media_type == app_type
            })
            .map(|(id, _)| id)
            .min_by_key(|&id| self.service_calls.values().filter(|call| call.server == id).count())
            .ok_or_else(|| ErrorCode::UnknownServer.with(format!("no media server for `{app_type}` is connected")))
    }

    pub(super) fn service_answered(&mut self, client: ClientId, answer: Answer3rdServer) -> Answered {
        for list in [&answer.parameters, &answer.user_data].into_iter().flatten() {
            checks::user_data(list)?;
        }
        let id = answer.server_reference_id;
        if self.service_calls.get(&id).is_none_or(|call| call.server != client) {
            return Err(ErrorCode::BadRequest
                .with(format!("there is no open request {id} for this server; it may have timed out")));
        }
        let message = if answer.fault {
            let parameters = answer.parameters.unwrap_or_default();
            EventMessage::ThirdServerFault(Event3rdServerFault {
                fault_code: parameters.integer("FaultCode").unwrap_or(UNSPECIFIED_FAULT),
                fault_string: parameters.text("FaultString").unwrap_or_default().into(),
                parameters: Some(parameters),
            })
        } else {
            EventMessage::ThirdServerResponse(Event3rdServerResponse {
                parameters: answer.parameters,
                user_data: answer.user_data,
            })
        };
        self.end_service(id, message, "");
        acknowledge()
    }

    pub(super) fn service_timed_out(&mut self, id: u64) {
        let error = ErrorCode::ServiceTimeout.with("the server did not answer in time; whether it did it is not known");
        self.end_service(id, EventMessage::Error(error.into()), "time-out");
    }

    /// A client has gone: it asks no more, and answers no more.
    pub(super) fn end_services(&mut self, client: ClientId) {
        let timers = &mut self.timers;
        self.service_calls.retain(|_, call| {
            let stays = call.client != client;
            if !stays {
                timers.cancel(call.timer);
            }
            stays
        });
        let unanswered: Vec<u64> =
            self.service_calls.iter().filter(|(_, call)| call.server == client).map(|(&id, _)| id).collect();
        for id in unanswered {
            let error = ErrorCode::ServiceTimeout.with("the server went away; whether it did it is not known");
            self.end_service(id, EventMessage::Error(error.into()), "the server went away");
        }
    }

    fn end_service(&mut self, id: u64, message: EventMessage, reason: &str) {
        let Some(call) = self.service_calls.remove(&id) else { return };
        self.timers.cancel(call.timer);
        self.report_service(
            ReportingName::ExternalServiceResponded,
            &call.interaction_id,
            Party::Client(call.server),
            reason,
            || match &message {
                EventMessage::ThirdServerResponse(response) => response.parameters.clone().unwrap_or_default(),
                EventMessage::ThirdServerFault(fault) => fault.parameters.clone().unwrap_or_default(),
                _ => KeyValueList::default(),
            },
        );
        let event = Event { reference_id: call.reference_id, message: Some(message) };
        self.outbox.outputs.push(Output::Event(call.client, event));
    }
}
