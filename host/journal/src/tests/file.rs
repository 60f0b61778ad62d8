//! The journal read from beside, while a node writes to it.

use super::faults::Place;
use crate::suite::{begin, end, record, row, turn};
use crate::{Entry, Filter, Journal, JournalFile, JournalFileError, SessionRow, StoreError, Urgency};

async fn recorded(journal: &Journal, entries: Vec<Entry>) {
    journal.append(entries, Urgency::Now).await.await.unwrap();
}

fn ids(file: &JournalFile, filter: &Filter) -> Vec<String> {
    file.sessions(filter).unwrap().into_iter().map(|summary| summary.row.id.to_string()).collect()
}

fn checkpointed(id: &str, number: u64) -> Entry {
    match turn(id, number) {
        Entry::Turn { session, number, record, due_at, taken, sends, .. } => {
            Entry::Turn { session, number, record, due_at, checkpoint: Some(b"state".to_vec()), taken, sends }
        }
        _ => unreachable!(),
    }
}

#[tokio::test]
async fn it_shows_what_the_node_has_committed() {
    let place = Place::new();
    let journal = place.open();
    recorded(&journal, vec![begin("a1"), turn("a1", 1), checkpointed("a1", 2), turn("a1", 3)]).await;
    let file = JournalFile::open(place.path()).unwrap();
    let other = SessionRow { strategy: "Survey".into(), started_at: 2_000, ..row("b") };
    // Just now: what ended long ago may be removed at any time.
    let now = i64::try_from(jackfield_world::wall_ms()).unwrap();
    recorded(&journal, vec![Entry::Begin(other), begin("a2"), turn("a2", 1), end("a2", now)]).await;

    assert_eq!(ids(&file, &Filter::default()), ["a2", "b", "a1"]);
    assert_eq!(ids(&file, &Filter { limit: 2, ..Filter::default() }), ["a2", "b"]);
    assert_eq!(ids(&file, &Filter { finished: Some(true), ..Filter::default() }), ["a2"]);
    assert_eq!(ids(&file, &Filter { finished: Some(false), ..Filter::default() }), ["b", "a1"]);
    assert_eq!(ids(&file, &Filter { since: Some(2_000), ..Filter::default() }), ["b"]);
    assert_eq!(ids(&file, &Filter { strategy: Some("Survey".into()), ..Filter::default() }), ["b"]);
    let all = file.sessions(&Filter::default()).unwrap();
    let progress: Vec<_> = all.iter().map(|found| (found.turns, found.due_at, found.checkpoint)).collect();
    assert_eq!(progress, [(1, Some(10), None), (0, None, None), (3, Some(30), Some(2))]);
    assert!(all[0].end.as_ref().is_some_and(|end| end.at == now));

    let state = file.state().unwrap();
    assert_eq!((state.node.as_str(), state.epoch, state.unfinished, state.finished), ("one", 1, 2, 1));
    assert!(state.bytes > 4_096 && state.free_bytes < state.bytes);
    journal.close().await;
    assert_eq!(ids(&file, &Filter::default()), ["a2", "b", "a1"]);
}

#[tokio::test]
async fn a_session_is_found_by_the_beginning_of_its_id() {
    let place = Place::new();
    let journal = place.open();
    let component = Entry::Component { digest: "d".into(), name: "n".into(), version: "1".into(), bytes: vec![1] };
    recorded(&journal, vec![component, begin("ab"), begin("abc"), begin("abd"), begin("ac"), begin("b%")]).await;
    recorded(&journal, vec![turn("ac", 1), checkpointed("ac", 2), turn("ac", 3)]).await;
    let file = JournalFile::open(place.path()).unwrap();
    let id = |prefix: &str| file.session(prefix, false).map(|found| found.map(|found| found.row.id.to_string()));
    assert_eq!(id("ab").unwrap().as_deref(), Some("ab"), "a whole id is never ambiguous");
    assert_eq!(id("abc").unwrap().as_deref(), Some("abc"));
    assert_eq!(id("b").unwrap().as_deref(), Some("b%"));
    assert_eq!(id("x").unwrap(), None);
    assert_eq!(id("%").unwrap(), None);
    let error = id("a").unwrap_err();
    assert!(matches!(&error, JournalFileError::Ambiguous { candidates, .. } if candidates.len() == 4), "{error}");
    assert!(error.to_string().contains("ab or abc or abd or ac"), "{error}");

    let whole = file.session("ac", true).unwrap().unwrap();
    assert_eq!(whole.records, (1..=3).map(|number| (number, record("ac", number))).collect::<Vec<_>>());
    assert_eq!((whole.turns, whole.due_at), (3, Some(30)));
    let since = file.session("ac", false).unwrap().unwrap();
    assert_eq!(since.records, [(3, record("ac", 3))]);
    assert_eq!(file.component("d").unwrap(), Some(vec![1]));
    assert_eq!(file.component("e").unwrap(), None);
}

#[test]
fn what_is_no_journal_is_not_read() {
    let place = Place::new();
    let error = JournalFile::open(place.path()).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(!place.path().exists(), "reading makes nothing");
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    let error = JournalFile::open(place.path()).unwrap_err();
    assert!(matches!(error, StoreError::Older { found: 0, known: 1, .. }), "{error}");
    connection.execute_batch("create table addresses (name)").unwrap();
    let error = JournalFile::open(place.path()).unwrap_err();
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
}
