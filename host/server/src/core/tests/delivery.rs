//! Agents: logging in, readiness, capacity, and what a delivery checks.

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;

use super::world::*;

fn login(agent: &str, place: &str) -> RequestMessage {
    RequestMessage::AgentLogin(RequestAgentLogin { agent: agent.into(), place: place.into(), media: vec![] })
}

fn state(world: &mut World, agent: &str) -> MediaState {
    let reporter = world.client(ClientType::ReportingEngine);
    match world.ask(reporter, RequestMessage::StartReporting(RequestStartReporting::default())) {
        EventMessage::AgentStates(states) => {
            let agent = states.agents.into_iter().find(|state| state.agent == agent).expect("logged in");
            agent.media.into_iter().find(|media| media.media_type == "email").expect("has e-mail")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn logins_that_are_refused() {
    let mut world = World::new();
    world.agent("ann", "p1");
    let other = world.client(ClientType::AgentApplication);
    assert_eq!(world.refused(other, login("ann", "p2")), 1010);
    assert_eq!(world.refused(other, login("bob", "p1")), 1011);
    assert_eq!(world.refused(other, login("eve", "p2")), 1006);
    assert_eq!(world.refused(other, login("bob", "p9")), 1007);
    let router = world.client(ClientType::RoutingEngine);
    assert_eq!(world.refused(router, login("bob", "p2")), 1002);
    let out = RequestMessage::AgentLogout(RequestAgentLogout { agent: "ann".into() });
    assert_eq!(world.refused(other, out), 1010, "another connection's agent");
    world.done(other, login("bob", "p2"));
}

#[test]
fn capacity_and_readiness_are_checked_and_counted() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    let agent = world.agent("ann", "p1");
    let ids: Vec<String> = (0..3).map(|_| world.submit(media, "inbound", 0)).collect();
    world.pulled(router, pull_view("all", 3));
    world.done(router, deliver(&ids[0], "ann"));
    world.done(router, deliver(&ids[1], "ann"));
    assert_eq!((state(&mut world, "ann").busy, state(&mut world, "ann").capacity), (2, 2));
    assert_eq!(world.refused(router, deliver(&ids[2], "ann")), 1029, "no capacity left");

    let tickets: Vec<u64> = world
        .events(agent)
        .into_iter()
        .filter_map(|event| match event {
            EventMessage::Invite(invite) => Some(invite.ticket_id),
            _ => None,
        })
        .collect();
    world.ask(agent, accept(tickets[0], &ids[0]));
    world.done(agent, reject(tickets[1], &ids[1]));
    assert_eq!(state(&mut world, "ann").busy, 1);
    let not_ready = RequestNotReadyForMedia { agent: "ann".into(), media_types: vec![], reason: "lunch".into() };
    world.done(agent, RequestMessage::NotReadyForMedia(not_ready));
    assert_eq!(world.refused(router, deliver(&ids[2], "ann")), 1009, "not ready");
    let ready = RequestReadyForMedia { agent: "ann".into(), media_types: vec!["email".into()] };
    world.done(agent, RequestMessage::ReadyForMedia(ready));
    let to_place = RequestDeliver {
        interaction_id: ids[2].clone(),
        target: Some(request_deliver::Target::Place("p1".into())),
        ..RequestDeliver::default()
    };
    world.done(router, RequestMessage::Deliver(to_place));
    world.pass(5_000);
    world.done(agent, place(&ids[0], "second"));
    let state = state(&mut world, "ann");
    assert_eq!((state.busy, state.ready_since), (1, world.now.wall), "idle again since it lost one");
}

#[test]
fn a_delivery_frees_the_strategys_room_and_nobody_else_may_touch_it() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    let agent = world.agent("ann", "p1");
    for _ in 0..4 {
        world.submit(media, "inbound", 0);
    }
    let first = world.pulled(router, pull_strategy("Triage", 9));
    assert_eq!(first.len(), 3);
    let held = world.send(router, "", pull_strategy("Triage", 9));
    world.done(router, deliver(&first[0], "ann"));
    assert_eq!(ids(&world.reply(router, held).expect("room")).len(), 1);
    assert_eq!(world.refused(router, stop(&first[0])), 1016);
    assert_eq!(world.refused(agent, stop(&first[0])), 1016);
    let other = world.agent("bob", "p2");
    assert_eq!(world.refused(other, accept(1, &first[0])), 1012, "the invitation is another agent's");
}

#[test]
fn an_agent_application_that_left_is_told_nothing_and_keeps_nothing() {
    let mut world = World::new();
    let ann = world.agent("ann", "p1");
    let bob = world.agent("bob", "p2");
    let id = world.submit(ann, "inbound", 0);
    world.done(ann, deliver(&id, "bob"));
    world.disconnect(ann);
    world.done(bob, reject(1, &id));
    let other = world.client(ClientType::RoutingEngine);
    assert_eq!(world.pulled(other, pull_view("all", 1)), [id]);
}

#[test]
fn an_agent_hands_on_to_another() {
    let mut world = World::new();
    let ann = world.agent("ann", "p1");
    let bob = world.agent("bob", "p2");
    let id = world.submit(ann, "inbound", 0);
    world.done(ann, deliver(&id, "bob"));
    assert_eq!((state(&mut world, "ann").busy, state(&mut world, "bob").busy), (0, 1));
    world.ask(bob, accept(1, &id));
    assert!(matches!(world.events(ann).as_slice(), [EventMessage::Delivery(delivery)]
        if delivery.result() == DeliveryResult::Accepted && delivery.agent == "bob"));
    world.done(bob, stop(&id));
}

#[test]
fn logging_out_gives_back_what_the_agent_handles() {
    let mut world = World::new();
    let ann = world.agent("ann", "p1");
    let id = world.submit(ann, "inbound", 0);
    world.done(ann, RequestMessage::AgentLogout(RequestAgentLogout { agent: "ann".into() }));
    assert!(matches!(world.events(ann).as_slice(), [EventMessage::Revoked(revoked)] if revoked.interaction_id == id));
    let router = world.client(ClientType::RoutingEngine);
    assert_eq!(world.pulled(router, pull_view("all", 1)), [id]);
}
