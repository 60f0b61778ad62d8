//! Turns are transactions; events, timers and waits arrive as the contract says.

use jackfield_strategy::contract::{Failure, Outcome};
use jackfield_strategy::{EndReason, Gone, Request, SessionEvent};

use crate::support::{Recorder, driver, ended, engine, interaction, plugin, start, start_with, text};

#[tokio::test(flavor = "multi_thread")]
async fn requests_leave_together_in_order_when_the_turn_ends() {
    let run = driver("order").await;
    run.tell("update", "new");
    run.tell("delete", "From");
    run.tell("stop", "done");
    run.tell("finish", "");
    assert_eq!(run.ended().await.reason, EndReason::Finished);
    let turns = run.recorder.turns();
    let numbers: Vec<u64> = turns.iter().map(|turn| turn.number).collect();
    assert_eq!(numbers, (1..=turns.len() as u64).collect::<Vec<_>>(), "each turn once, in order");
    let ids: Vec<u64> = turns.iter().flat_map(|turn| turn.requests.iter().map(|(id, _)| *id)).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>(), "each request once, in order");
    let requests: Vec<_> = turns.iter().flat_map(|turn| turn.requests.iter().map(|(_, request)| request)).collect();
    let pairs = vec![text("Subject", "new"), text("Subject", "again")];
    let position = |wanted: &Request| requests.iter().position(|request| *request == wanted);
    let update = position(&Request::UpdateUserData { interaction: "i1".into(), pairs });
    let delete = position(&Request::DeleteUserData { interaction: "i1".into(), keys: vec!["From".into()] });
    let stop = position(&Request::StopProcessing { interaction: "i1".into(), reason: Some("done".into()) });
    assert!(update.is_some() && update < delete && delete < stop, "{requests:?}");
    assert!(turns.iter().rev().skip(1).all(|turn| !turn.last) && turns.last().is_some_and(|turn| turn.last));
    assert!(turns.iter().all(|turn| &*turn.session == "order"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_traps_or_fails_leaves_nothing_behind() {
    let plugin = plugin("hostile_trap").await;
    let run = start(engine(), plugin, "trap");
    let end = run.ended().await;
    let EndReason::Trapped(reason) = &end.reason else { panic!("{end:?}") };
    assert!(reason.contains("panicked") && reason.contains("on purpose"), "{reason}");
    assert!(end.reason.is_failure());
    assert_eq!(end.turns, 1, "the turn before the first event, and not the one that trapped");
    assert!(run.recorder.turns().iter().all(|turn| turn.requests.is_empty() && !turn.last));

    let run = driver("fail").await;
    run.tell("fail", "no luck");
    assert_eq!(run.ended().await.reason, EndReason::Failed("no luck".into()));
    assert_eq!(run.count("failing"), 0);
    assert!(run.recorder.turns().iter().all(|turn| !turn.last));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_cannot_be_recorded_ends_the_session() {
    let recorder = Recorder::failing(2);
    let run = start_with(engine(), plugin("driver").await, "unrecorded", recorder);
    let end = run.ended().await;
    assert_eq!((&end.reason, end.turns), (&EndReason::TurnNotRecorded("the disk is full".into()), 1));
    assert!(!end.reason.is_failure(), "the strategy is not to blame");
    assert_eq!(run.session.deliver(SessionEvent::StopRequested(String::new())), Err(Gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_event_is_the_interaction_it_was_started_with() {
    let run = driver("first").await;
    assert_eq!(run.heard("event", 0).await, r#"Event::InteractionPresent("i1")"#);
    assert_eq!(run.ask("held", "").await, "i1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_shows_once_its_request_is_done() {
    let run = driver("copy").await;
    run.tell("update", "new");
    let asked = run.recorder.asked("update", |request| matches!(request, Request::UpdateUserData { .. })).await;
    let before = run.ask("subject", "").await;
    assert!(before.contains("hello") && !before.contains("new"), "{before}");
    let done = SessionEvent::RequestDone { request: asked, outcome: Outcome::Done };
    run.session.deliver(done.clone()).expect("taken");
    run.session.deliver(done).expect("taken");
    let after = run.ask("subject", "").await;
    assert!(after.contains("new") && after.contains("again") && !after.contains("hello"), "{after}");
    assert!(after.contains("a@example.com"), "other keys stay: {after}");
    let dones = run.recorder.told().iter().filter(|(_, data)| data.contains("RequestDone")).count();
    assert_eq!(dones, 1, "a second outcome of a request is no news");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_placed_is_held_until_that_is_done_and_not_longer() {
    let run = driver("placed").await;
    run.tell("place", "other");
    let place = Request::PlaceInQueue { interaction: "i1".into(), queue: "other".into() };
    let asked = run.recorder.asked("place", |request| *request == place).await;
    assert_eq!(run.ask("held", "").await, "i1");
    run.session.deliver(SessionEvent::RequestDone { request: asked, outcome: Outcome::Done }).expect("taken");
    assert_eq!(run.ask("held", "").await, "");
    run.session.deliver(SessionEvent::InteractionPresent(Box::new(interaction("i2")))).expect("taken");
    assert_eq!(run.ask("held", "").await, "i2");
    let lost = SessionEvent::InteractionNotControlled { interaction: "i2".into(), reason: "link down".into() };
    run.session.deliver(lost).expect("taken");
    assert_eq!(run.ask("held", "").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_changes_nothing_and_is_told() {
    let run = driver("failed").await;
    run.tell("stop", "done");
    let asked = run
        .recorder
        .wait_for("stop", |turns| turns.iter().flat_map(|turn| &turn.requests).map(|(id, _)| *id).nth(1))
        .await;
    let failure = Failure { code: 43, name: "__we_error".into(), description: "no such interaction".into() };
    run.session.deliver(SessionEvent::RequestFailed { request: asked, failure }).expect("taken");
    assert_eq!(run.ask("held", "").await, "i1");
    assert!(run.recorder.told().iter().any(|(_, data)| data.contains("no such interaction")));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_allowed_fail_and_never_leave() {
    let run = driver("refused").await;
    let refusals = [
        ("send-message", "", "1002", "capability `messages`"),
        ("fetch", "http://example.com", "1002", "capability `http`"),
        ("attach", "vq", "1002", "capability `virtual-queues`"),
        ("stop-other", "i9", "1003", "does not hold interaction `i9`"),
        ("nested", "[1]", "1000", "`Extension`"),
    ];
    for (number, (name, data, code, description)) in refusals.into_iter().enumerate() {
        run.tell(name, data);
        let told = run.heard("event", number + 1).await;
        assert!(told.contains(code) && told.contains(description), "{name}: {told}");
    }
    run.tell("route", "Billing > 3");
    run.recorder
        .wait_for("route", |turns| {
            let mut requests = turns.iter().flat_map(|turn| &turn.requests);
            requests.find(|(_, request)| matches!(request, Request::Route(_))).map(|_| ())
        })
        .await;
    let left = run.recorder.turns().into_iter().flat_map(|turn| turn.requests);
    let others: Vec<_> =
        left.filter(|(_, request)| !matches!(request, Request::SendEvent { .. } | Request::Route(_))).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_fire_once_and_waits_end() {
    let run = driver("timers").await;
    run.tell("timer", 1_000_000);
    run.tell("timer", 5);
    assert_eq!(run.heard("event", 1).await, "Event::TimerFired(2)");
    assert_eq!(run.ask("cancel-timer", 2).await, "false");
    assert_eq!(run.ask("cancel-timer", 1).await, "true");
    assert_eq!(run.ask("cancel-timer", 1).await, "false");
    run.tell("wait", 5);
    run.heard("timeout", 0).await;
    run.tell("wait", 0);
    run.heard("timeout", 1).await;
    // An event ends a wait that would take a year.
    run.tell("wait", 31_536_000_000_u64);
    assert_eq!(run.ask("held", "").await, "i1");
    assert_eq!(run.count("timeout"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_asked_to_stop_or_made_to() {
    let run = start(engine(), plugin("waits").await, "asked");
    run.session.deliver(SessionEvent::StopRequested("shutdown".into())).expect("taken");
    assert_eq!(run.ended().await.reason, EndReason::Finished);

    let run = driver("killed").await;
    run.heard("event", 0).await;
    run.session.kill("an operator");
    run.session.kill("another");
    assert_eq!(run.ended().await.reason, EndReason::Killed("an operator".into()));
    assert_eq!(run.session.deliver(SessionEvent::StopRequested(String::new())), Err(Gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_leave_with_their_turn() {
    let run = driver("checkpoint").await;
    run.tell("checkpoint", "state 1");
    run.ask("held", "").await;
    let kept: Vec<_> = run.recorder.turns().into_iter().filter_map(|turn| turn.checkpoint).collect();
    assert_eq!(kept.iter().map(|checkpoint| checkpoint.state.as_slice()).collect::<Vec<_>>(), [b"state 1"]);
    run.tell("large-checkpoint", "");
    let EndReason::Trapped(reason) = run.ended().await.reason else { panic!("no trap") };
    assert!(reason.contains("checkpoint of 1048577 bytes"), "{reason}");
}

#[test]
fn a_session_ends_even_when_its_runtime_goes_away() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
    let session = runtime.block_on(async {
        let run = driver("orphan").await;
        run.heard("event", 0).await;
        run.session
    });
    drop(runtime);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let end = runtime.block_on(ended(&session));
    assert_eq!(end.reason, EndReason::Killed("the host is stopping".into()));
}
