//! A router's connection breaks, or its server starts anew: it takes again what it held.

use std::time::Duration;

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;

use crate::support::*;

async fn reclaim(router: &jackfield_link::Client, ids: &[&str]) -> Vec<String> {
    let interaction_ids = ids.iter().map(|&id| id.into()).collect();
    let request = RequestMessage::Reclaim(RequestReclaim { interaction_ids, more: false });
    match router.request(request).await.expect("reclaims") {
        EventMessage::Reclaimed(reclaimed) => {
            reclaimed.interactions.into_iter().map(|interaction| interaction.interaction_id).collect()
        }
        other => panic!("not reclaimed: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_comes_back_for_what_it_held() {
    let folder = tempfile::tempdir().unwrap();
    let server = open(site(), &folder.path().join("store.db"));
    let endpoint = tcp(&server).await;
    let (media, _media_events) = connect(&endpoint, ClientType::MediaServer).await;
    let (first, _first_events) = connect_as(&endpoint, ClientType::RoutingEngine, "first").await;
    let (other, _other_events) = connect_as(&endpoint, ClientType::RoutingEngine, "other").await;
    let one = acked(media.request(submit("a question")).await.unwrap());
    let two = acked(media.request(submit("another")).await.unwrap());
    let mut held = 0;
    while held < 2 {
        held += pulled(first.request(pull(2)).await.unwrap()).len();
    }
    let waiting = other.send(pull(2), "").await.unwrap();
    first.close();
    let (first, _first_events) = connect_as(&endpoint, ClientType::RoutingEngine, "first").await;
    assert_eq!(reclaim(&first, &[&one]).await, [one.as_str()]);
    assert_eq!(pulled(waiting.await.expect("what it left"))[0].interaction_id, two, "and not the first");
    acked(first.request(stop(&one)).await.unwrap());
    acked(other.request(stop(&two)).await.unwrap());
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_still_open_is_cut_off_by_the_next_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let server = open(site(), &folder.path().join("store.db"));
    let endpoint = tcp(&server).await;
    let (media, _media_events) = connect(&endpoint, ClientType::MediaServer).await;
    let (frozen, _frozen_events) = connect_as(&endpoint, ClientType::RoutingEngine, "first").await;
    let id = acked(media.request(submit("a question")).await.unwrap());
    assert_eq!(pulled(frozen.request(pull(1)).await.unwrap())[0].interaction_id, id);
    let (awake, _awake_events) = connect_as(&endpoint, ClientType::RoutingEngine, "first").await;
    tokio::time::timeout(PATIENCE, frozen.closed()).await.expect("it is cut off");
    let reason = frozen.closed_because().expect("it is told why");
    assert!(reason.contains("another connection"), "{reason}");
    assert!(frozen.request(stop(&id)).await.is_err());
    assert_eq!(reclaim(&awake, &[&id]).await, [id.as_str()]);
    acked(awake.request(stop(&id)).await.unwrap());
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_does_not_come_back_is_waited_for_only_so_long() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = site();
    settings.timers.reclaim_window = Duration::from_millis(200);
    let server = open(settings, &folder.path().join("store.db"));
    let endpoint = tcp(&server).await;
    let (media, _media_events) = connect(&endpoint, ClientType::MediaServer).await;
    let (first, _first_events) = connect_as(&endpoint, ClientType::RoutingEngine, "first").await;
    let (other, _other_events) = connect_as(&endpoint, ClientType::RoutingEngine, "other").await;
    let id = acked(media.request(submit("a question")).await.unwrap());
    assert_eq!(pulled(first.request(pull(1)).await.unwrap()).len(), 1);
    let held = other.send(pull(1), "").await.unwrap();
    first.close();
    assert_eq!(pulled(held.await.expect("it came back"))[0].interaction_id, id);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_who_reclaims_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let server = open(site(), &file);
    let (media, _media_events) = connect(&tcp(&server).await, ClientType::MediaServer).await;
    let one = acked(media.request(submit("a question")).await.unwrap());
    let two = acked(media.request(submit("another")).await.unwrap());
    server.shutdown().await;

    let mut settings = site();
    settings.timers.reclaim_window_at_start = PATIENCE;
    let server = open(settings, &file);
    let endpoint = tcp(&server).await;
    let (other, _other_events) = connect_as(&endpoint, ClientType::RoutingEngine, "other").await;
    let RequestMessage::Pull(short) = pull(2) else { panic!("no pull") };
    let short = RequestMessage::Pull(RequestPull { max_delay_ms: 1, ..short });
    assert!(pulled(other.request(short).await.unwrap()).is_empty());
    let (first, _first_events) = connect_as(&endpoint, ClientType::RoutingEngine, "first").await;
    assert_eq!(reclaim(&first, &[&two, &one]).await, [two.as_str(), one.as_str()]);
    acked(first.request(stop(&one)).await.unwrap());
    server.shutdown().await;
}
