//! A link that is lost: how long requests wait for it, and what a session hears of what it holds.

use std::time::Duration;

use jackfield_node::{Options, SessionStatus, Settings};
use jackfield_server::Timers;

use crate::support::{Site, Started, all_texts, plugins, session, settings, start, tell, until, watching};

fn with_options(settings: Settings, change: impl FnOnce(&mut Options)) -> Settings {
    let mut settings = settings;
    change(&mut settings.options);
    settings
}

async fn waits_for(node: &Started, session: &SessionStatus, what: &str) {
    until(&format!("it waits for {what}"), async || {
        let sessions = node.status().sessions;
        sessions.iter().any(|one| one.id == session.id && one.waits_for == what).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_link_is_down_requests_wait_up_to_a_limit_and_then_fail_and_never_go_elsewhere() {
    let (email, chat) = (Site::open("email", &["obeys"], true), Site::open("chat", &["obeys"], true));
    let (engine, plugins) = plugins(&["obeys"]).await;
    let limit = Duration::from_millis(500);
    let settings = with_options(settings(&[&email, &chat], &["obeys"]), |options| options.link_down_timeout = limit);
    let node = start(settings, engine, plugins).await;
    let interaction = email.submit("obeys").await;
    let first = watching(&node, &interaction).await;
    email.stop().await;
    until("the link is down", async || (!node.status().links[0].up).then_some(())).await;
    // Place, deliver, stop, ESP, properties.
    for (what, of) in
        [("place", "done"), ("deliver-agent", "anna"), ("stop", ""), ("call", "MediaServer 0"), ("attach", "B")]
    {
        tell(&node, &first, what, of).await;
    }
    until("all of it is asked for", async || {
        node.status().sessions.iter().any(|one| one.id == first.id && one.turns >= 7).then_some(())
    })
    .await;
    waits_for(&node, &first, "event").await;
    email.start();
    until("the link is up", async || (node.status().pulls[0].asked > 0).then_some(())).await;
    // What was written down is written with the next.
    tell(&node, &first, "attach", "Billing").await;
    email.seen(&interaction, "done").await;
    let seen = all_texts(&email.data(&interaction).await, "Seen");
    let failed: Vec<_> = seen.iter().filter(|line| line.starts_with("failed 2000 link_down: ")).collect();
    assert_eq!(failed.len(), 5, "{seen:#?}");
    assert!(failed.iter().all(|line| line.contains("`email`") && line.ends_with("it was not asked for")), "{failed:?}");
    assert!(seen.iter().all(|line| !line.contains("NotControlled")), "the link came back in time: {seen:?}");
    // None of them was done, there or elsewhere.
    assert_eq!((email.queue("done").await.waiting, chat.queue("done").await.waiting), (0, 0));
    assert_eq!(all_texts(&email.data(&interaction).await, "RVQID").len(), 1);
    tell(&node, &first, "place", "done").await;
    email.waiting("done", 1).await;
    assert_eq!(node.status().counters.failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_comes_back_within_the_limit_carries_what_waited_for_it() {
    let site = Site::open("email", &["obeys"], true);
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(settings(&[&site], &["obeys"]), engine, plugins).await;
    let interaction = site.submit("obeys").await;
    let first = session(&node, &interaction).await;
    site.stop().await;
    until("the link is down", async || (!node.status().links[0].up).then_some(())).await;
    tell(&node, &first, "place", "done").await;
    waits_for(&node, &first, "answer to place-in-queue").await;
    site.start();
    site.waiting("done", 1).await;
}

/// A node whose links stay down for longer than the server keeps what it held.
async fn forgetful() -> (Site, Started) {
    let timers = Timers { reclaim_window: Duration::from_millis(50), ..Timers::default() };
    let site = Site::open_with("email", &["obeys", "route_anyone"], true, timers);
    let (engine, plugins) = plugins(&["obeys", "route_anyone"]).await;
    let settings = with_options(settings(&[&site], &["obeys", "route_anyone"]), |options| {
        options.reconnect_first = Duration::from_secs(1);
        options.reconnect_max = Duration::from_secs(1);
    });
    let node = start(settings, engine, plugins).await;
    (site, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_loss_in_which_the_server_took_it_back_the_session_hears_not_controlled_and_then_present() {
    let (site, node) = forgetful().await;
    let interaction = site.submit("obeys").await;
    let first = watching(&node, &interaction).await;
    waits_for(&node, &first, "event").await;
    site.cut();
    // Written down once it has the interaction again.
    site.seen(&interaction, "Event::InteractionNotControlled").await;
    let seen = all_texts(&site.data(&interaction).await, "Seen");
    let [began, lost, present] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(began, present);
    assert!(lost.starts_with("Event::InteractionNotControlled") && lost.contains("took it back"), "{seen:?}");
    assert!(present.contains(&interaction), "{seen:?}");
    tell(&node, &first, "place", "done").await;
    site.waiting("done", 1).await;
    tell(&node, &first, "finish", "").await;
    until("it has ended", async || node.status().sessions.is_empty().then_some(())).await;
    let counters = node.status().counters;
    assert_eq!((counters.pulled, counters.finished, counters.failed), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_when_it_hears_of_the_loss_has_not_failed_and_the_next_one_begins() {
    let (site, node) = forgetful().await;
    let interaction = site.submit("route_anyone").await;
    let first = session(&node, &interaction).await;
    waits_for(&node, &first, "target (everyone)").await;
    site.cut();
    let second = until("another session", async || {
        node.status().sessions.into_iter().find(|other| other.interaction == interaction && other.id != first.id)
    })
    .await;
    waits_for(&node, &second, "target (everyone)").await;
    assert_eq!(site.data(&interaction).await.integer("JackfieldFailures"), None);
    let counters = node.status().counters;
    assert_eq!((counters.pulled, counters.finished, counters.failed, counters.given_back), (2, 1, 0, 1));
}
