//! The tests every store must pass. A store's own tests call [`store_suite!`] with how to make one;
//! each call of that makes a store over the same data, as a restart would.

use std::rc::Rc;

use jackfield_protocol::v1::{Interaction, KeyValueList, LastAgent, Workbin};
use jackfield_store::Pruned;

use super::{Answer, Entry, EntryKey, Opened, PRUNE_CHUNK, PropertyValue, Store, StoreError, Write};
use crate::settings::{CustomProperty, PropertyKind};

/// One test for each behaviour, against what `$make` makes: a closure that opens a new, empty place
/// and returns a closure that makes stores over it.
macro_rules! store_suite {
    ($make:expr) => {
        $crate::store::suite::store_suite!($make =>
            starts_empty,
            keeps_what_was_inserted_over_a_restart,
            entries_come_in_the_order_of_a_pull,
            a_move_changes_the_entry_and_nothing_else,
            an_update_changes_both_rows,
            what_was_deleted_is_gone,
            all_of_a_commit_or_nothing,
            writes_of_one_commit_build_on_each_other,
            incarnations_count_up,
            interactions_come_in_the_order_asked,
            answers_are_remembered_over_a_restart_and_forgotten_when_old,
            forgetting_is_bounded,
            the_last_agent_of_a_contact_is_kept_until_it_is_too_old,
            custom_properties_follow_their_declarations,
            the_reader_sees_commits_at_once,
            bytes_of_every_kind_come_back,
        );
    };
    ($make:expr => $($name:ident,)*) => {
        $(#[test]
        fn $name() {
            let place = $make();
            $crate::store::suite::$name(&*place);
        })*
    };
}
pub(crate) use store_suite;

/// Makes a store over the same data each time.
pub(crate) type Make = dyn Fn() -> Box<dyn Store>;

fn open(make: &Make) -> (Box<dyn Store>, Opened) {
    let mut store = make();
    let opened = store.open(&[]).unwrap();
    (store, opened)
}

fn interaction(id: &str, queue: &str, priority: i32, received_at: i64) -> Interaction {
    Interaction {
        interaction_id: id.into(),
        queue: queue.into(),
        priority,
        received_at,
        tenant_id: 7,
        media_type: "email".into(),
        is_online: true,
        user_data: Some(KeyValueList::default().with("Subject", "Grüße").with("n", 3).with("Subject", "again")),
        in_queues: vec!["a".into(), "b".into()],
        ..Interaction::default()
    }
}

fn insert(interaction: &Interaction) -> Write {
    Write::Insert(Box::new(interaction.clone()), Entry::of(interaction, &[]))
}

fn entries(opened: &mut Opened) -> Vec<Entry> {
    let mut entries = Vec::new();
    opened.reader.entries(&mut |entry| entries.push(entry)).unwrap();
    entries
}

fn ids(opened: &mut Opened) -> Vec<String> {
    entries(opened).into_iter().map(|entry| entry.key.id).collect()
}

pub(crate) fn starts_empty(make: &Make) {
    let (_store, mut opened) = open(make);
    assert_eq!(entries(&mut opened), []);
    assert_eq!(opened.reader.interactions(&["x"]).unwrap(), []);
    assert_eq!(opened.reader.answer("x").unwrap(), None);
    assert_eq!(opened.incarnation, 1);
}

pub(crate) fn keeps_what_was_inserted_over_a_restart(make: &Make) {
    let one = interaction("one", "q", 0, 5);
    let (store, mut opened) = open(make);
    opened.writer.commit(&[insert(&one)]).unwrap();
    drop((store, opened));
    let (_store, mut opened) = open(make);
    assert_eq!(entries(&mut opened), [Entry::of(&one, &[])]);
    assert_eq!(opened.reader.interactions(&["one"]).unwrap(), [one]);
}

