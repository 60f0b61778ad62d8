//! Between sessions and the journal: what a session does becomes rows, and rows become its history.
//!
//! A session's own task calls its [`Card`] at the end of each turn: the turn goes to the journal, and once
//! it is there its requests go to the link task. A turn that asked for nothing, and took nothing that waits
//! in the journal, is handed over and not waited for.
//!
//! Without a journal turns go to the link task alone, and nothing is kept.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jackfield_journal::{Durable, Entry, Journal, MessageRow, SessionRow, StoredSession, Urgency};
use jackfield_strategy::{
    EndReason, History, Input, JournalError, Plugin, RecordError, Recording, Request, SessionEnd, SessionEvent, Turn,
};
use tokio::sync::{Notify, mpsc};

use crate::card::Card;
use crate::endings::LEFT_BEHIND;
use crate::requests::request_key;
use crate::shared::{Shared, count};

/// The node's journal, and what has been recorded there by this process.
pub(crate) struct Book {
    pub journal: Journal,
    /// Nothing more may be recorded: the node is gone.
    closed: AtomicBool,
    /// Digests of plugins that are recorded.
    components: Mutex<HashSet<String>>,
    /// Held by whoever records a plugin: once is enough.
    keeping: tokio::sync::Mutex<()>,
    pub turns: AtomicU64,
    pub recovered: AtomicU64,
}

impl Book {
    pub fn new(journal: Journal) -> Book {
        Book {
            journal,
            closed: AtomicBool::new(false),
            components: Mutex::default(),
            keeping: tokio::sync::Mutex::default(),
            turns: AtomicU64::new(0),
            recovered: AtomicU64::new(0),
        }
    }

    /// Why it does not record at this moment.
    pub fn problem(&self) -> Option<String> {
        self.journal.health().borrow().clone()
    }

    /// Nothing is recorded from here on.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Whether nothing is recorded any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Sees to it that the bytes of this plugin are in the journal, so that its sessions can be rebuilt
    /// after its file was replaced.
    pub async fn keep(&self, plugin: &Plugin) {
        if self.is_kept(plugin.digest()) {
            return;
        }
        let _keeping = self.keeping.lock().await;
        if self.is_kept(plugin.digest()) {
            return;
        }
        if self.journal.has_component(plugin.digest()).await == Ok(true) {
            // From the time before.
            return self.is_there(plugin.digest());
        }
        let component = Entry::Component {
            digest: plugin.digest().to_owned(),
            name: plugin.name().to_owned(),
            version: plugin.version().to_owned(),
            bytes: plugin.bytes().to_vec(),
        };
        drop(self.journal.append(vec![component], Urgency::Lazy).await);
        self.is_there(plugin.digest());
    }

    /// It is in the journal already.
    pub fn is_there(&self, digest: &str) {
        self.components.lock().unwrap_or_else(PoisonError::into_inner).insert(digest.to_owned());
    }

    fn is_kept(&self, digest: &str) -> bool {
        self.components.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    /// Records, with the beginning of those sessions whose beginning is not recorded yet.
    async fn append(
        &self,
        shared: &Shared,
        about: &[&Card],
        mut entries: Vec<Entry>,
        urgency: Urgency,
    ) -> Result<Durable, JournalError> {
        let mut begun = Vec::new();
        for card in about {
            if let Some(origin) = card.begin() {
                self.keep(&card.plugin()).await;
                entries.insert(0, Entry::Begin(begin(shared, card, &origin)));
                begun.push(card);
            }
        }
        if self.is_closed() {
            return Err(JournalError("the node is gone".into()));
        }
        let durable = self.journal.append(entries, urgency).await;
        // Another may have recorded the same beginning meanwhile, which changes nothing.
        for card in begun {
            card.begun();
        }
        Ok(durable)
    }

    /// Keeps a message from outside until its session has taken it.
    pub async fn message(&self, shared: &Shared, to: &Card, message: MessageRow) -> Result<(), JournalError> {
        let durable = self.append(shared, &[to], vec![Entry::Message(message)], Urgency::Now).await?;
        self.durable(shared, durable).await
    }

    /// A session goes on with another version from here on.
    pub async fn moved(&self, shared: &Shared, card: &Card, to: &Plugin) -> Result<(), JournalError> {
        self.keep(to).await;
        let moved = Entry::Moved { session: card.id.clone(), digest: to.digest().into(), version: to.version().into() };
        let durable = self.append(shared, &[card], vec![moved], Urgency::Now).await?;
        self.durable(shared, durable).await
    }

    /// Whether this node still is the one that writes; another may have taken over while it was not there.
    pub async fn check(&self, shared: &Shared) {
        let durable = self.journal.append(Vec::new(), Urgency::Now).await;
        // It was told where it matters.
        let _ = self.durable(shared, durable).await;
    }

    /// Waits for it to be on disk.
    async fn durable(&self, shared: &Shared, durable: Durable) -> Result<(), JournalError> {
        durable.await.map_err(|closed| {
            shared.journal_is_over(&closed.reason);
            JournalError(closed.to_string())
        })
    }

    /// Records how a session ended. `left_behind`: with an interaction in its hands.
    pub async fn end(&self, shared: &Shared, card: Arc<Card>, end: SessionEnd, left_behind: bool) {
        let idle = left_behind && end.reason == EndReason::Finished;
        let entry = Entry::End {
            session: card.id.clone(),
            at: milliseconds(jackfield_world::wall_ms()),
            outcome: if idle { LEFT_BEHIND.to_owned() } else { end.reason.to_string() },
            failed: idle || end.reason.is_failure(),
            last: end.failed_turn.map(|turn| turn.encode()),
        };
        // Where it is not recorded the session is found again at the next start, and ends again.
        if let Err(error) = self.append(shared, &[&card], vec![entry], Urgency::Lazy).await {
            tracing::debug!(%error, "the end of a session is not recorded");
        }
    }
}

/// Turns of sessions that wait for the link task.
pub(crate) const TURNS_WAITING: usize = 256;

/// The way of the sessions of a link to the journal and to the link task.
pub(crate) struct Way {
    shared: Arc<Shared>,
    /// Index of the link.
    pub link: usize,
    turns: mpsc::Sender<Turn>,
    /// Sessions that have ended, and that the link task has not looked at.
    ended: Mutex<Vec<Arc<str>>>,
    changed: Notify,
}

impl Way {
    /// With the end of it where turns come out.
    pub fn new(shared: Arc<Shared>, link: usize) -> (Arc<Way>, mpsc::Receiver<Turn>) {
        let (sender, turns) = mpsc::channel(TURNS_WAITING);
        let way = Way { shared, link, turns: sender, ended: Mutex::default(), changed: Notify::new() };
        (Arc::new(way), turns)
    }

