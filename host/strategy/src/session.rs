//! One session. While it has something to do, a task runs an instance of its strategy's component, made
//! anew from what is recorded where there was none. While it waits without an instance it is asleep:
//! it has no task either, and is no more than what its next task needs.
//!
//! Everybody has a [`Session`], which reaches it through its inbox, or wakes it. A session ends when `run`
//! returns, when it traps or goes past a limit, when it is killed, when it cannot be rebuilt, or when its task
//! is dropped with the runtime; there is a [`SessionEnd`] then, and the instance is gone by the time it can be
//! seen. One that sleeps when everything is dropped just goes; the journal has it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;
use wasmtime::Store;

use crate::active::Run;
use crate::alarms::{Alarm, Alarms};
use crate::clock::SessionClock;
use crate::contract::{CalendarTime, Failure, Interaction, InteractionId, Outcome, RequestId, Target, TextError};
use crate::end::{EndReason, SessionEnd};
use crate::engine::Engine;
use crate::inbox::Inbox;
use crate::journal::{Journal, JournalError};
use crate::long_turn::{self, LongTurn};
use crate::meter::{Meter, Spent};
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
    /// A statistic of an object, written as a target is, or of a virtual queue.
    fn statistic(&self, object: &str, name: &str) -> Option<i64>;
    /// What clocks on the wall show in a zone, or in that of the site, at this time (in milliseconds since
    /// 1970-01-01T00:00:00Z).
    fn local_time(&self, zone: Option<&str>, at: u64) -> Option<CalendarTime>;
    /// Whether it is open by these business hours at this time.
    fn is_open(&self, hours: &str, at: u64) -> Option<bool>;
    /// Whether it is this special day of the table, or any, at this time.
    fn is_special_day(&self, table: &str, day: Option<&str>, zone: Option<&str>, at: u64) -> Option<bool>;
    /// Targets as they are written in the field.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    fn read_targets(&self, text: &str) -> Result<Vec<Target>, TextError>;
}

/// Nothing is configured, and nothing known.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFacts;

impl Facts for NoFacts {
    fn list_item(&self, _list: &str, _item: &str, _key: Option<&str>) -> Option<String> {
        None
    }

    fn parameter(&self, _name: &str) -> Option<String> {
        None
    }

    fn statistic(&self, _object: &str, _name: &str) -> Option<i64> {
        None
    }

    fn local_time(&self, _zone: Option<&str>, _at: u64) -> Option<CalendarTime> {
        None
    }

    fn is_open(&self, _hours: &str, _at: u64) -> Option<bool> {
        None
    }

    fn is_special_day(&self, _table: &str, _day: Option<&str>, _zone: Option<&str>, _at: u64) -> Option<bool> {
        None
    }

    fn read_targets(&self, _text: &str) -> Result<Vec<Target>, TextError> {
        Ok(Vec::new())
    }
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
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    id: Arc<str>,
    phase: Mutex<Phase>,
    /// Made by the first who waits for its end.
    ended: OnceLock<Box<Notify>>,
}

/// Many sessions sleep at once: keep what one is then small.
enum Phase {
    /// It waits without an instance, and with nothing in its inbox.
    Asleep(Life),
    /// A task runs it.
    Awake(Arc<Shared>),
    Over(Box<SessionEnd>),
}

/// What a session that is awake shares with those who reach it.
pub(crate) struct Shared {
    pub id: Arc<str>,
    pub inbox: Inbox,
    pub meter: Meter,
    pub long_turn: LongTurn,
}

impl Shared {
    pub fn new(id: Arc<str>, events_waiting: usize) -> Shared {
        Shared::after(Spent::default(), id, events_waiting)
    }

    /// Of a session that has taken so much CPU time before.
    fn after(spent: Spent, id: Arc<str>, events_waiting: usize) -> Shared {
        Shared { id, inbox: Inbox::new(events_waiting), meter: Meter::after(spent), long_turn: LongTurn::default() }
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
        &self.inner.id
    }

    /// Hands it an event, which it takes in its next turn. Never blocks.
    ///
    /// # Errors
    /// [`Gone`] when it has ended, or when too many events wait already: it is ended then.
    pub fn deliver(&self, event: SessionEvent) -> Result<(), Gone> {
        self.deliver_all([event])
    }

    /// The same of several, which come one after the other with nothing between them: a session that has taken
    /// one finds the next one there.
    ///
    /// # Errors
    /// As [`deliver`](Self::deliver).
    pub fn deliver_all(&self, events: impl IntoIterator<Item = SessionEvent>) -> Result<(), Gone> {
        self.tell(|inbox| inbox.push(events))
    }

