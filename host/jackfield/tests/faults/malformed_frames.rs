//! Malformed frames and truncated streams against the server's port: it stays up, goes on answering good
//! clients, and has nothing left of them in the end.

use std::fs;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::Request as HttpRequest;
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::{
    ClientFrame, ClientType, Request as Envelope, RequestPull, RequestRegisterClient, RequestStopProcessing,
    RequestSubmit, request_pull,
};
use prost::Message;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::site::{PATIENCE, Site, email, rounds, seeded};

/// How many bad things one round does.
const PER_ROUND: usize = 10_000;
/// Streams on one HTTP/2 connection before it is dropped, mostly with some of them open.
const STREAMS: usize = 50;
/// Memory the server may have grown by in the end: its buffers and what the allocator keeps.
const GROWTH_KIB: u64 = 48 << 10;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_leaves_nothing_behind() {
    let mut random = seeded("malformed_frames");
    let mut site = Site::new();
    site.start_server();
    let (good, _events) = site.client("good", ClientType::MediaServer).await;

    // What a first taste of garbage leaves in buffers and caches is no leak; over many rounds the first half is.
    throw(&site, &mut random, PER_ROUND / 10).await;
    settled(&site).await;
    let pid = site.pid("server");
    let descriptors = open_files(pid);
    let mut memory = resident_kib(pid);

    let rounds = rounds(1);
    for round in 0..rounds {
        if round > 0 && round == rounds / 2 {
            memory = resident_kib(pid);
        }
        for tenth in 0..10 {
            throw(&site, &mut random, PER_ROUND / 10).await;
            let submitted = good.request(email("x")).await;
            assert!(matches!(submitted, Ok(Event::Ack(_))), "tenth {tenth}: {submitted:?}\n{}", site.logs());
        }
        println!("round {}: memory {} KiB", round + 1, resident_kib(pid));
    }

    assert!(site.runs("server"), "it is down\n{}", site.logs());
    let (_fresh, _events) = site.client("fresh", ClientType::MediaServer).await;
    drop((_fresh, _events));
    settled(&site).await;
    let deadline = Instant::now() + PATIENCE;
    while open_files(pid) > descriptors {
        assert!(Instant::now() < deadline, "{} files open, {descriptors} before", open_files(pid));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let grown = resident_kib(pid).saturating_sub(memory);
    println!("{descriptors} files open as before; memory {memory} KiB, grown by {grown} KiB");
    assert!(grown < GROWTH_KIB, "memory has grown by {grown} KiB from {memory} KiB");
}

/// Waits until the good client is the only one again.
async fn settled(site: &Site) {
    let (auditor, _events) = site.client("auditor", ClientType::ReportingEngine).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut names: Vec<String> =
            Site::status(&auditor).await.clients.into_iter().map(|client| client.client_name).collect();
        names.sort();
        if names == ["auditor", "good"] {
            return;
        }
        assert!(Instant::now() < deadline, "clients that are gone are still known: {names:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn throw(site: &Site, random: &mut StdRng, count: usize) {
    let mut thrown = 0;
    while thrown < count {
        if random.random_ratio(1, 10) {
            raw_bytes(site.port(), random).await;
            thrown += 1;
        } else {
            thrown += streams(site.port(), random).await;
        }
    }
}

/// A connection that is not HTTP/2, or stops being so.
async fn raw_bytes(port: u16, random: &mut StdRng) {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.expect("the port is open");
    let mut bytes = Vec::new();
    match random.random_range(0..5) {
        0 => bytes.extend(noise(random, 512)),
        1 => bytes.extend(&PREFACE[..random.random_range(0..PREFACE.len())]),
        2 => {
            bytes.extend(PREFACE);
            bytes.extend(noise(random, 512));
        }
        3 => {
            // A frame that promises 16 MiB and brings a little.
            bytes.extend(PREFACE);
            bytes.extend([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]);
            bytes.extend(noise(random, 64));
        }
        _ => {
            // Good settings, then frames of random types.
            bytes.extend(PREFACE);
            bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
            for _ in 0..random.random_range(1..8) {
                let body = noise(random, 64);
                bytes.extend([0, 0, body.len() as u8, random.random(), random.random(), 0, 0, 0, random.random()]);
                bytes.extend(body);
            }
        }
    }
    // The server may have closed already: that is its right.
    let _ = socket.write_all(&bytes).await;
    if random.random() {
        let _ = socket.shutdown().await;
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_millis(20), socket.read_to_end(&mut rest)).await;
    }
}

/// A good HTTP/2 connection with many bad streams; it is dropped with the last of them still open.
async fn streams(port: u16, random: &mut StdRng) -> usize {
    let socket = TcpStream::connect(("127.0.0.1", port)).await.expect("the port is open");
    let Ok((mut sender, connection)) = h2::client::handshake(socket).await else { return 1 };
    let driver = tokio::spawn(async move {
        let _ = connection.await;
    });
    let mut responses = Vec::new();
    let mut thrown = 0;
    for _ in 0..STREAMS {
        thrown += 1;
        let Some(response) = one_stream(&mut sender, random).await else { break };
        responses.push(response);
    }
    if random.random() {
        // Let the server answer before the connection is cut.
        for response in responses {
            let _ = tokio::time::timeout(Duration::from_millis(20), response).await;
        }
    }
    driver.abort();
    thrown
}

async fn one_stream(sender: &mut SendRequest<Bytes>, random: &mut StdRng) -> Option<h2::client::ResponseFuture> {
    *sender = tokio::time::timeout(Duration::from_millis(200), sender.clone().ready()).await.ok()?.ok()?;
    let path = match random.random_range(0..20) {
        0 => "/nothing/here",
        1 => "/jackfield.interaction.v1.InteractionServer/Nothing",
        _ => "/jackfield.interaction.v1.InteractionServer/Connect",
    };
    let request = HttpRequest::builder()
        .method("POST")
        .uri(format!("http://localhost{path}"))
        .header("content-type", if random.random_ratio(1, 20) { "text/plain" } else { "application/grpc" })
        .header("te", "trailers")
        .body(())
        .expect("a request");
    let (response, mut body) = sender.send_request(request, false).ok()?;
    for _ in 0..random.random_range(0..3) {
        if body.send_data(Bytes::from(frame(random)), false).is_err() {
            break;
        }
    }
    match random.random_range(0..3) {
        0 => drop(body.send_data(Bytes::new(), true)),
        1 => body.send_reset(h2::Reason::CANCEL),
        _ => {}
    }
    Some(response)
}

/// One gRPC message, or what looks like one.
fn frame(random: &mut StdRng) -> BytesMut {
    let mut payload = match random.random_range(0..8) {
        0 => noise(random, 256),
        1 => ClientFrame { requests: Vec::new() }.encode_to_vec(),
        // Requests before the client is registered, and after.
        2 => requests(vec![any_request(random)]),
        3 => requests(vec![register(random), any_request(random), any_request(random)]),
        4 => requests(vec![register(random), register(random)]),
        5 => requests((0..2_000).map(|_| Request::ServerStatus(Default::default())).collect()),
        _ => requests(vec![register(random)]),
    };
    if random.random_ratio(1, 3) {
        for _ in 0..random.random_range(1..4) {
            if let Some(last) = payload.len().checked_sub(1) {
                payload[random.random_range(0..=last)] = random.random();
            }
        }
    }
    let length = match random.random_range(0..6) {
        0 => u32::MAX,
        1 => payload.len() as u32 + 10,
        2 => (payload.len() / 2) as u32,
        _ => payload.len() as u32,
    };
    let mut bytes = BytesMut::new();
    bytes.put_u8(if random.random_ratio(1, 10) { random.random() } else { 0 });
    bytes.put_u32(length);
    bytes.extend_from_slice(&payload);
    bytes
}

fn requests(messages: Vec<Request>) -> Vec<u8> {
    let requests = messages
        .into_iter()
        .enumerate()
        .map(|(number, message)| Envelope {
            reference_id: number as u64, // from 0: the first is not allowed
            idempotency_key: String::new(),
            message: Some(message),
        })
        .collect();
    ClientFrame { requests }.encode_to_vec()
}

fn register(random: &mut StdRng) -> Request {
    Request::RegisterClient(RequestRegisterClient {
        client_name: "x".repeat(random.random_range(0..400)),
        client_type: random.random_range(-1..9),
        tenant_id: random.random_range(0..3),
        version_min: random.random_range(0..3),
        version_max: random.random_range(0..3),
        ..Default::default()
    })
}

fn any_request(random: &mut StdRng) -> Request {
    let name = [String::new(), "x".repeat(70_000), "no such thing".into(), "'; DROP TABLE interaction; --".into()];
    let name = name.choose(random).expect("there are some").clone();
    match random.random_range(0..4) {
        0 => Request::Pull(RequestPull {
            what: Some(request_pull::What::View(name)),
            count: random.random(),
            ..Default::default()
        }),
        1 => Request::Submit(RequestSubmit {
            queue: name,
            priority: i32::MIN,
            received_at: i64::MIN,
            ..Default::default()
        }),
        2 => Request::StopProcessing(RequestStopProcessing { interaction_id: name, reason: String::new() }),
        _ => Request::Pull(RequestPull { what: None, max_delay_ms: u32::MAX, ..Default::default() }),
    }
}

fn noise(random: &mut StdRng, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; random.random_range(0..most)];
    random.fill_bytes(&mut bytes);
    bytes
}

fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process is there").count()
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line with its memory");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}
