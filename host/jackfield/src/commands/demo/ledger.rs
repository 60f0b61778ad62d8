//! What happened to each interaction, from the reporting events of the servers. Pure bookkeeping.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use jackfield_protocol::v1::actor::Party;
use jackfield_protocol::v1::key_value::Value;
use jackfield_protocol::v1::{EventReporting, KeyValueList, ReportingName};

/// Where an interaction is, or how it ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a queue.
    Queue(String),
    /// In a workbin.
    Workbin(String),
    /// With a strategy.
    Strategy(String),
    /// With an agent.
    Agent(String),
    /// Stopped by a strategy.
    StoppedByStrategy(String),
    /// Finished by an agent.
    DoneByAgent(String),
    /// Stopped by somebody else.
    Stopped,
}

/// One interaction.
#[derive(Clone, Debug)]
struct Row {
    media: String,
    submitted_at: i64,
    accepted_at: Option<i64>,
    place: Place,
    server: String,
}

/// Counts of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Submitted into it.
    pub submitted: u64,
    /// Placed into it by strategies and agents.
    pub placed: u64,
    /// Came back into it from whoever had it last: an invitation was not accepted, a client went away.
    pub returned: u64,
    /// Taken from it.
    pub taken: u64,
    /// In it now.
    pub waiting: u64,
}

/// Counts of a strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StrategyCounts {
    /// Interactions it took.
    pub taken: u64,
    /// Stopped by it.
    pub stopped: u64,
    /// Placed into a queue by it.
    pub placed: u64,
    /// Came back to their queue: an invitation was not accepted, or the strategy failed.
    pub returned: u64,
    /// Delivered to agents by it.
    pub delivered: u64,
    /// Messages that media servers sent for it.
    pub messages: u64,
}

/// Counts of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgentCounts {
    /// Invitations.
    pub invited: u64,
    /// Invitations rejected or not answered.
    pub not_accepted: u64,
    /// Interactions accepted.
    pub accepted: u64,
    /// Interactions finished.
    pub done: u64,
    /// Interactions put into a queue.
    pub transferred: u64,
}

/// The whole book. Keys of queues and agents are (server, name).
#[derive(Default)]
pub struct Ledger {
    rows: HashMap<String, Row>,
    /// The strategy that handed an interaction to the agents, until one accepts.
    offered_by: HashMap<String, String>,
    /// ESP requests that are not answered, of each interaction in their order.
    services_under_way: HashMap<String, VecDeque<Service>>,
    /// Messages that were made, by the id of their interaction: the strategy that wanted them, and their type.
    made: HashMap<String, (String, String)>,
    /// By queue.
    pub queues: BTreeMap<(String, String), QueueCounts>,
    /// By strategy.
    pub strategies: BTreeMap<String, StrategyCounts>,
    /// By agent.
    pub agents: BTreeMap<String, AgentCounts>,
    /// Messages that were sent, by strategy and type of message.
    pub messages: BTreeMap<(String, String), u64>,
}

