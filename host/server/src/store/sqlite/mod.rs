//! The embedded store: one SQLite file in WAL mode, synced at each commit.
//!
//! Owns the file, and a lock file beside it that keeps every other server away for as long as the
//! [`SqliteStore`] lives. The writer is the only connection that writes and checkpoints; the reader
//! has one of its own that cannot write. Memory mapping is off, because a read error of a mapped file
//! ends the process.

mod lock;
mod reader;
mod row;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use self::lock::OwnerLock;
use self::reader::SqliteReader;
use self::writer::SqliteWriter;
use super::{Opened, Store, StoreError};
use crate::settings::{CustomProperty, PropertyKind};

/// How long a statement waits for a lock that some other program holds on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages in the log after which the writer copies them into the file (16 MiB).
const CHECKPOINT_PAGES: u32 = 4_096;
/// What the log is cut back to after that.
const LOG_BYTES: u32 = 64 << 20;
/// Page cache of the writer, in KiB.
const WRITER_CACHE_KIB: i32 = 64 << 10;
/// Page cache of the reader, in KiB.
const READER_CACHE_KIB: i32 = 16 << 10;
/// Prepared statements a connection keeps.
const STATEMENTS: usize = 16;

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    _lock: OwnerLock,
}

impl SqliteStore {
    /// Becomes the owner of the file at `path`, which need not be there yet; its folder must be.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another server has it; [`StoreError::ReadOnly`] and
    /// [`StoreError::Io`] where the lock file beside it cannot be made.
    pub fn open(path: &Path) -> Result<SqliteStore, StoreError> {
        Ok(SqliteStore { path: path.into(), _lock: OwnerLock::take(path)? })
    }

    fn open_halves(
        &self,
        custom_properties: &[CustomProperty],
    ) -> Result<(SqliteWriter, SqliteReader, u64), StoreError> {
        let failed = |error| failure(&self.path, error);
        let mut connection = Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(failed)?;
        set_up(&connection, WRITER_CACHE_KIB).map_err(failed)?;
        let mode: String = connection.query_row("pragma journal_mode = wal", [], |row| row.get(0)).map_err(failed)?;
        if mode != "wal" {
            let detail = format!("its file system takes no write-ahead log (journal mode {mode})");
            return Err(StoreError::Io { path: self.path.clone(), detail });
        }
        connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(failed)?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES).map_err(failed)?;
        schema::migrate(&mut connection, &self.path)?;
        let incarnation = begin_incarnation(&mut connection, &self.path, custom_properties)?;
        // After a failed sync the kernel may hold pages as clean that never reached the disk. Copying
        // the whole log into the file writes and syncs them anew before anything builds on them.
        checkpoint(&connection).map_err(failed)?;

        let reader =
            Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
                .map_err(failed)?;
        set_up(&reader, READER_CACHE_KIB).map_err(failed)?;
        Ok((
            SqliteWriter::new(self.path.clone(), connection),
            SqliteReader::new(self.path.clone(), reader),
            incarnation,
        ))
    }
}

impl Store for SqliteStore {
    fn name(&self) -> String {
        format!("SQLite {}", self.path.display())
    }

    fn open(&mut self, custom_properties: &[CustomProperty]) -> Result<Opened, StoreError> {
        let (writer, reader, incarnation) = self.open_halves(custom_properties)?;
        Ok(Opened { writer: Box::new(writer), reader: Box::new(reader), incarnation })
    }
}

fn set_up(connection: &Connection, cache_kib: i32) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "mmap_size", 0)?;
    // A negative size is in KiB.
    connection.pragma_update(None, "cache_size", -cache_kib)
}

fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))
}

/// Counts one incarnation up, and works out custom properties where their declarations changed.
fn begin_incarnation(
    connection: &mut Connection,
    path: &Path,
    custom_properties: &[CustomProperty],
) -> Result<u64, StoreError> {
    let failed = |error| failure(path, error);
    let declared = declarations(custom_properties);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let before: Option<String> = transaction
        .query_row("select value from meta where name = 'incarnation'", [], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    let incarnation = before
        .as_deref()
        .and_then(|value| value.parse::<u64>().ok())
        .and_then(|value| value.checked_add(1))
        .ok_or_else(|| StoreError::Corrupt { path: path.into(), detail: format!("incarnation {before:?}") })?;
    transaction
        .execute("update meta set value = ? where name = 'incarnation'", [incarnation.to_string()])
        .map_err(failed)?;
    let known: Option<String> = transaction
        .query_row("select value from meta where name = 'custom_properties'", [], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    if known.as_ref() != Some(&declared) {
        row::rewrite_custom(&transaction, path, custom_properties)?;
        transaction
            .execute("insert or replace into meta values ('custom_properties', ?)", [&declared])
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)?;
    Ok(incarnation)
}

/// What the stored values of custom properties depend on.
fn declarations(custom_properties: &[CustomProperty]) -> String {
    custom_properties
        .iter()
        .map(|property| {
            let kind = match property.kind {
                PropertyKind::Text => "text",
                PropertyKind::Integer => "integer",
            };
            serde_json::json!([property.key, kind])
        })
        .collect::<serde_json::Value>()
        .to_string()
}

/// What SQLite says, in our words.
fn failure(path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.to_path_buf();
    let detail = error.to_string();
    let Some(code) = error.sqlite_error_code() else {
        return match error {
            // A column that does not hold what it must.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..) => StoreError::Corrupt { path, detail },
            _ => StoreError::Refused { path, detail },
        };
    };
    match code {
        ErrorCode::DiskFull => StoreError::Full { path, detail },
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::ReadOnly { path, detail },
        ErrorCode::DatabaseCorrupt => StoreError::Corrupt { path, detail },
        ErrorCode::NotADatabase => StoreError::NotOurs { path, detail },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            StoreError::Locked { path, detail: format!("{detail}; close what has it open") }
        }
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::OutOfMemory | ErrorCode::NoLargeFileSupport => {
            StoreError::Io { path, detail }
        }
        _ => StoreError::Refused { path, detail },
    }
}
