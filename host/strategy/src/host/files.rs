//! `files`: what the plugin carries.

use crate::contract::interfaces::files::Host;
use crate::state::State;

impl Host for State {
    fn read(&mut self, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.files().read(&name).map(<[u8]>::to_vec))
    }
}
