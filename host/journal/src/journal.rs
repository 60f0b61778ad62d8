//! The handle of an open journal: appends, reads, health, end.
//!
//! Owns the writer thread and the connection that reads. Everything appended passes one lock, which
//! gives it its place in the order and is held for no longer than that takes; the disk is waited for
//! on other threads only.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use jackfield_store::{GroupCommit, GroupedWrite};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::committer::{Committer, Progress};
use crate::persistent::{Closing, Persistent, SharedReader};
use crate::waiting::Waiting;
use crate::{Entry, JournalReader, JournalStore, JournalWriter, StoreError, StoredSession};

/// How long a lazy append waits at most for others to be committed with.
pub const LAZY: Duration = Duration::from_millis(20);
/// Pause between two looks for finished sessions that are too old.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// How a journal is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// Name of the node, for people who ask who the owner is.
    pub node: String,
    /// How long finished sessions are kept; default 7 days.
    pub retention: Duration,
    /// Turns kept from before a session's last checkpoint, for people and replays; default 1,000.
    pub history_turns: u64,
}

impl JournalSettings {
    /// The defaults, for the node of that name.
    pub fn new(node: impl Into<String>) -> JournalSettings {
        JournalSettings { node: node.into(), retention: Duration::from_secs(7 * 24 * 60 * 60), history_turns: 1_000 }
    }
}

/// How soon appended entries must be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody waits: they are committed, with all that has gathered, as soon as the disk is free.
    Now,
    /// They go along with the next commit somebody waits for, or are committed within [`LAZY`].
    Lazy,
}

/// The journal takes nothing any more: it was closed, or it failed for good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal takes nothing any more: {reason}")]
pub struct JournalClosed {
    /// Why, for people.
    pub reason: String,
}

/// When appended entries are on disk. Dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "await it, or drop it where nobody needs to know"]
pub struct Durable(oneshot::Receiver<Result<(), JournalClosed>>);

impl Future for Durable {
    type Output = Result<(), JournalClosed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.0).poll(context);
        answer.map(|answer| answer.unwrap_or_else(|_| Err(JournalClosed { reason: "it was closed".into() })))
    }
}

/// An open journal. Clones are the same one. Dropping the last of them commits what was appended and
/// blocks meanwhile; [`Journal::close`] does so without blocking.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    name: String,
    writing: Mutex<Option<Writing>>,
    waiting: Arc<Waiting>,
    reader: SharedReader,
    health: watch::Receiver<Option<String>>,
    closing: Arc<Closing>,
    /// Who commits and reads does so where it is called, and has no thread.
    is_in_place: bool,
}

struct Writing {
    committer: Box<dyn Committer>,
    /// Sequence number of what was appended last.
    sequence: u64,
    prune_next: Instant,
    /// How long finished sessions are kept.
    retention: Duration,
}

impl Journal {
    /// Opens the journal, becomes its owner, and starts the writer thread. Blocks until that is done.
    ///
    /// # Errors
    /// See [`StoreError`]; [`StoreError::is_retriable`] tells whether trying again later can help.
    pub fn open(mut store: Box<dyn JournalStore>, settings: JournalSettings) -> Result<Journal, StoreError> {
        let (name, retention) = (store.name(), settings.retention);
        let opened = store.open(&settings, None)?;
        tracing::info!(journal = name, epoch = opened.epoch, "the journal is open");
        let reader: SharedReader = Arc::new(tokio::sync::Mutex::new(opened.reader));
        let closing = Arc::new(Closing::default());
        let (health_sender, health) = watch::channel(None);
        let waiting = Arc::new(Waiting::new());
        let writer = Persistent {
            store,
            settings,
            epoch: opened.epoch,
            writer: Some(opened.writer),
            last: Vec::new(),
            reader: reader.clone(),
            health: health_sender.clone(),
            closing: closing.clone(),
        };
        let (done, journal) = (waiting.clone(), name.clone());
        let group = GroupCommit::start(Box::new(writer), move |result| match result {
            Ok(sequence) => done.durable(sequence),
            Err(error) => {
                tracing::error!(journal, %error, "the journal is over: nothing more is recorded");
                health_sender.send_replace(Some(error.to_string()));
                done.fail(error);
            }
        })
        .map_err(|error| StoreError::Io {
            path: name.clone().into(),
            detail: format!("no thread to write it: {error}"),
        })?;
        let writing = Mutex::new(Some(Writing::new(Box::new(group), retention)));
        let is_in_place = false;
        Ok(Journal(Arc::new(Inner { name, writing, waiting, reader, health, closing, is_in_place })))
    }

