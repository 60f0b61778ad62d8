//! `routing`: target selection and delivery.

use jackfield_protocol::ErrorCode;

use crate::contract::interfaces::routing::Host;
use crate::contract::{Destination, RequestId, RouteRequest, Target, TextError, failure};
use crate::plugin::Capability;
use crate::record::Question;
use crate::request::Request;
use crate::state::State;

impl Host for State {
    fn submit(&mut self, route: RouteRequest) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.may(Capability::Routing).and_then(|()| session.holds(&route.interaction)).and_then(
            |()| match route.targets.is_empty() {
                true => Err(failure(ErrorCode::BadRequest.with("no targets; name at least one"))),
                false => Ok(()),
            },
        );
        session.ask(allowed, Request::Route(route))
    }

    fn cancel(&mut self, request: RequestId) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.may(Capability::Routing);
        session.ask(allowed, Request::CancelRoute(request))
    }

    fn query(&mut self, request: RequestId) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.may(Capability::Routing);
        session.ask(allowed, Request::QueryRoute(request))
    }

    fn read_targets(&mut self, text: String) -> wasmtime::Result<Result<Vec<Target>, TextError>> {
        let answer = self.session()?.look_up(Question::Targets(text))?;
        Ok(serde_json::from_str(answer.as_deref().unwrap_or_default())?)
    }

    fn deliver(&mut self, interaction: String, to: Destination) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.may(Capability::Routing).and_then(|()| session.holds(&interaction));
        session.ask(allowed, Request::Deliver { interaction, to })
    }
}
