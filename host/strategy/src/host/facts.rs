//! `facts`: look-ups that answer at once.

use crate::contract::interfaces::facts::Host;
use crate::record::Question;
use crate::state::State;

impl Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.session()?;
        Ok(self.clock.wall_ms())
    }

    fn list_item(&mut self, name: String, item: String, key: Option<String>) -> wasmtime::Result<Option<String>> {
        self.session()?.look_up(Question::ListItem { name, item, key })
    }

    fn parameter(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.session()?.look_up(Question::Parameter(name))
    }
}
