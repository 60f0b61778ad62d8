//! Where sessions are recorded, and rebuilt from.

use std::future::Future;
use std::pin::Pin;

use crate::record::{History, Turn};

/// What a [`Journal`] does takes time.
pub type Recording<'a, T> = Pin<Box<dyn Future<Output = Result<T, JournalError>> + Send + 'a>>;

/// Where the turns of sessions go. What is recorded of a session comes back as its history, after a
/// crash as well.
pub trait Journal: Send + Sync + 'static {
    /// Called once at the end of each turn of a session, in order, also when the turn asked for
    /// nothing. When it returns, the requests of the turn are on their way, in their order, and before
    /// they left the turn was on disk. A turn that asked for nothing may be on disk later than that, as
    /// long as it is there before the turns after it. The session waits for it, and a kill waits too: a
    /// turn is recorded whole or not at all.
    ///
    /// # Errors
    /// When the turn could not be recorded and never will be; the session ends as
    /// [`TurnNotRecorded`](crate::EndReason::TurnNotRecorded).
    fn record(&self, turn: Turn) -> Recording<'_, ()>;

    /// What was recorded of a session, its last turn included. A journal that [keeps](Self::keeps) nothing
    /// is not asked.
    ///
    /// # Errors
    /// When it cannot be read; the session ends as [`NotRebuilt`](crate::EndReason::NotRebuilt).
    fn history<'a>(&'a self, _session: &'a str) -> Recording<'a, History> {
        Box::pin(std::future::ready(Err(JournalError("nothing is kept".into()))))
    }

    /// Whether [`history`](Self::history) has an answer. Where it has none instances stay in memory for
    /// as long as their sessions live.
    fn keeps(&self) -> bool {
        false
    }

    /// The session is over: its [`end`](crate::Session::end) is known, and nothing more is recorded. Called
    /// once, except when the host is dropped while the session is passive.
    fn ended(&self) {}
}

/// A turn was not recorded, or a history not read, because of this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JournalError(pub String);
