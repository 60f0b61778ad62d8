//! What a database must do to hold a journal.

use std::sync::Arc;

use jackfield_store::Writer;

use crate::{Entry, JournalSettings, StoreError, StoredSession};

/// A database that can be opened, and opened again after a failure.
pub trait JournalStore: Send {
    /// What and where it is, for people: `SQLite /var/lib/jackfield/journal.db`.
    fn name(&self) -> String;

    /// Opens it, bringing an older format up to date, and becomes its owner.
    ///
    /// With `held` the caller goes on with the epoch it was given before: that only works while
    /// nobody else has become the owner since. Without, the epoch counts up, durable before this
    /// returns, so that whoever was the owner writes nothing more; and components that no session
    /// refers to are removed, which is safe at no later time: somebody may be about to refer to one.
    ///
    /// # Errors
    /// See [`StoreError`]; [`StoreError::is_retriable`] tells whether opening again later can help.
    fn open(&mut self, settings: &JournalSettings, held: Option<u64>) -> Result<Opened, StoreError>;
}

/// An open journal: one half writes, the other reads, each on a thread of its own.
pub struct Opened {
    /// Writes.
    pub writer: JournalWriter,
    /// Reads what has been committed.
    pub reader: Box<dyn JournalReader>,
    /// The owner's number: it counts up with each owner.
    pub epoch: u64,
}

/// The writing half. Each commit, and each pruning of finished sessions, checks in the same
/// transaction that its owner still is the owner; else it is [`StoreError::Fenced`]. Committing the
/// same entries twice is as committing them once.
pub type JournalWriter = Box<dyn Writer<Write = Entry>>;

/// The reading half. It sees what has been committed, never half a commit.
pub trait JournalReader: Send {
    /// A session with the turns since its checkpoint.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn session(&mut self, id: &str) -> Result<Option<StoredSession>, StoreError>;

    /// Ids of all sessions that have not ended, in the order they began.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn unfinished(&mut self) -> Result<Vec<Arc<str>>, StoreError>;

    /// Bytes of a component.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn component(&mut self, digest: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Whether a component is there.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn has_component(&mut self, digest: &str) -> Result<bool, StoreError>;
}
