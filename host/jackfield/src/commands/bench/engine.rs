//! What one session costs: to start, for each turn, and in memory while it waits.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jackfield_strategy::{
    Engine, From, Journal, NoFacts, Origin, Plugin, Recording, Session, SessionEvent, SessionStart, Settings, Turn,
};
use tokio::sync::watch;

use super::measure::{microseconds_each, process_cpu, resident_kib};
use super::{Aim, Figure};
use crate::cli::Bench;

/// Sessions of the start benchmark.
const STARTS: usize = 4_096;
/// So many of them are started before the first is waited for: a wake-up of another thread costs more
/// than a session, and is not what is measured.
const AT_ONCE: usize = 64;
/// Turns of the turn benchmark.
const TURNS: usize = 51_200;
/// Events handed to the session before its turns are waited for, for the same reason.
const EVENTS_AT_ONCE: usize = 512;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts turns; stands where the node does.
pub struct Counting(watch::Sender<u64>);

impl Counting {
    /// With a receiver of the number of turns so far.
    pub fn new() -> (Arc<Counting>, watch::Receiver<u64>) {
        let (sender, receiver) = watch::channel(0);
        (Arc::new(Counting(sender)), receiver)
    }
}

impl Journal for Counting {
    fn record(&self, turn: Turn) -> Recording<'_, ()> {
        self.0.send_replace(turn.number);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// An engine for so many live sessions.
pub fn engine(live: usize) -> anyhow::Result<Engine> {
    Ok(Engine::new(Settings { live, ..Settings::default() })?)
}

/// A guest of the folder of guests.
pub async fn guest(engine: &Engine, arguments: &Bench, name: &str) -> anyhow::Result<Plugin> {
    let path = arguments.guests.join(format!("{name}.wasm"));
    engine.load(&path).await.with_context(|| format!("{}; `cargo xtask guests` makes it", path.display()))
}

/// Start a session with nothing in hand.
pub fn start(engine: &Engine, plugin: &Plugin, journal: Arc<dyn Journal>) -> Session {
    engine.start(SessionStart {
        id: uuid::Uuid::now_v7().simple().to_string().into(),
        plugin: plugin.clone(),
        facts: Arc::new(NoFacts),
        journal,
        from: From::Origin(Box::new(Origin::new(Vec::new(), Vec::new()))),
    })
}

/// Wait until `turns` turns have ended.
pub async fn until(receiver: &mut watch::Receiver<u64>, turns: u64) -> anyhow::Result<()> {
    tokio::time::timeout(PATIENCE, receiver.wait_for(|number| *number >= turns))
        .await
        .context("a session is stuck")??;
    Ok(())
}

/// An event of that name that is not kept.
pub fn message(name: &str, data: &str) -> SessionEvent {
    SessionEvent::Message { key: String::new(), name: name.into(), data: data.into() }
}

/// From nothing to the end of the first turn; and away again, which is counted apart.
pub async fn instantiate(arguments: &Bench) -> anyhow::Result<Vec<Figure>> {
    let engine = engine(AT_ONCE * 2)?;
    let plugin = guest(&engine, arguments, "waits").await?;
    let (mut starting, mut ending) = (Duration::ZERO, Duration::ZERO);
    // The first round warms up.
    for measured in [false, true] {
        for _ in 0..STARTS / AT_ONCE {
            let before = process_cpu();
            let mut sessions = Vec::with_capacity(AT_ONCE);
            for _ in 0..AT_ONCE {
                let (turns, receiver) = Counting::new();
                sessions.push((start(&engine, &plugin, turns), receiver));
            }
            for (_, receiver) in &mut sessions {
                until(receiver, 1).await?;
            }
            let started = process_cpu();
            for (session, _) in &sessions {
                session.kill("measured");
            }
            for (session, _) in sessions {
                session.ended().await;
            }
            if measured {
                starting += started.saturating_sub(before);
                ending += process_cpu().saturating_sub(started);
            }
        }
    }
    Ok(vec![
        Figure {
            name: "instantiate and first call",
            value: microseconds_each(starting, STARTS),
            unit: "CPU µs",
            aim: Some(Aim::Under(40.0)),
        },
        Figure {
            name: "end of a session: kill and drop",
            value: microseconds_each(ending, STARTS),
            unit: "CPU µs",
            aim: None,
        },
    ])
}

/// A turn of a session that is there: an event in, nothing asked for, wait again. No disk.
pub async fn warm_turn(arguments: &Bench) -> anyhow::Result<Vec<Figure>> {
    let engine = engine(AT_ONCE * 2)?;
    let plugin = guest(&engine, arguments, "echo").await?;
    let (turns, mut receiver) = Counting::new();
    let session = start(&engine, &plugin, turns);
    until(&mut receiver, 1).await?;
    let (mut spent, mut own) = (Duration::ZERO, Duration::ZERO);
    let mut number = 1;
    for measured in [false, true] {
        let before = process_cpu();
        let own_before = session.cpu();
        for _ in 0..TURNS / EVENTS_AT_ONCE {
            for _ in 0..EVENTS_AT_ONCE {
                session.deliver(message("nudge", "1"))?;
                number += 1;
            }
            until(&mut receiver, number).await?;
        }
        if measured {
            spent = process_cpu().saturating_sub(before);
            own = session.cpu().saturating_sub(own_before);
        }
    }
    session.kill("measured");
    session.ended().await;
    Ok(vec![
        Figure {
            name: "warm turn",
            value: microseconds_each(spent, TURNS),
            unit: "CPU µs",
            aim: Some(Aim::Under(10.0)),
        },
        Figure {
            name: "warm turn: running the guest",
            value: microseconds_each(own, TURNS),
            unit: "CPU µs",
            aim: None,
        },
    ])
}

/// Resident memory of sessions that wait with their instances.
pub async fn memory(arguments: &Bench) -> anyhow::Result<Vec<Figure>> {
    let wanted = usize::try_from(arguments.sessions).unwrap_or(usize::MAX);
    let engine = engine(wanted)?;
    let count = wanted.min(engine.capacity());
    let plugin = guest(&engine, arguments, "waits").await?;
    let before = resident_kib();
    let mut sessions = Vec::with_capacity(count);
    for _ in 0..count {
        let (turns, mut receiver) = Counting::new();
        let session = start(&engine, &plugin, turns);
        until(&mut receiver, 1).await?;
        sessions.push(session);
    }
    let value = (resident_kib() - before) / count.max(1) as f64;
    for session in &sessions {
        session.kill("measured");
    }
    for session in sessions {
        session.ended().await;
    }
    Ok(vec![
        Figure { name: "resident memory of a live session", value, unit: "KiB", aim: Some(Aim::Under(80.0)) },
        Figure { name: "sessions waiting meanwhile", value: count as f64, unit: "sessions", aim: None },
    ])
}
