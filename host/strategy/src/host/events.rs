//! `events`: where a turn ends and the next begins.

use crate::contract::interfaces::events::Host;
use crate::contract::{Event, RequestId};
use crate::holdings::Change;
use crate::state::State;
use crate::turn::Request;

impl Host for State {
    async fn next(&mut self, timeout_ms: Option<u64>) -> wasmtime::Result<Option<Event>> {
        self.session()?;
        self.end_turn().await?;
        let event = self.session()?.next(timeout_ms).await?;
        self.begin_turn();
        Ok(event)
    }

    fn send(&mut self, session: String, name: String, data: String) -> wasmtime::Result<RequestId> {
        self.session()?.ask(Ok(()), Request::SendEvent { session, name, data }, Change::Nothing)
    }
}
