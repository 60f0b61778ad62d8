//! `jackfield scxml run`: a document alone, in the sandbox, on a clock that only moves when it is told to.
//!
//! It is converted and started as a node would start it. What it does is recorded, and then looked at, which shows its log:
//! the runtime writes there what a session was asked to show of itself (`sdk/scxml-runtime/component`, *trace*).

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use jackfield_strategy::contract::{Failure, KvPair, KvValue, Level, RequestId};
use jackfield_strategy::{
    EndReason, Engine, From, History, Input, Journal, Look, NoFacts, Origin, Plugin, Recording, Request, Session,
    SessionEvent, SessionStart, Settings, Step, Turn,
};
use serde_json::{Value as Json, json};

use crate::cli::{Global, ScxmlRun};
use crate::documents;
use crate::exit::Exit;
use crate::output;

/// What asks a converted document to show itself.
const TRACE: &str = "jackfield.trace";
/// How its lines of macrosteps begin.
const MACROSTEP: &str = "macrostep ";
/// How those of steps of the engine begin.
const METRIC: &str = "METRIC ";
/// When its clock begins: 2026-01-01T00:00:00Z.
const BEGINS: Duration = Duration::from_secs(1_767_225_600);
/// How long one turn may take, by the clock on the wall.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks whether it waits.
const LOOKS_EVERY: Duration = Duration::from_micros(50);
/// Times that `--until-idle` goes to the next delayed event.
const DELAYED_MOST: usize = 10_000;
/// How everything fails that is asked for: code and name, as of a session that is not there.
const NOTHING_OUTSIDE: (u32, &str) = (2_005, "session_unknown");
/// Id of the session.
const SESSION: &str = "run";

/// Run it, and show what it does.
///
/// # Errors
/// It cannot be opened, or the engine cannot be set up. That the document is wrong, or fails, is a result.
pub async fn run(global: &Global, arguments: ScxmlRun) -> anyhow::Result<Exit> {
    let document = documents::open(&arguments.file, &arguments.reading.of(true))?;
    let (made, problems) = document.plugin(None, None);
    let Some(made) = made else {
        let problems = [document.opened.problems.as_slice(), &problems].concat();
        output::complain(document.report(&problems, output::is_terminal_error()).trim_end());
        output::complain(&format!("error: {} cannot be loaded", arguments.file.display()));
        return Ok(Exit::Configuration);
    };
    let engine = Engine::new(Settings { live: 2, code_cache: code_cache(), ..Settings::default() })?;
    if code_cache().is_none_or(|folder| !folder.exists()) && !global.json {
        output::complain("compiling the runtime of documents, which takes a while the first time");
    }
    let plugin = engine.load_bytes(&arguments.file.display().to_string(), &made.bytes).await?;
    // A runtime of its own, whose clock stands still.
    let seen = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
        runtime.block_on(Stage { engine, plugin, arguments }.play())
    });
    show(seen.await??)
}

/// Compiled code is kept for the next time, where the user has a folder for such things.
fn code_cache() -> Option<PathBuf> {
    let of_user = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let of_home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let folder = of_user.filter(|folder| folder.is_absolute()).or_else(of_home)?.join("jackfield");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("code"))
}

/// What was seen.
struct Seen {
    steps: Vec<Step>,
    /// How it ended; none: it waits.
    end: Option<EndReason>,
    /// Log of the turn in which it failed is not recorded; its reason is.
    is_cut: bool,
}

struct Stage {
    engine: Engine,
    plugin: Plugin,
    arguments: ScxmlRun,
}

