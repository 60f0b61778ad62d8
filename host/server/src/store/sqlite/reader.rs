//! The reading half: a connection that cannot write.

use std::path::PathBuf;

use jackfield_protocol::v1::Interaction;
use rusqlite::{Connection, OptionalExtension};

use super::{failure, row};
use crate::store::{Answer, Entry, Reader, StoreError};

/// The connection that reads.
pub(super) struct SqliteReader {
    path: PathBuf,
    connection: Connection,
}

impl SqliteReader {
    pub(super) fn new(path: PathBuf, connection: Connection) -> SqliteReader {
        SqliteReader { path, connection }
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&self.connection).map_err(|error| failure(&self.path, error))
    }
}

impl Reader for SqliteReader {
    fn entries(&mut self, each: &mut dyn FnMut(Entry)) -> Result<(), StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare(row::SELECT_ENTRIES)?;
            let mut rows = statement.query([])?;
            while let Some(found) = rows.next()? {
                each(row::read(found)?);
            }
            Ok(())
        })
    }

    fn interactions(&mut self, ids: &[&str]) -> Result<Vec<Interaction>, StoreError> {
        self.read(|connection| {
            // One snapshot for all of them, and one lock instead of one for each.
            let snapshot = connection.unchecked_transaction()?;
            let mut statement = snapshot.prepare_cached("select body from interaction where id = ?")?;
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.extend(statement.query_row([id], |found| row::read_interaction(found, 0)).optional()?);
            }
            Ok(found)
        })
    }

    fn answer(&mut self, idempotency_key: &str) -> Result<Option<Answer>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached("select fingerprint, at, interaction_id from answer where key = ?")?
                .query_row([idempotency_key], |found| {
                    Ok(Answer {
                        fingerprint: found.get::<_, i64>(0)?.cast_unsigned(),
                        at: found.get(1)?,
                        interaction_id: found.get(2)?,
                    })
                })
                .optional()
        })
    }
}
