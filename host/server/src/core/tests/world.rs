//! A core, a disk in memory, and what came out.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jackfield_protocol::v1::event::Message as EventMessage;
use jackfield_protocol::v1::request::Message as RequestMessage;
use jackfield_protocol::v1::*;

use crate::core::{ClientId, Core, Input, Now, Output};
use crate::settings::{self, Settings};
use crate::store::{Answer, Entry, Reader, StoreError, Write};

#[derive(Default)]
pub(super) struct Disk {
    pub(super) interactions: BTreeMap<String, Interaction>,
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) answers: HashMap<String, Answer>,
    /// Reads fail.
    pub(super) broken: bool,
}

impl Disk {
    /// Every write must fit what is there.
    fn apply(&mut self, write: Write) {
        match write {
            Write::Insert(interaction, entry) => {
                let id = entry.key.id.clone();
                assert_eq!(interaction.interaction_id, id);
                assert!(self.entries.insert(id.clone(), entry).is_none(), "{id} is inserted twice");
                self.interactions.insert(id, *interaction);
            }
            Write::Move { from, to } => {
                let old = self.entries.insert(from.id.clone(), to).expect("moves what is there");
                assert_eq!(old.key, from);
            }
            Write::Update { interaction, from, to } => {
                let old = self.entries.insert(from.id.clone(), to).expect("updates what is there");
                assert_eq!(old.key, from);
                self.interactions.insert(from.id, *interaction);
            }
            Write::Delete { key } => {
                let old = self.entries.remove(&key.id).expect("deletes what is there");
                assert_eq!(old.key, key);
                self.interactions.remove(&key.id);
            }
            Write::Remember { key, answer } => {
                self.answers.insert(key, answer);
            }
        }
    }
}

pub(super) struct DiskReader(pub(super) Arc<Mutex<Disk>>);

impl DiskReader {
    fn disk(&self) -> Result<std::sync::MutexGuard<'_, Disk>, StoreError> {
        let disk = self.0.lock().unwrap();
        match disk.broken {
            false => Ok(disk),
            true => Err(StoreError::Io { path: "disk".into(), detail: "broken on purpose".into() }),
        }
    }
}

impl Reader for DiskReader {
    fn entries(&mut self, each: &mut dyn FnMut(Entry)) -> Result<(), StoreError> {
        self.disk()?.entries.values().cloned().for_each(each);
        Ok(())
    }

    fn interactions(&mut self, ids: &[&str]) -> Result<Vec<Interaction>, StoreError> {
        let disk = self.disk()?;
        Ok(ids.iter().filter_map(|id| disk.interactions.get(*id).cloned()).collect())
    }

    fn answer(&mut self, key: &str) -> Result<Option<Answer>, StoreError> {
        Ok(self.disk()?.answers.get(key).cloned())
    }
}

pub(super) struct World {
    pub(super) core: Core,
    pub(super) disk: Arc<Mutex<Disk>>,
    pub(super) now: Now,
    pub(super) incarnation: u64,
    settings: Arc<Settings>,
    last_reference: u64,
    last_client: ClientId,
    events: Vec<(ClientId, Event)>,
    pub(super) closed: Vec<(ClientId, String)>,
}

