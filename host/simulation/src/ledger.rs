//! What was seen to happen, and what is wrong with it: the checkers.
//!
//! They look at what nobody can take back: what the server's store committed, what the journal recorded,
//! what the node asked for, and what agents and the media server did. A strategy handles an interaction once
//! in each queue, so everything it brings about is there at most once for each of its visits; a visit more is
//! allowed for each time the interaction was handed out anew for a good reason: an agent had it, or was offered
//! it, or the node it was given to had lost its connection for long enough (`leases`). Without one it is wrong that
//! it is handed out at all. Whatever a node asks for about an interaction has to come to the server it is on.

use std::collections::{BTreeMap, BTreeSet};

use jackfield_journal::Entry;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{Interaction, Request, RequestPull, request_pull::What};
use jackfield_strategy::contract::Outcome;
use jackfield_strategy::{Input, SessionEvent, Turn};

use crate::leases::Leases;

/// How the names of nodes begin.
pub(crate) const NODE: &str = "node_";
/// User data: which of the submitted interactions it is.
pub(crate) const NUMBER: &str = "Number";

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    wrong: Vec<String>,
    /// Of submitted interactions: the id that was acknowledged.
    acknowledged: BTreeMap<i32, Option<String>>,
    seen: BTreeMap<String, Seen>,
    /// The request each key came with first.
    keys: BTreeMap<String, Vec<u8>>,
    /// Keys of what was done.
    done: BTreeSet<String>,
    /// Messages that sessions know of.
    messages: BTreeSet<String>,
    /// Messages sent to customers, with the keys they were asked for with.
    sent: BTreeMap<String, BTreeSet<String>>,
    /// Sessions that have begun and not ended.
    open: BTreeSet<String>,
    /// By server.
    leases: BTreeMap<String, Leases>,
}

/// Of one interaction.
#[derive(Debug, Default)]
struct Seen {
    number: Option<i32>,
    /// The server it is on.
    server: String,
    inserted: u64,
    deleted: u64,
    /// Places by a session, by queue.
    placed: BTreeMap<String, u64>,
    /// Messages made for it, by subject.
    messages: BTreeMap<String, u64>,
    /// Sessions that asked for something about it, in that order.
    sessions: Vec<String>,
    /// How often it was handed out anew.
    again: u64,
}

impl Ledger {
    pub fn wrong(&mut self, what: String) {
        tracing::error!("WRONG: {what}");
        self.wrong.push(what);
    }

    pub fn is_wrong(&self) -> bool {
        !self.wrong.is_empty()
    }

    pub fn take_wrong(&mut self) -> Vec<String> {
        std::mem::take(&mut self.wrong)
    }

    fn seen(&mut self, id: &str) -> &mut Seen {
        self.seen.entry(id.to_owned()).or_default()
    }

    // ---- submitters ----

    /// It will be submitted.
    pub fn expect(&mut self, number: i32) {
        self.acknowledged.insert(number, None);
    }

    pub fn acknowledged(&mut self, number: i32, id: String) {
        self.acknowledged.insert(number, Some(id));
    }

    // ---- the server's store ----

    pub fn inserted(&mut self, server: &str, interaction: &Interaction) {
        let data = interaction.user_data.clone().unwrap_or_default();
        let number = data.integer(NUMBER);
        let seen = self.seen(&interaction.interaction_id);
        seen.number = number;
        server.clone_into(&mut seen.server);
        seen.inserted += 1;
        if let Some(number) = number
            && self.seen.values().filter(|seen| seen.number == Some(number)).count() > 1
        {
            self.wrong(format!("submission {number} made two interactions"));
        }
        if !interaction.parent_id.is_empty() {
            let subject = data.text("Subject").unwrap_or_default().to_owned();
            let parent = self.seen(&interaction.parent_id);
            let allowed = 1 + parent.again;
            let made = parent.messages.entry(subject.clone()).or_default();
            *made += 1;
            if *made > allowed {
                let text = format!("`{subject}` was made {made} times for {}", interaction.parent_id);
                self.wrong(text);
            }
        }
    }

