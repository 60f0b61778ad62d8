//! What sessions cost, printed and never asserted: `cargo test -p jackfield-strategy --test all
//! cost -- --ignored --nocapture`.

use std::time::Duration;

use jackfield_strategy::{Engine, SessionEvent, Settings};

use crate::support::{Run, ended, guest, start};

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
    let engine = Engine::new(Settings { live: SESSIONS, turns_without_checkpoint: u64::MAX, ..Settings::default() })
        .expect("an engine");
    let plugin = engine.load(&guest("echo")).await.expect("a plugin");
    let (resident, mappings) = process();
    let runs: Vec<Run> = (0..SESSIONS).map(|number| start(&engine, plugin.clone(), &format!("{number:032}"))).collect();
    for run in &runs {
        run.recorder.wait_for("its first turns", |turns| (turns.len() == 2).then_some(())).await;
    }
    let (resident_then, mappings_then) = process();
    println!(
        "waiting session: {:.1} KiB resident, {:.2} mappings",
        (resident_then - resident) as f64 / SESSIONS as f64,
        (mappings_then - mappings) as f64 / SESSIONS as f64,
    );
    for Run { session, .. } in &runs {
        session.deliver(SessionEvent::StopRequested(String::new())).expect("taken");
    }
    let mut cpu = Duration::ZERO;
    for Run { session, .. } in &runs {
        cpu += ended(session).await.cpu;
    }
    println!("cold session with three turns: {:?} of CPU", cpu / SESSIONS as u32);

    let mut cpu = Duration::ZERO;
    for number in 0..SESSIONS {
        let run = start(&engine, plugin.clone(), &number.to_string());
        run.session.deliver(SessionEvent::StopRequested(String::new())).expect("taken");
        cpu += ended(&run.session).await.cpu;
    }
    println!("warm session with three turns: {:?} of CPU", cpu / SESSIONS as u32);

    const TURNS: usize = 2_000;
    let run = start(&engine, plugin, "turns");
    for turn in 0..TURNS {
        run.session
            .deliver(SessionEvent::Message { key: String::new(), name: "go".into(), data: "{}".into() })
            .expect("taken");
        run.recorder.wait_for("turn", |turns| (turns.len() == turn + 3).then_some(())).await;
    }
    println!("warm turn: {:?} of CPU", run.session.cpu() / TURNS as u32);
}
