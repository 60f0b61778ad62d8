//! What was acknowledged is there after a restart, and happened once.

use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;
use jackfield_server::Health;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_found_again_and_keys_are_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let server = open(site(), &file);
    let endpoint = in_process(&server);
    let (media, _media_events) = connect(&endpoint, ClientType::MediaServer).await;
    let (router, _router_events) = connect(&endpoint, ClientType::RoutingEngine).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let key = format!("submit {number}");
        ids.push(acked(media.request_once(submit("a question"), key).await.unwrap()));
    }
    assert_eq!(pulled(router.request(pull(3)).await.unwrap()).len(), 3);
    acked(router.request_once(stop(&ids[0]), "stop").await.unwrap());
    let place = |id: &str| {
        RequestMessage::PlaceInQueue(RequestPlaceInQueue {
            interaction_id: id.into(),
            queue: "second".into(),
            ..RequestPlaceInQueue::default()
        })
    };
    acked(router.request_once(place(&ids[1]), "place").await.unwrap());
    let first = router.registration().incarnation.clone();
    server.shutdown().await;
    assert_eq!(server.health(), Health::Stopping);
    tokio::time::timeout(PATIENCE, router.closed()).await.expect("its stream has ended");

    let server = open(site(), &file);
    let endpoint = in_process(&server);
    let (media, _media_events) = connect(&endpoint, ClientType::MediaServer).await;
    let (router, _router_events) = connect(&endpoint, ClientType::RoutingEngine).await;
    assert_ne!(router.registration().incarnation, first);
    for (number, id) in ids.iter().enumerate() {
        let key = format!("submit {number}");
        assert_eq!(&acked(media.request_once(submit("a question"), key).await.unwrap()), id);
    }
    acked(router.request_once(stop(&ids[0]), "stop").await.unwrap());
    acked(router.request_once(place(&ids[1]), "place").await.unwrap());
    let there = pulled(router.request(pull(10)).await.unwrap());
    let there: Vec<&str> = there.iter().map(|one| one.interaction_id.as_str()).collect();
    assert_eq!(there, ids[2..], "what was held is back in its place; what was stopped or moved is not here");
    let status = status(&router).await;
    assert_eq!(status.interactions, 4);
    server.shutdown().await;
}
