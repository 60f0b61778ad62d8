//! What the tests share: guests, one engine, and turns that are recorded.

#[path = "../guest/mod.rs"]
mod guest;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jackfield_strategy::contract::{
    CalendarTime, Interaction, InteractionState, KvPair, KvValue, RequestId, Target, TextError,
};
use jackfield_strategy::{
    Checkpoint, Engine, Facts, From, History, Journal, JournalError, Origin, Plugin, Policies, Policy, Recording,
    Request, Session, SessionEnd, SessionEvent, SessionStart, Settings, Turn,
};
use tokio::sync::Notify;

pub use guest::guest;

/// The longest a test waits for something that comes at once on a machine with nothing else to do.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Live instances at once, where a test does not say: all of them, or with `JACKFIELD_TEST_LIVE=0` none
/// longer than its turn.
pub fn live(wanted: usize) -> usize {
    std::env::var("JACKFIELD_TEST_LIVE").map_or(wanted, |live| live.parse().expect("JACKFIELD_TEST_LIVE is a number"))
}

/// Limits small enough to be met quickly.
pub fn small() -> Settings {
    Settings {
        live: live(64),
        memory_bytes: 16 << 20,
        events_waiting: 16,
        requests_waiting: 1_500,
        timers: 16,
        turns_without_checkpoint: 10_000,
        ..Settings::default()
    }
}

/// The same of every plugin.
pub fn strict() -> Policy {
    Policy { turn_cpu: Duration::from_millis(200), ..Policy::default() }
}

/// The engine most tests share.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let engine = Engine::new(small()).expect("an engine");
        engine.set_policies(Policies { default: strict(), ..Policies::default() });
        engine
    })
}

/// A guest's plugin on the shared engine.
pub async fn plugin(name: &str) -> Plugin {
    static PLUGINS: OnceLock<Mutex<HashMap<String, Plugin>>> = OnceLock::new();
    let plugins = PLUGINS.get_or_init(Mutex::default);
    if let Some(plugin) = plugins.lock().expect("plugins").get(name) {
        return plugin.clone();
    }
    let plugin = engine().load(&guest(name)).await.expect("a plugin");
    plugins.lock().expect("plugins").insert(name.into(), plugin.clone());
    plugin
}

pub fn interaction(id: &str) -> Interaction {
    Interaction {
        id: id.into(),
        parent_id: None,
        external_id: None,
        tenant: 1,
        media_type: "email".into(),
        interaction_type: "Inbound".into(),
        interaction_subtype: "InboundNew".into(),
        queue: "new".into(),
        view: None,
        state: InteractionState::Routing,
        is_online: false,
        priority: 0,
        received_at: 1,
        submitted_at: 2,
        placed_in_queue_at: 3,
        user_data: vec![text("Subject", "hello"), text("From", "a@example.com"), text("Subject", "twice")],
        last_agent: None,
    }
}

pub fn text(key: &str, value: &str) -> KvPair {
    KvPair { key: key.into(), value: KvValue::Text(value.into()) }
}

pub struct SomeFacts;

impl Facts for SomeFacts {
    fn list_item(&self, list: &str, item: &str, key: Option<&str>) -> Option<String> {
        (list == "list" && item == "item" && key.is_none()).then(|| r#"{"a":"b"}"#.into())
    }

    fn parameter(&self, name: &str) -> Option<String> {
        (name == "item").then(|| "value".into())
    }

    fn statistic(&self, object: &str, name: &str) -> Option<i64> {
        (object == "Billing@.GA" && name == "StatAgentsReady").then_some(3)
    }

    fn local_time(&self, zone: Option<&str>, _at: u64) -> Option<CalendarTime> {
        let time =
            CalendarTime { year: 2026, month: 11, day: 28, weekday: 6, hour: 1, minute: 2, second: 3, offset: 3_600 };
        zone.map(|_| time)
    }

    fn is_open(&self, hours: &str, _at: u64) -> Option<bool> {
        (hours == "support").then_some(true)
    }

    fn is_special_day(&self, table: &str, _day: Option<&str>, _zone: Option<&str>, _at: u64) -> Option<bool> {
        (table == "holidays").then_some(false)
    }

    fn read_targets(&self, text: &str) -> Result<Vec<Target>, TextError> {
        Err(TextError { message: format!("`{text}` is none"), start: 0, end: 1 })
    }
}

/// A journal in memory, of one session: what was recorded, as it would be read from a disk. A request of
/// a turn can be waited for.
#[derive(Default)]
pub struct Recorder {
    turns: Mutex<Vec<Turn>>,
    changed: Notify,
    pub origin: OnceLock<Origin>,
    /// The bytes of the last checkpoint.
    checkpoint: Mutex<Option<Vec<u8>>>,
    /// Fails to record this turn.
    fail_turn: Option<u64>,
    /// Times the history was asked for.
    pub rebuilt: AtomicUsize,
    /// Keeps nothing.
    forgets: bool,
}

impl Journal for Recorder {
    fn record(&self, turn: Turn) -> Recording<'_, ()> {
        Box::pin(async move {
            if self.fail_turn == Some(turn.number) {
                return Err(JournalError("the disk is full".into()));
            }
            if let Some(checkpoint) = &turn.checkpoint {
                *self.checkpoint.lock().expect("a checkpoint") = Some(checkpoint.encode());
            }
            self.turns.lock().expect("turns").push(turn);
            self.changed.notify_waiters();
            Ok(())
        })
    }

    fn history<'a>(&'a self, _session: &'a str) -> Recording<'a, History> {
        self.rebuilt.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move { Ok(self.read()) })
    }

    fn keeps(&self) -> bool {
        !self.forgets
    }
}

