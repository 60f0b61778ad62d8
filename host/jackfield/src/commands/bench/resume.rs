//! How long a passive session takes to come back: from an event, over reading its turns from the journal,
//! a fresh instance and all turns happening again, to the end of its new turn. And what it costs to have fewer turns to
//! do again: a checkpoint in each, of several sizes, beside none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use jackfield_journal::{Entry, Journal, SessionRow, Urgency};
use jackfield_strategy::{
    Engine, From, History, Journal as Recorder, JournalError, NoFacts, Origin, Plugin, Recording, Session,
    SessionStart, Turn,
};
use tokio::sync::watch;

use super::engine::{engine, guest, message, until};
use super::measure::percentile;
use super::throughput::{fresh, open_journal};
use super::{Aim, Figure};
use crate::cli::Bench;

/// Sessions that are measured, each once.
const SESSIONS: usize = 1_000;
/// And where they have very many turns, or large ones.
const LARGE_SESSIONS: usize = 50;
/// And where each of their turns does all those before again, as it is made.
const LONG_SESSIONS: usize = 5;
/// Events a session has had when it is measured; its first turn is one more.
const INPUTS: u64 = 20;
/// Sessions whose events are handed over together while the turns are made.
const AT_ONCE: usize = 100;

/// p50 and p99 of a session without checkpoint.
pub async fn resume(arguments: &Bench) -> anyhow::Result<Vec<Figure>> {
    let mut times = Case { sessions: SESSIONS, ..Case::default() }.resume(arguments).await?;
    let p50 = percentile(&mut times, 50);
    Ok(vec![
        Figure { name: "resume of a passive session, 20 inputs: p50", value: p50, unit: "µs", aim: None },
        Figure {
            name: "resume of a passive session, 20 inputs: p99",
            value: percentile(&mut times, 99),
            unit: "µs",
            aim: Some(Aim::Under(1_000.0)),
        },
    ])
}

/// What a checkpoint in each turn costs, and what it saves: by this a runtime for strategies chooses when it makes one.
pub async fn checkpoint(arguments: &Bench) -> anyhow::Result<Vec<Figure>> {
    let figure = |name, value| Figure { name, value, unit: "µs", aim: None };
    let mut figures = Vec::new();
    for (checkpoint, turn, resume) in [
        (None, "a turn without checkpoint", "resume after 20 turns"),
        (Some(100), "a turn with a checkpoint of 100 B", "resume from a checkpoint of 100 B"),
        (Some(1 << 10), "a turn with a checkpoint of 1 KiB", "resume from a checkpoint of 1 KiB"),
        (Some(8 << 10), "a turn with a checkpoint of 8 KiB", "resume from a checkpoint of 8 KiB"),
        (Some(64 << 10), "a turn with a checkpoint of 64 KiB", "resume from a checkpoint of 64 KiB"),
    ] {
        let case = Case { checkpoint, ..Case::default() };
        figures.push(figure(turn, case.turn(arguments).await?));
        figures.push(figure(resume, percentile(&mut case.resume(arguments).await?, 50)));
    }
    for (inputs, resume) in [(100, "resume after 100 turns"), (900, "resume after 900 turns")] {
        let case = Case { inputs, sessions: LONG_SESSIONS, ..Case::default() };
        figures.push(figure(resume, percentile(&mut case.resume(arguments).await?, 50)));
    }
    Ok(figures)
}

/// What is measured.
struct Case {
    sessions: usize,
    /// Events of each before it is measured.
    inputs: u64,
    /// Bytes of the checkpoint that it makes in each turn; none: it makes none.
    checkpoint: Option<usize>,
}

impl Default for Case {
    fn default() -> Self {
        Case { sessions: LARGE_SESSIONS, inputs: INPUTS, checkpoint: None }
    }
}

impl Case {
    /// Microseconds of each session's way back.
    async fn resume(&self, arguments: &Bench) -> anyhow::Result<Vec<f64>> {
        // No instance outlives its turn.
        let mut scene = Scene::open(arguments, self, 0).await?;
        let times = scene.resume(self).await;
        scene.close().await;
        times
    }

    /// Microseconds of one turn with its record on disk, while very many are made by live instances.
    async fn turn(&self, arguments: &Bench) -> anyhow::Result<f64> {
        let mut scene = Scene::open(arguments, self, self.sessions).await?;
        let made = scene.turns(self).await;
        scene.close().await;
        let turns = u32::try_from(self.sessions).unwrap_or(u32::MAX) * u32::try_from(self.inputs).unwrap_or(u32::MAX);
        Ok((made? / turns).as_secs_f64() * 1e6)
    }
}

/// Sessions that have had their first turns.
struct Scene {
    journal: Journal,
    sessions: Vec<(Session, watch::Receiver<u64>)>,
    /// The turns each has had.
    had: u64,
}

