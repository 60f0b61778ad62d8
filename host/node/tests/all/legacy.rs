//! Legacy pulling: queues that name their strategy themselves, whose views are pulled by name; alone, beside strategies
//! that are pulled, and refused.

use std::time::Duration;

use jackfield_node::{Node, PullState, PullStatus, Settings};
use jackfield_protocol::v1::ReportingName;
use jackfield_protocol::v1::actor::Party;

use crate::support::{Site, plugins, reported, session, settings, start, tell, until, view_of};

/// A node that pulls these views, and the strategies as ever.
fn with_views(mut settings: Settings, views: &[(&str, &str)]) -> Settings {
    for link in &mut settings.links {
        link.views = views.iter().map(|(queue, strategy)| view_of(queue, strategy)).collect();
    }
    settings.options.mcr_pull_interval = Duration::from_millis(20);
    settings
}

/// Of these no strategy is pulled by its name.
fn only_views(mut settings: Settings, views: &[(&str, &str)]) -> Settings {
    for link in &mut settings.links {
        link.strategies.clear();
    }
    with_views(settings, views)
}

async fn end(node: &Node, interaction: &str) {
    let session = session(node, interaction).await;
    tell(node, &session, "stop", "done").await;
    tell(node, &session, "finish", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_strategy_the_queue_names_handles_the_interactions_of_every_view() {
    let site = Site::open("email", &["first", "second"], true);
    let (engine, plugins) = plugins(&["obeys"]).await;
    let views = [("first", "obeys"), ("second", "obeys")];
    let node = start(only_views(settings(&[&site], &["obeys"]), &views), engine, plugins).await;
    let (_reporting, mut events) = site.reporting().await;
    for round in 0..3 {
        for queue in ["first", "second"] {
            let interaction = site.submit(queue).await;
            let started = session(&node, &interaction).await;
            let added = reported(&mut events, ReportingName::PartyAdded).await;
            assert_eq!(added.actor.and_then(|actor| actor.party), Some(Party::Strategy("obeys".into())));
            assert_eq!((&*started.strategy, &*started.server), ("obeys", "email"), "round {round} of {queue}");
            end(&node, &interaction).await;
        }
    }
    let pulls = node.status().pulls;
    let of = |pull: &PullStatus| [&pull.server, &pull.strategy, &pull.queue, &pull.view].map(String::clone);
    let expected = ["first", "second"]
        .map(|queue| ["email".into(), "obeys".into(), format!("inbound.{queue}"), format!("view.{queue}")]);
    assert_eq!(pulls.iter().map(of).collect::<Vec<_>>(), expected);
    let is_well = |pull: &PullStatus| matches!(pull.state, PullState::Pulling | PullState::Paused);
    assert!(pulls.iter().all(|pull| is_well(pull) && pull.problem.is_empty()), "{pulls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn enhanced_and_legacy_queues_are_served_beside_each_other() {
    let site = Site::open("email", &["obeys", "old"], true);
    let (engine, plugins) = plugins(&["obeys"]).await;
    // One strategy, whose room they share.
    let mut settings = with_views(settings(&[&site], &["obeys"]), &[("old", "obeys")]);
    settings.options.max_sessions = 3;
    let node = start(settings, engine, plugins).await;
    for _ in 0..6 {
        site.submit("obeys").await;
        site.submit("old").await;
    }
    for _ in 0..12 {
        let sessions =
            until("a session", async || Some(node.status().sessions).filter(|sessions| !sessions.is_empty())).await;
        assert!(sessions.len() <= 3, "{} sessions", sessions.len());
        let next = &sessions[0];
        end(&node, &next.interaction).await;
        until("it is gone", async || node.status().sessions.iter().all(|other| other.id != next.id).then_some(()))
            .await;
    }
    for queue in ["inbound.obeys", "inbound.old"] {
        assert_eq!(site.queue(queue).await.waiting, 0, "{queue}");
    }
    assert_eq!(node.status().counters.finished, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn legacy_pulling_from_several_servers_and_each_request_goes_to_the_server_it_was_pulled_from() {
    let (email, chat) = (Site::open("email", &["obeys"], true), Site::open("chat", &["obeys"], true));
    let (engine, plugins) = plugins(&["obeys"]).await;
    let settings = only_views(settings(&[&email, &chat], &["obeys"]), &[("obeys", "obeys")]);
    let node = start(settings, engine, plugins).await;
    for (site, name) in [(&email, "email"), (&chat, "chat")] {
        let interaction = site.submit("obeys").await;
        let session = session(&node, &interaction).await;
        assert_eq!(session.server, name);
        tell(&node, &session, "place", "done").await;
        tell(&node, &session, "finish", "").await;
        site.waiting("done", 1).await;
        assert_eq!(site.look(&interaction).await.0, "done");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pulled_by_view_goes_on_after_a_lost_link() {
    let site = Site::open("email", &["obeys"], true);
    let (engine, plugins) = plugins(&["obeys"]).await;
    let settings = only_views(settings(&[&site], &["obeys"]), &[("obeys", "obeys")]);
    let node = start(settings, engine, plugins).await;
    let interaction = site.submit("obeys").await;
    session(&node, &interaction).await;
    site.cut();
    until("the link is up again", async || (node.status().links[0].connections == 2).then_some(())).await;
    end(&node, &interaction).await;
    let next = site.submit("obeys").await;
    end(&node, &next).await;
    until("both are over", async || (node.status().counters.finished == 2).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_each_of_the_five_errors_only_that_pull_rests_and_everything_else_goes_on() {
    // Of `gone` the server knows nothing; what it knows of the others is not enough.
    let site = Site::open_as("email", &["obeys", "alone", "off", "bad", "old"], |settings| {
        settings.submitters.retain(|submitter| submitter.strategy != "alone");
        for strategy in &mut settings.strategies {
            strategy.enabled = strategy.name != "off";
        }
        for view in &mut settings.views {
            if view.name == "view.bad" {
                view.condition = "no_such_property = 1".into();
            }
        }
    });
    let (engine, plugins) = plugins(&["obeys"]).await;
    let mut settings = settings(&[&site], &["obeys", "gone", "alone", "off", "bad"]);
    for strategy in &mut settings.strategies {
        strategy.plugin = "obeys".into();
    }
    let views = [("old", "obeys"), ("nothing", "obeys"), ("bad", "obeys")];
    let node = start(with_views(settings, &views), engine, plugins).await;
    let expected = [
        ("gone", "", "__we_error_strategy_does_not_exist (107)"),
        ("alone", "", "__we_error_strategy_has_no_views (108)"),
        ("off", "", "__we_error_strategy_is_disabled (109)"),
        ("bad", "", "__we_error_view_definition_invalid (83)"),
        ("obeys", "view.nothing", "__we_error_unknown_view_in_request (42)"),
        ("obeys", "view.bad", "__we_error_view_definition_invalid (83)"),
    ];
    let resting = until("the rests", async || {
        let mut pulls = node.status().pulls;
        pulls.retain(|pull| pull.state == PullState::Resting);
        (pulls.len() == expected.len()).then_some(pulls)
    })
    .await;
    let found: Vec<(&str, &str, &str)> =
        resting.iter().map(|pull| (&*pull.strategy, &*pull.view, &*pull.problem)).collect();
    assert_eq!(found, expected);
    assert!(resting.iter().all(|pull| (60_000..=120_000).contains(&pull.rest_ms)), "{resting:?}");
    for queue in ["obeys", "old"] {
        let interaction = site.submit(queue).await;
        assert_eq!(session(&node, &interaction).await.strategy, "obeys");
    }
}
