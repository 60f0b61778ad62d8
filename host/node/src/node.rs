//! The node itself: wiring at the start, status, and shutdown.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jackfield_journal::{Journal, MessageRow};
use jackfield_plugins::Plugins;
use jackfield_strategy::{Engine, Gone, Session, SessionEvent, Turn};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::card::Card;
use crate::facts::{Said, StrategyFacts};
use crate::http::Http;
use crate::link::{LinkTask, Stopping};
use crate::live::{self, Live};
use crate::pulling::{Doing, PullScheduler, Source};
use crate::pulls::{self, Pulls};
use crate::recording::{Book, Way};
use crate::recovery;
use crate::settings::Settings;
use crate::shadow::Shadows;
use crate::shared::{Board, Counters, Directory, Shared};
use crate::status::{JournalStatus, LinkStatus, NodeStatus, PullState, PullStatus, ShutdownReport};

/// A running node. Dropping it without [`shutdown`](Node::shutdown) or [`suspend`](Node::suspend) ends its
/// tasks at once, as a crash would: the Interaction Servers keep what it held for a while, and its sessions
/// go on when it is started again over the same journal.
pub struct Node {
    shared: Arc<Shared>,
    started_at: u64,
    links: JoinSet<ShutdownReport>,
    /// Ends with the node.
    _beside: JoinSet<()>,
}

/// Why a node does not start: its settings are wrong, or its journal cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// A link, or one of its views, names a strategy that is not among the settings' strategies.
    #[error("link `{server}` pulls for strategy `{strategy}`, which is not configured; add it to the strategies")]
    UnknownStrategy {
        /// Application name of the Interaction Server.
        server: String,
        /// The name that is not there.
        strategy: String,
    },
    /// Two links, or two strategies, have the same name, or a link names a strategy or a view twice.
    #[error("{what} `{name}` is configured twice; remove one")]
    Duplicate {
        /// `link`, `strategy` or `view`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The sessions of the time before could not be read.
    #[error("the sessions in the journal cannot be read: {0}")]
    Journal(String),
}

/// Why a session was not sent an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no such session on this node, or it takes no more events.
    #[error("there is no such session on this node, or it has ended")]
    Gone,
    /// It was not recorded, and so it was not sent.
    #[error("the event could not be recorded: {0}")]
    Journal(String),
}