impl Stage {
    async fn play(self) -> anyhow::Result<Seen> {
        let Stage { engine, plugin, arguments } = self;
        let clock = Rc::new(Clock { begins: tokio::time::Instant::now(), drawn: Cell::new(0) });
        let _leave = jackfield_world::enter(clock.clone());
        // While something blocks, the clock does not go on by itself.
        let (held, hold) = std::sync::mpsc::channel::<()>();
        let holding = tokio::task::spawn_blocking(move || hold.recv());
        let trace = if arguments.trace { "steps" } else { "macrosteps" };
        let parameters = vec![KvPair { key: TRACE.into(), value: KvValue::Text(trace.into()) }];
        let origin = Origin::new(parameters, Vec::new());
        let recorder = Arc::new(Recorder::default());
        let session = engine.start(SessionStart {
            id: SESSION.into(),
            plugin: plugin.clone(),
            facts: Arc::new(NoFacts),
            journal: recorder.clone(),
            from: From::Origin(Box::new(origin.clone())),
        });
        let mut actor = Actor { session, recorder, clock, answered: 0 };
        actor.act(&arguments).await?;
        let end = actor.session.end().map(|end| end.reason);
        actor.session.kill("seen");
        let history = History { origin, checkpoint: None, turns: actor.recorder.turns() };
        let looked = engine.look(Look { session: SESSION.into(), plugin, history, failed: None }).await;
        drop(held);
        let _ = holding.await;
        if let Some(difference) = looked.difference {
            bail!("the document does not do the same twice: {difference}");
        }
        Ok(Seen { steps: looked.steps, end, is_cut: actor.recorder.count() >= DELAYED_MOST })
    }
}

/// Tells the session what happens, and waits until it waits.
struct Actor {
    session: Session,
    recorder: Arc<Recorder>,
    clock: Rc<Clock>,
    /// Turns whose requests are answered.
    answered: usize,
}

impl Actor {
    async fn act(&mut self, arguments: &ScxmlRun) -> anyhow::Result<()> {
        self.turn(1).await?;
        for event in &arguments.events {
            let (name, data) = event.split_once('=').unwrap_or((event, "null"));
            let message = SessionEvent::Message { key: String::new(), name: name.into(), data: data.into() };
            let next = self.recorder.count() + 1;
            if self.session.deliver(message).is_err() {
                return Ok(());
            }
            self.turn(next).await?;
        }
        if let Some(time) = arguments.advance {
            let until = self.clock.now_ms() + u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            while let Some(due) = self.due().filter(|due| *due <= until) {
                self.go_to(due).await?;
            }
            self.clock.advance_to(until).await;
        }
        if arguments.until_idle {
            for _ in 0..DELAYED_MOST {
                let Some(due) = self.due() else { break };
                self.go_to(due).await?;
            }
        }
        Ok(())
    }

    /// When it goes on by itself.
    fn due(&self) -> Option<u64> {
        if self.session.end().is_some() { None } else { self.recorder.last_due() }
    }

    async fn go_to(&mut self, due: u64) -> anyhow::Result<()> {
        let next = self.recorder.count() + 1;
        self.clock.advance_to(due).await;
        self.turn(next).await
    }

    /// Waits until it has taken so many turns, or has ended.
    async fn turn(&mut self, number: usize) -> anyhow::Result<()> {
        // By the clock on the wall: the other one stands still, and nothing can be waited for by it.
        let begun = std::time::Instant::now();
        while self.recorder.count() < number && self.session.end().is_none() {
            if begun.elapsed() > PATIENCE {
                bail!("a turn of the document takes longer than {} s", PATIENCE.as_secs());
            }
            tokio::task::yield_now().await;
            std::thread::sleep(LOOKS_EVERY);
        }
        Box::pin(self.answer()).await
    }

    /// There is nothing outside: all that was asked for and not answered yet fails, which may lead to more.
    async fn answer(&mut self) -> anyhow::Result<()> {
        let requests = self.recorder.requests_after(std::mem::replace(&mut self.answered, self.recorder.count()));
        for request in requests {
            let failure = Failure {
                code: NOTHING_OUTSIDE.0,
                name: NOTHING_OUTSIDE.1.into(),
                description: "there is nothing outside of this document".into(),
            };
            let next = self.recorder.count() + 1;
            if self.session.deliver(SessionEvent::RequestFailed { request, failure }).is_err() {
                return Ok(());
            }
            self.turn(next).await?;
        }
        Ok(())
    }
}

