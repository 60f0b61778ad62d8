//! Room for instances is bounded, given back, and enough for thousands that wait.

use jackfield_strategy::{EndReason, Engine, SessionEvent, Settings};

use crate::support::{Recorder, Run, guest, small, start, start_with};

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_kept_starting_waits_for_room() {
    let engine = Engine::new(Settings { live: 2, ..small() }).expect("an engine");
    assert_eq!((engine.capacity(), engine.live()), (2, 0));
    let plugin = engine.load(&guest("waits")).await.expect("a plugin");
    let runs = ["1", "2"].map(|id| start_with(&engine, plugin.clone(), id, Recorder::forgetful()));
    for run in &runs {
        run.recorder.wait_for("its first turns", |turns| (turns.len() == 2).then_some(())).await;
    }
    assert_eq!(engine.live(), 2);
    let third = start_with(&engine, plugin, "3", Recorder::forgetful());
    third.session.deliver(SessionEvent::StopRequested(String::new())).expect("taken");
    let [first, _second] = runs;
    assert!(third.session.end().is_none() && third.recorder.turns().is_empty(), "there is no room");
    first.session.kill("room for another");
    assert_eq!(third.ended().await.reason, EndReason::Finished);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_wait_at_once_and_all_end() {
    const SESSIONS: usize = 5_000;
    let engine = Engine::new(Settings { live: SESSIONS, ..Settings::default() }).expect("an engine");
    assert_eq!(engine.capacity(), SESSIONS, "the usual vm.max_map_count leaves room for them");
    let plugin = engine.load(&guest("waits")).await.expect("a plugin");
    let runs: Vec<Run> = (0..SESSIONS).map(|number| start(&engine, plugin.clone(), &number.to_string())).collect();
    for run in &runs {
        // Two turns each: before the first event, and with it.
        run.recorder.wait_for("its first turns", |turns| (turns.len() == 2).then_some(())).await;
    }
    assert_eq!(engine.live(), SESSIONS);
    for run in &runs {
        run.session.deliver(SessionEvent::StopRequested(String::new())).expect("taken");
    }
    for run in runs {
        assert_eq!(run.ended().await.reason, EndReason::Finished);
    }
    assert_eq!(engine.live(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_and_mappings_come_back_from_thousands_of_sessions() {
    const ROUNDS: usize = 40;
    const AT_ONCE: usize = 50;
    let engine = Engine::new(Settings { live: AT_ONCE, ..small() }).expect("an engine");
    let plugin = engine.load(&guest("echo")).await.expect("a plugin");
    for round in 0..ROUNDS {
        let mut runs = Vec::with_capacity(AT_ONCE);
        for number in 0..AT_ONCE {
            // More than there is room for, were the last round's not given back.
            runs.push(start(&engine, plugin.clone(), &format!("{round} {number}")));
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
