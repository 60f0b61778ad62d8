//! Two nodes of a cluster, and what is in the queue of one server.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jackfield_protocol::ORCHESTRATION_SYSTEM;
use jackfield_protocol::v1::{Interaction, KeyValueList};
use proptest::prelude::*;

use super::table::{Asked, Stopped, Table, Whose};

const TAKE_OVER: Duration = Duration::from_secs(300);

fn owned_by(cluster: &str, node: &str) -> KeyValueList {
    let list = KeyValueList::default().with("Session", "s").with("Node", node).with("Url", "");
    KeyValueList::default().with("Subject", "x").with(format!("ORSI:{cluster}:0000000000000001"), list)
}

fn waits(id: &str, data: KeyValueList) -> Interaction {
    Interaction {
        interaction_id: id.into(),
        queue: ORCHESTRATION_SYSTEM.into(),
        user_data: Some(data),
        ..Interaction::default()
    }
}

/// A table that has looked into an empty queue.
fn up(cluster: &str, now: Instant) -> Table {
    let mut table = Table::new(cluster, "node_1");
    table.link_up(now);
    assert_eq!(table.next(now), Some(Asked::Find { after: String::new() }));
    assert_eq!(table.found(now, &[], false, TAKE_OVER), None);
    assert_eq!(table.next(now), None);
    table
}

fn pull(id: &str) -> Option<Asked> {
    Some(Asked::Pull { interaction: id.into() })
}

fn stop(id: &str) -> Option<Asked> {
    Some(Asked::Stop { interaction: id.into() })
}

