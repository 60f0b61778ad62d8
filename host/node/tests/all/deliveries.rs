//! Where strategies send interactions themselves, and waits for a target that end otherwise.

use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{ClientType, RequestGetWorkbinContent, Workbin, WorkbinOwner};

use crate::support::{Agent, Site, Started, all_texts, plugins, settings, start, tell, until, watching};

async fn scene() -> (Site, Started) {
    let site = Site::open("email", &["obeys"], true);
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(settings(&[&site], &["obeys"]), engine, plugins).await;
    (site, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_or_a_place_named_by_the_strategy_is_invited() {
    let (site, node) = scene().await;
    let mut anna = Agent::log_in(&site, "anna", 2).await;
    for (how, to) in [("deliver-agent", "anna"), ("deliver-place", "place-anna")] {
        let interaction = site.submit("obeys").await;
        let session = watching(&node, &interaction).await;
        tell(&node, &session, how, to).await;
        assert_eq!(anna.accept().await, interaction);
        tell(&node, &session, "finish", "").await;
    }
    until("both sessions gone", async || node.status().sessions.is_empty().then_some(())).await;
    let counters = node.status().counters;
    assert_eq!((counters.delivered, counters.finished, counters.failed, counters.given_back), (2, 2, 0, 0));
    assert_eq!(site.queue("inbound.obeys").await.handling, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_who_rejects_leaves_it_with_the_session() {
    let (site, node) = scene().await;
    let mut anna = Agent::log_in(&site, "anna", 1).await;
    let interaction = site.submit("obeys").await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "deliver-agent", "anna").await;
    assert_eq!(anna.reject().await, interaction);
    site.seen(&interaction, "failed 2008 rejected").await;
    tell(&node, &session, "deliver-agent", "boris").await;
    site.seen(&interaction, "failed 1008 __we_error_agent_not_logged_in").await;
    tell(&node, &session, "place", "done").await;
    site.waiting("done", 1).await;
    let counters = node.status().counters;
    assert_eq!((counters.pulled, counters.not_accepted, counters.failed), (1, 1, 0), "one session saw it through");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workbin_and_a_queue_take_it_at_once() {
    let (site, node) = scene().await;
    let interaction = site.submit("obeys").await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "deliver-workbin", "anna").await;
    let workbin = Workbin { r#type: "drafts".into(), owner_type: WorkbinOwner::Agent.into(), owner: "anna".into() };
    let (client, _events) = site.client(ClientType::AgentApplication).await;
    let found = until("it is in the workbin", async || {
        let ask = RequestGetWorkbinContent { workbin: Some(workbin.clone()) };
        match client.request(Ask::GetWorkbinContent(ask)).await {
            Ok(Event::WorkbinContent(mut content)) => content.interactions.pop(),
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert_eq!(found.interaction_id, interaction);
    tell(&node, &session, "finish", "").await;

    let interaction = site.submit("obeys").await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "deliver-queue", "done").await;
    site.waiting("done", 1).await;
    tell(&node, &session, "finish", "").await;
    until("both sessions gone", async || node.status().sessions.is_empty().then_some(())).await;
    assert_eq!((node.status().counters.finished, node.status().counters.failed), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_wait_leaves_the_interaction_with_the_session() {
    let (site, node) = scene().await;
    let interaction = site.submit("obeys").await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "cancel", "").await;
    site.seen(&interaction, "failed 2011 request_unknown").await;
    tell(&node, &session, "route", "").await;
    until("it waits", async || (node.status().links[0].waiting_for_target == 1).then_some(())).await;
    tell(&node, &session, "cancel", "").await;
    site.seen(&interaction, "done").await;
    assert_eq!(node.status().links[0].waiting_for_target, 0);
    let seen = all_texts(&site.data(&interaction).await, "Seen");
    let at = |beginning: &str| seen.iter().position(|line| line.starts_with(beginning));
    assert!(at("failed 2002 cancelled") < at("done") && at("failed 2002 cancelled").is_some(), "{seen:?}");
    let mut anna = Agent::log_in(&site, "anna", 1).await;
    tell(&node, &session, "find", "").await;
    let found = site.seen(&interaction, "routed everyone").await;
    assert!(found.contains("anna"), "{found}");
    assert!(anna.is_left_alone(), "found, not invited");
    tell(&node, &session, "place", "done").await;
    site.waiting("done", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_among_the_targets_takes_it_when_nobody_fits() {
    let (site, node) = scene().await;
    let interaction = site.submit("obeys").await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "find-queue", "done").await;
    let found = site.seen(&interaction, "routed done").await;
    assert!(found.contains("InteractionQueue"), "{found}");
    tell(&node, &session, "route-queue", "done").await;
    site.waiting("done", 1).await;
    tell(&node, &session, "finish", "").await;

    let mut anna = Agent::log_in(&site, "anna", 1).await;
    until("anna is known", async || (node.status().links[0].agents == 1).then_some(())).await;
    let interaction = site.submit("obeys").await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "route-queue", "done").await;
    assert_eq!(anna.accept().await, interaction, "somebody who fits goes before the queue");
    tell(&node, &session, "finish", "").await;
    until("both sessions gone", async || node.status().sessions.is_empty().then_some(())).await;
    assert_eq!((site.queue("done").await.waiting, node.status().counters.failed), (1, 0));
}