    /// Waits for sessions to end. Cancel-safe.
    pub async fn ended(&self) -> Vec<Arc<str>> {
        loop {
            let ended = std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner));
            if !ended.is_empty() {
                return ended;
            }
            self.changed.notified().await;
        }
    }
}

impl Card {
    async fn take(&self, turn: Turn) -> Result<(), JournalError> {
        if let Some(book) = &self.way.shared.book {
            self.write(book, &turn).await?;
        }
        self.turn_ended(turn.number, turn.due_at);
        if turn.requests.is_empty() {
            return Ok(());
        }
        self.way.turns.send(turn).await.map_err(|_| JournalError("the node is stopping".into()))
    }

    async fn write(&self, book: &Book, turn: &Turn) -> Result<(), JournalError> {
        let taken = match &turn.input {
            Input::Event(SessionEvent::Message { key, .. }) if !key.is_empty() => Some(key.clone()),
            _ => None,
        };
        let shared = &self.way.shared;
        let mut others = Vec::new();
        let mut sends = Vec::new();
        for (request, what) in &turn.requests {
            if let Request::SendEvent { session, name, data } = what {
                others.extend(shared.directory.card(session).filter(|card| card.id != self.id));
                sends.push(MessageRow {
                    session: session.clone(),
                    key: request_key(&self.id, *request, ""),
                    name: name.clone(),
                    data: data.clone(),
                });
            }
        }
        // What leaves, what will not come again, and what is over, is on disk before anybody goes on.
        let waits = !turn.requests.is_empty() || taken.is_some() || turn.last;
        let entry = Entry::Turn {
            session: self.id.clone(),
            number: turn.number,
            record: turn.encode(),
            due_at: turn.due_at.map(milliseconds),
            checkpoint: turn.checkpoint.as_ref().map(|checkpoint| checkpoint.encode()),
            taken: taken.clone(),
            sends,
        };
        let urgency = if waits { Urgency::Now } else { Urgency::Lazy };
        let about: Vec<&Card> = std::iter::once(self).chain(others.iter().map(Arc::as_ref)).collect();
        let durable = book.append(shared, &about, vec![entry], urgency).await?;
        if waits {
            book.durable(shared, durable).await?;
        }
        if let Some(key) = taken {
            self.took(&key);
        }
        count(&book.turns);
        Ok(())
    }
}

impl jackfield_strategy::Journal for Card {
    fn record(&self, turn: Turn) -> Recording<'_, ()> {
        Box::pin(self.take(turn))
    }

    fn history<'a>(&'a self, session: &'a str) -> Recording<'a, History> {
        Box::pin(async move {
            let Some(book) = &self.way.shared.book else {
                return Err(JournalError("nothing is recorded on this node".into()));
            };
            match book.journal.history(session).await {
                Ok(Some(stored)) => history_of(&stored).map_err(|error| JournalError(error.to_string())),
                Ok(None) => Err(JournalError("it is not in the journal".into())),
                Err(error) => Err(JournalError(error.to_string())),
            }
        })
    }

    fn keeps(&self) -> bool {
        self.way.shared.book.is_some()
    }

    fn ended(&self) {
        self.way.ended.lock().unwrap_or_else(PoisonError::into_inner).push(self.id.clone());
        self.way.changed.notify_one();
    }
}

/// A session as it is read back.
///
/// # Errors
/// When a record is damaged, or of a newer version.
pub(crate) fn history_of(stored: &StoredSession) -> Result<History, RecordError> {
    let checkpoint = stored.checkpoint.as_ref().map(|checkpoint| checkpoint.record.as_slice());
    History::decode(&stored.row.origin, checkpoint, stored.records.iter().map(|(_, record)| record.as_slice()))
}

fn begin(shared: &Shared, card: &Card, origin: &[u8]) -> SessionRow {
    let settings = &shared.settings;
    let plugin = card.plugin();
    SessionRow {
        id: card.id.clone(),
        strategy: settings.strategies.get(card.strategy).map(|strategy| strategy.name.clone()).unwrap_or_default(),
        plugin: plugin.name().to_owned(),
        version: plugin.version().to_owned(),
        digest: plugin.digest().to_owned(),
        server: settings.links.get(card.way.link).map(|link| link.server.clone()).unwrap_or_default(),
        interaction: card.interaction.to_string(),
        started_at: milliseconds(card.started_at),
        origin: origin.to_vec(),
    }
}

/// As the journal counts time.
pub(crate) fn milliseconds(wall: u64) -> i64 {
    i64::try_from(wall).unwrap_or(i64::MAX)
}
