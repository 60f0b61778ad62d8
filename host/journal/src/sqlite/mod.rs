//! The embedded journal: one SQLite file.
//!
//! Owns the file, and a lock file beside it that keeps every other node away from the first opening
//! until the [`SqliteJournal`] is dropped. Room that removed sessions leave is used again; the file
//! does not shrink.

pub(crate) mod reader;
pub(crate) mod writer;

use std::path::{Path, PathBuf};

use jackfield_store::sqlite::{Format, OwnerLock, ReadConnection, WriteConnection};
use rusqlite::{OptionalExtension, Transaction};

use self::reader::SqliteReader;
use self::writer::SqliteWriter;
use crate::{JournalSettings, JournalStore, Opened, StoreError};

/// The file's format: its mark is "JKFJ".
pub(crate) const FORMAT: Format =
    Format { application_id: 0x4a4b_464a, migrations: &[include_str!("migrations/1.sql")] };
/// The one shard a file holds.
const SHARD: i64 = 0;

/// A journal in one SQLite file.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    lock: Option<OwnerLock>,
}

impl SqliteJournal {
    /// The journal at `path`, which need not be there yet; its folder must be. Opening it takes a lock
    /// that is held until this is dropped.
    pub fn new(path: impl Into<PathBuf>) -> SqliteJournal {
        SqliteJournal { path: path.into(), lock: None }
    }

    pub(crate) fn open_halves(
        &mut self,
        settings: &JournalSettings,
        held: Option<u64>,
    ) -> Result<(SqliteWriter, SqliteReader, u64), StoreError> {
        if self.lock.is_none() {
            self.lock = Some(OwnerLock::take(&self.path)?);
        }
        let (connection, epoch) = match held {
            Some(epoch) => {
                let mut connection = WriteConnection::open_again(&self.path, &FORMAT)?;
                go_on(&mut connection, epoch)?;
                (connection, epoch)
            }
            None => {
                let mut connection = WriteConnection::open(&self.path, &FORMAT)?;
                let epoch = take_over(&mut connection, &settings.node)?;
                (connection, epoch)
            }
        };
        connection.checkpoint()?;
        let reader = SqliteReader::new(ReadConnection::open(&self.path)?);
        Ok((SqliteWriter::new(connection, epoch, settings.history_turns), reader, epoch))
    }
}

impl JournalStore for SqliteJournal {
    fn name(&self) -> String {
        format!("SQLite {}", self.path.display())
    }

    fn open(&mut self, settings: &JournalSettings, held: Option<u64>) -> Result<Opened, StoreError> {
        let (writer, reader, epoch) = self.open_halves(settings, held)?;
        Ok(Opened { writer: Box::new(writer), reader: Box::new(reader), epoch })
    }
}

/// Becomes the owner, and removes the components that no session refers to.
fn take_over(connection: &mut WriteConnection, node: &str) -> Result<u64, StoreError> {
    connection.transact(|transaction| {
        let epoch = owner(transaction)?.map_or(0, |owner| owner.epoch) + 1;
        transaction
            .execute("insert or replace into owner (shard, node, epoch) values (?, ?, ?)", (SHARD, node, epoch))?;
        transaction.execute(
            "delete from component where not exists (select 1 from session where session.digest = component.digest)",
            [],
        )?;
        Ok(epoch.cast_unsigned())
    })
}

/// Stays the owner.
fn go_on(connection: &mut WriteConnection, epoch: u64) -> Result<(), StoreError> {
    match connection.transact(owner)? {
        Some(owner) if owner.epoch.cast_unsigned() == epoch => Ok(()),
        owner => Err(fenced(connection.path(), owner)),
    }
}

/// Who may write.
struct Owner {
    node: String,
    epoch: i64,
}

fn owner(transaction: &Transaction<'_>) -> rusqlite::Result<Option<Owner>> {
    transaction
        .prepare_cached("select node, epoch from owner where shard = ?")?
        .query_row([SHARD], |row| Ok(Owner { node: row.get(0)?, epoch: row.get(1)? }))
        .optional()
}

fn fenced(path: &Path, owner: Option<Owner>) -> StoreError {
    let detail = owner.map_or_else(
        || "nobody is its owner any more".into(),
        |owner| format!("node {} is its owner, in epoch {}", owner.node, owner.epoch),
    );
    StoreError::Fenced { path: path.into(), detail }
}