    pub fn moved(&mut self, id: &str, from: &str, to: &str) {
        if to == "poison" {
            self.wrong(format!("{id} is in the poison queue"));
        }
        if from == to {
            return;
        }
        let seen = self.seen(id);
        let allowed = 1 + seen.again;
        let placed = seen.placed.entry(to.to_owned()).or_default();
        *placed += 1;
        if *placed > allowed {
            let text = format!("{id} was placed into {to} {placed} times");
            self.wrong(text);
        }
    }

    pub fn updated(&mut self, interaction: &Interaction) {
        let data = interaction.user_data.clone().unwrap_or_default();
        if let Some(failures) = data.integer("JackfieldFailures") {
            let reason = data.text("JackfieldFailureReason").unwrap_or_default();
            self.wrong(format!("{} failed {failures} times: {reason}", interaction.interaction_id));
        }
    }

    pub fn deleted(&mut self, id: &str) {
        let seen = self.seen(id);
        seen.deleted += 1;
        if seen.deleted > 1 {
            self.wrong(format!("{id} ended twice"));
        }
    }

    // ---- between nodes and servers ----

    /// What somebody asks for has arrived at a server.
    pub fn asked(&mut self, server: &str, who: &str, request: &Request) {
        let Some(message) = &request.message else { return };
        if !who.starts_with(NODE) {
            return;
        }
        for id in ids(message) {
            if self.seen.get(id).is_some_and(|seen| seen.server != server) {
                let text = format!("{who} asks {server} about {id}, which is not there: {message:?}");
                self.wrong(text);
            }
        }
        let key = &request.idempotency_key;
        // An invitation's key is one of a moment: it counts while the invitation is open. Of two ends of a wait in a
        // virtual queue, under one key, the server passes on the first.
        if key.is_empty() || matches!(message, Ask::Deliver(_) | Ask::DistributeEvent(_)) {
            return;
        }
        let encoded = prost::Message::encode_to_vec(&Request { reference_id: 0, ..request.clone() });
        let first = self.keys.entry(key.clone()).or_insert_with(|| encoded.clone());
        if *first != encoded {
            self.wrong(format!("the key {key} came with two requests, the second is {message:?}"));
        }
    }

    /// A server acknowledges what a node asked for; whether it did it now. Asked again it takes effect no second
    /// time, whoever has the interaction by now.
    pub fn done(&mut self, request: &Request) -> bool {
        let key = &request.idempotency_key;
        let Some(message) = request.message.as_ref().filter(|_| !key.is_empty()) else { return true };
        // An invitation's key is one of a moment.
        let is_first = self.done.insert(key.clone()) || matches!(message, Ask::Deliver(_));
        let Some(id) = ids(message).next().filter(|_| is_first) else { return is_first };
        let session = key.split(':').next().unwrap_or_default().to_owned();
        let sessions = &mut self.seen(id).sessions;
        if sessions.last() != Some(&session) {
            let is_back = sessions.contains(&session);
            sessions.push(session);
            if is_back {
                let text = format!("sessions take turns at {id}: {sessions:?}");
                self.wrong(text);
            }
        }
        true
    }

    pub fn leases(&mut self, server: &str) -> &mut Leases {
        self.leases.entry(server.to_owned()).or_default()
    }

    /// A server gives this interaction to a node that pulls for a strategy.
    pub fn handed_out(&mut self, server: &str, connection: u64, id: &str, ticks: u64) {
        match self.leases(server).handed_out(connection, id, ticks) {
            Ok(false) => {}
            Ok(true) => self.seen(id).again += 1,
            Err(why) => self.wrong(format!("{server} hands out {id} to connection {connection}, and {why}")),
        }
    }

