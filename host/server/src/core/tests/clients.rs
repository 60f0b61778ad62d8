//! Registration, leaving, stopping.

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;

use super::world::*;

fn register() -> RequestRegisterClient {
    RequestRegisterClient {
        client_name: "somebody".into(),
        client_type: ClientType::RoutingEngine.into(),
        version_min: 1,
        version_max: 1,
        ..RequestRegisterClient::default()
    }
}

#[test]
fn registrations_that_are_refused_end_the_stream() {
    let cases = [
        (RequestRegisterClient { client_name: String::new(), ..register() }, 1000),
        (RequestRegisterClient { client_type: 0, ..register() }, 1000),
        (RequestRegisterClient { client_type: 77, ..register() }, 1000),
        (RequestRegisterClient { client_type: ClientType::MediaServer.into(), ..register() }, 1000),
        (RequestRegisterClient { tenant_id: 2, ..register() }, 1023),
        (RequestRegisterClient { version_min: 2, version_max: 3, ..register() }, 1019),
    ];
    for (request, code) in cases {
        let mut world = World::new();
        let client = world.connect();
        assert_eq!(world.refused(client, RequestMessage::RegisterClient(request)), code);
        assert!(matches!(world.closed.as_slice(), [(closed, _)] if *closed == client));
    }
}

#[test]
fn who_has_not_registered_may_do_nothing_and_nobody_registers_twice() {
    let mut world = World::new();
    let client = world.connect();
    assert_eq!(world.refused(client, submit("inbound", 0)), 1001);
    assert_eq!(world.closed.len(), 1);
    let client = world.client(ClientType::RoutingEngine);
    assert_eq!(world.refused(client, RequestMessage::RegisterClient(register())), 1001);
    assert_eq!(world.closed.len(), 1, "a registered client stays");
}

#[test]
fn leaving_in_good_order_gives_back() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    let id = world.submit(media, "inbound", 0);
    world.pulled(router, pull_view("all", 1));
    world.done(router, RequestMessage::UnregisterClient(RequestUnregisterClient {}));
    assert!(matches!(world.closed.as_slice(), [(closed, _)] if *closed == router));
    let other = world.client(ClientType::RoutingEngine);
    assert_eq!(world.pulled(other, pull_view("all", 1)), [id]);
}

#[test]
fn a_stopping_server_refuses() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    world.core.stop();
    assert_eq!(world.refused(media, submit("inbound", 0)), 1022);
}

#[test]
fn the_status_counts_everything() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    let agent = world.agent("ann", "p1");
    let oldest = world.now.wall + 2;
    for _ in 0..3 {
        world.submit(media, "inbound", 0);
    }
    world.submit(agent, "second", 0);
    world.pulled(router, pull_strategy("Triage", 1));
    let EventMessage::ServerStatus(status) =
        world.ask(router, RequestMessage::ServerStatus(RequestServerStatus::default()))
    else {
        panic!("no status");
    };
    let queue = |name: &str| status.queues.iter().find(|queue| queue.queue == name).unwrap();
    assert_eq!((queue("inbound").waiting, queue("inbound").routing, queue("second").handling), (2, 1, 1));
    assert_eq!((queue("inbound").oldest_received_at, queue("second").oldest_received_at), (oldest, 0));
    assert_eq!(status.interactions, 4);
    assert_eq!((status.clients.len(), status.agents.len()), (3, 1));
    let triage = status.strategies.iter().find(|strategy| strategy.strategy == "Triage").unwrap();
    assert_eq!((triage.out, triage.held_pulls), (1, 0));
}
