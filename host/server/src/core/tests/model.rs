//! Whatever happens in whatever order: no interaction is lost, none has two holders, and what is
//! counted is what is there.

use std::collections::{BTreeMap, BTreeSet};

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;
use proptest::prelude::*;

use super::world::*;
use crate::core::holding::Holder;

/// What may happen. Numbers choose among what is there.
#[derive(Clone, Debug)]
enum Step {
    Submit { second: bool, priority: i32, by_agent: bool },
    PullStrategy { router: usize, count: u32 },
    PullView { client: usize, count: u32 },
    PullId { client: usize, interaction: usize },
    Place { client: usize, interaction: usize, second: bool },
    PlaceInWorkbin { client: usize, interaction: usize },
    GiveBack { client: usize, interaction: usize },
    Change { client: usize, interaction: usize, priority: i32 },
    Deliver { client: usize, interaction: usize, bob: bool },
    Accept { agent: bool },
    Reject { agent: bool },
    Stop { client: usize, interaction: usize },
    Reconnect { client: usize, how: Leaving },
    Reclaim { router: usize, first: usize, count: usize, more: bool },
    Pass { milliseconds: u64 },
    Restart,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Leaving {
    Breaks,
    /// The next connection comes before the end of this one is noticed.
    TakenOver,
    Unregisters,
}

/// Defaults of the windows.
const RECLAIM_WINDOW: u64 = 30_000;
const RECLAIM_WINDOW_AT_START: u64 = 2_000;

fn steps() -> impl Strategy<Value = Step> {
    let client = 0..5_usize;
    let interaction = 0..8_usize;
    prop_oneof![
        6 => (any::<bool>(), 0..9, any::<bool>()).prop_map(|(second, priority, by_agent)| Step::Submit { second, priority, by_agent }),
        6 => (0..2_usize, 1..4_u32).prop_map(|(router, count)| Step::PullStrategy { router, count }),
        3 => (client.clone(), 1..4_u32).prop_map(|(client, count)| Step::PullView { client, count }),
        3 => (client.clone(), interaction.clone()).prop_map(|(client, interaction)| Step::PullId { client, interaction }),
        4 => (client.clone(), interaction.clone(), any::<bool>()).prop_map(|(client, interaction, second)| Step::Place { client, interaction, second }),
        2 => (client.clone(), interaction.clone()).prop_map(|(client, interaction)| Step::PlaceInWorkbin { client, interaction }),
        2 => (client.clone(), interaction.clone()).prop_map(|(client, interaction)| Step::GiveBack { client, interaction }),
        2 => (client.clone(), interaction.clone(), 0..9).prop_map(|(client, interaction, priority)| Step::Change { client, interaction, priority }),
        6 => (client.clone(), interaction.clone(), any::<bool>()).prop_map(|(client, interaction, bob)| Step::Deliver { client, interaction, bob }),
        3 => any::<bool>().prop_map(|agent| Step::Accept { agent }),
        2 => any::<bool>().prop_map(|agent| Step::Reject { agent }),
        3 => (client.clone(), interaction).prop_map(|(client, interaction)| Step::Stop { client, interaction }),
        3 => (client, prop_oneof![2 => Just(Leaving::Breaks), 1 => Just(Leaving::TakenOver), 1 => Just(Leaving::Unregisters)]).prop_map(|(client, how)| Step::Reconnect { client, how }),
        4 => (0..2_usize, 0..8_usize, 0..5_usize, any::<bool>()).prop_map(|(router, first, count, more)| Step::Reclaim { router, first, count, more }),
        3 => prop_oneof![Just(1_u64), Just(2_500), Just(31_000), Just(12_000_000), Just(50_000_000)].prop_map(|milliseconds| Step::Pass { milliseconds }),
        1 => Just(Step::Restart),
    ]
}

/// The world as its clients see it, from answers and events alone.
struct Seen {
    world: World,
    /// Two routers, two agents, a media server.
    clients: [u64; 5],
    alive: BTreeSet<String>,
    /// Who was given what, and has not lost it.
    holders: BTreeMap<String, u64>,
    invitations: BTreeMap<u64, (u64, String)>,
    held_pulls: Vec<(u64, u64)>,
    /// What a router (its place among the clients) left behind, and until when it is its alone.
    left_behind: BTreeMap<String, (usize, u64)>,
    /// Who made the last offer of an interaction, by place.
    offered_by: BTreeMap<String, usize>,
    /// Until when pulls find nothing, but for what is kept for the client that pulls.
    started_until: u64,
    /// What was offered to an agent since the start.
    offered: BTreeSet<String>,
}

impl Seen {
    fn new() -> Seen {
        let mut world = World::new();
        let clients = [0, 1, 2, 3, 4].map(|place| Seen::connect(&mut world, place));
        Seen {
            world,
            clients,
            alive: BTreeSet::new(),
            holders: BTreeMap::new(),
            invitations: BTreeMap::new(),
            held_pulls: vec![],
            left_behind: BTreeMap::new(),
            offered_by: BTreeMap::new(),
            started_until: 0,
            offered: BTreeSet::new(),
        }
    }

