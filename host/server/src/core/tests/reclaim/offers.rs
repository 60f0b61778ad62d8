//! What it had offered to an agent, and deliveries asked for again.

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::not_reclaimed::State;
use jackfield_protocol::v1::*;

use super::super::world::*;
use super::*;

#[test]
fn an_agent_who_accepts_meanwhile_has_it() {
    let mut scene = Scene::new();
    let Offered { id, agent, ticket } = scene.offered(0);
    scene.breaks();
    assert!(matches!(scene.world.ask(agent, accept(ticket, &id)), EventMessage::Interaction(_)));
    scene.comes_back();
    assert_eq!(refusals(&scene.reclaims(&[&id], false)), [(id.as_str(), State::WithAgent, "ann")]);
    assert!(scene.deliveries().is_empty());
    scene.world.done(agent, stop(&id));
}

#[test]
fn what_an_agent_rejects_meanwhile_is_kept_for_the_rest_of_the_window() {
    for comes_back in [true, false] {
        let mut scene = Scene::new();
        let Offered { id, agent, ticket } = scene.offered(0);
        scene.breaks();
        scene.world.pass(10_000);
        scene.world.done(agent, reject(ticket, &id));
        scene.world.pass(WINDOW - 10_001);
        scene.is_kept(&id);
        if comes_back {
            scene.comes_back();
            let answer = scene.reclaims(&[&id], false);
            assert_eq!((granted(&answer), answer.invited.len()), (vec![id.as_str()], 0));
            assert!(scene.deliveries().is_empty());
            scene.world.pass(1);
            scene.world.done(scene.router, stop(&id));
        } else {
            scene.world.pass(1);
            scene.is_free(&id);
        }
    }
}

#[test]
fn who_reclaims_an_offer_hears_how_it_ends() {
    for accepts in [true, false] {
        let mut scene = Scene::new();
        let Offered { id, agent, ticket } = scene.offered(0);
        scene.breaks();
        scene.comes_back();
        for _ in 0..2 {
            let answer = scene.reclaims(&[&id], false);
            assert_eq!((granted(&answer), refs(&answer.invited)), (vec![id.as_str()], vec![id.as_str()]));
            assert_eq!(answer.interactions[0].state(), InteractionState::Routing);
        }
        assert_eq!(scene.world.refused(scene.router, stop(&id)), 1016, "it rings");
        if accepts {
            assert!(matches!(scene.world.ask(agent, accept(ticket, &id)), EventMessage::Interaction(_)));
            assert_eq!(scene.deliveries(), [(id, DeliveryResult::Accepted, 0)]);
        } else {
            scene.world.done(agent, reject(ticket, &id));
            assert_eq!(scene.deliveries(), [(id.clone(), DeliveryResult::Rejected, 0)]);
            scene.world.pass(1_999);
            scene.is_kept(&id);
            scene.world.pass(1);
            scene.is_free(&id);
        }
    }
}

#[test]
fn who_does_not_reclaim_an_offer_hears_nothing_and_gets_nothing() {
    let mut scene = Scene::new();
    let Offered { id, agent, ticket } = scene.offered(0);
    scene.breaks();
    scene.comes_back();
    scene.reclaims(&[], false);
    scene.world.done(agent, reject(ticket, &id));
    assert!(scene.deliveries().is_empty());
    scene.is_free(&id);
}

#[test]
fn an_offer_that_outlives_the_window_can_be_reclaimed_while_it_rings() {
    for comes_back in [true, false] {
        let mut scene = Scene::new();
        let Offered { id, agent, ticket } = scene.offered(120_000);
        scene.breaks();
        scene.world.pass(WINDOW + 1);
        if comes_back {
            scene.comes_back();
            assert_eq!(refs(&scene.reclaims(&[&id], false).invited), [id.as_str()]);
            scene.world.done(agent, reject(ticket, &id));
            assert_eq!(scene.deliveries(), [(id.clone(), DeliveryResult::Rejected, 0)]);
            scene.is_kept(&id);
        } else {
            scene.world.done(agent, reject(ticket, &id));
            scene.is_free(&id);
        }
    }
}

#[test]
fn what_was_just_rejected_is_kept_for_the_whole_window() {
    let mut scene = Scene::new();
    let Offered { id, agent, ticket } = scene.offered(0);
    scene.world.done(agent, reject(ticket, &id));
    scene.breaks();
    scene.world.pass(WINDOW - 1);
    scene.is_kept(&id);
    scene.comes_back();
    assert_eq!(granted(&scene.reclaims(&[&id], false)), [id.as_str()]);
}

#[test]
fn first_refusal_is_not_what_was_left_behind() {
    let mut scene = Scene::new();
    scene.breaks();
    scene.comes_back();
    let Offered { id, agent, ticket } = scene.offered(0);
    scene.world.done(agent, reject(ticket, &id));
    scene.reclaims(&[], false);
    scene.is_kept(&id);
    assert_eq!(scene.world.pulled(scene.router, pull_ids(&[&id])), [id]);
}

#[test]
fn a_delivery_asked_for_again_invites_once() {
    let mut scene = Scene::new();
    let Offered { id, agent, ticket } = scene.offered(0);
    let again = |scene: &mut Scene, client, key: &str| {
        let reference = scene.world.send(client, key, deliver(&id, "ann"));
        scene.world.settle();
        match scene.world.reply(client, reference) {
            Some(EventMessage::Ack(_)) => Ok(reference),
            Some(EventMessage::Error(error)) => Err(error.code),
            other => panic!("{other:?}"),
        }
    };
    let (router, other) = (scene.router, scene.other);
    again(&mut scene, router, "deliver 1").expect("the same again");
    assert_eq!(again(&mut scene, router, ""), Err(1016));
    assert_eq!(again(&mut scene, router, "deliver 2"), Err(1016));
    assert_eq!(again(&mut scene, other, "deliver 1"), Err(1016), "it is another router's");
    scene.breaks();
    scene.comes_back();
    let router = scene.router;
    let last = again(&mut scene, router, "deliver 1").expect("on the new connection, reclaimed or not");
    assert!(scene.world.events(agent).is_empty(), "no second invitation");
    scene.world.done(agent, reject(ticket, &id));
    assert_eq!(scene.deliveries(), [(id.clone(), DeliveryResult::Rejected, last)]);
    assert_eq!(again(&mut scene, router, "deliver 1"), Err(1003), "it has ended, and is not remembered");
    assert_eq!(scene.world.pulled(router, pull_ids(&[&id])), [id.clone()]);
    again(&mut scene, router, "deliver 1").expect("a new invitation");
    assert!(matches!(scene.world.events(agent).as_slice(), [EventMessage::Invite(_)]));
}
