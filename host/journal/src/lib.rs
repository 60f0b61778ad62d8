//! The journal: where a node records its sessions, and from which it rebuilds them.
//!
//! A session's turns are appended in order ([`Journal::append`]) and committed in groups; a session
//! is read back whole ([`Journal::history`], [`Journal::unfinished`]). The journal knows rows and
//! bytes; what a record says is its writer's affair. [`SqliteJournal`] is the embedded database,
//! others implement [`JournalStore`]; [`JournalFile`] reads the embedded one from another process.
//!
//! How things end: a disk that does not take writes holds everything up, with the reason in
//! [`Journal::health`], and nothing that was handed over is dropped. A journal that is damaged, newer,
//! or taken over by another owner is over: whatever was not durable never is, and says so.
//! [`Journal::close`] commits what is there.

mod committer;
mod entry;
mod file;
mod journal;
mod memory;
mod persistent;
mod sqlite;
mod store;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
mod waiting;

pub use committer::{Committer, Progress};
pub use entry::{Entry, MessageRow, SessionRow, StoredCheckpoint, StoredEnd, StoredSession};
pub use file::{Filter, JournalFile, JournalFileError, State, Summary};
pub use jackfield_store::StoreError;
pub use journal::{Durable, Journal, JournalClosed, JournalSettings, LAZY, Urgency};
pub use memory::MemoryJournal;
pub use sqlite::SqliteJournal;
pub use store::{JournalReader, JournalStore, JournalWriter, Opened};
