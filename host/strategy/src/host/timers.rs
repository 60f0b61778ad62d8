//! `timers`: kept by the session itself.

use crate::contract::TimerId;
use crate::contract::interfaces::timers::Host;
use crate::state::State;

impl Host for State {
    fn start(&mut self, after_ms: u64) -> wasmtime::Result<TimerId> {
        self.session()?.start_timer(after_ms)
    }

    fn cancel(&mut self, timer: TimerId) -> wasmtime::Result<bool> {
        self.session()?.cancel_timer(timer)
    }
}
