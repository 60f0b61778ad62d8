//! What the host knows of one instance: the data of its Wasm store.
//!
//! While a plugin is loaded there is no session, and everything of the contract traps. The parts
//! that only a session has are in [`Active`].

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{ResourceLimiter, Trap, UpdateDeadline, WasmBacktrace};

use crate::active::{Active, Run};
use crate::end::{EndReason, Limit};
use crate::engine::Engine;
use crate::files::Files;
use crate::output::Output;
use crate::policy::Policy;
use crate::random::Random;
use crate::record::{Clock, History, Turn};
use crate::replay::Step;
use crate::session::{Shared, shortened};
use crate::settings::Settings;
use crate::standing::Resumed;

/// Tables of one instance may hold this many elements in all their growing.
pub(crate) const TABLE_ELEMENTS: usize = 65_536;
/// Core instances, and tables, that one component may consist of. One made from Python has 38.
pub(crate) const CORE_INSTANCES: usize = 64;
/// See [`CORE_INSTANCES`].
pub(crate) const TABLES: usize = 8;

/// CPU time after which a turn takes long, and counts against its plugin (`conduct`) like a failure: many
/// slices, so that a strategy that only computes a little is nobody's concern.
const TAKES_LONG: Duration = Duration::from_millis(10);
/// A turn that happens again may take so many times as long as a new one: it was within its limit once, and
/// the machine may have been less busy then.
const PATIENCE_AGAIN: u32 = 10;

pub(crate) struct State {
    settings: Arc<Settings>,
    policy: Arc<Policy>,
    shared: Arc<Shared>,
    session: Option<Box<Active>>,
    /// This turn has been counted as one that takes long.
    took_long: bool,
    files: Files,
    pub output: Output,
    pub clock: Clock,
    pub random: Random,
}

/// Ends the instance, when it comes out of a host function.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ending {
    /// The session ends for this reason.
    #[error("{0}")]
    Over(EndReason),
    /// The session has nothing to do, and is passive from here on.
    #[error("the session is passive")]
    Leave(Resumed),
}

