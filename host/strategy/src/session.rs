//! One session. While it has something to do, a task runs an instance of its strategy's component, made
//! anew from what is recorded where there was none. While it waits without an instance it is asleep:
//! it has no task either, and is no more than what its next task needs, kept in its inbox.
//!
//! Everybody has a [`Session`], which reaches it through the inbox. A session ends when `run` returns, when
//! it traps or goes past a limit, when it is killed, when it cannot be rebuilt, or when its task is dropped
//! with the runtime; there is a [`SessionEnd`] then, and the instance is gone by the time it can be seen. One
//! that sleeps when everything is dropped just goes; the journal has it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use wasmtime::Store;

use crate::active::Run;
use crate::clock::SessionClock;
use crate::contract::{Failure, Interaction, InteractionId, Outcome, RequestId};
use crate::end::{EndReason, SessionEnd};
use crate::engine::Engine;
use crate::inbox::Inbox;
use crate::journal::{Journal, JournalError};
use crate::long_turn::{self, LongTurn};
use crate::meter::Meter;
use crate::plugin::Plugin;
use crate::record::{History, Origin};
use crate::standing::Resumed;
use crate::state::{Ending, State};

/// Bytes of a guest's error text that are kept.
const REASON_BYTES: usize = 4 << 10;

/// What a session is started with.
pub struct SessionStart {
    /// Its id: 32 characters.
    pub id: Arc<str>,
    /// The strategy.
    pub plugin: Plugin,
    /// What it looks up.
    pub facts: Arc<dyn Facts>,
    /// Where it is recorded, and rebuilt from.
    pub journal: Arc<dyn Journal>,
    /// Where it begins, or goes on.
    pub from: From,
}

/// Where a session begins, or goes on.
pub enum From {
    /// It begins.
    Origin(Box<Origin>),
    /// It is recorded already, and began then (milliseconds since 1970-01-01T00:00:00Z): it is passive
    /// until it has something to do.
    Journal {
        /// When it began, in milliseconds since 1970-01-01T00:00:00Z.
        started_at: u64,
        /// As far as it had come, as [`Standing::resumed`](crate::Standing::resumed) tells.
        resumed: Resumed,
    },
}

/// Look-ups that answer at once. Called on the session's task while it runs: must not block.
pub trait Facts: Send + Sync {
    /// A value of a configured list as JSON: of `key`, or all of the item as an object.
    fn list_item(&self, list: &str, item: &str, key: Option<&str>) -> Option<String>;
    /// A parameter from the strategy's configuration.
    fn parameter(&self, name: &str) -> Option<String>;
}

/// What can happen to a session from outside. Timers are its own affair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
        /// Its key in the journal, where it waits until a turn has taken it; empty: it is not kept.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        key: String,
        /// Its name.
        name: String,
        /// JSON text.
        data: String,
    },
    /// The host wants it to end, for this reason. Kill it after a grace time.
    StopRequested(String),
}

/// What is done between two turns of a session, while it has no instance: it is given the plugin the session has,
/// and returns the one it goes on with.
pub type Exchange = Box<dyn FnOnce(Plugin) -> Pin<Box<dyn Future<Output = Plugin> + Send>> + Send>;

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
    end: OnceLock<Box<SessionEnd>>,
    ended: Notify,
}

impl Shared {
    pub fn new(id: Arc<str>, events_waiting: usize) -> Shared {
        Shared {
            id,
            inbox: Inbox::new(events_waiting),
            meter: Meter::default(),
            long_turn: LongTurn::default(),
            end: OnceLock::new(),
            ended: Notify::new(),
        }
    }

    /// Ends its sleep, if it sleeps.
    fn wake(self: &Arc<Self>) {
        if let Some(asleep) = self.inbox.wake() {
            let runtime = asleep.runtime.clone();
            runtime.spawn(live(asleep, None, EndGuard::new(Arc::clone(self))));
        }
    }

