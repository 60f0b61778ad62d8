//! How many requests a second one client gets answered, with 1,000 in flight, by a server that only
//! acknowledges: `cargo run -p jackfield-link --example round_trips`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::VecDeque;
use std::time::Instant;

use jackfield_link::{Client, Endpoint};
use support::{in_process, register, stop, tcp};

const REQUESTS: usize = 200_000;
const IN_FLIGHT: usize = 1_000;

#[tokio::main]
async fn main() {
    let (endpoint, connections) = in_process();
    measure("in-process", endpoint, connections).await;
    let (address, connections) = tcp().await;
    measure("tcp", Endpoint::Tcp(address.to_string()), connections).await;
}

async fn measure(name: &str, endpoint: Endpoint, mut connections: tokio::sync::mpsc::Receiver<support::Connection>) {
    tokio::spawn(async move {
        let mut connection = connections.recv().await.expect("a connection");
        connection.register().await;
        connection.acknowledge_all().await
    });
    let (client, _events) = Client::connect(&endpoint, register("bench")).await.expect("registered");
    let began = Instant::now();
    let mut in_flight = VecDeque::with_capacity(IN_FLIGHT);
    for _ in 0..REQUESTS {
        if in_flight.len() == IN_FLIGHT {
            let reply: jackfield_link::Reply = in_flight.pop_front().expect("one");
            reply.await.expect("acknowledged");
        }
        in_flight.push_back(client.send(stop("0000GaBNKN2Q0021"), "").await.expect("sent"));
    }
    for reply in in_flight {
        reply.await.expect("acknowledged");
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{name}: {:.0} requests a second", REQUESTS as f64 / seconds);
}
