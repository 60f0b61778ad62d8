//! One node of the site: its journal, which outlives it, and its process, which comes and goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jackfield_journal::{Entry, JournalSettings, JournalStore, MemoryJournal, SessionRow};
use jackfield_node::{AgentSettings, LinkSettings, Node, Options, SessionStatus, StrategySettings, ViewSettings};
use jackfield_plugins::Plugins;
use jackfield_strategy::{Engine, Plugin};

use crate::clients::EMAIL;
use crate::disk::{Disk, Plug};
use crate::ledger::NODE;
use crate::server::{QUEUES, ServerPlace, split};
use crate::weather::Weather;

/// How long what belongs to a node that is away waits in `orchestration_system`.
const TAKE_OVER: Duration = Duration::from_secs(40);

pub(crate) struct NodePlace {
    pub name: String,
    weather: Arc<Weather>,
    journal: MemoryJournal,
    pub disk: Disk,
    is_installed: bool,
    node: Option<(Node, Plug)>,
}

impl NodePlace {
    pub fn new(weather: &Arc<Weather>, number: u64) -> NodePlace {
        let (name, journal) = (format!("{NODE}{number}"), MemoryJournal::new());
        let disk = Disk::new(weather.clone(), journal.clone(), &name);
        NodePlace { name, weather: weather.clone(), journal, disk, is_installed: false, node: None }
    }

    pub fn runs(&self) -> bool {
        self.node.is_some()
    }

    pub fn sessions(&self) -> Vec<SessionStatus> {
        self.node.as_ref().map(|(node, _)| node.status().sessions).unwrap_or_default()
    }

    /// Sends a session something from outside, unless that takes too long; whether it was sent.
    pub async fn send_event(&self, session: &str, key: &str, within: Duration) -> bool {
        let Some((node, _)) = &self.node else { return false };
        let sent = node.send_event(session, Some(key), "call", "null");
        matches!(tokio::time::timeout(within, sent).await, Ok(Ok(())))
    }

    /// Starts its process.
    ///
    /// # Errors
    /// For people.
    pub async fn start(
        &mut self,
        servers: &[ServerPlace],
        engine: &Engine,
        plugins: Arc<Plugins>,
        plugin: &Plugin,
    ) -> Result<(), String> {
        if !std::mem::replace(&mut self.is_installed, true) {
            self.install(plugin)?;
        }
        let (journal, plug) = self.disk.open().map_err(|error| format!("the journal does not open: {error}"))?;
        self.weather.note(format_args!("{} starts", self.name));
        let node = Node::start(self.settings(servers), engine.clone(), plugins, Some(journal)).await;
        let node = node.map_err(|error| format!("{} does not start: {error}", self.name))?;
        self.node = Some((node, plug));
        Ok(())
    }

    /// Its process dies; whether there was one.
    pub fn crash(&mut self) -> bool {
        let Some((node, plug)) = self.node.take() else { return false };
        self.weather.note(format_args!("{} is gone", self.name));
        plug.pull();
        drop(node);
        true
    }

    /// It is suspended; whether it ran.
    pub async fn suspend(&mut self, grace: Duration) -> bool {
        let Some((node, plug)) = self.node.take() else { return false };
        let report = node.suspend(grace).await;
        self.weather.note(format_args!("{} is suspended: {report:?}", self.name));
        plug.pull();
        true
    }

    pub async fn shut_down(&mut self) {
        if let Some((node, plug)) = self.node.take() {
            node.shutdown(Duration::from_secs(1)).await;
            plug.pull();
        }
    }

    /// The journal has the plugins: the node need not read them from their files, which takes real time.
    fn install(&mut self, plugin: &Plugin) -> Result<(), String> {
        let opened = self.journal.open(&JournalSettings::new("installer"), None);
        let mut writer = opened.map_err(|error| error.to_string())?.writer;
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

    fn settings(&self, servers: &[ServerPlace]) -> jackfield_node::Settings {
        let options = &self.weather.options;
        let strategies = QUEUES.into_iter().map(|name| StrategySettings {
            name: name.into(),
            plugin: "simulated".into(),
            parameters: BTreeMap::new(),
            max_sessions: 0,
            enabled: true,
        });
        let (enhanced, legacy) = split(options.legacy);
        let agents = (0..options.agents).map(|number| AgentSettings {
            id: format!("agent_{number}"),
            skills: BTreeMap::from([(EMAIL.to_owned(), 5)]),
            groups: vec!["everyone".into()],
        });
        let links = servers.iter().map(|server| LinkSettings {
            server: server.name.clone(),
            endpoint: server.network.endpoint(&self.name),
            strategies: enhanced.iter().map(|&name| name.into()).collect(),
            views: legacy
                .iter()
                .map(|&name| ViewSettings { name: name.into(), queue: name.into(), strategy: name.into() })
                .collect(),
        });
        jackfield_node::Settings {
            name: self.name.clone(),
            cluster: "east".into(),
            links: links.collect(),
            strategies: strategies.collect(),
            agents: agents.collect(),
            lists: BTreeMap::new(),
            calendar: Default::default(),
            objects: Default::default(),
            options: Options {
                link_down_timeout: options.link_down_timeout,
                cleanup_takeover_timeout: TAKE_OVER,
                ..Options::default()
            },
        }
    }
}
