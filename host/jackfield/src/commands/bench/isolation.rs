//! Whether neighbours who misbehave are felt: the time from an event to the end of its turn, in sessions
//! that do nothing wrong, alone and beside sessions that loop, eat memory, trap and flood.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jackfield_strategy::{Engine, Plugin, SessionEvent};

use super::engine::{Counting, engine, guest, start, until};
use super::{Aim, Figure};
use crate::cli::Bench;

/// Sessions that are measured.
const GOOD: usize = 50;
/// Time each state is measured for.
const FOR: Duration = Duration::from_secs(5);
/// Pause of a good session between two events, and of a hostile one before it comes again.
const PAUSE: Duration = Duration::from_millis(5);
/// The neighbours; each comes again when it was ended, as often as a good session gets an event.
const HOSTILE: [&str; 4] = ["hostile_loop", "hostile_memory", "hostile_trap", "hostile_flood"];

/// p99 of a turn, alone and beside hostile neighbours.
pub async fn isolation(arguments: &Bench) -> anyhow::Result<Vec<Figure>> {
    let engine = engine(GOOD + HOSTILE.len() + 8)?;
    let good = guest(&engine, arguments, "echo").await?;
    let mut hostile = Vec::new();
    for name in HOSTILE {
        hostile.push(guest(&engine, arguments, name).await?);
    }
    let alone = p99(&engine, &good, &[]).await?;
    let beside = p99(&engine, &good, &hostile).await?;
    let ratio = beside / alone.max(f64::EPSILON);
    Ok(vec![
        Figure { name: "p99 of a turn, alone", value: alone, unit: "µs", aim: None },
        Figure { name: "p99 of a turn, hostile neighbours", value: beside, unit: "µs", aim: None },
        Figure { name: "isolation: ratio of the two", value: ratio, unit: "x", aim: Some(Aim::Under(2.0)) },
    ])
}

async fn p99(engine: &Engine, good: &Plugin, hostile: &[Plugin]) -> anyhow::Result<f64> {
    let over = AtomicBool::new(false);
    let neighbours = async {
        let each = hostile.iter().map(|plugin| async {
            while !over.load(Ordering::Relaxed) {
                let (turns, _receiver) = Counting::new();
                let session = start(engine, plugin, turns).await;
                // Some wait for a first event before they misbehave; one that is gone already is fine.
                let _ = session.deliver(SessionEvent::Message { name: "go".into(), data: "{}".into() });
                if tokio::time::timeout(Duration::from_secs(2), session.clone().ended()).await.is_err() {
                    session.kill("measured");
                    session.ended().await;
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        futures_util::future::join_all(each).await;
    };
    let measured = async {
        let each = (0..GOOD).map(|_| turns_of_one(engine, good));
        let times = futures_util::future::try_join_all(each).await;
        over.store(true, Ordering::Relaxed);
        times
    };
    let (times, _) = tokio::join!(measured, neighbours);
    let mut times: Vec<f64> = times?.into_iter().flatten().collect();
    times.sort_unstable_by(f64::total_cmp);
    let index = (times.len() * 99).div_ceil(100).saturating_sub(1);
    Ok(times.get(index).copied().unwrap_or(0.0))
}

async fn turns_of_one(engine: &Engine, plugin: &Plugin) -> anyhow::Result<Vec<f64>> {
    let (turns, mut receiver) = Counting::new();
    let session = start(engine, plugin, turns).await;
    until(&mut receiver, 1).await?;
    let (mut times, mut number) = (Vec::new(), 1);
    let end = Instant::now() + FOR;
    while Instant::now() < end {
        tokio::time::sleep(PAUSE).await;
        let began = Instant::now();
        session.deliver(SessionEvent::Message { name: "nudge".into(), data: "{}".into() })?;
        number += 1;
        until(&mut receiver, number).await?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    session.kill("measured");
    session.ended().await;
    Ok(times)
}
