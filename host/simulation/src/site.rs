//! One run: who is there, what happens to them, and how it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jackfield_journal::{Entry, JournalSettings, JournalStore, MemoryJournal, SessionRow};
use jackfield_node::{AgentSettings, LinkSettings, Node, StrategySettings};
use jackfield_plugins::Plugins;
use jackfield_protocol::ORCHESTRATION_SYSTEM;
use jackfield_server::{Limits, Queue, Strategy, Submitter, Timers, View};
use jackfield_strategy::{Engine, Plugin};
use rand::SeedableRng;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::chance::Generator;
use crate::clients::{self, EMAIL, Seat};
use crate::disk::{Disk, Plug};
use crate::ledger::NODE;
use crate::network::Network;
use crate::options::{Fault, Options};
use crate::panics;
use crate::server::{self, Store};
use crate::trace::Trace;
use crate::weather::{Sky, Weather};

/// Faults that may be asked for and have not happened.
const FAULTS_WAITING: usize = 4;
/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(500);
/// How long somebody who sends a message from outside waits.
const CALL_WITHIN: Duration = Duration::from_millis(50);
/// Connections of the media server.
const MEDIA_SERVERS: u64 = 2;
/// Lines of the trace that a failure shows.
const LINES_SHOWN: usize = 300;
/// A time slice nobody uses up: how long a turn takes on this machine must not matter.
const NO_SLICE: Duration = Duration::from_secs(100_000);

/// What all runs share: engines, and the strategy.
pub struct Kit {
    /// One whose instances outlive their turns, and one whose instances do not.
    engines: [(Engine, Plugin); 2],
}

impl Kit {
    /// Compiles the strategy in `wasm`, the test guest `simulated`.
    ///
    /// # Errors
    /// For people.
    pub async fn load(wasm: &Path) -> Result<Kit, String> {
        Ok(Kit { engines: [Kit::engine(wasm, 256).await?, Kit::engine(wasm, 0).await?] })
    }

    async fn engine(wasm: &Path, live: usize) -> Result<(Engine, Plugin), String> {
        let settings = jackfield_strategy::Settings { live, slice: NO_SLICE, ..Default::default() };
        let engine = Engine::new(settings).map_err(|error| error.to_string())?;
        let plugin = engine.load(wasm).await.map_err(|error| error.to_string())?;
        Ok((engine, plugin))
    }
}

/// How a run went.
#[derive(Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// What followed from it.
    pub options: Options,
    /// What is wrong; empty: nothing.
    pub wrong: Vec<String>,
    /// Messages' own interactions that nobody took away from `orchestration_system`.
    pub left_behind: usize,
    /// What happened.
    pub trace: Trace,
    /// How long it took on its own clock.
    pub took: Duration,
}

impl std::fmt::Display for Report {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<&str> = self.trace.lines().collect();
        // `{:#}` shows all there is.
        let most = if formatter.alternate() { lines.len() } else { LINES_SHOWN.min(lines.len()) };
        for line in lines.split_at(lines.len() - most).1 {
            writeln!(formatter, "{line}")?;
        }
        writeln!(formatter, "seed {}: {:#?}", self.seed, self.options)?;
        for wrong in &self.wrong {
            writeln!(formatter, "WRONG: {wrong}")?;
        }
        Ok(())
    }
}

/// Runs one seed on this thread.
///
/// # Panics
/// When there is no runtime to be had.
#[expect(clippy::expect_used, reason = "nothing can be simulated without a runtime")]
pub fn run(seed: u64, kit: &Kit) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread");
    panics::watch();
    runtime.block_on(async {
        let mut generator = Generator::seed_from_u64(seed);
        let options = Options::of(&mut generator);
        let (faults, faults_out) = mpsc::channel(FAULTS_WAITING);
        let weather = Weather::new(options, generator, faults);
        let _leave = jackfield_world::enter(Rc::new(Sky(weather.clone())));
        Site::open(weather.clone(), kit).live(faults_out).await;
        let mut wrong = weather.ledger().take_wrong();
        wrong.extend(panics::take());
        let took = Duration::from_millis(weather.ticks());
        let left_behind = weather.ledger().left_behind;
        Report { seed, options: weather.options.clone(), wrong, left_behind, trace: weather.trace(), took }
    })
}

