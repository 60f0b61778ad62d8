//! What is reported, step by step, in the order of the published message models.

use jackfield_protocol::v1::ReportingName::*;
use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;

use super::world::*;

struct Scene {
    world: World,
    reporter: u64,
    media: u64,
    router: u64,
    seen: u64,
}

impl Scene {
    fn new() -> Scene {
        let mut world = World::new();
        let media = world.client(ClientType::MediaServer);
        let router = world.client(ClientType::RoutingEngine);
        let reporter = world.reporter();
        Scene { world, reporter, media, router, seen: 0 }
    }

    #[track_caller]
    fn reported(&mut self, expected: &[ReportingName]) {
        assert_eq!(self.world.reported(self.reporter, self.seen), expected);
        self.seen += expected.len() as u64;
    }

    /// An interaction in the router's hands.
    fn routed(&mut self) -> String {
        let id = self.world.submit(self.media, "inbound", 0);
        assert_eq!(self.world.pulled(self.router, pull_strategy("Triage", 1)), [id.clone()]);
        self.reported(&[InteractionSubmitted, TakenFromQueue, PartyAdded]);
        id
    }

    /// An interaction offered to `ann`, and the invitation's ticket.
    fn offered(&mut self) -> (String, u64, u64) {
        let agent = self.world.agent("ann", "p1");
        self.reported(&[AgentLoggedIn, ReadyForMedia]);
        let id = self.routed();
        self.world.done(self.router, deliver(&id, "ann"));
        self.reported(&[AgentInvited, PartyRemoved, PlaceAgentState]);
        match self.world.events(agent).as_slice() {
            [EventMessage::Invite(invite)] => {
                let offered = invite.interaction.as_ref().expect("an interaction");
                assert_eq!((offered.interaction_id.as_str(), offered.delivered_at), (id.as_str(), self.world.now.wall));
                (id, agent, invite.ticket_id)
            }
            other => panic!("no invitation: {other:?}"),
        }
    }

    fn delivery(&mut self) -> (DeliveryResult, String) {
        match self.world.events(self.router).as_slice() {
            [EventMessage::Delivery(delivery)] => (delivery.result(), delivery.interaction_id.clone()),
            other => panic!("no end of a delivery: {other:?}"),
        }
    }
}

#[test]
fn pulled_and_stopped() {
    let mut scene = Scene::new();
    let id = scene.routed();
    scene.world.done(scene.router, stop(&id));
    scene.reported(&[PartyRemoved, ProcessingStopped]);
    assert_eq!(scene.world.refused(scene.router, stop(&id)), 43);
}

#[test]
fn placed_in_another_queue() {
    let mut scene = Scene::new();
    let id = scene.routed();
    scene.world.done(scene.router, place(&id, "second"));
    scene.reported(&[PartyRemoved, PlacedInQueue]);
}

#[test]
fn held_and_resumed() {
    let mut scene = Scene::new();
    let id = scene.routed();
    let hold =
        RequestPlaceInQueue { interaction_id: id.clone(), queue: "inbound".into(), hold: true, ..Default::default() };
    scene.world.done(scene.router, RequestMessage::PlaceInQueue(hold));
    scene.reported(&[PartyRemoved, PlacedInQueue, Held]);
    assert!(scene.world.pulled(scene.router, pull_view("all", 1)).is_empty());
    let ignoring =
        RequestPull { what: Some(request_pull::What::View("all".into())), ignore_hold: true, ..RequestPull::default() };
    assert_eq!(scene.world.pulled(scene.router, RequestMessage::Pull(ignoring)), [id.clone()]);
    scene.world.done(scene.router, place(&id, "inbound"));
    scene.reported(&[TakenFromQueue, PartyAdded, PartyRemoved, PlacedInQueue, Resumed]);
}

#[test]
fn placed_in_a_workbin_and_taken_from_it() {
    let mut scene = Scene::new();
    let id = scene.routed();
    let request = RequestPlaceInWorkbin {
        interaction_id: id.clone(),
        workbin: Some(drafts("ann")),
        ..RequestPlaceInWorkbin::default()
    };
    scene.world.done(scene.router, RequestMessage::PlaceInWorkbin(request));
    scene.reported(&[PartyRemoved, PlacedInQueue, PlacedInWorkbin]);
    assert_eq!(scene.world.pulled(scene.router, pull_ids(&[&id])), [id]);
    scene.reported(&[TakenFromQueue, TakenFromWorkbin, PartyAdded]);
}

