//! The tests every store of a journal must pass. A store's own tests call [`journal_suite!`] with how
//! to make one; each call of that makes a store over the same data, as a restart would.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    Entry, JournalReader, JournalSettings, JournalStore, MessageRow, Opened, SessionRow, StoreError, StoredCheckpoint,
    StoredEnd, StoredSession,
};

/// One test for each behaviour, against what `$make` makes: a closure that opens a new, empty place
/// and returns a closure that makes stores over it.
macro_rules! journal_suite {
    ($make:expr) => {
        $crate::suite::journal_suite!($make =>
            starts_empty,
            a_session_comes_back_over_a_restart,
            unfinished_sessions_come_in_the_order_they_began,
            turns_before_the_checkpoint_are_history,
            history_is_bounded,
            messages_wait_until_they_are_taken,
            a_message_of_a_turn_is_committed_with_it,
            nobody_keeps_messages_to_who_is_not_there,
            repeating_a_batch_changes_nothing,
            another_record_of_the_same_turn_is_refused,
            all_of_a_commit_or_nothing,
            a_moved_session_has_another_component,
            components_nobody_refers_to_go_when_it_is_opened,
            who_is_not_the_owner_any_more_writes_nothing,
            retention_removes_what_is_old_and_nothing_else,
            retention_is_bounded,
            the_reader_sees_commits_at_once,
            bytes_of_every_kind_come_back,
        );
    };
    ($make:expr => $($name:ident,)*) => {
        $(#[test]
        fn $name() {
            let place = $make();
            $crate::suite::$name(&*place);
        })*
    };
}
pub(crate) use journal_suite;

/// Makes a store over the same data each time.
pub(crate) type Make = dyn Fn() -> Box<dyn JournalStore>;

/// Keeps a place for as long as stores are made over it.
pub(crate) fn over<T: 'static>(place: T, make: impl Fn(&T) -> Box<dyn JournalStore> + 'static) -> Rc<Make> {
    Rc::new(move || make(&place))
}

pub(crate) fn settings() -> JournalSettings {
    JournalSettings { node: "one".into(), retention: Duration::from_secs(60), history_turns: 3 }
}

pub(crate) fn row(id: &str) -> SessionRow {
    SessionRow {
        id: id.into(),
        strategy: "Triage".into(),
        plugin: "triage".into(),
        version: "1.0.0".into(),
        digest: "d1".into(),
        server: "email_server".into(),
        interaction: format!("interaction of {id}"),
        started_at: 1_000,
        origin: format!("origin of {id}").into_bytes(),
    }
}

pub(crate) fn begin(id: &str) -> Entry {
    Entry::Begin(row(id))
}

pub(crate) fn turn(id: &str, number: u64) -> Entry {
    Entry::Turn {
        session: id.into(),
        number,
        record: record(id, number),
        due_at: Some(number.cast_signed() * 10),
        checkpoint: None,
        taken: None,
        sends: vec![],
    }
}

pub(crate) fn record(id: &str, number: u64) -> Vec<u8> {
    format!("turn {number} of {id}").into_bytes()
}

fn with_checkpoint(entry: Entry, bytes: &[u8]) -> Entry {
    match entry {
        Entry::Turn { session, number, record, due_at, taken, sends, .. } => {
            Entry::Turn { session, number, record, due_at, taken, sends, checkpoint: Some(bytes.into()) }
        }
        other => other,
    }
}

fn taking(entry: Entry, key: &str) -> Entry {
    match entry {
        Entry::Turn { session, number, record, due_at, checkpoint, sends, .. } => {
            Entry::Turn { session, number, record, due_at, checkpoint, sends, taken: Some(key.into()) }
        }
        other => other,
    }
}

fn sending(entry: Entry, messages: &[MessageRow]) -> Entry {
    match entry {
        Entry::Turn { session, number, record, due_at, checkpoint, taken, .. } => {
            Entry::Turn { session, number, record, due_at, checkpoint, taken, sends: messages.into() }
        }
        other => other,
    }
}

