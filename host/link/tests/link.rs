//! A link comes back after what cut it, with pauses that grow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use jackfield_link::{Endpoint, InProcess, Link, LinkEvent, Reconnect};
use jackfield_protocol::v1::{EventRevoked, event::Message};
use support::{in_process, register, reply, stop, tcp};
use tokio::sync::mpsc;

const RECONNECT: Reconnect = Reconnect { first: Duration::from_millis(100), max: Duration::from_secs(5) };

#[tokio::test(start_paused = true)]
async fn pauses_grow_up_to_the_longest_and_differ() {
    let (sender, _) = mpsc::channel(1);
    let (link, mut events) = Link::open(Endpoint::InProcess(InProcess::new(sender)), register("test"), RECONNECT);
    let mut pauses = Vec::new();
    let mut before = tokio::time::Instant::now();
    for _ in 0..12 {
        let Some(LinkEvent::Down { retry_in, reason }) = events.recv().await else { panic!("expected down") };
        assert!(reason.contains("has stopped"), "{reason}");
        if let Some(&last) = pauses.last() {
            assert!(before.elapsed() >= last, "tried after {:?} instead of {last:?}", before.elapsed());
        }
        before = tokio::time::Instant::now();
        pauses.push(retry_in);
    }
    for (failure, pause) in pauses.iter().enumerate() {
        let whole = (RECONNECT.first * (1 << failure.min(20))).min(RECONNECT.max);
        assert!(*pause >= whole / 2 && *pause <= whole, "pause {failure} is {pause:?}, of at most {whole:?}");
    }
    let longest = pauses.split_off(7);
    assert!(longest.windows(2).any(|two| two[0] != two[1]), "no chance in {longest:?}");
    assert!(link.client().is_none());
    link.close().await;
    assert!(events.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_pause_under_way_becomes_as_long_as_the_changed_pauses_say() {
    let (sender, _) = mpsc::channel(1);
    let endpoint = Endpoint::InProcess(InProcess::new(sender));
    let hours = Duration::from_secs(8 * 60 * 60);
    let (link, mut events) = Link::open(endpoint, register("test"), Reconnect { first: hours, max: hours });
    let began = tokio::time::Instant::now();
    let Some(LinkEvent::Down { retry_in, .. }) = events.recv().await else { panic!("expected down") };
    assert!(retry_in >= hours / 2);
    link.set_reconnect(RECONNECT);
    let Some(LinkEvent::Down { retry_in, .. }) = events.recv().await else { panic!("expected down") };
    assert!(began.elapsed() <= RECONNECT.first && retry_in <= 2 * RECONNECT.first, "{:?}", began.elapsed());
    link.close().await;
}

#[tokio::test]
async fn a_cut_link_comes_back_and_says_so() {
    let (address, mut connections) = tcp().await;
    let quick = Reconnect { first: Duration::from_millis(1), max: Duration::from_millis(5) };
    let (link, mut events) = Link::open(Endpoint::Tcp(address.to_string()), register("test"), quick);
    for round in 0..3 {
        let mut connection = connections.recv().await.expect("a connection");
        connection.register().await;
        let Some(LinkEvent::Up(client)) = events.recv().await else { panic!("expected up") };
        assert!(link.client().is_some() && link.up().await.is_some());
        connection.send(vec![reply(0, EventRevoked { interaction_id: round.to_string(), ..Default::default() })]).await;
        let Some(LinkEvent::Event(Message::Revoked(revoked))) = events.recv().await else { panic!("expected event") };
        assert_eq!(revoked.interaction_id, round.to_string());
        drop(connection);
        let Some(LinkEvent::Down { .. }) = events.recv().await else { panic!("expected down") };
        assert!(link.client().is_none());
        assert!(client.request(stop("a")).await.is_err());
    }
    link.close().await;
}

#[tokio::test]
async fn closing_or_dropping_a_link_closes_its_client() {
    for close in [true, false] {
        let (endpoint, mut connections) = in_process();
        let (link, mut events) = Link::open(endpoint, register("test"), RECONNECT);
        let mut connection = connections.recv().await.expect("a connection");
        connection.register().await;
        let Some(LinkEvent::Up(client)) = events.recv().await else { panic!("expected up") };
        if close {
            link.close().await;
            assert!(client.is_closed() && link.up().await.is_none());
        }
        drop(link);
        client.closed().await;
        assert!(connection.requests().await.is_none());
        assert!(events.recv().await.is_none(), "a closed link says no more");
    }
}
