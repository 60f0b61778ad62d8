//! `log`: lines in the host's log.

use crate::contract::Level;
use crate::contract::interfaces::log::Host;
use crate::state::State;

impl Host for State {
    fn write(&mut self, level: Level, text: String) -> wasmtime::Result<()> {
        self.session()?;
        self.output.log(level, &text);
        Ok(())
    }
}
