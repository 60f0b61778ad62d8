//! The Interaction Server: the real core over a store in memory, driven by one task.
//!
//! The store keeps what was committed over every crash. A commit takes its time; what the core says leaves
//! once the writes before it are committed, in order. A crash in the middle of a commit may leave it done or
//! not done, and nobody was told either way.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jackfield_protocol::ORCHESTRATION_SYSTEM;
use jackfield_protocol::v1::event::Message as Told;
use jackfield_protocol::v1::request::Message as Asked;
use jackfield_protocol::v1::{Event, Interaction, LastAgent, Request, request_pull::What};
use jackfield_server::machine::{Machine, Now, Say};
use jackfield_server::store::{Answer, Entry, Reader, StoreError, Write};
use jackfield_server::{Limits, Queue, Settings, Strategy, Submitter, Timers, View};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ledger::NODE;
use crate::network::{Input, Network, Way};
use crate::weather::Weather;

/// Inputs taken at once.
const BURST: usize = 64;

/// Longest commit while the disk is slow.
const SLOWEST: Duration = Duration::from_secs(20);

/// The interaction queues with a strategy of the same name on each.
pub(crate) const QUEUES: [&str; 2] = ["first", "second"];

/// One server of the site: its network and its store, which outlive it, and its process.
pub(crate) struct ServerPlace {
    pub name: String,
    pub network: Network,
    weather: Arc<Weather>,
    settings: Arc<Settings>,
    store: Store,
    process: Option<CancellationToken>,
}

impl ServerPlace {
    pub fn new(weather: &Arc<Weather>, number: u64) -> ServerPlace {
        let name = format!("server_{number}");
        ServerPlace {
            network: Network::new(weather.clone(), &name),
            weather: weather.clone(),
            settings: Arc::new(settings(&name, weather.options.legacy)),
            store: Store(Arc::default(), name.as_str().into()),
            process: None,
            name,
        }
    }

    /// Queue and id of everything that is not stopped.
    pub fn content(&self) -> Vec<(String, String)> {
        self.store.content()
    }

    /// Its disk is slow for a while.
    pub fn slow_for(&self, time: Duration) {
        self.store.slow_for(time);
    }

    pub fn start(&mut self) {
        let crash = CancellationToken::new();
        let (settings, store) = (self.settings.clone(), self.store.clone());
        tokio::spawn(serve(self.weather.clone(), self.network.clone(), settings, store, crash.clone()));
        self.process = Some(crash);
    }

    /// Its process dies.
    pub fn crash(&mut self) {
        if let Some(crash) = self.process.take() {
            crash.cancel();
        }
    }
}

/// What is on disk.
#[derive(Default)]
struct Disk {
    incarnation: u64,
    interactions: BTreeMap<String, Interaction>,
    entries: BTreeMap<String, Entry>,
    answers: BTreeMap<String, Answer>,
    contacts: BTreeMap<String, LastAgent>,
    slow_until: Option<Instant>,
}

/// Outlives the server's process.
#[derive(Clone)]
struct Store(Arc<Mutex<Disk>>, Arc<str>);

impl Store {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queue and id of everything that is not stopped.
    pub fn content(&self) -> Vec<(String, String)> {
        self.disk().entries.iter().map(|(id, entry)| (entry.key.queue.clone(), id.clone())).collect()
    }

    pub fn slow_for(&self, time: Duration) {
        self.disk().slow_until = Some(Instant::now() + time);
    }

    /// The longest a commit takes at this moment.
    fn longest(&self, weather: &Weather) -> Duration {
        let is_slow = self.disk().slow_until.is_some_and(|until| until > Instant::now());
        if is_slow { SLOWEST } else { weather.options.disk }
    }

    fn commit(&self, writes: Vec<Write>, weather: &Weather) {
        let mut disk = self.disk();
        let mut ledger = weather.ledger();
        for write in writes {
            match write {
                Write::Insert(interaction, entry) => {
                    ledger.inserted(&self.1, &interaction);
                    disk.entries.insert(entry.key.id.clone(), entry);
                    disk.interactions.insert(interaction.interaction_id.clone(), *interaction);
                }
                Write::Move { from, to } => {
                    ledger.moved(&from.id, &from.queue, &to.key.queue);
                    disk.entries.insert(from.id, to);
                }
                Write::Update { interaction, from, to } => {
                    ledger.updated(&interaction);
                    disk.entries.insert(from.id, to);
                    disk.interactions.insert(interaction.interaction_id.clone(), *interaction);
                }
                Write::Delete { key } => {
                    ledger.deleted(&key.id);
                    disk.entries.remove(&key.id);
                    disk.interactions.remove(&key.id);
                }
                Write::Remember { key, answer } => {
                    disk.answers.insert(key, answer);
                }
                Write::Handled { contact, last, .. } => {
                    disk.contacts.insert(contact, last);
                }
            }
        }
    }
}

struct DiskReader(Store);

