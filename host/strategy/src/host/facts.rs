//! `facts`: look-ups that answer at once.

use crate::contract::interfaces::facts::Host;
use crate::state::State;

impl Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.session()?;
        Ok(u64::try_from(self.clock.wall().as_millis()).unwrap_or(u64::MAX))
    }

    fn list_item(&mut self, name: String, item: String, key: Option<String>) -> wasmtime::Result<Option<String>> {
        Ok(self.session()?.facts.list_item(&name, &item, key.as_deref()))
    }

    fn parameter(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.session()?.facts.parameter(&name))
    }
}
