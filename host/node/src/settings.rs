//! What a node is told about its site. Plain data, made by whoever reads the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use jackfield_link::Endpoint;

use crate::calendar::Calendar;
use crate::pulling::Source;
use crate::virtual_queues::{Objects, ReportTargets};

/// Everything one node needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Application name of the node; what it registers with.
    pub name: String,
    /// The cluster it belongs to; empty: none.
    pub cluster: String,
    /// One for each Interaction Server in the application's connections.
    pub links: Vec<LinkSettings>,
    /// The routing scripts it runs.
    pub strategies: Vec<StrategySettings>,
    /// Agents, for target selection.
    pub agents: Vec<AgentSettings>,
    /// Lists that strategies look up: list, item, key, value.
    pub lists: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>,
    /// Business hours, special days and the time zone that strategies look up.
    pub calendar: Calendar,
    /// What reports call objects of the configuration.
    pub objects: Objects,
    /// Options of section `orchestration`, and our own.
    pub options: Options,
}

/// One Interaction Server to connect to.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// Application name of the Interaction Server.
    pub server: String,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Names of the strategies to pull from it (enhanced pulling).
    pub strategies: Vec<String>,
    /// Views to pull from it, all equally (legacy pulling).
    pub views: Vec<ViewSettings>,
}

/// A view that is pulled by its name, because its queue names the strategy (legacy pulling).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewSettings {
    /// What the Interaction Server knows it as.
    pub name: String,
    /// The queue it looks at; for people.
    pub queue: String,
    /// The strategy whose sessions start.
    pub strategy: String,
}

/// A routing script and the plugin that runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrategySettings {
    /// What Interaction Servers know it as, and pulls name.
    pub name: String,
    /// Name in the manifest of the plugin that runs it.
    pub plugin: String,
    /// What `facts.parameter` answers.
    pub parameters: BTreeMap<String, String>,
    /// Sessions of it at once on this node; 0: as many as the node takes.
    pub max_sessions: usize,
    /// Whether it is pulled for.
    pub enabled: bool,
}

/// An agent as target selection sees one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSettings {
    /// Employee id.
    pub id: String,
    /// Skill name and level.
    pub skills: BTreeMap<String, i32>,
    /// Agent groups it is in.
    pub groups: Vec<String>,
}

/// Options of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Rest of a pull after error 42, 83, 107, 108 or 109. Default 120 s, 60 to 3,600.
    pub mcr_pull_after_error_timeout: Duration,
    /// Pause before a view is pulled again that had no more than it gave (legacy pulling). Default 1 s.
    pub mcr_pull_interval: Duration,
    /// Sessions at once on this node, those that wait included. Default 50,000. How many of them are
    /// live is the engine's affair.
    pub max_sessions: usize,
    /// Interactions one pull asks for at the most. Default 100, 1 to 1,000.
    pub pull_count: u32,
    /// Longest a held pull is asked to wait. Default 10 s, 1 to 600.
    pub max_pull_delay: Duration,
    /// Times an interaction may fail in a session before it is put aside. Default 3, 1 to 100.
    pub poison_limit: u32,
    /// Where it is put then. Default `poison`.
    pub poison_queue: String,
    /// Time a shutdown leaves running sessions. Default 10 s.
    pub shutdown_grace: Duration,
    /// How long an agent who rejected an interaction, or let it ring, is not offered it again.
    /// Default 60 s.
    pub rejection_rest: Duration,
    /// First pause before a lost link is tried again; doubles to `reconnect_max`, with jitter. 200 ms.
    pub reconnect_first: Duration,
    /// Longest pause. Default 10 s.
    pub reconnect_max: Duration,
    /// How long a request to a server may take before it fails. Default 30 s. It does not run while the
    /// link is down.
    pub request_timeout: Duration,
    /// How long a request of a strategy waits for a link that is down before it fails. Default 300 s, 1 to 86,400.
    pub link_down_timeout: Duration,
    /// How long what belongs to another node of the cluster may wait in `orchestration_system` before this node
    /// cleans it up in that one's place. Default 300 s, 10 to 86,400.
    pub cleanup_takeover_timeout: Duration,
    /// What is attached to interactions that wait in a virtual queue. Default: all.
    pub report_targets: ReportTargets,
}

impl Settings {
    /// The view that is pulled by name; none: the strategy is.
    pub(crate) fn view(&self, source: Source) -> Option<&ViewSettings> {
        self.links.get(source.link)?.views.get(source.view?)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            mcr_pull_after_error_timeout: Duration::from_secs(120),
            mcr_pull_interval: Duration::from_secs(1),
            max_sessions: 50_000,
            pull_count: 100,
            max_pull_delay: Duration::from_secs(10),
            poison_limit: 3,
            poison_queue: "poison".into(),
            shutdown_grace: Duration::from_secs(10),
            rejection_rest: Duration::from_secs(60),
            reconnect_first: Duration::from_millis(200),
            reconnect_max: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            link_down_timeout: Duration::from_secs(300),
            cleanup_takeover_timeout: Duration::from_secs(300),
            report_targets: ReportTargets::All,
        }
    }
}
