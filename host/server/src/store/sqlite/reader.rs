//! The reading half: a connection that cannot write.

use jackfield_protocol::v1::{Interaction, LastAgent};
use jackfield_store::sqlite::ReadConnection;
use rusqlite::OptionalExtension;

use super::row;
use crate::store::{Answer, Entry, Reader, StoreError};

/// The connection that reads.
pub(super) struct SqliteReader {
    connection: ReadConnection,
}

impl SqliteReader {
    pub(super) fn new(connection: ReadConnection) -> SqliteReader {
        SqliteReader { connection }
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &rusqlite::Connection {
        self.connection.connection()
    }
}

impl Reader for SqliteReader {
    fn entries(&mut self, each: &mut dyn FnMut(Entry)) -> Result<(), StoreError> {
        self.connection.read(|connection| {
            let mut statement = connection.prepare(row::SELECT_ENTRIES)?;
            let mut rows = statement.query([])?;
            while let Some(found) = rows.next()? {
                each(row::read(found)?);
            }
            Ok(())
        })
    }

    fn interactions(&mut self, ids: &[&str]) -> Result<Vec<Interaction>, StoreError> {
        self.connection.read(|connection| {
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
        self.connection.read(|connection| {
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

    fn last_agents(&mut self, contacts: &[&str]) -> Result<Vec<Option<LastAgent>>, StoreError> {
        self.connection.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            let mut statement = snapshot.prepare_cached("select agent, at from contact where key = ?")?;
            let mut last = Vec::with_capacity(contacts.len());
            for contact in contacts {
                let found =
                    statement.query_row([contact], |found| Ok(LastAgent { agent: found.get(0)?, at: found.get(1)? }));
                last.push(found.optional()?);
            }
            Ok(last)
        })
    }
}
