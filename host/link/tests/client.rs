//! One client on one stream, against a server that does what each test says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use futures_util::future::join_all;
use jackfield_link::{Client, EVENTS_UNREAD_FOR, EVENTS_WAITING, Endpoint, InProcess, LinkError, REGISTER_WITHIN};
use jackfield_protocol::v1::{EventAck, EventRevoked, KeyValueList, RequestSubmit, event::Message};
use jackfield_protocol::{ErrorCode, VERSION, limits};
use support::{Connection, in_process, register, reply, stop, stopped, tcp};
use tokio::sync::mpsc;

async fn connected(
    endpoint: &Endpoint,
    connections: &mut mpsc::Receiver<Connection>,
) -> (Client, mpsc::Receiver<Message>, Connection) {
    let serve = async {
        let mut connection = connections.recv().await.expect("a connection");
        connection.register().await;
        connection
    };
    let (client, connection) = tokio::join!(Client::connect(endpoint, register("test")), serve);
    let (client, events) = client.expect("registered");
    (client, events, connection)
}

fn acknowledged(answer: Result<Message, LinkError>) -> String {
    match answer {
        Ok(Message::Ack(ack)) => ack.interaction_id,
        other => panic!("expected an acknowledgement, found {other:?}"),
    }
}

#[tokio::test]
async fn registration_carries_the_versions_and_brings_the_servers_name() {
    let (endpoint, mut connections) = in_process();
    let serve = async { connections.recv().await.expect("a connection").register().await };
    let (client, seen) = tokio::join!(Client::connect(&endpoint, register("router")), serve);
    assert_eq!((seen.client_name.as_str(), seen.version_min, seen.version_max), ("router", VERSION, VERSION));
    assert_eq!(client.expect("registered").0.registration().server_name, "test");
}

#[tokio::test]
async fn a_refused_registration_says_why() {
    let (endpoint, mut connections) = in_process();
    let serve = async {
        let mut connection = connections.recv().await.expect("a connection");
        let requests = connection.requests().await.expect("a frame");
        let refusal = ErrorCode::UnknownTenant.with("no tenant 7");
        connection.send(vec![reply(requests[0].reference_id, Message::Error(refusal.into()))]).await;
        connection
    };
    let (client, _connection) = tokio::join!(Client::connect(&endpoint, register("test")), serve);
    let error = client.expect_err("refused");
    assert_eq!(error.code(), Some(ErrorCode::UnknownTenant));
    assert!(!error.is_retriable() && error.to_string().contains("no tenant 7"), "{error}");
}

