//! How sessions end.

use std::time::Duration;

use crate::record::Turn;
use crate::replay::Difference;

/// How a session ended, and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionEnd {
    /// Why.
    pub reason: EndReason,
    /// Turns that were recorded.
    pub turns: u64,
    /// CPU time of the session: its instance, and the host's work for it.
    pub cpu: Duration,
    /// The turn in which it failed, as far as it came; it left nothing behind. None also where what it did
    /// before is to blame: run again, this turn alone would not fail.
    pub failed_turn: Option<Box<Turn>>,
}

impl SessionEnd {
    /// Of a session that did not run.
    pub(crate) fn passive(reason: EndReason, turns: u64) -> SessionEnd {
        SessionEnd { reason, turns, cpu: Duration::ZERO, failed_turn: None }
    }
}

/// Why a session ended. Every session ends in exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndReason {
    /// `run` returned, and its last turn was recorded.
    #[error("finished")]
    Finished,
    /// `run` returned this error. Its last turn left nothing behind.
    #[error("the strategy gave up: {0}")]
    Failed(String),
    /// The instance trapped, called `exit`, or could not be made.
    #[error("{0}")]
    Trapped(String),
    /// It went past this limit. The turn in which it did left nothing behind.
    #[error("{0}")]
    PastLimit(Limit),
    /// More events waited for it than [`Settings::events_waiting`](crate::Settings::events_waiting).
    #[error("did not read its events")]
    NotReading,
    /// [`Session::kill`](crate::Session::kill), with its reason.
    #[error("ended by the host: {0}")]
    Killed(String),
    /// [`Journal::record`](crate::Journal::record) failed with this.
    #[error("a turn could not be recorded: {0}")]
    TurnNotRecorded(String),
    /// Run again over what is recorded of it, it did something else.
    #[error("it diverged from what is recorded of it: {0}")]
    Diverged(Difference),
    /// What is recorded of it could not be read.
    #[error("it could not be rebuilt: {0}")]
    NotRebuilt(String),
    /// More turns than [`Settings::turns_without_checkpoint`](crate::Settings::turns_without_checkpoint).
    #[error("it had {0} turns and no checkpoint; call `session.checkpoint` so that rebuilding it stays cheap")]
    TooManyTurns(u64),
}

/// A limit of one session, with its value and, where it can be set, its key in `jackfield.toml`: in
/// `[application.options.strategy]` for all plugins, in a `[[plugin]]` for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// [`Policy::turn_cpu`](crate::Policy::turn_cpu)
    #[error("it ran for more than {} ms without waiting in `events.next` (`turn-cpu-limit`)", .0.as_millis())]
    TurnCpu(Duration),
    /// [`Policy::session_cpu`](crate::Policy::session_cpu)
    #[error("its turns ran for more than {} ms in all (`session-cpu-limit`)", .0.as_millis())]
    SessionCpu(Duration),
    /// [`Policy::memory_bytes`](crate::Policy::memory_bytes), in bytes.
    #[error("it wanted more than {} MiB of memory (`memory-limit`)", .0 >> 20)]
    Memory(usize),
    /// Elements of one table.
    #[error("it wanted a table of more than {0} elements")]
    TableElements(usize),
    /// [`Policy::requests_per_turn`](crate::Policy::requests_per_turn)
    #[error("it made more than {0} requests in one turn (`requests-per-turn`)")]
    RequestsPerTurn(usize),
    /// [`Policy::requests_per_second`](crate::Policy::requests_per_second)
    #[error("it made more than {0} requests in a second (`requests-per-second`)")]
    RequestsPerSecond(usize),
    /// [`Settings::request_bytes_per_turn`](crate::Settings::request_bytes_per_turn)
    #[error("its requests of one turn had more than {0} bytes")]
    RequestBytes(usize),
    /// [`Settings::requests_waiting`](crate::Settings::requests_waiting)
    #[error("more than {0} of its requests had no outcome yet")]
    RequestsWaiting(usize),
}

impl EndReason {
    /// Whether the strategy is to blame, so that the interactions it held count as failed in it.
    /// A session the host ended, or whose turn the host could not record, has not failed.
    pub fn is_failure(&self) -> bool {
        !matches!(
            self,
            EndReason::Finished | EndReason::Killed(_) | EndReason::TurnNotRecorded(_) | EndReason::NotRebuilt(_)
        )
    }

    /// Whether the turn in which it failed fails again when it is run again.
    pub(crate) fn is_of_its_turn(&self) -> bool {
        self.is_failure() && !matches!(self, EndReason::PastLimit(Limit::SessionCpu(_)))
    }
}
