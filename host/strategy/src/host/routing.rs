//! `routing`: target selection and delivery.

use jackfield_protocol::ErrorCode;

use crate::contract::interfaces::routing::Host;
use crate::contract::{Destination, RequestId, RouteRequest, failure};
use crate::holdings::Change;
use crate::plugin::Capability;
use crate::state::State;
use crate::turn::Request;

impl Host for State {
    fn submit(&mut self, route: RouteRequest) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.may(Capability::Routing).and_then(|()| session.holds(&route.interaction)).and_then(
            |()| match route.targets.is_empty() {
                true => Err(failure(ErrorCode::BadRequest.with("no targets; name at least one"))),
                false => Ok(()),
            },
        );
        let change = match route.deliver {
            true => Change::Release { interaction: route.interaction.clone() },
            false => Change::Nothing,
        };
        session.ask(allowed, Request::Route(route), change)
    }

    fn cancel(&mut self, request: RequestId) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.may(Capability::Routing);
        session.ask(allowed, Request::CancelRoute(request), Change::Nothing)
    }

    fn deliver(&mut self, interaction: String, to: Destination) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.may(Capability::Routing).and_then(|()| session.holds(&interaction));
        let change = Change::Release { interaction: interaction.clone() };
        session.ask(allowed, Request::Deliver { interaction, to }, change)
    }
}
