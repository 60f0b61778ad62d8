//! The suite on SQLite, and what only a file can do wrong.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use rusqlite::Connection;
use tempfile::TempDir;

use jackfield_store::Writer;

use crate::suite::{self, begin, end, journal_suite, settings, turn};
use crate::{Entry, JournalReader, JournalStore, SqliteJournal, StoreError};

journal_suite!(|| {
    suite::over(tempfile::tempdir().unwrap(), |folder: &TempDir| {
        Box::new(SqliteJournal::new(folder.path().join("journal.db")))
    })
});

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    (folder, path)
}

fn refusal(path: &PathBuf) -> StoreError {
    SqliteJournal::new(path).open(&settings(), None).map(drop).unwrap_err()
}

#[test]
fn the_file_is_set_up_to_survive_a_power_loss() {
    let (_folder, path) = folder();
    let mut store = SqliteJournal::new(&path);
    let (writer, _reader, _) = store.open_halves(&settings(), None).unwrap();
    let pragma = |name: &str| -> String {
        let value =
            writer.connection().query_row(&format!("pragma {name}"), [], |row| row.get::<_, rusqlite::types::Value>(0));
        format!("{:?}", value.unwrap())
    };
    assert_eq!(pragma("journal_mode"), r#"Text("wal")"#);
    assert_eq!(pragma("synchronous"), "Integer(2)");
    assert_eq!(pragma("application_id"), format!("Integer({})", 0x4a4b_464a));
    assert_eq!(pragma("user_version"), "Integer(1)");
}

#[test]
fn a_newer_format_is_refused() {
    let (_folder, path) = folder();
    drop(SqliteJournal::new(&path).open(&settings(), None).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    assert_eq!(refusal(&path), StoreError::Newer { path, found: 7, known: 1 });
}

#[test]
fn what_is_no_journal_is_left_alone() {
    let (_folder, path) = folder();
    fs::write(&path, "a letter, not a database. ".repeat(100)).unwrap();
    assert!(matches!(refusal(&path), StoreError::NotOurs { .. }));
    assert!(fs::read_to_string(&path).unwrap().starts_with("a letter"));

    // An Interaction Server's store is not a journal.
    let (_folder, path) = folder();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("create table interaction (id); pragma application_id = 0x4a4b4644").unwrap();
    drop(connection);
    let error = refusal(&path);
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
}

#[test]
fn a_second_node_is_refused_until_the_first_is_gone() {
    let (_folder, path) = folder();
    let mut first = SqliteJournal::new(&path);
    let opened = first.open(&settings(), None).unwrap();
    let error = refusal(&path);
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&format!("process id {}", std::process::id())), "{error}");
    assert!(error.is_retriable());
    drop((first, opened));
    drop(SqliteJournal::new(&path).open(&settings(), None).unwrap());
}

#[test]
fn a_missing_folder_is_named() {
    let (_folder, path) = folder();
    let error = refusal(&path.join("deeper").join("journal.db"));
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(error.to_string().contains("deeper"), "{error}");
}

#[test]
fn damage_is_an_error_and_not_an_absence() {
    let (_folder, path) = folder();
    let mut store = SqliteJournal::new(&path);
    let mut opened = store.open(&settings(), None).unwrap();
    for number in 0..200 {
        let id = format!("{number:04}");
        let turns = (1..=20).map(|number| turn(&id, number));
        opened.writer.commit(&[begin(&id)].into_iter().chain(turns).collect::<Vec<_>>()).unwrap();
    }
    drop(opened);
    let pages = fs::metadata(&path).unwrap().len() / 4_096;
    assert!(pages > 50);
    // All but the first page, which holds the format and the names of the tables.
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    for page in 1..pages {
        file.seek(SeekFrom::Start(page * 4_096)).unwrap();
        file.write_all(&[0xa5; 512]).unwrap();
    }
    drop(file);
    let error = store.open(&settings(), Some(1)).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(!error.is_retriable());
    assert!(error.to_string().contains("restore a backup"), "{error}");
}

#[test]
fn one_damaged_page_does_not_look_like_a_shorter_session() {
    let (_folder, path) = folder();
    let mut store = SqliteJournal::new(&path);
    let mut opened = store.open(&settings(), None).unwrap();
    let turns: Vec<Entry> = (1..=2_000).map(|number| turn("a", number)).collect();
    opened.writer.commit(&[begin("a")]).unwrap();
    opened.writer.commit(&turns).unwrap();
    drop(opened);
    // A page with turns in its middle.
    let needle = b"turn 1000 of a";
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(at as u64 / 4_096 * 4_096)).unwrap();
    file.write_all(&[0xa5; 64]).unwrap();
    drop(file);
    let mut opened = store.open(&settings(), Some(1)).unwrap();
    let error = opened.reader.session("a").unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[test]