impl Ledger {
    /// Enter an event of `server`.
    pub fn enter(&mut self, server: &str, event: &EventReporting) {
        let id = event.interaction_id.as_str();
        let queue = |name: &str| (server.to_owned(), name.to_owned());
        let party = event.actor.as_ref().and_then(|actor| actor.party.clone());
        match event.name() {
            ReportingName::InteractionSubmitted => {
                self.queues.entry(queue(&event.queue)).or_default().submitted += 1;
                let row = Row {
                    media: event.media_type.clone(),
                    submitted_at: event.at,
                    accepted_at: None,
                    place: Place::Queue(event.queue.clone()),
                    server: server.to_owned(),
                };
                self.rows.insert(id.to_owned(), row);
            }
            ReportingName::TakenFromQueue => {
                self.queues.entry(queue(&event.queue)).or_default().taken += 1;
            }
            ReportingName::PartyAdded => match party {
                Some(Party::Strategy(strategy)) => {
                    self.strategies.entry(strategy.clone()).or_default().taken += 1;
                    self.offered_by.remove(id);
                    self.put(id, Place::Strategy(strategy));
                }
                Some(Party::Agent(agent)) => {
                    self.agents.entry(agent.clone()).or_default().accepted += 1;
                    if let Some(strategy) = self.offered_by.remove(id) {
                        self.strategies.entry(strategy).or_default().delivered += 1;
                    }
                    if let Some(row) = self.rows.get_mut(id) {
                        row.accepted_at.get_or_insert(event.at);
                    }
                    self.put(id, Place::Agent(agent));
                }
                // Taken by its id: whoever offered it last takes it again after a refusal.
                _ => {
                    if let Some(strategy) = self.offered_by.remove(id) {
                        self.strategies.entry(strategy.clone()).or_default().taken += 1;
                        self.put(id, Place::Strategy(strategy));
                    }
                }
            },
            ReportingName::AgentInvited => {
                if let Some(Place::Strategy(strategy)) = self.rows.get(id).map(|row| row.place.clone()) {
                    self.offered_by.insert(id.to_owned(), strategy);
                }
                if let Some(Party::Agent(agent)) = party {
                    self.agents.entry(agent).or_default().invited += 1;
                }
            }
            ReportingName::RejectedByAgent | ReportingName::InteractionRevoked => {
                if let Some(Party::Agent(agent)) = party {
                    self.agents.entry(agent).or_default().not_accepted += 1;
                }
            }
            // By nobody: it came back.
            ReportingName::PlacedInQueue if event.actor.is_none() => {
                self.queues.entry(queue(&event.queue)).or_default().returned += 1;
                if let Some(Place::Strategy(strategy)) = self.rows.get(id).map(|row| row.place.clone()) {
                    self.strategies.entry(strategy).or_default().returned += 1;
                }
                self.put(id, Place::Queue(event.queue.clone()));
            }
            ReportingName::PlacedInQueue => {
                self.queues.entry(queue(&event.queue)).or_default().placed += 1;
                match self.rows.get(id).map(|row| row.place.clone()) {
                    Some(Place::Strategy(strategy)) => self.strategies.entry(strategy).or_default().placed += 1,
                    Some(Place::Agent(agent)) => self.agents.entry(agent).or_default().transferred += 1,
                    _ => {}
                }
                self.put(id, Place::Queue(event.queue.clone()));
            }
            ReportingName::ExternalServiceRequested => {
                let strategy = match self.rows.get(id).map(|row| &row.place) {
                    Some(Place::Strategy(strategy)) => Some(strategy.clone()),
                    _ => None,
                };
                let service = event.data.as_ref().map_or(Service::Other, |envelope| service(envelope, strategy));
                self.services_under_way.entry(id.to_owned()).or_default().push_back(service);
            }
            ReportingName::ExternalServiceResponded => {
                let Some(under_way) = self.services_under_way.get_mut(id) else { return };
                let failed = !event.reason.is_empty()
                    || event.data.as_ref().is_some_and(|parameters| parameters.get("FaultCode").is_some());
                match under_way.pop_front() {
                    Some(Service::Create { strategy, kind }) if !failed => {
                        let id = event.data.as_ref().and_then(|parameters| parameters.text("InteractionId"));
                        self.made.insert(id.unwrap_or_default().to_owned(), (strategy, kind));
                    }
                    Some(Service::Send(message)) if !failed => {
                        // Counted once, however often it is asked for.
                        if let Some((strategy, kind)) = self.made.remove(&message) {
                            self.strategies.entry(strategy.clone()).or_default().messages += 1;
                            *self.messages.entry((strategy, kind)).or_default() += 1;
                        }
                    }
                    _ => {}
                }
            }
            ReportingName::PlacedInWorkbin => {
                let name = event.workbin.as_ref().map(|workbin| workbin.r#type.clone()).unwrap_or_default();
                self.put(id, Place::Workbin(name));
            }
            ReportingName::ProcessingStopped => {
                let held_by = self.rows.get(id).map(|row| row.place.clone());
                let place = match (party, held_by) {
                    (Some(Party::Strategy(strategy)), _) | (_, Some(Place::Strategy(strategy))) => {
                        self.strategies.entry(strategy.clone()).or_default().stopped += 1;
                        Place::StoppedByStrategy(strategy)
                    }
                    (Some(Party::Agent(agent)), _) | (_, Some(Place::Agent(agent))) => {
                        self.agents.entry(agent.clone()).or_default().done += 1;
                        Place::DoneByAgent(agent)
                    }
                    _ => Place::Stopped,
                };
                self.put(id, place);
            }
            _ => {}
        }
    }

    fn put(&mut self, id: &str, place: Place) {
        if let Some(row) = self.rows.get_mut(id) {
            row.place = place;
        }
    }

    /// Counts by what became of the interactions `ids`; those that were never heard of are not in it.
    pub fn places(&self, ids: &HashSet<String>) -> BTreeMap<Place, u64> {
        let mut places = BTreeMap::new();
        for row in ids.iter().filter_map(|id| self.rows.get(id)) {
            *places.entry(row.place.clone()).or_default() += 1;
        }
        places
    }

    /// Whether nothing moves: everything is stopped, in a workbin, or in a queue that `rests`.
    pub fn at_rest(&self, rests: impl Fn(&str) -> bool) -> bool {
        self.rows.values().all(|row| match &row.place {
            Place::Queue(queue) => rests(queue),
            Place::Strategy(_) | Place::Agent(_) => false,
            Place::Workbin(_) | Place::StoppedByStrategy(_) | Place::DoneByAgent(_) | Place::Stopped => true,
        })
    }

    /// Interactions that are neither stopped nor finished.
    pub fn present(&self) -> u64 {
        let gone =
            |place: &Place| matches!(place, Place::StoppedByStrategy(_) | Place::DoneByAgent(_) | Place::Stopped);
        self.rows.values().filter(|row| !gone(&row.place)).count() as u64
    }

    /// Interactions that were made on the way, beyond `ids`: messages of media servers.
    pub fn made(&self, ids: &HashSet<String>) -> u64 {
        self.rows.keys().filter(|id| !ids.contains(*id)).count() as u64
    }

    /// Enter how many are in each queue now.
    pub fn count_waiting(&mut self) {
        for counts in self.queues.values_mut() {
            counts.waiting = 0;
        }
        for row in self.rows.values() {
            if let Place::Queue(name) = &row.place {
                self.queues.entry((row.server.clone(), name.clone())).or_default().waiting += 1;
            }
        }
    }

    /// Milliseconds from submit to accept, of `media`, ascending.
    pub fn submit_to_accept(&self, media: &str) -> Vec<i64> {
        let of_media = self.rows.values().filter(|row| row.media == media);
        let mut times: Vec<i64> =
            of_media.filter_map(|row| row.accepted_at.map(|at| (at - row.submitted_at).max(0))).collect();
        times.sort_unstable();
        times
    }

    /// Media types that were seen.
    pub fn media(&self) -> Vec<String> {
        let mut media: Vec<String> = self.rows.values().map(|row| row.media.clone()).collect();
        media.sort_unstable();
        media.dedup();
        media
    }
}

/// An ESP request.
#[derive(Clone, Debug)]
enum Service {
    /// Makes a message of a type.
    Create { strategy: String, kind: String },
    /// Sends the message of this interaction.
    Send(String),
    /// Something else.
    Other,
}

/// What the envelope asks for, on behalf of the strategy that has the interaction.
fn service(envelope: &KeyValueList, strategy: Option<String>) -> Service {
    let Some(Value::List(parameters)) = envelope.get("Parameters") else { return Service::Other };
    match (envelope.text("Service"), envelope.text("Method"), strategy) {
        (Some("Email"), Some("Create"), Some(strategy)) => {
            let kind = parameters.text("MessageType").filter(|kind| !kind.is_empty()).unwrap_or("emailout");
            Service::Create { strategy, kind: kind.to_owned() }
        }
        (Some("Email"), Some("Send"), _) => {
            Service::Send(parameters.text("InteractionId").unwrap_or_default().to_owned())
        }
        _ => Service::Other,
    }
}

#[cfg(test)]
mod tests {
    use jackfield_protocol::v1::Actor;

