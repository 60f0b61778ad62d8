//! Whether neighbours who misbehave are felt, by sessions that do nothing wrong: alone, and beside
//! sessions that loop, eat memory, trap and flood. Measured twice: the time from an event to the end of
//! its turn, in the engine alone; and the way of a whole interaction, from submit to stopped. The latter
//! also beside as many neighbours who behave: what of the difference is work, and what is misbehaviour.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use jackfield_link::{Client, Endpoint, InProcess};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::{ClientType, ReportingName, RequestStartReporting, RequestSubmit};
use jackfield_strategy::{Engine, Journal, Plugin, Recording, Session, Turn};
use tokio::sync::mpsc;

use super::engine::{Counting, engine, guest, message, start};
use super::measure::percentile;
use super::throughput::{NO_PORT, PATIENCE, TRIAGE, email, open, start_node};
use super::{Aim, Figure};
use crate::cli::Bench;
use crate::connect::registration;
use crate::small_site::small_site;

/// Sessions that are measured.
const GOOD: usize = 50;
/// Time each state is measured for.
const FOR: Duration = Duration::from_secs(3);
/// So often each state is measured, all of them in turn, so that what else happens on the machine meets
/// them alike. The median counts.
const ROUNDS: usize = 3;
/// Pause of a good session between two events, and of a hostile one before it comes again.
const PAUSE: Duration = Duration::from_millis(5);
/// Pause between two interactions of the measured strategy.
const INTERACTION_EVERY: Duration = Duration::from_millis(5);
/// For so many of them, one comes to each neighbour.
const NEIGHBOUR_ONE_IN: usize = 20;
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
    let behaving = HOSTILE.map(|queue| Neighbour { queue, plugin: "triage" });
    let misbehaving = HOSTILE.map(Neighbour::hostile);
    let [mut turn_alone, mut turn_beside, mut alone, mut beside_others, mut beside] = <[Vec<f64>; 5]>::default();
    for _ in 0..ROUNDS {
        turn_alone.push(p99(&engine, &good, &[]).await?);
        turn_beside.push(p99(&engine, &good, &hostile).await?);
        alone.push(interactions(arguments, &[]).await?);
        beside_others.push(interactions(arguments, &behaving).await?);
        beside.push(interactions(arguments, &misbehaving).await?);
    }
    let [turn_alone, turn_beside, alone, beside_others, beside] =
        [turn_alone, turn_beside, alone, beside_others, beside].map(|mut times| percentile(&mut times, 50));
    let within_twice = |name, beside: f64, alone: f64| {
        let value = beside / alone.max(f64::EPSILON);
        Figure { name, value, unit: "x", aim: Some(Aim::Under(2.0)) }
    };
    let mut figures = vec![
        Figure { name: "p99 of an interaction, alone", value: alone, unit: "µs", aim: None },
        Figure { name: "p99 of an interaction, neighbours who behave", value: beside_others, unit: "µs", aim: None },
        Figure { name: "p99 of an interaction, hostile neighbours", value: beside, unit: "µs", aim: None },
        within_twice("isolation of interactions: ratio to alone", beside, alone),
        Figure { name: "p99 of a turn, alone", value: turn_alone, unit: "µs", aim: None },
        Figure { name: "p99 of a turn, hostile neighbours", value: turn_beside, unit: "µs", aim: None },
        within_twice("isolation of turns: ratio to alone", turn_beside, turn_alone),
    ];
    for ((name, whole), plugin) in HOSTILE.into_iter().zip(WHOLE).zip(hostile) {
        let value = interactions(arguments, &[Neighbour::hostile(name)]).await?;
        figures.push(Figure { name: whole, value, unit: "µs", aim: None });
        figures.push(Figure { name, value: p99(&engine, &good, &[plugin]).await?, unit: "µs", aim: None });
    }
    Ok(figures)
}

/// A strategy beside the measured one, with a queue of its own.
#[derive(Clone, Copy)]
struct Neighbour {
    queue: &'static str,
    plugin: &'static str,
}

impl Neighbour {
    /// Of that guest; its queue is called the same.
    fn hostile(name: &'static str) -> Neighbour {
        Neighbour { queue: name, plugin: name }
    }

    fn is_hostile(self) -> bool {
        HOSTILE.contains(&self.plugin)
    }
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

impl Journal for Stopwatch {
    fn record(&self, _turn: Turn) -> Recording<'_, ()> {
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
        sessions.push((start(engine, good, stopwatch.clone()), stopwatch));
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
    Ok(percentile(&mut times, 99))
}

/// p99 of an interaction from its submit to the report that it was stopped, beside these neighbours. A
/// hostile interaction is tried until it is put aside as poison, like any other.
async fn interactions(arguments: &Bench, neighbours: &[Neighbour]) -> anyhow::Result<f64> {
    let mut strategies = vec![TRIAGE];
    strategies.extend(neighbours.iter().map(|Neighbour { queue, plugin }| (*queue, *queue, *plugin)));
    let (site, server) = open(arguments, "isolation.db", &small_site(NO_PORT, &strategies)).await?;
    let endpoint = Endpoint::InProcess(InProcess::new(server.in_process()));
    let hostile: Vec<&str> = neighbours.iter().filter(|who| who.is_hostile()).map(|who| who.plugin).collect();
    let node = start_node(arguments, &site, &endpoint, &hostile, None).await?;
    let (submitter, _) = Client::connect(&endpoint, registration("submit", ClientType::Proxy)).await?;
    let (watcher, events) = Client::connect(&endpoint, registration("watch", ClientType::ReportingEngine)).await?;
    let reporting = RequestStartReporting { interactions: true, ..RequestStartReporting::default() };
    watcher.request(Request::StartReporting(reporting)).await?;
    let stopped = tokio::spawn(watch(events));

    let mut submitted = Vec::new();
    let mut behaving = 0;
    let mut every = tokio::time::interval(INTERACTION_EVERY);
    let end = Instant::now() + FOR;
    while Instant::now() < end {
        every.tick().await;
        if submitted.len() % NEIGHBOUR_ONE_IN == 0 {
            for neighbour in neighbours {
                submitter.send(Request::Submit(email(neighbour.queue)), "").await?;
                behaving += usize::from(!neighbour.is_hostile());
            }
        }
        let id = format!("{:016}", submitted.len());
        let request = RequestSubmit { interaction_id: id.clone(), ..email("in") };
        submitted.push((id, Instant::now()));
        submitter.send(Request::Submit(request), "").await?;
    }
    // Those that are still on their way are the slowest: they are waited for.
    let limit = Instant::now() + PATIENCE;
    while node.status().counters.finished < (submitted.len() + behaving) as u64 {
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
    Ok(percentile(&mut times, 99))
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

async fn come_again(engine: Engine, plugin: Plugin, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        let (turns, _receiver) = Counting::new();
        let session = start(&engine, &plugin, turns);
        // Some wait for a first event before they misbehave; one that is gone already is fine.
        let _ = session.deliver(message("go", "1"));
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
                session.deliver(message("nudge", "1"))?;
            }
            std::thread::sleep(pause);
        }
    }
    Ok(sessions)
}
