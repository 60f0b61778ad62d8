//! Room for sessions is bounded, given back, and enough for thousands that wait.

use std::sync::Arc;
use std::time::Duration;

use jackfield_strategy::{EndReason, Engine, SessionEvent, SessionStart, Settings, Turns};

use crate::support::{NoFacts, PATIENCE, Recorder, guest, interaction, small, start};

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_capacity_starting_waits() {
    let engine = Engine::new(Settings { sessions: 2, ..small() }).expect("an engine");
    assert_eq!((engine.capacity(), engine.live()), (2, 0));
    let plugin = engine.load(&guest("waits")).await.expect("a plugin");
    let first = start(&engine, plugin.clone(), "1").await;
    let _second = start(&engine, plugin.clone(), "2").await;
    assert_eq!(engine.live(), 2);
    let mut third = Box::pin(start(&engine, plugin, "3"));
    let early = tokio::time::timeout(Duration::from_millis(50), &mut third).await;
    assert!(early.is_err(), "there is no room");
    first.session.kill("room for another");
    let third = tokio::time::timeout(PATIENCE, third).await.expect("room");
    assert_eq!(engine.live(), 2);
    third.session.deliver(SessionEvent::StopRequested(String::new())).expect("taken");
    assert_eq!(third.ended().await.reason, EndReason::Finished);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_wait_at_once_and_all_end() {
    const SESSIONS: usize = 5_000;
    let engine = Engine::new(Settings { sessions: SESSIONS, ..Settings::default() }).expect("an engine");
    assert_eq!(engine.capacity(), SESSIONS, "the usual vm.max_map_count leaves room for them");
    let plugin = engine.load(&guest("waits")).await.expect("a plugin");
    let recorder = Arc::new(Recorder::default());
    let mut sessions = Vec::with_capacity(SESSIONS);
    for number in 0..SESSIONS {
        let start = SessionStart {
            id: format!("{number}"),
            plugin: plugin.clone(),
            parameters: Vec::new(),
            interactions: vec![interaction("i1")],
            facts: Arc::new(NoFacts),
            turns: Arc::clone(&recorder) as Arc<dyn Turns>,
            checkpoint: None,
        };
        sessions.push(engine.start(start).await);
    }
    // Two turns each: before the first event, and with it.
    recorder.wait_for("all turns", |turns| (turns.len() == 2 * SESSIONS).then_some(())).await;
    assert_eq!(engine.live(), SESSIONS);
    for session in &sessions {
        session.deliver(SessionEvent::StopRequested(String::new())).expect("taken");
    }
    for session in sessions {
        assert_eq!(crate::support::ended(&session).await.reason, EndReason::Finished);
    }
    assert_eq!(engine.live(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_and_mappings_come_back_from_thousands_of_sessions() {
    const ROUNDS: usize = 40;
    const AT_ONCE: usize = 50;
    let engine = Engine::new(Settings { sessions: AT_ONCE, ..small() }).expect("an engine");
    let plugin = engine.load(&guest("echo")).await.expect("a plugin");
    for round in 0..ROUNDS {
        let mut runs = Vec::with_capacity(AT_ONCE);
        for number in 0..AT_ONCE {
            // More than there is room for, were the last round's not given back.
            runs.push(start(&engine, plugin.clone(), &format!("{round} {number}")).await);
        }
        for run in &runs {
            run.session.deliver(SessionEvent::StopRequested(String::new())).expect("taken");
        }
        for run in runs {
            let end = run.ended().await;
            assert_eq!((&end.reason, end.turns), (&EndReason::Finished, 3));
        }
        assert_eq!(engine.live(), 0, "after round {round}");
    }
}