/// Two queues, three views, strategies of every kind, agents `ann` and `bob`.
pub(super) fn site() -> Settings {
    let view = |name: &str, queue: &str, condition: &str| settings::View {
        name: name.into(),
        queue: queue.into(),
        condition: condition.into(),
        order: String::new(),
    };
    let submitter =
        |view: &str, strategy: &str, priority, max_interactions, cluster: Option<&str>| settings::Submitter {
            name: format!("{view} to {strategy}"),
            view: view.into(),
            strategy: strategy.into(),
            priority,
            max_interactions,
            cluster_id: cluster.map(Into::into),
        };
    let strategy =
        |name: &str, enabled, max_interactions| settings::Strategy { name: name.into(), enabled, max_interactions };
    let agent = |id: &str| settings::Agent { id: id.into(), capacity: vec![("email".into(), 2)] };
    Settings {
        name: "email_server".into(),
        tenant_id: 1,
        media_types: vec![
            settings::MediaType { name: "email".into(), handling_timeout: None },
            settings::MediaType { name: "chat".into(), handling_timeout: None },
            settings::MediaType { name: "sms".into(), handling_timeout: Some(Duration::from_secs(20 * 60)) },
        ],
        queues: ["inbound", "second"].map(|name| settings::Queue { name: name.into() }).into(),
        views: vec![
            view("urgent", "inbound", "priority > 5"),
            view("all", "inbound", ""),
            view("rest", "second", ""),
            view("bad", "inbound", "no_such_property = 1"),
        ],
        submitters: vec![
            submitter("all", "Triage", 1, 3, None),
            submitter("urgent", "Triage", 10, 0, None),
            submitter("rest", "Second", 0, 0, Some("east")),
            submitter("all", "Off", 0, 0, None),
            submitter("bad", "Bad", 0, 0, None),
            submitter("gone", "Gone", 0, 0, None),
        ],
        strategies: vec![
            strategy("Triage", true, 5),
            strategy("Second", true, 0),
            strategy("Off", false, 0),
            strategy("Alone", true, 0),
            strategy("Bad", true, 0),
            strategy("Gone", true, 0),
        ],
        workbins: vec!["drafts".into()],
        agents: vec![agent("ann"), agent("bob")],
        places: vec!["p1".into(), "p2".into()],
        custom_properties: vec![],
        timers: settings::Timers::default(),
        limits: settings::Limits::default(),
    }
}

impl World {
    pub(super) fn new() -> World {
        World::of(site())
    }

    pub(super) fn of(settings: Settings) -> World {
        let settings = Arc::new(settings);
        let disk = Arc::new(Mutex::new(Disk::default()));
        let now = Now { wall: 1_000_000, ticks: 0 };
        let core = Core::new(settings.clone(), Box::new(DiskReader(disk.clone())), 1, now).expect("opens").0;
        World {
            core,
            disk,
            now,
            incarnation: 1,
            settings,
            last_reference: 0,
            last_client: 0,
            events: vec![],
            closed: vec![],
        }
    }

    /// The server dies, and starts with what is on disk.
    pub(super) fn restart(&mut self) {
        self.incarnation += 1;
        let reader = Box::new(DiskReader(self.disk.clone()));
        self.core = Core::new(self.settings.clone(), reader, self.incarnation, self.now).expect("opens").0;
        self.events.clear();
    }

    pub(super) fn connect(&mut self) -> ClientId {
        self.last_client += 1;
        self.core.handle(self.now, Input::Connected(self.last_client));
        self.settle();
        self.last_client
    }

    pub(super) fn client(&mut self, client_type: ClientType) -> ClientId {
        self.client_of(client_type, "")
    }

    pub(super) fn client_of(&mut self, client_type: ClientType, cluster: &str) -> ClientId {
        let name = format!("client {}", self.last_client + 1);
        self.named(&name, client_type, cluster)
    }

    /// A routing engine of this name, of no cluster.
    pub(super) fn router(&mut self, name: &str) -> ClientId {
        self.named(name, ClientType::RoutingEngine, "")
    }

    pub(super) fn named(&mut self, name: &str, client_type: ClientType, cluster: &str) -> ClientId {
        let client = self.connect();
        let register = RequestRegisterClient {
            client_name: name.into(),
            client_type: client_type.into(),
            tenant_id: 0,
            media_type: if client_type == ClientType::MediaServer { "email".into() } else { String::new() },
            cluster: cluster.into(),
            version_min: 1,
            version_max: 1,
        };
        match self.ask(client, RequestMessage::RegisterClient(register)) {
            EventMessage::ClientRegistered(_) => client,
            other => panic!("not registered: {other:?}"),
        }
    }

