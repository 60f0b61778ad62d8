//! One session: an instance of a strategy's component, running in a task of its own.
//!
//! The task owns the instance, what the session holds, and its timers; everybody else has a
//! [`Session`], which reaches the task through its inbox. A session ends when `run` returns, when
//! it traps or goes past a limit, when it is killed, or when its task is dropped with the runtime;
//! there is always a [`SessionEnd`], and the instance is gone by the time it can be seen.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::contract::{Failure, Interaction, InteractionId, KvPair, Outcome, RequestId};
use crate::end::{EndReason, SessionEnd};
use crate::engine::Engine;
use crate::inbox::Inbox;
use crate::long_turn::{self, LongTurn};
use crate::meter::Meter;
use crate::plugin::Plugin;
use crate::state::{Ending, State};
use crate::turn::Turns;

/// Bytes of a guest's error text that are kept.
const REASON_BYTES: usize = 4 << 10;

/// What a session is started with.
pub struct SessionStart {
    /// Its id: 32 characters.
    pub id: String,
    /// The strategy.
    pub plugin: Plugin,
    /// What `session.parameters` answers.
    pub parameters: Vec<KvPair>,
    /// What it holds from the beginning, the oldest first.
    pub interactions: Vec<Interaction>,
    /// What it looks up.
    pub facts: Arc<dyn Facts>,
    /// Where its turns go.
    pub turns: Arc<dyn Turns>,
    /// Where it goes on from; none: from its beginning.
    pub checkpoint: Option<Vec<u8>>,
}

/// Look-ups that answer at once. Called on the session's task while it runs: must not block.
pub trait Facts: Send + Sync {
    /// A value of a configured list as JSON: of `key`, or all of the item as an object.
    fn list_item(&self, list: &str, item: &str, key: Option<&str>) -> Option<String>;
    /// A parameter from the strategy's configuration.
    fn parameter(&self, name: &str) -> Option<String>;
}

/// What can happen to a session from outside. Timers are its own affair.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionEvent {
    /// It holds this interaction from now on. (Those it was started with come by themselves.)
    InteractionPresent(Box<Interaction>),
    /// It holds the interaction no longer: its link went down, or the server took it back.
    InteractionNotControlled {
        /// Which.
        interaction: InteractionId,
        /// Why.
        reason: String,
    },
    /// Somebody else stopped the interaction.
    InteractionDeleted {
        /// Which.
        interaction: InteractionId,
        /// Why.
        reason: String,
    },
    /// Somebody else changed the user data; this is the interaction now.
    UserDataChanged(Box<Interaction>),
    /// A request ended well. What it changes is changed in the session's copy too.
    RequestDone {
        /// Which.
        request: RequestId,
        /// With what.
        outcome: Outcome,
    },
    /// A request failed.
    RequestFailed {
        /// Which.
        request: RequestId,
        /// Why.
        failure: Failure,
    },
    /// From another session, or from outside.
    Message {
        /// Its name.
        name: String,
        /// JSON text.
        data: String,
    },
    /// The host wants it to end, for this reason. Kill it after a grace time.
    StopRequested(String),
}

/// The session has ended, or is ending: it takes no more events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session has ended")]
pub struct Gone;

/// A handle of a session. Clones are handles of the same one; dropping them all does not end it.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub id: Arc<str>,
    pub inbox: Inbox,
    pub meter: Meter,
    pub long_turn: LongTurn,
    end: OnceLock<SessionEnd>,
    ended: Notify,
}

impl Shared {
    pub fn new(id: &str, events_waiting: usize) -> Shared {
        Shared {
            id: id.into(),
            inbox: Inbox::new(events_waiting),
            meter: Meter::default(),
            long_turn: LongTurn::default(),
            end: OnceLock::new(),
            ended: Notify::new(),
        }
    }
}

impl Session {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Hands it an event, which it takes in its next turn. Never blocks.
    ///
    /// # Errors
    /// [`Gone`] when it has ended, or when too many events wait already: it is ended then.
    pub fn deliver(&self, event: SessionEvent) -> Result<(), Gone> {
        self.shared.inbox.push(event)
    }

