//! The interaction queue `orchestration_system`, step by step (guide, *Orchestration Default Interaction Queue*).

use std::time::Duration;

use jackfield_node::{Options, Settings};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{
    ClientType, EventReporting, KeyValueList, ReportingName, RequestPlaceInQueue, RequestSubmit, key_value::Value,
};
use jackfield_server::Timers;
use tokio::sync::mpsc;

use crate::media_server::MediaServer;
use crate::support::{Home, Site, Started, crash, plugins, reported, settings, start, tell, until, watching};

const QUEUE: &str = "orchestration_system";

/// The settings of a node of this name that takes over after this time.
fn named(name: &str, site: &Site, take_over: Duration) -> Settings {
    let settings = settings(&[site], &["obeys"]);
    let options = Options { cleanup_takeover_timeout: take_over, ..settings.options.clone() };
    Settings { name: name.into(), options, ..settings }
}

async fn node(name: &str, site: &Site) -> Started {
    node_that_takes_over(name, site, Duration::from_secs(300)).await
}

/// One that listens.
async fn node_that_takes_over(name: &str, site: &Site, after: Duration) -> Started {
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(named(name, site, after), engine, plugins).await;
    listens(&node).await;
    node
}

/// Waits until the node pulls: it has begun to listen before.
async fn listens(node: &jackfield_node::Node) {
    until("the node pulls", async || (node.status().pulls[0].asked > 0).then_some(())).await;
}

fn owned_by(cluster: &str, node: &str) -> KeyValueList {
    let owner = KeyValueList::default().with("Session", "s").with("Node", node).with("Url", "");
    KeyValueList::default().with(format!("ORSI:{cluster}:0000000000000001"), owner)
}

async fn cleaned_up(node: &Started, own: u64, others: u64) {
    until(&format!("{own} cleaned up and {others} taken over"), async || {
        let counters = node.status().counters;
        (counters.cleaned_up == own && counters.taken_over == others).then_some(())
    })
    .await;
}

/// What is reported of one interaction, up to its end: name and who did it.
async fn its_events(events: &mut mpsc::Receiver<Event>, interaction: &str) -> Vec<(ReportingName, String, String)> {
    let mut all = Vec::new();
    loop {
        let event: EventReporting = match events.recv().await {
            Some(Event::Reporting(event)) if event.interaction_id == interaction => event,
            Some(_) => continue,
            None => panic!("the reporting ended"),
        };
        let client = event.actor.as_ref().map(|actor| actor.client.clone()).unwrap_or_default();
        all.push((event.name(), client, event.reason.clone()));
        if event.name() == ReportingName::ProcessingStopped {
            return all;
        }
    }
}

// ---- the processing of a message without a queue ----

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_a_queue_is_created_with_parameter_queue_orchestration_system() {
    let site = Site::open("email", &["obeys"], true);
    let mut media_server = MediaServer::open(&site).await;
    let node = node("node_1", &site).await;
    let interaction = media_server.submit("inbound.obeys", KeyValueList::default()).await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "create", "").await;
    let create = media_server.asked().await;
    assert_eq!((create.service.as_str(), create.method.as_str()), ("Email", "Create"));
    assert_eq!(create.parameters.as_ref().and_then(|pairs| pairs.text("Queue")), Some(QUEUE));
    // The owner: a list under the key of cluster and interaction.
    let data = create.user_data.clone().unwrap_or_default();
    let key = format!("ORSI:east:{interaction}");
    let owner = data.pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_ref());
    let Some(Value::List(owner)) = owner else { panic!("no owner in {data:?}") };
    assert_eq!((owner.text("Session"), owner.text("Node")), (Some(session.id.as_str()), Some("node_1")));
    assert!(owner.text("Url").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn as_soon_as_the_answer_brings_the_new_interaction_id_the_message_is_sent() {
    let site = Site::open("email", &["obeys"], true);
    let mut media_server = MediaServer::open(&site).await;
    let node = node("node_1", &site).await;
    let interaction = media_server.submit("inbound.obeys", KeyValueList::default()).await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "create", "").await;
    let create = media_server.asked().await;
    let message = media_server.submit(QUEUE, create.user_data.clone().unwrap_or_default()).await;
    // It is cleaned up whenever that is: sending it does not need the interaction.
    cleaned_up(&node, 1, 0).await;
    let made = KeyValueList::default().with("InteractionId", message.as_str());
    assert!(media_server.answer(&create, false, made).await);
    let send = media_server.asked().await;
    assert_eq!((send.method.as_str(), send.interaction_id.as_str()), ("Send", message.as_str()));
    assert!(media_server.answer(&send, false, KeyValueList::default()).await);
    site.seen(&interaction, &format!("created {message}")).await;
}