    /// An agent application whose agent is ready for e-mail.
    pub(super) fn agent(&mut self, agent: &str, place: &str) -> ClientId {
        let client = self.client(ClientType::AgentApplication);
        let media = vec![MediaCapacity { media_type: "email".into(), capacity: 0 }];
        self.done(
            client,
            RequestMessage::AgentLogin(RequestAgentLogin { agent: agent.into(), place: place.into(), media }),
        );
        let ready = RequestReadyForMedia { agent: agent.into(), media_types: vec![] };
        self.done(client, RequestMessage::ReadyForMedia(ready));
        client
    }

    /// A client that gets every reporting event.
    pub(super) fn reporter(&mut self) -> ClientId {
        let client = self.client(ClientType::ReportingEngine);
        let all = RequestStartReporting { interactions: true, agents: true, ..Default::default() };
        assert!(matches!(self.ask(client, RequestMessage::StartReporting(all)), EventMessage::AgentStates(_)));
        client
    }

    /// Sends a request; the burst goes on.
    pub(super) fn send(&mut self, client: ClientId, key: &str, message: RequestMessage) -> u64 {
        self.last_reference += 1;
        let request =
            Request { reference_id: self.last_reference, idempotency_key: key.into(), message: Some(message) };
        self.core.handle(self.now, Input::Request(client, request));
        self.last_reference
    }

    /// Ends the burst; its writes reach the disk.
    pub(super) fn settle(&mut self) {
        self.core.flush(self.now);
        let (sequence, outbox) = self.core.take_outbox();
        let mut disk = self.disk.lock().unwrap();
        for write in outbox.writes {
            disk.apply(write);
        }
        drop(disk);
        self.core.durable(sequence);
        for output in outbox.outputs {
            match output {
                Output::Event(client, event) => self.events.push((client, event)),
                Output::Close(client, reason) => self.closed.push((client, reason)),
                Output::ForgetBefore(_) => {}
            }
        }
    }

    /// A request with a key, and its reply, where it has one already.
    pub(super) fn ask_once(&mut self, client: ClientId, key: &str, message: RequestMessage) -> Option<EventMessage> {
        let reference = self.send(client, key, message);
        self.settle();
        self.reply(client, reference)
    }

    pub(super) fn ask(&mut self, client: ClientId, message: RequestMessage) -> EventMessage {
        self.ask_once(client, "", message).expect("a reply")
    }

    /// A request that is acknowledged.
    pub(super) fn done(&mut self, client: ClientId, message: RequestMessage) -> String {
        match self.ask(client, message) {
            EventMessage::Ack(ack) => ack.interaction_id,
            other => panic!("not acknowledged: {other:?}"),
        }
    }