impl Reader for DiskReader {
    fn entries(&mut self, each: &mut dyn FnMut(Entry)) -> Result<(), StoreError> {
        let mut entries: Vec<Entry> = self.0.disk().entries.values().cloned().collect();
        entries.sort_by(|a, b| {
            let of = |entry: &Entry| (entry.key.queue.clone(), -entry.key.priority, entry.key.received_at);
            of(a).cmp(&of(b)).then_with(|| a.key.id.cmp(&b.key.id))
        });
        entries.into_iter().for_each(each);
        Ok(())
    }

    fn interactions(&mut self, ids: &[&str]) -> Result<Vec<Interaction>, StoreError> {
        let disk = self.0.disk();
        Ok(ids.iter().filter_map(|id| disk.interactions.get(*id).cloned()).collect())
    }

    fn answer(&mut self, key: &str) -> Result<Option<Answer>, StoreError> {
        Ok(self.0.disk().answers.get(key).cloned())
    }

    fn last_agents(&mut self, contacts: &[&str]) -> Result<Vec<Option<LastAgent>>, StoreError> {
        let disk = self.0.disk();
        Ok(contacts.iter().map(|contact| disk.contacts.get(*contact).cloned()).collect())
    }
}

/// Runs until `crash`.
async fn serve(
    weather: Arc<Weather>,
    network: Network,
    settings: Arc<Settings>,
    store: Store,
    crash: CancellationToken,
) {
    let mut inputs = network.listen();
    tokio::select! {
        biased;
        () = crash.cancelled() => {}
        () = run(&weather, settings, &store, &mut inputs) => {}
    }
    weather.note(format_args!("{} is gone", store.1));
    network.deaf();
}

/// A batch on its way to the disk.
struct Commit<'a> {
    writes: Vec<Write>,
    sequence: u64,
    done: Instant,
    store: &'a Store,
    weather: &'a Weather,
}

impl Commit<'_> {
    fn finish(mut self) -> u64 {
        self.store.commit(std::mem::take(&mut self.writes), self.weather);
        self.sequence
    }
}

impl Drop for Commit<'_> {
    /// The server crashed: whether the disk had it all is chance.
    fn drop(&mut self) {
        if !self.writes.is_empty() && self.weather.chance(0.5) {
            self.store.commit(std::mem::take(&mut self.writes), self.weather);
        }
    }
}

async fn run(weather: &Weather, settings: Arc<Settings>, store: &Store, inputs: &mut mpsc::Receiver<Input>) {
    let now = || Now { wall: weather.wall_ms(), ticks: weather.ticks() };
    let incarnation = {
        let mut disk = store.disk();
        disk.incarnation += 1;
        disk.incarnation
    };
    weather.note(format_args!("{} starts, incarnation {incarnation}", store.1));
    let mut onlooker = Onlooker { weather, server: store.1.clone(), clients: BTreeMap::new(), asked: BTreeMap::new() };
    weather.ledger().leases(&store.1).started(weather.ticks());
    let opened = Machine::open(settings, Box::new(DiskReader(store.clone())), incarnation, now());
    let (mut machine, _) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            weather.ledger().wrong(format!("the server does not start: {error}"));
            return;
        }
    };
    let mut ways: BTreeMap<u64, Way> = BTreeMap::new();
    let (mut gathered, mut gathered_to) = (Vec::new(), 0);
    let mut waiting: VecDeque<(u64, Vec<Say>)> = VecDeque::new();
    let mut committing: Option<Commit<'_>> = None;
    let mut durable = 0;
    let mut burst = Vec::with_capacity(BURST);
    loop {
        let due =
            machine.next_due().map(|due| Instant::now() + Duration::from_millis(due.saturating_sub(weather.ticks())));
        let done = committing.as_ref().map(|commit| commit.done);
        tokio::select! {
            biased;
            () = at(done) => {
                if let Some(commit) = committing.take() {
                    durable = commit.finish();
                    machine.durable(durable);
                }
            }
            count = inputs.recv_many(&mut burst, BURST) => if count == 0 { return },
            () = at(due) => {}
        }
        for input in burst.drain(..) {
            match input {
                Input::Connected(client, way) => {
                    onlooker.came(client, &way.who);
                    ways.insert(client, way);
                    machine.connected(now(), client);
                }
                Input::Requests(client, requests) => {
                    for request in requests {
                        onlooker.asks(client, &request);
                        machine.request(now(), client, request);
                    }
                }
                Input::Disconnected(client) => {
                    if let Some(way) = ways.remove(&client) {
                        weather.note(format_args!("connection {client} of {} ended", way.who));
                    }
                    weather.ledger().leases(&store.1).left(client, weather.ticks());
                    machine.disconnected(now(), client);
                }
            }
        }
        let step = match machine.step(now()) {
            Ok(step) => step,
            Err(error) => {
                weather.ledger().wrong(format!("the server cannot read: {error}"));
                return;
            }
        };
        step.says.iter().for_each(|say| onlooker.says(say));
        if !step.writes.is_empty() {
            gathered.extend(step.writes);
            gathered_to = step.sequence;
        }
        if !step.says.is_empty() {
            waiting.push_back((step.sequence, step.says));
        }
        if committing.is_none() && !gathered.is_empty() {
            let most = u64::try_from(store.longest(weather).as_micros()).unwrap_or(u64::MAX);
            let done = Instant::now() + Duration::from_micros(weather.pick(0..=most));
            let writes = std::mem::take(&mut gathered);
            committing = Some(Commit { writes, sequence: gathered_to, done, store, weather });
        }
        while waiting.front().is_some_and(|(sequence, _)| *sequence <= durable) {
            let Some((_, says)) = waiting.pop_front() else { break };
            says.into_iter().for_each(|say| tell(weather, &mut ways, say));
        }
    }
}