    fn connect(world: &mut World, place: usize) -> u64 {
        match place {
            0 => world.router("west router"),
            1 => world.named("east router", ClientType::RoutingEngine, "east"),
            2 => world.agent("ann", "p1"),
            3 => world.agent("bob", "p2"),
            _ => world.client(ClientType::MediaServer),
        }
    }

    fn some(&self, number: usize) -> String {
        let place = number.min(self.alive.len().saturating_sub(1));
        self.alive.iter().nth(place).cloned().unwrap_or_else(|| "none".into())
    }

    fn pulled(&mut self, client: u64, id: &str) {
        // What is kept for one who asks for it by its id may be had.
        let is_its = self.left_behind.get(id).is_some_and(|(place, _)| self.clients[*place] == client);
        assert!(
            is_its || self.offered.contains(id) || self.world.now.ticks >= self.started_until,
            "{id} was pulled just after a start"
        );
        self.given(client, id);
    }

    fn given(&mut self, client: u64, id: &str) {
        if let Some((place, until)) = self.left_behind.remove(id) {
            let is_its = self.clients[place] == client;
            assert!(is_its || self.world.now.ticks >= until, "{id} was given to {client} and is kept for another");
        }
        assert!(self.alive.contains(id), "{id} was stopped, and given out");
        let before = self.holders.insert(id.into(), client);
        assert_eq!(before, None, "{id} was given to {client} and is another's");
    }

    /// Asks something that takes the interaction out of the holder's hands when acknowledged.
    fn hand_in(&mut self, client: u64, id: &str, message: RequestMessage) -> bool {
        let holds = self.holders.get(id) == Some(&client);
        match self.world.ask(client, message) {
            EventMessage::Ack(_) => {
                let media = self.clients[4];
                assert!(holds || client == media, "{client} does not hold {id}");
                if holds {
                    self.holders.remove(id);
                }
                self.left_behind.remove(id);
                true
            }
            EventMessage::Error(_) => false,
            other => panic!("{other:?}"),
        }
    }

    fn lost_by(&mut self, client: u64) {
        self.holders.retain(|_, holder| *holder != client);
        self.invitations.retain(|_, (agent, _)| *agent != client);
        self.held_pulls.retain(|(router, _)| *router != client);
    }

