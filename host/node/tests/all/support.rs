//! A small site: servers with stores on disk, a node, and clients to look and act with.

#[path = "../../../strategy/tests/guest/mod.rs"]
mod guest;
#[path = "../../../strategy/tests/guest/versioned.rs"]
mod versions;

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jackfield_journal::{Journal, JournalSettings, SqliteJournal};
use jackfield_link::{Client, Endpoint, InProcess};
use jackfield_node::{
    AgentSettings, LinkSettings, Node, Options, SessionStatus, Settings, ShutdownReport, StrategySettings, ViewSettings,
};
use jackfield_plugins::Plugins;
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{
    ClientType, EventInvite, KeyValueList, MediaCapacity, PullByIds, QueueStatus, ReportingName, RequestAccept,
    RequestAgentLogin, RequestGetInteractionProperties, RequestPull, RequestReadyForMedia, RequestRegisterClient,
    RequestReject, RequestServerStatus, RequestStartReporting, RequestSubmit, key_value::Value, request_pull::What,
};
use jackfield_server::{Limits, Queue, Server, SqliteStore, Strategy, Submitter, Timers, View};
use jackfield_strategy::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub use self::guest::guest;
pub use self::versions::{of_another_contract, version, versioned};

/// Longest a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `look` finds what it looks for.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Live instances the engine may have. With `JACKFIELD_TEST_LIVE=0` none outlives its turn.
fn live_sessions() -> usize {
    std::env::var("JACKFIELD_TEST_LIVE").map_or(64, |live| live.parse().expect("JACKFIELD_TEST_LIVE is a number"))
}

/// Where a node has its journal, across its starts.
pub struct Home(tempfile::TempDir);

impl Home {
    pub fn new() -> Home {
        Home(tempfile::tempdir().expect("a folder"))
    }

    /// The journal; whoever had it open must have closed it.
    pub fn journal(&self) -> Journal {
        let store = SqliteJournal::new(self.0.path().join("journal.db"));
        Journal::open(Box::new(store), JournalSettings::new("node_1")).expect("a journal")
    }

    /// A node over the journal, and the journal.
    pub async fn start(&self, settings: Settings, engine: &Engine, plugins: &Arc<Plugins>) -> (Node, Journal) {
        let journal = self.journal();
        let node = Node::start(settings, engine.clone(), plugins.clone(), Some(journal.clone())).await;
        (node.expect("a node"), journal)
    }
}

/// The node dies: what was not in the journal is gone, and nothing it had begun goes on.
pub async fn crash(node: Node, journal: Journal) {
    // Nothing more is recorded, and so nothing more leaves.
    journal.close().await;
    drop(node);
}

/// A node with a home of its own.
pub struct Started {
    node: Node,
    _home: Home,
}

impl Started {
    pub async fn shutdown(self, grace: Duration) -> ShutdownReport {
        self.node.shutdown(grace).await
    }
}

