//! The sessions of one link and what they hold: starting them, reaching them, and the affinity from
//! interactions to them.
//!
//! A session is in the table from the moment its interaction was pulled, or the node found it in its
//! journal, until everything it held has gone somewhere (`endings`). Most of them wait, so there is
//! little of each.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jackfield_protocol::v1::{EventPulledInteractions, PulledInteraction};
use jackfield_routing::RouteId;
use jackfield_strategy::contract::{self, Failure, KvPair, KvValue, Outcome};
use jackfield_strategy::{From as Begins, Origin, Request, Session, SessionEnd, SessionEvent, SessionStart};

use crate::by_id::HasId;
use crate::card::Card;
use crate::held::Held;
use crate::link::LinkTask;
use crate::pulling::Pull;
use crate::shared::count;

/// Messages a session made of which it is remembered who made them.
const MESSAGES_REMEMBERED: usize = 64;

pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One session.
pub(crate) struct Running {
    pub card: Arc<Card>,
    pub held: Vec<Held>,
    /// Waits for a target, by the request that asked.
    pub routes: Vec<(u64, RouteId)>,
    /// Messages made, and the server to ask to send them.
    pub messages: Vec<(String, MessageServer)>,
    /// It was asked to stop: what it leaves behind is no failure.
    pub stopping: bool,
    /// It was told that its link, or what it holds, was lost, and has asked for nothing over the link since: what
    /// it leaves behind is no failure either.
    pub is_excused: bool,
    pub end: Option<Box<SessionEnd>>,
    /// Interactions are being given back.
    pub settling: bool,
}

/// Where a message is made or sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MessageServer {
    /// Application name.
    Named(String),
    /// Any server of this media type.
    OfMedia(String),
}

impl HasId for Box<Running> {
    fn id(&self) -> &str {
        &self.card.id
    }
}

impl Running {
    pub fn new(card: Arc<Card>, held: Vec<Held>) -> Running {
        Running {
            card,
            held,
            routes: Vec::new(),
            messages: Vec::new(),
            stopping: false,
            is_excused: false,
            end: None,
            settling: false,
        }
    }

    pub fn holds(&self, interaction: &str) -> Option<&Held> {
        self.held.iter().find(|held| *held.id == *interaction)
    }

    pub fn held_mut(&mut self, interaction: &str) -> Option<&mut Held> {
        self.held.iter_mut().find(|held| *held.id == *interaction)
    }

    pub fn tell(&self, event: SessionEvent) {
        if let Some(session) = self.card.session.get() {
            // A session that has ended does not need to know.
            let _ = session.deliver(event);
        }
    }

    /// These, and nothing between them.
    pub fn tell_all(&self, events: impl IntoIterator<Item = SessionEvent>) {
        if let Some(session) = self.card.session.get() {
            let _ = session.deliver_all(events);
        }
    }

    /// A request has this outcome, unless it had one before.
    pub fn done(&mut self, request: u64, outcome: Outcome) {
        let Some(asked) = self.card.answered(request) else { return };
        if let Request::UpdateUserData { interaction, .. }
        | Request::DeleteUserData { interaction, .. }
        | Request::AttachVirtualQueue { interaction, .. } = &asked.request
            && let Some(held) = self.held_mut(interaction)
        {
            held.known = 0;
        }
        self.tell(SessionEvent::RequestDone { request, outcome });
    }

    /// A request failed, unless it had an outcome before.
    pub fn failed(&mut self, request: u64, failure: Failure) {
        if self.card.answered(request).is_some() {
            self.tell(SessionEvent::RequestFailed { request, failure });
        }
    }

    pub fn kill(&self, reason: &str) {
        if let Some(session) = self.card.session.get() {
            session.kill(reason);
        }
    }

