//! Sessions survive the loss of their instance: what is rebuilt from the journal goes on as if nothing had
//! happened, and where it does not, it says what differs.

use std::sync::atomic::Ordering;

use jackfield_strategy::contract::{KvValue, Outcome};
use jackfield_strategy::{EndReason, Engine, History, Input, Look, Request, SessionEvent, Settings, Turn};

use crate::support::{
    Recorder, Run, driver, engine, guest, interaction, plugin, resume, small, start, start_with, told,
};

/// What a session told under the name `total`.
fn totals(run: &Run) -> Vec<String> {
    run.recorder.told().into_iter().filter(|(name, _)| name == "total").map(|(_, data)| data).collect()
}

/// A session of this guest in which these were added.
async fn added(guest: &str, id: &str, numbers: &[u32]) -> Run {
    let run = start(engine(), plugin(guest).await, id);
    for (count, number) in numbers.iter().enumerate() {
        run.tell("add", number);
        run.heard("total", count).await;
    }
    run
}

/// What is left of a session whose process is gone.
fn left_behind(run: &Run) -> Recorder {
    let history = run.recorder.read();
    run.session.kill("the process is gone");
    Recorder::holding(history)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_where_it_was_from_its_beginning_or_from_its_checkpoint() {
    for guest in ["counts", "reduces"] {
        let run = added(guest, "goes on", &[1, 2]).await;
        assert_eq!(totals(&run), ["1", "3"]);
        let run = resume(engine(), plugin(guest).await, "goes on", left_behind(&run));
        let before = totals(&run).len();
        run.tell("add", 4);
        assert_eq!(run.heard("total", before).await, "7", "{guest}");
        assert!(run.recorder.rebuilt.load(Ordering::Relaxed) > 0);
        let turns = run.recorder.turns();
        let numbers: Vec<u64> = turns.iter().map(|turn| turn.number).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "no number twice, none left out: {numbers:?}");
        let requests: Vec<u64> = turns.iter().flat_map(|turn| turn.requests.iter().map(|(id, _)| *id)).collect();
        assert!(requests.windows(2).all(|pair| pair[1] == pair[0] + 1), "{requests:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_makes_the_turns_before_it_history() {
    let run = added("reduces", "history", &[1, 2, 3]).await;
    let history = run.recorder.read();
    let checkpoint = history.checkpoint.expect("one each turn");
    assert!(history.turns.is_empty(), "{:?}", history.turns);
    assert_eq!(checkpoint.turn, checkpoint.standing.turns());
    run.session.kill("the test is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_looked_up_drawn_and_read_from_the_clocks_is_the_same_again() {
    let run = start(engine(), plugin("looks_up").await, "looks up");
    for _ in 0..3 {
        run.tell("look", "");
    }
    run.recorder.wait_for("all answers", |turns| (told(turns).len() == 3 * 6).then_some(())).await;
    // What is looked up meanwhile has changed: nobody is asked.
    let history = run.recorder.read();
    let looked = engine()
        .look(Look { session: "looks up".into(), plugin: plugin("looks_up").await, history, failed: None })
        .await;
    assert_eq!((looked.difference, looked.failure), (None, None));
    assert_eq!(looked.steps.len(), run.recorder.turns().len());
    run.session.kill("the test is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_under_way_show_when_they_are_done_however_often_it_is_rebuilt() {
    let run = driver("under way").await;
    run.tell("update", "new");
    let asked = run.recorder.asked("update", |request| matches!(request, Request::UpdateUserData { .. })).await;
    let recorder = left_behind(&run);
    let standing = recorder.read().standing();
    assert!(standing.waiting().contains_key(&asked), "{:?}", standing.waiting());
    let run = resume(engine(), plugin("driver").await, "under way", recorder);
    run.session.deliver(SessionEvent::RequestDone { request: asked, outcome: Outcome::Done }).expect("taken");
    let after = run.ask("subject", "").await;
    assert!(after.contains("new"), "{after}");
    let standing = run.recorder.read().standing();
    let subjects = standing.held()[0].user_data.iter().filter(|pair| pair.key == "Subject");
    assert!(subjects.into_iter().any(|pair| pair.value == KvValue::Text("new".into())));
    assert!(!standing.waiting().contains_key(&asked));
    run.session.kill("the test is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_go_on_while_nobody_is_there_and_fire_in_order() {
    let run = start(engine(), plugin("sleeps").await, "timers");
    run.tell("timer", 20);
    run.tell("timer", 10);
    run.tell("timer", 31_536_000_000_u64);
    let standing = |run: &Run| run.recorder.read().standing();
    run.recorder
        .wait_for("three timers", |turns| {
            (turns.iter().map(|turn| turn.timers.len()).sum::<usize>() == 3).then_some(())
        })
        .await;
    let recorder = left_behind(&run);
    let fired_before = fired(&recorder.turns());
    let run = resume(engine(), plugin("sleeps").await, "timers", recorder);
    let all = run.recorder.wait_for("both timers", |turns| Some(fired(turns)).filter(|fired| fired.len() == 2)).await;
    assert!(all.starts_with(&fired_before));
    assert_eq!(all, [2, 1], "the one that was due first fires first");
    assert_eq!(standing(&run).turns(), run.recorder.turns().last().expect("turns").number);
    run.session.kill("the test is over");
}

fn fired(turns: &[Turn]) -> Vec<u64> {
    let fired = turns.iter().filter_map(|turn| match turn.input {
        Input::Timer(timer) => Some(timer),
        _ => None,
    });
    fired.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_have_waited_longest_make_room_and_come_back_with_their_next_event() {
    const SESSIONS: usize = 40;
    let engine = Engine::new(Settings { live: 4, ..small() }).expect("an engine");
    let plugin = engine.load(&guest("counts")).await.expect("a plugin");
    let runs: Vec<Run> =
        (0..SESSIONS).map(|number| start(&engine, plugin.clone(), &format!("cache {number}"))).collect();
    for round in 1..=3 {
        for run in &runs {
            run.tell("add", 1);
        }
        for run in &runs {
            assert_eq!(run.heard("total", round - 1).await, round.to_string());
            assert!(engine.live() <= 4);
        }
    }
    let rebuilt: usize = runs.iter().map(|run| run.recorder.rebuilt.load(Ordering::Relaxed)).sum();
    assert!(rebuilt >= SESSIONS, "{rebuilt}: most of them had to make room");
    for run in &runs {
        run.session.kill("the test is over");
        assert_eq!(run.ended().await.reason, EndReason::Killed("the test is over".into()), "also a passive one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_to_keep_any_each_turn_has_an_instance_of_its_own() {
    let engine = Engine::new(Settings { live: 0, ..small() }).expect("an engine");
    let plugin = engine.load(&guest("counts")).await.expect("a plugin");
    let run = start(&engine, plugin, "each turn");
    for (count, total) in ["1", "3", "6"].into_iter().enumerate() {
        run.tell("add", count + 1);
        assert_eq!(run.heard("total", count).await, total);
    }
    let turns = run.recorder.turns().len();
    assert!(run.recorder.rebuilt.load(Ordering::Relaxed) >= turns - 1, "{turns} turns");
    run.session.kill("the test is over");
    run.ended().await;
    assert_eq!(engine.live(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_something_else_than_is_recorded_ends_with_the_first_difference() {
    let run = added("counts", "diverges", &[1, 2]).await;
    let mut history = run.recorder.read();
    run.session.kill("the test is over");
    let turn = history.turns.iter_mut().rev().find(|turn| !turn.requests.is_empty()).expect("a turn that told");
    let number = turn.number;
    for (_, request) in &mut turn.requests {
        if let Request::SendEvent { data, .. } = request {
            *data = "4".into();
        }
    }
    let run = resume(engine(), plugin("counts").await, "diverges", Recorder::holding(history));
    run.tell("add", 1);
    let EndReason::Diverged(difference) = run.ended().await.reason else { panic!("it did not diverge") };
    assert_eq!(difference.turn, number);
    assert!(difference.then.contains('4') && difference.now.contains('3'), "{difference}");
    assert!(run.ended().await.reason.is_failure());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_shown_to_decide_otherwise_from_the_first_turn_on_that_it_does() {
    let run = added("counts", "versions", &[1, 2, 3, 4]).await;
    let history = run.recorder.read();
    let look = |name: &'static str, history: History| async move {
        engine().look(Look { session: "versions".into(), plugin: plugin(name).await, history, failed: None }).await
    };
    let same = look("counts", history.clone()).await;
    assert_eq!((same.difference, same.steps.len()), (None, history.turns.len()));
    let other = look("wanders", history).await.difference.expect("a difference");
    assert!(other.then.contains(": 6") && !other.now.contains(": 6"), "from the third on: {other}");
    run.session.kill("the test is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_happens_again_when_it_is_looked_at() {
    let run = driver("fails again").await;
    run.tell("fail", "no luck");
    let end = run.ended().await;
    let failed = end.failed_turn.expect("the turn in which it failed");
    assert!(matches!(failed.input, Input::Event(SessionEvent::Message { .. })));
    let look = Look {
        session: "fails again".into(),
        plugin: plugin("driver").await,
        history: run.recorder.read(),
        failed: Some(*failed),
    };
    let looked = engine().look(look).await;
    assert_eq!((looked.difference, looked.failure), (None, Some(EndReason::Failed("no luck".into()))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_checkpoints_may_have_only_so_many_turns() {
    let engine = Engine::new(Settings { turns_without_checkpoint: 5, ..small() }).expect("an engine");
    for (guest_name, lasts) in [("counts", false), ("reduces", true)] {
        let plugin = engine.load(&guest(guest_name)).await.expect("a plugin");
        let run = start_with(&engine, plugin, guest_name, Recorder::default());
        for _ in 0..12 {
            // It may have ended.
            let add = SessionEvent::Message { key: String::new(), name: "add".into(), data: "1".into() };
            if run.session.deliver(add).is_err() {
                break;
            }
        }
        if lasts {
            assert_eq!(run.heard("total", 11).await, "12");
            run.session.kill("the test is over");
        } else {
            assert_eq!(run.ended().await.reason, EndReason::TooManyTurns(5));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_while_it_is_passive_wait_for_it() {
    let run = added("counts", "passive", &[1]).await;
    let run = resume(engine(), plugin("counts").await, "passive", left_behind(&run));
    run.session.deliver(SessionEvent::InteractionPresent(Box::new(interaction("i2")))).expect("taken");
    let before = totals(&run).len();
    run.tell("add", 5);
    assert_eq!(run.heard("total", before).await, "6");
    let standing = run.recorder.read().standing();
    let held: Vec<_> = standing.held().iter().map(|interaction| interaction.id.as_str()).collect();
    assert_eq!(held, ["i1", "i2"]);
    run.session.kill("the test is over");
}
