//! The sessions of one link and what they hold: starting them, reaching them, and the affinity from
//! interactions to them.
//!
//! A session is in the table from the moment its interaction was pulled until everything it held has
//! gone somewhere (`endings`).

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use jackfield_protocol::v1::{EventPulledInteractions, PulledInteraction};
use jackfield_routing::RouteId;
use jackfield_strategy::contract::{self, Failure, KvPair, KvValue, Outcome};
use jackfield_strategy::{Session, SessionEnd, SessionEvent, SessionStart};
use uuid::Uuid;

use crate::link::LinkTask;
use crate::pulling::Pull;
use crate::shared::{Card, count, wall_clock};
use crate::status::SessionState;

/// User data key: how often the interaction has failed in a session.
pub(crate) const FAILURES_KEY: &str = "JackfieldFailures";
/// User data key: why it failed the last time.
pub(crate) const FAILURE_REASON_KEY: &str = "JackfieldFailureReason";

/// Messages a session made of which it is remembered who made them.
const MESSAGES_REMEMBERED: usize = 64;

pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One session.
pub(crate) struct Running {
    pub card: Arc<Card>,
    pub held: Vec<Held>,
    /// Requests that have not been answered, deliveries included. A wait for a target is not one.
    pub unanswered: usize,
    /// Waits for a target, by the request that asked.
    pub routes: HashMap<u64, RouteId>,
    /// Messages made, and the server to ask to send them.
    messages: Vec<(String, MessageServer)>,
    /// Events that came before its instance had room.
    early: Vec<SessionEvent>,
    /// It was asked to stop: what it leaves behind is no failure.
    pub stopping: bool,
    /// It is to be killed, and its instance has no room yet.
    killed: Option<String>,
    pub end: Option<SessionEnd>,
    /// Interactions are being given back.
    pub settling: bool,
}

/// An interaction a session holds.
pub(crate) struct Held {
    pub id: String,
    pub queue: String,
    pub media_type: String,
    pub received_at: i64,
    pub failures: i32,
    /// It waits for a target, or is being delivered.
    pub busy: bool,
}

/// Where a message is made or sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MessageServer {
    /// Application name.
    Named(String),
    /// Any server of this media type.
    OfMedia(String),
}

impl Running {
    pub fn holds(&self, interaction: &str) -> Option<&Held> {
        self.held.iter().find(|held| held.id == interaction)
    }

    pub fn held_mut(&mut self, interaction: &str) -> Option<&mut Held> {
        self.held.iter_mut().find(|held| held.id == interaction)
    }

    pub fn tell(&mut self, event: SessionEvent) {
        match self.card.session.get() {
            // A session that has ended does not need to know.
            Some(session) => {
                let _ = session.deliver(event);
            }
            None => self.early.push(event),
        }
    }

    pub fn done(&mut self, request: u64, outcome: Outcome) {
        self.tell(SessionEvent::RequestDone { request, outcome });
    }

    pub fn failed(&mut self, request: u64, failure: Failure) {
        self.tell(SessionEvent::RequestFailed { request, failure });
    }

    pub fn kill(&mut self, reason: &str) {
        match self.card.session.get() {
            Some(session) => session.kill(reason),
            None => self.killed = Some(reason.to_owned()),
        }
    }

    pub fn remember_message(&mut self, interaction: String, server: MessageServer) {
        if self.messages.len() >= MESSAGES_REMEMBERED {
            self.messages.remove(0);
        }
        self.messages.push((interaction, server));
    }

    pub fn message_server(&self, interaction: &str) -> Option<MessageServer> {
        self.messages.iter().find(|(id, _)| id == interaction).map(|(_, server)| server.clone())
    }
}

impl LinkTask {
    /// A pull was answered.
    pub(crate) fn pulled(&mut self, pull: Pull, answer: EventPulledInteractions) {
        self.held_pulls.retain(|(id, _)| *id != pull.id);
        // One that was on its way to an agent, and that our own pull took back before we asked for it.
        let (again, mut interactions): (Vec<_>, Vec<_>) =
            answer.interactions.into_iter().partition(|pulled| self.is_being_delivered(pulled));
        let plugin = self
            .shared
            .strategy(pull.strategy)
            .and_then(|strategy| self.shared.plugins.get(&strategy.plugin))
            .filter(|_| self.stopping.is_none());
        let wanted = if plugin.is_some() { interactions.len().min(pull.count) } else { 0 };
        let counts = self.shared.pulls.tell(|pulls| pulls.answered(pull.id, self.now, wanted));
        let surplus = interactions.split_off(if counts { wanted } else { 0 });
        if !surplus.is_empty() {
            tracing::debug!(server = self.server, count = surplus.len(), "giving back interactions that cannot start");
        }
        for interaction in surplus.into_iter().filter_map(|pulled| pulled.interaction) {
            self.give_back_unstarted(interaction.interaction_id);
        }
        for interaction in again.into_iter().filter_map(|pulled| pulled.interaction) {
            let id = interaction.interaction_id.clone();
            self.show_change(interaction);
            self.returned(id, true);
        }
        let Some(plugin) = plugin else { return };
        for pulled in interactions {
            count(&self.shared.counters.pulled);
            self.start(pull.strategy, &plugin, pulled);
        }
    }

