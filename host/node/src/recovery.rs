//! The sessions of the time before: found in the journal when the node starts, and taken up where they
//! were.
//!
//! A session is taken up by what is recorded of it, without running its strategy: what it holds, what it
//! has asked for without an outcome, when it is due. It is passive until it has something to do. One that
//! cannot be taken up is ended, with the reason; its interaction is not reclaimed, and so goes back to its
//! queue.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jackfield_journal::{Entry, MessageRow, StoreError, StoredSession, Urgency};
use jackfield_strategy::contract::Outcome;
use jackfield_strategy::{
    EndReason, From as Begins, History, Input, Plugin, Request, Resumed, SessionEnd, SessionEvent, SessionStart,
};

use crate::card::Card;
use crate::failures::HostError;
use crate::held::{Held, Names};
use crate::link::LinkTask;
use crate::recording::{Book, Way, history_of, milliseconds};
use crate::sessions::{MessageServer, Running};
use crate::shared::Shared;
use crate::virtual_queues::Waits;

/// Sessions that are read at once: what is recorded of them is in memory then.
const AT_ONCE: usize = 256;
/// How often a long recovery tells how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// A session that goes on.
pub(crate) struct Recovered {
    card: Card,
    held: Vec<Held>,
    messages: Vec<(String, MessageServer)>,
    resumed: Resumed,
    /// What it is told first.
    events: Vec<SessionEvent>,
    /// Its last turn is recorded: what is left is to settle what it left behind.
    is_over: bool,
    /// It was asked to stop.
    stopping: bool,
}

/// What one link goes on with.
#[derive(Default)]
pub(crate) struct Found {
    pub sessions: Vec<Recovered>,
    /// Waits in virtual queues of sessions that cannot go on.
    pub left_open: Vec<Waits>,
}

/// Everything that has not ended, by link.
///
/// # Errors
/// When the journal cannot be read.
pub(crate) async fn recover(shared: &Shared, ways: &[Arc<Way>]) -> Result<HashMap<usize, Found>, StoreError> {
    let Some(book) = &shared.book else { return Ok(HashMap::new()) };
    let mut by_link: HashMap<usize, Found> = HashMap::new();
    let unfinished = book.journal.unfinished().await?;
    let total = unfinished.len();
    let (began, mut told) = (Instant::now(), Instant::now());
    let (mut plugins, mut names) = (Pinned::new(shared), Names::default());
    let mut sessions = Vec::with_capacity(total);
    for (page, ids) in unfinished.chunks(AT_ONCE).enumerate() {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tracing::info!(done = page * AT_ONCE, total, "taking up the sessions in the journal");
        }
        for stored in book.journal.histories(ids.to_vec()).await? {
            let id = stored.row.id.clone();
            match take_up(book, ways, &mut plugins, &mut names, &stored).await {
                Ok(session) => sessions.push(session),
                Err(reason) => {
                    if let Some((link, waits)) = left_open(shared, &stored) {
                        by_link.entry(link).or_default().left_open.extend(waits);
                    }
                    tracing::error!(session = &*id, reason, "a session in the journal cannot go on; it ends");
                    let outcome = format!("it could not go on: {reason}");
                    let at = milliseconds(jackfield_world::wall_ms());
                    let end = Entry::End { session: id, at, outcome, failed: true, last: None };
                    drop(book.journal.append(vec![end], Urgency::Lazy).await);
                }
            }
        }
    }
    leave_to_the_later(&mut sessions);
    answer_sent_events(book, &mut sessions).await?;
    for strategy in &shared.settings.strategies {
        if let Some(plugin) = shared.plugins.get(&strategy.plugin) {
            book.keep(&plugin).await;
        }
    }
    if total > 0 {
        let (sessions, ended) = (sessions.len(), total - sessions.len());
        tracing::info!(sessions, ended, took = ?began.elapsed(), "the sessions in the journal go on");
    }
    book.recovered.store(u64::try_from(sessions.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
    for session in sessions {
        by_link.entry(session.card.way.link).or_default().sessions.push(session);
    }
    Ok(by_link)
}

/// Plugins by digest: those that are loaded, and those the journal keeps.
struct Pinned<'a> {
    shared: &'a Shared,
    found: BTreeMap<String, Result<Plugin, String>>,
}

