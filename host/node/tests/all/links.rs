//! Several servers, and servers that go away.

use std::time::Duration;

use jackfield_server::Timers;

use crate::support::{Site, all_texts, plugins, session, settings, start, tell, until, watching};

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_to_the_server_the_interaction_came_from() {
    let (email, chat) = (Site::open("email", &["obeys"], true), Site::open("chat", &["obeys"], true));
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(settings(&[&email, &chat], &["obeys"]), engine, plugins).await;
    let (first, second) = (email.submit("obeys").await, chat.submit("obeys").await);
    assert_ne!(first, second, "ids of two servers differ");
    for (interaction, server) in [(&first, "email"), (&second, "chat")] {
        let session = session(&node, interaction).await;
        assert_eq!(session.server, server);
        tell(&node, &session, "place", "done").await;
        tell(&node, &session, "finish", "").await;
    }
    email.waiting("done", 1).await;
    chat.waiting("done", 1).await;
    assert_eq!(email.look(&first).await.0, "done");
    assert_eq!(chat.look(&second).await.0, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_and_comes_back_changes_nothing_for_its_sessions_and_the_other_goes_on() {
    let (email, chat) = (Site::open("email", &["obeys"], true), Site::open("chat", &["obeys"], true));
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(settings(&[&email, &chat], &["obeys"]), engine, plugins).await;
    let interaction = email.submit("obeys").await;
    let other = chat.submit("obeys").await;
    let first = session(&node, &interaction).await;
    let undisturbed = session(&node, &other).await;

    email.stop().await;
    until("the link is down", async || (!node.status().links[0].up).then_some(())).await;
    tell(&node, &undisturbed, "place", "done").await;
    chat.waiting("done", 1).await;
    // What it asks for now waits for the link.
    tell(&node, &first, "place", "done").await;
    until("it has asked", async || {
        let sessions = node.status().sessions;
        sessions.iter().any(|one| one.id == first.id && one.waits_for == "answer to place-in-queue").then_some(())
    })
    .await;

    email.start();
    email.waiting("done", 1).await;
    tell(&node, &first, "finish", "").await;
    until("its session is gone", async || {
        node.status().sessions.iter().all(|session| session.id != first.id).then_some(())
    })
    .await;
    assert_eq!(email.data(&interaction).await.integer("JackfieldFailures"), None);
    assert_eq!(node.status().links[0].connections, 2);
    let counters = node.status().counters;
    assert_eq!((counters.pulled, counters.failed, counters.finished), (2, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_takes_back_from_a_silent_session_is_the_next_ones() {
    let timers = Timers { routing_timeout: Duration::from_millis(1_500), ..Timers::default() };
    let site = Site::open_with("email", &["obeys"], true, timers);
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(settings(&[&site], &["obeys"]), engine, plugins).await;
    let interaction = site.submit("obeys").await;
    let first = watching(&node, &interaction).await;
    let second = until("another session", async || {
        node.status().sessions.into_iter().find(|other| other.interaction == interaction && other.id != first.id)
    })
    .await;
    tell(&node, &second, "watch", "").await;
    tell(&node, &second, "attach", "Billing").await;
    site.seen(&interaction, "done").await;
    let seen = all_texts(&site.data(&interaction).await, "Seen");
    assert!(seen.iter().all(|line| !line.contains("NotControlled")), "it is the second's: {seen:?}");
    tell(&node, &second, "place", "done").await;
    site.waiting("done", 1).await;
    tell(&node, &first, "finish", "").await;
    tell(&node, &second, "finish", "").await;
    until("both are gone", async || node.status().sessions.is_empty().then_some(())).await;
    assert_eq!((node.status().counters.pulled, node.status().counters.failed), (2, 0));
}
