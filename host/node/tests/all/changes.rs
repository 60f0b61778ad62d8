//! What a session sees of its interaction: its own changes, and those of others.

use jackfield_protocol::v1::KeyValueList;

use crate::media_server::MediaServer;
use crate::support::{Agent, Site, Started, all_texts, plugins, settings, start, tell, until, watching};

async fn scene() -> (Site, Started, MediaServer) {
    let site = Site::open("email", &["obeys"], true);
    let media_server = MediaServer::open(&site).await;
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(settings(&[&site], &["obeys"]), engine, plugins).await;
    (site, node, media_server)
}

fn hello() -> KeyValueList {
    KeyValueList::default().with("Subject", "hello")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_customer_leaves_and_the_session_sees_it() {
    let (site, node, media_server) = scene().await;
    let interaction = media_server.submit("inbound.obeys", hello()).await;
    let session = watching(&node, &interaction).await;
    // Something of its own comes first, and must still be there.
    tell(&node, &session, "attach", "Billing").await;
    site.seen(&interaction, "done").await;
    media_server.customer_leaves(&interaction).await;
    let line = site.seen(&interaction, "changed").await;
    assert!(line.starts_with(r#"changed online=false view=Some("view.obeys")"#) && line.contains("good-bye"), "{line}");
    tell(&node, &session, "count", "RVQID").await;
    site.seen(&interaction, "count 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_customer_leaves_while_it_rings_and_the_session_knows_when_it_has_it_again() {
    let (site, node, media_server) = scene().await;
    let mut anna = Agent::log_in(&site, "anna", 1).await;
    let interaction = media_server.submit("inbound.obeys", hello()).await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "deliver-agent", "anna").await;
    let invitation = anna.invited().await;
    media_server.customer_leaves(&interaction).await;
    anna.turn_down(invitation).await;
    site.seen(&interaction, "failed 2008 rejected").await;
    let seen = all_texts(&site.data(&interaction).await, "Seen");
    let changed: Vec<_> = seen.iter().filter(|line| line.starts_with("changed online=false")).collect();
    assert_eq!(changed.len(), 1, "once, though the interaction came back with it too: {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn virtual_queue_ids_are_attached_and_the_first_is_the_primary_one() {
    let (site, node, media_server) = scene().await;
    let interaction = media_server.submit("inbound.obeys", hello()).await;
    let session = watching(&node, &interaction).await;
    for queue in ["Billing", "Everyone"] {
        tell(&node, &session, "attach", queue).await;
    }
    tell(&node, &session, "count", "RVQID").await;
    until("both are there", async || (all_texts(&site.data(&interaction).await, "RVQID").len() == 2).then_some(()))
        .await;
    let data = site.data(&interaction).await;
    let (ids, primary) = (all_texts(&data, "RVQID"), all_texts(&data, "RPVQID"));
    assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|byte| b"0123456789ABCDEF".contains(&byte))));
    assert_ne!(ids[0], ids[1]);
    assert_eq!(primary, ids[..1]);
    assert_eq!(all_texts(&data, "RTenant"), ["Resources", "Resources"]);

    // The next session of the interaction knows that there is one.
    tell(&node, &session, "deliver-queue", "inbound.obeys").await;
    tell(&node, &session, "finish", "").await;
    let next = until("another session", async || {
        node.status().sessions.into_iter().find(|other| other.interaction == interaction && other.id != session.id)
    })
    .await;
    tell(&node, &next, "attach", "Billing").await;
    until("the third is there", async || (all_texts(&site.data(&interaction).await, "RVQID").len() == 3).then_some(()))
        .await;
    assert_eq!(all_texts(&site.data(&interaction).await, "RPVQID"), primary);
}
