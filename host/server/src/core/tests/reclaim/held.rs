//! What it held: kept, reclaimed, given up; and the time after a start.

use jackfield_protocol::v1::ReportingName::*;
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::not_reclaimed::State;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;

use super::super::world::*;
use super::*;

#[test]
fn what_it_held_is_kept_for_it_and_comes_back_as_it_was() {
    let mut scene = Scene::new();
    let ids = scene.routed(2);
    let reporter = scene.world.reporter();
    scene.breaks();
    assert_eq!(scene.world.reported(reporter, 6), [PartyRemoved, PlacedInQueue, PartyRemoved, PlacedInQueue]);
    scene.is_kept(&ids[0]);
    let agent = scene.world.agent("ann", "p1");
    assert!(scene.world.pulled(agent, pull_ids(&refs(&ids))).is_empty(), "an agent no more than a router");
    scene.world.events(reporter);
    scene.world.pass(WINDOW - 1);
    scene.comes_back();
    let answer = scene.reclaims(&[&ids[1], &ids[0]], false);
    assert_eq!(granted(&answer), [ids[1].as_str(), ids[0].as_str()], "in the order asked");
    assert_eq!((answer.not_reclaimed.len(), answer.invited.len(), answer.remaining.len()), (0, 0, 0));
    assert_eq!(answer.interactions[0].state(), InteractionState::Routing);
    assert_eq!(answer.interactions[0].submitted_to_router_at, scene.world.now.wall);
    for (event, name) in scene.world.events(reporter).into_iter().zip([TakenFromQueue, PartyAdded].repeat(2)) {
        let EventMessage::Reporting(report) = event else { panic!("{event:?}") };
        assert_eq!(report.name(), name);
        let actor = report.actor.expect("somebody did it");
        assert_eq!(actor.party, Some(actor::Party::Strategy("Triage".into())));
        assert_eq!(actor.client, "first");
    }
    scene.world.pass(1);
    scene.world.done(scene.router, stop(&ids[0]));
    scene.world.done(scene.router, give_back(&ids[1]));
    scene.is_free(&ids[1]);
}

#[test]
fn the_window_ends_and_a_held_pull_gets_it() {
    let mut scene = Scene::new();
    let id = scene.routed(1).remove(0);
    scene.breaks();
    let wait = RequestPull {
        what: Some(request_pull::What::Strategy("Triage".into())),
        max_delay_ms: 5_000,
        ..RequestPull::default()
    };
    scene.world.pass(WINDOW - 1_000);
    let held = scene.world.send(scene.other, "", RequestMessage::Pull(wait));
    scene.world.pass(999);
    assert_eq!(scene.world.reply(scene.other, held), None);
    scene.world.pass(1);
    assert_eq!(ids(&scene.world.reply(scene.other, held).expect("work came")), [id.clone()]);
    scene.comes_back();
    assert_eq!(refusals(&scene.reclaims(&[&id], false)), [(id.as_str(), State::Taken, "")]);
}

#[test]
fn what_comes_back_after_the_window_is_said_to_have_been_everybodys() {
    let mut scene = Scene::new();
    let all = scene.routed(2);
    scene.breaks();
    scene.world.pass(WINDOW - 1);
    scene.comes_back();
    assert!(scene.reclaims(&[&all[0]], true).taken_back.is_empty(), "in time");
    scene.world.pass(1);
    let answer = scene.reclaims(&refs(&all), false);
    assert_eq!(granted(&answer), refs(&all));
    assert_eq!(answer.taken_back, [all[1].as_str()], "the first is in its hands");
}

#[test]
fn what_it_does_not_want_back_is_free_once_it_has_said_all() {
    let mut scene = Scene::new();
    let all = scene.routed(3);
    scene.breaks();
    let held = scene.world.send(scene.other, "", pull_strategy("Triage", 9));
    scene.comes_back();
    assert_eq!(granted(&scene.reclaims(&[&all[0]], true)), [all[0].as_str()]);
    assert_eq!(scene.world.reply(scene.other, held), None, "there is more to come");
    assert_eq!(granted(&scene.reclaims(&[&all[2]], false)), [all[2].as_str()]);
    assert_eq!(ids(&scene.world.reply(scene.other, held).expect("the rest")), [all[1].clone()]);
}

#[test]
fn who_leaves_in_good_order_leaves_nothing_behind() {
    let mut scene = Scene::new();
    let Offered { id, agent, ticket } = scene.offered(0);
    let held = scene.routed(2);
    let waiting = scene.world.send(scene.other, "", pull_strategy("Triage", 9));
    scene.world.done(scene.router, RequestMessage::UnregisterClient(RequestUnregisterClient {}));
    assert_eq!(ids(&scene.world.reply(scene.other, waiting).expect("it is free")), held);
    scene.world.done(agent, reject(ticket, &id));
    scene.is_free(&id);
}

