//! Who handled a contact last.

use std::time::Duration;

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;

use super::world::*;
use crate::settings::{Contacts, Settings, Timers};

const HOUR: u64 = 3_600_000;

fn world(kept: Duration) -> World {
    let contacts = Contacts { kept, ..Contacts::default() };
    World::of(Settings { contacts, timers: Timers::default(), ..site() })
}

/// An interaction of this contact is pulled: its id, and who it is said to have handled the contact last.
fn comes(world: &mut World, media: u64, router: u64, pairs: &[(&str, &str)]) -> (String, Option<(String, i64)>) {
    let RequestMessage::Submit(mut submitted) = submit("second", 0) else { panic!("a submit") };
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    submitted.user_data = Some(pairs.iter().map(pair).collect());
    let id = world.done(media, RequestMessage::Submit(submitted));
    is_pulled(world, router, &id)
}

/// The agent accepts it.
fn goes_to(world: &mut World, router: u64, client: u64, agent: &str, id: &str) {
    world.done(router, deliver(id, agent));
    let invited = world.events(client).into_iter().find_map(|event| match event {
        EventMessage::Invite(invite) => Some(invite.ticket_id),
        _ => None,
    });
    world.ask(client, accept(invited.expect("an invitation"), id));
}

#[test]
fn the_agent_who_finished_a_contact_last_is_told_with_what_is_pulled_of_it() {
    let mut world = world(Duration::from_secs(90 * 86_400));
    let (media, router) = (world.client(ClientType::MediaServer), world.client(ClientType::RoutingEngine));
    let (ann, bob) = (world.agent("ann", "p1"), world.agent("bob", "p2"));
    let kim = [("FromAddress", "Kim@Example.org ")];
    let (first, nobody) = comes(&mut world, media, router, &kim);
    assert_eq!(nobody, None);
    goes_to(&mut world, router, ann, "ann", &first);
    world.pass(1_000);
    world.done(ann, stop(&first));
    let at = world.now.wall;
    let (second, last) = comes(&mut world, media, router, &[("FromAddress", "kim@example.org")]);
    assert_eq!(last, Some(("ann".to_owned(), at)));
    assert_eq!(comes(&mut world, media, router, &[("FromAddress", "lee@example.org")]).1, None);
    assert_eq!(comes(&mut world, media, router, &[("Subject", "kim@example.org")]).1, None);
    // The contact itself goes before the address.
    let both = [("FromAddress", "kim@example.org"), ("ContactId", "0815")];
    assert_eq!(comes(&mut world, media, router, &both).1, None);
    // Placing it is finishing it, too; what only goes back, or is stopped by a strategy, is not.
    goes_to(&mut world, router, bob, "bob", &second);
    world.done(bob, place(&second, "inbound"));
    let (third, last) = comes(&mut world, media, router, &kim);
    assert_eq!(last.expect("bob").0, "bob");
    goes_to(&mut world, router, ann, "ann", &third);
    world.done(ann, give_back(&third));
    let (fourth, last) = is_pulled(&mut world, router, &third);
    assert_eq!(last.expect("still bob").0, "bob");
    world.done(router, stop(&fourth));
    world.restart();
    // Until then only those who come back for what they held find anything.
    world.pass(2_000);
    let (media, router) = (world.client(ClientType::MediaServer), world.client(ClientType::RoutingEngine));
    assert_eq!(comes(&mut world, media, router, &kim).1.expect("it was on disk").0, "bob");
}

fn is_pulled(world: &mut World, router: u64, id: &str) -> (String, Option<(String, i64)>) {
    match world.ask(router, pull_ids(&[id])) {
        EventMessage::PulledInteractions(mut pulled) => {
            let interaction = pulled.interactions.pop().and_then(|pulled| pulled.interaction).expect("one");
            (interaction.interaction_id, interaction.last_agent.map(|last| (last.agent, last.at)))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_too_old_is_told_no_more_and_with_none_kept_nothing_is_remembered() {
    for (kept, told) in [(Duration::from_secs(2 * 3_600), true), (Duration::ZERO, false)] {
        let mut world = world(kept);
        let (media, router) = (world.client(ClientType::MediaServer), world.client(ClientType::RoutingEngine));
        let ann = world.agent("ann", "p1");
        let (first, _) = comes(&mut world, media, router, &[("ContactId", "0815")]);
        goes_to(&mut world, router, ann, "ann", &first);
        world.done(ann, stop(&first));
        assert_eq!(world.disk.lock().unwrap().contacts.len(), usize::from(told));
        assert_eq!(comes(&mut world, media, router, &[("ContactId", "0815")]).1.is_some(), told);
        world.pass(2 * HOUR + 1);
        assert_eq!(comes(&mut world, media, router, &[("ContactId", "0815")]).1, None);
    }
}
