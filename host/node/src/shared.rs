//! What the links of a node share: settings, the engine, the journal, the pull scheduler, the directory
//! of sessions, and counters. None of its locks is held across an await.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::time::Duration;

use jackfield_plugins::Plugins;
use jackfield_strategy::{Engine, Session};
use tokio::sync::watch;

use crate::by_id::ById;
use crate::card::Card;
use crate::facts::{LinkFacts, StrategyFacts};
use crate::http::Http;
use crate::link::Stopping;
use crate::live::Live;
use crate::pulling::PullScheduler;
use crate::pulls::Pulls;
use crate::recording::Book;
use crate::selections::SharedSelection;
use crate::settings::{Settings, StrategySettings};
use crate::shadow::Shadows;
use crate::status::{CounterStatus, SessionStatus};

pub(crate) struct Shared {
    /// As they were at the start. What may have changed since is `live`, not this.
    pub settings: Settings,
    pub live: watch::Sender<Arc<Live>>,
    pub engine: Engine,
    pub plugins: Arc<Plugins>,
    /// Where ended sessions are compared; none: they are not recorded.
    pub shadows: Option<Shadows>,
    /// Where sessions are recorded; none: nowhere.
    pub book: Option<Book>,
    /// How the node stops, once it does.
    pub stop: watch::Sender<Option<Stopping>>,
    /// The same, for each link: those who wait at one channel are woken in an order that is chance.
    pub stop_links: Vec<watch::Sender<Option<Stopping>>>,
    pub pulls: Arc<Pulls>,
    /// What strategies look up, one for each strategy, in their order.
    pub facts: Vec<Arc<StrategyFacts>>,
    /// The same as sessions of each link have it.
    pub link_facts: Vec<Vec<Arc<LinkFacts>>>,
    /// Target selection of each link.
    pub selections: Vec<SharedSelection>,
    pub http: Http,
    pub directory: Directory,
    pub counters: Counters,
    pub boards: Vec<Board>,
}

impl Shared {
    /// The journal is over, or somebody else's: whatever sessions do from here on would not have happened.
    /// They are stopped where they are, and the links are closed, which leaves the interactions to whoever
    /// goes on with them.
    pub fn journal_is_over(&self, reason: &str) {
        let is_first = self.stop.send_if_modified(|stop| {
            let goes_on = stop.is_none();
            stop.get_or_insert(Stopping::Suspend(Duration::ZERO));
            goes_on
        });
        if is_first {
            self.tell_links(Stopping::Suspend(Duration::ZERO));
            self.pulls.tell(PullScheduler::stop);
            tracing::error!(reason, "the journal is over: this node stops, and its sessions with it");
        }
    }

    /// What sessions of this strategy look up on this link.
    pub fn facts_of(&self, link: usize, strategy: usize) -> Option<Arc<LinkFacts>> {
        self.link_facts.get(link)?.get(strategy).cloned()
    }

    /// What is configured now.
    pub fn live(&self) -> Arc<Live> {
        self.live.borrow().clone()
    }

    /// How long a request may take now.
    pub fn request_timeout(&self) -> Duration {
        self.live.borrow().options.request_timeout
    }

    /// The node stops, so.
    pub fn begin_to_stop(&self, how: Stopping) {
        self.stop.send_replace(Some(how));
        self.tell_links(how);
    }

    fn tell_links(&self, how: Stopping) {
        for link in &self.stop_links {
            link.send_replace(Some(how));
        }
    }

    pub fn strategy(&self, index: usize) -> Option<&StrategySettings> {
        self.settings.strategies.get(index)
    }
}

/// All sessions of the node.
#[derive(Default)]
pub(crate) struct Directory(Mutex<ById<Arc<Card>>>);

impl Directory {
    pub fn insert(&self, card: Arc<Card>) {
        self.lock().insert(card);
    }

    pub fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    pub fn card(&self, id: &str) -> Option<Arc<Card>> {
        self.lock().get(id).cloned()
    }

    pub fn session(&self, id: &str) -> Option<Session> {
        self.lock().get(id)?.session.get().cloned()
    }

    /// The oldest first: ids sort by time.
    pub fn all(&self) -> Vec<Arc<Card>> {
        let mut all: Vec<Arc<Card>> = self.lock().values().cloned().collect();
        all.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        all
    }

    /// Forgets them all; these they were.
    pub fn take_all(&self) -> ById<Arc<Card>> {
        std::mem::take(&mut *self.lock())
    }

    pub fn status(&self, settings: &Settings) -> Vec<SessionStatus> {
        self.all()
            .iter()
            .map(|card| (card, card.plugin()))
            .map(|(card, plugin)| SessionStatus {
                id: card.id.to_string(),
                strategy: settings.strategies.get(card.strategy).map(|s| s.name.clone()).unwrap_or_default(),
                plugin: plugin.name().to_owned(),
                plugin_version: plugin.version().to_owned(),
                interaction: card.interaction.to_string(),
                server: settings.links.get(card.way.link).map(|link| link.server.clone()).unwrap_or_default(),
                started_at: card.started_at,
                turns: card.turns(),
                waits_for: card.waits_for(),
                due_at: card.due_at(),
                state: card.state(),
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, ById<Arc<Card>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a link task shows of itself.
#[derive(Default)]
pub(crate) struct Board {
    pub up: AtomicBool,
    pub connections: AtomicU64,
    pub problem: Mutex<String>,
    pub interactions: AtomicUsize,
    pub waiting: AtomicUsize,
    pub agents: AtomicUsize,
    pub lacks_orchestration_system: AtomicBool,
}

impl Board {
    pub fn set_problem(&self, problem: &str) {
        problem.clone_into(&mut self.problem.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn problem(&self) -> String {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts since the node started.
#[derive(Default)]
pub(crate) struct Counters {
    pub pulled: AtomicU64,
    pub finished: AtomicU64,
    pub failed: AtomicU64,
    pub ended_by_node: AtomicU64,
    pub given_back: AtomicU64,
    pub poisoned: AtomicU64,
    pub delivered: AtomicU64,
    pub not_accepted: AtomicU64,
    pub requests: AtomicU64,
    pub cleaned_up: AtomicU64,
    pub taken_over: AtomicU64,
}

impl Counters {
    pub fn status(&self) -> CounterStatus {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CounterStatus {
            pulled: read(&self.pulled),
            finished: read(&self.finished),
            failed: read(&self.failed),
            ended_by_node: read(&self.ended_by_node),
            given_back: read(&self.given_back),
            poisoned: read(&self.poisoned),
            delivered: read(&self.delivered),
            not_accepted: read(&self.not_accepted),
            requests: read(&self.requests),
            cleaned_up: read(&self.cleaned_up),
            taken_over: read(&self.taken_over),
        }
    }
}

/// Counts one more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
