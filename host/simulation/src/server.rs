//! The Interaction Server: the real core over a store in memory, driven by one task.
//!
//! The store keeps what was committed over every crash. A commit takes its time; what the core says leaves
//! once the writes before it are committed, in order. A crash in the middle of a commit may leave it done or
//! not done, and nobody was told either way.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jackfield_protocol::v1::Interaction;
use jackfield_server::Settings;
use jackfield_server::machine::{Machine, Now, Say};
use jackfield_server::store::{Answer, Entry, Reader, StoreError, Write};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::network::{Input, Network, Way};
use crate::weather::Weather;

/// Inputs taken at once.
const BURST: usize = 64;

/// Longest commit while the disk is slow.
const SLOWEST: Duration = Duration::from_secs(20);

/// What is on disk.
#[derive(Default)]
pub(crate) struct Disk {
    incarnation: u64,
    interactions: BTreeMap<String, Interaction>,
    entries: BTreeMap<String, Entry>,
    answers: BTreeMap<String, Answer>,
    slow_until: Option<Instant>,
}

/// Outlives the server's process.
#[derive(Clone, Default)]
pub(crate) struct Store(Arc<Mutex<Disk>>);

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
                    ledger.inserted(&interaction);
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
}

/// Runs until `crash`.
pub(crate) async fn serve(
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
    weather.note("server is gone");
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
    weather.note(format_args!("server starts, incarnation {incarnation}"));
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
                    ways.insert(client, way);
                    machine.connected(now(), client);
                }
                Input::Requests(client, requests) => {
                    for request in requests {
                        if let Some(way) = ways.get(&client) {
                            weather.note(format_args!("{} asks {}", way.who, crate::describe::request(&request)));
                            weather.ledger().asked(&way.who, &request);
                        }
                        machine.request(now(), client, request);
                    }
                }
                Input::Disconnected(client) => {
                    if let Some(way) = ways.remove(&client) {
                        weather.note(format_args!("connection {client} of {} ended", way.who));
                    }
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