    /// Returns once there may be something in the inbox, or at that moment. Cancel-safe.
    pub async fn something_or(&self, due: Option<Instant>) {
        match due {
            None => self.inbox.changed().await,
            Some(due) => tokio::select! {
                biased;
                () = self.inbox.changed() => {}
                () = tokio::time::sleep_until(due) => {}
            },
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
        let delivered = self.shared.inbox.push(event);
        self.shared.wake();
        delivered
    }

    /// Ends it. Takes effect at once where it waits or runs; a turn that is being recorded is
    /// recorded first. What its running turn asked for is discarded.
    pub fn kill(&self, reason: &str) {
        self.shared.inbox.end(EndReason::Killed(reason.into()));
        self.shared.wake();
    }

    /// Has it do this after the turn it is in, or at once where it waits; its instance is let go of, and nothing
    /// is recorded of it meanwhile. What was to be done before and has not been is dropped. One without a journal
    /// that keeps does so when it ends, which is never.
    ///
    /// # Errors
    /// [`Gone`] when it has ended. Where it ends before it comes to it, the exchange is dropped.
    pub fn exchange(&self, exchange: Exchange) -> Result<(), Gone> {
        let asked = self.shared.inbox.exchange(exchange);
        self.shared.wake();
        asked
    }

    /// CPU time it has taken so far.
    pub fn cpu(&self) -> Duration {
        self.shared.meter.total()
    }

    /// How it ended, when it has.
    pub fn end(&self) -> Option<SessionEnd> {
        self.shared.end.get().map(|end| (**end).clone())
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

/// What a session needs to run, and all there is of one that sleeps, beside its inbox: keep it small.
pub(crate) struct Life {
    engine: Engine,
    plugin: Plugin,
    facts: Arc<dyn Facts>,
    journal: Arc<dyn Journal>,
    session_clock: SessionClock,
    /// As far as it had come when it ran last.
    resumed: Resumed,
    runtime: Handle,
    /// Wakes it when it is due.
    alarm: Option<AbortHandle>,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.turn_alarm_off();
    }
}

impl Life {
    fn turn_alarm_off(&mut self) {
        if let Some(alarm) = self.alarm.take() {
            alarm.abort();
        }
    }

    fn run(&self) -> Run {
        Run {
            plugin: self.plugin.clone(),
            facts: Arc::clone(&self.facts),
            journal: Arc::clone(&self.journal),
            session_clock: self.session_clock,
            look: None,
        }
    }

    /// Puts it to sleep until something comes, or until it is due. Gives it back where it has something to do.
    fn sleep(mut self: Box<Self>, shared: &Arc<Shared>) -> Option<Box<Life>> {
        self.turn_alarm_off();
        if self.resumed.at_once {
            return Some(self);
        }
        let due = self.resumed.due.map(|due| self.session_clock.instant(due));
        if let Some(due) = due {
            let sleeper = Arc::downgrade(shared);
            let alarm = self.runtime.spawn(async move {
                tokio::time::sleep_until(due).await;
                if let Some(sleeper) = sleeper.upgrade() {
                    sleeper.wake();
                }
            });
            self.alarm = Some(alarm.abort_handle());
        }
        if let Some(life) = shared.inbox.sleep(self) {
            return Some(life);
        }
        // The alarm may have gone off before it slept.
        if due.is_some_and(|due| due <= Instant::now()) { shared.inbox.wake() } else { None }
    }
}

/// Starts the session.
pub(crate) fn spawn(engine: Engine, start: SessionStart) -> Session {
    let SessionStart { id, plugin, facts, journal, from } = start;
    let shared = Arc::new(Shared::new(id, engine.settings().events_waiting));
    let session = Session { shared: Arc::clone(&shared) };
    let (session_clock, begins, resumed) = match from {
        From::Origin(origin) => (SessionClock::start(origin.started_at), Some(origin), Resumed::default()),
        From::Journal { started_at, resumed } => (SessionClock::resume(started_at, resumed.monotonic), None, resumed),
    };
    let runtime = Handle::current();
    let life = Box::new(Life { engine, plugin, facts, journal, session_clock, resumed, runtime, alarm: None });
    let life = match begins {
        Some(_) => Some(life),
        None => life.sleep(&shared),
    };
    if let Some(life) = life {
        // The guard is made here, so that a task that is dropped before it first runs ends its session too.
        tokio::spawn(live(life, begins, EndGuard::new(shared)));
    }
    session
}

/// How one instance left off.
enum Left {
    /// The session has ended.
    Over(Box<SessionEnd>),
    /// It is passive from here on.
    Passive(Resumed),
}

/// Runs the session until it sleeps or ends.
async fn live(mut life: Box<Life>, begins: Option<Box<Origin>>, mut guard: EndGuard) {
    let mut history = begins.map(|origin| History { origin: *origin, checkpoint: None, turns: Vec::new() });
    loop {
        let shared = Arc::clone(&guard.shared);
        if let Some(reason) = shared.inbox.ending() {
            guard.end = Some(Box::new(SessionEnd::passive(reason, life.resumed.turns)));
            return;
        }
        // One that begins is recorded first.
        if history.is_none()
            && let Some(exchange) = shared.inbox.take_exchange()
        {
            life.plugin = exchange(life.plugin.clone()).await;
            match life.sleep(&shared) {
                Some(awake) => life = awake,
                None => {
                    guard.sleeps = true;
                    return;
                }
            }
            continue;
        }
        let left = Box::pin(instance(&life, history.take(), Arc::clone(&shared))).await;
        match left {
            Some(Left::Passive(from_here)) => {
                life.resumed = from_here;
                match life.sleep(&shared) {
                    Some(awake) => life = awake,
                    None => {
                        guard.sleeps = true;
                        return;
                    }
                }
            }
            Some(Left::Over(end)) => {
                guard.end = Some(end);
                return;
            }
            // The threads that ran it are gone.
            None => return,
        }
    }
}

/// One instance, from the room it needs to the room it leaves.
async fn instance(life: &Life, history: Option<History>, shared: Arc<Shared>) -> Option<Left> {
    let Life { engine, plugin, resumed, .. } = life;
    let room = engine.cache().enter().await;
    shared.long_turn.set_always(plugin.misbehaves());
    let run = run_instance(engine.clone(), life.run(), history, Arc::clone(&shared), resumed.turns);
    let run = Box::pin(metered(Arc::clone(&shared), run));
    let left = long_turn::drive(run, shared, engine.long_turns().clone()).await;
    match &left {
        Some(Left::Over(end)) if end.reason == EndReason::Finished => plugin.conduct().behaved(),
        Some(Left::Over(end)) if end.reason.is_failure() => plugin.conduct().misbehaved(),
        _ => {}
    }
    drop(room);
    left
}

/// Runs the session until it ends or has nothing to do; the instance is gone when this returns. Without its
/// history the journal is asked for it.
async fn run_instance(engine: Engine, run: Run, history: Option<History>, shared: Arc<Shared>, turns: u64) -> Left {
    let history = match history {
        Some(history) => history,
        None => match run.journal.history(&shared.id).await {
            Ok(history) => history,
            Err(JournalError(reason)) => {
                return Left::Over(Box::new(SessionEnd::passive(EndReason::NotRebuilt(reason), turns)));
            }
        },
    };
    let (ending, mut store) = run_strategy(&engine, run, history, shared).await;
    let state = store.data_mut();
    match ending {
        Ending::Leave(resumed) => Left::Passive(resumed),
        Ending::Over(reason) => Left::Over(Box::new(SessionEnd {
            failed_turn: reason.is_failure().then(|| state.failed_turn()).flatten().map(Box::new),
            turns: state.turns_recorded(),
            cpu: Duration::ZERO,
            reason,
        })),
    }
}

/// Runs the strategy in an instance of its own, and says how it left off.
pub(crate) async fn run_strategy(
    engine: &Engine,
    run: Run,
    history: History,
    shared: Arc<Shared>,
) -> (Ending, Store<State>) {
    let plugin = run.plugin.clone();
    let checkpoint = history.checkpoint.as_ref().map(|checkpoint| checkpoint.state.clone());
    let mut store = engine.store(State::of_session(engine, run, history, shared));
    let result = async {
        let strategy = plugin.component().instantiate_async(&mut store).await?;
        strategy.call_run(&mut store, checkpoint.as_deref()).await
    }
    .await;
    let state = store.data_mut();
    let ending = match result {
        Ok(Ok(())) => state.finish().await.err().unwrap_or(Ending::Over(EndReason::Finished)),
        Ok(Err(text)) => Ending::Over(state.early(EndReason::Failed(shortened(text)))),
        Err(error) => state.ending_of(error),
    };
    (ending, store)
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

/// Sees to it that a session has an end, or sleeps, whatever becomes of its task.
struct EndGuard {
    shared: Arc<Shared>,
    end: Option<Box<SessionEnd>>,
    sleeps: bool,
}

impl EndGuard {
    fn new(shared: Arc<Shared>) -> EndGuard {
        EndGuard { shared, end: None, sleeps: false }
    }
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        if self.sleeps {
            return;
        }
        let mut end = self.end.take().unwrap_or_else(|| {
            let reason = if std::thread::panicking() {
                EndReason::Trapped("an error inside the host; its log says where".into())
            } else {
                EndReason::Killed("the host is stopping".into())
            };
            Box::new(SessionEnd::passive(reason, 0))
        });
        end.cpu = self.shared.meter.total();
        self.shared.inbox.close();
        // The only place that sets it.
        let _ = self.shared.end.set(end);
        self.shared.ended.notify_waiters();
    }
}
