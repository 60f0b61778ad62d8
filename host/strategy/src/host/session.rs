//! `session`: the session itself.

use crate::contract::KvPair;
use crate::contract::interfaces::session::Host;
use crate::state::State;

impl Host for State {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.session()?.id().into())
    }

    fn parameters(&mut self) -> wasmtime::Result<Vec<KvPair>> {
        Ok(self.session()?.parameters.clone())
    }

    fn checkpoint(&mut self, state: Vec<u8>) -> wasmtime::Result<()> {
        self.session()?.set_checkpoint(state)
    }
}