impl<'a> Pinned<'a> {
    fn new(shared: &'a Shared) -> Pinned<'a> {
        Pinned { shared, found: BTreeMap::new() }
    }

    async fn get(&mut self, book: &Book, stored: &StoredSession) -> Result<Plugin, String> {
        let digest = &stored.row.digest;
        if let Some(found) = self.found.get(digest) {
            return found.clone();
        }
        if let Some(plugin) = self.shared.plugins.version(digest) {
            self.found.insert(digest.clone(), Ok(plugin.clone()));
            return Ok(plugin);
        }
        let name = format!("{} {} (from the journal)", stored.row.plugin, stored.row.version);
        let found = match book.journal.component(digest).await {
            Ok(Some(bytes)) => self.shared.engine.load_bytes(&name, &bytes).await.map_err(|error| error.to_string()),
            Ok(None) => Err(format!("{name}: neither the journal nor the plugins folder has this version")),
            Err(error) => Err(error.to_string()),
        };
        if found.is_ok() {
            book.is_there(digest);
        }
        self.found.insert(digest.clone(), found.clone());
        found
    }
}

async fn take_up(
    book: &Book,
    ways: &[Arc<Way>],
    plugins: &mut Pinned<'_>,
    names: &mut Names,
    stored: &StoredSession,
) -> Result<Recovered, String> {
    let row = &stored.row;
    let settings = &plugins.shared.settings;
    let index = |what: &str, name: &str, found: Option<usize>| {
        found.ok_or_else(|| format!("{what} `{name}` is not configured any more"))
    };
    let strategy = settings.strategies.iter().position(|strategy| strategy.name == row.strategy);
    let strategy = index("strategy", &row.strategy, strategy)?;
    let link = settings.links.iter().position(|link| link.server == row.server);
    let link = index("the link to interaction server", &row.server, link)?;
    let way = ways.get(link).ok_or("its link is gone")?.clone();
    let history = history_of(stored).map_err(|error| error.to_string())?;
    let plugin = plugins.get(book, stored).await?;
    let standing = history.standing();
    let held: Vec<Held> = standing.held().iter().map(|interaction| names.hold(interaction)).collect();
    let first = held.iter().find(|held| *held.id == *row.interaction);
    let interaction = first.map_or_else(|| row.interaction.as_str().into(), |held| held.id.clone());
    let card = Card::new(row.id.clone(), strategy, way, plugin, interaction, history.origin.started_at);
    card.turn_ended(standing.turns(), stored.due_at.and_then(|due_at| u64::try_from(due_at).ok()));
    for (request, pending) in standing.waiting() {
        card.asked(*request, pending.clone());
    }
    let mut events = Vec::with_capacity(stored.messages.len());
    for MessageRow { key, name, data, .. } in &stored.messages {
        card.told(key);
        events.push(SessionEvent::Message { key: key.clone(), name: name.clone(), data: data.clone() });
    }
    let stop = |turn: &jackfield_strategy::Turn| matches!(turn.input, Input::Event(SessionEvent::StopRequested(_)));
    Ok(Recovered {
        card,
        held,
        messages: messages_made(&history),
        resumed: standing.resumed(),
        events,
        is_over: history.turns.last().is_some_and(|turn| turn.last),
        stopping: history.turns.iter().any(stop),
    })
}

/// Waits in virtual queues that a session has not ended, and the link they are to be ended over.
fn left_open(shared: &Shared, stored: &StoredSession) -> Option<(usize, Vec<Waits>)> {
    let link = shared.settings.links.iter().position(|link| link.server == stored.row.server)?;
    let history = history_of(stored).ok()?;
    let standing = history.standing();
    let waits = standing.waiting().iter().filter_map(|(request, pending)| match &pending.request {
        Request::Route(route) => Waits::of(&stored.row.id, *request, route),
        _ => None,
    });
    Some((link, waits.collect()))
}

/// Messages it made since its last checkpoint, and who made them for it.
fn messages_made(history: &History) -> Vec<(String, MessageServer)> {
    let mut asked = HashMap::new();
    let mut made = Vec::new();
    for turn in &history.turns {
        if let Input::Event(SessionEvent::RequestDone { request, outcome: Outcome::MessageCreated(id) }) = &turn.input
            && let Some(server) = asked.remove(request)
        {
            made.push((id.clone(), server));
        }
        for (request, what) in &turn.requests {
            if let Request::CreateMessage(message) = what {
                let named = message.server.clone().map(MessageServer::Named);
                asked.insert(*request, named.unwrap_or_else(|| MessageServer::OfMedia(message.media.clone())));
            }
        }
    }
    made
}

/// An interaction that a later session began with is not the earlier one's any more.
fn leave_to_the_later(sessions: &mut [Recovered]) {
    let mut later = HashSet::new();
    for session in sessions.iter_mut().rev() {
        let link = session.card.way.link;
        let is_lost = |interaction: &mut Held| later.contains(&(link, interaction.id.clone()));
        let lost: Vec<Held> = session.held.extract_if(.., is_lost).collect();
        for interaction in lost {
            if session.card.find(|request| hands_on(request, &interaction.id)).is_some() {
                // It has put it there itself: the server is asked, and the outcome is what it waits for.
                continue;
            }
            let (interaction, reason) = (interaction.id.to_string(), "another session has it".to_owned());
            session.events.push(SessionEvent::InteractionNotControlled { interaction, reason });
        }
        later.insert((link, session.card.interaction.clone()));
        later.extend(session.held.iter().map(|interaction| (link, interaction.id.clone())));
    }
}

/// Whether a request, once it is carried out, leaves the interaction to others.
fn hands_on(request: &Request, id: &str) -> bool {
    match request {
        Request::PlaceInQueue { interaction, .. } | Request::Deliver { interaction, .. } => interaction == id,
        Request::Route(route) => route.interaction == id && route.deliver,
        _ => false,
    }
}

/// A message to another session was recorded with the turn that sent it, and is told from there: its sender
/// only has to know.
async fn answer_sent_events(book: &Book, sessions: &mut [Recovered]) -> Result<(), StoreError> {
    let going_on: HashSet<Arc<str>> = sessions.iter().map(|session| session.card.id.clone()).collect();
    for session in sessions {
        for request in session.card.waiting(|request| matches!(request, Request::SendEvent { .. })) {
            let Some(asked) = session.card.answered(request) else { continue };
            let Request::SendEvent { session: to, .. } = &asked.request else { continue };
            let is_known = going_on.contains(to.as_str()) || book.journal.history(to).await?.is_some();
            session.events.push(if is_known {
                SessionEvent::RequestDone { request, outcome: Outcome::Done }
            } else {
                let failure = HostError::SessionUnknown.with(format!("there is no session `{to}` on this node"));
                SessionEvent::RequestFailed { request, failure }
            });
        }
    }
    Ok(())
}

impl LinkTask {
    /// What was found goes on.
    pub(crate) fn take_up(&mut self, found: Found) {
        for session in found.sessions {
            self.restore(session);
        }
        for waits in found.left_open {
            self.wait_is_left_open(&waits);
        }
    }

