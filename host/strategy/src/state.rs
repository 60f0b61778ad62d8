//! What the host knows of one instance: the data of its Wasm store.
//!
//! While a plugin is loaded there is no session, and everything of the contract traps. The parts
//! that only a session has are in [`Active`].

use std::sync::Arc;

use wasmtime::{ResourceLimiter, Trap, UpdateDeadline, WasmBacktrace};

use crate::active::Active;
use crate::clock::TurnClock;
use crate::end::EndReason;
use crate::engine::Engine;
use crate::output::Output;
use crate::random::Random;
use crate::session::{SessionStart, Shared, shortened};
use crate::settings::Settings;

/// Tables of one instance may hold this many elements in all their growing.
pub(crate) const TABLE_ELEMENTS: usize = 65_536;
/// Core instances, and tables, that one component may consist of. One made from Python has 38.
pub(crate) const CORE_INSTANCES: usize = 64;
/// See [`CORE_INSTANCES`].
pub(crate) const TABLES: usize = 8;

pub(crate) struct State {
    settings: Arc<Settings>,
    shared: Arc<Shared>,
    session: Option<Box<Active>>,
    pub output: Output,
    pub clock: TurnClock,
    pub random: Random,
}

/// Ends the session for this reason, when it comes out of a host function.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Ending(pub EndReason);

impl State {
    pub fn of_session(engine: &Engine, start: SessionStart, shared: Arc<Shared>) -> State {
        let output = Output::new(start.plugin.name(), &shared.id, engine.settings().log_bytes_per_turn);
        State {
            settings: Arc::clone(engine.settings()),
            session: Some(Box::new(Active::new(Arc::clone(engine.settings()), start, Arc::clone(&shared)))),
            shared,
            output,
            clock: TurnClock::start(),
            random: Random::default(),
        }
    }

    /// For `describe`, which has no session.
    pub fn of_description(engine: &Engine, origin: &str, shared: Arc<Shared>) -> State {
        State {
            settings: Arc::clone(engine.settings()),
            output: Output::new(origin, &shared.id, engine.settings().log_bytes_per_turn),
            shared,
            session: None,
            clock: TurnClock::start(),
            random: Random::default(),
        }
    }

    /// What only a session has.
    pub fn session(&mut self) -> wasmtime::Result<&mut Active> {
        match &mut self.session {
            Some(session) => Ok(session),
            None => {
                Err(wasmtime::Error::msg("`describe` may not call the imports of the contract: there is no session"))
            }
        }
    }

    /// Ends the turn.
    pub async fn end_turn(&mut self) -> Result<(), Ending> {
        self.output.end_turn();
        self.shared.long_turn.end().await;
        match &mut self.session {
            Some(session) => session.commit(false).await,
            None => Ok(()),
        }
    }

    /// Begins the next turn: time moves on.
    pub fn begin_turn(&mut self) {
        self.clock.advance();
        self.shared.meter.turn_begins();
    }

    /// Ends the last turn.
    pub async fn finish(&mut self) -> Result<(), Ending> {
        self.output.end_turn();
        self.shared.long_turn.end().await;
        match &mut self.session {
            Some(session) => session.commit(true).await,
            None => Ok(()),
        }
    }

    pub fn turns_recorded(&self) -> u64 {
        self.session.as_ref().map_or(0, |session| session.turns_recorded())
    }

    /// Called each slice in which the instance runs: is it to end, and who runs next?
    pub fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        if let Some(reason) = self.shared.inbox.ending() {
            return Err(Ending(reason).into());
        }
        self.shared.meter.count();
        if self.shared.meter.turn() < self.settings.slice / 2 {
            // It has only just begun: the tick was due to others, or to the turns before.
            return Ok(UpdateDeadline::Continue(1));
        }
        if self.shared.meter.turn() > self.settings.turn_cpu {
            return Err(Ending(EndReason::OutOfTime).into());
        }
        Ok(UpdateDeadline::YieldCustom(1, self.shared.long_turn.let_others_on()))
    }

    /// Why the instance stopped with this error, for people.
    pub fn reason_of(&mut self, error: wasmtime::Error) -> EndReason {
        self.output.end_turn();
        if let Some(Ending(reason)) = error.downcast_ref::<Ending>() {
            return reason.clone();
        }
        let mut text = match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => "the call stack overflowed: it recurses too deep".into(),
            Some(Trap::UnreachableCodeReached) => match self.output.last_words() {
                Some(words) => format!("it panicked: {words}"),
                None => "it panicked (wasm `unreachable`)".into(),
            },
            Some(Trap::MemoryOutOfBounds) => {
                "it went out of the bounds of its memory, as when its stack overflows from recursing too deep".into()
            }
            Some(trap) => trap.to_string(),
            None => error.root_cause().to_string(),
        };
        let frames: Vec<_> = error
            .downcast_ref::<WasmBacktrace>()
            .map(WasmBacktrace::frames)
            .unwrap_or_default()
            .iter()
            .filter_map(|frame| frame.func_name())
            .take(FRAMES)
            .collect();
        if !frames.is_empty() {
            text.push_str("; in ");
            text.push_str(&frames.join(", called by "));
        }
        EndReason::Trapped(shortened(text))
    }
}

/// Frames of a trap that are named.
const FRAMES: usize = 4;

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.settings.memory_bytes {
            return Err(Ending(EndReason::OutOfMemory).into());
        }
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            return Err(Ending(EndReason::OutOfMemory).into());
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        1
    }
}
