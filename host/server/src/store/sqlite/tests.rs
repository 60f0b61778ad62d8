//! The suite on SQLite, and what only a file can do wrong.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write as _};

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::store::floor::{sample, store_floor};
use crate::store::suite::{self, store_suite};
use crate::store::{Entry, Reader, Write, Writer};

store_suite!(|| {
    suite::over(tempfile::tempdir().unwrap(), |folder: &TempDir| {
        Box::new(SqliteStore::open(&folder.path().join("store.db")).unwrap())
    })
});

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    (folder, path)
}

fn inserts(numbers: std::ops::Range<usize>) -> Vec<Write> {
    numbers
        .map(|number| {
            let (interaction, entry) = sample(1, number);
            Write::Insert(Box::new(interaction), entry)
        })
        .collect()
}

fn count(reader: &mut SqliteReader) -> usize {
    let mut count = 0;
    reader.entries(&mut |_| count += 1).unwrap();
    count
}

#[test]
fn the_file_is_set_up_to_survive_a_power_loss() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let (writer, _reader, _) = store.open_halves(&[]).unwrap();
    let pragma = |name: &str| -> String {
        let value =
            writer.connection().query_row(&format!("pragma {name}"), [], |row| row.get::<_, rusqlite::types::Value>(0));
        format!("{:?}", value.unwrap())
    };
    assert_eq!(pragma("journal_mode"), r#"Text("wal")"#);
    assert_eq!(pragma("synchronous"), "Integer(2)");
    assert_eq!(pragma("application_id"), "Integer(1246447172)");
    assert_eq!(pragma("user_version"), "Integer(2)");
}

#[test]
fn the_reader_cannot_write() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let (_writer, reader, _) = store.open_halves(&[]).unwrap();
    assert!(reader.connection().execute("delete from queue_entry", []).is_err());
}

#[test]
fn a_full_disk_takes_nothing_of_a_commit_and_passes() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let (mut writer, mut reader, _) = store.open_halves(&[]).unwrap();
    writer.commit(&inserts(0..10)).unwrap();
    // The page after which the disk is full.
    let pages: i64 = writer.connection().query_row("pragma page_count", [], |row| row.get(0)).unwrap();
    writer.connection().query_row(&format!("pragma max_page_count = {}", pages + 5), [], |_| Ok(())).unwrap();
    let error = writer.commit(&inserts(10..500)).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(error.is_retriable());
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(count(&mut reader), 10);
    drop((writer, reader));

    let (mut writer, mut reader, _) = store.open_halves(&[]).unwrap();
    writer.commit(&inserts(10..500)).unwrap();
    assert_eq!(count(&mut reader), 500);
}

#[test]
fn a_store_that_turned_read_only_says_so() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let (mut writer, mut reader, _) = store.open_halves(&[]).unwrap();
    writer.commit(&inserts(0..1)).unwrap();
    writer.connection().pragma_update(None, "query_only", true).unwrap();
    let error = writer.commit(&inserts(1..2)).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    assert!(error.is_retriable());
    assert_eq!(count(&mut reader), 1);
}

#[test]
fn a_damaged_file_is_refused_and_not_repaired() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let (mut writer, reader, _) = store.open_halves(&[]).unwrap();
    writer.commit(&inserts(0..2_000)).unwrap();
    drop((writer, reader));
    let pages = fs::metadata(&path).unwrap().len() / 4_096;
    assert!(pages > 100);
    // All but the first page, which holds the format and the names of the tables.
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    for page in 1..pages {
        file.seek(SeekFrom::Start(page * 4_096)).unwrap();
        file.write_all(&[0xa5; 512]).unwrap();
    }
    drop(file);
    let error = store.open_halves(&[]).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(!error.is_retriable());
}

#[test]
fn damage_met_while_reading_is_an_error_and_not_an_absence() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let (mut writer, mut reader, _) = store.open_halves(&[]).unwrap();
    writer.commit(&inserts(0..1)).unwrap();
    writer.connection().execute("update interaction set body = x'ffff'", []).unwrap();
    let id = sample(1, 0).1.key.id;
    let error = reader.interactions(&[&id]).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[test]
fn what_is_no_store_of_ours_is_left_alone() {
    let (_folder, path) = folder();
    fs::write(&path, "a letter, not a database. ".repeat(100)).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let error = store.open_halves(&[]).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
    assert!(fs::read_to_string(&path).unwrap().starts_with("a letter"));

    let (_folder, path) = folder();
    Connection::open(&path).unwrap().execute_batch("create table addresses (name)").unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let error = store.open_halves(&[]).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
}

#[test]
fn a_newer_format_is_refused() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    drop(store.open_halves(&[]).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let error = store.open_halves(&[]).map(|_| ()).unwrap_err();
    assert_eq!(error, StoreError::Newer { path, found: 7, known: 2 });
    assert!(!error.is_retriable());
}

#[test]
fn a_second_owner_is_refused_until_the_first_is_gone() {
    let (_folder, path) = folder();
    let first = SqliteStore::open(&path).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&format!("process id {}", std::process::id())), "{error}");
    assert!(error.is_retriable());
    drop(first);
    assert!(SqliteStore::open(&path).is_ok());
}

#[test]
fn a_missing_folder_is_named() {
    let (_folder, path) = folder();
    let error = SqliteStore::open(&path.join("deeper").join("store.db")).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(error.to_string().contains("deeper"), "{error}");
}

#[test]
fn the_floor_leaves_nothing_behind() {
    let (_folder, path) = folder();
    let floor = store_floor(&path, 250, 100).unwrap();
    assert!(floor.interactions_per_second > 0.0 && floor.commits_per_second > 0.0);
    let mut store = SqliteStore::open(&path).unwrap();
    let mut opened = Store::open(&mut store, &[]).unwrap();
    let mut left: Vec<Entry> = Vec::new();
    opened.reader.entries(&mut |entry| left.push(entry)).unwrap();
    assert_eq!(left, []);
}

/// `cargo test -p jackfield-server store_figures -- --ignored --nocapture`
#[test]
#[ignore = "prints figures"]
fn store_figures() {
    for batch in [1, 10, 100, 1_000] {
        let (_folder, path) = folder();
        let floor = store_floor(&path, 20 * batch.max(20), batch).unwrap();
        println!(
            "{batch} a commit: {:.0} interactions/s inserted and deleted, {:.0} commits/s",
            floor.interactions_per_second, floor.commits_per_second
        );
    }
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let (writer, _reader, _) = store.open_halves(&[]).unwrap();
    let interactions = 20_000;
    let (sender, receiver) = std::sync::mpsc::channel();
    let group = crate::store::GroupCommit::start(Box::new(writer), move |result| sender.send(result).unwrap()).unwrap();
    let (start, mut sequence) = (std::time::Instant::now(), 0);
    for number in 0..interactions {
        let (interaction, entry) = sample(1, number);
        let key = entry.key.clone();
        group.write(sequence + 1, vec![Write::Insert(Box::new(interaction), entry)]);
        group.write(sequence + 2, vec![Write::Delete { key }]);
        sequence += 2;
    }
    drop(group);
    let spent = start.elapsed().as_secs_f64();
    let commits = receiver.iter().map(Result::unwrap).count();
    println!("grouped: {:.0} interactions/s in {commits} commits", f64::from(interactions as u32) / spent);
}
