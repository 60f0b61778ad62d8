//! What a strategy sees of the world: its turn's time, its own chance, and nothing else.

use std::collections::HashSet;

use jackfield_strategy::EndReason;

use crate::support::{driver, engine, plugin, start, told};

#[tokio::test(flavor = "multi_thread")]
async fn time_stands_still_within_a_turn_and_moves_on_between() {
    let run = driver("clocks").await;
    assert_eq!(run.ask("clocks", "").await, "true true");
    assert_eq!(run.ask("clocks", "").await, "true true");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_draw_different_numbers() {
    let mut drawn = HashSet::new();
    for id in 0..8 {
        let run = driver(&format!("random {id}")).await;
        assert!(drawn.insert(run.ask("random", "").await));
        run.session.kill("the test is over");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_environment_and_no_input() {
    assert_eq!(driver("environment").await.ask("environment", "").await, "0 0 false 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_answer() {
    let run = driver("facts").await;
    assert_eq!(run.ask("facts", "item").await, r#"Some("value") Some("{\"a\":\"b\"}")"#);
    assert_eq!(run.ask("facts", "nothing").await, "None None");
    let session = run.ask("session", "").await;
    assert!(session.starts_with("facts [") && session.contains("started-with"), "{session}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sleeping_and_exiting_trap_with_what_to_do() {
    for (name, expected) in [("sleep", "waits in `events.next`"), ("exit", "ends when `run` returns")] {
        let run = driver(name).await;
        run.tell(name, "");
        let EndReason::Trapped(reason) = run.ended().await.reason else { panic!("{name} does not trap") };
        assert!(reason.contains(expected), "{name}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_sees_nothing_of_those_before_it() {
    for round in 0..300 {
        let run = start(engine(), plugin("secret").await, "secret");
        let told = run.recorder.wait_for("secret", |turns| told(turns).first().map(|(name, _)| name.clone())).await;
        assert_eq!(told, "clean", "in round {round}");
        // Its one event was read; the second wait is over with the session.
        run.session.kill("the test is over");
        run.ended().await;
    }
}