    fn look(&mut self) {
        let mut still_held = vec![];
        for (router, reference) in std::mem::take(&mut self.held_pulls) {
            match self.world.reply(router, reference) {
                None => still_held.push((router, reference)),
                Some(answer) => ids(&answer).iter().for_each(|id| self.pulled(router, id)),
            }
        }
        self.held_pulls = still_held;
        for client in self.clients {
            for event in self.world.events(client) {
                match event {
                    EventMessage::Invite(invite) => {
                        let id = invite.interaction.expect("an interaction").interaction_id;
                        assert!(!self.holders.contains_key(&id), "{id} is offered, and held");
                        self.offered.insert(id.clone());
                        self.invitations.insert(invite.ticket_id, (client, id));
                    }
                    EventMessage::Revoked(revoked) if revoked.ticket_id > 0 => {
                        assert!(self.invitations.remove(&revoked.ticket_id).is_some());
                    }
                    EventMessage::Revoked(revoked) => {
                        assert_eq!(self.holders.remove(&revoked.interaction_id), Some(client));
                    }
                    EventMessage::Delivery(delivery) => {
                        let by = self.offered_by.get(&delivery.interaction_id).map(|&place| self.clients[place]);
                        assert_eq!(by, Some(client), "it hears of its own");
                    }
                    EventMessage::PropertiesChanged(changed) => {
                        let id = changed.interaction.expect("an interaction").interaction_id;
                        let is_offered = self.invitations.values().any(|(_, offered)| *offered == id);
                        assert!(is_offered || self.holders.get(&id) == Some(&client), "{id} is not {client}'s");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    fn invitation(&self, bob: bool) -> Option<(u64, u64, String)> {
        let agent = self.clients[2 + usize::from(bob)];
        self.invitations.iter().find(|(_, (of, _))| *of == agent).map(|(&ticket, (_, id))| (agent, ticket, id.clone()))
    }

    fn step(&mut self, step: Step) {
        let queue = |second: bool| if second { "second" } else { "inbound" };
        match step {
            Step::Submit { second, priority, by_agent } => {
                let client = self.clients[if by_agent { 2 } else { 4 }];
                let id = self.world.submit(client, queue(second), priority);
                assert!(self.alive.insert(id.clone()), "{id} is given twice");
                if by_agent {
                    self.given(client, &id);
                }
            }
            Step::PullStrategy { router, count } => {
                let strategy = if router == 0 { "Triage" } else { "Second" };
                let router = self.clients[router];
                let reference = self.world.send(router, "", pull_strategy(strategy, count));
                self.world.settle();
                self.held_pulls.push((router, reference));
            }
            Step::PullView { client, count } => {
                let client = self.clients[client];
                for id in self.world.pulled(client, pull_view("all", count)) {
                    self.pulled(client, &id);
                }
            }
            Step::PullId { client, interaction } => {
                let (client, id) = (self.clients[client], self.some(interaction));
                for id in self.world.pulled(client, pull_ids(&[&id])) {
                    self.pulled(client, &id);
                }
            }
            Step::Place { client, interaction, second } => {
                let (client, id) = (self.clients[client], self.some(interaction));
                self.hand_in(client, &id, place(&id, queue(second)));
            }
            Step::PlaceInWorkbin { client, interaction } => {
                let (client, id) = (self.clients[client], self.some(interaction));
                let request = RequestPlaceInWorkbin {
                    interaction_id: id.clone(),
                    workbin: Some(drafts("ann")),
                    ..RequestPlaceInWorkbin::default()
                };
                self.hand_in(client, &id, RequestMessage::PlaceInWorkbin(request));
            }
            Step::GiveBack { client, interaction } => {
                let (client, id) = (self.clients[client], self.some(interaction));
                self.hand_in(client, &id, give_back(&id));
            }
            Step::Change { client, interaction, priority } => {
                let request = RequestChangeProperties {
                    interaction_id: self.some(interaction),
                    priority: Some(priority),
                    ..RequestChangeProperties::default()
                };
                self.world.ask(self.clients[client], RequestMessage::ChangeProperties(request));
            }
            Step::Deliver { client, interaction, bob } => {
                let (place, id) = (client, self.some(interaction));
                if self.hand_in(self.clients[place], &id, deliver(&id, if bob { "bob" } else { "ann" })) {
                    self.offered_by.insert(id, place);
                }
            }
            Step::Accept { agent } => {
                if let Some((client, ticket, id)) = self.invitation(agent) {
                    let answer = self.world.ask(client, accept(ticket, &id));
                    assert!(matches!(answer, EventMessage::Interaction(_)), "{answer:?}");
                    self.invitations.remove(&ticket);
                    self.given(client, &id);
                }
            }
            Step::Reject { agent } => {
                if let Some((client, ticket, id)) = self.invitation(agent) {
                    self.world.done(client, reject(ticket, &id));
                    self.invitations.remove(&ticket);
                }
            }
            Step::Stop { client, interaction } => {
                let (client, id) = (self.clients[client], self.some(interaction));
                if self.hand_in(client, &id, stop(&id)) {
                    self.alive.remove(&id);
                }
            }
            Step::Reconnect { client: place, how } => self.reconnect(place, how),
            Step::Reclaim { router, first, count, more } => self.reclaim(router, first, count, more),
            Step::Pass { milliseconds } => self.world.pass(milliseconds),
            Step::Restart => {
                self.world.restart();
                let window = if self.alive.is_empty() { 0 } else { RECLAIM_WINDOW_AT_START };
                self.started_until = self.world.now.ticks + window;
                self.left_behind.clear();
                self.offered_by.clear();
                self.offered.clear();
                self.clients = [0, 1, 2, 3, 4].map(|place| Seen::connect(&mut self.world, place));
                self.holders.clear();
                self.invitations.clear();
                self.held_pulls.clear();
            }
        }
        self.look();
        self.check();
    }

    fn reconnect(&mut self, place: usize, how: Leaving) {
        let client = self.clients[place];
        let is_router = place < 2;
        self.look();
        if is_router && how != Leaving::Unregisters {
            let until = self.world.now.ticks + RECLAIM_WINDOW;
            let held = self.holders.iter().filter(|(_, holder)| **holder == client);
            self.left_behind.extend(held.map(|(id, _)| (id.clone(), (place, until))));
        } else {
            self.left_behind.retain(|_, (of, _)| *of != place);
        }
        self.lost_by(client);
        match how {
            Leaving::TakenOver if is_router => {
                self.clients[place] = Seen::connect(&mut self.world, place);
                assert!(self.world.closed.iter().any(|(closed, _)| *closed == client), "cut off");
                self.world.disconnect(client);
                return;
            }
            Leaving::Breaks | Leaving::TakenOver => self.world.disconnect(client),
            Leaving::Unregisters => {
                self.world.done(client, RequestMessage::UnregisterClient(RequestUnregisterClient {}));
            }
        }
        self.clients[place] = Seen::connect(&mut self.world, place);
    }

    fn reclaim(&mut self, place: usize, first: usize, count: usize, more: bool) {
        let client = self.clients[place];
        let asked: BTreeSet<String> = (first..first + count).map(|number| self.some(number)).collect();
        let request = RequestReclaim { interaction_ids: asked.iter().cloned().collect(), more };
        let EventMessage::Reclaimed(answer) = self.world.ask(client, RequestMessage::Reclaim(request)) else {
            panic!("not reclaimed")
        };
        let granted: Vec<String> =
            answer.interactions.into_iter().map(|interaction| interaction.interaction_id).collect();
        let refused = answer.not_reclaimed.into_iter().map(|not| not.interaction_id);
        assert_eq!(granted.iter().cloned().chain(refused).collect::<BTreeSet<_>>(), asked, "each is answered");
        assert!(answer.remaining.is_empty(), "they are small");
        for (id, (of, until)) in &self.left_behind {
            let is_its = *of == place && *until > self.world.now.ticks;
            assert!(!is_its || !asked.contains(id) || granted.contains(id), "{id} was left behind by it");
        }
        for id in &answer.taken_back {
            let is_its =
                self.left_behind.get(id).is_some_and(|(of, until)| *of == place && *until > self.world.now.ticks);
            assert!(granted.contains(id) && !is_its, "{id} was everybody's");
            assert!(self.holders.get(id) != Some(&client) && !answer.invited.contains(id), "{id} was never lost");
        }
        for id in granted {
            if answer.invited.contains(&id) {
                assert_eq!(self.offered_by.get(&id), Some(&place));
                assert!(self.invitations.values().any(|(_, offered)| *offered == id), "it rings");
            } else if self.holders.get(&id) != Some(&client) {
                self.given(client, &id);
            }
        }
        if !more {
            self.left_behind.retain(|_, (of, _)| *of != place);
        }
    }

    fn check(&self) {
        let core = &self.world.core;
        let disk = self.world.disk.lock().unwrap();
        assert_eq!(disk.entries.keys().collect::<Vec<_>>(), self.alive.iter().collect::<Vec<_>>(), "on disk");
        for id in &self.alive {
            let places = [core.views.get(id).is_some(), core.workbins.get(id).is_some(), core.out.contains_key(id)];
            assert_eq!(places.iter().filter(|&&there| there).count(), 1, "{id}: {places:?}");
            assert_eq!(core.entry(id), disk.entries.get(id), "memory and disk agree");
            let holder = core.out.get(id).and_then(|out| out.holder.client());
            assert_eq!(holder.as_ref(), self.holders.get(id), "{id}: the client that holds it knows");
        }
        let count = core.views.len() + core.workbins.entries().count() + core.out.len();
        assert_eq!(count, self.alive.len(), "nothing else is there");

        let charged = core.out.values().filter(|out| out.account.is_some()).count() + core.keeping.charged();
        assert_eq!(core.strategies.statuses().iter().map(|strategy| strategy.out).sum::<u64>(), charged as u64);
        for id in core.keeping.ids(|_| true) {
            assert!(core.views.get(&id).or_else(|| core.workbins.get(&id)).is_some(), "{id} is kept, and waits");
        }
        for state in core.agents.states(0) {
            let invited = core.invitations.values().filter(|invitation| invitation.agent == state.agent).count();
            let handling = core
                .out
                .values()
                .filter(|out| matches!(&out.holder, Holder::Agent { agent, .. } if *agent == state.agent))
                .count();
            let busy: u32 = state.media.iter().map(|media| media.busy).sum();
            assert_eq!(busy as usize, invited + handling, "{state:?}");
        }
        let held_pulls: u64 = core.strategies.statuses().iter().map(|strategy| strategy.held_pulls).sum();
        assert_eq!(held_pulls as usize, self.held_pulls.len());
        let started = usize::from(core.keeping.pulls_wait());
        let timers = core.out.len() + core.keeping.len() + self.held_pulls.len() + started + 2;
        assert_eq!(core.timers.len(), timers, "every timer is somebody's");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_and_nothing_has_two_holders(steps in prop::collection::vec(steps(), 1..120)) {
        let mut seen = Seen::new();
        for step in steps {
            seen.step(step);
        }
    }
}
