//! `interactions`: what the session holds, and changes to it.

use crate::active::well_formed;
use crate::contract::interfaces::interactions::Host;
use crate::contract::{Interaction, KvPair, RequestId};
use crate::request::Request;
use crate::state::State;

impl Host for State {
    fn held(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.session()?.standing.held().iter().map(|interaction| interaction.id.clone()).collect())
    }

    fn get(&mut self, id: String) -> wasmtime::Result<Option<Interaction>> {
        Ok(self.session()?.standing.get(&id).cloned())
    }

    fn update_user_data(&mut self, interaction: String, pairs: Vec<KvPair>) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.holds(&interaction).and_then(|()| well_formed(&pairs));
        session.ask(allowed, Request::UpdateUserData { interaction, pairs })
    }

    fn delete_user_data(&mut self, interaction: String, keys: Vec<String>) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.holds(&interaction);
        session.ask(allowed, Request::DeleteUserData { interaction, keys })
    }

    fn place_in_queue(&mut self, interaction: String, queue: String) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.holds(&interaction);
        session.ask(allowed, Request::PlaceInQueue { interaction, queue })
    }

    fn stop_processing(&mut self, interaction: String, reason: Option<String>) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.holds(&interaction);
        session.ask(allowed, Request::StopProcessing { interaction, reason })
    }
}
