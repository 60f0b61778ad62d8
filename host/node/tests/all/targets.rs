//! Target selection as strategies have it: targets, steps, statistics, and why it decided so.

use jackfield_node::{PlaceSettings, Settings};
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{KeyValueList, RequestStopProcessing};

use crate::support::{Agent, Site, Started, plugins, session, settings, start, tell, until, watching};

async fn node(settings: Settings) -> Started {
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(settings, engine, plugins).await;
    until("the node pulls", async || (node.status().pulls[0].asked > 0).then_some(())).await;
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn each_target_that_is_not_there_fails_with_a_name_of_its_own() {
    let site = Site::open("email", &["obeys"], true);
    let places = vec![PlaceSettings { name: "desk".into(), groups: vec!["Floor".into()] }];
    let node = node(Settings { places, ..settings(&[&site], &["obeys"]) }).await;
    let interaction = site.submit("obeys").await;
    let session = watching(&node, &interaction).await;
    for (targets, failure) in [
        ("stranger@.A", "failed 2020 unknown_agent: agent `stranger` is not configured"),
        ("nobody@.GA", "failed 2021 unknown_agent_group"),
        ("attic@.AP", "failed 2022 unknown_place: place `attic` is not configured"),
        ("Cellar@.GP", "failed 2023 unknown_place_group"),
        ("{StatMood<1}everyone@.GA", "failed 2024 unknown_statistic"),
    ] {
        tell(&node, &session, "route-to", targets).await;
        site.seen(&interaction, failure).await;
    }
    // Nobody of them is there: that is told, too.
    tell(&node, &session, "within", "20").await;
    site.seen(&interaction, "failed 2025 nobody_logged_in").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_widen_and_a_queue_takes_what_nobody_took() {
    let site = Site::open("email", &["obeys"], true);
    let node = node(settings(&[&site], &["obeys"])).await;
    let interaction = site.submit("obeys").await;
    let first = session(&node, &interaction).await;
    tell(&node, &first, "widen", "anna@.A|50|boris@.A,done@.Q").await;
    site.waiting("done", 1).await;
    let mut boris = Agent::log_in(&site, "boris", 1).await;
    until("he is known", async || (node.status().links[0].agents == 1).then_some(())).await;
    let interaction = site.submit("obeys").await;
    let second = session(&node, &interaction).await;
    tell(&node, &second, "widen", "anna@.A|50|boris@.A,done@.Q").await;
    assert_eq!(boris.accept().await, interaction, "he stands before the queue");
    let counters = node.status().counters;
    assert_eq!(counters.failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_says_where_it_stands_and_why_it_waits_and_a_decision_why_it_was_made() {
    let site = Site::open("email", &["obeys"], true);
    let node = node(settings(&[&site], &["obeys"])).await;
    assert!(node.why("nothing").is_none());
    let mut waiting = Vec::new();
    for position in 1..=2 {
        let interaction = site.submit("obeys").await;
        let session = watching(&node, &interaction).await;
        tell(&node, &session, "route", "").await;
        until("it waits", async || (node.status().links[0].waiting_for_target == position).then_some(())).await;
        tell(&node, &session, "query", "").await;
        site.seen(&interaction, &format!("waiting {position}")).await;
        waiting.push((interaction, session));
    }
    let (first, session) = &waiting[0];
    tell(&node, session, "statistic", "everyone@.GA StatCallsInQueue").await;
    site.seen(first, "StatCallsInQueue Some(2)").await;
    tell(&node, session, "statistic", "everyone@.GA StatAgentsLoggedIn").await;
    site.seen(first, "StatAgentsLoggedIn Some(0)").await;
    let why = node.why(first).expect("it waits");
    assert_eq!(why.decided_at, None);
    assert_eq!(why.because, "it waits: of 2 whom its targets mean, 2 not logged in");
    let mut anna = Agent::log_in(&site, "anna", 1).await;
    assert_eq!(anna.accept().await, *first);
    let why = node.why(first).expect("it was decided");
    assert!(why.decided_at.is_some());
    assert_eq!(why.because, "`anna` became free, and of all that waits and fits there, this was first in line");
    let told: Vec<_> = why.candidates.iter().map(|one| (one.agent.as_str(), one.verdict)).collect();
    assert_eq!(told, [("anna", "chosen"), ("boris", "not logged in")]);
    let counts = node.decisions();
    assert_eq!((counts.len(), counts[0].agent.as_str(), counts[0].became_free), (1, "anna", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_never_have_more_with_an_agent_than_the_capacity_and_lose_nothing_over_it() {
    const ALL: usize = 12;
    let site = Site::open("email", &["route_anyone"], true);
    let mut nodes = Vec::new();
    for name in ["node_1", "node_2"] {
        let (engine, plugins) = plugins(&["route_anyone"]).await;
        let settings = Settings { name: name.into(), ..settings(&[&site], &["route_anyone"]) };
        nodes.push(start(settings, engine, plugins).await);
    }
    for node in &nodes {
        until("it pulls", async || (node.status().pulls[0].asked > 0).then_some(())).await;
    }
    for _ in 0..ALL {
        site.submit("route_anyone").await;
    }
    let waiting = || nodes.iter().map(|node| node.status().links[0].waiting_for_target).sum::<usize>();
    until("all wait", async || (waiting() == ALL).then_some(())).await;
    assert!(nodes.iter().all(|node| node.status().links[0].waiting_for_target > 0), "both have some");
    // Whenever she is free, both nodes have one for her, and the server lets her be invited once.
    let mut anna = Agent::log_in(&site, "anna", 1).await;
    for done in 0..ALL {
        let interaction = anna.accept().await;
        assert!(anna.is_left_alone(), "she has one");
        until("the rest waits", async || (waiting() == ALL - done - 1).then_some(())).await;
        let stop = RequestStopProcessing { interaction_id: interaction, reason: String::new() };
        anna.client.request(Ask::StopProcessing(stop)).await.expect("she is done");
    }
    let counters = nodes.iter().map(|node| node.status().counters).collect::<Vec<_>>();
    assert_eq!(counters.iter().map(|counters| counters.delivered).sum::<u64>(), ALL as u64);
    assert!(counters.iter().all(|counters| counters.failed == 0 && counters.not_accepted == 0), "{counters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_is_told_who_handled_the_contact_last() {
    let site = Site::open("email", &["obeys"], true);
    let node = node(settings(&[&site], &["obeys"])).await;
    let mut anna = Agent::log_in(&site, "anna", 1).await;
    let from = || KeyValueList::default().with("FromAddress", "kim@example.org");
    let interaction = site.submit_into("inbound.obeys", from()).await;
    let first = watching(&node, &interaction).await;
    tell(&node, &first, "last-agent", "").await;
    site.seen(&interaction, "last None").await;
    tell(&node, &first, "route", "").await;
    assert_eq!(anna.accept().await, interaction);
    let stop = RequestStopProcessing { interaction_id: interaction, reason: String::new() };
    anna.client.request(Ask::StopProcessing(stop)).await.expect("she is done");
    let interaction = site.submit_into("inbound.obeys", from()).await;
    let second = watching(&node, &interaction).await;
    tell(&node, &second, "last-agent", "").await;
    site.seen(&interaction, "last Some(\"anna\")").await;
    // It is sticky for a while, and then anybody's.
    tell(&node, &second, "widen", "anna@.A|60000|everyone@.GA").await;
    assert_eq!(anna.accept().await, interaction);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_takes_only_while_it_is_short_enough() {
    let site = Site::open("email", &["obeys"], true);
    let node = node(settings(&[&site], &["obeys"])).await;
    for (done, poison) in [(1, 0), (1, 1)] {
        let interaction = site.submit("obeys").await;
        let session = session(&node, &interaction).await;
        tell(&node, &session, "route-to", "{StatCallsInQueue<1}done@.Q,{StatCallsInQueue<1}poison@.Q").await;
        site.waiting("done", done).await;
        site.waiting("poison", poison).await;
        // What is in it now is told with the next answer.
        if poison == 0 {
            let interaction = site.submit("obeys").await;
            let session = watching(&node, &interaction).await;
            until("it is known", async || {
                tell(&node, &session, "statistic", "done@.Q StatCallsInQueue").await;
                let seen = site.data(&interaction).await;
                format!("{seen:?}").contains("StatCallsInQueue Some(1)").then_some(())
            })
            .await;
        }
    }
    assert_eq!(node.status().counters.failed, 0);
}
