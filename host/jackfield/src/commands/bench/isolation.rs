//! Whether neighbours who misbehave are felt, by sessions that do nothing wrong: alone, and beside
//! sessions that loop, eat memory, trap and flood. Measured twice: the time from an event to the end of
//! its turn, in the engine alone; and the way of a whole interaction, from submit to stopped.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use jackfield_link::{Client, Endpoint, InProcess};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::{ClientType, ReportingName, RequestStartReporting, RequestSubmit};
use jackfield_strategy::{Engine, Plugin, Session, SessionEvent, Turn, TurnError, Turns};

use tokio::sync::mpsc;

use super::engine::{Counting, engine, guest, start};
use super::throughput::{PATIENCE, SITE, email, open, start_node};
use super::{Aim, Figure};
use crate::cli::Bench;
use crate::connect::registration;

/// Sessions that are measured.
const GOOD: usize = 50;
/// Time each state is measured for.
const FOR: Duration = Duration::from_secs(4);
/// Pause of a good session between two events, and of a hostile one before it comes again.
const PAUSE: Duration = Duration::from_millis(5);
/// Pause between two interactions of the measured strategy.
const INTERACTION_EVERY: Duration = Duration::from_millis(5);
/// For so many of them, one comes to each hostile strategy.
const HOSTILE_ONE_IN: usize = 20;
/// The neighbours; each comes again when it was ended, as often as a good session gets an event.
const HOSTILE: [&str; 4] = ["hostile_loop", "hostile_memory", "hostile_trap", "hostile_flood"];

/// p99 of a turn: alone, beside each hostile neighbour, and beside all of them.
pub async fn isolation(arguments: &Bench) -> anyhow::Result<Vec<Figure>> {
    let engine = engine(GOOD + HOSTILE.len() + 8)?;
    let good = guest(&engine, arguments, "echo").await?;
    let mut hostile = Vec::new();
    for name in HOSTILE {
        hostile.push(guest(&engine, arguments, name).await?);
    }
    let alone = p99(&engine, &good, &[]).await?;
    let beside = p99(&engine, &good, &hostile).await?;
    let (whole_alone, whole_beside) = (interactions(arguments, &[]).await?, interactions(arguments, &HOSTILE).await?);
    let mut figures = vec![
        Figure { name: "p99 of an interaction, alone", value: whole_alone, unit: "µs", aim: None },
        Figure { name: "p99 of an interaction, hostile neighbours", value: whole_beside, unit: "µs", aim: None },
        Figure {
            name: "isolation of interactions: ratio",
            value: whole_beside / whole_alone.max(f64::EPSILON),
            unit: "x",
            aim: Some(Aim::Under(2.0)),
        },
        Figure { name: "p99 of a turn, alone", value: alone, unit: "µs", aim: None },
        Figure { name: "p99 of a turn, hostile neighbours", value: beside, unit: "µs", aim: None },
        Figure {
            name: "isolation of turns: ratio",
            value: beside / alone.max(f64::EPSILON),
            unit: "x",
            aim: Some(Aim::Under(2.0)),
        },
    ];
    for ((name, whole), plugin) in HOSTILE.into_iter().zip(WHOLE).zip(hostile) {
        figures.push(Figure { name: whole, value: interactions(arguments, &[name]).await?, unit: "µs", aim: None });
        figures.push(Figure { name, value: p99(&engine, &good, &[plugin]).await?, unit: "µs", aim: None });
    }
    Ok(figures)
}

/// What the figures of whole interactions beside one of them are called.
const WHOLE: [&str; 4] = [
    "interactions, hostile_loop",
    "interactions, hostile_memory",
    "interactions, hostile_trap",
    "interactions, hostile_flood",
];

/// Takes the time of each turn of one session, from its event to its end.
#[derive(Default)]
struct Stopwatch(Mutex<Times>);

#[derive(Default)]
struct Times {
    delivered: Option<Instant>,
    turns: Vec<f64>,
}

impl Stopwatch {
    /// Unless the turn before has not ended yet.
    fn begin(&self) -> bool {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = times.delivered.is_none();
        times.delivered.get_or_insert_with(Instant::now);
        idle
    }
}