    /// The same without threads, for a world in which everything happens in its order: `committer` is made
    /// over the writer, and reads happen where they are asked for. It decides when something is on disk;
    /// retrying what fails is its affair.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open_in_place(
        mut store: Box<dyn JournalStore>,
        settings: JournalSettings,
        committer: impl FnOnce(JournalWriter, Progress) -> Box<dyn Committer>,
    ) -> Result<Journal, StoreError> {
        let opened = store.open(&settings, None)?;
        let (health_sender, health) = watch::channel(None);
        let waiting = Arc::new(Waiting::new());
        let committer = committer(opened.writer, Progress { waiting: waiting.clone(), health: health_sender });
        Ok(Journal(Arc::new(Inner {
            name: store.name(),
            writing: Mutex::new(Some(Writing::new(committer, settings.retention))),
            waiting,
            reader: Arc::new(tokio::sync::Mutex::new(opened.reader)),
            health,
            closing: Arc::new(Closing::default()),
            is_in_place: true,
        })))
    }

    /// Records entries: all of one call are in one commit, and what was appended earlier is never
    /// durable later. They are handed over, in their place, when this returns; [`Durable`] tells when
    /// they are on disk.
    ///
    /// It waits only for room: while as much is not durable yet as may gather (32 MiB), which is how a
    /// slow or full disk holds its writers back; whoever waits first gets room first. Dropped while it
    /// waits, nothing was appended.
    pub async fn append(&self, entries: Vec<Entry>, urgency: Urgency) -> Durable {
        let bytes = entries.iter().map(GroupedWrite::bytes).sum();
        let room = self.0.waiting.room(bytes).await;
        Durable(self.0.hand_over(entries, urgency, room))
    }

    /// How it is: `None` while writes work, else why they wait, for people. They are tried again until
    /// they work; after a failure for good the text stays.
    pub fn health(&self) -> watch::Receiver<Option<String>> {
        self.0.health.clone()
    }

    /// Finished sessions are kept for so long from here on; the next append has those removed that are too old.
    pub fn set_retention(&self, retention: Duration) {
        if let Some(writing) = self.0.writing().as_mut() {
            (writing.retention, writing.prune_next) = (retention, Instant::now());
        }
    }

    /// A session with the turns since its checkpoint, as of everything appended so far: what is not
    /// durable yet is waited for, for as long as that takes.
    ///
    /// # Errors
    /// See [`StoreError`]; that of the writer where the journal has failed for good.
    pub async fn history(&self, session: &str) -> Result<Option<StoredSession>, StoreError> {
        if self.0.waiting.is_changing(session)? {
            self.flush().await?;
        }
        let session = session.to_owned();
        self.read(move |reader| reader.session(&session)).await
    }

    /// Ids of all sessions that have not ended, in the order they began; as of everything appended so far.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn unfinished(&self) -> Result<Vec<Arc<str>>, StoreError> {
        self.flush().await?;
        self.read(|reader| reader.unfinished()).await
    }

    /// These sessions, in that order, each with the turns since its checkpoint, as [`history`](Self::history)
    /// gives one; those that are not there are left out. Ask for as many as you have room for.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn histories(&self, sessions: Vec<Arc<str>>) -> Result<Vec<StoredSession>, StoreError> {
        self.flush().await?;
        self.read(move |reader| {
            let mut found = Vec::with_capacity(sessions.len());
            for id in sessions {
                if let Some(mut stored) = reader.session(&id)? {
                    // One copy of the id is enough.
                    stored.row.id = id;
                    found.push(stored);
                }
            }
            Ok(found)
        })
        .await
    }

    /// Bytes of a component; as of everything appended so far.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn component(&self, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.flush().await?;
        let digest = digest.to_owned();
        self.read(move |reader| reader.component(&digest)).await
    }

    /// Whether a component is there; it stays at least until the journal is opened the next time.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn has_component(&self, digest: &str) -> Result<bool, StoreError> {
        self.flush().await?;
        let digest = digest.to_owned();
        self.read(move |reader| reader.has_component(&digest)).await
    }

    /// Commits what was appended, through all its handles, and ends the writer thread. While the disk
    /// takes no writes it is tried for five seconds more; what is not durable then never is, and its
    /// [`Durable`] says so. Appends that come later are refused.
    pub async fn close(self) {
        if self.0.is_in_place {
            // What fails is told to whoever appended it.
            let _ = self.flush().await;
        }
        self.0.closing.begin();
        let writing = self.0.writing().take();
        if self.0.is_in_place {
            drop(writing);
        } else if let Some(writing) = writing {
            // Dropped, it waits for its thread.
            let ended = tokio::task::spawn_blocking(move || drop(writing)).await;
            if let Err(error) = ended {
                tracing::error!(journal = self.0.name, %error, "the journal did not end in good order");
            }
        }
        self.0.waiting.close();
    }

    /// Waits until everything appended so far is durable.
    async fn flush(&self) -> Result<(), StoreError> {
        if self.0.waiting.is_empty()? {
            return Ok(());
        }
        let _durable = self.0.hand_over(Vec::new(), Urgency::Now, 0).await;
        self.0.waiting.is_empty().map(drop)
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn JournalReader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut reader = self.0.reader.clone().lock_owned().await;
        if self.0.is_in_place {
            return work(reader.as_mut());
        }
        let read = tokio::task::spawn_blocking(move || work(reader.as_mut())).await;
        read.unwrap_or_else(|error| {
            Err(StoreError::Refused { path: self.0.name.clone().into(), detail: format!("reading failed: {error}") })
        })
    }
}

