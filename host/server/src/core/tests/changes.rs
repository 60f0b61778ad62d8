//! Settings that change while a server runs.

use std::sync::Arc;
use std::time::Duration;

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::*;

use super::world::*;
use crate::settings::{MediaType, Settings, Submitter};

fn world() -> (World, u64, u64) {
    let mut world = World::new();
    let media = world.client(ClientType::MediaServer);
    let router = world.client(ClientType::RoutingEngine);
    (world, media, router)
}

/// From here on the server goes by what `change` makes of its settings.
fn change(world: &mut World, change: impl FnOnce(&mut Settings)) {
    let mut new = site();
    change(&mut new);
    let changed = site().changed(&new);
    world.core.set_settings(world.now, Arc::new(changed));
    world.settle();
}

fn submitter<'a>(settings: &'a mut Settings, name: &str) -> &'a mut Submitter {
    settings.submitters.iter_mut().find(|submitter| submitter.name == name).unwrap()
}

#[test]
fn a_strategy_that_is_disabled_gets_error_109_for_the_pull_it_has_held() {
    let (mut world, media, router) = world();
    let held = world.send(router, "", pull_strategy("Triage", 1));
    world.settle();
    change(&mut world, |settings| settings.strategies[0].enabled = false);
    let Some(EventMessage::Error(error)) = world.reply(router, held) else { panic!("no error") };
    assert_eq!(error.code, 109);
    let id = world.submit(media, "inbound", 0);
    assert_eq!(world.refused(router, pull_strategy("Triage", 1)), 109);
    change(&mut world, |_| {});
    assert_eq!(world.pulled(router, pull_strategy("Triage", 1)), [id]);
}

#[test]
fn priorities_limits_and_clusters_of_submitters_change_and_accounts_stay_right() {
    let (mut world, media, router) = world();
    let (calm, urgent) = (world.submit(media, "inbound", 0), world.submit(media, "inbound", 9));
    // One is out on the account of `urgent`, which is the first.
    assert_eq!(world.pulled(router, pull_strategy("Triage", 1)), [urgent.clone()]);
    change(&mut world, |settings| {
        submitter(settings, "urgent to Triage").max_interactions = 1;
        submitter(settings, "all to Triage").priority = 20;
        submitter(settings, "all to Triage").max_interactions = 1;
    });
    let second = world.submit(media, "inbound", 9);
    assert_eq!(
        world.pulled(router, pull_strategy("Triage", 5)),
        [second],
        "`all` is asked first, and has room for one"
    );
    let held = world.send(router, "", pull_strategy("Triage", 5));
    world.settle();
    assert_eq!(world.reply(router, held), None, "both have one out");
    // Room on the account of `urgent` is none for what only `all` shows.
    world.done(router, stop(&urgent));
    world.settle();
    assert_eq!(world.reply(router, held), None);
    change(&mut world, |settings| {
        submitter(settings, "all to Triage").max_interactions = 2;
    });
    assert_eq!(ids(&world.reply(router, held).expect("room came")), [calm], "a held pull sees the change");
    change(&mut world, |settings| submitter(settings, "rest to Second").cluster_id = None);
    let id = world.submit(media, "second", 0);
    assert_eq!(world.pulled(router, pull_strategy("Second", 1)), [id], "of no cluster any more");
}

#[test]
fn what_begins_from_then_on_has_the_new_times() {
    let (mut world, _, router) = world();
    change(&mut world, |settings| settings.timers.max_pull_delay = Duration::from_secs(3));
    let held = world.send(router, "", pull_strategy("Triage", 1));
    world.pass(2_999);
    assert_eq!(world.reply(router, held), None);
    world.pass(1);
    assert!(ids(&world.reply(router, held).expect("its cap")).is_empty());
}

#[test]
fn queues_views_and_names_stay_as_they_were() {
    let mut new = site();
    new.name = "another".into();
    new.tenant_id = 9;
    new.queues.clear();
    new.views.clear();
    new.submitters.retain(|submitter| submitter.strategy == "Triage");
    new.strategies.truncate(1);
    new.strategies[0].max_interactions = 77;
    new.media_types = vec![MediaType { name: "fax".into(), handling_timeout: None }];
    let changed = site().changed(&new);
    let old = site();
    assert_eq!((changed.name, changed.tenant_id), (old.name, old.tenant_id));
    assert_eq!((changed.queues, changed.views), (old.queues, old.views));
    assert_eq!(changed.submitters, old.submitters);
    assert_eq!(changed.strategies.len(), old.strategies.len());
    assert_eq!(changed.strategies[0].max_interactions, 77);
    assert_eq!(changed.media_types, new.media_types);
}