// ---- the automatic clean-up ----

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_constantly_monitor_the_events_of_the_queue_and_each_cleans_up_its_own() {
    let site = Site::open("email", &["obeys"], true);
    let (one, other) = (node("node_1", &site).await, node("node_2", &site).await);
    for round in 1..=3 {
        for name in ["node_1", "node_2"] {
            site.submit_into(QUEUE, owned_by("east", name)).await;
        }
        cleaned_up(&one, round, 0).await;
        cleaned_up(&other, round, 0).await;
        // Whatever becomes of the connection.
        site.cut();
        until("both are back", async || {
            [&one, &other].iter().all(|node| node.status().links[0].connections > round).then_some(())
        })
        .await;
    }
    site.waiting(QUEUE, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_determined_by_the_content_of_the_orsi_pair_and_nobody_else_touches_it() {
    let site = Site::open("email", &["obeys"], true);
    let node = node("node_1", &site).await;
    let untouched = [
        KeyValueList::default().with("Subject", "of nobody"),
        KeyValueList::default().with("ORSI:east:0000000000000001", "node_1"),
        owned_by("west", "node_1"),
        owned_by("eastern", "node_1"),
        owned_by("east", "node_2"),
    ];
    let count = untouched.len() as u64;
    for user_data in untouched {
        site.submit_into(QUEUE, user_data).await;
    }
    let (_reporter, mut events) = site.reporting().await;
    let own = site.submit_into(QUEUE, owned_by("east", "node_1")).await;
    cleaned_up(&node, 1, 0).await;
    // It has looked at all of them by now, and looks again.
    site.cut();
    until("it is back", async || (node.status().links[0].connections == 2).then_some(())).await;
    listens(&node).await;
    site.waiting(QUEUE, count).await;
    let taken: Vec<_> = std::iter::from_fn(|| events.try_recv().ok())
        .filter_map(|event| match event {
            Event::Reporting(event) if event.name() == ReportingName::TakenFromQueue => Some(event.interaction_id),
            _ => None,
        })
        .collect();
    assert_eq!(taken, [own]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_pulls_it_by_its_interaction_id_and_then_requests_to_stop_it_and_it_is_discarded() {
    let site = Site::open("email", &["obeys"], true);
    let (node, _other) = (node("node_1", &site).await, node("node_2", &site).await);
    let (_reporter, mut events) = site.reporting().await;
    let interaction = site.submit_into(QUEUE, owned_by("east", "node_1")).await;
    use ReportingName::{InteractionSubmitted, PartyAdded, PartyRemoved, ProcessingStopped, TakenFromQueue};
    let all = its_events(&mut events, &interaction).await;
    let names: Vec<_> = all.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, [InteractionSubmitted, TakenFromQueue, PartyAdded, PartyRemoved, ProcessingStopped]);
    assert!(all[1..].iter().all(|(_, client, _)| client == "node_1"), "{all:?}");
    assert_eq!(all[4].2, "cleaned up from orchestration_system");
    cleaned_up(&node, 1, 0).await;
    site.waiting(QUEUE, 0).await;
}

// ---- what the guide leaves open ----

#[tokio::test(flavor = "multi_thread")]
async fn what_was_submitted_while_nobody_listened_is_found_after_the_connection() {
    let site = Site::open("email", &["obeys"], true);
    site.submit_into(QUEUE, owned_by("east", "node_1")).await;
    let home = Home::new();
    let (engine, plugins) = plugins(&["obeys"]).await;
    let settings = || named("node_1", &site, Duration::from_secs(300));
    // The node was not there.
    let (node, journal) = home.start(settings(), &engine, &plugins).await;
    until("one is cleaned up", async || (node.status().counters.cleaned_up == 1).then_some(())).await;
    crash(node, journal).await;
    // It was restarted. More than a page of them: some are another's, and stay.
    let (media_server, _events) = site.client(ClientType::MediaServer).await;
    for number in 0..1_100 {
        let user_data = owned_by("east", if number % 2 == 0 { "node_1" } else { "node_2" });
        let submit = RequestSubmit {
            media_type: "email".into(),
            queue: QUEUE.into(),
            user_data: Some(user_data),
            ..Default::default()
        };
        media_server.request(Ask::Submit(submit)).await.expect("submitted");
    }
    let (node, _journal) = home.start(settings(), &engine, &plugins).await;
    until("all are cleaned up", async || (node.status().counters.cleaned_up == 550).then_some(())).await;
    site.waiting(QUEUE, 550).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_that_is_gone_does_not_clean_up_another_of_the_cluster_does_after_a_while_and_only_one() {
    let site = Site::open("email", &["obeys"], true);
    let take_over = Duration::from_millis(400);
    let (one, two) = (
        node_that_takes_over("node_1", &site, take_over).await,
        node_that_takes_over("node_2", &site, take_over).await,
    );
    let (_reporter, mut events) = site.reporting().await;
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(site.submit_into(QUEUE, owned_by("east", "node_3")).await);
    }
    let foreign = site.submit_into(QUEUE, owned_by("west", "node_3")).await;
    until("all are taken over", async || {
        let taken = |node: &Started| node.status().counters.taken_over;
        (taken(&one) + taken(&two) == 20).then_some(())
    })
    .await;
    let mut stopped = Vec::new();
    for _ in 0..20 {
        stopped.push(reported(&mut events, ReportingName::ProcessingStopped).await.interaction_id);
    }
    stopped.sort_unstable();
    all.sort_unstable();
    assert_eq!(stopped, all, "each once");
    assert_eq!(site.look(&foreign).await.0, QUEUE);
    assert_eq!((one.status().counters.cleaned_up, two.status().counters.cleaned_up), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pulled_and_not_stopped_is_cleaned_up_all_the_same() {
    let timers = Timers { reclaim_window: Duration::from_millis(100), ..Timers::default() };
    let site = Site::open_with("email", &["obeys"], true, timers);
    let node = node_that_takes_over("node_1", &site, Duration::from_millis(300)).await;
    // A node that is no node of ours takes it and dies.
    let (other, _events) = site.client(ClientType::RoutingEngine).await;
    let elsewhere = site.submit_into("done", owned_by("east", "node_2")).await;
    let pull = jackfield_protocol::v1::RequestPull {
        what: Some(jackfield_protocol::v1::request_pull::What::ByIds(jackfield_protocol::v1::PullByIds {
            interaction_ids: vec![elsewhere.clone()],
        })),
        count: 1,
        ..Default::default()
    };
    other.request(Ask::Pull(pull)).await.expect("pulled");
    let place = RequestPlaceInQueue { interaction_id: elsewhere.clone(), queue: QUEUE.into(), ..Default::default() };
    // It comes there by being placed, which tells nobody whose it is.
    other.request(Ask::PlaceInQueue(place)).await.expect("placed");
    drop(other);
    cleaned_up(&node, 0, 1).await;
    site.waiting(QUEUE, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_missing_is_told_until_it_is_there() {
    let mut site = Site::closed("email", &["obeys"], true, |_| {});
    site.configure(|settings| settings.queues.retain(|queue| queue.name != QUEUE));
    site.start();
    let node = node("node_1", &site).await;
    until("it is missing", async || node.status().links[0].lacks_orchestration_system.then_some(())).await;
    site.stop().await;
    site.configure(|settings| settings.queues.push(jackfield_server::Queue { name: QUEUE.into() }));
    site.start();
    until("it is there", async || (!node.status().links[0].lacks_orchestration_system).then_some(())).await;
    site.submit_into(QUEUE, owned_by("east", "node_1")).await;
    cleaned_up(&node, 1, 0).await;
}
