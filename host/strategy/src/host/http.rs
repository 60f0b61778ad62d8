//! `http`: requests to hosts the plugin may reach. Which those are is looked at when the request leaves.

use jackfield_protocol::ErrorCode;

use crate::contract::http::{AT_ONCE, check};
use crate::contract::interfaces::http::Host;
use crate::contract::{HttpRequest, RequestId, failure};
use crate::plugin::Capability;
use crate::request::Request;
use crate::state::State;

impl Host for State {
    fn fetch(&mut self, request: HttpRequest) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session
            .may(Capability::Http)
            .and_then(|()| check(&request).map_err(|reason| failure(ErrorCode::BadRequest.with(reason))))
            .and_then(|()| match session.standing.fetching() < AT_ONCE {
                true => Ok(()),
                false => Err(failure(
                    ErrorCode::TooManyRequests
                        .with(format!("{AT_ONCE} HTTP requests of this session have no outcome yet; wait for some")),
                )),
            });
        session.ask(allowed, Request::Fetch(request))
    }
}