impl Scene {
    async fn open(arguments: &Bench, case: &Case, live: usize) -> anyhow::Result<Scene> {
        let path = fresh(&arguments.folder, "resume-journal.db")?;
        let journal = open_journal(&path).await?;
        let engine = engine(live)?;
        let name = if case.checkpoint.is_some() { "checkpoints" } else { "counts" };
        let plugin = guest(&engine, arguments, name).await?;
        let mut scene = Scene { journal, sessions: Vec::with_capacity(case.sessions), had: 1 };
        for _ in 0..case.sessions {
            scene.sessions.push(begin(&scene.journal, &engine, &plugin).await);
        }
        if let Some(bytes) = case.checkpoint {
            scene.tell("size", &bytes.to_string(), 1).await?;
        }
        Ok(scene)
    }

    /// Each gets so many of these, and has had its turns for them.
    async fn tell(&mut self, name: &str, data: &str, times: u64) -> anyhow::Result<()> {
        self.had += times;
        for some in self.sessions.chunks_mut(AT_ONCE) {
            for (session, _) in &*some {
                for _ in 0..times {
                    session.deliver(message(name, data))?;
                }
            }
            for (_, turns) in some {
                until(turns, self.had).await?;
            }
        }
        Ok(())
    }

    /// The turns that are made before a session is measured, to the last on disk.
    async fn turns(&mut self, case: &Case) -> anyhow::Result<Duration> {
        let began = Instant::now();
        self.tell("add", "1", case.inputs).await?;
        self.journal.append(Vec::new(), Urgency::Now).await.await?;
        Ok(began.elapsed())
    }

    async fn resume(&mut self, case: &Case) -> anyhow::Result<Vec<f64>> {
        // Everything is on disk, as it is of a session that has waited for a while.
        self.turns(case).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut times = Vec::with_capacity(self.sessions.len());
        for (session, turns) in &mut self.sessions {
            let delivered = Instant::now();
            session.deliver(message("add", "1"))?;
            until(turns, self.had + 1).await?;
            times.push(delivered.elapsed().as_secs_f64() * 1e6);
        }
        Ok(times)
    }

    async fn close(self) {
        for (session, _) in &self.sessions {
            session.kill("measured");
        }
        for (session, _) in self.sessions {
            session.ended().await;
        }
        self.journal.close().await;
    }
}

async fn begin(journal: &Journal, engine: &Engine, plugin: &Plugin) -> (Session, watch::Receiver<u64>) {
    let id: Arc<str> = uuid::Uuid::now_v7().simple().to_string().into();
    let origin = Origin::new(Vec::new(), Vec::new());
    let row = SessionRow {
        id: id.clone(),
        strategy: "Counts".into(),
        plugin: plugin.name().into(),
        version: plugin.version().into(),
        digest: plugin.digest().into(),
        server: "bench".into(),
        interaction: String::new(),
        started_at: i64::try_from(origin.started_at).unwrap_or(0),
        origin: origin.encode(),
    };
    drop(journal.append(vec![Entry::Begin(row)], Urgency::Lazy).await);
    let (sender, turns) = watch::channel(0);
    let session = engine.start(SessionStart {
        id,
        plugin: plugin.clone(),
        facts: Arc::new(NoFacts),
        journal: Arc::new(OnDisk { journal: journal.clone(), turns: sender }),
        from: From::Origin(Box::new(origin)),
    });
    (session, turns)
}

/// Records to a journal on disk, as the node does, and counts the turns.
struct OnDisk {
    journal: Journal,
    turns: watch::Sender<u64>,
}

impl OnDisk {
    async fn read(&self, session: &str) -> anyhow::Result<History> {
        let stored = self.journal.history(session).await?.context("it is not recorded")?;
        let checkpoint = stored.checkpoint.as_ref().map(|checkpoint| checkpoint.record.as_slice());
        let records = stored.records.iter().map(|(_, record)| record.as_slice());
        Ok(History::decode(&stored.row.origin, checkpoint, records)?)
    }
}

impl Recorder for OnDisk {
    fn record(&self, turn: Turn) -> Recording<'_, ()> {
        Box::pin(async move {
            let entry = Entry::Turn {
                session: Arc::clone(&turn.session),
                number: turn.number,
                record: turn.encode(),
                due_at: None,
                checkpoint: turn.checkpoint.as_ref().map(|checkpoint| checkpoint.encode()),
                taken: None,
                sends: Vec::new(),
            };
            drop(self.journal.append(vec![entry], Urgency::Lazy).await);
            self.turns.send_replace(turn.number);
            Ok(())
        })
    }

    fn history<'a>(&'a self, session: &'a str) -> Recording<'a, History> {
        Box::pin(async move { self.read(session).await.map_err(|error| JournalError(format!("{error:#}"))) })
    }

    fn keeps(&self) -> bool {
        true
    }
}