struct Site<'a> {
    weather: Arc<Weather>,
    kit: &'a Kit,
    network: Network,
    server_settings: Arc<jackfield_server::Settings>,
    store: Store,
    server: Option<CancellationToken>,
    journal: MemoryJournal,
    disk: Disk,
    node: Option<(Node, Plug)>,
    /// Sessions that were sent a message from outside, for certain.
    called: BTreeSet<String>,
}

impl<'a> Site<'a> {
    fn open(weather: Arc<Weather>, kit: &'a Kit) -> Site<'a> {
        let journal = MemoryJournal::new();
        Site {
            network: Network::new(weather.clone()),
            server_settings: Arc::new(server_settings()),
            store: Store::default(),
            server: None,
            disk: Disk::new(weather.clone(), journal.clone()),
            journal,
            node: None,
            called: BTreeSet::new(),
            kit,
            weather,
        }
    }

    /// The whole run.
    async fn live(mut self, mut faults: mpsc::Receiver<Fault>) {
        let weather = self.weather.clone();
        weather.note(format_args!("{:?}", weather.options));
        if let Err(error) = self.install() {
            return weather.ledger().wrong(error);
        }
        self.start_server();
        self.start_node().await;
        self.people();
        let stormy = weather.options.stormy;
        let mut moments: Vec<u64> = (0..weather.options.strikes)
            .map(|_| weather.pick(0..=u64::try_from(stormy.as_millis()).unwrap_or(u64::MAX)))
            .collect();
        moments.sort_unstable();
        let asking = weather.clone();
        tokio::spawn(async move {
            for moment in moments {
                let passed = asking.ticks();
                tokio::time::sleep(Duration::from_millis(moment.saturating_sub(passed))).await;
                asking.strike();
            }
        });
        let end_of_storm = tokio::time::Instant::now() + stormy;
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(end_of_storm) => break,
                Some(fault) = faults.recv() => self.happens(fault).await,
                () = tokio::time::sleep(LOOK) => self.call().await,
            }
            if weather.ledger().is_wrong() {
                return;
            }
        }
        weather.calm_down();
        weather.note("it is calm from here on");
        let patience = tokio::time::Instant::now() + weather.options.patience;
        while tokio::time::Instant::now() < patience && !self.is_done() && !weather.ledger().is_wrong() {
            tokio::time::sleep(LOOK).await;
            self.call().await;
        }
        self.close();
        if let Some((node, plug)) = self.node.take() {
            node.shutdown(Duration::from_secs(1)).await;
            plug.pull();
        }
    }

    /// What is not as it has to be at the end. What was wrong before explains itself.
    fn close(&self) {
        let mut ledger = self.weather.ledger();
        if ledger.is_wrong() {
            return;
        }
        ledger.close();
        for (queue, id) in self.store.content() {
            if queue == ORCHESTRATION_SYSTEM {
                ledger.left_behind += 1;
            } else {
                ledger.wrong(format!("{id} is left in queue {queue}"));
            }
        }
        let sessions = self.node.as_ref().map(|(node, _)| node.status().sessions).unwrap_or_default();
        for session in sessions {
            ledger.wrong(format!("the node still has {session:?}"));
        }
    }

    fn is_done(&self) -> bool {
        let no_sessions = self.node.as_ref().is_some_and(|(node, _)| node.status().sessions.is_empty());
        let is_empty = self.store.content().iter().all(|(queue, _)| queue == ORCHESTRATION_SYSTEM);
        no_sessions && is_empty && self.weather.ledger().is_done()
    }

    /// The journal has the plugins: the node need not read them from their files, which takes real time.
    fn install(&mut self) -> Result<(), String> {
        let opened = self.journal.open(&JournalSettings::new("installer"), None);
        let mut writer = opened.map_err(|error| error.to_string())?.writer;
        let (_, plugin) = self.engine();
        let digest = plugin.digest().to_owned();
        let row = SessionRow {
            id: "installer".into(),
            strategy: String::new(),
            plugin: plugin.name().into(),
            version: plugin.version().into(),
            digest: digest.clone(),
            server: String::new(),
            interaction: String::new(),
            started_at: 0,
            origin: Vec::new(),
        };
        let (name, version) = (plugin.name().into(), plugin.version().into());
        let end = Entry::End { session: "installer".into(), at: 0, outcome: String::new(), failed: false, last: None };
        let entries = [Entry::Component { digest, name, version, bytes: Vec::new() }, Entry::Begin(row), end];
        writer.commit(&entries).map_err(|error| error.to_string())
    }

    fn engine(&self) -> &'a (Engine, Plugin) {
        let [live, passive] = &self.kit.engines;
        if self.weather.options.live { live } else { passive }
    }

    fn people(&self) {
        let seat = |who: String| Seat { weather: self.weather.clone(), network: self.network.clone(), who };
        let made = clients::Made::default();
        for number in 0..MEDIA_SERVERS {
            tokio::spawn(clients::media_server(seat(format!("media_{number}")), made.clone()));
        }
        tokio::spawn(clients::auditor(seat("auditor".into())));
        for number in 0..self.weather.options.agents {
            tokio::spawn(clients::agent(seat(format!("agent_{number}"))));
        }
        for number in 0..self.weather.options.interactions {
            let plans = [plan(&self.weather, &['p', 'p', 's', 'r']), plan(&self.weather, &['s', 'r'])];
            let Ok(number) = i32::try_from(number) else { return };
            self.weather.ledger().expect(number);
            tokio::spawn(clients::submit(seat(format!("submitter_{number}")), number, plans));
        }
    }

    fn start_server(&mut self) {
        let crash = CancellationToken::new();
        tokio::spawn(server::serve(
            self.weather.clone(),
            self.network.clone(),
            self.server_settings.clone(),
            self.store.clone(),
            crash.clone(),
        ));
        self.server = Some(crash);
    }

    async fn start_node(&mut self) {
        let (engine, plugin) = self.engine();
        let plugins = Arc::new(Plugins::default());
        plugins.insert(plugin.clone());
        let settings = node_settings(&self.network, self.weather.options.agents);
        let opened = match self.disk.open() {
            Ok(opened) => opened,
            Err(error) => return self.weather.ledger().wrong(format!("the journal does not open: {error}")),
        };
        let (journal, plug) = opened;
        self.weather.note("node starts");
        match Node::start(settings, engine.clone(), plugins, Some(journal)).await {
            Ok(node) => self.node = Some((node, plug)),
            Err(error) => self.weather.ledger().wrong(format!("the node does not start: {error}")),
        }
    }

    /// Sends each session one message from outside, with the same key until it is taken; whoever sends it
    /// does not wait for long.
    async fn call(&mut self) {
        let Some((node, _)) = &self.node else { return };
        for session in node.status().sessions {
            if self.called.contains(&session.id) {
                continue;
            }
            let key = format!("call-{}", session.id);
            let sent = node.send_event(&session.id, Some(&key), "call", "null");
            if let Ok(Ok(())) = tokio::time::timeout(CALL_WITHIN, sent).await {
                self.weather.note(format_args!("{} was sent its message", session.id));
                self.called.insert(session.id);
            }
        }
    }

    async fn happens(&mut self, fault: Fault) {
        let weather = self.weather.clone();
        weather.note(format_args!("{fault:?}"));
        let options = &weather.options;
        let a_while = |most: u64| Duration::from_millis(weather.pick(100..=most));
        match fault {
            Fault::NodeCrash => {
                let Some((node, plug)) = self.node.take() else { return };
                plug.pull();
                drop(node);
                if weather.chance(0.5) {
                    // What was on its way is lost too.
                    self.network.cut(|who| who == NODE);
                }
                weather.sleep(options.outage).await;
                self.start_node().await;
            }
            Fault::NodeSuspended => {
                let Some((node, plug)) = self.node.take() else { return };
                let report = node.suspend(a_while(3_000)).await;
                weather.note(format_args!("suspended: {report:?}"));
                plug.pull();
                weather.sleep(options.outage).await;
                self.start_node().await;
            }
            Fault::ServerCrash => {
                if let Some(crash) = self.server.take() {
                    crash.cancel();
                }
                weather.sleep(options.outage).await;
                self.start_server();
            }
            Fault::NodeCut => {
                self.network.cut(|who| who == NODE);
            }
            Fault::ClientCut => {
                let whose = weather.pick(0..=weather.options.agents + MEDIA_SERVERS);
                let agents = weather.options.agents;
                let whose = match whose.checked_sub(agents) {
                    None => format!("agent_{whose}"),
                    Some(0) => "auditor".to_owned(),
                    Some(number) => format!("media_{}", number - 1),
                };
                self.network.cut(|who| who == whose);
            }
            Fault::NodeStall => {
                let most = u64::try_from(options.stall.as_millis()).unwrap_or(u64::MAX);
                self.network.stall(|who| who == NODE, a_while(most));
            }
            Fault::ServerSlow => self.store.slow_for(a_while(60_000)),
            Fault::DiskFull => self.disk.full_for(a_while(10_000)),
            Fault::DiskSlow => self.disk.slow_for(a_while(10_000)),
            Fault::ClockJump => {
                let by = a_while(4_000_000).as_millis();
                let by = i64::try_from(by).unwrap_or(0);
                weather.set_clock(if weather.chance(0.5) { by } else { -by });
            }
        }
    }
}

