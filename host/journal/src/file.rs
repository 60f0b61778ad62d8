//! The embedded journal read from another process, while a node may be writing to it.
//!
//! Nothing is changed and nobody is held up; each call sees the journal as it was at one moment.

use std::path::Path;

use jackfield_store::sqlite::ReadConnection;
use rusqlite::{Connection, OptionalExtension, named_params};

use crate::sqlite::FORMAT;
use crate::sqlite::reader::{SESSION, Turns, component, load, number, session_of};
use crate::{SessionRow, StoreError, StoredEnd, StoredSession};

/// Ids named when a prefix fits several sessions.
const CANDIDATES: usize = 5;

/// A journal that is only read.
#[derive(Debug)]
pub struct JournalFile {
    connection: ReadConnection,
}

/// Which sessions to list. The default: the 100 that began last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Only those that have ended, or only those that have not.
    pub finished: Option<bool>,
    /// Only those that began at that time or later, in milliseconds.
    pub since: Option<i64>,
    /// Only those of that strategy.
    pub strategy: Option<String>,
    /// At most so many.
    pub limit: u64,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter { finished: None, since: None, strategy: None, limit: 100 }
    }
}

/// A session in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// As it began, or was moved to since.
    pub row: SessionRow,
    /// Turns recorded in all.
    pub turns: u64,
    /// When its next timer or time-out is due.
    pub due_at: Option<i64>,
    /// The turn of its last checkpoint.
    pub checkpoint: Option<u64>,
    /// Its end, once it has ended.
    pub end: Option<StoredEnd>,
}

/// What is in a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Node that opened it last.
    pub node: String,
    /// How often it has been opened by an owner.
    pub epoch: u64,
    /// Sessions that have not ended.
    pub unfinished: u64,
    /// Sessions that have.
    pub finished: u64,
    /// Plugins kept for their sessions.
    pub components: u64,
    /// Size of the file, in bytes, its log not counted.
    pub bytes: u64,
    /// Of those, bytes that are free and will be used again.
    pub free_bytes: u64,
}

/// Why a journal file does not say what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalFileError {
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// More than one session has an id that begins so.
    #[error("session {prefix} may be {}: give more of the id", .candidates.join(" or "))]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// The first of them, in order.
        candidates: Vec<String>,
    },
}

impl JournalFile {
    /// Opens the journal at `path`. While no node runs the folder must be writable, because reading
    /// beside a writer needs files beside this one.
    ///
    /// # Errors
    /// See [`StoreError`]: [`StoreError::Io`] where there is none; [`StoreError::Older`] where this
    /// build's node has not opened it yet.
    pub fn open(path: impl AsRef<Path>) -> Result<JournalFile, StoreError> {
        let connection = ReadConnection::open(path.as_ref())?;
        FORMAT.check(&connection)?;
        Ok(JournalFile { connection })
    }

    /// Sessions, the one that began last first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn sessions(&self, filter: &Filter) -> Result<Vec<Summary>, StoreError> {
        let finished = match filter.finished {
            Some(true) => "ended_at is not null",
            Some(false) => "ended_at is null",
            None => "true",
        };
        let statement = format!(
            "{SESSION} where {finished} and (:since is null or started_at >= :since) \
             and (:strategy is null or strategy = :strategy) order by number desc limit :limit"
        );
        self.connection.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
            let mut sessions = snapshot.prepare(&statement)?;
            let rows = sessions.query_map(
                named_params! { ":since": filter.since, ":strategy": filter.strategy, ":limit": limit },
                session_of,
            )?;
            rows.map(|found| found.and_then(|(row, end)| summary(&snapshot, row, end))).collect()
        })
    }

    /// The session whose id is `id_or_prefix` or, where there is none, the one whose id begins so;
    /// with `all_turns` also those from before its checkpoint that are still kept.
    ///
    /// # Errors
    /// See [`JournalFileError`].
    pub fn session(&self, id_or_prefix: &str, all_turns: bool) -> Result<Option<StoredSession>, JournalFileError> {
        let turns = if all_turns { Turns::All } else { Turns::SinceCheckpoint };
        let found = self.connection.read(|connection| load(connection, id_or_prefix, turns))?;
        if found.is_some() {
            return Ok(found);
        }
        let mut candidates = self.connection.read(|connection| ids_with(connection, id_or_prefix))?;
        match (candidates.pop(), candidates.is_empty()) {
            (None, _) => Ok(None),
            (Some(id), true) => Ok(self.connection.read(|connection| load(connection, &id, turns))?),
            (Some(id), false) => {
                candidates.push(id);
                Err(JournalFileError::Ambiguous { prefix: id_or_prefix.into(), candidates })
            }
        }
    }

    /// Bytes of a component.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn component(&self, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.connection.read(|connection| component(connection, digest))
    }

    /// What is in it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn state(&self) -> Result<State, StoreError> {
        self.connection.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            let count = |what: &str| snapshot.query_row(what, [], |row| number(row, 0));
            let page = count("pragma page_size")?;
            let owner = snapshot
                .query_row("select node, epoch from owner order by shard limit 1", [], |row| {
                    Ok((row.get(0)?, number(row, 1)?))
                })
                .optional()?;
            let (node, epoch) = owner.unwrap_or_default();
            Ok(State {
                node,
                epoch,
                unfinished: count("select count(*) from session where ended_at is null")?,
                finished: count("select count(*) from session where ended_at is not null")?,
                components: count("select count(*) from component")?,
                bytes: page * count("pragma page_count")?,
                free_bytes: page * count("pragma freelist_count")?,
            })
        })
    }
}

fn summary(connection: &Connection, row: SessionRow, end: Option<StoredEnd>) -> rusqlite::Result<Summary> {
    let checkpoint: Option<(u64, Option<i64>)> = connection
        .prepare_cached("select turn, due_at from checkpoint where session = ?")?
        .query_row([&row.id], |found| Ok((number(found, 0)?, found.get(1)?)))
        .optional()?;
    let last: Option<(u64, Option<i64>)> = connection
        .prepare_cached("select number, due_at from turn where session = ? order by number desc limit 1")?
        .query_row([&row.id], |found| Ok((number(found, 0)?, found.get(1)?)))
        .optional()?;
    let (turns, due_at) = last.or(checkpoint).unwrap_or_default();
    Ok(Summary { row, turns, due_at, checkpoint: checkpoint.map(|(turn, _)| turn), end })
}

/// Ids that begin so, at most [`CANDIDATES`], in order.
fn ids_with(connection: &Connection, prefix: &str) -> rusqlite::Result<Vec<String>> {
    // Every id that begins so lies between the prefix and the prefix with the last character there is.
    connection
        .prepare_cached("select id from session where id >= ?1 and id < ?1 || char(0x10ffff) order by id limit ?2")?
        .query_map((prefix, CANDIDATES as i64), |row| row.get(0))?
        .collect()
}