pub(crate) fn end(id: &str, at: i64) -> Entry {
    Entry::End { session: id.into(), at, outcome: "stopped".into(), failed: false, last: None }
}

fn message(session: &str, key: &str) -> MessageRow {
    MessageRow { session: session.into(), key: key.into(), name: "news".into(), data: format!("data of {key}") }
}

fn component(digest: &str) -> Entry {
    Entry::Component { digest: digest.into(), name: "triage".into(), version: "1.0.0".into(), bytes: digest.into() }
}

fn open(make: &Make) -> (Box<dyn JournalStore>, Opened) {
    let mut store = make();
    let opened = store.open(&settings(), None).unwrap();
    (store, opened)
}

fn session(opened: &mut Opened, id: &str) -> StoredSession {
    opened.reader.session(id).unwrap().unwrap()
}

fn unfinished(reader: &mut dyn JournalReader) -> Vec<StoredSession> {
    let ids = reader.unfinished().unwrap();
    ids.iter().map(|id| reader.session(id).unwrap().unwrap()).collect()
}

fn ids(opened: &mut Opened) -> Vec<String> {
    unfinished(opened.reader.as_mut()).into_iter().map(|session| session.row.id.to_string()).collect()
}

fn keys(session: &StoredSession) -> Vec<&str> {
    session.messages.iter().map(|message| message.key.as_str()).collect()
}

fn numbers(session: &StoredSession) -> Vec<u64> {
    session.records.iter().map(|(number, _)| *number).collect()
}

pub(crate) fn starts_empty(make: &Make) {
    let (_store, mut opened) = open(make);
    assert_eq!(opened.epoch, 1);
    assert_eq!(unfinished(opened.reader.as_mut()), []);
    assert_eq!(opened.reader.session("a").unwrap(), None);
    assert_eq!(opened.reader.component("d1").unwrap(), None);
    assert!(!opened.reader.has_component("d1").unwrap());
    assert_eq!(opened.writer.prune(i64::MAX).unwrap().removed, 0);
}

pub(crate) fn a_session_comes_back_over_a_restart(make: &Make) {
    let (store, mut opened) = open(make);
    opened.writer.commit(&[begin("a"), turn("a", 1)]).unwrap();
    opened.writer.commit(&[turn("a", 2)]).unwrap();
    drop((store, opened));
    let (_store, mut opened) = open(make);
    assert_eq!(opened.epoch, 2);
    let expected = StoredSession {
        row: row("a"),
        turns: 2,
        due_at: Some(20),
        checkpoint: None,
        records: vec![(1, record("a", 1)), (2, record("a", 2))],
        messages: vec![],
        end: None,
    };
    assert_eq!(opened.reader.session("a").unwrap(), Some(expected.clone()));
    assert_eq!(unfinished(opened.reader.as_mut()), std::slice::from_ref(&expected));
    let last = Some(b"the turn that failed".to_vec());
    let outcome = String::from("trapped");
    opened
        .writer
        .commit(&[Entry::End {
            session: "a".into(),
            at: 5,
            outcome: outcome.clone(),
            failed: true,
            last: last.clone(),
        }])
        .unwrap();
    let ended = StoredSession { end: Some(StoredEnd { at: 5, outcome, failed: true, last }), ..expected };
    assert_eq!(opened.reader.session("a").unwrap(), Some(ended));
    assert_eq!(unfinished(opened.reader.as_mut()), []);
}

pub(crate) fn unfinished_sessions_come_in_the_order_they_began(make: &Make) {
    let (_store, mut opened) = open(make);
    opened.writer.commit(&[begin("z"), begin("m")]).unwrap();
    opened.writer.commit(&[begin("a"), turn("m", 1), end("m", 9), begin("b")]).unwrap();
    assert_eq!(ids(&mut opened), ["z", "a", "b"]);
    assert_eq!(session(&mut opened, "z").turns, 0);
}

