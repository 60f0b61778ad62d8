//! `events`: where a turn ends and the next begins.

use crate::contract::interfaces::events::Host;
use crate::contract::{Event, RequestId};
use crate::request::Request;
use crate::state::State;

impl Host for State {
    async fn next(&mut self, timeout_ms: Option<u64>) -> wasmtime::Result<Option<Event>> {
        self.session()?;
        self.end_turn(timeout_ms).await?;
        let event = self.session()?.next().await?;
        self.begin_turn();
        Ok(event)
    }

    fn send(&mut self, session: String, name: String, data: String) -> wasmtime::Result<RequestId> {
        self.session()?.ask(Ok(()), Request::SendEvent { session, name, data })
    }
}