    pub fn route(&self, request: u64) -> Option<RouteId> {
        self.routes.iter().find(|(of, _)| *of == request).map(|(_, route)| *route)
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
        let plugin = self.shared.strategy(pull.source.strategy).map(|strategy| strategy.plugin.clone());
        let plugin = plugin.filter(|name| self.stopping.is_none() && self.shared.plugins.get(name).is_some());
        let wanted = if plugin.is_some() { interactions.len().min(pull.count) } else { 0 };
        let counts = self.shared.pulls.tell(|pulls| pulls.answered(pull.id, self.now, wanted));
        if counts.is_some_and(|counted| counted.again) {
            self.is_pulled_again(pull);
        }
        let surplus = interactions.split_off(if counts.is_some() { wanted } else { 0 });
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
            match self.shared.plugins.start(&plugin) {
                Some(version) => self.start(pull.source.strategy, version, pulled),
                // It is tried with one session, or something happened to it at this moment.
                None => {
                    self.shared.pulls.tell(|pulls| pulls.session_ended(pull.source.strategy));
                    if let Some(interaction) = pulled.interaction {
                        self.give_back_unstarted(interaction.interaction_id);
                    }
                }
            }
        }
    }

    fn is_being_delivered(&self, pulled: &PulledInteraction) -> bool {
        pulled.interaction.as_ref().is_some_and(|interaction| self.deliveries.contains_key(&interaction.interaction_id))
    }

    /// Starts the session of one interaction. Room for it is counted already.
    fn start(&mut self, strategy: usize, plugin: jackfield_strategy::Plugin, pulled: PulledInteraction) {
        let (Some(interaction), Some(facts)) = (pulled.interaction, self.shared.facts_of(self.index, strategy)) else {
            self.shared.plugins.left(&plugin);
            self.shared.pulls.tell(|pulls| pulls.session_ended(strategy));
            return;
        };
        // The server took it back from another session of ours. This answer has overtaken the revocation.
        if self.interactions.contains_key(interaction.interaction_id.as_str()) {
            self.lost(&interaction.interaction_id, "the interaction server took it back");
            self.overtaken.insert(interaction.interaction_id.clone());
        }
        let interaction = contract::interaction(interaction, Some(pulled.view));
        let held = self.names.hold(&interaction);
        let origin = Origin::new(parameters(&pulled.submitter), vec![interaction]);
        let id: Arc<str> = jackfield_world::unique_id().into();
        let (way, interaction) = (self.way.clone(), held.id.clone());
        let card = Card::new(id.clone(), strategy, way, plugin.clone(), interaction, origin.started_at);
        if self.shared.book.is_some() {
            card.begins(origin.encode());
        }
        let card = Arc::new(card);
        self.enter(Running::new(card.clone(), vec![held]));
        let session = self.shared.engine.start(SessionStart {
            id: id.clone(),
            plugin,
            facts,
            journal: card.clone(),
            from: Begins::Origin(Box::new(origin)),
        });
        // The only place that sets it for a session that begins.
        let _ = card.session.set(session);
    }

    /// A session is in the tables from here on, with what it holds.
    pub(crate) fn enter(&mut self, running: Running) {
        let id = running.card.id.clone();
        for held in &running.held {
            self.interactions.insert(held.id.clone(), id.clone());
        }
        self.shared.directory.insert(running.card.clone());
        self.sessions.insert(Box::new(running));
    }

    /// These sessions are over.
    pub(crate) fn over(&mut self, sessions: Vec<Arc<str>>) {
        for id in sessions {
            let running = self.sessions.get(&id);
            if let Some(end) = running.and_then(|running| running.card.session.get()).and_then(Session::end) {
                self.ended(&id, end);
            }
        }
    }

    /// The session that holds this interaction.
    pub(crate) fn holder(&mut self, interaction: &str) -> Option<&mut Running> {
        self.sessions.get_mut(self.interactions.get(interaction)?).map(Box::as_mut)
    }

    /// The session no longer holds it.
    pub(crate) fn release(&mut self, interaction: &str) {
        self.overtaken.remove(interaction);
        self.selection().forget_interaction(self.link_id(), interaction);
        if let Some(session) = self.interactions.remove(interaction)
            && let Some(running) = self.sessions.get_mut(&session)
        {
            running.held.retain(|held| *held.id != *interaction);
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
        if let Some(session) = self.interactions.get(interaction).cloned() {
            self.withdraw(&session, interaction);
        }
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