    use super::*;

    fn event(id: &str, at: i64, name: ReportingName, queue: &str, party: Option<Party>) -> EventReporting {
        EventReporting {
            at,
            name: name.into(),
            interaction_id: id.into(),
            media_type: "email".into(),
            queue: queue.into(),
            actor: party.map(|party| Actor { party: Some(party), client: String::new() }),
            ..EventReporting::default()
        }
    }

    #[test]
    fn one_way_to_an_agent_adds_up() {
        let triage = || Some(Party::Strategy("Triage".into()));
        let kim = || Some(Party::Agent("kim".into()));
        let mut ledger = Ledger::default();
        for event in [
            event("a", 100, ReportingName::InteractionSubmitted, "in", None),
            event("a", 110, ReportingName::TakenFromQueue, "in", triage()),
            event("a", 110, ReportingName::PartyAdded, "in", triage()),
            event("a", 120, ReportingName::AgentInvited, "in", kim()),
            event("a", 120, ReportingName::PartyRemoved, "in", triage()),
            event("a", 350, ReportingName::PartyAdded, "in", kim()),
            event("b", 100, ReportingName::InteractionSubmitted, "in", None),
        ] {
            ledger.enter("server", &event);
        }
        let ids: HashSet<String> = ["a", "b"].map(String::from).into();
        assert!(!ledger.at_rest(|_| true), "an agent has one");
        ledger.enter("server", &event("a", 500, ReportingName::ProcessingStopped, "in", kim()));
        assert!(ledger.at_rest(|queue| queue == "in") && !ledger.at_rest(|_| false));
        let places = ledger.places(&ids);
        assert_eq!(places.get(&Place::DoneByAgent("kim".into())), Some(&1));
        assert_eq!(places.values().sum::<u64>(), 2);
        assert_eq!(ledger.submit_to_accept("email"), [250]);
        assert_eq!(ledger.present(), 1);
        assert_eq!(ledger.strategies["Triage"], StrategyCounts { taken: 1, delivered: 1, ..StrategyCounts::default() });
        assert_eq!(ledger.agents["kim"], AgentCounts { invited: 1, accepted: 1, done: 1, ..AgentCounts::default() });
        ledger.count_waiting();
        let counts = ledger.queues[&("server".to_owned(), "in".to_owned())];
        assert_eq!(counts, QueueCounts { submitted: 2, taken: 1, waiting: 1, ..QueueCounts::default() });
    }

