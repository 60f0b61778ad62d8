//! What sessions cost, printed and never asserted: `cargo test -p jackfield-strategy --test all
//! cost -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Duration;

use jackfield_strategy::{Engine, SessionEvent, SessionStart, Settings, Turns};

use crate::support::{NoFacts, Recorder, ended, guest, interaction, start};

fn process() -> (usize, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
    let mappings = std::fs::read_to_string("/proc/self/maps").map_or(0, |maps| maps.lines().count());
    (resident, mappings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints measurements"]
async fn of_waiting_sessions_and_of_turns() {
    const SESSIONS: usize = 5_000;
    let engine = Engine::new(Settings { sessions: SESSIONS, ..Settings::default() }).expect("an engine");
    let plugin = engine.load(&guest("echo")).await.expect("a plugin");
    let recorder = Arc::new(Recorder::default());
    let (resident, mappings) = process();
    let mut sessions = Vec::with_capacity(SESSIONS);
    for number in 0..SESSIONS {
        let start = SessionStart {
            id: format!("{number:032}"),
            plugin: plugin.clone(),
            parameters: Vec::new(),
            interactions: vec![interaction("i1")],
            facts: Arc::new(NoFacts),
            turns: Arc::clone(&recorder) as Arc<dyn Turns>,
            checkpoint: None,
        };
        sessions.push(engine.start(start).await);
    }
    recorder.wait_for("all turns", |turns| (turns.len() == 2 * SESSIONS).then_some(())).await;
    let (resident_then, mappings_then) = process();
    println!(
        "waiting session: {:.1} KiB resident, {:.2} mappings",
        (resident_then - resident) as f64 / SESSIONS as f64,
        (mappings_then - mappings) as f64 / SESSIONS as f64,
    );
    for session in &sessions {
        session.deliver(SessionEvent::StopRequested(String::new())).expect("taken");
    }
    let mut cpu = Duration::ZERO;
    for session in &sessions {
        cpu += ended(session).await.cpu;
    }
    println!("cold session with three turns: {:?} of CPU", cpu / SESSIONS as u32);

    let mut cpu = Duration::ZERO;
    for number in 0..SESSIONS {
        let run = start(&engine, plugin.clone(), &number.to_string()).await;
        run.session.deliver(SessionEvent::StopRequested(String::new())).expect("taken");
        cpu += ended(&run.session).await.cpu;
    }
    println!("warm session with three turns: {:?} of CPU", cpu / SESSIONS as u32);

    const TURNS: usize = 2_000;
    let run = start(&engine, plugin, "turns").await;
    for turn in 0..TURNS {
        run.session.deliver(SessionEvent::Message { name: "go".into(), data: "{}".into() }).expect("taken");
        run.recorder.wait_for("turn", |turns| (turns.len() == turn + 3).then_some(())).await;
    }
    println!("warm turn: {:?} of CPU", run.session.cpu() / TURNS as u32);
}
