//! A request that comes again with its key takes effect once.

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::*;

use super::world::*;

fn id_of(event: Option<EventMessage>) -> String {
    match event {
        Some(EventMessage::Ack(ack)) => ack.interaction_id,
        other => panic!("not acknowledged: {other:?}"),
    }
}

fn code_of(event: Option<EventMessage>) -> u32 {
    match event {
        Some(EventMessage::Error(error)) => error.code,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_submit_placed_and_stopped_once_over_a_restart() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let first = id_of(world.ask_once(media, "k1", submit("inbound", 0)));
    assert_eq!(id_of(world.ask_once(media, "k1", submit("inbound", 0))), first);
    world.restart();
    world.pass(2_000);
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    assert_eq!(id_of(world.ask_once(media, "k1", submit("inbound", 0))), first);
    assert_eq!(world.disk.lock().unwrap().entries.len(), 1);

    world.pulled(router, pull_ids(&[&first]));
    id_of(world.ask_once(router, "k2", place(&first, "second")));
    id_of(world.ask_once(router, "k2", place(&first, "second")));
    world.restart();
    world.pass(2_000);
    let router = world.client(ClientType::RoutingEngine);
    id_of(world.ask_once(router, "k2", place(&first, "second")));
    world.pulled(router, pull_ids(&[&first]));
    id_of(world.ask_once(router, "k3", stop(&first)));
    world.restart();
    world.pass(2_000);
    let router = world.client(ClientType::RoutingEngine);
    id_of(world.ask_once(router, "k3", stop(&first)));
    assert_eq!(code_of(world.ask_once(router, "k4", stop(&first))), 43, "another key is another request");
}

#[test]
fn both_in_one_burst_before_anything_is_durable() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let one = world.send(media, "k", submit("inbound", 0));
    let two = world.send(media, "k", submit("inbound", 0));
    world.settle();
    let (one, two) = (world.reply(media, one), world.reply(media, two));
    assert_eq!(id_of(one), id_of(two));
    assert_eq!(world.disk.lock().unwrap().entries.len(), 1);
}

#[test]
fn another_request_with_the_same_key_is_refused_and_a_refused_one_is_not_remembered() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    assert_eq!(code_of(world.ask_once(media, "k", submit("nowhere", 0))), 1004);
    id_of(world.ask_once(media, "k", submit("inbound", 0)));
    assert_eq!(code_of(world.ask_once(media, "k", submit("inbound", 1))), 1021);
    let long = "k".repeat(256);
    assert_eq!(code_of(world.ask_once(media, &long, submit("inbound", 1))), 1000);
}

#[test]
fn a_key_is_forgotten_after_its_retention() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let first = id_of(world.ask_once(media, "k", submit("inbound", 0)));
    world.pass(24 * 3_600_000);
    assert_eq!(id_of(world.ask_once(media, "k", submit("inbound", 0))), first);
    world.pass(1);
    assert_ne!(id_of(world.ask_once(media, "k", submit("inbound", 0))), first);
}
