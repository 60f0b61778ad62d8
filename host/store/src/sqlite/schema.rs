//! The format of a file: its mark, its number, and how an older one becomes the newest.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{ReadConnection, failure};
use crate::StoreError;

/// A kind of file and its formats. Format *n* is that after the first *n* migrations; 0 is an empty file.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// SQLite's `application_id`, which marks the kind.
    pub application_id: i64,
    /// What brings format *n* to format *n + 1*, by *n*. A statement that has been released is never
    /// changed; a new format is a new line.
    pub migrations: &'static [&'static str],
}

impl Format {
    /// The newest format this build knows.
    fn known(&self) -> i64 {
        i64::try_from(self.migrations.len()).unwrap_or(i64::MAX)
    }

    /// The migrations a file still needs; all of them where it is new.
    fn missing(&self, connection: &Connection, path: &Path) -> Result<&'static [&'static str], StoreError> {
        let pragma = |statement: &str| -> Result<i64, StoreError> {
            connection.query_row(statement, [], |row| row.get(0)).map_err(|error| failure(path, error))
        };
        let application = pragma("pragma application_id")?;
        let found = pragma("pragma user_version")?;
        let is_new = application == 0 && found == 0 && pragma("select count(*) from sqlite_schema")? == 0;
        if application != self.application_id && !is_new {
            let detail = format!("another program's SQLite file, application id {application:#x}");
            return Err(StoreError::NotOurs { path: path.into(), detail });
        }
        if found > self.known() {
            return Err(StoreError::Newer { path: path.into(), found, known: self.known() });
        }
        let missing = usize::try_from(found).ok().and_then(|found| self.migrations.get(found..));
        missing.ok_or_else(|| StoreError::Corrupt { path: path.into(), detail: format!("format number {found}") })
    }

    /// Checks that a file can be read as it is: of this kind and in the newest format.
    ///
    /// # Errors
    /// [`StoreError::NotOurs`], [`StoreError::Newer`]; [`StoreError::Older`] where it was not yet
    /// brought up to date.
    pub fn check(&self, reader: &ReadConnection) -> Result<(), StoreError> {
        let missing = i64::try_from(self.missing(reader.connection(), reader.path())?.len()).unwrap_or(i64::MAX);
        match missing {
            0 => Ok(()),
            _ => Err(StoreError::Older {
                path: reader.path().into(),
                found: self.known() - missing,
                known: self.known(),
            }),
        }
    }
}

/// Brings the file to the newest format, in one transaction.
pub(super) fn migrate(connection: &mut Connection, path: &Path, format: &Format) -> Result<(), StoreError> {
    let failed = |error| failure(path, error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let missing = format.missing(&transaction, path)?;
    if missing.is_empty() {
        return Ok(());
    }
    for migration in missing {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    transaction.pragma_update(None, "application_id", format.application_id).map_err(failed)?;
    transaction.pragma_update(None, "user_version", format.known()).map_err(failed)?;
    transaction.commit().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrate_with(
        connection: &mut Connection,
        path: &Path,
        migrations: &'static [&'static str],
    ) -> Result<(), StoreError> {
        migrate(connection, path, &Format { application_id: 0x4a4b_4644, migrations })
    }

    #[test]
    fn each_migration_runs_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let mut connection = Connection::open(&path).unwrap();
        const FIRST: &str = "create table a (x)";
        const SECOND: &str = "alter table a add column y; insert into a values (1, 2)";
        migrate_with(&mut connection, &path, &[FIRST]).unwrap();
        migrate_with(&mut connection, &path, &[FIRST, SECOND]).unwrap();
        migrate_with(&mut connection, &path, &[FIRST, SECOND]).unwrap();
        let rows: i64 = connection.query_row("select count(y) from a", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1);
        assert!(matches!(
            migrate_with(&mut connection, &path, &[FIRST]),
            Err(StoreError::Newer { found: 2, known: 1, .. })
        ));
    }

    #[test]
    fn a_failed_migration_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let mut connection = Connection::open(&path).unwrap();
        migrate_with(&mut connection, &path, &["create table a (x)"]).unwrap();
        const BROKEN: &str = "create table b (x); insert into missing values (1)";
        assert!(migrate_with(&mut connection, &path, &["create table a (x)", BROKEN]).is_err());
        let tables: i64 = connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0)).unwrap();
        let version: i64 = connection.query_row("pragma user_version", [], |row| row.get(0)).unwrap();
        assert_eq!((tables, version), (1, 1));
    }
}