pub(crate) fn entries_come_in_the_order_of_a_pull(make: &Make) {
    let (_store, mut opened) = open(make);
    let expected = [
        ("h", "a", -1, 1),
        ("c", "b", 9, 50),
        ("d", "b", 2, -4),
        ("a", "b", 2, 10),
        ("b", "b", 2, 10),
        ("e", "b", 2, 11),
        ("f", "b", -3, 0),
    ];
    for at in [3, 0, 6, 2, 5, 1, 4] {
        let (id, queue, priority, received_at) = expected[at];
        opened.writer.commit(&[insert(&interaction(id, queue, priority, received_at))]).unwrap();
    }
    assert_eq!(ids(&mut opened), expected.map(|(id, ..)| id));
}

pub(crate) fn a_move_changes_the_entry_and_nothing_else(make: &Make) {
    let before = interaction("one", "q", 0, 5);
    let (_store, mut opened) = open(make);
    opened.writer.commit(&[insert(&before), insert(&interaction("two", "q", 0, 6))]).unwrap();
    let mut to = Entry::of(&before, &[]);
    to.key.queue = "elsewhere".into();
    to.placed_in_queue_at = 99;
    to.is_held = true;
    to.workbin = Some(Workbin { r#type: "drafts".into(), owner_type: 1, owner: "desk".into() });
    opened.writer.commit(&[Write::Move { from: Entry::of(&before, &[]).key, to: to.clone() }]).unwrap();
    assert_eq!(entries(&mut opened).first(), Some(&to));
    assert_eq!(ids(&mut opened), ["one", "two"]);
    let mut read = opened.reader.interactions(&["one"]).unwrap().pop().unwrap();
    assert_eq!(read, before);
    to.apply_to(&mut read);
    assert_eq!((read.queue.as_str(), read.placed_in_queue_at, read.is_held), ("elsewhere", 99, true));
    assert_eq!(Entry::of(&read, &[]), to);
}

pub(crate) fn an_update_changes_both_rows(make: &Make) {
    let before = interaction("one", "q", 0, 5);
    let (_store, mut opened) = open(make);
    opened.writer.commit(&[insert(&before)]).unwrap();
    let mut after = before.clone();
    after.priority = 4;
    after.user_data = None;
    let from = Entry::of(&before, &[]).key;
    let to = Entry::of(&after, &[]);
    opened.writer.commit(&[Write::Update { interaction: Box::new(after.clone()), from, to: to.clone() }]).unwrap();
    // Only the body differs.
    after.user_data = Some(KeyValueList::default().with("k", "v"));
    let from = to.key.clone();
    opened.writer.commit(&[Write::Update { interaction: Box::new(after.clone()), from, to: to.clone() }]).unwrap();
    assert_eq!(entries(&mut opened), [to]);
    assert_eq!(opened.reader.interactions(&["one"]).unwrap(), [after]);
}

pub(crate) fn what_was_deleted_is_gone(make: &Make) {
    let one = interaction("one", "q", 0, 5);
    let (store, mut opened) = open(make);
    opened.writer.commit(&[insert(&one)]).unwrap();
    opened.writer.commit(&[Write::Delete { key: Entry::of(&one, &[]).key }]).unwrap();
    drop((store, opened));
    let (_store, mut opened) = open(make);
    assert_eq!(entries(&mut opened), []);
    assert_eq!(opened.reader.interactions(&["one"]).unwrap(), []);
}

pub(crate) fn all_of_a_commit_or_nothing(make: &Make) {
    let one = interaction("one", "q", 0, 5);
    let two = interaction("two", "q", 0, 6);
    let key = |id: &str| EntryKey { queue: "q".into(), priority: 0, received_at: 5, id: id.into() };
    let missing = Entry { key: key("missing"), ..Entry::of(&one, &[]) };
    let remember =
        Write::Remember { key: "k".into(), answer: Answer { fingerprint: 1, at: 1, interaction_id: String::new() } };
    for bad in [
        insert(&one),
        Write::Delete { key: key("missing") },
        Write::Move { from: key("missing"), to: missing.clone() },
        Write::Update { interaction: Box::new(two.clone()), from: key("missing"), to: missing },
    ] {
        let (_store, mut opened) = open(make);
        let there = ids(&mut opened);
        if there.is_empty() {
            opened.writer.commit(&[insert(&one)]).unwrap();
        }
        let error = opened.writer.commit(&[insert(&two), remember.clone(), bad.clone()]).unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{bad:?}: {error}");
        assert_eq!(ids(&mut opened), ["one"], "{bad:?}");
        assert_eq!(opened.reader.interactions(&["two"]).unwrap(), [], "{bad:?}");
        assert_eq!(opened.reader.answer("k").unwrap(), None, "{bad:?}");
    }
}

pub(crate) fn writes_of_one_commit_build_on_each_other(make: &Make) {
    let one = interaction("one", "q", 0, 5);
    let moved = interaction("one", "r", 0, 5);
    let (_store, mut opened) = open(make);
    opened
        .writer
        .commit(&[
            insert(&one),
            Write::Move { from: Entry::of(&one, &[]).key, to: Entry::of(&moved, &[]) },
            Write::Delete { key: Entry::of(&moved, &[]).key },
            insert(&moved),
        ])
        .unwrap();
    assert_eq!(entries(&mut opened), [Entry::of(&moved, &[])]);
}

pub(crate) fn incarnations_count_up(make: &Make) {
    let mut store = make();
    for expected in 1..4 {
        assert_eq!(store.open(&[]).unwrap().incarnation, expected);
    }
    drop(store);
    assert_eq!(open(make).1.incarnation, 4);
}

pub(crate) fn interactions_come_in_the_order_asked(make: &Make) {
    let (_store, mut opened) = open(make);
    let writes: Vec<Write> = ["a", "b", "c", "d"].iter().map(|id| insert(&interaction(id, "q", 0, 5))).collect();
    opened.writer.commit(&writes).unwrap();
    let found = opened.reader.interactions(&["d", "missing", "a", "c"]).unwrap();
    let found: Vec<&str> = found.iter().map(|interaction| interaction.interaction_id.as_str()).collect();
    assert_eq!(found, ["d", "a", "c"]);
}

pub(crate) fn answers_are_remembered_over_a_restart_and_forgotten_when_old(make: &Make) {
    let answer = |at| Answer { fingerprint: u64::MAX - 3, at, interaction_id: "one".into() };
    let remember = |key: &str, at| Write::Remember { key: key.into(), answer: answer(at) };
    let (store, mut opened) = open(make);
    opened.writer.commit(&[remember("old", 10), remember("new", 20)]).unwrap();
    drop((store, opened));
    let (_store, mut opened) = open(make);
    assert_eq!(opened.reader.answer("old").unwrap(), Some(answer(10)));
    assert_eq!(opened.writer.prune(20).unwrap().removed, 1);
    assert_eq!(opened.reader.answer("old").unwrap(), None);
    assert_eq!(opened.reader.answer("new").unwrap(), Some(answer(20)));
    opened.writer.commit(&[remember("new", 30)]).unwrap();
    assert_eq!(opened.writer.prune(30).unwrap().removed, 0);
    assert_eq!(opened.reader.answer("new").unwrap(), Some(answer(30)));
}

pub(crate) fn forgetting_is_bounded(make: &Make) {
    let (_store, mut opened) = open(make);
    let writes: Vec<Write> = (0..PRUNE_CHUNK + 5)
        .map(|number| Write::Remember {
            key: format!("key {number}"),
            answer: Answer { fingerprint: number, at: 1, interaction_id: String::new() },
        })
        .collect();
    opened.writer.commit(&writes).unwrap();
    assert_eq!(opened.writer.prune(2).unwrap(), Pruned { removed: PRUNE_CHUNK, more: true });
    assert_eq!(opened.writer.prune(2).unwrap(), Pruned { removed: 5, more: false });
    assert_eq!(opened.writer.prune(2).unwrap(), Pruned { removed: 0, more: false });
}

pub(crate) fn custom_properties_follow_their_declarations(make: &Make) {
    let property = |name: &str, key: &str, kind| CustomProperty { name: name.into(), key: key.into(), kind };
    let subject = property("subject", "Subject", PropertyKind::Text);
    let number = property("number", "n", PropertyKind::Integer);
    let other = property("other", "nowhere", PropertyKind::Text);
    let one = interaction("one", "q", 0, 5);
    let mut store = make();
    let declared = [subject.clone()];
    let mut opened = store.open(&declared).unwrap();
    opened.writer.commit(&[Write::Insert(Box::new(one.clone()), Entry::of(&one, &declared))]).unwrap();
    let text = Some(PropertyValue::Text("Grüße".into()));
    assert_eq!(entries(&mut opened)[0].custom, std::slice::from_ref(&text));
    drop(opened);
    let declared = [number, other, subject];
    let mut opened = store.open(&declared).unwrap();
    assert_eq!(entries(&mut opened)[0].custom, [Some(PropertyValue::Integer(3)), None, text]);
    assert_eq!(entries(&mut opened), [Entry::of(&one, &declared)]);
    drop(opened);
    let mut opened = store.open(&[]).unwrap();
    assert_eq!(entries(&mut opened)[0].custom, []);
}

pub(crate) fn the_reader_sees_commits_at_once(make: &Make) {
    let (_store, mut opened) = open(make);
    for number in 0..20 {
        let id = format!("{number:02}");
        opened.writer.commit(&[insert(&interaction(&id, "q", 0, 5))]).unwrap();
        assert_eq!(opened.reader.interactions(&[&id]).unwrap().len(), 1);
    }
    assert_eq!(ids(&mut opened).len(), 20);
}

pub(crate) fn bytes_of_every_kind_come_back(make: &Make) {
    let (_store, mut opened) = open(make);
    let mut one = interaction("quote ' and \" and \0 and 😀", "q'; drop table interaction; --", i32::MIN, i64::MAX);
    one.user_data = Some(KeyValueList::default().with("bytes", vec![0_u8, 255, 39]).with("", String::new()));
    one.external_id = "x".repeat(100_000);
    one.parent_id = "\u{feff}p".into();
    opened.writer.commit(&[insert(&one)]).unwrap();
    assert_eq!(entries(&mut opened), [Entry::of(&one, &[])]);
    assert_eq!(opened.reader.interactions(&[&one.interaction_id]).unwrap(), [one.clone()]);
    opened.writer.commit(&[Write::Delete { key: Entry::of(&one, &[]).key }]).unwrap();
    assert_eq!(entries(&mut opened), []);
}

/// Keeps a folder for as long as stores are made over it.
pub(crate) fn over<T: 'static>(place: T, make: impl Fn(&T) -> Box<dyn Store> + 'static) -> Rc<Make> {
    Rc::new(move || make(&place))
}

pub(crate) fn the_last_agent_of_a_contact_is_kept_until_it_is_too_old(make: &Make) {
    let (store, mut opened) = open(make);
    let last = |agent: &str, at| LastAgent { agent: agent.into(), at };
    let handled = |contact: &str, agent: &str, at| Write::Handled {
        contact: contact.into(),
        last: last(agent, at),
        kept_until: at + 100,
    };
    let writes = [handled("kim", "ann", 1), handled("lee", "ann", 5), handled("kim", "bob", 50)];
    opened.writer.commit(&writes).unwrap();
    drop((opened, store));
    let (_store, mut opened) = open(make);
    let read = |opened: &mut Opened| opened.reader.last_agents(&["lee", "nobody", "kim"]).unwrap();
    assert_eq!(read(&mut opened), [Some(last("ann", 5)), None, Some(last("bob", 50))]);
    assert_eq!(opened.writer.prune(106).unwrap(), Pruned { removed: 1, more: false });
    assert_eq!(read(&mut opened), [None, None, Some(last("bob", 50))]);
}
