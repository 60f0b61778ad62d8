//! What every durable store of jackfield is built from.
//!
//! Owns the errors a store may answer with ([`StoreError`]), the thread that groups commits
//! ([`GroupCommit`]) over whatever a [`Writer`] writes, and the plumbing of an embedded database
//! ([`sqlite`]). Rows, statements and formats belong to the crates that use it.

mod error;
mod group_commit;
pub mod sqlite;

pub use error::StoreError;
pub use group_commit::{CommitResult, GroupCommit, GroupedWrite, Pruned, Writer};