impl Recorder {
    /// One that fails to record this turn.
    pub fn failing(turn: u64) -> Recorder {
        Recorder { fail_turn: Some(turn), ..Recorder::default() }
    }

    /// One that keeps nothing.
    pub fn forgetful() -> Recorder {
        Recorder { forgets: true, ..Recorder::default() }
    }

    /// One in which this is recorded already.
    pub fn holding(history: History) -> Recorder {
        let recorder = Recorder::default();
        recorder.origin.set(history.origin).expect("once");
        *recorder.turns.lock().expect("turns") = history.turns;
        *recorder.checkpoint.lock().expect("a checkpoint") = history.checkpoint.map(|checkpoint| checkpoint.encode());
        recorder
    }

    /// What was recorded, through its encoded form.
    pub fn read(&self) -> History {
        let origin = self.origin.get().expect("a session with an origin").encode();
        let checkpoint = self.checkpoint.lock().expect("a checkpoint").clone();
        let checkpoint = checkpoint.map(|bytes| Checkpoint::decode(&bytes).expect("a checkpoint"));
        let since = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.turn);
        let turns = self.turns.lock().expect("turns");
        let turns = turns.iter().filter(|turn| turn.number > since);
        History {
            origin: Origin::decode(&origin).expect("an origin"),
            checkpoint,
            turns: turns.map(|turn| Turn::decode(&turn.encode()).expect("a turn")).collect(),
        }
    }

    pub fn turns(&self) -> Vec<Turn> {
        self.turns.lock().expect("turns").clone()
    }

    /// Waits until this finds something in the turns, which it must not ask for otherwise.
    pub async fn wait_for<T>(&self, what: &str, find: impl Fn(&[Turn]) -> Option<T>) -> T {
        let found = async {
            loop {
                let changed = self.changed.notified();
                let found = find(&self.turns.lock().expect("turns"));
                if let Some(found) = found {
                    return found;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(_) => panic!("no {what} in {:#?}", self.turns()),
        }
    }

    /// Waits for the first request that is like this.
    pub async fn asked(&self, what: &str, is_it: impl Fn(&Request) -> bool) -> RequestId {
        self.wait_for(what, |turns| {
            let mut requests = turns.iter().flat_map(|turn| &turn.requests);
            requests.find(|(_, request)| is_it(request)).map(|(id, _)| *id)
        })
        .await
    }

    /// What was told so far with `events.send`, in order: name and data.
    pub fn told(&self) -> Vec<(String, String)> {
        told(&self.turns.lock().expect("turns"))
    }
}

/// What these turns told with `events.send`.
pub fn told(turns: &[Turn]) -> Vec<(String, String)> {
    let requests = turns.iter().flat_map(|turn| &turn.requests);
    requests
        .filter_map(|(_, request)| match request {
            Request::SendEvent { name, data, .. } => Some((name.clone(), data.clone())),
            _ => None,
        })
        .collect()
}

/// A session with its turns.
pub struct Run {
    pub session: Session,
    pub recorder: Arc<Recorder>,
}

pub fn start(engine: &Engine, plugin: Plugin, id: &str) -> Run {
    start_with(engine, plugin, id, Recorder::default())
}

/// Begins a session that holds interaction `i1`.
pub fn start_with(engine: &Engine, plugin: Plugin, id: &str, recorder: Recorder) -> Run {
    let origin = Origin::new(vec![text("started-with", "this")], vec![interaction("i1")]);
    recorder.origin.set(origin.clone()).expect("once");
    run(engine, plugin, id, recorder, From::Origin(Box::new(origin)))
}

/// Has a session go on that this recorder holds.
pub fn resume(engine: &Engine, plugin: Plugin, id: &str, recorder: Recorder) -> Run {
    let history = recorder.read();
    let from = From::Journal { started_at: history.origin.started_at, resumed: history.standing().resumed() };
    run(engine, plugin, id, recorder, from)
}

fn run(engine: &Engine, plugin: Plugin, id: &str, recorder: Recorder, from: From) -> Run {
    let recorder = Arc::new(recorder);
    let journal = Arc::clone(&recorder) as Arc<dyn Journal>;
    let session = engine.start(SessionStart { id: id.into(), plugin, facts: Arc::new(SomeFacts), journal, from });
    Run { session, recorder }
}

/// The guest `driver` on the shared engine.
pub async fn driver(id: &str) -> Run {
    start(engine(), plugin("driver").await, id)
}

impl Run {
    /// Has the driver do this.
    pub fn tell(&self, name: &str, data: impl ToString) {
        let event = SessionEvent::Message { key: String::new(), name: name.into(), data: data.to_string() };
        self.session.deliver(event).expect("a session that takes events");
    }

    /// Has the driver do this, and waits for what it tells under the name.
    pub async fn ask(&self, name: &str, data: impl ToString) -> String {
        let before = self.count(name);
        self.tell(name, data);
        self.heard(name, before).await
    }

    /// How often something was told under the name.
    pub fn count(&self, name: &str) -> usize {
        self.recorder.told().iter().filter(|(told, _)| told == name).count()
    }

    /// Waits for what is told under the name, after this many.
    pub async fn heard(&self, name: &str, skip: usize) -> String {
        self.recorder
            .wait_for(name, |turns| {
                told(turns).into_iter().filter(|(told, _)| told == name).nth(skip).map(|(_, data)| data)
            })
            .await
    }

    /// Waits for its end.
    pub async fn ended(&self) -> SessionEnd {
        ended(&self.session).await
    }
}

pub async fn ended(session: &Session) -> SessionEnd {
    match tokio::time::timeout(PATIENCE, session.clone().ended()).await {
        Ok(end) => end,
        Err(_) => panic!("{session:?} does not end"),
    }
}