    /// A session goes on.
    fn restore(&mut self, recovered: Recovered) {
        let Recovered { card, held, messages, resumed, events, is_over, stopping } = recovered;
        let Some(facts) = self.shared.facts.get(card.strategy).cloned() else { return };
        let card = Arc::new(card);
        self.shared.pulls.tell(|pulls| pulls.resumed(card.strategy));
        self.shared.plugins.resumed(&card.plugin());
        let mut running = Running::new(card.clone(), held);
        running.stopping = stopping;
        for (interaction, server) in messages {
            running.remember_message(interaction, server);
        }
        if is_over {
            let end =
                SessionEnd { reason: EndReason::Finished, turns: card.turns(), cpu: Duration::ZERO, failed_turn: None };
            running.end = Some(Box::new(end));
            card.set_state(crate::status::SessionState::Ending);
            self.enter(running);
            self.fetch_again(&card.id);
            // Without a connection nothing is given back: this only forgets one that left nothing behind.
            self.settle(&card.id);
            return;
        }
        self.enter(running);
        let session = self.shared.engine.start(SessionStart {
            id: card.id.clone(),
            plugin: card.plugin(),
            facts,
            journal: card.clone(),
            from: Begins::Journal { started_at: card.started_at, resumed },
        });
        for event in events {
            // One that ends at once does not need to know.
            let _ = session.deliver(event);
        }
        // The only place that sets it for a session that goes on.
        let _ = card.session.set(session);
        self.fetch_again(&card.id);
    }
}
