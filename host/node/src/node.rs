//! The node itself: wiring at the start, status, and shutdown.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jackfield_routing::{AgentProfile, Directory as Agents};
use jackfield_strategy::{Engine, Facts, Gone, Plugins, SessionEvent};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::facts::StrategyFacts;
use crate::link::LinkTask;
use crate::pulling::{Doing, PullOptions, PullScheduler};
use crate::pulls::{self, Pulls};
use crate::settings::Settings;
use crate::shared::{Board, Counters, Directory, Shared, wall_clock};
use crate::status::{LinkStatus, NodeStatus, PullState, PullStatus, ShutdownReport};

/// A running node. Dropping it without [`shutdown`](Node::shutdown) ends its tasks at once; the
/// Interaction Servers then take back what it held.
pub struct Node {
    shared: Arc<Shared>,
    started_at: u64,
    stop: watch::Sender<Option<Duration>>,
    links: JoinSet<ShutdownReport>,
    /// Ends with the node.
    _pulls: JoinSet<()>,
}

/// Why a node does not start. All of them are mistakes in its settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// A link names a strategy that is not among the settings' strategies.
    #[error("link `{server}` pulls for strategy `{strategy}`, which is not configured; add it to the strategies")]
    UnknownStrategy {
        /// Application name of the Interaction Server.
        server: String,
        /// The name that is not there.
        strategy: String,
    },
    /// Two links, or two strategies, have the same name, or a link names a strategy twice.
    #[error("{what} `{name}` is configured twice; remove one")]
    Duplicate {
        /// `link` or `strategy`.
        what: &'static str,
        /// The name.
        name: String,
    },
}

impl Node {
    /// Starts the tasks; returns at once, whether or not the servers can be reached.
    ///
    /// # Errors
    /// Only for settings that contradict themselves; see [`StartError`].
    pub async fn start(settings: Settings, engine: Engine, plugins: Arc<Plugins>) -> Result<Node, StartError> {
        let pairs = pairs(&settings)?;
        let options = &settings.options;
        let max_sessions = options.max_sessions.min(engine.capacity()).max(1);
        if max_sessions < options.max_sessions {
            tracing::warn!(
                wanted = options.max_sessions,
                max_sessions,
                "the engine holds fewer sessions than `max-sessions`; pulling slows when they are all in use"
            );
        }
        let pull_options = PullOptions {
            max_sessions,
            pull_count: usize::try_from(options.pull_count).unwrap_or(usize::MAX).max(1),
            max_delay: options.max_pull_delay,
            error_rest: options.mcr_pull_after_error_timeout,
            pause_first: options.reconnect_first,
            pause_max: options.reconnect_max,
        };
        let limits: Vec<usize> = settings.strategies.iter().map(|strategy| strategy.max_sessions).collect();
        let pulls = Arc::new(Pulls::new(PullScheduler::new(pull_options, &limits, &pairs)));

        let shared = Arc::new(Shared {
            facts: facts(&settings),
            boards: settings.links.iter().map(|_| Board::default()).collect(),
            engine,
            plugins,
            pulls,
            directory: Directory::default(),
            counters: Counters::default(),
            settings,
        });
        let (stop, stopped) = watch::channel(None);
        let mut links = JoinSet::new();
        let mut senders = Vec::new();
        for index in 0..shared.settings.links.len() {
            // One pull a strategy at a time; with as many of a connection before, not yet looked at.
            let (sender, receiver) = mpsc::channel(2 * shared.settings.strategies.len().max(1));
            senders.push(sender);
            let agents = agents(&shared.settings);
            if let Some(task) = LinkTask::new(shared.clone(), index, agents, receiver, stopped.clone()) {
                links.spawn(task.run());
            }
        }
        let mut pulling = JoinSet::new();
        pulling.spawn(pulls::run(
            shared.pulls.clone(),
            senders,
            shared.settings.strategies.clone(),
            shared.plugins.clone(),
        ));
        Ok(Node { shared, started_at: wall_clock(), stop, links, _pulls: pulling })
    }

    /// The node at this moment.
    pub fn status(&self) -> NodeStatus {
        let shared = &self.shared;
        let settings = &shared.settings;
        NodeStatus {
            name: settings.name.clone(),
            cluster: settings.cluster.clone(),
            started_at: self.started_at,
            pulling: self.stop.borrow().is_none(),
            links: settings
                .links
                .iter()
                .zip(&shared.boards)
                .map(|(link, board)| LinkStatus {
                    server: link.server.clone(),
                    up: board.up.load(Ordering::Relaxed),
                    connections: board.connections.load(Ordering::Relaxed),
                    problem: board.problem(),
                    interactions: board.interactions.load(Ordering::Relaxed),
                    waiting_for_target: board.waiting.load(Ordering::Relaxed),
                    agents: board.agents.load(Ordering::Relaxed),
                })
                .collect(),
            pulls: self.pull_status(),
            sessions: shared.directory.status(settings),
            counters: shared.counters.status(),
        }
    }