    /// A server gives it back to a node that had it before; it was everybody's meanwhile, and may have been another's.
    pub fn regained(&mut self, id: &str) {
        // The sessions that had it since are over with it; the one that has it now has been told.
        self.seen(id).sessions.clear();
    }

    /// The journal has them.
    pub fn recorded(&mut self, entries: &[Entry]) {
        for entry in entries {
            match entry {
                Entry::Begin(row) => {
                    self.open.insert(row.id.to_string());
                }
                Entry::End { session, outcome, failed, .. } => {
                    self.open.remove(&**session);
                    if *failed {
                        self.wrong(format!("session {session} failed: {outcome}"));
                    }
                }
                Entry::Turn { record, .. } => match Turn::decode(record) {
                    Ok(turn) => {
                        if let Input::Event(SessionEvent::RequestDone { outcome: Outcome::MessageCreated(id), .. }) =
                            turn.input
                            && !id.is_empty()
                        {
                            self.messages.insert(id);
                        }
                    }
                    Err(error) => self.wrong(format!("a turn cannot be read back: {error}")),
                },
                Entry::Component { .. } | Entry::Message(_) | Entry::Moved { .. } => {}
            }
        }
    }

    // ---- the media server ----

    /// A customer got a message.
    pub fn sent(&mut self, id: &str, key: &str) {
        let keys = self.sent.entry(id.to_owned()).or_default();
        keys.insert(key.to_owned());
        if keys.len() > 1 {
            let text = format!("message {id} was sent twice: {keys:?}");
            self.wrong(text);
        }
    }

    // ---- the end ----

    /// Whether everything that was submitted has ended, and no session is left.
    pub fn is_done(&self) -> bool {
        self.open.is_empty() && self.unfinished().next().is_none()
    }

    fn unfinished(&self) -> impl Iterator<Item = (&i32, &Option<String>)> {
        self.acknowledged
            .iter()
            .filter(|(_, id)| id.as_ref().and_then(|id| self.seen.get(id)).is_none_or(|seen| seen.deleted != 1))
    }

    /// What is not as it has to be when everything is over.
    pub fn close(&mut self) {
        let unfinished: Vec<String> = self
            .unfinished()
            .map(|(number, id)| match id {
                None => format!("submission {number} was never acknowledged"),
                Some(id) => format!("{id} (submission {number}) was acknowledged and has not ended"),
            })
            .collect();
        let sessions = self.open.iter().map(|session| format!("session {session} has not ended"));
        let unsent = self.messages.iter().filter(|id| !self.sent.contains_key(*id));
        let unsent = unsent.map(|id| format!("a session takes message {id} for sent, and it was not"));
        let all: Vec<String> = unfinished.into_iter().chain(sessions).chain(unsent).collect();
        self.wrong.extend(all);
    }
}

/// The interactions a request of a node is about.
fn ids(message: &Ask) -> impl Iterator<Item = &str> {
    let (one, more): (&str, &[String]) = match message {
        Ask::PlaceInQueue(place) => (&place.interaction_id, &[]),
        Ask::PlaceInWorkbin(place) => (&place.interaction_id, &[]),
        Ask::StopProcessing(stop) => (&stop.interaction_id, &[]),
        Ask::ChangeProperties(change) => (&change.interaction_id, &[]),
        Ask::GetInteractionProperties(get) => (&get.interaction_id, &[]),
        Ask::Deliver(deliver) => (&deliver.interaction_id, &[]),
        Ask::ThirdServer(call) => (&call.interaction_id, &[]),
        Ask::Reclaim(reclaim) => ("", &reclaim.interaction_ids),
        Ask::Pull(RequestPull { what: Some(What::ByIds(by)), .. }) => ("", &by.interaction_ids),
        _ => ("", &[]),
    };
    std::iter::once(one).filter(|id| !id.is_empty()).chain(more.iter().map(String::as_str))
}