impl Inner {
    /// A panic elsewhere leaves it whole: it is changed in single steps.
    fn writing(&self) -> MutexGuard<'_, Option<Writing>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives entries their place in the order and passes them to the writer thread.
    fn hand_over(
        &self,
        entries: Vec<Entry>,
        urgency: Urgency,
        room: u32,
    ) -> oneshot::Receiver<Result<(), JournalClosed>> {
        let (done, durable) = oneshot::channel();
        let mut writing = self.writing();
        // Without a writer `done` is dropped, which says that the journal is closed.
        if let Some(writing) = writing.as_mut() {
            writing.sequence += 1;
            if self.waiting.expect(writing.sequence, &entries, room, done) {
                let within = match urgency {
                    Urgency::Now => Duration::ZERO,
                    Urgency::Lazy => LAZY,
                };
                writing.committer.hand_over(writing.sequence, entries, within);
                writing.prune();
            }
        }
        durable
    }
}

impl Writing {
    fn new(committer: Box<dyn Committer>, retention: Duration) -> Writing {
        Writing { committer, sequence: 0, prune_next: Instant::now(), retention }
    }

    /// Lets finished sessions that are too old be removed, now and then.
    fn prune(&mut self) {
        let now = Instant::now();
        if now >= self.prune_next {
            self.prune_next = now + PRUNE_EVERY;
            let before = jackfield_world::wall().saturating_sub(self.retention).as_millis();
            self.committer.prune_before(i64::try_from(before).unwrap_or(i64::MAX));
        }
    }
}

impl Drop for Inner {
    /// The writer thread is waited for when its handle is dropped, after this.
    fn drop(&mut self) {
        self.closing.begin();
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Journal").field("name", &self.0.name).field("health", &*self.0.health.borrow()).finish()
    }
}