impl Node {
    /// Finds the sessions of the time before in the journal, and starts the tasks; returns then, whether or
    /// not the servers can be reached. Without a journal nothing is recorded, and a session ends with the
    /// node.
    ///
    /// # Errors
    /// For settings that contradict themselves, and for a journal that cannot be read; see [`StartError`].
    pub async fn start(
        settings: Settings,
        engine: Engine,
        plugins: Arc<Plugins>,
        journal: Option<Journal>,
    ) -> Result<Node, StartError> {
        let sources = sources(&settings)?;
        let limits: Vec<usize> = settings.strategies.iter().map(|strategy| strategy.max_sessions).collect();
        let mut scheduler = PullScheduler::new(live::pull_options(&settings.options), &limits, sources);
        let strategies = &settings.strategies;
        for (index, strategy) in strategies.iter().enumerate() {
            scheduler.set_enabled(index, strategy.enabled);
        }
        scheduler.set_plugins(
            strategies
                .iter()
                .map(|strategy| strategies.iter().take_while(|other| other.plugin != strategy.plugin).count()),
        );
        let pulls = Arc::new(Pulls::new(scheduler));

        let (shadows, comparing) =
            journal.as_ref().map(|journal| Shadows::new(engine.clone(), plugins.clone(), journal.clone())).unzip();
        let (stop_links, stopped): (Vec<_>, Vec<_>) = settings.links.iter().map(|_| watch::channel(None)).unzip();
        let shared = Arc::new(Shared {
            facts: facts(&settings),
            live: watch::Sender::new(Arc::new(Live::of(&settings))),
            http: Http::default(),
            boards: settings.links.iter().map(|_| Board::default()).collect(),
            engine,
            plugins,
            shadows,
            book: journal.map(Book::new),
            stop: watch::Sender::new(None),
            stop_links,
            pulls,
            directory: Directory::default(),
            counters: Counters::default(),
            settings,
        });
        let (ways, turns): (Vec<Arc<Way>>, Vec<mpsc::Receiver<Turn>>) =
            (0..shared.settings.links.len()).map(|link| Way::new(shared.clone(), link)).unzip();
        let recovered = recovery::recover(&shared, &ways).await;
        let mut recovered = recovered.map_err(|error| StartError::Journal(error.to_string()))?;
        let mut links = JoinSet::new();
        let mut senders = Vec::new();
        for (index, (way, stopped)) in ways.into_iter().zip(turns).zip(stopped).enumerate() {
            // One pull of each source at a time; with as many of a connection before, not yet looked at.
            let sources = shared.settings.links.get(index).map_or(0, |link| link.strategies.len() + link.views.len());
            let (sender, receiver) = mpsc::channel(2 * sources.max(1));
            senders.push(sender);
            if let Some(mut task) = LinkTask::new(shared.clone(), index, receiver, way, stopped) {
                task.take_up(recovered.remove(&index).unwrap_or_default());
                links.spawn(task.run());
            }
        }
        let mut beside = JoinSet::new();
        beside.spawn(pulls::run(
            shared.pulls.clone(),
            senders,
            shared.settings.strategies.clone(),
            shared.plugins.clone(),
            shared.book.as_ref().map(|book| book.journal.health()),
        ));
        if let Some(comparing) = comparing {
            beside.spawn(comparing.run());
        }
        Ok(Node { shared, started_at: jackfield_world::wall_ms(), links, _beside: beside })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The node at this moment.
    pub fn status(&self) -> NodeStatus {
        let shared = &self.shared;
        let settings = &shared.settings;
        NodeStatus {
            name: settings.name.clone(),
            cluster: settings.cluster.clone(),
            started_at: self.started_at,
            pulling: self.shared.stop.borrow().is_none(),
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
                    lacks_orchestration_system: board.lacks_orchestration_system.load(Ordering::Relaxed),
                })
                .collect(),
            pulls: self.pull_status(),
            sessions: shared.directory.status(settings),
            journal: shared.book.as_ref().map(|book| JournalStatus {
                problem: book.problem().unwrap_or_default(),
                recovered: book.recovered.load(Ordering::Relaxed),
                turns: book.turns.load(Ordering::Relaxed),
            }),
            counters: shared.counters.status(),
        }
    }

    fn pull_status(&self) -> Vec<PullStatus> {
        let settings = &self.shared.settings;
        let stopped = self.shared.stop.borrow().is_some();
        let journal = self.shared.book.as_ref().and_then(Book::problem).unwrap_or_default();
        let now = tokio::time::Instant::now().into_std();
        self.shared
            .pulls
            .look(|scheduler| scheduler.status(now))
            .into_iter()
            .map(|(source, doing, problem)| {
                let (state, asked, rest) = match doing {
                    _ if stopped => (PullState::Stopped, 0, Duration::ZERO),
                    Doing::LinkDown => (PullState::LinkDown, 0, Duration::ZERO),
                    Doing::NoPlugin => (PullState::NoPlugin, 0, Duration::ZERO),
                    Doing::Disabled => (PullState::Disabled, 0, Duration::ZERO),
                    Doing::Held => (PullState::JournalDown, 0, Duration::ZERO),
                    Doing::Asked(asked) => (PullState::Pulling, asked, Duration::ZERO),
                    Doing::Full => (PullState::Full, 0, Duration::ZERO),
                    Doing::Resting(rest) => (PullState::Resting, 0, rest),
                    Doing::Paused(rest) => (PullState::Paused, 0, rest),
                };
                let view = settings.view(source);
                PullStatus {
                    server: settings.links.get(source.link).map(|link| link.server.clone()).unwrap_or_default(),
                    strategy: settings.strategies.get(source.strategy).map(|s| s.name.clone()).unwrap_or_default(),
                    queue: view.map(|view| view.queue.clone()).unwrap_or_default(),
                    view: view.map(|view| view.name.clone()).unwrap_or_default(),
                    state,
                    asked,
                    rest_ms: u64::try_from(rest.as_millis()).unwrap_or(u64::MAX),
                    problem: if state == PullState::JournalDown { journal.clone() } else { problem },
                }
            })
            .collect()
    }

    /// Hands a session an event from outside: `message`, with this name and JSON text. When this returns it
    /// is in the journal, where there is one, and the session will get it whatever becomes of the node. A
    /// `key` tells a repeat from another event: what the session was sent with the same key before is not
    /// sent again; none: it is another one.
    ///
    /// # Errors
    /// When there is no such session, or the event could not be recorded; see [`SendError`].
    pub async fn send_event(&self, session: &str, key: Option<&str>, name: &str, data: &str) -> Result<(), SendError> {
        let shared = &self.shared;
        let card = shared.directory.card(session).ok_or(SendError::Gone)?;
        let target = card.session.get().ok_or(SendError::Gone)?;
        let message = |key: String| SessionEvent::Message { key, name: name.to_owned(), data: data.to_owned() };
        let Some(book) = &shared.book else {
            return target.deliver(message(String::new())).map_err(|Gone| SendError::Gone);
        };
        if target.end().is_some() {
            return Err(SendError::Gone);
        }
        let is_given = key.is_some();
        let key = key.map_or_else(jackfield_world::unique_id, str::to_owned);
        let row =
            MessageRow { session: card.id.to_string(), key: key.clone(), name: name.to_owned(), data: data.to_owned() };
        if is_given && !card.told(&key) {
            // It waits for the session to take it, or is about to: by whoever sent it first.
            return book.message(shared, &card, row).await.map_err(|error| SendError::Journal(error.to_string()));
        }
        // Whoever asked may give up waiting: what is recorded is told all the same.
        let (shared, target, event) = (shared.clone(), target.clone(), message(key));
        let sent = tokio::spawn(async move {
            let key = row.key.clone();
            let sent = record_and_send(&shared, &card, &target, row, is_given, event).await;
            if sent != Ok(true) {
                card.took(&key);
            }
            sent
        });
        sent.await.unwrap_or_else(|error| Err(SendError::Journal(error.to_string()))).map(drop)
    }

    /// Returns once the node has stopped by itself, because it cannot record any more and never will; why.
    /// Cancel-safe.
    pub async fn stopped_by_itself(&self) -> String {
        let mut stop = self.shared.stop.subscribe();
        // The sender is ours.
        let _ = stop.wait_for(Option::is_some).await;
        self.shared.book.as_ref().and_then(Book::problem).unwrap_or_default()
    }

    /// Stops pulling, asks the sessions to end, waits for them up to `grace`, ends those that are left,
    /// gives back what they held, closes the links, and commits and closes the journal. Takes at most 5 s
    /// longer than `grace`, and as long as a server takes to say good-bye. Sessions of a server that cannot
    /// be reached go on at the next start.
    pub async fn shutdown(self, grace: Duration) -> ShutdownReport {
        self.end(Stopping::Drain(grace)).await
    }

    /// Stops pulling, stops the sessions where they are, waits up to `grace` for what is under way, closes
    /// the links without giving anything back, and commits and closes the journal. When the node is started
    /// again its sessions go on; the servers keep their interactions for a while. Without a journal this is
    /// [`shutdown`](Self::shutdown).
    pub async fn suspend(self, grace: Duration) -> ShutdownReport {
        let how = if self.shared.book.is_some() { Stopping::Suspend(grace) } else { Stopping::Drain(grace) };
        self.end(how).await
    }

    async fn end(mut self, how: Stopping) -> ShutdownReport {
        self.shared.pulls.tell(PullScheduler::stop);
        self.shared.begin_to_stop(how);
        let mut report = ShutdownReport::default();
        while let Some(ended) = self.links.join_next().await {
            match ended {
                Ok(link) => {
                    report.finished += link.finished;
                    report.killed += link.killed;
                    report.given_back += link.given_back;
                    report.suspended += link.suspended;
                }
                Err(error) => tracing::error!(%error, "a link task broke"),
            }
        }
        if let Some(book) = &self.shared.book {
            book.journal.clone().close().await;
        }
        report
    }
}

