//! What is pulled, and what is not.

use jackfield_node::{Node, PullState, StartError};
use jackfield_strategy::{Policies, Policy};

use crate::support::{Site, add_plugin, plugins, session, settings, start, tell, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_without_its_plugin_is_not_pulled_until_it_is_there() {
    let site = Site::open("email", &["obeys", "waits"], true);
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(settings(&[&site], &["obeys", "waits"]), engine.clone(), plugins.clone()).await;
    let missing = site.submit("waits").await;
    let there = site.submit("obeys").await;
    session(&node, &there).await;
    let pull = node.status().pulls.into_iter().find(|pull| pull.strategy == "waits").expect("a pull");
    assert_eq!(pull.state, PullState::NoPlugin);
    assert_eq!(site.queue("inbound.waits").await.waiting, 1);
    add_plugin(&engine, &plugins, "waits").await;
    session(&node, &missing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_error_107_only_that_strategy_rests_and_others_go_on() {
    let site = Site::open("email", &["obeys"], true);
    let (engine, plugins) = plugins(&["obeys", "waits"]).await;
    let node = start(settings(&[&site], &["obeys", "waits"]), engine, plugins).await;
    let resting =
        until("a rest", async || node.status().pulls.into_iter().find(|pull| pull.state == PullState::Resting)).await;
    assert_eq!(resting.strategy, "waits");
    assert_eq!(resting.problem, "__we_error_strategy_does_not_exist (107)");
    assert!((60_000..=120_000).contains(&resting.rest_ms), "{resting:?}");
    let interaction = site.submit("obeys").await;
    session(&node, &interaction).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_sessions_than_allowed_and_the_rest_follow() {
    let site = Site::open("email", &["obeys"], true);
    let (engine, plugins) = plugins(&["obeys"]).await;
    let mut settings = settings(&[&site], &["obeys"]);
    settings.options.max_sessions = 3;
    let node = start(settings, engine, plugins).await;
    for _ in 0..10 {
        site.submit("obeys").await;
    }
    let mut done = 0;
    while done < 10 {
        let sessions =
            until("a session", async || Some(node.status().sessions).filter(|sessions| !sessions.is_empty())).await;
        assert!(sessions.len() <= 3, "{} sessions", sessions.len());
        let next = &sessions[0];
        tell(&node, next, "stop", "done").await;
        tell(&node, next, "finish", "").await;
        done += 1;
        until("it is gone", async || node.status().sessions.iter().all(|other| other.id != next.id).then_some(()))
            .await;
    }
    let counters = node.status().counters;
    assert_eq!((counters.pulled, counters.finished), (10, 10));
    assert_eq!(site.queue("inbound.obeys").await.waiting, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_sessions_of_a_plugin_than_its_policy_allows_whatever_strategy_runs_it() {
    let site = Site::open("email", &["first", "second", "waits"], true);
    let (engine, plugins) = plugins(&["waits"]).await;
    let policy = Policy { max_sessions: Some(3), ..Policy::default() };
    engine.set_policies(Policies { by_plugin: [("obeys".to_owned(), policy)].into(), ..Policies::default() });
    add_plugin(&engine, &plugins, "obeys").await;
    let mut settings = settings(&[&site], &["first", "second", "waits"]);
    for strategy in settings.strategies.iter_mut().take(2) {
        strategy.plugin = "obeys".into();
    }
    let node = start(settings, engine, plugins).await;
    for _ in 0..5 {
        site.submit("first").await;
        site.submit("second").await;
    }
    // The others are not held up: of this plugin there is no bound.
    for _ in 0..5 {
        let other = site.submit("waits").await;
        session(&node, &other).await;
    }
    for _ in 0..10 {
        let sessions = until("a session", async || {
            let of_plugin = node.status().sessions.into_iter().filter(|session| session.plugin == "obeys");
            Some(of_plugin.collect::<Vec<_>>()).filter(|sessions| !sessions.is_empty())
        })
        .await;
        assert!(sessions.len() <= 3, "{} sessions", sessions.len());
        let next = &sessions[0];
        tell(&node, next, "stop", "done").await;
        tell(&node, next, "finish", "").await;
        until("it is gone", async || node.status().sessions.iter().all(|other| other.id != next.id).then_some(()))
            .await;
    }
    let counters = node.status().counters;
    assert_eq!((counters.pulled, counters.finished), (15, 10));
    for queue in ["inbound.first", "inbound.second"] {
        assert_eq!(site.queue(queue).await.waiting, 0, "{queue}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_and_agents_that_change_count_at_once() {
    let site = Site::open("email", &["obeys", "route_anyone"], true);
    let (engine, plugins) = plugins(&["obeys", "waits", "route_anyone"]).await;
    let mut settings = settings(&[&site], &["obeys", "waits", "route_anyone"]);
    settings.options.max_sessions = 1;
    settings.agents.clear();
    let node = start(settings.clone(), engine, plugins).await;
    let rest = |node: &Node| node.status().pulls.into_iter().find(|pull| pull.state == PullState::Resting);
    until("a rest", async || rest(&node).filter(|pull| pull.rest_ms > 60_000)).await;
    let first = site.submit("obeys").await;
    session(&node, &first).await;
    let second = site.submit("obeys").await;

    settings.options.mcr_pull_after_error_timeout = std::time::Duration::from_secs(60);
    settings.options.max_sessions = 10;
    node.set_settings(&settings);
    until("a shorter rest", async || rest(&node).filter(|pull| pull.rest_ms <= 60_000)).await;
    session(&node, &second).await;

    // `route_anyone` asks for the group `everyone`, in which nobody was.
    let routed = site.submit("route_anyone").await;
    until("it is put aside", async || (node.status().counters.failed >= 1).then_some(())).await;
    settings.agents = self::settings(&[&site], &["obeys"]).agents;
    settings.strategies[0].enabled = false;
    node.set_settings(&settings);
    let off = async || node.status().pulls.into_iter().find(|pull| pull.state == PullState::Disabled);
    assert_eq!(until("switched off", off).await.strategy, "obeys");
    let mut anna = crate::support::Agent::log_in(&site, "anna", 2).await;
    let next = site.submit("route_anyone").await;
    until("both or the later one", async || {
        let accepted = anna.accept().await;
        (accepted == next || accepted == routed).then_some(())
    })
    .await;
}

#[tokio::test]
async fn settings_that_contradict_themselves_are_refused() {
    let site = Site::open("email", &["obeys"], true);
    let (engine, plugins) = plugins(&[]).await;
    let mut wrong = settings(&[&site], &["obeys"]);
    wrong.links[0].strategies.push("dirver".into());
    let error = Node::start(wrong, engine.clone(), plugins.clone(), None).await.expect_err("no such strategy");
    assert_eq!(error, StartError::UnknownStrategy { server: "email".into(), strategy: "dirver".into() });
    let twice = settings(&[&site, &site], &["obeys"]);
    let error = Node::start(twice, engine, plugins, None).await.expect_err("two links of one name");
    assert_eq!(error.to_string(), "link `email` is configured twice; remove one");
}
