//! Placing, stopping and changing: what is written, and who may.

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;

use super::world::*;

fn whole(world: &mut World, client: u64, id: &str) -> Interaction {
    match world.ask(client, properties(id)) {
        EventMessage::Interaction(EventInteraction { interaction: Some(interaction) }) => interaction,
        other => panic!("{other:?}"),
    }
}

#[test]
fn times_of_placement() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    let id = world.submit(media, "inbound", 0);
    let submitted = world.now.wall;
    let times = |interaction: &Interaction| {
        (interaction.received_at, interaction.placed_in_queue_at, interaction.moved_to_queue_at)
    };
    world.pass(1_000);
    world.pulled(router, pull_ids(&[&id]));
    world.done(router, give_back(&id));
    assert_eq!(times(&whole(&mut world, router, &id)), (submitted, submitted, submitted), "as if never taken");

    world.pulled(router, pull_ids(&[&id]));
    world.done(router, place(&id, "inbound"));
    let same = world.now.wall;
    assert_eq!(times(&whole(&mut world, router, &id)), (submitted, same, submitted), "the same queue");

    world.pass(1_000);
    world.pulled(router, pull_ids(&[&id]));
    world.done(router, place(&id, "second"));
    let moved = world.now.wall;
    assert_eq!(times(&whole(&mut world, router, &id)), (submitted, moved, moved), "another queue");
    world.restart();
    let router = world.client(ClientType::RoutingEngine);
    assert_eq!(times(&whole(&mut world, router, &id)), (submitted, moved, moved), "and on disk");
}

#[test]
fn only_the_holder_may() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let (router, other) = (world.client(ClientType::RoutingEngine), world.client(ClientType::RoutingEngine));
    let id = world.submit(media, "inbound", 0);
    let change = RequestMessage::ChangeProperties(RequestChangeProperties {
        interaction_id: id.clone(),
        ..RequestChangeProperties::default()
    });
    for message in [place(&id, "second"), give_back(&id), stop(&id), deliver(&id, "ann"), change.clone()] {
        assert_eq!(world.refused(router, message), 1003, "it waits");
    }
    world.pulled(router, pull_ids(&[&id]));
    for message in [place(&id, "second"), give_back(&id), stop(&id), deliver(&id, "ann"), change.clone()] {
        assert_eq!(world.refused(other, message), 1003, "another holds it");
    }
    world.done(media, change);
    assert_eq!(world.refused(media, stop(&id)), 1003, "its media server may change it, not take it away");
    world.done(router, give_back(&id));
    world.done(media, stop(&id));
    assert!(world.disk.lock().unwrap().entries.is_empty());
}