    /// Puts something into its inbox, and wakes it.
    fn tell(&self, tell: impl FnOnce(&Inbox) -> Result<(), Gone>) -> Result<(), Gone> {
        let mut phase = self.inner.phase();
        // It cannot fall asleep again before it is told.
        let woken = self.inner.wake(&mut phase);
        let told = match &*phase {
            Phase::Awake(shared) => tell(&shared.inbox),
            Phase::Asleep(_) | Phase::Over(_) => Err(Gone),
        };
        drop(phase);
        go_on(woken);
        told
    }

    /// Ends it. Takes effect at once where it waits or runs; a turn that is being recorded is
    /// recorded first. What its running turn asked for is discarded.
    pub fn kill(&self, reason: &str) {
        let reason = EndReason::Killed(reason.into());
        let mut phase = self.inner.phase();
        if let Phase::Awake(shared) = &*phase {
            return shared.inbox.end(reason);
        }
        let woken = self.inner.wake(&mut phase);
        drop(phase);
        if let Some(mut living) = woken {
            living.ends(reason);
        }
    }

    /// Has it do this after the turn it is in, or at once where it waits; its instance is let go of, and nothing
    /// is recorded of it meanwhile. What was to be done before and has not been is dropped. One without a journal
    /// that keeps does so when it ends, which is never.
    ///
    /// # Errors
    /// [`Gone`] when it has ended. Where it ends before it comes to it, the exchange is dropped.
    pub fn exchange(&self, exchange: Exchange) -> Result<(), Gone> {
        self.tell(|inbox| inbox.exchange(exchange))
    }

    /// CPU time it has taken so far.
    pub fn cpu(&self) -> Duration {
        match &*self.inner.phase() {
            Phase::Asleep(life) => Duration::from_nanos(life.spent.total),
            Phase::Awake(shared) => Duration::from_nanos(shared.meter.spent().total),
            Phase::Over(end) => end.cpu,
        }
    }

    /// How it ended, when it has.
    pub fn end(&self) -> Option<SessionEnd> {
        match &*self.inner.phase() {
            Phase::Over(end) => Some((**end).clone()),
            Phase::Asleep(_) | Phase::Awake(_) => None,
        }
    }

    /// Waits for its end. Cancel-safe.
    pub async fn ended(self) -> SessionEnd {
        loop {
            let ended = self.inner.ended.get_or_init(Box::default).notified();
            if let Some(end) = self.end() {
                return end;
            }
            ended.await;
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").field("id", &self.inner.id).field("end", &self.end()).finish()
    }
}

impl Inner {
    fn phase(&self) -> MutexGuard<'_, Phase> {
        // Nothing in it panics half-way through a change.
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends its sleep, if it sleeps.
    pub fn wake_up(self: &Arc<Self>) {
        let woken = self.wake(&mut self.phase());
        go_on(woken);
    }

    /// Ends its sleep, if it sleeps; what is to [go on](go_on) once the lock is given back.
    fn wake(self: &Arc<Self>, phase: &mut Phase) -> Option<Living> {
        let Phase::Asleep(life) = phase else { return None };
        life.turn_alarm_off();
        let shared = Shared::after(life.spent, Arc::clone(&self.id), life.engine.settings().events_waiting);
        let shared = Arc::new(shared);
        match std::mem::replace(phase, Phase::Awake(Arc::clone(&shared))) {
            Phase::Asleep(life) => Some(Living { inner: Arc::clone(self), shared, life: Some(life), end: None }),
            Phase::Awake(_) | Phase::Over(_) => None,
        }
    }
}

/// What a session needs to run, and all there is of one that sleeps: keep it small.
struct Life {
    engine: Engine,
    plugin: Plugin,
    facts: Arc<dyn Facts>,
    journal: Arc<dyn Journal>,
    session_clock: SessionClock,
    /// That are recorded.
    turns: u64,
    /// CPU time it had taken when it fell asleep, in nanoseconds.
    spent: Spent,
    alarms: Arc<Alarms>,
    /// The alarm that wakes it, where it sleeps.
    alarm: Option<Alarm>,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.turn_alarm_off();
    }
}

