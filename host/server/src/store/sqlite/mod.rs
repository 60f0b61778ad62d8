//! The embedded store: one SQLite file.
//!
//! Owns the file, and a lock file beside it that keeps every other server away for as long as the
//! [`SqliteStore`] lives. The reader has a connection of its own.

mod reader;
mod row;
#[cfg(test)]
mod tests;
mod writer;

use std::cell::Cell;
use std::path::{Path, PathBuf};

use jackfield_store::sqlite::{Format, OwnerLock, ReadConnection, WriteConnection};
use rusqlite::{OptionalExtension, Transaction};

use self::reader::SqliteReader;
use self::writer::SqliteWriter;
use super::{Opened, Store, StoreError};
use crate::settings::{CustomProperty, PropertyKind};

/// The file's format: its mark is "JKFD".
const FORMAT: Format = Format {
    application_id: 0x4a4b_4644,
    migrations: &[include_str!("migrations/1.sql"), include_str!("migrations/2.sql")],
};

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    /// It was open before.
    is_known: Cell<bool>,
    _lock: OwnerLock,
}

impl SqliteStore {
    /// Becomes the owner of the file at `path`, which need not be there yet; its folder must be.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another server has it; [`StoreError::ReadOnly`] and
    /// [`StoreError::Io`] where the lock file beside it cannot be made.
    pub fn open(path: &Path) -> Result<SqliteStore, StoreError> {
        Ok(SqliteStore { path: path.into(), is_known: Cell::new(false), _lock: OwnerLock::take(path)? })
    }

    fn open_halves(
        &self,
        custom_properties: &[CustomProperty],
    ) -> Result<(SqliteWriter, SqliteReader, u64), StoreError> {
        let mut connection = match self.is_known.get() {
            true => WriteConnection::open_again(&self.path, &FORMAT)?,
            false => WriteConnection::open(&self.path, &FORMAT)?,
        };
        self.is_known.set(true);
        let incarnation = begin_incarnation(&mut connection, custom_properties)?;
        connection.checkpoint()?;
        let reader = ReadConnection::open(&self.path)?;
        Ok((SqliteWriter::new(connection), SqliteReader::new(reader), incarnation))
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

/// Counts one incarnation up, and works out custom properties where their declarations changed.
fn begin_incarnation(
    connection: &mut WriteConnection,
    custom_properties: &[CustomProperty],
) -> Result<u64, StoreError> {
    let path = connection.path().to_path_buf();
    let declared = declarations(custom_properties);
    let corrupt =
        |found: &Option<String>| StoreError::Corrupt { path: path.clone(), detail: format!("incarnation {found:?}") };
    connection.transact(|transaction| {
        let before = meta(transaction, "incarnation")?;
        let next = before.as_deref().and_then(|value| value.parse::<u64>().ok()).and_then(|value| value.checked_add(1));
        let Some(incarnation) = next else { return Ok(Err(corrupt(&before))) };
        set_meta(transaction, "incarnation", &incarnation.to_string())?;
        if meta(transaction, "custom_properties")?.as_ref() != Some(&declared) {
            row::rewrite_custom(transaction, custom_properties)?;
            set_meta(transaction, "custom_properties", &declared)?;
        }
        Ok(Ok(incarnation))
    })?
}

fn meta(transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<Option<String>> {
    transaction.query_row("select value from meta where name = ?", [name], |row| row.get(0)).optional()
}

fn set_meta(transaction: &Transaction<'_>, name: &str, value: &str) -> rusqlite::Result<()> {
    transaction.execute("insert or replace into meta values (?, ?)", (name, value)).map(drop)
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