    /// A request that is refused; the error's number.
    pub(super) fn refused(&mut self, client: ClientId, message: RequestMessage) -> u32 {
        match self.ask(client, message) {
            EventMessage::Error(error) => error.code,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Takes the reply to a request, where it has come.
    pub(super) fn reply(&mut self, client: ClientId, reference: u64) -> Option<EventMessage> {
        let place = self.events.iter().position(|(of, event)| *of == client && event.reference_id == reference)?;
        self.events.remove(place).1.message
    }

    /// Takes what came for a client without being asked for.
    pub(super) fn events(&mut self, client: ClientId) -> Vec<EventMessage> {
        let (its, others) = self.events.drain(..).partition(|(of, event)| *of == client && event.reference_id == 0);
        self.events = others;
        let its: Vec<(ClientId, Event)> = its;
        its.into_iter().filter_map(|(_, event)| event.message).collect()
    }

    /// The names of what was reported, each after the one before; the first after number `after`.
    pub(super) fn reported(&mut self, reporter: ClientId, mut after: u64) -> Vec<ReportingName> {
        self.events(reporter)
            .into_iter()
            .map(|event| match event {
                EventMessage::Reporting(reporting) => {
                    assert_eq!(reporting.previous, after);
                    after = reporting.sequence;
                    reporting.name()
                }
                other => panic!("no reporting event: {other:?}"),
            })
            .collect()
    }

    pub(super) fn pass(&mut self, milliseconds: u64) {
        self.now.ticks += milliseconds;
        self.now.wall += i64::try_from(milliseconds).unwrap();
        self.settle();
    }

    pub(super) fn disconnect(&mut self, client: ClientId) {
        self.core.handle(self.now, Input::Disconnected(client));
        self.settle();
    }

    pub(super) fn submit(&mut self, client: ClientId, queue: &str, priority: i32) -> String {
        self.now.wall += 1;
        self.done(client, submit(queue, priority))
    }

    /// Ids of what a pull answers with.
    pub(super) fn pulled(&mut self, client: ClientId, message: RequestMessage) -> Vec<String> {
        ids(&self.ask(client, message))
    }
}

pub(super) fn ids(event: &EventMessage) -> Vec<String> {
    match event {
        EventMessage::PulledInteractions(pulled) => pulled
            .interactions
            .iter()
            .map(|pulled| pulled.interaction.as_ref().expect("an interaction").interaction_id.clone())
            .collect(),
        other => panic!("no pull's answer: {other:?}"),
    }
}

pub(super) fn submit(queue: &str, priority: i32) -> RequestMessage {
    RequestMessage::Submit(RequestSubmit {
        media_type: "email".into(),
        interaction_type: "Inbound".into(),
        queue: queue.into(),
        priority,
        user_data: Some(KeyValueList::default().with("Subject", "a question")),
        ..RequestSubmit::default()
    })
}

pub(super) fn pull(what: request_pull::What, count: u32) -> RequestMessage {
    RequestMessage::Pull(RequestPull { what: Some(what), count, ..RequestPull::default() })
}

pub(super) fn pull_strategy(strategy: &str, count: u32) -> RequestMessage {
    pull(request_pull::What::Strategy(strategy.into()), count)
}

pub(super) fn pull_view(view: &str, count: u32) -> RequestMessage {
    pull(request_pull::What::View(view.into()), count)
}

pub(super) fn pull_ids(ids: &[&str]) -> RequestMessage {
    let interaction_ids = ids.iter().map(|&id| id.into()).collect();
    pull(request_pull::What::ByIds(PullByIds { interaction_ids }), 0)
}

pub(super) fn place(id: &str, queue: &str) -> RequestMessage {
    RequestMessage::PlaceInQueue(RequestPlaceInQueue {
        interaction_id: id.into(),
        queue: queue.into(),
        ..RequestPlaceInQueue::default()
    })
}

pub(super) fn give_back(id: &str) -> RequestMessage {
    RequestMessage::PlaceInQueue(RequestPlaceInQueue {
        interaction_id: id.into(),
        give_back: true,
        ..RequestPlaceInQueue::default()
    })
}

pub(super) fn stop(id: &str) -> RequestMessage {
    RequestMessage::StopProcessing(RequestStopProcessing { interaction_id: id.into(), reason: "done".into() })
}

pub(super) fn deliver(id: &str, agent: &str) -> RequestMessage {
    RequestMessage::Deliver(RequestDeliver {
        interaction_id: id.into(),
        target: Some(request_deliver::Target::Agent(agent.into())),
        ..RequestDeliver::default()
    })
}

pub(super) fn accept(ticket_id: u64, id: &str) -> RequestMessage {
    RequestMessage::Accept(RequestAccept { ticket_id, interaction_id: id.into() })
}

pub(super) fn reject(ticket_id: u64, id: &str) -> RequestMessage {
    RequestMessage::Reject(RequestReject { ticket_id, interaction_id: id.into(), reason: "busy".into() })
}

pub(super) fn drafts(agent: &str) -> Workbin {
    Workbin { r#type: "drafts".into(), owner_type: WorkbinOwner::Agent.into(), owner: agent.into() }
}

pub(super) fn properties(id: &str) -> RequestMessage {
    RequestMessage::GetInteractionProperties(RequestGetInteractionProperties { interaction_id: id.into() })
}