#[test]
fn submitted_by_an_agent_it_is_in_its_hands() {
    let mut scene = Scene::new();
    let agent = scene.world.agent("ann", "p1");
    scene.reported(&[AgentLoggedIn, ReadyForMedia]);
    let id = scene.world.submit(agent, "inbound", 0);
    scene.reported(&[InteractionSubmitted, PartyAdded, PlaceAgentState]);
    match scene.world.ask(agent, properties(&id)) {
        EventMessage::Interaction(EventInteraction { interaction: Some(interaction) }) => {
            assert_eq!(interaction.state(), InteractionState::Handling);
            assert_eq!(interaction.assigned_to, "ann");
        }
        other => panic!("{other:?}"),
    }
    scene.world.done(agent, stop(&id));
}

#[test]
fn accepted() {
    let mut scene = Scene::new();
    let (id, agent, ticket) = scene.offered();
    match scene.world.ask(agent, accept(ticket, &id)) {
        EventMessage::Interaction(EventInteraction { interaction: Some(interaction) }) => {
            assert_eq!((interaction.state(), interaction.assigned_to.as_str()), (InteractionState::Handling, "ann"));
        }
        other => panic!("{other:?}"),
    }
    scene.reported(&[PartyAdded]);
    assert_eq!(scene.delivery(), (DeliveryResult::Accepted, id.clone()));
    assert_eq!(scene.world.refused(scene.router, stop(&id)), 1003, "it is the agent's");
    assert_eq!(scene.world.refused(agent, accept(ticket, &id)), 1012, "the invitation has ended");
    scene.world.done(agent, stop(&id));
    scene.reported(&[PlaceAgentState, PartyRemoved, ProcessingStopped]);
}

#[test]
fn rejected_it_is_back_and_the_router_has_first_refusal() {
    let mut scene = Scene::new();
    let (id, agent, ticket) = scene.offered();
    scene.world.done(agent, reject(ticket, &id));
    scene.reported(&[PlaceAgentState, RejectedByAgent, PlacedInQueue]);
    assert_eq!(scene.delivery(), (DeliveryResult::Rejected, id.clone()));

    let other = scene.world.client(ClientType::RoutingEngine);
    assert!(scene.world.pulled(other, pull_ids(&[&id])).is_empty());
    assert!(scene.world.pulled(other, pull_view("all", 1)).is_empty());
    // Nor does the router itself get it as new work.
    assert!(scene.world.pulled(scene.router, pull_view("all", 1)).is_empty());
    let held = scene.world.send(scene.router, "", pull_strategy("Triage", 1));
    scene.world.pass(1_999);
    assert_eq!(scene.world.reply(scene.router, held), None);
    assert_eq!(scene.world.pulled(scene.router, pull_ids(&[&id])), [id]);
    scene.world.pass(1);
    assert_eq!(scene.world.reply(scene.router, held), None);
}

#[test]
fn first_refusal_ends() {
    let mut scene = Scene::new();
    let (id, agent, ticket) = scene.offered();
    let other = scene.world.client(ClientType::RoutingEngine);
    scene.world.done(agent, reject(ticket, &id));
    let held = scene.world.send(other, "", pull_strategy("Triage", 1));
    scene.world.pass(1_999);
    assert_eq!(scene.world.reply(other, held), None);
    scene.world.pass(1);
    assert_eq!(ids(&scene.world.reply(other, held).expect("work came")), [id]);
}

#[test]
fn timed_out() {
    let mut scene = Scene::new();
    let (id, agent, ticket) = scene.offered();
    scene.world.pass(29_999);
    assert!(scene.world.events(agent).is_empty());
    scene.world.pass(1);
    assert!(matches!(scene.world.events(agent).as_slice(),
        [EventMessage::Revoked(revoked)] if revoked.ticket_id == ticket && revoked.interaction_id == id));
    scene.reported(&[PlaceAgentState, InteractionRevoked, PlacedInQueue]);
    assert_eq!(scene.delivery(), (DeliveryResult::TimedOut, id.clone()));
    assert_eq!(scene.world.refused(agent, accept(ticket, &id)), 1012);
}

