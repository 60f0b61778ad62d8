//! How sessions end, and where what they held goes.

use std::time::Duration;

use crate::support::{Site, plugins, session, settings, start, tell, until};

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_too_often_goes_into_the_poison_queue_with_the_reason() {
    let site = Site::open("email", &["hostile_trap"], true);
    let (engine, plugins) = plugins(&["hostile_trap"]).await;
    let node = start(settings(&[&site], &["hostile_trap"]), engine, plugins).await;
    let interaction = site.submit("hostile_trap").await;
    site.waiting("poison", 1).await;
    let (queue, held, data) = site.look(&interaction).await;
    assert_eq!((queue.as_str(), held), ("poison", false));
    assert_eq!(data.integer("JackfieldFailures"), Some(2));
    assert!(data.text("JackfieldFailureReason").is_some_and(|reason| reason.starts_with("hostile_trap: ")), "{data:?}");
    assert_eq!(data.text("Subject"), Some("hello"));
    let counters = node.status().counters;
    assert_eq!((counters.pulled, counters.failed, counters.poisoned, counters.given_back), (2, 2, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_poison_queue_it_is_held_in_its_own() {
    let site = Site::open("email", &["hostile_trap"], false);
    let (engine, plugins) = plugins(&["hostile_trap"]).await;
    let node = start(settings(&[&site], &["hostile_trap"]), engine, plugins).await;
    let interaction = site.submit("hostile_trap").await;
    until("it is put aside", async || (node.status().counters.poisoned == 1).then_some(())).await;
    let (queue, held, data) = site.look(&interaction).await;
    assert_eq!((queue.as_str(), held, data.integer("JackfieldFailures")), ("inbound.hostile_trap", true, Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_with_its_interaction_in_hand_has_failed() {
    let site = Site::open("email", &["obeys"], true);
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(settings(&[&site], &["obeys"]), engine, plugins).await;
    let interaction = site.submit("obeys").await;
    let first = session(&node, &interaction).await;
    // The last turn asks for something that is refused; the answer is awaited, and comes to nothing.
    tell(&node, &first, "place", "no such queue").await;
    tell(&node, &first, "finish", "").await;
    let second = until("another session", async || {
        node.status().sessions.into_iter().find(|other| other.interaction == interaction && other.id != first.id)
    })
    .await;
    tell(&node, &second, "place", "done").await;
    site.waiting("done", 1).await;
    tell(&node, &second, "finish", "").await;
    until("it ended", async || node.status().sessions.is_empty().then_some(())).await;
    let (_, _, data) = site.look(&interaction).await;
    assert_eq!(data.integer("JackfieldFailures"), Some(1));
    let counters = node.status().counters;
    assert_eq!((counters.finished, counters.failed), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_gives_back_what_sessions_hold_and_blames_nobody() {
    let site = Site::open("email", &["obeys", "waits"], true);
    let (engine, plugins) = plugins(&["obeys", "waits"]).await;
    let node = start(settings(&[&site], &["obeys", "waits"]), engine, plugins).await;
    // `obeys` does not end when it is asked to, `waits` does; neither has finished with its interaction.
    let stubborn = site.submit("obeys").await;
    let willing = site.submit("waits").await;
    session(&node, &stubborn).await;
    session(&node, &willing).await;
    let report = node.shutdown(Duration::from_millis(300)).await;
    assert_eq!((report.finished, report.killed, report.given_back), (1, 1, 2));
    for interaction in [&stubborn, &willing] {
        let (queue, held, data) = site.look(interaction).await;
        assert!(queue.starts_with("inbound.") && !held);
        assert_eq!(data.integer("JackfieldFailures"), None);
    }
}
