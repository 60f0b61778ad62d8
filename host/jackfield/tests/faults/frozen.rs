//! A node that is frozen, and wakes when another has gone on in its place.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use jackfield_journal::{Filter, JournalFile, Summary};
use jackfield_protocol::v1::ClientType;

use super::site::{PATIENCE, Site};
use super::survives::{Book, Kind, agents, finished, traffic};

/// How long the sessions wait that the frozen node leaves behind, in milliseconds.
const AFTER: &str = "6000";
/// Sessions that wait when it freezes, and of each kind such as begin meanwhile.
const SOME: usize = 10;

fn signal(site: &Site, what: &str, signal: &str) {
    let id = site.pid(what).to_string();
    assert!(Command::new("kill").args([signal, &id]).status().expect("kill runs").success());
}

/// The second node does not start, and says this.
#[track_caller]
fn refused(site: &Site, says: &[&str]) {
    let output = site.command(&["run"]).stdin(Stdio::null()).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in says {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

fn waiting(journal: &Path) -> Vec<Summary> {
    let filter = Filter { finished: Some(false), ..Filter::default() };
    JournalFile::open(journal).and_then(|file| file.sessions(&filter)).unwrap_or_default()
}

async fn ended(site: &mut Site, what: &str) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    while site.runs(what) {
        assert!(Instant::now() < deadline, "{what} does not end\n{}", site.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    site.stop(what)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_node_keeps_others_away_and_writes_nothing_once_it_was_replaced() {
    let mut site = Site::with(&[("in", "takes", "effects"), ("second", "settles", "effects")]);
    site.add_plugin("effects");
    let book = Book::default();
    site.start_server();
    site.start_outbox();
    site.start_node();
    let _people = [agents::work(&site, "ada", &book), agents::work(&site, "ben", &book), agents::watch(&site, &book)];
    let (auditor, _events) = traffic::client(&site, "auditor", ClientType::ReportingEngine);
    let (submitter, _others) = traffic::client(&site, "submitter", ClientType::MediaServer);
    traffic::ready(&auditor).await;
    for number in 0..SOME {
        traffic::submit(&submitter, &book, Kind::Waits, &format!("waits-{number}"), "After", AFTER).await;
    }
    let journal = site.path("var/journal.db");
    // Not in the middle of a commit: SQLite itself lets nobody in then.
    let mut before = 0;
    loop {
        let sessions = waiting(&journal);
        let turns: u64 = sessions.iter().map(|session| session.turns).sum();
        if sessions.len() == SOME && sessions.iter().all(|session| session.due_at.is_some()) && turns == before {
            break;
        }
        before = turns;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    signal(&site, "node", "-STOP");
    let frozen = site.pid("node").to_string();
    let kill = format!("kill -9 {frozen}");

    // Nobody takes over from one that may only be slow, and each obstacle says how to force it.
    let (socket, lock) = (site.path("var/node.sock"), site.path("var/journal.db.lock"));
    refused(&site, &["does not answer: it may be frozen", &kill, &format!("remove {}", socket.display())]);
    fs::remove_file(&socket).expect("removed, as told");
    let remove_lock = format!("remove {}", lock.display());
    refused(&site, &["belongs to another process", &kill, &remove_lock]);
    fs::remove_file(&lock).expect("removed, as told");
    site.rename("node", "frozen");
    site.start_node();
    let epoch = || JournalFile::open(&journal).and_then(|file| file.state()).map_or(0, |state| state.epoch);
    let deadline = Instant::now() + PATIENCE;
    while epoch() != 2 {
        assert!(Instant::now() < deadline, "nobody takes over\n{}", site.logs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // In the middle of the work of the other, it wakes.
    for number in SOME..2 * SOME {
        traffic::submit(&submitter, &book, Kind::Waits, &format!("waits-{number}"), "After", AFTER).await;
        traffic::submit(&submitter, &book, Kind::Moves, &format!("moves-{number}"), "After", "").await;
    }
    signal(&site, "frozen", "-CONT");
    let status = ended(&mut site, "frozen").await;
    let log = fs::read_to_string(site.path("node.log")).expect("a log");
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains("the node has stopped: ") && log.contains("has been taken over: node node is its owner"),
        "{log}"
    );
    assert!(socket.exists(), "the socket is the other one's");

    if let Err(why) = traffic::rest(&auditor, &journal).await {
        panic!("{why}\n{}", site.logs());
    }
    assert!(site.stop("node").success(), "{}", site.logs());
    assert_eq!(epoch(), 2);
    let problems = book.note(|book| book.check(&finished(&journal), &site.path("outbox")));
    assert!(problems.is_empty(), "{}\n{}", problems.join("\n"), site.logs());
}
