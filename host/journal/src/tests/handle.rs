//! The handle: order, urgency, room, and what it does while the disk fails.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

use super::faults::{Fault, Place, error};
use crate::suite::{begin, end, record, row, settings, turn};
use crate::{Entry, Journal, JournalSettings, MessageRow, Urgency};

/// No event a test waits for takes that long.
const DEADLINE: Duration = Duration::from_secs(30);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(DEADLINE, what).await.expect("it does not come")
}

async fn recorded(journal: &Journal, entries: Vec<Entry>) {
    soon(soon(journal.append(entries, Urgency::Now)).await).await.unwrap();
}

async fn turns(journal: &Journal, id: &str) -> u64 {
    soon(journal.history(id)).await.unwrap().unwrap().turns
}

#[tokio::test]
async fn what_was_recorded_is_there_after_a_restart() {
    let place = Place::new();
    let journal = place.open();
    recorded(&journal, vec![begin("a"), turn("a", 1)]).await;
    recorded(&journal, vec![turn("a", 2), begin("b"), end("b", 1)]).await;
    drop(journal);
    let journal = place.open();
    let unfinished = soon(journal.unfinished()).await.unwrap();
    assert_eq!(unfinished.len(), 1);
    let found = soon(journal.history("a")).await.unwrap().unwrap();
    assert_eq!(soon(journal.histories(unfinished)).await.unwrap(), std::slice::from_ref(&found));
    assert_eq!(found.row, row("a"));
    assert_eq!(found.records, [(1, record("a", 1)), (2, record("a", 2))]);
    assert!(soon(journal.history("b")).await.unwrap().unwrap().end.is_some());
    assert_eq!(soon(journal.history("c")).await.unwrap(), None);
}

#[tokio::test]
async fn lazy_entries_become_durable_by_themselves_and_in_order() {
    let place = Place::new();
    let journal = place.open();
    let first = journal.append(vec![begin("a")], Urgency::Lazy).await;
    drop(journal.append(vec![turn("a", 1)], Urgency::Lazy).await);
    let last = journal.append(vec![turn("a", 2)], Urgency::Lazy).await;
    soon(last).await.unwrap();
    soon(first).await.unwrap();
    assert_eq!(place.disk.commits().iter().sum::<usize>(), 3);
}

#[tokio::test]
async fn lazy_entries_go_with_what_somebody_waits_for() {
    let place = Place::new();
    let journal = place.open();
    let hold = place.disk.hold();
    let first = journal.append(vec![begin("a")], Urgency::Now).await;
    let mut appends = Vec::new();
    for number in 1..=50 {
        appends.push(journal.append(vec![turn("a", number)], Urgency::Lazy).await);
    }
    appends.push(journal.append(vec![turn("a", 51)], Urgency::Now).await);
    drop(hold);
    soon(first).await.unwrap();
    for durable in appends {
        soon(durable).await.unwrap();
    }
    let commits = place.disk.commits();
    assert!(commits.len() <= 2, "{commits:?}");
    assert_eq!(turns(&journal, "a").await, 51);
}

#[tokio::test]
async fn history_waits_for_what_was_appended_before() {
    let place = Place::new();
    let journal = place.open();
    drop(journal.append(vec![begin("a"), begin("b")], Urgency::Lazy).await);
    drop(journal.append(vec![turn("a", 1)], Urgency::Lazy).await);
    assert_eq!(turns(&journal, "a").await, 1);
    let sends = vec![MessageRow { session: "b".into(), key: "k".into(), name: "n".into(), data: "d".into() }];
    let Entry::Turn { session, number, record, due_at, .. } = turn("a", 2) else { unreachable!() };
    let sending = Entry::Turn { session, number, record, due_at, checkpoint: None, taken: None, sends };
    drop(journal.append(vec![sending], Urgency::Lazy).await);
    assert_eq!(soon(journal.history("b")).await.unwrap().unwrap().messages.len(), 1);
    let bytes = vec![1, 2, 3];
    let component =
        Entry::Component { digest: "d".into(), name: "n".into(), version: "1".into(), bytes: bytes.clone() };
    drop(journal.append(vec![component], Urgency::Lazy).await);
    assert!(soon(journal.has_component("d")).await.unwrap());
    assert_eq!(soon(journal.component("d")).await.unwrap(), Some(bytes));
}