/// A clock that goes where it is told to.
struct Clock {
    begins: tokio::time::Instant,
    drawn: Cell<u8>,
}

impl Clock {
    fn now_ms(&self) -> u64 {
        u64::try_from(jackfield_world::World::wall(self).as_millis()).unwrap_or(u64::MAX)
    }

    async fn advance_to(&self, at: u64) {
        tokio::time::advance(Duration::from_millis(at.saturating_sub(self.now_ms()))).await;
    }
}

impl jackfield_world::World for Clock {
    fn wall(&self) -> Duration {
        BEGINS + self.begins.elapsed()
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.drawn.set(self.drawn.get().wrapping_add(1));
        bytes.fill(self.drawn.get());
    }
}

/// Keeps what is recorded in memory.
#[derive(Default)]
struct Recorder(Mutex<Vec<Turn>>);

impl Recorder {
    fn turns(&self) -> Vec<Turn> {
        self.lock().clone()
    }

    fn count(&self) -> usize {
        self.lock().len()
    }

    fn last_due(&self) -> Option<u64> {
        self.lock().last().and_then(|turn| turn.due_at)
    }

    fn requests_after(&self, turns: usize) -> Vec<RequestId> {
        let recorded = self.lock();
        recorded.iter().skip(turns).flat_map(|turn| &turn.requests).map(|(id, _)| *id).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Turn>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for Recorder {
    fn record(&self, turn: Turn) -> Recording<'_, ()> {
        self.lock().push(turn);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// One line of JSON for each macrostep; what the document logs goes beside it.
fn show(seen: Seen) -> anyhow::Result<Exit> {
    for step in &seen.steps {
        for (level, line) in &step.log {
            if let Some(macrostep) = line.strip_prefix(MACROSTEP) {
                output::line(macrostep_of(&step.turn, macrostep)?.to_string())?;
            } else if line.starts_with(METRIC) {
                output::line(line)?;
            } else {
                output::complain(&format!("{}: {line}", named(*level)));
            }
        }
    }
    if seen.is_cut {
        output::complain(&format!("stopped after {DELAYED_MOST} delayed events"));
    }
    Ok(match seen.end {
        None | Some(EndReason::Finished) => Exit::Done,
        Some(reason) => {
            output::complain(&format!("error: the document failed: {reason}"));
            Exit::Partly
        }
    })
}

fn named(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "log",
        Level::Debug | Level::Trace => "debug",
    }
}

/// What the runtime tells, with what began it, when that was, and what it asked for.
fn macrostep_of(turn: &Turn, text: &str) -> anyhow::Result<Json> {
    let said: Json = serde_json::from_str(text).context("the runtime tells what is not JSON")?;
    let event = match &turn.input {
        Input::Event(SessionEvent::Message { name, .. }) => Json::from(name.as_str()),
        Input::Timer(_) => Json::from("(delayed)"),
        Input::Start => Json::from("(start)"),
        Input::Event(SessionEvent::RequestFailed { .. }) => Json::from("(failed)"),
        other => Json::from(format!("{other:?}")),
    };
    let begins = u64::try_from(BEGINS.as_millis()).unwrap_or(0);
    let mut line = json!({ "at": turn.clock.wall_ms().saturating_sub(begins), "event": event });
    let sent = turn.requests.iter().map(|(_, request)| match request {
        Request::SendEvent { session, name, data } => json!({ "event": name, "session": session, "data": data }),
        other => Json::from(other.to_string()),
    });
    let sent: Vec<Json> = sent.collect();
    if let (Some(line), Json::Object(said)) = (line.as_object_mut(), said) {
        line.extend(said);
        line.insert("sent".to_owned(), Json::from(sent));
    }
    Ok(line)
}