#[test]
fn the_owner_is_told_by_the_content_of_the_orsi_pair() {
    let now = Instant::now();
    for (cluster, data, whose) in [
        ("east", owned_by("east", "node_1"), Some(Whose::Ours)),
        ("", owned_by("", "node_1"), Some(Whose::Ours)),
        ("east", owned_by("east", "node_2"), Some(Whose::Another)),
        ("east", owned_by("eastern", "node_1"), None),
        ("east", owned_by("west", "node_1"), None),
        ("east", KeyValueList::default().with("ORSI:east:1", "node_1"), None),
        ("east", KeyValueList::default().with("Subject", "x"), None),
    ] {
        let mut table = up(cluster, now);
        table.seen(now, "i", &data, TAKE_OVER);
        let asked = table.next(now);
        let later = table.next(now + TAKE_OVER - Duration::from_millis(1));
        let found = match (asked, later) {
            (Some(Asked::Pull { .. }), _) => Some(Whose::Ours),
            (None, Some(Asked::Find { .. }) | None) => {
                table.not_found(now);
                let asked = std::iter::from_fn(|| table.next(now + TAKE_OVER));
                asked.into_iter().any(|asked| asked == pull("i").unwrap()).then_some(Whose::Another)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(found, whose, "{cluster} {data:?}");
    }
}

#[test]
fn the_owner_pulls_it_by_its_id_and_then_stops_it() {
    let now = Instant::now();
    let mut table = up("east", now);
    table.seen(now, "i", &owned_by("east", "node_1"), TAKE_OVER);
    table.seen(now, "i", &owned_by("east", "node_1"), TAKE_OVER);
    assert_eq!(table.next(now), pull("i"));
    assert_eq!(table.next(now), None, "not before it is pulled");
    table.taken("i");
    table.pulled(now, "i", true);
    assert_eq!(table.next(now), stop("i"));
    assert_eq!(table.stopped(now, "i", Stopped::Later), None);
    assert_eq!(table.next(now), None);
    let later = table.wake_at().unwrap();
    assert_eq!(table.next(later), stop("i"));
    assert_eq!(table.stopped(later, "i", Stopped::Done), Some(Whose::Ours));
}

#[test]
fn what_a_node_does_not_take_another_takes_after_a_while_and_not_when_it_is_taken_before() {
    let now = Instant::now();
    let mut table = up("east", now);
    for id in ["left", "taken"] {
        table.seen(now, id, &owned_by("east", "node_2"), TAKE_OVER);
    }
    table.taken("taken");
    let mut asked = Vec::new();
    let mut at = now;
    while at <= now + TAKE_OVER {
        while let Some(one) = table.next(at) {
            if let Asked::Find { .. } = one {
                let page = [waits("left", owned_by("east", "node_2"))];
                assert_eq!(table.found(at, &page, false, TAKE_OVER), None);
            } else {
                asked.push((at - now, one));
            }
        }
        at += Duration::from_secs(1);
    }
    assert_eq!(asked, [(TAKE_OVER, pull("left").unwrap())]);
    table.pulled(at, "left", true);
    assert_eq!(table.next(at), stop("left"));
    assert_eq!(table.stopped(at, "left", Stopped::Done), Some(Whose::Another));
}

#[test]
fn what_was_there_before_anybody_listened_is_found_page_by_page() {
    let now = Instant::now();
    let mut table = Table::new("", "node_1");
    assert_eq!(table.next(now), None, "there is no connection");
    table.link_up(now);
    assert_eq!(table.next(now), Some(Asked::Find { after: String::new() }));
    let page = [waits("a", owned_by("", "node_2")), waits("b", owned_by("", "node_1"))];
    assert_eq!(table.found(now, &page, true, TAKE_OVER), Some("b".into()));
    assert_eq!(table.next(now), pull("b"));
    assert_eq!(table.found(now, &[waits("c", owned_by("", "node_1"))], false, TAKE_OVER), None);
    assert_eq!(table.next(now), pull("c"));
    table.link_down();
    assert_eq!((table.next(now + 2 * TAKE_OVER), table.wake_at()), (None, None), "all of it is forgotten");
}

#[test]
fn however_many_the_server_keeps_they_are_looked_for_together_and_soon() {
    let now = Instant::now();
    let mut table = up("east", now);
    let ids: Vec<String> = (0..20).map(|number| format!("{number:02}")).collect();
    let page: Vec<Interaction> = ids.iter().map(|id| waits(id, owned_by("east", "node_1"))).collect();
    let mut at = now;
    // As long as a server that has just started keeps them for whoever held them.
    for pause in [1, 2] {
        for interaction in &page {
            table.seen(at, &interaction.interaction_id, &owned_by("east", "node_1"), TAKE_OVER);
        }
        for id in &ids {
            assert_eq!(table.next(at), pull(id));
            table.pulled(at, id, false);
        }
        assert_eq!(table.wake_at(), Some(at + Duration::from_secs(pause)));
        at += Duration::from_secs(pause);
        assert_eq!(table.next(at), Some(Asked::Find { after: String::new() }));
        assert_eq!(table.found(at, &[], false, TAKE_OVER), None);
    }
}

#[test]
fn what_the_server_gives_to_nobody_at_this_moment_is_looked_for_again() {
    let now = Instant::now();
    let mut table = up("", now);
    let ours = owned_by("", "node_1");
    table.seen(now, "i", &ours, TAKE_OVER);
    let (mut at, mut pulls) = (now, Vec::new());
    while pulls.len() < 4 {
        match table.next(at) {
            Some(Asked::Pull { .. }) => {
                pulls.push(at);
                table.pulled(at, "i", false);
            }
            Some(Asked::Find { .. }) => {
                assert_eq!(table.found(at, &[waits("i", ours.clone())], false, TAKE_OVER), None)
            }
            Some(other) => panic!("{other:?}"),
            None => at = table.wake_at().unwrap(),
        }
    }
    let pauses: Vec<u64> = pulls.windows(2).map(|two| (two[1] - two[0]).as_secs()).collect();
    assert_eq!(pauses, [1, 2, 4]);
}

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// It is submitted with the owner of this number.
    Submitted(usize),
    /// The node of this number asks what it wants to, and all of that is answered; or the answers are lost with
    /// its connection, and the server keeps or frees what it held.
    Asks(usize),
    Breaks(usize),
    ComesBack(usize),
    /// So many seconds pass.
    Passes(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_usize).prop_map(Step::Submitted),
        6 => (0..2_usize).prop_map(Step::Asks),
        1 => (0..2_usize).prop_map(Step::Breaks),
        2 => (0..2_usize).prop_map(Step::ComesBack),
        2 => (0..400_u64).prop_map(Step::Passes),
    ]
}

/// A server with its queue, and two nodes.
struct Scene {
    now: Instant,
    nodes: [Table; 2],
    is_up: [bool; 2],
    /// Who owns it, and which node holds it.
    queue: BTreeMap<String, (usize, Option<usize>)>,
    stopped: BTreeSet<String>,
    last: usize,
}