pub(crate) fn turns_before_the_checkpoint_are_history(make: &Make) {
    let (store, mut opened) = open(make);
    opened.writer.commit(&[begin("a"), turn("a", 1), with_checkpoint(turn("a", 2), b"first")]).unwrap();
    let found = session(&mut opened, "a");
    assert_eq!(found.checkpoint, Some(StoredCheckpoint { turn: 2, record: b"first".into() }));
    assert_eq!((found.turns, found.due_at, numbers(&found)), (2, Some(20), vec![]));
    opened.writer.commit(&[turn("a", 3), with_checkpoint(turn("a", 4), b"second"), turn("a", 5)]).unwrap();
    drop((store, opened));
    let (_store, mut opened) = open(make);
    let found = session(&mut opened, "a");
    assert_eq!(found.checkpoint, Some(StoredCheckpoint { turn: 4, record: b"second".into() }));
    assert_eq!((found.turns, found.due_at, numbers(&found)), (5, Some(50), vec![5]));
    assert_eq!(unfinished(opened.reader.as_mut()), [found]);
}

pub(crate) fn history_is_bounded(make: &Make) {
    // Without turns from before the checkpoint its number and its due time are all that is known.
    let none = JournalSettings { history_turns: 0, ..settings() };
    let opened = make().open(&none, None).unwrap();
    let Opened { mut writer, mut reader, .. } = opened;
    writer.commit(&[begin("a"), turn("a", 1), with_checkpoint(turn("a", 2), b"state")]).unwrap();
    let found = reader.session("a").unwrap().unwrap();
    assert_eq!((found.turns, found.due_at, numbers(&found)), (2, Some(20), vec![]));
    // Repeated, as after a commit whose outcome was not known.
    writer.commit(&[turn("a", 1), with_checkpoint(turn("a", 2), b"state"), turn("a", 3)]).unwrap();
    let found = reader.session("a").unwrap().unwrap();
    assert_eq!((found.turns, found.due_at, numbers(&found)), (3, Some(30), vec![3]));
}

pub(crate) fn messages_wait_until_they_are_taken(make: &Make) {
    let (store, mut opened) = open(make);
    let send = |key: &str| Entry::Message(message("a", key));
    opened.writer.commit(&[begin("a"), begin("b"), send("k2"), send("k1")]).unwrap();
    let other = MessageRow { data: "another".into(), ..message("a", "k2") };
    opened.writer.commit(&[Entry::Message(other), send("k3"), Entry::Message(message("b", "k1"))]).unwrap();
    drop((store, opened));
    let (_store, mut opened) = open(make);
    let found = session(&mut opened, "a");
    assert_eq!(found.messages, ["k2", "k1", "k3"].map(|key| message("a", key)));
    opened.writer.commit(&[taking(turn("a", 1), "k1")]).unwrap();
    assert_eq!(keys(&session(&mut opened, "a")), ["k2", "k3"]);
    opened.writer.commit(&[send("k1")]).unwrap();
    assert_eq!(keys(&session(&mut opened, "a")), ["k2", "k3"], "what was taken is known");
    assert_eq!(keys(&session(&mut opened, "b")), ["k1"]);
}

pub(crate) fn a_message_of_a_turn_is_committed_with_it(make: &Make) {
    let (_store, mut opened) = open(make);
    opened.writer.commit(&[begin("a"), begin("b")]).unwrap();
    opened.writer.commit(&[sending(turn("a", 1), &[message("b", "k1"), message("a", "k2")])]).unwrap();
    assert_eq!(keys(&session(&mut opened, "b")), ["k1"]);
    assert_eq!(keys(&session(&mut opened, "a")), ["k2"]);
}

pub(crate) fn nobody_keeps_messages_to_who_is_not_there(make: &Make) {
    let (_store, mut opened) = open(make);
    opened.writer.commit(&[begin("a"), end("a", 1), Entry::Message(message("a", "k"))]).unwrap();
    opened.writer.commit(&[Entry::Message(message("b", "k")), begin("b")]).unwrap();
    assert_eq!(keys(&session(&mut opened, "a")), [""; 0]);
    assert_eq!(keys(&session(&mut opened, "b")), [""; 0]);
}

