//! However a strategy behaves, only its own session ends, for a reason that says what it did.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jackfield_strategy::{
    EndReason, From, Journal, Limit, Origin, Plugin, Recording, SessionEnd, SessionEvent, SessionStart, Turn,
};

use crate::support::{PATIENCE, Run, driver, engine, guest, interaction, plugin, start};

/// Runs a hostile guest to its end, while another session is asked again and again.
async fn end_beside_others(name: &str) -> SessionEnd {
    let neighbour = driver("neighbour").await;
    assert_eq!(neighbour.ask("held", "").await, "i1");
    let runs = [
        start(engine(), plugin(name).await, "hostile 1"),
        start(engine(), plugin(name).await, "hostile 2"),
        start(engine(), plugin(name).await, "hostile 3"),
    ];
    let mut slowest = Duration::ZERO;
    loop {
        let begun = Instant::now();
        assert_eq!(neighbour.ask("held", "").await, "i1");
        slowest = slowest.max(begun.elapsed());
        if runs.iter().all(|run| run.session.end().is_some()) {
            break;
        }
        // Its answers are requests without an outcome, of which a session may have only so many.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A session that answers at all was not starved; how fast it is, benches tell.
    println!("{name}: slowest answer of the neighbour {slowest:?}");
    neighbour.session.kill("the test is over");
    let [first, others @ ..] = runs.map(|run| run.session.end().expect("an end"));
    for other in others {
        assert_eq!(other.reason, first.reason);
    }
    first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_runs_out_of_time() {
    let end = end_beside_others("hostile_loop").await;
    assert_eq!(end.reason, EndReason::PastLimit(Limit::TurnCpu(Duration::from_millis(200))));
    assert!(end.cpu >= Duration::from_millis(200), "only CPU time counts: {:?}", end.cpu);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_glutton_runs_out_of_memory() {
    // Its policy allows more than there is room for in an instance of this engine.
    let end = end_beside_others("hostile_memory").await;
    assert_eq!(end.reason, EndReason::PastLimit(Limit::Memory(16 << 20)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_told_with_its_words() {
    let EndReason::Trapped(reason) = end_beside_others("hostile_trap").await.reason else { panic!("no trap") };
    assert!(reason.contains("on purpose"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_requests_ends_within_its_turn() {
    let end = end_beside_others("hostile_flood").await;
    assert_eq!(end.reason, EndReason::PastLimit(Limit::RequestsPerTurn(1_000)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_over_many_turns_ends_when_too_many_have_no_outcome() {
    let end = end_beside_others("hostile_turns").await;
    assert_eq!(end.reason, EndReason::PastLimit(Limit::RequestsWaiting(1_500)));
    assert!(end.turns >= 1_500, "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_recursion_overflows_its_own_stack() {
    let EndReason::Trapped(reason) = end_beside_others("hostile_recursion").await.reason else { panic!("no trap") };
    assert!(reason.contains("call stack overflowed"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_is_bounded_and_does_no_harm() {
    let run = start(engine(), plugin("hostile_output").await, "output");
    run.recorder.wait_for("second turn", |turns| (turns.len() >= 2).then_some(())).await;
    run.session.deliver(SessionEvent::StopRequested(String::new())).expect("taken");
    assert_eq!(run.ended().await.reason, EndReason::Finished);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_turn_are_bounded_in_bytes_too() {
    let run = driver("large").await;
    run.tell("large-request", 9 << 20);
    assert_eq!(run.ended().await.reason, EndReason::PastLimit(Limit::RequestBytes(8 << 20)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_timers_are_refused() {
    let run = driver("many timers").await;
    run.tell("many-timers", 17);
    let EndReason::Trapped(reason) = run.ended().await.reason else { panic!("no trap") };
    assert!(reason.contains("more than 16 timers"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_ended() {
    // It has at most 200 ms of CPU time, in which it reads nothing.
    let Run { session, .. } = start(engine(), plugin("hostile_loop").await, "deaf");
    let event = || SessionEvent::StopRequested("please".into());
    let mut delivered = 0;
    while session.deliver(event()).is_ok() {
        delivered += 1;
    }
    assert!((16..=17).contains(&delivered), "16 wait, and one may have been read: {delivered}");
    let end = crate::support::ended(&session).await;
    assert_eq!(end.reason, EndReason::NotReading);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_loop_can_be_killed() {
    let run = start(engine(), plugin("hostile_loop").await, "loop to kill");
    run.recorder.wait_for("first turn", |turns| turns.first().map(|_| ())).await;
    run.session.kill("an operator");
    assert_eq!(run.ended().await.reason, EndReason::Killed("an operator".into()));
}

/// The threads on which the turns of a session were recorded.
#[derive(Default)]
struct Threads(Mutex<Vec<String>>);

impl Journal for Threads {
    fn record(&self, _turn: Turn) -> Recording<'_, ()> {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        self.0.lock().expect("threads").push(name);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Runs a session with one event to its end; says whether it ran apart from all others, always or never.
async fn runs_apart(plugin: &Plugin, id: &str) -> (bool, EndReason) {
    let threads = Arc::new(Threads::default());
    let session = engine().start(SessionStart {
        id: id.into(),
        plugin: plugin.clone(),
        facts: Arc::new(jackfield_strategy::NoFacts),
        journal: threads.clone(),
        from: From::Origin(Box::new(Origin::new(Vec::new(), vec![interaction("i1")]))),
    });
    let end = tokio::time::timeout(PATIENCE, session.ended()).await.expect("an end");
    let threads = threads.0.lock().expect("threads").clone();
    let apart = threads.iter().filter(|name| *name == "long-turns").count();
    assert!(apart == 0 || apart == threads.len(), "{threads:?}");
    assert!(!threads.is_empty(), "no turn of {id} was recorded");
    (apart > 0, end.reason)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sessions_of_a_plugin_that_misbehaves_again_and_again_run_apart_from_the_others() {
    // Loaded for this test alone: what others do with theirs does not count.
    let load = async |name| engine().load(&guest(name)).await.expect("a plugin");
    // A loop is a turn that takes long, and then a failure.
    for (name, expected) in [("hostile_trap", [false, false, true]), ("hostile_loop", [false, true, true])] {
        let plugin = load(name).await;
        let mut found = Vec::new();
        for number in 0..expected.len() {
            let (apart, reason) = runs_apart(&plugin, &format!("{name} {number}")).await;
            assert!(reason.is_failure(), "{reason}");
            found.push(apart);
        }
        assert_eq!(found, expected, "{name}");
        // The same file again is a plugin of which nothing is known.
        assert!(!runs_apart(&load(name).await, &format!("{name} again")).await.0);
    }
}
