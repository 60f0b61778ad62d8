//! Pulls: held, by priority, within limits, by view, by id; and what is refused (also `refusals`).

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;

use super::world::*;

fn world() -> (World, u64, u64) {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    (world, media, router)
}

#[test]
fn pulled_by_the_name_of_the_strategy_the_server_holds_the_pull_until_there_is_work() {
    let (mut world, media, router) = world();
    let held = world.send(router, "", pull_strategy("Triage", 5));
    world.settle();
    assert_eq!(world.reply(router, held), None);
    // A burst is answered whole, once.
    world.send(media, "", submit("inbound", 0));
    world.send(media, "", submit("inbound", 9));
    world.settle();
    let answer = world.reply(router, held).expect("an answer");
    let EventMessage::PulledInteractions(pulled) = answer else { panic!("{answer:?}") };
    let submitters: Vec<_> = pulled.interactions.iter().map(|pulled| pulled.submitter.as_str()).collect();
    assert_eq!(submitters, ["urgent to Triage", "all to Triage"], "by submitter priority");
    for pulled in pulled.interactions {
        let interaction = pulled.interaction.unwrap();
        assert_eq!(interaction.state(), InteractionState::Routing);
        assert_eq!(interaction.submitted_to_router_at, world.now.wall);
        assert_eq!(interaction.user_data.unwrap().text("Subject"), Some("a question"));
    }
}

#[test]
fn a_held_pull_is_empty_at_its_cap() {
    let (mut world, _, router) = world();
    let longest = world.send(router, "", pull_strategy("Triage", 1));
    let short = RequestPull {
        what: Some(request_pull::What::Strategy("Triage".into())),
        max_delay_ms: 500,
        ..RequestPull::default()
    };
    let short = world.send(router, "", RequestMessage::Pull(short));
    world.pass(499);
    assert_eq!(world.reply(router, short), None);
    world.pass(1);
    assert!(ids(&world.reply(router, short).expect("its own cap")).is_empty());
    world.pass(9_499);
    assert_eq!(world.reply(router, longest), None);
    world.pass(1);
    assert!(ids(&world.reply(router, longest).expect("the server's cap")).is_empty());
}

#[test]
fn a_cancelled_pull_is_answered_with_nothing() {
    let (mut world, media, router) = world();
    let held = world.send(router, "", pull_strategy("Triage", 1));
    world.done(router, RequestMessage::CancelPull(RequestCancelPull { pull_reference_id: held }));
    assert!(ids(&world.reply(router, held).expect("an answer")).is_empty());
    let id = world.submit(media, "inbound", 0);
    assert_eq!(world.pulled(router, pull_view("all", 1)), [id]);
}

#[test]
fn maximum_interactions_limit_each_strategy_and_each_submitter_and_room_wakes_a_pull() {
    let (mut world, media, router) = world();
    for _ in 0..4 {
        world.submit(media, "inbound", 0);
    }
    for _ in 0..3 {
        world.submit(media, "inbound", 9);
    }
    let first = world.pulled(router, pull_strategy("Triage", 100));
    assert_eq!(first.len(), 5, "the strategy's limit: 3 urgent, then 2 of the others");
    let held = world.send(router, "", pull_strategy("Triage", 100));
    world.settle();
    assert_eq!(world.reply(router, held), None);
    for urgent in &first[..3] {
        world.done(router, stop(urgent));
        world.settle();
    }
    let second = ids(&world.reply(router, held).expect("room came"));
    assert_eq!(second.len(), 1, "one at a time as room comes");
    let held = world.send(router, "", pull_strategy("Triage", 100));
    world.settle();
    assert_eq!(world.reply(router, held), None, "the submitter's limit of 3 is used up though the strategy has room");
}

#[test]
fn pulls_are_served_first_come_first_served_and_a_clients_pulls_go_with_it() {
    let (mut world, media, router) = world();
    let second = world.client(ClientType::RoutingEngine);
    let gone = world.client(ClientType::RoutingEngine);
    world.send(gone, "", pull_strategy("Triage", 1));
    let one = world.send(router, "", pull_strategy("Triage", 1));
    let two = world.send(second, "", pull_strategy("Triage", 1));
    world.disconnect(gone);
    let id = world.submit(media, "inbound", 0);
    assert_eq!(ids(&world.reply(router, one).expect("the first")), [id]);
    assert_eq!(world.reply(second, two), None);
    let id = world.submit(media, "inbound", 0);
    assert_eq!(ids(&world.reply(second, two).expect("the second")), [id]);
}

#[test]
fn a_cluster_id_lets_only_the_nodes_of_that_cluster_pull() {
    let (mut world, media, router) = world();
    let id = world.submit(media, "second", 0);
    assert_eq!(world.refused(router, pull_strategy("Second", 1)), 108);
    let west = world.client_of(ClientType::RoutingEngine, "west");
    assert_eq!(world.refused(west, pull_strategy("Second", 1)), 108);
    let east = world.client_of(ClientType::RoutingEngine, "east");
    assert_eq!(world.pulled(east, pull_strategy("Second", 1)), [id]);
}