pub(crate) fn repeating_a_batch_changes_nothing(make: &Make) {
    let batch = [
        component("d1"),
        begin("a"),
        begin("b"),
        turn("a", 1),
        sending(with_checkpoint(turn("a", 2), b"state"), &[message("b", "k")]),
        Entry::Message(message("b", "l")),
        taking(turn("b", 1), "k"),
        Entry::Moved { session: "b".into(), digest: "d2".into(), version: "2.0.0".into() },
        end("a", 7),
    ];
    let (_store, mut opened) = open(make);
    opened.writer.commit(&batch).unwrap();
    let before = (session(&mut opened, "a"), session(&mut opened, "b"));
    assert_eq!(keys(&before.1), ["l"]);
    opened.writer.commit(&batch).unwrap();
    assert_eq!((session(&mut opened, "a"), session(&mut opened, "b")), before);
    assert_eq!(ids(&mut opened), ["b"]);
}

pub(crate) fn another_record_of_the_same_turn_is_refused(make: &Make) {
    let (_store, mut opened) = open(make);
    opened.writer.commit(&[begin("a"), turn("a", 1)]).unwrap();
    let Entry::Turn { session: id, number, due_at, .. } = turn("a", 1) else { unreachable!() };
    let other = Entry::Turn {
        session: id,
        number,
        record: b"another".into(),
        due_at,
        checkpoint: None,
        taken: None,
        sends: vec![],
    };
    let error = opened.writer.commit(&[turn("a", 2), other]).unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert_eq!(session(&mut opened, "a").records, [(1, record("a", 1))]);
}

pub(crate) fn all_of_a_commit_or_nothing(make: &Make) {
    let moved = Entry::Moved { session: "nobody".into(), digest: "d2".into(), version: "2".into() };
    for bad in [end("nobody", 1), moved] {
        let (_store, mut opened) = open(make);
        let error = opened.writer.commit(&[component("d9"), begin("a"), turn("a", 1), bad.clone()]).unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{bad:?}: {error}");
        assert!(!error.is_retriable());
        assert_eq!(opened.reader.session("a").unwrap(), None, "{bad:?}");
        assert!(!opened.reader.has_component("d9").unwrap(), "{bad:?}");
    }
}

pub(crate) fn a_moved_session_has_another_component(make: &Make) {
    let (_store, mut opened) = open(make);
    opened.writer.commit(&[begin("a")]).unwrap();
    opened
        .writer
        .commit(&[Entry::Moved { session: "a".into(), digest: "d2".into(), version: "2.0.0".into() }])
        .unwrap();
    let moved = SessionRow { digest: "d2".into(), version: "2.0.0".into(), ..row("a") };
    assert_eq!(session(&mut opened, "a").row, moved);
}

pub(crate) fn components_nobody_refers_to_go_when_it_is_opened(make: &Make) {
    let (store, mut opened) = open(make);
    opened.writer.commit(&[component("d1"), component("d2"), begin("a")]).unwrap();
    let other = Entry::Component { digest: "d1".into(), name: "x".into(), version: "x".into(), bytes: vec![0] };
    opened.writer.commit(&[other]).unwrap();
    assert_eq!(opened.reader.component("d1").unwrap(), Some(b"d1".to_vec()), "once is enough");
    assert!(opened.reader.has_component("d2").unwrap(), "somebody may be about to refer to it");
    drop((store, opened));
    let (_store, mut opened) = open(make);
    assert!(opened.reader.has_component("d1").unwrap());
    assert!(!opened.reader.has_component("d2").unwrap());
}

pub(crate) fn who_is_not_the_owner_any_more_writes_nothing(make: &Make) {
    let (store, mut before) = open(make);
    before.writer.commit(&[begin("a"), turn("a", 1), begin("old"), end("old", 1)]).unwrap();
    // As if its lease had run out: only its connections are left.
    drop(store);
    let (mut store, mut now) = open(make);
    assert_eq!(now.epoch, before.epoch + 1);
    let error = before.writer.commit(&[turn("a", 2)]).unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    assert!(!error.is_retriable());
    let error = before.writer.prune(i64::MAX).unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    assert_eq!(session(&mut now, "a").turns, 1);
    assert!(now.reader.session("old").unwrap().is_some());
    now.writer.commit(&[turn("a", 2)]).unwrap();
    drop(now);
    // Opening again after a failure is not taking over.
    let error = store.open(&settings(), Some(before.epoch)).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    let mut again = store.open(&settings(), Some(before.epoch + 1)).unwrap();
    assert_eq!(again.epoch, before.epoch + 1);
    again.writer.commit(&[turn("a", 3)]).unwrap();
}

