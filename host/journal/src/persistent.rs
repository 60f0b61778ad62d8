//! Writes that do not give up: where the disk does not take them, the journal is opened again and the
//! same entries are written again, until it works.
//!
//! What was committed last is written again, too: a disk that fails while it syncs may have said that it did and not have
//! done it (ext4 does, when an error turns it read-only at that moment). Every entry may be written twice.
//!
//! It ends when the failure is one that no waiting cures, or when the journal is being closed and its
//! last chance has passed.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jackfield_store::{Pruned, Writer};
use tokio::sync::watch;

use crate::{Entry, JournalReader, JournalSettings, JournalStore, JournalWriter, StoreError};

/// First pause before a journal that failed is opened again; it doubles up to [`RETRY_MOST`].
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// Longest such pause.
const RETRY_MOST: Duration = Duration::from_secs(5);
/// How long a journal that is being closed still tries.
const LAST_CHANCE: Duration = Duration::from_secs(5);
/// Rows a pruning removes while there is no writer to ask: it only paces it.
const PRUNE_CHUNK: u64 = 2_048;

/// The connection that reads, replaced whenever the journal is opened again.
pub(crate) type SharedReader = Arc<tokio::sync::Mutex<Box<dyn JournalReader>>>;

/// A writer over a journal that may have to be opened again.
pub(crate) struct Persistent {
    pub(crate) store: Box<dyn JournalStore>,
    pub(crate) settings: JournalSettings,
    pub(crate) epoch: u64,
    /// None: a write has failed since it was opened.
    pub(crate) writer: Option<JournalWriter>,
    /// What was committed last, unless something else has reached the disk after it.
    pub(crate) last: Vec<Entry>,
    pub(crate) reader: SharedReader,
    pub(crate) health: watch::Sender<Option<String>>,
    pub(crate) closing: Arc<Closing>,
}

impl Writer for Persistent {
    type Write = Entry;

    fn commit(&mut self, writes: &[Entry]) -> Result<(), StoreError> {
        self.persist(|writer| writer.commit(writes))
    }

    fn committed(&mut self, writes: Vec<Entry>) {
        // Nothing reaches the disk for a commit of nothing.
        if !writes.is_empty() {
            self.last = writes;
        }
    }

    fn prune(&mut self, before: i64) -> Result<Pruned, StoreError> {
        let pruned = self.persist(|writer| writer.prune(before))?;
        // Sessions of it may be gone, and this has reached the disk after it.
        if pruned.removed > 0 {
            self.last = Vec::new();
        }
        Ok(pruned)
    }

    fn prune_chunk(&self) -> u64 {
        self.writer.as_ref().map_or(PRUNE_CHUNK, |writer| writer.prune_chunk())
    }
}

impl Persistent {
    /// Does `work` until it succeeds. It may be done twice where its outcome was not known.
    fn persist<T>(
        &mut self,
        work: impl Fn(&mut dyn Writer<Write = Entry>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut pause = RETRY_FIRST;
        loop {
            let error = match self.attempt(&work) {
                Ok(value) => {
                    self.is_well();
                    return Ok(value);
                }
                Err(error) => error,
            };
            // What happened to its transaction is for the next opening to find out.
            self.writer = None;
            if !error.is_retriable() {
                return Err(error);
            }
            self.is_ill(&error);
            if !self.closing.pause(pause) {
                return Err(error);
            }
            pause = RETRY_MOST.min(pause * 2);
        }
    }

    fn attempt<T>(
        &mut self,
        work: impl Fn(&mut dyn Writer<Write = Entry>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => {
                let opened = self.store.open(&self.settings, Some(self.epoch))?;
                *self.reader.blocking_lock() = opened.reader;
                let mut writer = opened.writer;
                if !self.last.is_empty() {
                    writer.commit(&self.last)?;
                }
                writer
            }
        };
        let value = work(writer.as_mut())?;
        self.writer = Some(writer);
        Ok(value)
    }

    fn is_ill(&self, error: &StoreError) {
        let text = error.to_string();
        let is_news = self.health.borrow().as_ref() != Some(&text);
        if is_news {
            tracing::warn!(journal = self.store.name(), error = text, "the journal cannot be written, sessions wait");
            self.health.send_replace(Some(text));
        }
    }

    fn is_well(&self) {
        let was_ill = self.health.borrow().is_some();
        if was_ill {
            tracing::info!(journal = self.store.name(), "the journal can be written again");
            self.health.send_replace(None);
        }
    }
}

/// Whether the journal is being closed, and until when it still tries.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    until: Mutex<Option<Instant>>,
    begun: Condvar,
}

impl Closing {
    /// From now on there is one last chance.
    pub(crate) fn begin(&self) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.get_or_insert_with(|| Instant::now() + LAST_CHANCE);
        self.begun.notify_all();
    }

    /// Sleeps; the beginning of the end wakes it. Returns whether to try again.
    fn pause(&self, pause: Duration) -> bool {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let was_closing = until.is_some();
        let wake = Instant::now() + if was_closing { RETRY_FIRST } else { pause };
        loop {
            let rest = wake.saturating_duration_since(Instant::now());
            if rest.is_zero() || until.is_some() != was_closing {
                return until.is_none_or(|until| Instant::now() < until);
            }
            until = self.begun.wait_timeout(until, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
