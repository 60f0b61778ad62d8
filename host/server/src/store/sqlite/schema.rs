//! The format of the file: its mark, its number, and how an older one becomes the newest.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::failure;
use crate::store::StoreError;

/// `application_id` of a jackfield store: "JKFD".
const APPLICATION_ID: i64 = 0x4a4b_4644;

/// What brings format *n* to format *n + 1*, by *n*. A statement that has been released is never
/// changed; a new format is a new line.
const MIGRATIONS: &[&str] = &[include_str!("migrations/1.sql")];

/// Brings the file to the newest format.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    migrate_with(connection, path, MIGRATIONS)
}

fn migrate_with(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), StoreError> {
    let failed = |error| failure(path, error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let application: i64 = transaction.query_row("pragma application_id", [], |row| row.get(0)).map_err(failed)?;
    let found: i64 = transaction.query_row("pragma user_version", [], |row| row.get(0)).map_err(failed)?;
    let objects: i64 =
        transaction.query_row("select count(*) from sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let is_new = application == 0 && found == 0 && objects == 0;
    if application != APPLICATION_ID && !is_new {
        let detail = format!("another program's SQLite file, application id {application:#x}");
        return Err(StoreError::NotOurs { path: path.into(), detail });
    }
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer { path: path.into(), found, known });
    }
    let Some(missing) = usize::try_from(found).ok().and_then(|found| migrations.get(found..)) else {
        return Err(StoreError::Corrupt { path: path.into(), detail: format!("format number {found}") });
    };
    if missing.is_empty() {
        return Ok(());
    }
    for migration in missing {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    transaction.pragma_update(None, "user_version", known).map_err(failed)?;
    transaction.commit().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_migration_runs_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let mut connection = Connection::open(&path).unwrap();
        let first = "create table a (x)";
        let second = "alter table a add column y; insert into a values (1, 2)";
        migrate_with(&mut connection, &path, &[first]).unwrap();
        migrate_with(&mut connection, &path, &[first, second]).unwrap();
        migrate_with(&mut connection, &path, &[first, second]).unwrap();
        let rows: i64 = connection.query_row("select count(y) from a", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1);
        assert!(matches!(
            migrate_with(&mut connection, &path, &[first]),
            Err(StoreError::Newer { found: 2, known: 1, .. })
        ));
    }

    #[test]
    fn a_failed_migration_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let mut connection = Connection::open(&path).unwrap();
        migrate_with(&mut connection, &path, &["create table a (x)"]).unwrap();
        let broken = "create table b (x); insert into missing values (1)";
        assert!(migrate_with(&mut connection, &path, &["create table a (x)", broken]).is_err());
        let tables: i64 = connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0)).unwrap();
        let version: i64 = connection.query_row("pragma user_version", [], |row| row.get(0)).unwrap();
        assert_eq!((tables, version), (1, 1));
    }
}