    /// Ends it. Takes effect at once where it waits or runs; a turn that is being recorded is
    /// recorded first. What its running turn asked for is discarded.
    pub fn kill(&self, reason: &str) {
        self.shared.inbox.end(EndReason::Killed(reason.into()));
    }

    /// CPU time it has taken so far.
    pub fn cpu(&self) -> Duration {
        self.shared.meter.total()
    }

    /// How it ended, when it has.
    pub fn end(&self) -> Option<SessionEnd> {
        self.shared.end.get().cloned()
    }

    /// Waits for its end. Cancel-safe.
    pub async fn ended(self) -> SessionEnd {
        loop {
            let ended = self.shared.ended.notified();
            if let Some(end) = self.end() {
                return end;
            }
            ended.await;
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").field("id", &self.shared.id).field("end", &self.shared.end.get()).finish()
    }
}

/// Starts the session's task. The permit is the room for its instance.
pub(crate) fn spawn(engine: Engine, start: SessionStart, room: OwnedSemaphorePermit) -> Session {
    let shared = Arc::new(Shared::new(&start.id, engine.settings().events_waiting));
    let session = Session { shared: Arc::clone(&shared) };
    // Made here, so that a task that is dropped before it first runs ends its session too.
    let guard = EndGuard { shared: Arc::clone(&shared), turns: 0, reason: None };
    tokio::spawn(async move {
        let mut guard = guard;
        let lane = engine.long_turns().clone();
        let run = Box::pin(metered(Arc::clone(&shared), run(engine, start, Arc::clone(&shared))));
        if let Some((reason, turns)) = long_turn::drive(run, shared, lane).await {
            guard.turns = turns;
            guard.reason = Some(reason);
        }
        drop(room);
        drop(guard);
    });
    session
}

/// Runs the session to its end; the instance is gone when this returns.
async fn run(engine: Engine, start: SessionStart, shared: Arc<Shared>) -> (EndReason, u64) {
    let plugin = start.plugin.clone();
    let checkpoint = start.checkpoint.clone();
    let mut store = engine.store(State::of_session(&engine, start, shared));
    let result = async {
        let strategy = plugin.component().instantiate_async(&mut store).await?;
        strategy.call_run(&mut store, checkpoint.as_deref()).await
    }
    .await;
    let reason = match result {
        Ok(Ok(())) => match store.data_mut().finish().await {
            Ok(()) => EndReason::Finished,
            Err(Ending(reason)) => reason,
        },
        Ok(Err(text)) => EndReason::Failed(shortened(text)),
        Err(error) => store.data_mut().reason_of(error),
    };
    (reason, store.data().turns_recorded())
}

/// Counts the CPU time of a future's polls.
pub(crate) async fn metered<F: Future>(shared: Arc<Shared>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        shared.meter.resume();
        let poll = future.as_mut().poll(context);
        shared.meter.count();
        poll
    })
    .await
}

/// Cuts a guest's text to a length that fits a log line and a user data value.
pub(crate) fn shortened(mut text: String) -> String {
    if text.len() > REASON_BYTES {
        text.truncate(text.floor_char_boundary(REASON_BYTES));
        text.push('…');
    }
    text
}

/// Sees to it that a session has an end whatever becomes of its task.
struct EndGuard {
    shared: Arc<Shared>,
    turns: u64,
    reason: Option<EndReason>,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        let reason = self.reason.take().unwrap_or_else(|| {
            if std::thread::panicking() {
                EndReason::Trapped("an error inside the host; its log says where".into())
            } else {
                EndReason::Killed("the host is stopping".into())
            }
        });
        self.shared.inbox.close();
        // The only place that sets it.
        let _ = self.shared.end.set(SessionEnd { reason, turns: self.turns, cpu: self.shared.meter.total() });
        self.shared.ended.notify_waiters();
    }
}
