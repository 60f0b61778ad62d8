//! `interactions`: what the session holds, and changes to it.

use crate::active::well_formed;
use crate::contract::interfaces::interactions::Host;
use crate::contract::{Interaction, KvPair, RequestId};
use crate::holdings::Change;
use crate::state::State;
use crate::turn::Request;

impl Host for State {
    fn held(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.session()?.holdings.ids().map(str::to_owned).collect())
    }

    fn get(&mut self, id: String) -> wasmtime::Result<Option<Interaction>> {
        Ok(self.session()?.holdings.get(&id).cloned())
    }

    fn update_user_data(&mut self, interaction: String, pairs: Vec<KvPair>) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.holds(&interaction).and_then(|()| well_formed(&pairs));
        let change = Change::Set { interaction: interaction.clone(), pairs: pairs.clone() };
        session.ask(allowed, Request::UpdateUserData { interaction, pairs }, change)
    }

    fn delete_user_data(&mut self, interaction: String, keys: Vec<String>) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.holds(&interaction);
        let change = Change::Delete { interaction: interaction.clone(), keys: keys.clone() };
        session.ask(allowed, Request::DeleteUserData { interaction, keys }, change)
    }

    fn place_in_queue(&mut self, interaction: String, queue: String) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.holds(&interaction);
        let change = Change::Release { interaction: interaction.clone() };
        session.ask(allowed, Request::PlaceInQueue { interaction, queue }, change)
    }

    fn stop_processing(&mut self, interaction: String, reason: Option<String>) -> wasmtime::Result<RequestId> {
        let session = self.session()?;
        let allowed = session.holds(&interaction);
        let change = Change::Release { interaction: interaction.clone() };
        session.ask(allowed, Request::StopProcessing { interaction, reason }, change)
    }
}
