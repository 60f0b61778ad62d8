//! Messages and other requests to servers behind the Interaction Server.

use jackfield_protocol::v1::KeyValueList;

use crate::media_server::MediaServer;
use crate::support::{Site, Started, all_texts, plugins, settings, start, tell, until, watching};

/// A site, a node on it that runs `obeys`, and a media server.
async fn scene() -> (Site, Started, MediaServer) {
    let site = Site::open("email", &["obeys"], true);
    let media_server = MediaServer::open(&site).await;
    let (engine, plugins) = plugins(&["obeys"]).await;
    let node = start(settings(&[&site], &["obeys"]), engine, plugins).await;
    (site, node, media_server)
}

fn id_of(interaction: &str) -> KeyValueList {
    KeyValueList::default().with("InteractionId", interaction)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_a_queue_is_created_and_sent_when_the_strategy_says() {
    let (site, node, mut media_server) = scene().await;
    let interaction = media_server.submit("inbound.obeys", KeyValueList::default()).await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "create", "done").await;
    let create = media_server.asked().await;
    assert_eq!((create.service.as_str(), create.method.as_str()), ("Email", "Create"));
    assert_eq!(create.interaction_id, interaction);
    assert!(create.idempotency_key.starts_with(&format!("{}:", session.id)), "{create:?}");
    let parameters = create.parameters.clone().expect("parameters");
    let pairs = ["MessageType", "Queue", "ParentInteractionId", "Subject"].map(|key| parameters.text(key));
    assert_eq!(pairs, [Some("acknowledgement"), Some("done"), Some(interaction.as_str()), Some("we have it")]);
    let message = media_server.submit("done", create.user_data.clone().unwrap_or_default()).await;
    assert!(media_server.answer(&create, false, id_of(&message)).await);
    site.seen(&interaction, &format!("created {message}")).await;

    tell(&node, &session, "send", &message).await;
    let send = media_server.asked().await;
    assert_eq!(send.method, "Send");
    assert_eq!(send.parameters.as_ref().and_then(|pairs| pairs.text("InteractionId")), Some(message.as_str()));
    assert_ne!(send.idempotency_key, create.idempotency_key);
    assert!(media_server.answer(&send, false, KeyValueList::default()).await);
    site.seen(&interaction, "done").await;
    assert_eq!(site.queue("done").await.waiting, 1, "it is the media server's to take away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_a_queue_is_sent_at_once_and_cleaned_up() {
    let (site, node, mut media_server) = scene().await;
    let interaction = media_server.submit("inbound.obeys", KeyValueList::default()).await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "create", "").await;
    let create = media_server.asked().await;
    let queue = create.parameters.as_ref().and_then(|pairs| pairs.text("Queue"));
    assert_eq!(queue, Some("orchestration_system"));
    let message = media_server.submit("orchestration_system", create.user_data.clone().unwrap_or_default()).await;
    assert!(media_server.answer(&create, false, id_of(&message)).await);
    let send = media_server.asked().await;
    assert_eq!((send.method.as_str(), send.interaction_id.as_str()), ("Send", message.as_str()));
    assert!(media_server.answer(&send, false, KeyValueList::default()).await);
    site.seen(&interaction, &format!("created {message}")).await;
    until("it is cleaned up", async || (node.status().counters.cleaned_up == 1).then_some(())).await;
    assert_eq!(site.queue("orchestration_system").await.waiting, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_fails_the_message_with_its_own_number() {
    let (site, node, mut media_server) = scene().await;
    let interaction = media_server.submit("inbound.obeys", KeyValueList::default()).await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "create", "").await;
    let create = media_server.asked().await;
    let fault = KeyValueList::default().with("FaultCode", 7).with("FaultString", "no such mailbox");
    assert!(media_server.answer(&create, true, fault).await);
    let line = site.seen(&interaction, "failed").await;
    assert_eq!(line, "failed 7 service_fault: no such mailbox");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_service_answers_or_is_given_up() {
    let (site, node, mut media_server) = scene().await;
    let interaction = media_server.submit("inbound.obeys", KeyValueList::default()).await;
    let session = watching(&node, &interaction).await;
    tell(&node, &session, "call", "MediaServer 20000").await;
    let call = media_server.asked().await;
    assert_eq!((call.service.as_str(), call.method.as_str()), ("Weather", "Forecast"));
    assert_eq!(call.parameters.as_ref().and_then(|pairs| pairs.text("City")), Some("Bern"));
    assert!(media_server.answer(&call, false, KeyValueList::default().with("Sky", "blue")).await);
    let line = site.seen(&interaction, "response").await;
    assert!(line.contains("Sky=") && line.contains("blue"), "{line}");

    tell(&node, &session, "call", "MediaServer 50").await;
    let call = media_server.asked().await;
    site.seen(&interaction, "failed 1015 __we_error_external_service_timeout").await;
    assert!(!media_server.answer(&call, false, KeyValueList::default()).await, "too late");
    tell(&node, &session, "call", "Nobody 50").await;
    site.seen(&interaction, "failed 1014 __we_error_unknown_external_server").await;
    let seen = all_texts(&site.data(&interaction).await, "Seen");
    assert_eq!(seen.iter().filter(|line| line.starts_with("response")).count(), 1, "{seen:?}");
}