    fn is_being_delivered(&self, pulled: &PulledInteraction) -> bool {
        pulled.interaction.as_ref().is_some_and(|interaction| self.deliveries.contains_key(&interaction.interaction_id))
    }

    /// Starts the session of one interaction. Room for it is counted already.
    fn start(&mut self, strategy: usize, plugin: &jackfield_strategy::Plugin, pulled: PulledInteraction) {
        let Some(interaction) = pulled.interaction else {
            self.shared.pulls.tell(|pulls| pulls.session_ended(strategy));
            return;
        };
        // The server took it back from another session of ours. This answer has overtaken the revocation.
        if self.interactions.contains_key(&interaction.interaction_id) {
            self.lost(&interaction.interaction_id, "the interaction server took it back");
            self.overtaken.insert(interaction.interaction_id.clone());
        }
        let id: Arc<str> = Uuid::now_v7().simple().to_string().into();
        let user_data = interaction.user_data.as_ref();
        let held = Held {
            id: interaction.interaction_id.clone(),
            queue: interaction.queue.clone(),
            media_type: interaction.media_type.clone(),
            received_at: interaction.received_at,
            failures: user_data.and_then(|data| data.integer(FAILURES_KEY)).unwrap_or(0),
            busy: false,
        };
        let card = Arc::new(Card {
            id: id.clone(),
            strategy,
            link: self.index,
            plugin: plugin.name().to_owned(),
            plugin_version: plugin.version().to_owned(),
            interaction: interaction.interaction_id.clone(),
            started_at: wall_clock(),
            turns: 0.into(),
            state: (SessionState::Running as u8).into(),
            session: OnceLock::new(),
        });
        self.interactions.insert(held.id.clone(), id.clone());
        self.shared.directory.insert(card.clone());
        self.sessions.insert(
            id.clone(),
            Running {
                card,
                held: vec![held],
                unanswered: 0,
                routes: HashMap::new(),
                messages: Vec::new(),
                early: Vec::new(),
                stopping: false,
                killed: None,
                end: None,
                settling: false,
            },
        );
        let Some(facts) = self.shared.facts.get(strategy).cloned() else { return };
        let start = SessionStart {
            id: id.to_string(),
            plugin: plugin.clone(),
            parameters: parameters(&pulled.submitter),
            interactions: vec![contract::interaction(interaction, Some(pulled.view))],
            facts,
            turns: self.turns_sender.clone(),
            checkpoint: None,
        };
        let engine = self.shared.engine.clone();
        let mut starting: Boxed<(Arc<str>, Session)> = Box::pin(async move { (id, engine.start(start).await) });
        // There is room, as a rule.
        match starting.as_mut().now_or_never() {
            Some((id, session)) => self.started(id, session),
            None => self.starting.push(starting),
        }
    }

    /// The session's instance has room: it runs.
    pub(crate) fn started(&mut self, id: Arc<str>, session: Session) {
        let Some(running) = self.sessions.get_mut(&id) else {
            session.kill("nobody waits for it");
            return;
        };
        let ended = session.clone();
        for event in std::mem::take(&mut running.early) {
            // As in `Running::tell`.
            let _ = session.deliver(event);
        }
        if let Some(reason) = running.killed.take() {
            session.kill(&reason);
        }
        // The only place that sets it.
        let _ = running.card.session.set(session);
        self.ends.push(Box::pin(async move { (id, ended.ended().await) }));
    }

    /// The session that holds this interaction.
    pub(crate) fn holder(&mut self, interaction: &str) -> Option<&mut Running> {
        self.sessions.get_mut(self.interactions.get(interaction)?)
    }

    /// The session no longer holds it.
    pub(crate) fn release(&mut self, interaction: &str) {
        self.overtaken.remove(interaction);
        if let Some(session) = self.interactions.remove(interaction)
            && let Some(running) = self.sessions.get_mut(&session)
        {
            running.held.retain(|held| held.id != interaction);
        }
    }

    /// The same, unless another session has it by now.
    pub(crate) fn release_from(&mut self, session: &Arc<str>, interaction: &str) {
        if self.interactions.get(interaction) == Some(session) {
            self.release(interaction);
        }
    }

    /// It is no longer the session's, and the session did not bring that about.
    pub(crate) fn lost(&mut self, interaction: &str, reason: &str) {
        if let Some(running) = self.holder(interaction) {
            running.tell(SessionEvent::InteractionNotControlled {
                interaction: interaction.to_owned(),
                reason: reason.to_owned(),
            });
        }
        self.release(interaction);
    }

    /// Shows what the link holds.
    pub(crate) fn show(&self) {
        if let Some(board) = self.shared.boards.get(self.index) {
            board.interactions.store(self.interactions.len(), Ordering::Relaxed);
            board.waiting.store(self.routes.len(), Ordering::Relaxed);
            board.agents.store(self.agents.len(), Ordering::Relaxed);
        }
    }
}

/// What a session is told of where it comes from.
fn parameters(submitter: &str) -> Vec<KvPair> {
    if submitter.is_empty() {
        return Vec::new();
    }
    vec![KvPair { key: "Submitter".to_owned(), value: KvValue::Text(submitter.to_owned()) }]
}
