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
    /// The turn in which it failed, as far as it came; it left nothing behind.
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
    /// One turn ran for longer than [`Settings::turn_cpu`](crate::Settings::turn_cpu).
    #[error("ran for too long without waiting in `events.next`")]
    OutOfTime,
    /// It wanted more than [`Settings::memory_bytes`](crate::Settings::memory_bytes).
    #[error("wanted more memory than a session may have")]
    OutOfMemory,
    /// More requests in one turn, or waiting for their outcome, than a session may have.
    #[error("made more requests than a session may have under way")]
    TooManyRequests,
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

impl EndReason {
    /// Whether the strategy is to blame, so that the interactions it held count as failed in it.
    /// A session the host ended, or whose turn the host could not record, has not failed.
    pub fn is_failure(&self) -> bool {
        !matches!(
            self,
            EndReason::Finished | EndReason::Killed(_) | EndReason::TurnNotRecorded(_) | EndReason::NotRebuilt(_)
        )
    }
}