fn reading_recording_and_removing_need_no_scan() {
    let (_folder, path) = folder();
    let mut store = SqliteJournal::new(&path);
    let (writer, ..) = store.open_halves(&settings(), None).unwrap();
    for statement in [
        "select * from session where id = 'a'",
        "select * from session where ended_at is null order by number",
        "select id from session where ended_at < 5 order by ended_at limit 1",
        "select * from turn where session = 'a' and number > 5 order by number",
        "select * from message where session = 'a' and taken_in is null",
        "select * from session where digest = 'd1'",
        "select id from session where id >= 'a' and id < 'a' || char(0x10ffff) order by id limit 5",
    ] {
        let connection = writer.connection();
        let mut plan = connection.prepare(&format!("explain query plan {statement}")).unwrap();
        let steps: Vec<String> =
            plan.query_map([], |row| row.get(3)).unwrap().collect::<rusqlite::Result<_>>().unwrap();
        let is_scan = |step: &String| !(step.starts_with("SEARCH") || step.contains("session_unfinished"));
        assert!(!steps.is_empty() && !steps.iter().any(is_scan), "{statement}: {steps:?}");
    }
}

/// `cargo test -p jackfield-journal figures -- --ignored --nocapture`
#[test]
#[ignore = "prints figures"]
fn append_figures() {
    /// Sessions, and entries of each: it begins, takes two turns, ends.
    const SESSIONS: usize = 50_000;
    let (_folder, path) = folder();
    let mut store = SqliteJournal::new(&path);
    let (mut writer, ..) = store.open_halves(&settings(), None).unwrap();
    for batch in [1, 10, 100, 1_000] {
        let sessions = SESSIONS.min(batch * 500);
        let batches: Vec<Vec<Entry>> = (0..sessions)
            .collect::<Vec<_>>()
            .chunks(batch)
            .map(|numbers| numbers.iter().flat_map(|number| life(batch, *number)).collect())
            .collect();
        let start = Instant::now();
        for entries in &batches {
            writer.commit(entries).unwrap();
        }
        let spent = start.elapsed().as_secs_f64();
        println!(
            "{batch} sessions a commit: {:.0} sessions/s, {:.0} entries/s",
            sessions as f64 / spent,
            sessions as f64 * 4.0 / spent
        );
    }
    let start = Instant::now();
    let mut removed = 0;
    loop {
        let pruned = writer.prune(i64::MAX).unwrap();
        removed += pruned.removed;
        if !pruned.more {
            break;
        }
    }
    println!("retention: {:.0} rows/s removed", removed as f64 / start.elapsed().as_secs_f64());
}

/// A session of the size of a simple interaction's.
fn life(batch: usize, number: usize) -> [Entry; 4] {
    let id = format!("0199b3c0-{batch:04}-7000-8000-{number:012}");
    let with = |entry: Entry, bytes: usize| match entry {
        Entry::Begin(row) => Entry::Begin(crate::SessionRow { origin: vec![7; bytes], digest: "d".repeat(64), ..row }),
        Entry::Turn { session, number, due_at, checkpoint, taken, sends, .. } => {
            Entry::Turn { session, number, record: vec![7; bytes], due_at, checkpoint, taken, sends }
        }
        other => other,
    };
    [with(begin(&id), 600), with(turn(&id, 1), 300), with(turn(&id, 2), 200), end(&id, 1)]
}

/// As [`append_figures`].
#[test]
#[ignore = "prints figures"]
fn load_figures() {
    const SESSIONS: usize = 100_000;
    let (_folder, path) = folder();
    let mut store = SqliteJournal::new(&path);
    let (mut writer, ..) = store.open_halves(&settings(), None).unwrap();
    for numbers in (0..SESSIONS).collect::<Vec<_>>().chunks(1_000) {
        let entries: Vec<Entry> = numbers.iter().flat_map(|number| life(0, *number).into_iter().take(3)).collect();
        writer.commit(&entries).unwrap();
    }
    drop(writer);
    println!("{} bytes on disk for each", fs::metadata(&path).unwrap().len() / SESSIONS as u64);
    let start = Instant::now();
    let (_writer, mut reader, _) = store.open_halves(&settings(), None).unwrap();
    let ids = reader.unfinished().unwrap();
    assert_eq!(ids.len(), SESSIONS);
    assert!(ids.iter().all(|id| reader.session(id).unwrap().unwrap().turns == 2));
    println!("{SESSIONS} unfinished sessions read in {:?}", start.elapsed());
}