#[test]
fn a_window_of_nothing_keeps_nothing() {
    let mut settings = site();
    settings.timers.reclaim_window = std::time::Duration::ZERO;
    let mut scene = Scene::of(settings);
    let all = scene.routed(2);
    scene.breaks();
    assert_eq!(scene.world.pulled(scene.other, pull_view("all", 1)), all[..1]);
    scene.comes_back();
    let answer = scene.reclaims(&refs(&all), false);
    assert_eq!(granted(&answer), [all[1].as_str()], "what waits and is kept for nobody");
    assert_eq!(refusals(&answer), [(all[0].as_str(), State::Taken, "")]);
}

#[test]
fn what_is_kept_counts_within_its_limits() {
    let mut scene = Scene::new();
    let all = scene.routed(3);
    let next = scene.world.submit(scene.media, "inbound", 0);
    scene.breaks();
    assert_eq!(triage_out(&scene.world), 3);
    let held = scene.world.send(scene.other, "", pull_strategy("Triage", 9));
    scene.world.settle();
    assert_eq!(scene.world.reply(scene.other, held), None, "the submitter's limit is 3");
    scene.comes_back();
    scene.reclaims(&refs(&all[..2]), true);
    assert_eq!(triage_out(&scene.world), 3);
    scene.reclaims(&[], false);
    assert_eq!(ids(&scene.world.reply(scene.other, held).expect("there is room for one")), [all[2].clone()]);
    scene.world.done(scene.router, stop(&all[0]));
    assert_eq!(scene.world.pulled(scene.other, pull_strategy("Triage", 9)), [next]);
    assert_eq!(triage_out(&scene.world), 3);
}

#[test]
fn a_second_connection_of_its_name_cuts_the_first_off() {
    let mut scene = Scene::new();
    let id = scene.routed(1).remove(0);
    let pull = scene.world.send(scene.router, "", pull_strategy("Triage", 1));
    let old = scene.router;
    scene.comes_back();
    assert!(matches!(scene.world.closed.as_slice(), [(closed, _)] if *closed == old));
    let told = scene.world.events(old);
    assert!(matches!(told.as_slice(), [EventMessage::Error(error)] if error.code == 1030), "{told:?}");
    let answer = scene.world.ask_once(old, "late", stop(&id));
    assert_eq!(answer, None, "who was frozen and wakes up does nothing");
    assert_eq!(granted(&scene.reclaims(&[&id], false)), [id.as_str()]);
    scene.world.disconnect(old);
    let next = scene.world.submit(scene.media, "inbound", 0);
    assert_eq!(scene.world.reply(old, pull), None, "its pulls are gone");
    assert_eq!(scene.world.pulled(scene.router, pull_view("all", 9)), [next]);
    scene.world.done(scene.router, stop(&id));
}

#[test]
fn only_routing_engines_are_one_by_their_name() {
    let mut scene = Scene::new();
    let id = scene.routed(1).remove(0);
    for client_type in [ClientType::ReportingEngine, ClientType::MediaServer, ClientType::AgentApplication] {
        scene.world.named("first", client_type, "");
        scene.world.named("first", client_type, "");
    }
    assert!(scene.world.closed.is_empty());
    scene.world.done(scene.router, stop(&id));
}

#[test]
fn to_come_and_go_does_not_prolong_it() {
    let mut scene = Scene::new();
    let id = scene.routed(1).remove(0);
    scene.breaks();
    scene.world.pass(WINDOW - 1);
    scene.comes_back();
    scene.breaks();
    scene.is_kept(&id);
    scene.world.pass(1);
    scene.is_free(&id);
}

#[test]
fn why_not() {
    let mut scene = Scene::new();
    let Offered { id: others_offer, .. } = scene.offered(0);
    let held = scene.routed(1).remove(0);
    let bob = scene.world.agent("bob", "p2");
    let handled = scene.world.submit(bob, "inbound", 0);
    let handed_on = scene.world.submit(bob, "inbound", 0);
    scene.world.done(bob, deliver(&handed_on, "ann"));
    let free = scene.world.submit(scene.media, "second", 0);
    let asked = [&others_offer, "none such", &held, &handled, &handed_on, &free, &free];
    let answer = reclaimed(&mut scene.world, scene.other, &asked, false);
    assert_eq!(granted(&answer), [free.as_str()], "once");
    let expected = [
        (others_offer.as_str(), State::Taken, ""),
        ("none such", State::Unknown, ""),
        (held.as_str(), State::Taken, ""),
        (handled.as_str(), State::WithAgent, "bob"),
        (handed_on.as_str(), State::WithAgent, "bob"),
    ];
    assert_eq!(refusals(&answer), expected);
    assert_eq!(granted(&reclaimed(&mut scene.world, scene.other, &[&free], false)), [free.as_str()], "it has it");
}