#[test]
fn the_server_sets_different_priorities_for_different_kinds_of_interactions() {
    let mut settings = site();
    settings.views[0].condition = "media_type = 'chat'".into();
    settings.views[1].condition = "media_type = 'email'".into();
    let mut world = World::of(settings);
    let (media, router) = (world.client(ClientType::MediaServer), world.client(ClientType::RoutingEngine));
    let kinds = ["email", "chat", "email", "chat"];
    let sent = kinds.map(|kind| {
        let RequestMessage::Submit(request) = submit("inbound", 0) else { unreachable!() };
        world.done(media, RequestMessage::Submit(RequestSubmit { media_type: kind.into(), ..request }))
    });
    // The submitter of chats has the higher priority; within a kind the view's order counts.
    let pulled: Vec<String> = (0..4).flat_map(|_| world.pulled(router, pull_strategy("Triage", 1))).collect();
    assert_eq!(pulled, [1, 3, 0, 2].map(|index: usize| sent[index].clone()));
}

#[test]
fn a_view_that_is_pulled_by_its_name_is_on_nobodys_account() {
    let (mut world, media, router) = world();
    let sent: Vec<String> = (0..7).map(|_| world.submit(media, "inbound", 0)).collect();
    assert_eq!(world.pulled(router, pull_view("all", 6)), sent[..6], "more than strategy and submitter may have");
    assert_eq!(world.pulled(router, pull_strategy("Triage", 6)), sent[6..], "whose room is all there");
    // It is answered at once, where there is nothing, too.
    assert_eq!(world.pulled(router, pull_view("all", 6)), Vec::<String>::new());
}

#[test]
fn by_id_only_what_waits() {
    let (mut world, media, router) = world();
    let (a, b) = (world.submit(media, "inbound", 0), world.submit(media, "second", 0));
    let c = world.submit(media, "inbound", 0);
    let other = world.client(ClientType::RoutingEngine);
    assert_eq!(world.pulled(other, pull_ids(&[&c])), [c.clone()]);
    assert_eq!(world.pulled(router, pull_ids(&[&b, "no such", &c, &a, &a])), [b, a]);
}

#[test]
fn in_the_views_order_and_given_back_into_the_old_place() {
    let (mut world, media, router) = world();
    let all: Vec<String> = (0..4).map(|_| world.submit(media, "inbound", 0)).collect();
    let urgent = world.submit(media, "inbound", 3);
    assert_eq!(world.pulled(router, pull_view("all", 2)), [urgent.clone(), all[0].clone()]);
    world.done(router, give_back(&all[0]));
    let mut expected = vec![urgent];
    expected.extend(all);
    world.disconnect(router);
    world.pass(30_000);
    let other = world.client(ClientType::RoutingEngine);
    assert_eq!(world.pulled(other, pull_view("all", 10)), expected);
}

#[test]
fn an_agent_pulls_by_view_and_one_at_a_time_by_default() {
    let (mut world, media, _) = world();
    let nobody = world.client(ClientType::AgentApplication);
    assert_eq!(world.refused(nobody, pull_view("all", 1)), 1008);
    let (first, _) = (world.submit(media, "inbound", 0), world.submit(media, "inbound", 0));
    let agent = world.agent("ann", "p1");
    assert_eq!(world.pulled(agent, pull_view("all", 0)), [first]);
}

#[test]
fn an_answer_is_bounded_in_bytes() {
    let (mut world, media, router) = world();
    let mut sent = Vec::new();
    for _ in 0..3 {
        world.now.wall += 1;
        let RequestMessage::Submit(mut request) = submit("inbound", 0) else { unreachable!() };
        request.user_data = Some(KeyValueList::default().with("Text", "x".repeat(2 << 20)));
        sent.push(world.done(media, RequestMessage::Submit(request)));
    }
    assert_eq!(
        world.pulled(router, pull_view("all", 3)),
        sent[..1],
        "two of 2 MiB and their heads are more than 4 MiB"
    );
    assert_eq!(world.pulled(router, pull_view("all", 3)), sent[1..2]);
    assert_eq!(world.pulled(router, pull_view("all", 3)), sent[2..]);
}

#[test]
fn a_condition_on_time_comes_true_by_itself() {
    let mut settings = site();
    settings.views[1].condition = "received_at < current_timestamp - 60".into();
    let mut world = World::of(settings);
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    let id = world.submit(media, "inbound", 0);
    world.pass(55_000);
    let held = world.send(router, "", pull_strategy("Triage", 1));
    world.settle();
    assert_eq!(world.reply(router, held), None);
    for _ in 0..7 {
        world.pass(1_000);
    }
    assert_eq!(ids(&world.reply(router, held).expect("it became true")), [id]);
}

#[test]
fn a_store_that_cannot_be_read_refuses_and_loses_nothing() {
    let (mut world, media, router) = world();
    let id = world.submit(media, "inbound", 0);
    world.restart();
    world.pass(2_000);
    let router = {
        let _ = router;
        world.client(ClientType::RoutingEngine)
    };
    world.disk.lock().unwrap().broken = true;
    assert_eq!(world.refused(router, pull_view("all", 1)), 1020);
    assert!(world.core.failure().is_some());
    world.disk.lock().unwrap().broken = false;
    assert_eq!(world.pulled(router, pull_view("all", 1)), [id]);
}
