//! `messages`: what media servers and other servers are asked for.

use crate::active::well_formed;
use crate::contract::interfaces::messages::Host;
use crate::contract::{KvPair, Message, RequestId};
use crate::plugin::Capability;
use crate::request::Request;
use crate::state::State;

impl Host for State {
    fn create(&mut self, message: Message) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session
            .may(Capability::Messages)
            .and_then(|()| message.related.as_deref().map_or(Ok(()), |related| session.holds(related)))
            .and_then(|()| well_formed(&message.parameters));
        session.ask(allowed, Request::CreateMessage(message))
    }

    fn send(&mut self, interaction: String, server: Option<String>) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.may(Capability::Messages);
        session.ask(allowed, Request::SendMessage { interaction, server })
    }

    fn call_service(
        &mut self,
        server: String,
        service: String,
        method: String,
        parameters: Vec<KvPair>,
        user_data: Vec<KvPair>,
        timeout_ms: u64,
    ) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session
            .may(Capability::Messages)
            .and_then(|()| well_formed(&parameters))
            .and_then(|()| well_formed(&user_data));
        let request = Request::CallService { server, service, method, parameters, user_data, timeout_ms };
        session.ask(allowed, request)
    }
}