impl Deref for Started {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

/// Starts a node with a journal on disk.
pub async fn start(settings: Settings, engine: Engine, plugins: Arc<Plugins>) -> Started {
    let home = Home::new();
    let (node, _) = home.start(settings, &engine, &plugins).await;
    Started { node, _home: home }
}

pub fn engine() -> Engine {
    let settings = jackfield_strategy::Settings { live: live_sessions(), ..Default::default() };
    Engine::new(settings).expect("an engine")
}

/// An engine with these strategies.
pub async fn plugins(names: &[&str]) -> (Engine, Arc<Plugins>) {
    plugins_of(engine(), names).await
}

/// These strategies, of an engine that is at hand.
pub async fn plugins_of(engine: Engine, names: &[&str]) -> (Engine, Arc<Plugins>) {
    let plugins = Plugins::default();
    for name in names {
        plugins.insert(engine.load(&guest(name)).await.expect("a plugin"));
    }
    (engine, Arc::new(plugins))
}

/// Loads one more.
pub async fn add_plugin(engine: &Engine, plugins: &Plugins, name: &str) {
    plugins.insert(engine.load(&guest(name)).await.expect("a plugin"));
}

/// An Interaction Server that can be shut down and opened again under the same address.
pub struct Site {
    pub name: String,
    settings: jackfield_server::Settings,
    /// Its settings are odd on purpose.
    may_warn: bool,
    folder: tempfile::TempDir,
    current: Arc<Mutex<Option<Server>>>,
    connections: mpsc::Sender<DuplexStream>,
    wires: Wires,
}

/// The connections there are: whether the client still hears the server, and the task that carries bytes.
type Wires = Arc<Mutex<Vec<(Arc<AtomicBool>, AbortHandle)>>>;

fn remember(wires: &Wires, deaf: Arc<AtomicBool>, task: AbortHandle) {
    let mut wires = wires.lock().expect("nobody panics");
    wires.retain(|(_, wire)| !wire.is_finished());
    wires.push((deaf, task));
}

/// Carries bytes between a client and a server, until one of them ends, or it is cut.
async fn wire(client: DuplexStream, server: DuplexStream, deaf: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let hears = async {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_server.read(&mut bytes).await {
            if !deaf.load(Ordering::SeqCst) && to_client.write_all(&bytes[..length]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = hears => {}
    }
}

impl Site {
    /// Queue `inbound` is pulled for `strategies`, each through a view and queue of its own
    /// (`inbound.<strategy>`); there are `done`, `poison` (unless told so) and `orchestration_system`.
    pub fn open(name: &str, strategies: &[&str], poison: bool) -> Site {
        let timers = Timers { delivering_timeout: Duration::from_secs(1), ..Timers::default() };
        Site::open_with(name, strategies, poison, timers)
    }

    pub fn open_with(name: &str, strategies: &[&str], poison: bool, timers: Timers) -> Site {
        let mut site = Site::closed(name, strategies, poison, |settings| settings.timers = timers);
        site.may_warn = false;
        site.start();
        site
    }

    /// With settings that are changed before the server is opened, which may warn of them.
    pub fn open_as(name: &str, strategies: &[&str], change: impl FnOnce(&mut jackfield_server::Settings)) -> Site {
        let site = Site::closed(name, strategies, true, change);
        site.start();
        site
    }

    /// One whose server is not started yet.
    pub fn closed(
        name: &str,
        strategies: &[&str],
        poison: bool,
        change: impl FnOnce(&mut jackfield_server::Settings),
    ) -> Site {
        let mut queues = vec!["done".to_owned(), "orchestration_system".to_owned()];
        queues.extend(poison.then(|| "poison".to_owned()));
        queues.extend(strategies.iter().map(|strategy| format!("inbound.{strategy}")));
        let mut settings = jackfield_server::Settings {
            name: name.into(),
            tenant_id: 1,
            media_types: Vec::new(),
            queues: queues.into_iter().map(|name| Queue { name }).collect(),
            views: strategies
                .iter()
                .map(|strategy| View {
                    name: format!("view.{strategy}"),
                    queue: format!("inbound.{strategy}"),
                    condition: String::new(),
                    order: String::new(),
                })
                .collect(),
            submitters: strategies
                .iter()
                .map(|strategy| Submitter {
                    name: format!("submitter.{strategy}"),
                    view: format!("view.{strategy}"),
                    strategy: (*strategy).into(),
                    priority: 0,
                    max_interactions: 0,
                    cluster_id: None,
                })
                .collect(),
            strategies: strategies
                .iter()
                .map(|name| Strategy { name: (*name).into(), enabled: true, max_interactions: 0 })
                .collect(),
            workbins: vec!["drafts".into()],
            agents: Vec::new(),
            places: Vec::new(),
            custom_properties: Vec::new(),
            timers: Timers::default(),
            limits: Limits::default(),
        };
        change(&mut settings);
        let (connections, mut incoming) = mpsc::channel::<DuplexStream>(8);
        let current: Arc<Mutex<Option<Server>>> = Arc::default();
        let site = Site {
            name: name.into(),
            settings,
            may_warn: true,
            folder: tempfile::tempdir().expect("a folder"),
            current: current.clone(),
            connections,
            wires: Arc::default(),
        };
        let wires = site.wires.clone();
        tokio::spawn(async move {
            while let Some(stream) = incoming.recv().await {
                let server = current.lock().expect("nobody panics").clone();
                // Without a server the stream ends here.
                if let Some(server) = server {
                    let (near, far) = tokio::io::duplex(64 << 10);
                    let deaf = Arc::new(AtomicBool::new(false));
                    let task = tokio::spawn(wire(stream, near, deaf.clone()));
                    remember(&wires, deaf, task.abort_handle());
                    let _ = server.in_process().send(far).await;
                }
            }
        });
        site
    }

    /// What its server is told at its next start.
    pub fn configure(&mut self, change: impl FnOnce(&mut jackfield_server::Settings)) {
        change(&mut self.settings);
    }

    /// All of that.
    pub fn settings(&self) -> &jackfield_server::Settings {
        &self.settings
    }

    pub fn start(&self) {
        let store = SqliteStore::open(&self.folder.path().join("store.db")).expect("a store");
        let (server, warnings) = Server::open(self.settings.clone(), Box::new(store)).expect("a server");
        assert!(self.may_warn || warnings.is_empty(), "{warnings:?}");
        *self.current.lock().expect("nobody panics") = Some(server);
    }

    /// Whoever is connected now hears nothing more of the server, which hears them.
    pub fn deafen(&self) {
        for (deaf, _) in self.wires.lock().expect("nobody panics").iter() {
            deaf.store(true, Ordering::SeqCst);
        }
    }

    /// Ends every connection there is now.
    pub fn cut(&self) {
        for (_, wire) in self.wires.lock().expect("nobody panics").drain(..) {
            wire.abort();
        }
    }

    pub async fn stop(&self) {
        let server = self.current.lock().expect("nobody panics").take();
        server.expect("a running server").shutdown().await;
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::InProcess(InProcess::new(self.connections.clone()))
    }

    pub async fn client(&self, client_type: ClientType) -> (Client, mpsc::Receiver<Event>) {
        let register = RequestRegisterClient {
            client_name: format!("{client_type:?}"),
            client_type: client_type.into(),
            media_type: "email".into(),
            ..Default::default()
        };
        Client::connect(&self.endpoint(), register).await.expect("a client")
    }

    /// Submits an interaction for a strategy; answers its id.
    pub async fn submit(&self, strategy: &str) -> String {
        self.submit_into(&format!("inbound.{strategy}"), KeyValueList::default().with("Subject", "hello")).await
    }

    pub async fn submit_into(&self, queue: &str, user_data: KeyValueList) -> String {
        let (client, _events) = self.client(ClientType::MediaServer).await;
        let submit = RequestSubmit {
            // Sites are named after what they are for.
            media_type: self.name.clone(),
            interaction_type: "Inbound".into(),
            interaction_subtype: "InboundNew".into(),
            queue: queue.into(),
            user_data: Some(user_data),
            ..Default::default()
        };
        match client.request(Ask::Submit(submit)).await {
            Ok(Event::Ack(ack)) => ack.interaction_id,
            other => panic!("{other:?}"),
        }
    }

    pub async fn queue(&self, name: &str) -> QueueStatus {
        let (client, _events) = self.client(ClientType::ReportingEngine).await;
        match client.request(Ask::ServerStatus(RequestServerStatus {})).await {
            Ok(Event::ServerStatus(status)) => {
                status.queues.into_iter().find(|queue| queue.queue == name).unwrap_or_default()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Waits until so many interactions wait in a queue.
    pub async fn waiting(&self, queue: &str, count: u64) {
        until(&format!("{count} in `{queue}`"), async || (self.queue(queue).await.waiting == count).then_some(()))
            .await;
    }

    /// Takes an interaction by its id, wherever it waits, and answers its user data.
    pub async fn look(&self, interaction: &str) -> (String, bool, KeyValueList) {
        let (client, _events) = self.client(ClientType::RoutingEngine).await;
        let pull = RequestPull {
            what: Some(What::ByIds(PullByIds { interaction_ids: vec![interaction.into()] })),
            count: 1,
            ignore_hold: true,
            ..Default::default()
        };
        match client.request(Ask::Pull(pull)).await {
            Ok(Event::PulledInteractions(mut pulled)) => {
                let found = pulled.interactions.pop().and_then(|pulled| pulled.interaction);
                let found = found.unwrap_or_else(|| panic!("{interaction} waits nowhere"));
                (found.queue, found.is_held, found.user_data.unwrap_or_default())
            }
            other => panic!("{other:?}"),
        }
    }

    /// User data of an interaction, wherever it is.
    pub async fn data(&self, interaction: &str) -> KeyValueList {
        let (client, _events) = self.client(ClientType::ReportingEngine).await;
        let ask = RequestGetInteractionProperties { interaction_id: interaction.into() };
        match client.request(Ask::GetInteractionProperties(ask)).await {
            Ok(Event::Interaction(found)) => found.interaction.and_then(|found| found.user_data).unwrap_or_default(),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the `obeys` of this interaction, which was told to watch, has seen something that
    /// begins so; answers the whole line.
    pub async fn seen(&self, interaction: &str, beginning: &str) -> String {
        let mut lines = Vec::new();
        let found = async {
            loop {
                lines = all_texts(&self.data(interaction).await, "Seen");
                if let Some(line) = lines.iter().find(|line| line.starts_with(beginning)) {
                    return line.clone();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(line) => line,
            Err(_) => panic!("no `{beginning}` in {lines:#?}"),
        }
    }

    /// Who reports that a session or an agent got an interaction, in order.
    pub async fn reporting(&self) -> (Client, mpsc::Receiver<Event>) {
        let (client, events) = self.client(ClientType::ReportingEngine).await;
        let ask = RequestStartReporting { interactions: true, agents: false, ..Default::default() };
        client.request(Ask::StartReporting(ask)).await.expect("reporting");
        (client, events)
    }
}

/// Every value of a key.
pub fn all_texts(data: &KeyValueList, key: &str) -> Vec<String> {
    let pairs = data.pairs.iter().filter(|pair| pair.key == key);
    pairs
        .map(|pair| match &pair.value {
            Some(Value::Text(text)) => text.clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// The next reporting event of this name.
pub async fn reported(
    events: &mut mpsc::Receiver<Event>,
    name: ReportingName,
) -> jackfield_protocol::v1::EventReporting {
    let found = async {
        loop {
            match events.recv().await {
                Some(Event::Reporting(event)) if event.name() == name => return event,
                Some(_) => {}
                None => panic!("the reporting ended"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{name:?}: not reported"))
}

/// An agent at an application of their own.
pub struct Agent {
    pub client: Client,
    events: mpsc::Receiver<Event>,
}

impl Agent {
    pub async fn log_in(site: &Site, id: &str, capacity: u32) -> Agent {
        let (client, events) = site.client(ClientType::AgentApplication).await;
        let media = vec![MediaCapacity { media_type: site.name.clone(), capacity }];
        let login = RequestAgentLogin { agent: id.into(), place: format!("place-{id}"), media };
        client.request(Ask::AgentLogin(login)).await.expect("a login");
        let ready = RequestReadyForMedia { agent: id.into(), media_types: vec![site.name.clone()] };
        client.request(Ask::ReadyForMedia(ready)).await.expect("ready");
        Agent { client, events }
    }

    pub async fn invited(&mut self) -> (u64, String) {
        let invite = async {
            loop {
                match self.events.recv().await {
                    Some(Event::Invite(EventInvite { ticket_id, interaction, .. })) => {
                        return (ticket_id, interaction.expect("an interaction").interaction_id);
                    }
                    Some(_) => {}
                    None => panic!("the agent's connection ended"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, invite).await.expect("an invitation")
    }

    pub async fn accept(&mut self) -> String {
        let invitation = self.invited().await;
        self.take(invitation).await
    }

    pub async fn take(&mut self, (ticket_id, interaction_id): (u64, String)) -> String {
        let accept = RequestAccept { ticket_id, interaction_id: interaction_id.clone() };
        self.client.request(Ask::Accept(accept)).await.expect("accepted");
        interaction_id
    }

    pub async fn reject(&mut self) -> String {
        let invitation = self.invited().await;
        self.turn_down(invitation).await
    }

    pub async fn turn_down(&mut self, (ticket_id, interaction_id): (u64, String)) -> String {
        let reject = RequestReject { ticket_id, interaction_id: interaction_id.clone(), reason: "lunch".into() };
        self.client.request(Ask::Reject(reject)).await.expect("rejected");
        interaction_id
    }

    /// Whether nobody has invited the agent up to now.
    pub fn is_left_alone(&mut self) -> bool {
        std::iter::from_fn(|| self.events.try_recv().ok()).all(|event| !matches!(event, Event::Invite(_)))
    }
}

/// Settings of a node that pulls `strategies` (each run by the plugin of its name) from `sites`.
pub fn settings(sites: &[&Site], strategies: &[&str]) -> Settings {
    Settings {
        name: "node_1".into(),
        cluster: "east".into(),
        links: sites
            .iter()
            .map(|site| LinkSettings {
                server: site.name.clone(),
                endpoint: site.endpoint(),
                strategies: strategies.iter().map(|name| (*name).into()).collect(),
                views: Vec::new(),
            })
            .collect(),
        strategies: strategies
            .iter()
            .map(|name| StrategySettings {
                name: (*name).into(),
                plugin: (*name).into(),
                parameters: Default::default(),
                max_sessions: 0,
                enabled: true,
            })
            .collect(),
        agents: ["anna", "boris"]
            .map(|id| AgentSettings { id: id.into(), skills: Default::default(), groups: vec!["everyone".into()] })
            .into(),
        lists: Default::default(),
        calendar: Default::default(),
        objects: Default::default(),
        options: Options {
            poison_limit: 2,
            shutdown_grace: Duration::from_millis(300),
            reconnect_first: Duration::from_millis(20),
            reconnect_max: Duration::from_millis(200),
            ..Options::default()
        },
    }
}

/// The view of `queue`, which has one of `Site`'s, to be pulled for `strategy`.
pub fn view_of(queue: &str, strategy: &str) -> ViewSettings {
    ViewSettings { name: format!("view.{queue}"), queue: format!("inbound.{queue}"), strategy: strategy.into() }
}

/// The session that runs for this interaction.
pub async fn session(node: &Node, interaction: &str) -> SessionStatus {
    until(&format!("a session for {interaction}"), async || {
        node.status().sessions.into_iter().find(|session| session.interaction == interaction)
    })
    .await
}

/// A session of `obeys` for this interaction that writes down what happens to it.
pub async fn watching(node: &Node, interaction: &str) -> SessionStatus {
    let session = session(node, interaction).await;
    tell(node, &session, "watch", "").await;
    session
}

/// Tells the `obeys` of this interaction to do something.
pub async fn tell(node: &Node, session: &SessionStatus, name: &str, data: &str) {
    // The session is listed a moment before it takes events.
    until("the session takes events", async || node.send_event(&session.id, None, name, data).await.ok()).await;
}