pub(crate) fn retention_removes_what_is_old_and_nothing_else(make: &Make) {
    let (_store, mut opened) = open(make);
    let send = |id: &str| Entry::Message(message(id, "k"));
    for id in ["old", "young", "open"] {
        let checkpoint = with_checkpoint(turn(id, 2), b"state");
        opened.writer.commit(&[begin(id), send(id), turn(id, 1), checkpoint, turn(id, 3)]).unwrap();
    }
    opened.writer.commit(&[end("old", 99), end("young", 100)]).unwrap();
    let before = (session(&mut opened, "young"), session(&mut opened, "open"));
    let pruned = opened.writer.prune(100).unwrap();
    assert!(pruned.removed > 0 && !pruned.more, "{pruned:?}");
    assert_eq!(opened.reader.session("old").unwrap(), None);
    assert_eq!((session(&mut opened, "young"), session(&mut opened, "open")), before);
    // Nothing of it is left that a session of the same id would find.
    opened.writer.commit(&[begin("old")]).unwrap();
    let found = session(&mut opened, "old");
    assert_eq!((found.turns, &found.checkpoint, keys(&found), found.due_at), (0, &None, vec![], None));
    opened.writer.commit(&[send("old")]).unwrap();
    assert_eq!(keys(&session(&mut opened, "old")), ["k"]);
}

pub(crate) fn retention_is_bounded(make: &Make) {
    let (_store, mut opened) = open(make);
    let chunk = opened.writer.prune_chunk();
    let turns = chunk * 2 + 5;
    let mut entries = vec![begin("a"), begin("b"), turn("b", 1)];
    entries.extend((1..=turns).map(|number| turn("a", number)));
    entries.extend([end("a", 1), end("b", 2), begin("c"), turn("c", 1)]);
    opened.writer.commit(&entries).unwrap();
    let mut removed = 0;
    loop {
        let pruned = opened.writer.prune(10).unwrap();
        assert!(pruned.removed <= chunk, "{pruned:?}");
        removed += pruned.removed;
        if !pruned.more {
            break;
        }
        assert_eq!(pruned.removed, chunk);
    }
    assert_eq!(removed, turns + 3);
    assert_eq!(opened.reader.session("a").unwrap(), None);
    assert_eq!(opened.reader.session("b").unwrap(), None);
    assert_eq!(session(&mut opened, "c").turns, 1);
}

pub(crate) fn the_reader_sees_commits_at_once(make: &Make) {
    let (_store, mut opened) = open(make);
    opened.writer.commit(&[begin("a")]).unwrap();
    for number in 1..20 {
        opened.writer.commit(&[turn("a", number)]).unwrap();
        assert_eq!(session(&mut opened, "a").turns, number);
    }
}

pub(crate) fn bytes_of_every_kind_come_back(make: &Make) {
    let (_store, mut opened) = open(make);
    let id = "quote ' and \" and 😀'; drop table session; --";
    let every: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let begun = SessionRow { origin: every.clone(), started_at: i64::MIN, strategy: String::new(), ..row(id) };
    let recorded = Entry::Turn {
        session: Arc::from(id),
        number: 1,
        record: vec![],
        due_at: Some(i64::MAX),
        checkpoint: Some(every.clone()),
        taken: Some("never sent".into()),
        sends: vec![],
    };
    opened.writer.commit(&[Entry::Begin(begun.clone()), recorded]).unwrap();
    let found = session(&mut opened, id);
    assert_eq!((found.row, found.due_at), (begun, Some(i64::MAX)));
    assert_eq!(found.checkpoint, Some(StoredCheckpoint { turn: 1, record: every }));
}