#[test]
fn holds_do_not_matter_and_locks_do() {
    let mut scene = Scene::new();
    let id = scene.routed(1).remove(0);
    let hold =
        RequestPlaceInQueue { interaction_id: id.clone(), queue: "inbound".into(), hold: true, ..Default::default() };
    scene.world.done(scene.router, RequestMessage::PlaceInQueue(hold));
    let ignoring =
        RequestPull { what: Some(request_pull::What::View("all".into())), ignore_hold: true, ..RequestPull::default() };
    assert_eq!(scene.world.pulled(scene.router, RequestMessage::Pull(ignoring)), [id.clone()]);
    scene.breaks();
    scene.comes_back();
    let answer = scene.reclaims(&[&id], false);
    assert!(granted(&answer) == [id.as_str()] && answer.interactions[0].is_held);

    scene.world.disk.lock().unwrap().entries.get_mut(&id).unwrap().is_locked = true;
    scene.world.restart();
    scene.comes_back();
    assert_eq!(refusals(&scene.reclaims(&[&id], false)), [(id.as_str(), State::Taken, "")]);
}

#[test]
fn from_a_workbin_and_back_into_it() {
    let mut scene = Scene::new();
    let id = scene.routed(1).remove(0);
    let request = RequestPlaceInWorkbin {
        interaction_id: id.clone(),
        workbin: Some(drafts("ann")),
        ..RequestPlaceInWorkbin::default()
    };
    scene.world.done(scene.router, RequestMessage::PlaceInWorkbin(request));
    assert_eq!(scene.world.pulled(scene.router, pull_ids(&[&id])), [id.clone()]);
    scene.breaks();
    let agent = scene.world.agent("ann", "p1");
    let content = |scene: &mut Scene| {
        let request = RequestGetWorkbinContent { workbin: Some(drafts("ann")) };
        match scene.world.ask(agent, RequestMessage::GetWorkbinContent(request)) {
            EventMessage::WorkbinContent(content) => content.interactions.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(content(&mut scene), 1, "it lies there");
    assert!(scene.world.pulled(agent, pull_ids(&[&id])).is_empty(), "and is kept");
    scene.comes_back();
    assert_eq!(granted(&scene.reclaims(&[&id], false)), [id.as_str()]);
    assert_eq!(content(&mut scene), 0);
    scene.breaks();
    scene.world.pass(WINDOW);
    assert_eq!(scene.world.pulled(agent, pull_ids(&[&id])), [id]);
}

#[test]
fn its_media_server_may_still_change_and_stop_it() {
    let mut scene = Scene::new();
    let all = scene.routed(2);
    scene.breaks();
    let change = RequestChangeProperties {
        interaction_id: all[0].clone(),
        priority: Some(9),
        ..RequestChangeProperties::default()
    };
    scene.world.done(scene.media, RequestMessage::ChangeProperties(change));
    scene.is_kept(&all[0]);
    scene.world.done(scene.media, stop(&all[1]));
    assert_eq!((triage_out(&scene.world), scene.world.core.keeping.len()), (1, 1));
    scene.comes_back();
    let answer = scene.reclaims(&refs(&all), false);
    assert_eq!((granted(&answer), answer.interactions[0].priority), (vec![all[0].as_str()], 9));
    assert_eq!(refusals(&answer), [(all[1].as_str(), State::Unknown, "")]);
}

#[test]
fn what_was_done_under_a_key_is_answered_to_whoever_asks_again() {
    let mut scene = Scene::new();
    let all = scene.routed(2);
    let first = scene.world.ask_once(scene.router, "place", place(&all[0], "second"));
    assert!(matches!(first, Some(EventMessage::Ack(_))));
    scene.breaks();
    scene.comes_back();
    assert_eq!(scene.world.ask_once(scene.router, "place", place(&all[0], "second")), first, "it holds nothing");
    assert_eq!(scene.world.refused(scene.router, stop(&all[1])), 1003, "kept for it is not held by it");
    assert_eq!(refs(&scene.world.pulled(scene.other, pull_view("rest", 9))), [all[0].as_str()], "placed once");
}

#[test]
fn after_a_start_pulls_wait_until_routers_have_reclaimed() {
    let mut scene = Scene::new();
    let all = scene.routed(3);
    scene.world.restart();
    scene.comes_back();
    scene.other = scene.world.router("other");
    scene.media = scene.world.client(ClientType::MediaServer);
    let (router, other) = (scene.router, scene.other);
    assert!(scene.world.pulled(other, pull_view("all", 9)).is_empty());
    assert!(scene.world.pulled(router, pull_ids(&refs(&all))).is_empty());
    assert_eq!(scene.world.refused(other, pull_view("bad", 9)), 83);
    let held = scene.world.send(other, "", pull_strategy("Triage", 9));
    scene.world.pass(1_000);
    let new = scene.world.submit(scene.media, "inbound", 0);
    assert_eq!(granted(&scene.reclaims(&refs(&all[..2]), false)), refs(&all[..2]), "reclaims do not wait");
    // What is offered meanwhile, and comes back, can be offered again.
    let agent = scene.world.agent("ann", "p1");
    scene.world.done(router, deliver(&all[0], "ann"));
    scene.world.done(agent, reject(1, &all[0]));
    assert_eq!(scene.world.pulled(router, pull_ids(&[&all[0]])), all[..1]);
    scene.world.pass(999);
    assert_eq!(scene.world.reply(other, held), None);
    scene.world.pass(1);
    assert_eq!(ids(&scene.world.reply(other, held).expect("work")), [all[2].clone(), new]);

    let mut settings = site();
    settings.timers.reclaim_window_at_start = std::time::Duration::ZERO;
    let mut scene = Scene::of(settings);
    let id = scene.routed(1).remove(0);
    scene.world.restart();
    scene.other = scene.world.router("other");
    scene.is_free(&id);
}

#[test]
fn what_is_reclaimed_in_the_time_after_a_start_was_nobodys_else_meanwhile() {
    for (after, taken_back) in [(1_999, false), (2_000, true)] {
        let mut scene = Scene::new();
        let id = scene.routed(1).remove(0);
        scene.world.restart();
        scene.world.pass(after);
        scene.comes_back();
        let answer = scene.reclaims(&[&id], false);
        assert_eq!((granted(&answer), answer.taken_back.len()), (vec![id.as_str()], usize::from(taken_back)));
    }
}

#[test]
fn a_start_with_nothing_waiting_makes_nobody_wait() {
    let mut scene = Scene::new();
    scene.world.restart();
    scene.media = scene.world.client(ClientType::MediaServer);
    scene.comes_back();
    scene.routed(1);
}

#[test]
fn an_answer_is_bounded_in_bytes_and_says_what_remains() {
    let mut scene = Scene::new();
    let mut all = Vec::new();
    for _ in 0..3 {
        scene.world.now.wall += 1;
        let RequestMessage::Submit(mut request) = submit("inbound", 0) else { unreachable!() };
        request.user_data = Some(KeyValueList::default().with("Text", "x".repeat(3 << 20)));
        all.push(scene.world.done(scene.media, RequestMessage::Submit(request)));
        assert_eq!(scene.world.pulled(scene.router, pull_view("all", 1)), all[all.len() - 1..]);
    }
    scene.breaks();
    scene.comes_back();
    let mut asked = refs(&all);
    for first in &all {
        let answer = scene.reclaims(&asked, false);
        assert_eq!(granted(&answer), [first.as_str()]);
        assert_eq!(refs(&answer.remaining), asked[1..]);
        asked.remove(0);
        for waiting in &asked {
            scene.is_kept(waiting);
        }
    }
}

#[test]
fn reclaims_that_are_refused_change_nothing() {
    let mut scene = Scene::new();
    let id = scene.routed(1).remove(0);
    scene.world.restart();
    scene.media = scene.world.client(ClientType::MediaServer);
    scene.comes_back();
    assert_eq!(scene.world.refused(scene.media, reclaim(&[&id], false)), 1002);
    assert_eq!(scene.world.refused(scene.router, reclaim(&vec!["x"; 1_001], false)), 1000);
    assert_eq!(scene.world.refused(scene.router, reclaim(&[""], false)), 1000);
    scene.world.disk.lock().unwrap().broken = true;
    assert_eq!(scene.world.refused(scene.router, reclaim(&[&id], false)), 1020);
    scene.world.disk.lock().unwrap().broken = false;
    assert_eq!(granted(&scene.reclaims(&[&id], false)), [id.as_str()]);
}
