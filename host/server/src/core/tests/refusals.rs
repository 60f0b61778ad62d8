//! What is refused to pulls because the server does not see it, or it is wrong: the table of `core::pulling`, by its
//! rows. What an account does not see is not in the settings a server gets.

use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;

use super::world::*;
use crate::settings::Settings;

/// A server that is told less, and a router that pulls from it.
fn without(hide: impl Fn(&mut Settings)) -> (World, u64) {
    let mut settings = site();
    hide(&mut settings);
    let mut world = World::of(settings);
    let router = world.client(ClientType::RoutingEngine);
    (world, router)
}

#[test]
fn error_42_for_a_view_that_is_not_visible() {
    let (mut world, router) = without(|settings| settings.views.retain(|view| view.name != "all"));
    assert_eq!(world.refused(router, pull_view("all", 1)), 42);
    // The queue and its other views are there.
    assert_eq!(world.pulled(router, pull_view("urgent", 1)), Vec::<String>::new());
}

#[test]
fn error_83_for_a_view_whose_condition_is_bad() {
    let (mut world, router) = without(|_| {});
    assert_eq!(world.refused(router, pull_view("bad", 1)), 83);
    assert_eq!(world.refused(router, pull_strategy("Bad", 1)), 83);
}

#[test]
fn error_83_for_a_view_whose_order_is_bad() {
    let (mut world, router) = without(|settings| settings.views[1].order = "no_such_property".into());
    assert_eq!(world.refused(router, pull_view("all", 1)), 83);
}

#[test]
fn error_83_for_a_view_whose_queue_is_not_visible() {
    let (mut world, router) = without(|settings| settings.queues.retain(|queue| queue.name != "inbound"));
    assert_eq!(world.refused(router, pull_view("all", 1)), 83);
    assert_eq!(world.refused(router, pull_strategy("Triage", 1)), 83);
}

#[test]
fn error_107_for_a_strategy_that_does_not_exist_or_is_not_visible() {
    let (mut world, router) = without(|settings| settings.strategies.retain(|strategy| strategy.name != "Triage"));
    assert_eq!(world.refused(router, pull_strategy("Triage", 1)), 107);
    assert_eq!(world.refused(router, pull_strategy("Nobody", 1)), 107);
}

#[test]
fn error_108_for_a_strategy_whose_submitters_are_not_visible() {
    let (mut world, router) = without(|settings| settings.submitters.retain(|of| of.strategy != "Triage"));
    assert_eq!(world.refused(router, pull_strategy("Triage", 1)), 108);
    assert_eq!(world.refused(router, pull_strategy("Alone", 1)), 108, "it has none at all");
}

#[test]
fn error_108_for_a_strategy_whose_views_are_not_visible() {
    let hidden = ["all", "urgent"];
    let (mut world, router) = without(|settings| settings.views.retain(|view| !hidden.contains(&view.name.as_str())));
    assert_eq!(world.refused(router, pull_strategy("Triage", 1)), 108);
    assert_eq!(world.refused(router, pull_strategy("Gone", 1)), 108, "there never was such a view");
}

#[test]
fn error_108_for_a_strategy_whose_submitters_are_for_another_cluster() {
    let (mut world, router) = without(|_| {});
    assert_eq!(world.refused(router, pull_strategy("Second", 1)), 108);
    let east = world.client_of(ClientType::RoutingEngine, "east");
    let held = world.send(east, "", pull_strategy("Second", 1));
    world.settle();
    assert_eq!(world.reply(east, held), None);
}

#[test]
fn error_109_for_a_strategy_that_is_disabled() {
    let (mut world, router) = without(|_| {});
    assert_eq!(world.refused(router, pull_strategy("Off", 1)), 109);
}

#[test]
fn a_strategy_with_one_view_that_can_be_used_is_served() {
    let (mut world, router) = without(|settings| {
        settings.views.retain(|view| view.name != "urgent");
        let mut bad = settings.submitters[0].clone();
        (bad.name, bad.view, bad.priority) = ("bad to Triage".into(), "bad".into(), 99);
        settings.submitters.push(bad);
    });
    let media = world.client(ClientType::MediaServer);
    let id = world.submit(media, "inbound", 0);
    assert_eq!(world.pulled(router, pull_strategy("Triage", 1)), [id]);
}

#[test]
fn one_refused_pull_leaves_the_others_as_they_are() {
    let (mut world, router) = without(|_| {});
    let media = world.client(ClientType::MediaServer);
    let held = world.send(router, "", pull_strategy("Triage", 1));
    for (strategy, error) in [("Nobody", 107), ("Alone", 108), ("Off", 109), ("Bad", 83)] {
        assert_eq!(world.refused(router, pull_strategy(strategy, 1)), error);
    }
    let id = world.submit(media, "inbound", 0);
    assert_eq!(ids(&world.reply(router, held).expect("served")), [id]);
}

#[test]
fn submits_and_places_into_a_queue_that_is_not_visible_are_refused_as_for_unknown_queues() {
    let (mut world, router) = without(|settings| settings.queues.retain(|queue| queue.name != "second"));
    let media = world.client(ClientType::MediaServer);
    assert_eq!(world.refused(media, submit("second", 0)), 1004);
    assert_eq!(world.refused(media, submit("no such queue", 0)), 1004);
    let id = world.submit(media, "inbound", 0);
    assert_eq!(world.pulled(router, pull_view("all", 1)), [id.clone()]);
    let place = |queue: &str| {
        let (interaction_id, queue) = (id.clone(), queue.to_owned());
        RequestMessage::PlaceInQueue(RequestPlaceInQueue { interaction_id, queue, ..Default::default() })
    };
    assert_eq!(world.refused(router, place("second")), 1004);
    assert_eq!(world.refused(router, place("no such queue")), 1004);
    world.done(router, place("inbound"));
}

#[test]
fn what_else_is_refused_to_pulls() {
    let (mut world, router) = without(|_| {});
    let media = world.client(ClientType::MediaServer);
    assert_eq!(world.refused(media, pull_strategy("Triage", 1)), 1002);
    assert_eq!(world.refused(router, pull_view("all", 1_001)), 1000);
    assert_eq!(world.refused(router, stop("0000000000000000")), 43);
    assert_eq!(world.refused(router, properties("0000000000000000")), 43);
}
