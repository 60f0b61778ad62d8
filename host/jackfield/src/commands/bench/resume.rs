//! How long a passive session takes to come back: from an event, over reading its turns from the journal,
//! a fresh instance and all turns happening again, to the end of its new turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use jackfield_journal::{Entry, Journal, SessionRow, Urgency};
use jackfield_strategy::{
    Engine, From, History, Journal as Recorder, JournalError, Origin, Plugin, Recording, Session, SessionStart, Turn,
};
use tokio::sync::watch;

use super::engine::{Nothing, engine, guest, message, until};
use super::measure::percentile;
use super::throughput::{fresh, open_journal};
use super::{Aim, Figure};
use crate::cli::Bench;

/// Sessions that are measured, each once.
const SESSIONS: usize = 1_000;
/// Turns a session has had when it is measured: its first, and one for each event.
const RECORDED: u64 = 21;
/// Sessions whose events are handed over together while the turns are made.
const AT_ONCE: usize = 100;

/// p50 and p99.
pub async fn resume(arguments: &Bench) -> anyhow::Result<Vec<Figure>> {
    let path = fresh(&arguments.folder, "resume-journal.db")?;
    let journal = open_journal(&path).await?;
    // No instance outlives its turn.
    let engine = engine(0)?;
    let plugin = guest(&engine, arguments, "counts").await?;
    let measured = measure(&journal, &engine, &plugin).await;
    journal.close().await;
    let mut times = measured?;
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

async fn measure(journal: &Journal, engine: &Engine, plugin: &Plugin) -> anyhow::Result<Vec<f64>> {
    let mut sessions = Vec::with_capacity(SESSIONS);
    for _ in 0..SESSIONS {
        sessions.push(begin(journal, engine, plugin).await);
    }
    for some in sessions.chunks_mut(AT_ONCE) {
        for (session, _) in &*some {
            for _ in 1..RECORDED {
                session.deliver(message("add"))?;
            }
        }
        for (_, turns) in some {
            until(turns, RECORDED).await?;
        }
    }
    // Everything is on disk, as it is of a session that has waited for a while.
    journal.append(Vec::new(), Urgency::Now).await.await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut times = Vec::with_capacity(SESSIONS);
    for (session, turns) in &mut sessions {
        let delivered = Instant::now();
        session.deliver(message("add"))?;
        until(turns, RECORDED + 1).await?;
        times.push(delivered.elapsed().as_secs_f64() * 1e6);
    }
    for (session, _) in &sessions {
        session.kill("measured");
    }
    for (session, _) in sessions {
        session.ended().await;
    }
    Ok(times)
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
        facts: Arc::new(Nothing),
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
        // The strategy that is measured makes no checkpoints.
        Ok(History::decode(&stored.row.origin, None, stored.records.iter().map(|(_, record)| record.as_slice()))?)
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
                checkpoint: None,
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
