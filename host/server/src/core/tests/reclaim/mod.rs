//! What a router leaves behind when its connection breaks, and how it takes it again.

mod held;
mod offers;

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::not_reclaimed::State;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;

use super::world::*;

/// The default of `reclaim_window`.
const WINDOW: u64 = 30_000;

fn reclaim(ids: &[&str], more: bool) -> RequestMessage {
    RequestMessage::Reclaim(RequestReclaim { interaction_ids: ids.iter().map(|&id| id.into()).collect(), more })
}

/// A media server, the router `first`, and another router.
struct Scene {
    world: World,
    media: u64,
    router: u64,
    other: u64,
}

impl Scene {
    fn new() -> Scene {
        Scene::of(site())
    }

    fn of(settings: crate::settings::Settings) -> Scene {
        let mut world = World::of(settings);
        let media = world.client(ClientType::MediaServer);
        let router = world.router("first");
        let other = world.router("other");
        Scene { world, media, router, other }
    }

    /// Interactions in the router's hands, pulled for its strategy.
    fn routed(&mut self, count: usize) -> Vec<String> {
        let ids: Vec<String> = (0..count).map(|_| self.world.submit(self.media, "inbound", 0)).collect();
        assert_eq!(self.world.pulled(self.router, pull_strategy("Triage", 9)), ids);
        ids
    }

    /// An interaction offered to `ann` for so long.
    fn offered(&mut self, timeout_ms: u32) -> Offered {
        let agent = self.world.agent("ann", "p1");
        let id = self.routed(1).remove(0);
        let RequestMessage::Deliver(request) = deliver(&id, "ann") else { unreachable!() };
        let request = RequestMessage::Deliver(RequestDeliver { timeout_ms, ..request });
        let answer = self.world.ask_once(self.router, "deliver 1", request);
        assert!(matches!(answer, Some(EventMessage::Ack(_))), "{answer:?}");
        match self.world.events(agent).as_slice() {
            [EventMessage::Invite(invite)] => Offered { id, agent, ticket: invite.ticket_id },
            other => panic!("no invitation: {other:?}"),
        }
    }

    fn breaks(&mut self) {
        self.world.disconnect(self.router);
    }

    fn comes_back(&mut self) {
        self.router = self.world.router("first");
    }

    fn reclaims(&mut self, ids: &[&str], more: bool) -> EventReclaimed {
        reclaimed(&mut self.world, self.router, ids, more)
    }

    /// Nobody but the router gets it.
    #[track_caller]
    fn is_kept(&mut self, id: &str) {
        let other = self.other;
        assert!(self.world.pulled(other, pull_ids(&[id])).is_empty(), "by its id");
        assert!(self.world.pulled(other, pull_view("all", 9)).is_empty(), "as new work");
        let answer = reclaimed(&mut self.world, other, &[id], true);
        assert_eq!(refusals(&answer), [(id, State::Taken, "")]);
    }

    #[track_caller]
    fn is_free(&mut self, id: &str) {
        assert_eq!(self.world.pulled(self.other, pull_view("all", 9)), [id]);
    }

    /// How the router's deliveries ended: interaction, result, reference id.
    fn deliveries(&mut self) -> Vec<(String, DeliveryResult, u64)> {
        let events = self.world.events(self.router);
        let delivery = |event| match event {
            EventMessage::Delivery(end) => (end.interaction_id.clone(), end.result(), end.deliver_reference_id),
            other => panic!("no end of a delivery: {other:?}"),
        };
        events.into_iter().map(delivery).collect()
    }
}

struct Offered {
    id: String,
    agent: u64,
    ticket: u64,
}

#[track_caller]
fn reclaimed(world: &mut World, client: u64, ids: &[&str], more: bool) -> EventReclaimed {
    match world.ask(client, reclaim(ids, more)) {
        EventMessage::Reclaimed(reclaimed) => reclaimed,
        other => panic!("nothing reclaimed: {other:?}"),
    }
}

fn granted(answer: &EventReclaimed) -> Vec<&str> {
    answer.interactions.iter().map(|interaction| interaction.interaction_id.as_str()).collect()
}

fn refusals(answer: &EventReclaimed) -> Vec<(&str, State, &str)> {
    answer.not_reclaimed.iter().map(|not| (not.interaction_id.as_str(), not.state(), not.agent.as_str())).collect()
}

fn refs(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

fn triage_out(world: &World) -> u64 {
    world.core.strategies.statuses().into_iter().find(|strategy| strategy.strategy == "Triage").unwrap().out
}