#[tokio::test]
async fn history_of_one_session_does_not_wait_for_others() {
    let place = Place::new();
    let journal = place.open();
    recorded(&journal, vec![begin("a"), turn("a", 1)]).await;
    let hold = place.disk.hold();
    let waiting = journal.append(vec![begin("b")], Urgency::Now).await;
    assert_eq!(turns(&journal, "a").await, 1);
    drop(hold);
    soon(waiting).await.unwrap();
}

/// Breaks the disk so, appends, lets it be broken, mends it.
async fn broken(fault: Fault, says: &str) {
    let place = Place::new();
    let journal = place.open();
    let mut health = journal.health();
    recorded(&journal, vec![begin("a"), turn("a", 1)]).await;
    assert_eq!(*health.borrow_and_update(), None);

    place.disk.set(fault);
    let lazy = journal.append(vec![turn("a", 2)], Urgency::Lazy).await;
    let mut urgent = journal.append(big(3), Urgency::Now).await;
    let problem = soon(health.wait_for(Option::is_some)).await.unwrap().clone().unwrap();
    assert!(problem.contains(says), "{problem}");
    // Still taken while it is broken, never called durable.
    let later = journal.append(vec![turn("a", 4)], Urgency::Now).await;
    let answered = timeout(Duration::from_millis(1), &mut urgent).await;
    assert!(answered.is_err(), "{answered:?}");

    place.disk.set(Fault::default());
    for durable in [lazy, urgent, later] {
        soon(durable).await.unwrap();
    }
    soon(health.wait_for(Option::is_none)).await.unwrap();
    assert_eq!(turns(&journal, "a").await, 4);
    soon(journal.close()).await;
    let journal = place.open();
    assert_eq!(turns(&journal, "a").await, 4);
}

/// A turn that takes more pages than there are.
fn big(number: u64) -> Vec<Entry> {
    match turn("a", number) {
        Entry::Turn { session, number, due_at, checkpoint, taken, sends, .. } => {
            let record = vec![7; 1 << 20];
            vec![Entry::Turn { session, number, record, due_at, checkpoint, taken, sends }]
        }
        _ => unreachable!(),
    }
}

#[tokio::test]
async fn a_full_disk_holds_everything_up_until_there_is_room() {
    broken(Fault { max_pages: Some(40), ..Fault::default() }, "free some space").await;
}

#[tokio::test]
async fn a_read_only_disk_holds_everything_up_until_it_can_be_written() {
    broken(Fault { error: Some(error("read-only")), ..Fault::default() }, "is read-only").await;
}

#[tokio::test]
async fn a_disk_that_fails_holds_everything_up_until_it_works() {
    broken(Fault { error: Some(error("io")), ..Fault::default() }, "check the disk").await;
}

