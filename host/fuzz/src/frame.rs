//! Frames of the protocol, both ways, and what a server does with the requests in one.

use std::collections::BTreeMap;
use std::sync::Arc;

use jackfield_protocol::limits::REQUESTS_PER_FRAME;
use jackfield_protocol::v1::event::Message as Told;
use jackfield_protocol::v1::key_value::Value;
use jackfield_protocol::v1::{
    ClientFrame, ClientType, Event, Interaction, KeyValueList, Request, RequestRegisterClient, RequestStartReporting,
    ServerFrame,
};
use jackfield_server::machine::{Machine, Now, Say, Step};
use jackfield_server::store::{Answer, Entry, Reader, StoreError};
use jackfield_server::{Limits, Queue, Settings, Strategy, Submitter, Timers, View};
use jackfield_strategy::contract::{pairs_from_protocol, pairs_to_protocol};
use prost::Message;

pub(crate) const WORDS: &[&str] = &[
    "inbound",
    "all",
    "Triage",
    "kim",
    "email",
    "node",
    "i1",
    "_system_",
    "\u{1}",
    "\u{8}",
    "\n\u{2}",
    "\n\u{4}i1",
    "[[\"a\",1]]",
    "{\"binary\":\"AA==\"}",
    "{\"a\":",
    "\u{7f}\u{7f}\u{7f}\u{7f}\u{f}",
];

/// 2026-01-01T00:00:00Z.
const WALL: i64 = 1_767_225_600_000;
/// Longer than anything that a request may ask to wait for: its times are of 32 bits, in milliseconds.
const ALL_TIMES: u64 = 1 << 33;
/// Who is connected: [`UNREGISTERED`], and one of each of these.
const CLIENTS: [ClientType; 4] =
    [ClientType::MediaServer, ClientType::RoutingEngine, ClientType::AgentApplication, ClientType::ReportingEngine];
const UNREGISTERED: u64 = 0;
/// Reference ids of what the clients of the test itself ask for.
const OWN: u64 = 1 << 40;

/// What is decoded is encoded and decoded to the same, key-value lists are the same when they come back from
/// strategies and from JSON; and a server answers each request of a frame exactly once, unless it ends the
/// connection.
pub fn frame(bytes: &[u8]) {
    same::<ServerFrame>(bytes);
    if let Some(list) = same::<KeyValueList>(bytes) {
        comes_back(list);
    }
    if let Ok(json) = serde_json::from_slice(bytes)
        && let Ok(list) = KeyValueList::from_json(&json)
    {
        assert!(list.depth_is_allowed(), "nests too deep: {list:?}");
        comes_back(list);
    }
    if let Some(frame) = same::<ClientFrame>(bytes)
        && frame.requests.len() <= REQUESTS_PER_FRAME
    {
        let _ = serve(frame.requests);
    }
}

fn same<M: Message + Default + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<M> {
    let decoded = M::decode(bytes).ok()?;
    let encoded = decoded.encode_to_vec();
    assert_eq!(encoded.len(), decoded.encoded_len());
    assert_eq!(M::decode(encoded.as_slice()).as_ref(), Ok(&decoded), "comes back otherwise");
    Some(decoded)
}

fn comes_back(mut list: KeyValueList) {
    let json = list.to_json();
    let from_json = KeyValueList::from_json(&json);
    if !list.depth_is_allowed() {
        assert!(from_json.is_err(), "nests too deep, and is taken: {json}");
        return;
    }
    // In JSON, and for strategies, no value is an empty text.
    name_values(&mut list);
    assert_eq!(from_json.as_ref(), Ok(&list), "through JSON: {json}");
    assert_eq!(pairs_to_protocol(pairs_from_protocol(list.clone())).as_ref(), Ok(&list), "through a strategy");
}

fn name_values(list: &mut KeyValueList) {
    for pair in &mut list.pairs {
        match &mut pair.value {
            Some(Value::List(inner)) => name_values(inner),
            Some(_) => {}
            none => *none = Some(Value::Text(String::new())),
        }
    }
}

/// Reference ids say which of the clients asks. Returns the requests that were refused.
fn serve(requests: Vec<Request>) -> Vec<String> {
    let now = |ticks: u64| Now { wall: WALL + ticks.cast_signed(), ticks };
    // The pause after a start is not what is looked at.
    let (machine, warnings) = Machine::open(settings(), Box::new(Nothing), 1, now(0)).expect("a machine");
    assert!(warnings.is_empty(), "{warnings:?}");
    let mut served = Served { machine, asked: BTreeMap::new(), ended: Vec::new(), refused: Vec::new() };
    served.machine.connected(now(0), UNREGISTERED);
    for (client, client_type) in (1..).zip(CLIENTS) {
        served.machine.connected(now(0), client);
        let register = RequestRegisterClient {
            client_name: client_type.as_str_name().into(),
            client_type: client_type.into(),
            media_type: "email".into(),
            version_min: 1,
            version_max: 1,
            ..RequestRegisterClient::default()
        };
        served.ask(now(0), client, Request { reference_id: OWN, message: Some(register.into()), ..Request::default() });
        if client_type == ClientType::ReportingEngine {
            let report = RequestStartReporting { interactions: true, agents: true, ..Default::default() };
            let request = Request { reference_id: OWN + 1, message: Some(report.into()), ..Request::default() };
            served.ask(now(0), client, request);
        }
    }
    served.step(now(0));
    for (ticks, request) in (1..).zip(requests) {
        let client = request.reference_id % (CLIENTS.len() as u64 + 1);
        served.ask(now(ticks), client, request);
        served.step(now(ticks));
    }
    served.step(now(ALL_TIMES));
    for ((client, reference), open) in &served.asked {
        assert!(*open == 0 || served.ended.contains(client), "client {client} has no answer to request {reference}");
    }
    for client in 0..=CLIENTS.len() as u64 {
        served.machine.disconnected(now(ALL_TIMES), client);
    }
    served.step(now(2 * ALL_TIMES));
    served.refused
}