impl Turns for Stopwatch {
    fn commit(&self, _turn: Turn) -> Pin<Box<dyn Future<Output = Result<(), TurnError>> + Send + '_>> {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(delivered) = times.delivered.take() {
            times.turns.push(delivered.elapsed().as_secs_f64() * 1e6);
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

async fn p99(engine: &Engine, good: &Plugin, hostile: &[Plugin]) -> anyhow::Result<f64> {
    let over = Arc::new(AtomicBool::new(false));
    let mut neighbours = tokio::task::JoinSet::new();
    for plugin in hostile {
        neighbours.spawn(come_again(engine.clone(), plugin.clone(), over.clone()));
    }
    let mut sessions = Vec::with_capacity(GOOD);
    for _ in 0..GOOD {
        let stopwatch = Arc::new(Stopwatch::default());
        sessions.push((start(engine, good, stopwatch.clone()).await, stopwatch));
    }
    let sessions = tokio::task::spawn_blocking(move || nudge_in_turn(sessions)).await??;
    let mut times = Vec::new();
    for (session, stopwatch) in sessions {
        session.kill("measured");
        session.ended().await;
        times.append(&mut stopwatch.0.lock().unwrap_or_else(PoisonError::into_inner).turns);
    }
    over.store(true, Ordering::Relaxed);
    neighbours.join_all().await;
    Ok(percentile_99(times))
}

fn percentile_99(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    let index = (times.len() * 99).div_ceil(100).saturating_sub(1);
    times.get(index).copied().unwrap_or(0.0)
}

/// p99 of an interaction from its submit to the report that it was stopped, with a strategy for each of
/// these guests beside. A hostile interaction is tried until it is put aside as poison, like any other.
async fn interactions(arguments: &Bench, hostile: &[&str]) -> anyhow::Result<f64> {
    let (site, server) = open(arguments, "isolation.db", &site_with(hostile)).await?;
    let endpoint = Endpoint::InProcess(InProcess::new(server.in_process()));
    let node = start_node(arguments, &site, &endpoint, hostile).await?;
    let (submitter, _) = Client::connect(&endpoint, registration("submit", ClientType::Proxy)).await?;
    let (watcher, events) = Client::connect(&endpoint, registration("watch", ClientType::ReportingEngine)).await?;
    let reporting = RequestStartReporting { interactions: true, ..RequestStartReporting::default() };
    watcher.request(Request::StartReporting(reporting)).await?;
    let stopped = tokio::spawn(watch(events));

    let mut submitted = Vec::new();
    let mut every = tokio::time::interval(INTERACTION_EVERY);
    let end = Instant::now() + FOR;
    while Instant::now() < end {
        every.tick().await;
        if submitted.len() % HOSTILE_ONE_IN == 0 {
            for guest in hostile {
                submitter.send(Request::Submit(email(guest)), "").await?;
            }
        }
        let id = format!("{:016}", submitted.len());
        let request = RequestSubmit { interaction_id: id.clone(), ..email("in") };
        submitted.push((id, Instant::now()));
        submitter.send(Request::Submit(request), "").await?;
    }
    // Those that are still on their way are the slowest: they are waited for.
    let limit = Instant::now() + PATIENCE;
    while node.status().counters.finished < submitted.len() as u64 {
        anyhow::ensure!(Instant::now() < limit, "the interactions are not all stopped in time");
        tokio::time::sleep(PAUSE).await;
    }
    node.shutdown(Duration::from_secs(2)).await;
    watcher.leave().await;
    let stopped = stopped.await?;
    server.shutdown().await;
    let mut times = Vec::with_capacity(submitted.len());
    for (id, at) in submitted {
        let stopped = stopped.get(&id).with_context(|| format!("nothing was reported of {id}"))?;
        times.push(stopped.saturating_duration_since(at).as_secs_f64() * 1e6);
    }
    Ok(percentile_99(times))
}

/// When each interaction was stopped.
async fn watch(mut events: mpsc::Receiver<Event>) -> HashMap<String, Instant> {
    let mut stopped = HashMap::new();
    while let Some(event) = events.recv().await {
        if let Event::Reporting(report) = event
            && report.name() == ReportingName::ProcessingStopped
        {
            stopped.insert(report.interaction_id, Instant::now());
        }
    }
    stopped
}

/// The site of the benchmarks, with a queue and a strategy for each of these guests.
fn site_with(guests: &[&str]) -> String {
    let mut site = SITE.replace("poison-queue = \"in\"", "poison-queue = \"poison\"");
    site.push_str("[[queue]]\nname = \"poison\"\n");
    for name in guests {
        site.push_str(&format!(
            "[[queue]]\nname = \"{name}\"\n[[view]]\nname = \"{name}\"\nqueue = \"{name}\"\n\
             [[submitter]]\nname = \"{name}\"\nview = \"{name}\"\nstrategy = \"{name}\"\n\
             [[strategy]]\nname = \"{name}\"\nplugin = \"{name}\"\n"
        ));
    }
    site
}

async fn come_again(engine: Engine, plugin: Plugin, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        let (turns, _receiver) = Counting::new();
        let session = start(&engine, &plugin, turns).await;
        // Some wait for a first event before they misbehave; one that is gone already is fine.
        let _ = session.deliver(SessionEvent::Message { name: "go".into(), data: "{}".into() });
        if tokio::time::timeout(Duration::from_secs(2), session.clone().ended()).await.is_err() {
            session.kill("measured");
            session.ended().await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// From a thread of its own: events come when they come, whatever the runtime's threads are doing.
fn nudge_in_turn(sessions: Vec<(Session, Arc<Stopwatch>)>) -> anyhow::Result<Vec<(Session, Arc<Stopwatch>)>> {
    let end = Instant::now() + FOR;
    let pause = PAUSE / u32::try_from(sessions.len().max(1))?;
    while Instant::now() < end {
        for (session, stopwatch) in &sessions {
            if stopwatch.begin() {
                session.deliver(SessionEvent::Message { name: "nudge".into(), data: "{}".into() })?;
            }
            std::thread::sleep(pause);
        }
    }
    Ok(sessions)
}