#[test]
fn defaults_are_for_keys_that_are_not_there_after_the_other_changes() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    let id = world.submit(media, "inbound", 0);
    world.pulled(router, pull_ids(&[&id]));
    for number in ["1", "2"] {
        let list = |key| Some(KeyValueList::default().with(key, number));
        let change = RequestChangeProperties {
            interaction_id: id.clone(),
            changed: list("RVQID"),
            defaults: list("RPVQID"),
            ..RequestChangeProperties::default()
        };
        world.done(router, RequestMessage::ChangeProperties(change));
    }
    let data = whole(&mut world, router, &id).user_data.expect("user data");
    assert_eq!((data.text("RPVQID"), data.text("RVQID")), (Some("1"), Some("2")));
    assert_eq!(data.pairs.iter().filter(|pair| pair.key == "RPVQID").count(), 1);
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    let id = world.submit(media, "inbound", 0);
    world.pulled(router, pull_ids(&[&id]));
    assert_eq!(world.refused(router, place(&id, "nowhere")), 1004);
    let workbin = |workbin| {
        RequestMessage::PlaceInWorkbin(RequestPlaceInWorkbin {
            interaction_id: id.clone(),
            workbin: Some(workbin),
            ..RequestPlaceInWorkbin::default()
        })
    };
    assert_eq!(world.refused(router, workbin(Workbin { r#type: "none".into(), ..drafts("ann") })), 1005);
    assert_eq!(world.refused(router, workbin(drafts("nobody"))), 1005);
    assert_eq!(world.refused(router, deliver(&id, "nobody")), 1006);
    assert_eq!(world.refused(router, deliver(&id, "ann")), 1008);
    let too_much = RequestChangeProperties {
        interaction_id: id.clone(),
        added: Some(KeyValueList::default().with("Text", "x".repeat(5 << 20))),
        ..RequestChangeProperties::default()
    };
    assert_eq!(world.refused(router, RequestMessage::ChangeProperties(too_much)), 1000);
    assert_eq!(whole(&mut world, router, &id).state(), InteractionState::Routing);
    world.done(router, stop(&id));
}

#[test]
fn submits_that_are_refused() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let RequestMessage::Submit(good) = submit("inbound", 0) else { unreachable!() };
    let mut refused = |request: RequestSubmit| world.refused(media, RequestMessage::Submit(request));
    assert_eq!(refused(RequestSubmit { queue: "nowhere".into(), ..good.clone() }), 1004);
    assert_eq!(refused(RequestSubmit { queue: String::new(), ..good.clone() }), 1004);
    assert_eq!(refused(RequestSubmit { media_type: "fax".into(), ..good.clone() }), 1018);
    assert_eq!(refused(RequestSubmit { media_type: String::new(), ..good.clone() }), 1000);
    assert_eq!(refused(RequestSubmit { parent_id: "x".repeat(256), ..good.clone() }), 1000);
    let named = RequestSubmit { interaction_id: "0000GaBNKN2Q0021".into(), ..good };
    assert_eq!(world.done(media, RequestMessage::Submit(named.clone())), "0000GaBNKN2Q0021");
    assert_eq!(world.refused(media, RequestMessage::Submit(named)), 1013);
    let reporter = world.reporter();
    assert_eq!(world.refused(reporter, submit("inbound", 0)), 1002);
}

#[test]
fn user_data_deletes_then_sets_then_adds() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let id = world.submit(media, "inbound", 0);
    let mut change = |deleted: &[&str], changed: KeyValueList, added: KeyValueList| {
        let request = RequestChangeProperties {
            interaction_id: id.clone(),
            changed: Some(changed),
            deleted: deleted.iter().map(|&key| key.into()).collect(),
            added: Some(added),
            ..RequestChangeProperties::default()
        };
        world.done(media, RequestMessage::ChangeProperties(request));
        whole(&mut world, media, &id).user_data.unwrap()
    };
    let list = KeyValueList::default;
    assert_eq!(
        change(&[], list().with("a", 1).with("a", 2), list().with("Subject", "again")),
        list().with("Subject", "a question").with("a", 1).with("a", 2).with("Subject", "again")
    );
    assert_eq!(change(&["Subject"], list().with("a", 3), list()), list().with("a", 3));
}

#[test]
fn workbins_keep_what_is_placed_in_them_over_a_restart() {
    let mut world = World::new();
    let agent = world.agent("ann", "p1");
    let media = world.client(ClientType::MediaServer);
    let (a, b) = (world.submit(media, "inbound", 0), world.submit(media, "inbound", 0));
    for id in [&b, &a] {
        world.pulled(agent, pull_ids(&[id]));
        let request = RequestPlaceInWorkbin {
            interaction_id: id.clone(),
            workbin: Some(drafts("ann")),
            ..RequestPlaceInWorkbin::default()
        };
        world.done(agent, RequestMessage::PlaceInWorkbin(request));
    }
    let content = |world: &mut World, client, owner: &str| -> Vec<String> {
        let request = RequestGetWorkbinContent { workbin: Some(drafts(owner)) };
        match world.ask(client, RequestMessage::GetWorkbinContent(request)) {
            EventMessage::WorkbinContent(content) => {
                content.interactions.into_iter().map(|interaction| interaction.interaction_id).collect()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(content(&mut world, agent, "ann"), [a.clone(), b.clone()], "in the order received");
    assert!(content(&mut world, agent, "bob").is_empty());
    assert!(world.pulled(agent, pull_view("all", 5)).is_empty(), "no view shows it");
    world.restart();
    world.pass(2_000);
    let agent = world.agent("ann", "p1");
    assert_eq!(content(&mut world, agent, "ann"), [a.clone(), b.clone()]);
    assert_eq!(world.pulled(agent, pull_ids(&[&a])), [a.clone()]);
    assert_eq!(content(&mut world, agent, "ann"), [b.clone()]);
    world.disconnect(agent);
    let agent = world.agent("ann", "p1");
    assert_eq!(content(&mut world, agent, "ann"), [a, b], "given back into the workbin");
}

#[test]
fn a_restart_gives_everything_back() {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    let agent = world.agent("ann", "p1");
    let held = world.submit(media, "inbound", 0);
    let own = world.submit(agent, "inbound", 0);
    let offered = world.submit(media, "inbound", 0);
    assert_eq!(world.pulled(router, pull_view("all", 9)), [held.clone(), offered.clone()]);
    world.done(router, deliver(&offered, "ann"));
    world.restart();
    world.pass(2_000);
    let router = world.client(ClientType::RoutingEngine);
    assert_eq!(world.pulled(router, pull_view("all", 9)), [held, own, offered]);
}