#[tokio::test]
async fn a_commit_whose_outcome_is_unknown_is_repeated_without_harm() {
    let place = Place::new();
    let journal = place.open();
    place.disk.set(Fault { after_commit: Some(error("io")), ..Fault::default() });
    recorded(&journal, vec![begin("a"), turn("a", 1), begin("b"), end("b", 3)]).await;
    assert_eq!(place.disk.commits(), [4, 4]);
    assert_eq!(soon(journal.history("a")).await.unwrap().unwrap().records, [(1, record("a", 1))]);
    assert_eq!(soon(journal.unfinished()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_failing_disk_said_it_had_kept_and_had_not_is_written_again() {
    let place = Place::new();
    let journal = place.open();
    place.disk.set(Fault { lies: true, ..Fault::default() });
    recorded(&journal, vec![begin("a"), turn("a", 1)]).await;
    place.disk.set(Fault { after_commit: Some(error("io")), ..Fault::default() });
    recorded(&journal, vec![turn("a", 2)]).await;
    recorded(&journal, vec![turn("a", 3), end("a", 9)]).await;
    assert_eq!(turns(&journal, "a").await, 3);
}

#[tokio::test]
async fn a_failure_for_good_ends_the_journal_and_says_so() {
    let place = Place::new();
    let journal = place.open();
    recorded(&journal, vec![begin("a")]).await;
    place.disk.set(Fault { error: Some(error("corrupt")), ..Fault::default() });
    let lost = journal.append(vec![turn("a", 1)], Urgency::Now).await;
    let lost = soon(lost).await.unwrap_err();
    assert!(lost.to_string().contains("restore a backup"), "{lost}");
    let mut health = journal.health();
    soon(health.wait_for(|health| health.as_ref().is_some_and(|text| text.contains("is damaged")))).await.unwrap();
    // Nothing that was lost is read as if it had never been.
    assert!(soon(journal.history("a")).await.is_err());
    assert!(soon(journal.unfinished()).await.is_err());
    let refused = soon(soon(journal.append(vec![turn("a", 1)], Urgency::Lazy)).await).await;
    assert!(refused.is_err());
    soon(journal.close()).await;
}

#[tokio::test]
async fn an_owner_that_was_superseded_writes_nothing_more() {
    let place = Place::new();
    let journal = place.open();
    recorded(&journal, vec![begin("a"), turn("a", 1)]).await;
    let other = rusqlite::Connection::open(place.path()).unwrap();
    other.execute("update owner set epoch = epoch + 1, node = 'two'", []).unwrap();
    let fenced = soon(journal.append(vec![turn("a", 2)], Urgency::Now).await).await.unwrap_err();
    assert!(fenced.to_string().contains("node two is its owner"), "{fenced}");
    soon(journal.close()).await;
    let journal = place.open();
    assert_eq!(turns(&journal, "a").await, 1);
}

#[tokio::test]
async fn closing_commits_what_is_there_and_refuses_the_rest() {
    let place = Place::new();
    let journal = place.open();
    let other = journal.clone();
    let waiting = journal.append(vec![begin("a"), turn("a", 1)], Urgency::Lazy).await;
    soon(journal.close()).await;
    soon(waiting).await.unwrap();
    let refused = soon(soon(other.append(vec![turn("a", 2)], Urgency::Now)).await).await;
    assert!(refused.unwrap_err().to_string().contains("closed"));
    assert_eq!(turns(&other, "a").await, 1, "it can still be read");
}

#[tokio::test]
async fn closing_does_not_wait_for_ever_for_a_disk() {
    let place = Place::new();
    let journal = place.open();
    recorded(&journal, vec![begin("a")]).await;
    place.disk.set(Fault { error: Some(error("full")), ..Fault::default() });
    let lost = journal.append(vec![turn("a", 1)], Urgency::Now).await;
    let mut health = journal.health();
    soon(health.wait_for(Option::is_some)).await.unwrap();
    soon(journal.close()).await;
    let lost = soon(lost).await.unwrap_err();
    assert!(lost.to_string().contains("free some space"), "{lost}");
}

#[tokio::test]
async fn whoever_appends_more_than_there_is_room_for_waits_and_holds_up_no_thread() {
    let place = Place::new();
    let journal = place.open();
    recorded(&journal, vec![begin("a")]).await;
    let hold = place.disk.hold();
    let mut appended = Vec::new();
    let mut number = 0;
    // 1 MiB each: there is room for fewer than 64.
    let held_back = loop {
        number += 1;
        assert!(number < 64, "nobody is held back");
        let mut append = Box::pin(journal.append(big(number), Urgency::Now));
        match timeout(Duration::from_millis(1), &mut append).await {
            Ok(durable) => appended.push(durable),
            Err(_) => break append,
        }
    };
    assert!(number > 8);
    drop(hold);
    appended.push(soon(held_back).await);
    for durable in appended {
        soon(durable).await.unwrap();
    }
    assert_eq!(turns(&journal, "a").await, number);
}

#[tokio::test]
async fn finished_sessions_go_when_they_are_too_old() {
    let place = Place::new();
    let journal = place.open_with(JournalSettings { retention: Duration::ZERO, ..settings() });
    recorded(&journal, vec![begin("old"), turn("old", 1), end("old", 5), begin("a"), turn("a", 1)]).await;
    // The first append asked for it; the pause after its commit is when it is done.
    soon(async {
        while journal.history("old").await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(turns(&journal, "a").await, 1);
}

#[tokio::test]
async fn how_long_finished_sessions_are_kept_may_change() {
    let place = Place::new();
    let journal = place.open_with(JournalSettings { retention: Duration::MAX, ..settings() });
    recorded(&journal, vec![begin("old"), turn("old", 1), end("old", 5), begin("a")]).await;
    recorded(&journal, vec![turn("a", 1)]).await;
    assert!(journal.history("old").await.unwrap().is_some());
    journal.set_retention(Duration::ZERO);
    recorded(&journal, vec![turn("a", 2)]).await;
    soon(async {
        while journal.history("old").await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(turns(&journal, "a").await, 2);
}
