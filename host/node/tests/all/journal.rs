//! A journal that does not record, and one that is somebody else's by now.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jackfield_journal::{Entry, Journal, JournalSettings, JournalStore, Opened, SqliteJournal, StoreError};
use jackfield_node::{Node, PullState};
use jackfield_store::{Pruned, Writer};

use crate::support::{Home, Site, plugins, session, settings, tell, until};

/// A journal that something happens to.
struct Flaky {
    store: SqliteJournal,
    trouble: Trouble,
}

/// What happens to it, while something does.
type Trouble = Arc<Mutex<Option<StoreError>>>;

struct FlakyWriter {
    writer: Box<dyn Writer<Write = Entry>>,
    trouble: Trouble,
}

fn look(trouble: &Trouble) -> Result<(), StoreError> {
    trouble.lock().expect("nobody panics").clone().map_or(Ok(()), Err)
}

fn set(trouble: &Trouble, what: Option<StoreError>) {
    *trouble.lock().expect("nobody panics") = what;
}

fn open(folder: &Path) -> (Journal, Trouble) {
    let trouble = Trouble::default();
    let store = Flaky { store: SqliteJournal::new(folder.join("journal.db")), trouble: trouble.clone() };
    (Journal::open(Box::new(store), JournalSettings::new("node_1")).expect("a journal"), trouble)
}

impl JournalStore for Flaky {
    fn name(&self) -> String {
        self.store.name()
    }

    fn open(&mut self, settings: &JournalSettings, held: Option<u64>) -> Result<Opened, StoreError> {
        look(&self.trouble)?;
        let Opened { writer, reader, epoch } = self.store.open(settings, held)?;
        Ok(Opened { writer: Box::new(FlakyWriter { writer, trouble: self.trouble.clone() }), reader, epoch })
    }
}

impl Writer for FlakyWriter {
    type Write = Entry;

    fn commit(&mut self, writes: &[Entry]) -> Result<(), StoreError> {
        look(&self.trouble)?;
        self.writer.commit(writes)
    }

    fn prune(&mut self, before: i64) -> Result<Pruned, StoreError> {
        self.writer.prune(before)
    }

    fn prune_chunk(&self) -> u64 {
        self.writer.prune_chunk()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_holds_everything_up_and_all_goes_on_when_there_is_room() {
    let site = Site::open("email", &["obeys"], true);
    let (engine, plugins) = plugins(&["obeys"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (journal, trouble) = open(folder.path());
    let mut settings = settings(&[&site], &["obeys"]);
    settings.options.max_pull_delay = Duration::from_millis(100);
    let node = Node::start(settings, engine, plugins, Some(journal)).await.expect("a node");
    let interaction = site.submit("obeys").await;
    let first = session(&node, &interaction).await;
    until("it waits", async || (node.status().sessions[0].turns >= 2).then_some(())).await;

    let full = StoreError::Full { path: "journal.db".into(), detail: "the disk is full".into() };
    set(&trouble, Some(full));
    // It says yes once it is recorded.
    let event = node.send_event(&first.id, None, "place", "done");
    let later = async {
        until("nothing is pulled", async || (node.status().pulls[0].state == PullState::JournalDown).then_some(()))
            .await;
        let status = node.status();
        assert!(status.pulls[0].problem.contains("full"), "{:?}", status.pulls);
        assert!(!status.journal.expect("a journal").problem.is_empty());
        let waiting = site.submit("obeys").await;
        assert_eq!(site.queue("done").await.waiting, 0);
        set(&trouble, None);
        waiting
    };
    let (sent, waiting) = tokio::join!(event, later);
    sent.expect("recorded after all");
    site.waiting("done", 1).await;
    tell(&node, &first, "finish", "").await;
    session(&node, &waiting).await;
    assert_eq!(node.status().journal.expect("a journal").problem, "");
    assert_eq!(node.status().counters.failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_journal_was_taken_over_stops_and_leaves_everything_to_the_other() {
    let site = Site::open("email", &["obeys"], true);
    let (engine, plugins) = plugins(&["obeys"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (journal, trouble) = open(folder.path());
    let node = Node::start(settings(&[&site], &["obeys"]), engine, plugins, Some(journal)).await.expect("a node");
    let interaction = site.submit("obeys").await;
    let first = session(&node, &interaction).await;
    until("it waits", async || (node.status().sessions[0].turns >= 2).then_some(())).await;
    let taken_over = StoreError::Fenced { path: "journal.db".into(), detail: "node_1, epoch 2".into() };
    set(&trouble, Some(taken_over));
    // Back after a while, it asks whether it still is the one.
    site.cut();
    until("it stops", async || (!node.status().pulling).then_some(())).await;
    until("its sessions stop", async || node.send_event(&first.id, None, "place", "done").await.err()).await;
    assert_eq!(node.shutdown(Duration::ZERO).await.given_back, 0);
    assert_eq!(site.queue("inbound.obeys").await.waiting, 1, "kept for the other");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ends_of_sessions_are_recorded() {
    let site = Site::open("email", &["secret"], true);
    let (engine, plugins) = plugins(&["secret"]).await;
    let home = Home::new();
    let (node, journal) = home.start(settings(&[&site], &["secret"]), &engine, &plugins).await;
    site.submit("secret").await;
    // It ends with its interaction in hand, twice.
    site.waiting("poison", 1).await;
    until("both ends are recorded", async || node.status().sessions.is_empty().then_some(())).await;
    assert!(journal.unfinished().await.expect("reads").is_empty());
    assert_eq!(node.status().journal.expect("a journal").recovered, 0);
}