impl Life {
    fn turn_alarm_off(&mut self) {
        if let Some(alarm) = self.alarm.take() {
            self.alarms.cancel(alarm);
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
}

/// Starts the session.
pub(crate) fn spawn(engine: Engine, start: SessionStart) -> Session {
    let SessionStart { id, plugin, facts, journal, from } = start;
    let shared = Arc::new(Shared::new(Arc::clone(&id), engine.settings().events_waiting));
    let phase = Mutex::new(Phase::Awake(Arc::clone(&shared)));
    let inner = Arc::new(Inner { id, phase, ended: OnceLock::new() });
    let session = Session { inner: Arc::clone(&inner) };
    let (session_clock, begins, resumed) = match from {
        From::Origin(origin) => (SessionClock::start(origin.started_at), Some(origin), None),
        From::Journal { started_at, resumed } => {
            (SessionClock::resume(started_at, resumed.monotonic), None, Some(resumed))
        }
    };
    let turns = resumed.map_or(0, |resumed| resumed.turns);
    let alarms = engine.alarms();
    let life =
        Life { engine, plugin, facts, journal, session_clock, turns, spent: Spent::default(), alarms, alarm: None };
    // Made here, so that a task that is dropped before it first runs ends its session too.
    let mut living = Living { inner, shared, life: Some(life), end: None };
    if resumed.is_none_or(|resumed| !living.sleep(resumed)) {
        tokio::spawn(live(living, begins));
    }
    session
}

/// Has a session that was woken run, if it was.
fn go_on(woken: Option<Living>) {
    if let Some(living) = woken
        && let Some(life) = &living.life
    {
        let alarms = Arc::clone(&life.alarms);
        alarms.runtime().spawn(live(living, None));
    }
}

/// A session that is awake. Sees to it that it has an end, or sleeps, whatever becomes of its task.
struct Living {
    inner: Arc<Inner>,
    shared: Arc<Shared>,
    /// None: it sleeps.
    life: Option<Life>,
    end: Option<Box<SessionEnd>>,
}

impl Living {
    /// Ends without having run.
    fn ends(&mut self, reason: EndReason) {
        self.end = self.life.as_ref().map(|life| Box::new(SessionEnd::passive(reason, life.turns)));
    }

    /// Puts it to sleep until something comes, or until it is due. False: it has something to do.
    fn sleep(&mut self, resumed: Resumed) -> bool {
        let Some(mut life) = self.life.take() else { return true };
        life.turns = resumed.turns;
        life.spent = self.shared.meter.spent();
        let due = resumed.due.map(|due| life.session_clock.instant(due));
        let mut phase = self.inner.phase();
        if resumed.at_once || due.is_some_and(|due| due <= Instant::now()) || !self.shared.inbox.is_empty() {
            drop(phase);
            self.life = Some(life);
            return false;
        }
        if let Some(due) = due {
            life.alarm = Some(life.alarms.set(due, &self.inner));
        }
        *phase = Phase::Asleep(life);
        true
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        let Some(life) = self.life.take() else { return };
        let mut end = self.end.take().unwrap_or_else(|| {
            let reason = if std::thread::panicking() {
                EndReason::Trapped("an error inside the host; its log says where".into())
            } else {
                EndReason::Killed("the host is stopping".into())
            };
            Box::new(SessionEnd::passive(reason, life.turns))
        });
        end.cpu = Duration::from_nanos(self.shared.meter.spent().total);
        *self.inner.phase() = Phase::Over(end);
        if let Some(ended) = self.inner.ended.get() {
            ended.notify_waiters();
        }
        life.journal.ended();
    }
}

/// How one instance left off.
enum Left {
    /// The session has ended.
    Over(Box<SessionEnd>),
    /// It is passive from here on.
    Passive(Resumed),
}

/// Runs the session until it sleeps or ends.
async fn live(mut living: Living, begins: Option<Box<Origin>>) {
    let mut history = begins.map(|origin| History { origin: *origin, checkpoint: None, turns: Vec::new() });
    while let Some(life) = &mut living.life {
        if let Some(reason) = living.shared.inbox.ending() {
            return living.ends(reason);
        }
        // One that begins is recorded first.
        if history.is_none()
            && let Some(exchange) = living.shared.inbox.take_exchange()
        {
            life.plugin = exchange(life.plugin.clone()).await;
        }
        match Box::pin(instance(life, history.take(), Arc::clone(&living.shared))).await {
            Some(Left::Passive(from_here)) => {
                if living.sleep(from_here) {
                    return;
                }
            }
            Some(Left::Over(end)) => {
                living.end = Some(end);
                return;
            }
            // The threads that ran it are gone.
            None => return,
        }
    }
}

/// One instance, from the room it needs to the room it leaves.
async fn instance(life: &Life, history: Option<History>, shared: Arc<Shared>) -> Option<Left> {
    let Life { engine, plugin, turns, .. } = life;
    let room = engine.cache().enter().await;
    shared.long_turn.set_always(plugin.misbehaves());
    let run = run_instance(engine.clone(), life.run(), history, Arc::clone(&shared), *turns);
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
        None => {
            shared.meter.set_rebuilding(true);
            match run.journal.history(&shared.id).await {
                Ok(history) => history,
                Err(JournalError(reason)) => {
                    return Left::Over(Box::new(SessionEnd::passive(EndReason::NotRebuilt(reason), turns)));
                }
            }
        }
    };
    let (ending, mut store) = run_strategy(&engine, run, history, shared).await;
    let state = store.data_mut();
    match ending {
        Ending::Leave(resumed) => Left::Passive(resumed),
        Ending::Over(reason) => Left::Over(Box::new(SessionEnd {
            failed_turn: reason.is_of_its_turn().then(|| state.failed_turn()).flatten().map(Box::new),
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