/// Steps of the test guest, one of `ends` last.
fn plan(weather: &Weather, ends: &[char]) -> String {
    const STEPS: [char; 10] = ['a', 'a', 'u', 't', 'w', 'c', 'e', 'd', 'R', 'm'];
    let one_of = |letters: &[char]| {
        let index = usize::try_from(weather.pick(0..=letters.len() as u64 - 1)).unwrap_or(0);
        letters.get(index).copied().unwrap_or('s')
    };
    let mut plan: String = (0..weather.pick(0..=5)).map(|_| one_of(&STEPS)).collect();
    plan.push(one_of(ends));
    plan
}

const QUEUES: [&str; 2] = ["first", "second"];

fn server_settings() -> jackfield_server::Settings {
    let queues = QUEUES.into_iter().chain(["poison", ORCHESTRATION_SYSTEM]);
    jackfield_server::Settings {
        name: "server".into(),
        tenant_id: 1,
        media_types: Vec::new(),
        queues: queues.map(|name| Queue { name: name.into() }).collect(),
        views: QUEUES
            .into_iter()
            .map(|name| View { name: name.into(), queue: name.into(), condition: String::new(), order: String::new() })
            .collect(),
        submitters: QUEUES
            .into_iter()
            .map(|name| Submitter {
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
        custom_properties: Vec::new(),
        timers: Timers { delivering_timeout: Duration::from_secs(5), ..Timers::default() },
        limits: Limits::default(),
    }
}

fn node_settings(network: &Network, agents: u64) -> jackfield_node::Settings {
    let strategies = QUEUES.into_iter().map(|name| StrategySettings {
        name: name.into(),
        plugin: "simulated".into(),
        parameters: BTreeMap::new(),
        max_sessions: 0,
        enabled: true,
    });
    let agents = (0..agents).map(|number| AgentSettings {
        id: format!("agent_{number}"),
        skills: BTreeMap::from([(EMAIL.to_owned(), 5)]),
        groups: vec!["everyone".into()],
    });
    jackfield_node::Settings {
        name: NODE.into(),
        cluster: String::new(),
        links: vec![LinkSettings {
            server: "server".into(),
            endpoint: network.endpoint(NODE),
            strategies: QUEUES.into_iter().map(str::to_owned).collect(),
        }],
        strategies: strategies.collect(),
        agents: agents.collect(),
        lists: BTreeMap::new(),
        options: jackfield_node::Options::default(),
    }
}
