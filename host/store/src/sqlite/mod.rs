//! An embedded database: one SQLite file in WAL mode, synced at each commit.
//!
//! Owns how a file is opened ([`WriteConnection`], [`ReadConnection`]), marked and brought to its
//! newest format ([`Format`]), kept from other processes ([`OwnerLock`]), and what its failures mean.
//! The writing connection is the only one that writes and checkpoints. Memory mapping is off, because
//! a read error of a mapped file ends the process.

mod disk;
mod lock;
mod schema;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

pub use self::lock::OwnerLock;
pub use self::schema::Format;
use crate::StoreError;

/// How long a statement waits for a lock that some other program holds on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// What the log is cut back to after it was copied into the file.
const LOG_BYTES: u64 = 64 << 20;
/// Page cache of the writer, in KiB.
const WRITER_CACHE_KIB: i32 = 64 << 10;
/// Page cache of a reader, in KiB.
const READER_CACHE_KIB: i32 = 16 << 10;
/// Prepared statements a connection keeps.
const STATEMENTS: usize = 32;

/// The one connection that writes to a file. Dropped, it copies the log into the file.
#[derive(Debug)]
pub struct WriteConnection {
    path: PathBuf,
    connection: Connection,
}

impl WriteConnection {
    /// Opens the file at `path`, makes it where it is not there, and brings it to the newest format.
    ///
    /// # Errors
    /// See [`StoreError`]; a file of something else and one of a newer format are left as they were.
    pub fn open(path: &Path, format: &Format) -> Result<WriteConnection, StoreError> {
        WriteConnection::with(path, format, OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// The same of a file that this process has had open before. None is made: where it is gone its disk may not be
    /// mounted, and whoever began a new one in its place would have lost everything.
    ///
    /// # Errors
    /// See [`StoreError`]; [`StoreError::Io`] where it is gone.
    pub fn open_again(path: &Path, format: &Format) -> Result<WriteConnection, StoreError> {
        if !path.exists() {
            let detail = "it was there and is gone: mount its disk, or put it back".into();
            return Err(StoreError::Io { path: path.into(), detail });
        }
        WriteConnection::with(path, format, OpenFlags::empty())
    }

    fn with(path: &Path, format: &Format, creating: OpenFlags) -> Result<WriteConnection, StoreError> {
        let failed = |error| failure(path, error);
        let log_pages = disk::log_pages(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | creating;
        let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        set_up(&connection, WRITER_CACHE_KIB).map_err(failed)?;
        let mode: String = connection.query_row("pragma journal_mode = wal", [], |row| row.get(0)).map_err(failed)?;
        if mode != "wal" {
            let detail = format!("its file system takes no write-ahead log (journal mode {mode})");
            return Err(StoreError::Io { path: path.into(), detail });
        }
        connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
        connection.pragma_update(None, "wal_autocheckpoint", log_pages).map_err(failed)?;
        let log_bytes = LOG_BYTES.min(4 * u64::from(log_pages) * disk::PAGE_BYTES);
        connection.pragma_update(None, "journal_size_limit", log_bytes.cast_signed()).map_err(failed)?;
        schema::migrate(&mut connection, path, format)?;
        Ok(WriteConnection { path: path.into(), connection })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The connection itself.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Does `work` in one transaction: all of it is on disk when this returns `Ok`, and nothing of it
    /// where `work` fails.
    ///
    /// # Errors
    /// See [`StoreError`]. Where the commit itself failed, it may yet have happened.
    pub fn transact<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let run = || {
            // Dropped, it rolls back.
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(|error| failure(&self.path, error))
    }

    /// Copies the whole log into the file.
    ///
    /// After a failed sync the kernel may hold pages as clean that never reached the disk. This writes
    /// and syncs them anew, so call it before anything builds on a file that was just opened.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        checkpoint(&self.connection).map_err(|error| failure(&self.path, error))
    }
}

impl Drop for WriteConnection {
    /// Leaves everything in the one file, where nothing is wrong; the log would serve as well.
    fn drop(&mut self) {
        if let Err(error) = checkpoint(&self.connection) {
            tracing::debug!(store = %self.path.display(), %error, "the log was not copied into the store at its end");
        }
    }
}

/// A connection that cannot write. It sees what has been committed.
#[derive(Debug)]
pub struct ReadConnection {
    path: PathBuf,
    connection: Connection,
}

impl ReadConnection {
    /// Opens the file at `path`, which must be there. Its format is the caller's to check
    /// ([`Format::check`]) unless a [`WriteConnection`] of this process has it open.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(path: &Path) -> Result<ReadConnection, StoreError> {
        let failed = |error| failure(path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        set_up(&connection, READER_CACHE_KIB).map_err(failed)?;
        Ok(ReadConnection { path: path.into(), connection })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The connection itself.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Does `work`, whose failures are told in our words.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        work(&self.connection).map_err(|error| failure(&self.path, error))
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

/// What SQLite says about the file at `path`, in our words.
pub fn failure(path: &Path, error: rusqlite::Error) -> StoreError {
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
            let ends = "close what has it open, with `kill -9` where that is frozen (`fuser` tells what it is)";
            StoreError::Locked { path, detail: format!("{detail}; {ends}") }
        }
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen if disk::is_read_only(&path) => {
            StoreError::ReadOnly { path, detail: format!("its file system takes no writes; {detail}") }
        }
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::OutOfMemory | ErrorCode::NoLargeFileSupport => {
            StoreError::Io { path, detail }
        }
        _ => StoreError::Refused { path, detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqlite_says_is_told_in_our_words() {
        use rusqlite::ffi::*;
        let path = Path::new("/store.db");
        let of = |code| failure(path, rusqlite::Error::SqliteFailure(Error::new(code), None));
        assert!(matches!(of(SQLITE_FULL), StoreError::Full { .. }));
        for code in [SQLITE_READONLY, SQLITE_READONLY_DBMOVED, SQLITE_PERM] {
            assert!(matches!(of(code), StoreError::ReadOnly { .. }));
        }
        for code in [SQLITE_IOERR_FSYNC, SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ, SQLITE_CANTOPEN] {
            assert!(matches!(of(code), StoreError::Io { .. }));
        }
        for code in [SQLITE_BUSY, SQLITE_LOCKED, SQLITE_PROTOCOL] {
            assert!(matches!(of(code), StoreError::Locked { .. }));
        }
        assert!(matches!(of(SQLITE_CORRUPT), StoreError::Corrupt { .. }));
        assert!(matches!(of(SQLITE_NOTADB), StoreError::NotOurs { .. }));
        assert!(matches!(of(SQLITE_CONSTRAINT), StoreError::Refused { .. }));
    }
}