const OWNERS: [&str; 4] = ["node_0", "node_1", "gone", "elsewhere"];

impl Scene {
    fn data(owner: usize) -> KeyValueList {
        match OWNERS.get(owner) {
            Some(&"elsewhere") => owned_by("west", "node_0"),
            Some(name) => owned_by("east", name),
            None => KeyValueList::default().with("Subject", "of nobody"),
        }
    }

    fn is_foreign(owner: usize) -> bool {
        owner >= 3
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Submitted(owner) => {
                self.last += 1;
                let id = format!("{:05}", self.last);
                for (node, is_up) in self.nodes.iter_mut().zip(self.is_up) {
                    if is_up {
                        node.seen(self.now, &id, &Scene::data(owner), TAKE_OVER);
                    }
                }
                self.queue.insert(id, (owner, None));
            }
            Step::Asks(node) => while self.asks(node) {},
            Step::Breaks(node) if self.is_up[node] => {
                self.is_up[node] = false;
                self.nodes[node].link_down();
                // Whatever it held is back.
                let back: Vec<_> = self.queue.values_mut().filter(|(_, holder)| *holder == Some(node)).collect();
                let any = !back.is_empty();
                back.into_iter().for_each(|(_, holder)| *holder = None);
                if any && self.is_up[1 - node] {
                    self.nodes[1 - node].look_soon(self.now);
                }
            }
            Step::Breaks(_) => {}
            Step::ComesBack(node) => {
                if !self.is_up[node] {
                    self.is_up[node] = true;
                    self.nodes[node].link_up(self.now);
                }
            }
            Step::Passes(seconds) => self.now += Duration::from_secs(seconds),
        }
    }

    fn asks(&mut self, node: usize) -> bool {
        let Some(mut asked) = self.nodes[node].next(self.now) else { return false };
        assert!(self.is_up[node], "it asks nobody");
        loop {
            match asked {
                Asked::Find { after } => {
                    let waiting: Vec<_> =
                        self.queue.iter().filter(|(id, (_, holder))| **id > after && holder.is_none()).collect();
                    let page: Vec<_> =
                        waiting.iter().take(3).map(|(id, (owner, _))| waits(id, Scene::data(*owner))).collect();
                    let more = waiting.len() > 3;
                    match self.nodes[node].found(self.now, &page, more, TAKE_OVER) {
                        Some(after) => asked = Asked::Find { after },
                        None => return true,
                    }
                }
                Asked::Pull { interaction } => {
                    let there = self.queue.get_mut(&interaction).filter(|(_, holder)| holder.is_none());
                    let is_ours = there.is_some();
                    if let Some((owner, holder)) = there {
                        assert!(!Scene::is_foreign(*owner), "it is none of theirs");
                        *holder = Some(node);
                        self.nodes[1 - node].taken(&interaction);
                    }
                    self.nodes[node].pulled(self.now, &interaction, is_ours);
                    return true;
                }
                Asked::Stop { interaction } => {
                    let (owner, holder) = self.queue.remove(&interaction).expect("it is there");
                    assert_eq!(holder, Some(node), "who stops it has pulled it");
                    assert!(self.stopped.insert(interaction.clone()), "{interaction} is stopped once");
                    let whose = self.nodes[node].stopped(self.now, &interaction, Stopped::Done);
                    let expected = if owner == node { Whose::Ours } else { Whose::Another };
                    assert_eq!(whose, Some(expected));
                    return true;
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn each_is_stopped_once_by_who_pulled_it_and_in_the_end_none_of_the_clusters_is_left(
        steps in prop::collection::vec(steps(), 1..80),
    ) {
        let mut scene = Scene {
            now: Instant::now(),
            nodes: [Table::new("east", "node_0"), Table::new("east", "node_1")],
            is_up: [false, false],
            queue: BTreeMap::new(),
            stopped: BTreeSet::new(),
            last: 0,
        };
        for step in steps {
            scene.step(step);
        }
        // One of them is enough.
        scene.step(Step::Breaks(1));
        scene.step(Step::ComesBack(0));
        for _ in 0..40 {
            scene.step(Step::Asks(0));
            scene.step(Step::Passes(30));
        }
        prop_assert!(scene.queue.values().all(|(owner, _)| Scene::is_foreign(*owner)), "{:?}", scene.queue);
    }
}