#[test]
fn the_agent_goes_while_it_rings() {
    let mut scene = Scene::new();
    let (id, agent, _) = scene.offered();
    scene.world.disconnect(agent);
    scene.reported(&[AgentLoggedOut, InteractionRevoked, PlacedInQueue]);
    assert_eq!(scene.delivery(), (DeliveryResult::AgentGone, id));
}

#[test]
fn the_agent_goes_while_handling() {
    let mut scene = Scene::new();
    let (id, agent, ticket) = scene.offered();
    scene.world.ask(agent, accept(ticket, &id));
    scene.reported(&[PartyAdded]);
    scene.world.disconnect(agent);
    scene.reported(&[AgentLoggedOut, PartyRemoved, PlacedInQueue]);
    assert_eq!(scene.world.pulled(scene.router, pull_strategy("Triage", 1)), [id]);
}

#[test]
fn the_router_goes() {
    let mut scene = Scene::new();
    let id = scene.routed();
    scene.world.disconnect(scene.router);
    scene.reported(&[PartyRemoved, PlacedInQueue]);
    let other = scene.world.client(ClientType::RoutingEngine);
    assert!(scene.world.pulled(other, pull_view("all", 1)).is_empty(), "it is kept for its return");
    scene.world.pass(30_000);
    assert_eq!(scene.world.pulled(other, pull_view("all", 1)), [id]);
}

#[test]
fn the_routing_timer_ends_a_silent_hold_and_any_request_resets_it() {
    let mut scene = Scene::new();
    let id = scene.routed();
    let timeout = 720 * 60_000;
    scene.world.pass(timeout - 1);
    let note = RequestChangeProperties {
        interaction_id: id.clone(),
        added: Some(KeyValueList::default().with("note", 1)),
        ..RequestChangeProperties::default()
    };
    scene.world.done(scene.router, RequestMessage::ChangeProperties(note));
    scene.reported(&[PropertiesChanged]);
    scene.world.pass(timeout - 1);
    assert!(scene.world.events(scene.router).is_empty(), "the request counts as a sign of life");
    scene.world.pass(1);
    assert!(matches!(scene.world.events(scene.router).as_slice(),
        [EventMessage::Revoked(revoked)] if revoked.interaction_id == id && revoked.ticket_id == 0));
    scene.reported(&[PartyRemoved, PlacedInQueue]);
}

#[test]
fn the_handling_timer_takes_the_interactions_own_time_first() {
    let mut scene = Scene::new();
    let agent = scene.world.agent("ann", "p1");
    let mut request = match submit("inbound", 0) {
        RequestMessage::Submit(request) => request,
        _ => unreachable!(),
    };
    request.user_data = Some(KeyValueList::default().with("handling-timeout", "2"));
    let id = scene.world.done(scene.media, RequestMessage::Submit(request));
    assert_eq!(scene.world.pulled(agent, pull_view("all", 1)), [id.clone()]);
    scene.world.pass(60_000);
    // Any request of the agent application shows that it lives.
    scene
        .world
        .done(agent, RequestMessage::ReadyForMedia(RequestReadyForMedia { agent: "ann".into(), media_types: vec![] }));
    scene.world.pass(119_999);
    assert!(scene.world.events(agent).is_empty());
    scene.world.pass(1);
    assert!(matches!(scene.world.events(agent).as_slice(),
        [EventMessage::Revoked(revoked)] if revoked.interaction_id == id));
}

#[test]
fn the_handling_timer_takes_the_media_types_time_before_the_servers() {
    let mut scene = Scene::new();
    let agent = scene.world.agent("ann", "p1");
    let mut request = match submit("inbound", 0) {
        RequestMessage::Submit(request) => request,
        _ => unreachable!(),
    };
    request.media_type = "sms".into();
    let id = scene.world.done(scene.media, RequestMessage::Submit(request));
    assert_eq!(scene.world.pulled(agent, pull_view("all", 1)), [id.clone()]);
    scene.world.pass(20 * 60_000 - 1);
    assert!(scene.world.events(agent).is_empty());
    scene.world.pass(1);
    assert!(matches!(scene.world.events(agent).as_slice(),
        [EventMessage::Revoked(revoked)] if revoked.interaction_id == id));
}

