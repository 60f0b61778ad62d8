//! The reading half: sessions out of their rows.

use std::sync::Arc;

use jackfield_store::sqlite::ReadConnection;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{JournalReader, MessageRow, SessionRow, StoreError, StoredCheckpoint, StoredEnd, StoredSession};

/// The columns of a session, in the order [`session_of`] expects.
pub(crate) const SESSION: &str = "select id, strategy, plugin, version, digest, server, interaction, started_at, \
     origin, ended_at, outcome, failed, last from session";

/// The connection that reads.
pub(crate) struct SqliteReader {
    connection: ReadConnection,
}

impl SqliteReader {
    pub(super) fn new(connection: ReadConnection) -> SqliteReader {
        SqliteReader { connection }
    }
}

impl JournalReader for SqliteReader {
    fn session(&mut self, id: &str) -> Result<Option<StoredSession>, StoreError> {
        self.connection.read(|connection| load(connection, id, Turns::SinceCheckpoint))
    }

    fn unfinished(&mut self) -> Result<Vec<Arc<str>>, StoreError> {
        self.connection.read(|connection| {
            let mut sessions = connection.prepare("select id from session where ended_at is null order by number")?;
            sessions.query_map([], |row| row.get(0))?.collect()
        })
    }

    fn component(&mut self, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.connection.read(|connection| component(connection, digest))
    }

    fn has_component(&mut self, digest: &str) -> Result<bool, StoreError> {
        self.connection
            .read(|connection| connection.prepare_cached("select 1 from component where digest = ?")?.exists([digest]))
    }
}

/// Which turns of a session to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turns {
    /// Those it is rebuilt from.
    SinceCheckpoint,
    /// All there are.
    All,
}

/// A session, with its turns as they were at one moment.
pub(crate) fn load(connection: &Connection, id: &str, turns: Turns) -> rusqlite::Result<Option<StoredSession>> {
    let snapshot = connection.unchecked_transaction()?;
    let found = snapshot.prepare_cached(&format!("{SESSION} where id = ?"))?.query_row([id], session_of).optional()?;
    found.map(|(row, end)| with_turns(&snapshot, row, end, turns)).transpose()
}

/// Bytes of a component.
pub(crate) fn component(connection: &Connection, digest: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("select bytes from component where digest = ?")?
        .query_row([digest], |row| row.get(0))
        .optional()
}

/// Reads a row of [`SESSION`].
pub(crate) fn session_of(row: &Row<'_>) -> rusqlite::Result<(SessionRow, Option<StoredEnd>)> {
    let session = SessionRow {
        id: row.get(0)?,
        strategy: row.get(1)?,
        plugin: row.get(2)?,
        version: row.get(3)?,
        digest: row.get(4)?,
        server: row.get(5)?,
        interaction: row.get(6)?,
        started_at: row.get(7)?,
        origin: row.get(8)?,
    };
    let end = match row.get(9)? {
        Some(at) => Some(StoredEnd { at, outcome: row.get(10)?, failed: row.get(11)?, last: row.get(12)? }),
        None => None,
    };
    Ok((session, end))
}

fn with_turns(
    connection: &Connection,
    row: SessionRow,
    end: Option<StoredEnd>,
    which: Turns,
) -> rusqlite::Result<StoredSession> {
    let mut due_at = None;
    let checkpoint = connection
        .prepare_cached("select turn, record, due_at from checkpoint where session = ?")?
        .query_row([&row.id], |found| {
            due_at = found.get(2)?;
            Ok(StoredCheckpoint { turn: number(found, 0)?, record: found.get(1)? })
        })
        .optional()?;
    let mut turns = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.turn);
    let after = match which {
        Turns::SinceCheckpoint => turns,
        Turns::All => 0,
    };
    let mut records = Vec::new();
    let mut statement = connection
        .prepare_cached("select number, record, due_at from turn where session = ? and number > ? order by number")?;
    let mut found = statement.query((&row.id, after.cast_signed()))?;
    while let Some(turn) = found.next()? {
        let number = number(turn, 0)?;
        if number > turns {
            turns = number;
            due_at = turn.get(2)?;
        }
        records.push((number, turn.get(1)?));
    }
    let messages = connection
        .prepare_cached(
            "select session, key, name, data from message where session = ? and taken_in is null order by number",
        )?
        .query_map([&row.id], |found| {
            Ok(MessageRow { session: found.get(0)?, key: found.get(1)?, name: found.get(2)?, data: found.get(3)? })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(StoredSession { row, turns, due_at, checkpoint, records, messages, end })
}

/// A number of a turn.
pub(crate) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}
