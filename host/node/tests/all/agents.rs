//! Target selection and delivery, with agents who do what agents do.

use jackfield_node::Node;
use jackfield_protocol::v1::ReportingName;

use crate::support::{Agent, Site, Started, plugins, reported, settings, start, until};

async fn scene(site: &Site) -> Started {
    let (engine, plugins) = plugins(&["route_anyone"]).await;
    start(settings(&[site], &["route_anyone"]), engine, plugins).await
}

async fn no_sessions(node: &Node) {
    until("all sessions gone", async || node.status().sessions.is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_gets_the_interaction_and_the_session_ends() {
    let site = Site::open("email", &["route_anyone"], true);
    let node = scene(&site).await;
    let interaction = site.submit("route_anyone").await;
    until("it waits", async || (node.status().links[0].waiting_for_target == 1).then_some(())).await;
    let mut anna = Agent::log_in(&site, "anna", 1).await;
    assert_eq!(anna.accept().await, interaction);
    no_sessions(&node).await;
    let counters = node.status().counters;
    assert_eq!((counters.delivered, counters.finished, counters.failed, counters.given_back), (1, 1, 0, 0));
    assert_eq!(site.queue("inbound.route_anyone").await.handling, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_rejects_is_left_out_and_somebody_else_gets_it() {
    let site = Site::open("email", &["route_anyone"], true);
    let node = scene(&site).await;
    let mut anna = Agent::log_in(&site, "anna", 1).await;
    let interaction = site.submit("route_anyone").await;
    assert_eq!(anna.reject().await, interaction);
    until("the rejection is known", async || (node.status().counters.not_accepted == 1).then_some(())).await;
    let mut boris = Agent::log_in(&site, "boris", 1).await;
    assert_eq!(boris.accept().await, interaction);
    assert!(anna.is_left_alone());
    no_sessions(&node).await;
    let counters = node.status().counters;
    assert_eq!((counters.pulled, counters.delivered, counters.failed), (1, 1, 0), "one session saw it through");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_that_nobody_answers_goes_to_somebody_else() {
    let site = Site::open("email", &["route_anyone"], true);
    let node = scene(&site).await;
    let mut anna = Agent::log_in(&site, "anna", 1).await;
    let (_reporting, mut events) = site.reporting().await;
    let interaction = site.submit("route_anyone").await;
    let (_, invited) = anna.invited().await;
    assert_eq!(invited, interaction);
    reported(&mut events, ReportingName::InteractionRevoked).await;
    let mut boris = Agent::log_in(&site, "boris", 1).await;
    assert_eq!(boris.accept().await, interaction);
    no_sessions(&node).await;
    assert_eq!(node.status().counters.not_accepted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_more_than_the_capacity() {
    let site = Site::open("email", &["route_anyone"], true);
    let node = scene(&site).await;
    for _ in 0..5 {
        site.submit("route_anyone").await;
    }
    let mut anna = Agent::log_in(&site, "anna", 2).await;
    anna.accept().await;
    anna.accept().await;
    until("three wait", async || (node.status().links[0].waiting_for_target == 3).then_some(())).await;
    let mut boris = Agent::log_in(&site, "boris", 3).await;
    for _ in 0..3 {
        boris.accept().await;
    }
    no_sessions(&node).await;
    assert!(anna.is_left_alone());
    assert_eq!(node.status().counters.delivered, 5);
}
