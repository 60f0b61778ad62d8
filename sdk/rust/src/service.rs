//! Requests to other servers behind the Interaction Server (ESP).

use crate::Request;
use crate::interaction::{KvPair, KvValue, pairs};

/// A request to a server; see [`Session::call_service`](crate::Session::call_service).
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceCall {
    server: String,
    service: String,
    method: String,
    parameters: Vec<KvPair>,
    user_data: Vec<KvPair>,
    timeout_ms: u64,
}

/// How long a server has when nothing else is said: 30 s.
const DEFAULT_TIMEOUT_MS: u64 = 30_000;

impl ServiceCall {
    /// Calls `method` of `service` at the server of this application name.
    pub fn new(server: &str, service: &str, method: &str) -> ServiceCall {
        ServiceCall {
            server: server.to_owned(),
            service: service.to_owned(),
            method: method.to_owned(),
            parameters: Vec::new(),
            user_data: Vec::new(),
            timeout_ms: DEFAULT_TIMEOUT_MS,
        }
    }

    /// Adds a parameter.
    pub fn parameter(mut self, key: &str, value: impl Into<KvValue>) -> ServiceCall {
        self.parameters.push((key, value).into());
        self
    }

    /// User data that travels beside the parameters.
    pub fn user_data(mut self, more: impl IntoIterator<Item = impl Into<KvPair>>) -> ServiceCall {
        self.user_data.extend(pairs(more));
        self
    }

    /// How long the server has to answer; 30 s when not said.
    pub fn within(mut self, timeout: std::time::Duration) -> ServiceCall {
        self.timeout_ms = crate::session::milliseconds(timeout);
        self
    }
}

impl From<ServiceCall> for Request {
    fn from(call: ServiceCall) -> Self {
        Request::CallService {
            server: call.server,
            service: call.service,
            method: call.method,
            parameters: call.parameters,
            user_data: call.user_data,
            timeout_ms: call.timeout_ms,
        }
    }
}
