//! Clients that misbehave are cut off; the others do not notice.

use std::time::Duration;

use jackfield_link::Endpoint;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = site();
    settings.limits.events_waiting = 64;
    let server = open(settings, &folder.path().join("store.db"));
    let (media, _media_events) = connect(&in_process(&server), ClientType::MediaServer).await;
    // A bare stream whose events nobody reads: its window fills up, then the server's queue.
    let (pipe, its_end) = tokio::io::duplex(64 << 10);
    server.in_process().send(its_end).await.unwrap();
    let pipe = std::sync::Mutex::new(Some(pipe));
    let connector = tower::service_fn(move |_| {
        let pipe = pipe.lock().unwrap().take().ok_or_else(|| std::io::Error::other("used"));
        async move { pipe.map(hyper_util::rt::TokioIo::new) }
    });
    let channel =
        tonic::transport::Endpoint::from_static("http://pipe").connect_with_connector(connector).await.unwrap();
    let register = RequestRegisterClient {
        client_name: "slow".into(),
        client_type: ClientType::ReportingEngine.into(),
        version_min: 1,
        version_max: 1,
        ..RequestRegisterClient::default()
    };
    let reporting = RequestStartReporting { interactions: true, agents: true, ..Default::default() };
    let requests = (1..)
        .zip([RequestMessage::RegisterClient(register), RequestMessage::StartReporting(reporting)])
        .map(|(reference_id, message)| Request { reference_id, message: Some(message), ..Request::default() })
        .collect();
    let (frames, receiver) = tokio::sync::mpsc::channel(1);
    frames.send(ClientFrame { requests }).await.unwrap();
    let slow = interaction_server_client::InteractionServerClient::new(channel)
        .connect(tokio_stream::wrappers::ReceiverStream::new(receiver))
        .await
        .unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while status(&media).await.clients.len() < 2 {
        assert!(tokio::time::Instant::now() < deadline, "it does not register");
    }
    let large = "x".repeat(64 << 10);
    while status(&media).await.clients.len() == 2 {
        assert!(tokio::time::Instant::now() < deadline, "it is not cut off");
        acked(media.request(submit(&large)).await.unwrap());
    }
    drop((slow, frames));
    acked(media.request(submit("still served")).await.unwrap());
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_and_noise_are_ended_and_good_clients_served() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = site();
    settings.timers.registration_timeout = Duration::from_millis(300);
    settings.limits.clients = 4;
    let server = open(settings, &folder.path().join("store.db"));
    let Endpoint::Tcp(address) = tcp(&server).await else { panic!("no address") };

    let (early, _early_events) = connect(&Endpoint::Tcp(address.clone()), ClientType::MediaServer).await;

    // As many as there is room for, twice over: the second half gets in when the first is thrown out.
    let mut silent = Vec::new();
    for number in 0..8_u8 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        if number % 2 == 1 {
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        }
        silent.push(stream);
    }
    for mut stream in silent {
        let mut rest = Vec::new();
        // However it ends, it ends.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("thrown out in time");
    }
    let (media, _media_events) = connect(&Endpoint::Tcp(address.clone()), ClientType::MediaServer).await;
    acked(media.request(submit("a question")).await.unwrap());
    acked(early.request(submit("registered in time, and not thrown out later")).await.unwrap());
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_registered_in_time_stays() {
    const TIMES_OVER: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = site();
    settings.timers.registration_timeout = Duration::from_millis(100);
    let server = open(settings, &folder.path().join("store.db"));
    let Endpoint::Tcp(address) = tcp(&server).await else { panic!("no address") };
    let (router, mut router_events) = connect(&Endpoint::Tcp(address.clone()), ClientType::RoutingEngine).await;
    let held = router.send(pull(1), "").await.unwrap();

    // Each of these lives for one registration timeout, one after the other.
    for _ in 0..TIMES_OVER {
        let mut silent = TcpStream::connect(&address).await.unwrap();
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("thrown out in time");
        assert!(!router.is_closed());
    }

    let (media, _media_events) = connect(&Endpoint::Tcp(address), ClientType::MediaServer).await;
    let id = acked(media.request(submit("a question")).await.unwrap());
    assert_eq!(pulled(held.await.expect("the pull was held all along"))[0].interaction_id, id);
    acked(router.request(stop(&id)).await.unwrap());
    assert!(router_events.try_recv().is_err(), "nothing else was said");
    server.shutdown().await;
}
