//! One run: who is there, what happens to them, and how it ends.

use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jackfield_plugins::Plugins;
use jackfield_strategy::{Engine, Plugin};
use rand::SeedableRng;
use tokio::sync::mpsc;

use crate::chance::Generator;
use crate::clients::{self, Seat};
use crate::node::NodePlace;
use crate::options::{Fault, Options};
use crate::panics;
use crate::server::ServerPlace;
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
        Report { seed, options: weather.options.clone(), wrong, trace: weather.trace(), took }
    })
}

struct Site<'a> {
    weather: Arc<Weather>,
    kit: &'a Kit,
    servers: Vec<ServerPlace>,
    nodes: Vec<NodePlace>,
    /// Sessions that were sent a message from outside, for certain.
    called: BTreeSet<String>,
}

impl<'a> Site<'a> {
    fn open(weather: Arc<Weather>, kit: &'a Kit) -> Site<'a> {
        let options = &weather.options;
        Site {
            servers: (0..options.servers).map(|number| ServerPlace::new(&weather, number)).collect(),
            nodes: (0..options.nodes).map(|number| NodePlace::new(&weather, number)).collect(),
            called: BTreeSet::new(),
            kit,
            weather,
        }
    }

    /// The whole run.
    async fn live(mut self, mut faults: mpsc::Receiver<Fault>) {
        let weather = self.weather.clone();
        weather.note(format_args!("{:?}", weather.options));
        for server in &mut self.servers {
            server.start();
        }
        for number in 0..self.nodes.len() {
            self.start_node(number).await;
        }
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
        for node in &mut self.nodes {
            node.shut_down().await;
        }
    }

    /// What is not as it has to be at the end. What was wrong before explains itself.
    fn close(&self) {
        let mut ledger = self.weather.ledger();
        if ledger.is_wrong() {
            return;
        }
        ledger.close();
        for (queue, id) in self.servers.iter().flat_map(ServerPlace::content) {
            ledger.wrong(format!("{id} is left in queue {queue}"));
        }
        for session in self.nodes.iter().flat_map(NodePlace::sessions) {
            ledger.wrong(format!("a node still has {session:?}"));
        }
    }

    fn is_done(&self) -> bool {
        let no_sessions = self.nodes.iter().all(|node| node.runs() && node.sessions().is_empty());
        let is_empty = self.servers.iter().all(|server| server.content().is_empty());
        no_sessions && is_empty && self.weather.ledger().is_done()
    }

    fn engine(&self) -> &'a (Engine, Plugin) {
        let [live, passive] = &self.kit.engines;
        if self.weather.options.live { live } else { passive }
    }

    fn people(&self) {
        let options = &self.weather.options;
        for server in &self.servers {
            let seat = |who: String| Seat { weather: self.weather.clone(), network: server.network.clone(), who };
            let made = clients::Made::default();
            for number in 0..MEDIA_SERVERS {
                tokio::spawn(clients::media_server(seat(format!("media_{number}")), made.clone()));
            }
            tokio::spawn(clients::auditor(seat("auditor".into())));
            for number in 0..options.agents {
                tokio::spawn(clients::agent(seat(format!("agent_{number}"))));
            }
        }
        for number in 0..options.interactions {
            let plans = [plan(&self.weather, &['p', 'p', 's', 'r']), plan(&self.weather, &['s', 'r'])];
            let (Ok(number), Some(server)) = (i32::try_from(number), self.servers.get(self.any(self.servers.len())))
            else {
                return;
            };
            self.weather.ledger().expect(number);
            let (weather, network) = (self.weather.clone(), server.network.clone());
            let who = format!("submitter_{number}");
            tokio::spawn(clients::submit(Seat { weather, network, who }, number, plans));
        }
    }

    /// One of so many.
    fn any(&self, of: usize) -> usize {
        match of {
            0 | 1 => 0,
            of => usize::try_from(self.weather.pick(0..=of as u64 - 1)).unwrap_or(0),
        }
    }

    async fn start_node(&mut self, number: usize) {
        let (engine, plugin) = self.engine();
        let plugins = Arc::new(Plugins::default());
        plugins.insert(plugin.clone());
        let Some(node) = self.nodes.get_mut(number) else { return };
        if let Err(error) = node.start(&self.servers, engine, plugins, plugin).await {
            self.weather.ledger().wrong(error);
        }
    }

    /// Sends each session one message from outside, with the same key until it is taken; whoever sends it
    /// does not wait for long.
    async fn call(&mut self) {
        for node in &self.nodes {
            for session in node.sessions() {
                if self.called.contains(&session.id) {
                    continue;
                }
                let key = format!("call-{}", session.id);
                if node.send_event(&session.id, &key, CALL_WITHIN).await {
                    self.weather.note(format_args!("{} was sent its message", session.id));
                    self.called.insert(session.id);
                }
            }
        }
    }

    async fn happens(&mut self, fault: Fault) {
        let weather = self.weather.clone();
        weather.note(format_args!("{fault:?}"));
        let options = &weather.options;
        let a_while = |most: u64| Duration::from_millis(weather.pick(100..=most));
        let (node_number, server_number) = (self.any(self.nodes.len()), self.any(self.servers.len()));
        let Some(server) = self.servers.get_mut(server_number) else { return };
        let Some(node) = self.nodes.get_mut(node_number) else { return };
        match fault {
            Fault::NodeCrash => {
                if !node.crash() {
                    return;
                }
                let name = node.name.clone();
                if weather.chance(0.5) {
                    // What was on its way is lost too.
                    for server in &self.servers {
                        server.network.cut(|who| who == name);
                    }
                }
                weather.sleep(options.outage).await;
                self.start_node(node_number).await;
            }
            Fault::NodeSuspended => {
                if !node.suspend(a_while(3_000)).await {
                    return;
                }
                weather.sleep(options.outage).await;
                self.start_node(node_number).await;
            }
            Fault::ServerCrash => {
                server.crash();
                weather.sleep(options.outage).await;
                server.start();
            }
            Fault::NodeCut => {
                server.network.cut(|who| who == node.name);
            }
            Fault::ClientCut => {
                let whose = weather.pick(0..=weather.options.agents + MEDIA_SERVERS);
                let agents = weather.options.agents;
                let whose = match whose.checked_sub(agents) {
                    None => format!("agent_{whose}"),
                    Some(0) => "auditor".to_owned(),
                    Some(number) => format!("media_{}", number - 1),
                };
                server.network.cut(|who| who == whose);
            }
            Fault::NodeStall => {
                let most = u64::try_from(options.stall.as_millis()).unwrap_or(u64::MAX);
                server.network.stall(|who| who == node.name, a_while(most));
            }
            Fault::ServerSlow => server.slow_for(a_while(60_000)),
            Fault::DiskFull => node.disk.full_for(a_while(10_000)),
            Fault::DiskSlow => node.disk.slow_for(a_while(10_000)),
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
