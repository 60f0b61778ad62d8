//! The durable truth of an Interaction Server: what a store must do, and what is written to it.
//!
//! Owns the traits every database implements ([`Store`], [`Writer`], [`Reader`]) and the rows they keep
//! ([`Entry`] and the interaction itself). The thread that groups commits is [`GroupCommit`].
//! [`sqlite`] is the embedded database. A store ends when its writer and reader are dropped; a writer
//! whose commit failed is not used again: drop both halves and open the store anew.

mod entry;
pub mod floor;
pub mod sqlite;
#[cfg(test)]
mod suite;

use jackfield_protocol::v1::{Interaction, LastAgent};
use prost::Message;

pub use entry::{Entry, EntryKey, PropertyValue, custom_values};
pub use jackfield_store::{StoreError, Writer};

use crate::settings::CustomProperty;

/// The thread that commits [`Write`]s. Pruning forgets the answers remembered before a time.
pub type GroupCommit = jackfield_store::GroupCommit<Write>;

/// A database that can be opened, and opened again after a failure.
pub trait Store: Send {
    /// What and where it is, for people: `SQLite /var/lib/jackfield/mail.db`.
    fn name(&self) -> String;

    /// Opens it, bringing an older format up to date, and counts one incarnation up.
    ///
    /// Entries carry the values of `custom_properties`, in that order; where the declarations are not
    /// those of the last time, the store works the values out anew from the interactions it holds.
    ///
    /// # Errors
    /// See [`StoreError`]; [`StoreError::is_retriable`] tells whether opening again later can help.
    fn open(&mut self, custom_properties: &[CustomProperty]) -> Result<Opened, StoreError>;
}

/// An open store: one half writes, the other reads, each on a thread of its own.
pub struct Opened {
    /// Writes.
    pub writer: Box<dyn Writer<Write = Write>>,
    /// Reads what has been committed.
    pub reader: Box<dyn Reader>,
    /// Counts up by one each time the store is opened; durable before `open` returns. It makes
    /// interaction ids unique over restarts.
    pub incarnation: u64,
}

/// Answers, and as many contacts, one [`Writer::prune`] forgets at most.
pub const PRUNE_CHUNK: u64 = 8_192;

/// The reading half. It sees what has been committed, never half a commit.
pub trait Reader: Send {
    /// Every interaction that was not stopped, by queue and then in the order of [`EntryKey`].
    ///
    /// # Errors
    /// `each` has been called for some of them by then.
    fn entries(&mut self, each: &mut dyn FnMut(Entry)) -> Result<(), StoreError>;

    /// Interactions by id, in the order asked; those that are not stored are left out.
    ///
    /// An interaction is as its last `Insert` or `Update` wrote it. What a `Move` changed since is in
    /// its [`Entry`] only, and whoever asks has a newer one than the disk:
    /// [`Entry::apply_to`] lays it over the interaction.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn interactions(&mut self, ids: &[&str]) -> Result<Vec<Interaction>, StoreError>;

    /// The answer remembered for an idempotency key.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn answer(&mut self, idempotency_key: &str) -> Result<Option<Answer>, StoreError>;

    /// Who handled each of these contacts last, in the order asked.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn last_agents(&mut self, contacts: &[&str]) -> Result<Vec<Option<LastAgent>>, StoreError>;
}

/// One change to what is stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A new interaction: its row and its entry.
    Insert(Box<Interaction>, Entry),
    /// Placed in a queue or a workbin: only the narrow entry row.
    Move {
        /// The entry as it was.
        from: EntryKey,
        /// The entry as it is.
        to: Entry,
    },
    /// Its properties changed: its row, and its entry.
    Update {
        /// The whole interaction as it is.
        interaction: Box<Interaction>,
        /// The entry as it was.
        from: EntryKey,
        /// The entry as it is.
        to: Entry,
    },
    /// It was stopped: both rows go.
    Delete {
        /// The entry as it was.
        key: EntryKey,
    },
    /// An idempotency key and what it was answered with. A key that is there is answered anew.
    Remember {
        /// The key.
        key: String,
        /// Its answer.
        answer: Answer,
    },
    /// An agent has handled a contact; whoever did before is forgotten.
    Handled {
        /// What tells the contact.
        contact: String,
        /// Who and when.
        last: LastAgent,
        /// Pruning before a later time than this forgets it.
        kept_until: i64,
    },
}

impl jackfield_store::GroupedWrite for Write {
    fn bytes(&self) -> usize {
        /// What an entry or an answer counts.
        const NARROW_ROW: usize = 512;
        let body = match self {
            Write::Insert(interaction, _) | Write::Update { interaction, .. } => interaction.encoded_len(),
            Write::Move { .. } | Write::Delete { .. } | Write::Remember { .. } | Write::Handled { .. } => 0,
        };
        body + NARROW_ROW
    }

    fn is_pruned_later(&self) -> bool {
        matches!(self, Write::Remember { .. } | Write::Handled { .. })
    }
}

/// What a request with an idempotency key was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of the request, without its reference id: tells a repeat from another request.
    pub fingerprint: u64,
    /// When it was answered, in milliseconds.
    pub at: i64,
    /// The interaction of its EventAck; may be empty.
    pub interaction_id: String,
}