/// Notes what the server decides, at the moment it does.
struct Onlooker<'a> {
    weather: &'a Weather,
    server: Arc<str>,
    /// Who has each connection, also where nothing can be told any more.
    clients: BTreeMap<u64, String>,
    /// Requests of nodes without an answer, by connection and reference id.
    asked: BTreeMap<(u64, u64), Request>,
}

impl Onlooker<'_> {
    fn came(&mut self, client: u64, who: &str) {
        self.clients.insert(client, who.to_owned());
        if who.starts_with(NODE) {
            self.weather.ledger().leases(&self.server).came(client, who);
        }
    }

    fn asks(&mut self, client: u64, request: &Request) {
        let Some(who) = self.clients.get(&client) else { return };
        self.weather.note(format_args!("{who} asks {}", crate::describe::request(request)));
        self.weather.ledger().asked(&self.server, who, request);
        if who.starts_with(NODE) {
            self.asked.insert((client, request.reference_id), request.clone());
        }
    }

    fn says(&mut self, say: &Say) {
        let ticks = self.weather.ticks();
        let (client, Event { reference_id, message }) = match say {
            Say::Event(client, event) => (*client, event),
            Say::Close(client, _) => return self.weather.ledger().leases(&self.server).left(*client, ticks),
        };
        let (Some(request), Some(told)) = (self.asked.remove(&(client, *reference_id)), message) else { return };
        let Some(asked) = &request.message else { return };
        let mut ledger = self.weather.ledger();
        match told {
            Told::Ack(_) if !ledger.done(&request) => return,
            Told::PulledInteractions(pulled) if is_for_a_strategy(asked) => {
                for interaction in pulled.interactions.iter().filter_map(|pulled| pulled.interaction.as_ref()) {
                    ledger.handed_out(&self.server, client, &interaction.interaction_id, ticks);
                }
            }
            Told::Reclaimed(reclaimed) => reclaimed.taken_back.iter().for_each(|id| ledger.regained(id)),
            _ => {}
        }
        for id in ledger.leases(&self.server).answered(client, asked, told, ticks) {
            ledger.regained(&id);
        }
    }
}

fn is_for_a_strategy(asked: &Asked) -> bool {
    // In either form: of a node's pull of a view the strategy is named beside it.
    matches!(asked, Asked::Pull(pull) if matches!(pull.what, Some(What::Strategy(_))) || !pull.for_strategy.is_empty())
}

fn tell(weather: &Weather, ways: &mut BTreeMap<u64, Way>, say: Say) {
    match say {
        Say::Event(client, event) => {
            let Some(way) = ways.get(&client) else { return };
            weather.note(format_args!("{} is told {}", way.who, crate::describe::event(&event)));
            if way.events.try_send(event).is_err() {
                ways.remove(&client);
            }
        }
        Say::Close(client, reason) => {
            weather.note(format_args!("connection {client} is closed: {reason}"));
            ways.remove(&client);
        }
    }
}

async fn at(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Those whose strategies are pulled, and those whose views are. Queue, view and strategy have one name.
pub(crate) fn split(legacy: bool) -> (&'static [&'static str], &'static [&'static str]) {
    QUEUES.split_at(if legacy { 1 } else { QUEUES.len() })
}

fn settings(name: &str, legacy: bool) -> Settings {
    let queues = QUEUES.into_iter().chain(["poison", ORCHESTRATION_SYSTEM]);
    Settings {
        name: name.into(),
        tenant_id: 1,
        media_types: Vec::new(),
        queues: queues.map(|name| Queue { name: name.into() }).collect(),
        views: QUEUES
            .into_iter()
            .map(|name| View { name: name.into(), queue: name.into(), condition: String::new(), order: String::new() })
            .collect(),
        submitters: split(legacy)
            .0
            .iter()
            .map(|&name| Submitter {
                name: name.into(),
                view: name.into(),
                strategy: name.into(),
                priority: 0,
                max_interactions: 0,
                cluster_id: None,
            })
            .collect(),
        strategies: QUEUES
            .into_iter()
            .map(|name| Strategy { name: name.into(), enabled: true, max_interactions: 0 })
            .collect(),
        workbins: Vec::new(),
        agents: Vec::new(),
        places: Vec::new(),
        capacity: Default::default(),
        contacts: Default::default(),
        custom_properties: Vec::new(),
        timers: Timers { delivering_timeout: Duration::from_secs(5), ..Timers::default() },
        limits: Limits::default(),
    }
}