struct Served {
    machine: Machine,
    /// Requests of a client with this reference id that have no answer yet.
    asked: BTreeMap<(u64, u64), u64>,
    /// Clients it has ended the connection of.
    ended: Vec<u64>,
    refused: Vec<String>,
}

impl Served {
    fn ask(&mut self, now: Now, client: u64, request: Request) {
        if self.ended.contains(&client) {
            return;
        }
        *self.asked.entry((client, request.reference_id)).or_default() += 1;
        self.machine.request(now, client, request);
    }

    fn step(&mut self, now: Now) {
        let Step { sequence, says, .. } = self.machine.step(now).expect("a step");
        self.machine.durable(sequence);
        for say in says {
            match say {
                Say::Close(client, reason) => {
                    assert!(!reason.is_empty(), "client {client} is not told why");
                    self.ended.push(client);
                }
                Say::Event(client, event) => self.hear(client, &event),
            }
        }
    }

    fn hear(&mut self, client: u64, event: &Event) {
        assert!(event.message.is_some(), "client {client} is told nothing");
        assert_eq!(Event::decode(event.encode_to_vec().as_slice()).as_ref(), Ok(event), "comes otherwise");
        if let Some(Told::Error(error)) = &event.message {
            self.refused.push(format!("client {client}, request {}: {}", event.reference_id, error.description));
        }
        if event.reference_id != 0 {
            let open = self.asked.get_mut(&(client, event.reference_id)).filter(|open| **open > 0);
            *open.unwrap_or_else(|| panic!("client {client} did not ask for {event:?}")) -= 1;
        }
    }
}

fn settings() -> Arc<Settings> {
    let name = || "Triage".to_owned();
    Arc::new(Settings {
        name: "server".into(),
        tenant_id: 1,
        media_types: Vec::new(),
        queues: vec![Queue { name: "inbound".into() }, Queue { name: "other".into() }],
        views: vec![View {
            name: "all".into(),
            queue: "inbound".into(),
            condition: "priority >= 0".into(),
            order: String::new(),
        }],
        submitters: vec![Submitter {
            name: name(),
            view: "all".into(),
            strategy: name(),
            priority: 0,
            max_interactions: 0,
            cluster_id: None,
        }],
        strategies: vec![Strategy { name: name(), enabled: true, max_interactions: 0 }],
        workbins: vec!["drafts".into()],
        agents: Vec::new(),
        places: Vec::new(),
        custom_properties: Vec::new(),
        timers: Timers::default(),
        limits: Limits::default(),
    })
}

/// The disk, on which nothing was: what comes stays in the memory of the machine.
struct Nothing;

impl Reader for Nothing {
    fn entries(&mut self, _each: &mut dyn FnMut(Entry)) -> Result<(), StoreError> {
        Ok(())
    }

    fn interactions(&mut self, _ids: &[&str]) -> Result<Vec<Interaction>, StoreError> {
        Ok(Vec::new())
    }

    fn answer(&mut self, _idempotency_key: &str) -> Result<Option<Answer>, StoreError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TARGETS, seeds};

    /// Otherwise what is made from them would be refused at the first step, too.
    #[test]
    fn the_seeds_go_all_the_way() {
        let target = TARGETS.iter().find(|target| target.name == "frame").unwrap();
        for (name, bytes) in seeds(target).unwrap() {
            match name.as_str() {
                "routed" | "moved" => assert_eq!(served(&bytes), Vec::<String>::new(), "{name}"),
                // A client that has not registered asks last.
                "called" => assert!(matches!(served(&bytes).as_slice(), [one] if one.starts_with("client 0,"))),
                "list.json" => {
                    let list = KeyValueList::from_json(&serde_json::from_slice(&bytes).unwrap()).unwrap();
                    assert_eq!(list.pairs.len(), 3);
                }
                "list" => assert_eq!(KeyValueList::decode(bytes.as_slice()).unwrap().pairs.len(), 3),
                "events" => assert_eq!(ServerFrame::decode(bytes.as_slice()).unwrap().events.len(), 2),
                _ => {}
            }
        }
    }

    fn served(frame: &[u8]) -> Vec<String> {
        serve(ClientFrame::decode(frame).unwrap().requests)
    }
}