#[tokio::test]
async fn no_server_is_down_and_a_bad_address_is_not_retriable() {
    let (sender, _) = mpsc::channel(1);
    let gone = Endpoint::InProcess(InProcess::new(sender));
    let error = Client::connect(&gone, register("test")).await.expect_err("stopped");
    assert!(error.is_retriable() && error.to_string().contains("has stopped"), "{error}");

    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let error = Client::connect(&Endpoint::Tcp(free.to_string()), register("test")).await.expect_err("nobody there");
    assert!(error.is_retriable() && error.to_string().contains(&free.to_string()), "{error}");

    let error = Client::connect(&Endpoint::Tcp("no address".into()), register("test")).await.expect_err("no address");
    assert!(!error.is_retriable() && error.to_string().contains("host:port"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let (sender, mut pipes) = mpsc::channel(1);
    let endpoint = Endpoint::InProcess(InProcess::new(sender));
    let began = tokio::time::Instant::now();
    let connect = tokio::spawn(async move { Client::connect(&endpoint, register("test")).await.map(|_| ()) });
    let _pipe = pipes.recv().await.expect("a pipe");
    let error = connect.await.expect("no panic").expect_err("silence");
    assert!(error.is_retriable(), "{error}");
    assert!(began.elapsed() <= REGISTER_WITHIN + Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn replies_in_any_order_find_their_requests() {
    const REQUESTS: usize = 5_000;
    let (endpoint, mut connections) = in_process();
    let (client, _events, mut connection) = connected(&endpoint, &mut connections).await;
    let serve = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < REQUESTS {
            seen.extend(connection.requests().await.expect("the client is there"));
        }
        // Worst order: the last first.
        while !seen.is_empty() {
            let part = seen.split_off(seen.len().saturating_sub(700));
            let events = part
                .iter()
                .rev()
                .map(|request| reply(request.reference_id, EventAck { interaction_id: stopped(request) }));
            connection.send(events.collect()).await;
        }
        connection
    });
    let answers = join_all((0..REQUESTS).map(|number| {
        let client = client.clone();
        tokio::spawn(async move { (number, client.request(stop(number.to_string())).await) })
    }))
    .await;
    assert_eq!(answers.len(), REQUESTS);
    for answer in answers {
        let (number, answer) = answer.expect("no panic");
        assert_eq!(acknowledged(answer), number.to_string());
    }
    drop(serve.await);
}

#[tokio::test]
async fn requests_leave_in_the_order_of_the_calls_and_share_frames() {
    const REQUESTS: usize = 10_000;
    let (address, mut connections) = tcp().await;
    let (client, _events, mut connection) = connected(&Endpoint::Tcp(address.to_string()), &mut connections).await;
    let serve = tokio::spawn(async move {
        let (mut seen, mut frames) = (Vec::new(), 0);
        while let Some(requests) = connection.requests().await {
            frames += 1;
            assert!(requests.len() <= limits::REQUESTS_PER_FRAME);
            let events = requests
                .iter()
                .map(|request| reply(request.reference_id, EventAck { interaction_id: stopped(request) }));
            let events = events.collect();
            seen.extend(requests.iter().map(stopped));
            connection.send(events).await;
            if seen.len() == REQUESTS {
                break;
            }
        }
        (seen, frames)
    });
    let mut replies = Vec::new();
    for number in 0..REQUESTS {
        replies.push(client.send(stop(number.to_string()), "").await.expect("sent"));
    }
    for (number, reply) in replies.into_iter().enumerate() {
        assert_eq!(reply.reference_id(), number as u64 + 2, "the registration is 1");
        assert_eq!(acknowledged(reply.await), number.to_string());
    }
    let (seen, frames) = serve.await.expect("no panic");
    assert!(seen.iter().map(|id| id.parse::<usize>().expect("a number")).eq(0..REQUESTS));
    assert!(frames < REQUESTS / 2, "{frames} frames for {REQUESTS} requests");
}

#[tokio::test]
async fn a_cut_stream_fails_what_is_in_flight_and_what_comes_later() {
    let (endpoint, mut connections) = in_process();
    let (client, mut events, mut connection) = connected(&endpoint, &mut connections).await;
    let mut replies = Vec::new();
    for number in 0..100 {
        replies.push(client.send(stop(number.to_string()), "").await.expect("sent"));
    }
    let first = connection.requests().await.expect("a frame").remove(0);
    connection.send(vec![reply(first.reference_id, EventAck { interaction_id: stopped(&first) })]).await;
    drop(connection);

    let mut replies = replies.into_iter();
    assert_eq!(acknowledged(replies.next().expect("the first").await), "0");
    let mut failed = 0;
    for reply in replies {
        assert!(matches!(reply.await, Err(LinkError::Down(_))));
        failed += 1;
    }
    assert_eq!(failed, 99);
    assert_eq!(events.recv().await, None);
    client.closed().await;
    assert!(client.closed_because().is_some());
    assert!(matches!(client.request(stop("late")).await, Err(LinkError::Down(_))));
}

#[tokio::test]
async fn events_come_in_order_and_an_error_answers_only_its_request() {
    let (endpoint, mut connections) = in_process();
    let (client, mut events, mut connection) = connected(&endpoint, &mut connections).await;
    let (refused, acknowledged_one) =
        (client.send(stop("a"), "").await.expect("sent"), client.send(stop("b"), "key").await.expect("sent"));
    let mut requests = Vec::new();
    while requests.len() < 2 {
        requests.extend(connection.requests().await.expect("a frame"));
    }
    assert_eq!(requests[1].idempotency_key, "key");
    let revoked = |id: &str| EventRevoked { interaction_id: id.into(), ..Default::default() };
    connection
        .send(vec![
            reply(0, revoked("1")),
            reply(requests[0].reference_id, Message::Error(ErrorCode::UnknownInteraction.with("none").into())),
            reply(999, EventAck::default()),
            reply(0, revoked("2")),
            reply(requests[1].reference_id, EventAck { interaction_id: "b".into() }),
        ])
        .await;
    assert_eq!(refused.await.expect_err("refused").code(), Some(ErrorCode::UnknownInteraction));
    assert_eq!(acknowledged(acknowledged_one.await), "b");
    assert_eq!(events.recv().await, Some(Message::Revoked(revoked("1"))));
    assert_eq!(events.recv().await, Some(Message::Revoked(revoked("2"))));
}

#[tokio::test]
async fn the_stream_ends_with_the_last_client() {
    let (endpoint, mut connections) = in_process();
    let (client, _events, mut connection) = connected(&endpoint, &mut connections).await;
    let clone = client.clone();
    drop(client);
    let _reply = clone.send(stop("a"), "").await.expect("a clone keeps it open");
    assert_eq!(connection.requests().await.expect("a frame").len(), 1);
    drop(clone);
    assert!(connection.requests().await.is_none());
}

#[tokio::test]
async fn a_server_that_does_not_read_holds_the_sender_back_and_loses_nothing() {
    const REQUESTS: usize = 40;
    let (endpoint, mut connections) = in_process();
    let (client, _events, connection) = connected(&endpoint, &mut connections).await;
    let body = || {
        let user_data = KeyValueList::default().with("Text", "x".repeat(1 << 20));
        RequestSubmit { user_data: Some(user_data), ..Default::default() }
    };
    // 40 MiB are more than send buffer and windows hold.
    let mut sending = tokio::spawn({
        let client = client.clone();
        async move {
            let mut replies = Vec::new();
            for _ in 0..REQUESTS {
                replies.push(client.send(body(), "").await.expect("sent in the end"));
            }
            replies
        }
    });
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut sending).await.is_err(), "it was not held back");
    let serve = tokio::spawn(async move {
        let mut connection = connection;
        let mut seen = 0;
        while seen < REQUESTS {
            let requests = connection.requests().await.expect("the client is there");
            seen += requests.len();
            let events = requests.iter().map(|request| reply(request.reference_id, EventAck::default()));
            connection.send(events.collect()).await;
        }
        connection
    });
    let replies = sending.await.expect("no panic");
    assert_eq!(replies.len(), REQUESTS);
    for reply in replies {
        acknowledged(reply.await);
    }
    drop(serve.await);
}