/// Whether it was sent; otherwise it was before, and the session has taken it.
async fn record_and_send(
    shared: &Shared,
    card: &Arc<Card>,
    target: &Session,
    row: MessageRow,
    is_given: bool,
    event: SessionEvent,
) -> Result<bool, SendError> {
    let Some(book) = &shared.book else { return Ok(false) };
    let key = row.key.clone();
    book.message(shared, card, row).await.map_err(|error| SendError::Journal(error.to_string()))?;
    if is_given {
        let stored = book.journal.history(&card.id).await.map_err(|error| SendError::Journal(error.to_string()))?;
        let waits = stored.is_some_and(|stored| stored.messages.iter().any(|message| message.key == key));
        if !waits {
            return Ok(false);
        }
    }
    target.deliver(event).map(|()| true).map_err(|Gone| SendError::Gone)
}

impl Drop for Node {
    /// Sessions have tasks of their own, which must not go on without the node.
    fn drop(&mut self) {
        if let Some(book) = &self.shared.book {
            book.close();
        }
        for card in self.shared.directory.take_all().values() {
            if let Some(session) = card.session.get() {
                session.kill("the node is gone");
            }
        }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Node").field("name", &self.shared.settings.name).finish_non_exhaustive()
    }
}

/// What is pulled: for each link its strategies, then its views.
fn sources(settings: &Settings) -> Result<Vec<Source>, StartError> {
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
    let mut sources = Vec::new();
    for (link, of) in settings.links.iter().enumerate() {
        unique("strategy", of.strategies.iter().collect())?;
        unique("view", of.views.iter().map(|view| &view.name).collect())?;
        let strategies = of.strategies.iter().map(|name| (name, None));
        let views = of.views.iter().enumerate().map(|(index, view)| (&view.strategy, Some(index)));
        for (name, view) in strategies.chain(views) {
            let Some(&strategy) = indexes.get(name.as_str()) else {
                return Err(StartError::UnknownStrategy { server: of.server.clone(), strategy: name.clone() });
            };
            sources.push(Source { link, strategy, view });
        }
    }
    Ok(sources)
}

fn facts(settings: &Settings) -> Vec<Arc<StrategyFacts>> {
    let (lists, calendar) = (Arc::new(settings.lists.clone()), Arc::new(settings.calendar.clone()));
    let said = |parameters| Said { lists: lists.clone(), calendar: calendar.clone(), parameters };
    let strategies = settings.strategies.iter();
    strategies.map(|strategy| Arc::new(StrategyFacts::new(said(strategy.parameters.clone())))).collect()
}