    fn pull_status(&self) -> Vec<PullStatus> {
        let settings = &self.shared.settings;
        let stopped = self.stop.borrow().is_some();
        let now = tokio::time::Instant::now().into_std();
        self.shared
            .pulls
            .look(|scheduler| scheduler.status(now))
            .into_iter()
            .map(|(link, strategy, doing, problem)| {
                let (state, asked, rest) = match doing {
                    _ if stopped => (PullState::Stopped, 0, Duration::ZERO),
                    Doing::LinkDown => (PullState::LinkDown, 0, Duration::ZERO),
                    Doing::NoPlugin => (PullState::NoPlugin, 0, Duration::ZERO),
                    Doing::Asked(asked) => (PullState::Pulling, asked, Duration::ZERO),
                    Doing::Full => (PullState::Full, 0, Duration::ZERO),
                    Doing::Resting(rest) => (PullState::Resting, 0, rest),
                };
                PullStatus {
                    server: settings.links.get(link).map(|link| link.server.clone()).unwrap_or_default(),
                    strategy: settings.strategies.get(strategy).map(|s| s.name.clone()).unwrap_or_default(),
                    state,
                    asked,
                    rest_ms: u64::try_from(rest.as_millis()).unwrap_or(u64::MAX),
                    problem,
                }
            })
            .collect()
    }

    /// Hands a running session an event from outside: `message`, with this name and JSON text.
    ///
    /// # Errors
    /// [`Gone`] when there is no such session on this node, or it takes no more events.
    pub fn send_event(&self, session: &str, name: &str, data: &str) -> Result<(), Gone> {
        let session = self.shared.directory.session(session).ok_or(Gone)?;
        session.deliver(SessionEvent::Message { name: name.to_owned(), data: data.to_owned() })
    }

    /// Stops pulling, asks the sessions to end, waits for them up to `grace`, ends those that are left,
    /// gives back what they held, and closes the links. Takes at most 5 s longer than `grace`, and as
    /// long as a server takes to say good-bye.
    pub async fn shutdown(mut self, grace: Duration) -> ShutdownReport {
        self.shared.pulls.tell(PullScheduler::stop);
        self.stop.send_replace(Some(grace));
        let mut report = ShutdownReport::default();
        while let Some(ended) = self.links.join_next().await {
            match ended {
                Ok(link) => {
                    report.finished += link.finished;
                    report.killed += link.killed;
                    report.given_back += link.given_back;
                }
                Err(error) => tracing::error!(%error, "a link task broke"),
            }
        }
        report
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Node").field("name", &self.shared.settings.name).finish_non_exhaustive()
    }
}

/// Link and strategy of each pull, by index.
fn pairs(settings: &Settings) -> Result<Vec<(usize, usize)>, StartError> {
    let unique = |what, names: Vec<&String>| {
        let mut seen = HashSet::new();
        match names.into_iter().find(|name| !seen.insert(*name)) {
            Some(name) => Err(StartError::Duplicate { what, name: name.clone() }),
            None => Ok(()),
        }
    };
    unique("strategy", settings.strategies.iter().map(|strategy| &strategy.name).collect())?;
    unique("link", settings.links.iter().map(|link| &link.server).collect())?;
    let indexes: BTreeMap<&str, usize> =
        settings.strategies.iter().enumerate().map(|(index, strategy)| (strategy.name.as_str(), index)).collect();
    let mut pairs = Vec::new();
    for (link, of) in settings.links.iter().enumerate() {
        unique("strategy", of.strategies.iter().collect())?;
        for name in &of.strategies {
            let Some(strategy) = indexes.get(name.as_str()) else {
                return Err(StartError::UnknownStrategy { server: of.server.clone(), strategy: name.clone() });
            };
            pairs.push((link, *strategy));
        }
    }
    Ok(pairs)
}

fn facts(settings: &Settings) -> Vec<Arc<dyn Facts>> {
    let lists = Arc::new(settings.lists.clone());
    settings
        .strategies
        .iter()
        .map(|strategy| -> Arc<dyn Facts> {
            Arc::new(StrategyFacts { lists: lists.clone(), parameters: strategy.parameters.clone() })
        })
        .collect()
}

fn agents(settings: &Settings) -> Agents {
    settings
        .agents
        .iter()
        .map(|agent| {
            let profile = AgentProfile { skills: agent.skills.clone(), groups: agent.groups.iter().cloned().collect() };
            (agent.id.clone(), profile)
        })
        .collect()
}