#[test]
fn cleared_online_is_abandoned() {
    let mut scene = Scene::new();
    let mut request = match submit("inbound", 0) {
        RequestMessage::Submit(request) => request,
        _ => unreachable!(),
    };
    request.is_online = true;
    let id = scene.world.done(scene.media, RequestMessage::Submit(request));
    let change = RequestChangeProperties {
        interaction_id: id.clone(),
        changed: Some(KeyValueList::default().with("Subject", "left")),
        is_online: Some(false),
        priority: Some(9),
        ..RequestChangeProperties::default()
    };
    scene.world.done(scene.media, RequestMessage::ChangeProperties(change));
    scene.reported(&[InteractionSubmitted, PropertiesChanged, Abandoned]);
    match scene.world.ask(scene.router, properties(&id)) {
        EventMessage::Interaction(EventInteraction { interaction: Some(interaction) }) => {
            assert!(!interaction.is_online && interaction.abandoned_at == scene.world.now.wall);
            assert_eq!((interaction.priority, interaction.user_data.unwrap().text("Subject")), (9, Some("left")));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(scene.world.pulled(scene.router, pull_view("urgent", 1)), [id], "views see the new priority");
}

/// Who was told of a change, with the subject as it is now; nobody else was told anything.
fn told(scene: &mut Scene, client: u64) -> Vec<String> {
    let events = scene.world.events(client);
    let subject = |event: EventMessage| match event {
        EventMessage::PropertiesChanged(EventPropertiesChanged { interaction: Some(interaction) }) => {
            interaction.user_data.and_then(|data| data.text("Subject").map(String::from)).expect("a subject")
        }
        other => panic!("{other:?}"),
    };
    events.into_iter().map(subject).collect()
}

fn new_subject(id: &str, subject: &str) -> RequestMessage {
    RequestMessage::ChangeProperties(RequestChangeProperties {
        interaction_id: id.into(),
        changed: Some(KeyValueList::default().with("Subject", subject)),
        ..RequestChangeProperties::default()
    })
}

#[test]
fn who_has_an_interaction_hears_of_changes_by_others() {
    let mut scene = Scene::new();
    let (media, router) = (scene.media, scene.router);
    let (id, agent, ticket) = scene.offered();
    scene.world.done(media, new_subject(&id, "while it rings"));
    assert_eq!(told(&mut scene, router), ["while it rings"]);
    assert_eq!(told(&mut scene, agent), ["while it rings"]);
    scene.world.done(agent, reject(ticket, &id));
    scene.delivery();
    scene.world.done(media, new_subject(&id, "while it waits"));
    assert!(told(&mut scene, router).is_empty() && told(&mut scene, media).is_empty());
    scene.world.pulled(router, pull_ids(&[&id]));
    scene.world.done(media, new_subject(&id, "while it is routed"));
    assert_eq!(told(&mut scene, router), ["while it is routed"]);
    scene.world.done(router, new_subject(&id, "by the router"));
    assert!(told(&mut scene, router).is_empty(), "who made the change knows");
    scene.world.done(router, deliver(&id, "ann"));
    let EventMessage::Invite(invite) = scene.world.events(agent).remove(0) else { panic!("no invitation") };
    scene.world.ask(agent, accept(invite.ticket_id, &id));
    scene.delivery();
    scene.world.done(media, new_subject(&id, "while it is handled"));
    assert_eq!(told(&mut scene, agent), ["while it is handled"]);
    assert!(told(&mut scene, router).is_empty(), "it is the agent's");
}

#[test]
fn a_filter_by_queue_passes_only_that_queues_interactions() {
    let mut scene = Scene::new();
    let narrow = scene.world.client(ClientType::RoutingEngine);
    let filter = RequestStartReporting {
        interactions: true,
        agents: false,
        queues: vec!["second".into()],
        ..Default::default()
    };
    scene.world.ask(narrow, RequestMessage::StartReporting(filter));
    scene.world.submit(scene.media, "inbound", 0);
    scene.world.agent("ann", "p1");
    assert!(scene.world.events(narrow).is_empty());
    scene.world.submit(scene.media, "second", 0);
    assert_eq!(scene.world.reported(narrow, 0), [InteractionSubmitted]);
}
