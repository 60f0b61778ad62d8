//! Who has an interaction of one server, as far as a strategy's pull is concerned: the rule by which it may be
//! handed out again, told by what the server hears and says, and by nothing that it remembers.
//!
//! What was handed out to a node is that node's until it was put somewhere by a request, or until there is a reason
//! to begin anew: the node's connection was lost so long ago that it is kept no more, or the node has come back and
//! has not reclaimed it; the server has started anew and nobody has reclaimed it in time; an agent was offered it.

use std::collections::BTreeMap;

use jackfield_protocol::v1::event::Message as Told;
use jackfield_protocol::v1::request::Message as Asked;
use jackfield_server::Timers;

#[derive(Debug, Default)]
pub(crate) struct Leases {
    given: BTreeMap<String, Given>,
    /// By connection.
    nodes: BTreeMap<u64, Node>,
    started_at: u64,
}

#[derive(Debug)]
struct Given {
    /// The connection of the node.
    to: u64,
    at: u64,
    /// There is a reason to hand it out anew.
    reason: bool,
}

#[derive(Debug)]
struct Node {
    name: String,
    left_at: Option<u64>,
    /// It has reclaimed all it wanted.
    has_reclaimed: bool,
}

impl Leases {
    /// The server begins anew.
    pub fn started(&mut self, ticks: u64) {
        self.started_at = ticks;
    }

    /// A node has a connection.
    pub fn came(&mut self, connection: u64, name: &str) {
        self.nodes.insert(connection, Node { name: name.to_owned(), left_at: None, has_reclaimed: false });
    }

    /// It has it no more.
    pub fn left(&mut self, connection: u64, ticks: u64) {
        if let Some(node) = self.nodes.get_mut(&connection) {
            node.left_at.get_or_insert(ticks);
        }
    }

    /// The server answers a request of a node. Returns what it gives to one that had lost it to another: a server that
    /// has started anew has forgotten that.
    pub fn answered(&mut self, connection: u64, request: &Asked, answer: &Told, ticks: u64) -> Vec<String> {
        let mut forgotten = Vec::new();
        match (request, answer) {
            (Asked::PlaceInQueue(place), Told::Ack(_)) if place.give_back => self.may_be_given(&place.interaction_id),
            (Asked::PlaceInQueue(place), Told::Ack(_)) => drop(self.given.remove(&place.interaction_id)),
            (Asked::StopProcessing(stop), Told::Ack(_)) => drop(self.given.remove(&stop.interaction_id)),
            (Asked::Deliver(deliver), Told::Ack(_)) => self.may_be_given(&deliver.interaction_id),
            // In good order.
            (Asked::UnregisterClient(_), Told::Ack(_)) => {
                for given in self.given.values_mut().filter(|given| given.to == connection) {
                    given.reason = true;
                }
            }
            (Asked::Reclaim(reclaim), Told::Reclaimed(reclaimed)) => {
                for interaction in &reclaimed.interactions {
                    let is_invited = reclaimed.invited.contains(&interaction.interaction_id);
                    let given = Given { to: connection, at: ticks, reason: is_invited };
                    let before = self.given.insert(interaction.interaction_id.clone(), given);
                    let was_anothers = before.is_some_and(|before| {
                        before.at < self.started_at && self.name(before.to) != self.name(connection)
                    });
                    if was_anothers {
                        forgotten.push(interaction.interaction_id.clone());
                    }
                }
                if !reclaim.more
                    && reclaimed.remaining.is_empty()
                    && let Some(node) = self.nodes.get_mut(&connection)
                {
                    node.has_reclaimed = true;
                }
            }
            _ => {}
        }
        forgotten
    }

    fn name(&self, connection: u64) -> Option<&str> {
        self.nodes.get(&connection).map(|node| node.name.as_str())
    }

    fn may_be_given(&mut self, id: &str) {
        if let Some(given) = self.given.get_mut(id) {
            given.reason = true;
        }
    }

    /// Whether it was handed out before, since it was put where it was.
    ///
    /// # Errors
    /// When there is no reason to hand it out again.
    pub fn handed_out(&mut self, connection: u64, id: &str, ticks: u64) -> Result<bool, String> {
        let before = self.given.insert(id.to_owned(), Given { to: connection, at: ticks, reason: false });
        let Some(before) = before else { return Ok(false) };
        let timers = Timers::default();
        let window = u64::try_from(timers.reclaim_window.as_millis()).unwrap_or(u64::MAX);
        let window_at_start = u64::try_from(timers.reclaim_window_at_start.as_millis()).unwrap_or(u64::MAX);
        if before.reason {
            return Ok(true);
        }
        if before.at < self.started_at {
            // The server has forgotten who had it.
            let is_over = ticks >= self.started_at + window_at_start;
            return is_over.then_some(true).ok_or_else(|| "the server has just started".to_owned());
        }
        let Some(node) = self.nodes.get(&before.to) else { return Err("nobody knows who had it".into()) };
        let Some(left_at) = node.left_at else {
            return Err(format!("{} has it on connection {}", node.name, before.to));
        };
        let is_back = |other: (&u64, &Node)| *other.0 > before.to && other.1.name == node.name && other.1.has_reclaimed;
        if ticks >= left_at + window || self.nodes.iter().any(is_back) {
            return Ok(true);
        }
        Err(format!("it is kept for {}, which left {} ms ago", node.name, ticks - left_at))
    }
}