#[tokio::test]
async fn a_request_larger_than_a_frame_is_refused_here() {
    let (endpoint, mut connections) = in_process();
    let (client, _events, connection) = connected(&endpoint, &mut connections).await;
    let error = client.request(stop("x".repeat(limits::FRAME_BYTES))).await.expect_err("too large");
    assert_eq!(error.code(), Some(ErrorCode::BadRequest));
    let serve = tokio::spawn(connection.acknowledge_all());
    assert_eq!(acknowledged(client.request(stop("small")).await), "small");
    client.close();
    assert_eq!(serve.await.expect("no panic"), ["small"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_events_nobody_reads_is_closed() {
    let (endpoint, mut connections) = in_process();
    let (client, mut events, connection) = connected(&endpoint, &mut connections).await;
    let began = tokio::time::Instant::now();
    let flood = (0..=EVENTS_WAITING).map(|_| reply(0, EventRevoked::default())).collect();
    connection.send(flood).await;
    client.closed().await;
    assert!(began.elapsed() >= EVENTS_UNREAD_FOR);
    assert!(client.closed_because().expect("a reason").contains("not read"));
    let mut kept = 0;
    while events.recv().await.is_some() {
        kept += 1;
    }
    assert_eq!(kept, EVENTS_WAITING);
}