impl State {
    pub fn of_session(engine: &Engine, run: Run, history: History, shared: Arc<Shared>) -> State {
        let policy = run.plugin.policy();
        let mut output = Output::new(run.plugin.name(), &shared.id, policy.log_bytes_per_second);
        if run.look.is_some() {
            output.keep();
        }
        let files = run.plugin.files().clone();
        let since = history.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.turn);
        let random = Random::new(history.origin.seed, since);
        let session = Active::new(engine, run, history, Arc::clone(&shared));
        output.begin_turn(session.clock(), session.is_again());
        shared.meter.set_rebuilding(session.is_again());
        State {
            settings: Arc::clone(engine.settings()),
            policy,
            clock: session.clock(),
            session: Some(Box::new(session)),
            shared,
            took_long: false,
            files,
            output,
            random,
        }
    }

    /// For `describe`, which has no session, and by which the plugin is only found out: everybody's policy
    /// limits it.
    pub fn of_description(engine: &Engine, origin: &str, files: Files, shared: Arc<Shared>) -> State {
        let policy = Arc::new(engine.policies().default.clone());
        State {
            settings: Arc::clone(engine.settings()),
            output: Output::new(origin, &shared.id, policy.log_bytes_per_second),
            policy,
            shared,
            session: None,
            took_long: false,
            files,
            clock: Clock::default(),
            random: Random::new(rand::random(), 0),
        }
    }

    /// What the plugin carries.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// What only a session has.
    pub fn session(&mut self) -> wasmtime::Result<&mut Active> {
        match &mut self.session {
            Some(session) => Ok(session),
            None => Err(wasmtime::Error::msg(
                "`describe` may not call the imports of the contract, except `files`: there is no session",
            )),
        }
    }

    /// Ends the turn; it waits this long for the next one.
    pub async fn end_turn(&mut self, wait: Option<u64>) -> Result<(), Ending> {
        self.record(wait, false).await
    }

    /// Ends the last turn.
    pub async fn finish(&mut self) -> Result<(), Ending> {
        self.record(None, true).await
    }

    async fn record(&mut self, wait: Option<u64>, last: bool) -> Result<(), Ending> {
        let log = self.output.end_turn();
        self.shared.long_turn.end().await;
        if let Some(session) = &mut self.session
            && let Some(turn) = session.end_turn(wait, last, log).await?
        {
            self.random.start_anew(turn);
        }
        Ok(())
    }

    /// Begins the next turn: time moves on.
    pub fn begin_turn(&mut self) {
        self.took_long = false;
        if let Some(session) = &self.session {
            self.clock = session.clock();
            self.output.begin_turn(self.clock, session.is_again());
            self.shared.meter.set_rebuilding(session.is_again());
        }
        self.shared.meter.turn_begins();
    }

    /// The turn in which it failed.
    pub fn failed_turn(&mut self) -> Option<Turn> {
        self.session.as_mut().and_then(|session| session.failed_turn())
    }

    /// What somebody who only looked has seen.
    pub fn seen(&mut self) -> Vec<Step> {
        self.session.as_mut().map(|session| session.seen()).unwrap_or_default()
    }

    pub fn turns_recorded(&self) -> u64 {
        self.session.as_ref().map_or(0, |session| session.turns_recorded())
    }

    /// Called each slice in which the instance runs: is it to end, and who runs next?
    pub fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        if let Some(reason) = self.shared.inbox.ending() {
            return Err(Ending::Over(reason).into());
        }
        self.shared.meter.count();
        // What is recorded was judged when it happened first.
        let is_judged = self.session.as_ref().is_none_or(|session| session.is_judged());
        if is_judged
            && let Some(most) = self.policy.session_cpu
            && self.shared.meter.turns() > most
        {
            return Err(past(Limit::SessionCpu(most)));
        }
        if self.shared.meter.turn() < self.settings.slice / 2 {
            // It has only just begun: the tick was due to others, or to the turns before.
            return Ok(UpdateDeadline::Continue(1));
        }
        let most = self.policy.turn_cpu.saturating_mul(if is_judged { 1 } else { PATIENCE_AGAIN });
        if self.shared.meter.turn() > most {
            return Err(past(Limit::TurnCpu(most)));
        }
        if self.shared.meter.turn() > TAKES_LONG
            && let Some(session) = &self.session
            && !std::mem::replace(&mut self.took_long, true)
        {
            session.plugin().conduct().misbehaved();
        }
        Ok(UpdateDeadline::YieldCustom(1, self.shared.long_turn.let_others_on()))
    }

    /// How the instance stopped with this error.
    pub fn ending_of(&mut self, error: wasmtime::Error) -> Ending {
        match error.downcast::<Ending>() {
            Ok(ending) => ending,
            Err(error) => {
                let reason = self.reason_of(error);
                Ending::Over(self.early(reason))
            }
        }
    }

    /// Where it failed in a turn that is recorded as having gone well, that is the reason.
    pub fn early(&self, reason: EndReason) -> EndReason {
        match self.session.as_ref().and_then(|session| session.ended_early(&reason.to_string())) {
            Some(difference) => EndReason::Diverged(difference),
            None => reason,
        }
    }

    /// Why the instance stopped with this error, for people.
    pub fn reason_of(&mut self, error: wasmtime::Error) -> EndReason {
        self.output.end_turn();
        if let Some(Ending::Over(reason)) = error.downcast_ref::<Ending>() {
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

/// Ends the session: it went past this.
pub(crate) fn past(limit: Limit) -> wasmtime::Error {
    Ending::Over(EndReason::PastLimit(limit)).into()
}

/// Frames of a trap that are named.
const FRAMES: usize = 4;

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let most = self.policy.memory_bytes.min(self.settings.memory_bytes);
        if desired > most {
            return Err(past(Limit::Memory(most)));
        }
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            return Err(past(Limit::TableElements(TABLE_ELEMENTS)));
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