    #[test]
    fn what_an_agent_rejects_comes_back_and_is_taken_again() {
        let chat = || Some(Party::Strategy("Chat".into()));
        let kim = || Some(Party::Agent("kim".into()));
        let mut ledger = Ledger::default();
        for event in [
            event("a", 100, ReportingName::InteractionSubmitted, "in", None),
            event("a", 110, ReportingName::TakenFromQueue, "in", chat()),
            event("a", 110, ReportingName::PartyAdded, "in", chat()),
            event("a", 120, ReportingName::AgentInvited, "in", kim()),
            event("a", 120, ReportingName::PartyRemoved, "in", chat()),
            event("a", 130, ReportingName::RejectedByAgent, "in", kim()),
            event("a", 130, ReportingName::PlacedInQueue, "in", None),
            event("a", 140, ReportingName::TakenFromQueue, "in", None),
            event("a", 140, ReportingName::PartyAdded, "in", None),
            event("a", 150, ReportingName::PlacedInQueue, "missed", chat()),
        ] {
            ledger.enter("server", &event);
        }
        ledger.count_waiting();
        let counts = |name: &str| ledger.queues[&("server".to_owned(), name.to_owned())];
        let expected = QueueCounts { submitted: 1, returned: 1, taken: 2, ..QueueCounts::default() };
        assert_eq!(counts("in"), expected);
        assert_eq!(counts("missed"), QueueCounts { placed: 1, waiting: 1, ..QueueCounts::default() });
        let expected = StrategyCounts { taken: 2, placed: 1, returned: 1, ..StrategyCounts::default() };
        assert_eq!(ledger.strategies["Chat"], expected);
        assert_eq!(ledger.agents["kim"], AgentCounts { invited: 1, not_accepted: 1, ..AgentCounts::default() });
    }

    #[test]
    fn a_message_counts_once_it_was_sent() {
        let asked = |id: &str, method: &str, parameters: KeyValueList| {
            let envelope = KeyValueList::default().with("Service", "Email").with("Method", method);
            let envelope = envelope.with("Parameters", parameters);
            EventReporting {
                data: Some(envelope),
                ..event(id, 120, ReportingName::ExternalServiceRequested, "in", None)
            }
        };
        let create = || asked("a", "Create", KeyValueList::default().with("MessageType", "acknowledgement"));
        let send = |id: &str| asked(id, "Send", KeyValueList::default().with("InteractionId", id));
        let answered = |id: &str, data: KeyValueList| EventReporting {
            data: Some(data),
            ..event(id, 120, ReportingName::ExternalServiceResponded, "in", None)
        };
        let made = |id: &str| KeyValueList::default().with("InteractionId", id);
        let mut ledger = Ledger::default();
        for event in [
            event("a", 100, ReportingName::InteractionSubmitted, "in", None),
            event("a", 110, ReportingName::PartyAdded, "in", Some(Party::Strategy("Acknowledge".into()))),
            create(),
            event("m", 120, ReportingName::InteractionSubmitted, "orchestration_system", None),
            answered("a", made("m")),
            send("m"),
            answered("m", made("m")),
            // Asked for again.
            send("m"),
            answered("m", made("m")),
            // Made, and sent by nobody yet.
            create(),
            answered("a", made("b")),
            // Refused.
            create(),
            answered("a", KeyValueList::default().with("FaultCode", 5)),
            send("b"),
            answered("b", KeyValueList::default().with("FaultCode", 7)),
        ] {
            ledger.enter("server", &event);
        }
        let key = ("Acknowledge".to_owned(), "acknowledgement".to_owned());
        assert_eq!(ledger.messages, BTreeMap::from([(key, 1)]));
        assert_eq!(ledger.strategies["Acknowledge"].messages, 1);
    }
}
