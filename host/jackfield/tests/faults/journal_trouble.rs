//! A journal that cannot be written, or read: what the node says, and what becomes of the work.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use jackfield_link::Link;
use jackfield_protocol::v1::ClientType;
use serde_json::Value as Json;

use super::disks::Disk;
use super::site::{PATIENCE, Site};
use super::survives::{Book, Kind, agents, finished, traffic};

/// The smallest disk for a journal that jackfield takes.
const DISK_KIB: usize = 8_192;
/// Interactions at most until it is found that the journal cannot be written.
const MOST: usize = 2_000;

fn status(site: &Site) -> Json {
    let output = site.command(&["sessions", "--all", "--json"]).output().expect("runs");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// A site at work, whose node keeps its journal on a disk of its own.
struct AtWork {
    site: Site,
    disk: Disk,
    book: Book,
    auditor: Link,
    submitter: Link,
    sent: usize,
    _people: [agents::Working; 3],
}

impl AtWork {
    /// `make` makes the disk for the journal. None: there can be no such disk here.
    async fn with_disk(make: impl FnOnce(&Site, &Path) -> Result<Disk, String>) -> Option<AtWork> {
        let mut site = Site::with(&[("in", "takes", "effects"), ("second", "settles", "effects")]);
        let folder = site.path("disk");
        fs::create_dir(&folder).expect("a folder");
        let disk = match make(&site, &folder) {
            Ok(disk) => disk,
            Err(reason) => {
                println!("skipped: there can be no such disk here: {reason}");
                return None;
            }
        };
        site.configure("reconnect-first = 50", "reconnect-first = 50\njournal = \"../disk/journal.db\"");
        site.add_plugin("effects");
        let book = Book::default();
        site.start_server();
        site.start_outbox();
        site.start_node_by(disk.words());
        let people =
            [agents::work(&site, "ada", &book), agents::work(&site, "ben", &book), agents::watch(&site, &book)];
        let (auditor, _events) = traffic::client(&site, "auditor", ClientType::ReportingEngine);
        let (submitter, _others) = traffic::client(&site, "submitter", ClientType::MediaServer);
        traffic::ready(&auditor).await;
        Some(AtWork { site, disk, book, auditor, submitter, sent: 0, _people: people })
    }

    /// Some more come in, each acknowledged.
    async fn twenty_more(&mut self) {
        for _ in 0..20 {
            self.sent += 1;
            let name = format!("moves-{}", self.sent);
            traffic::submit(&self.submitter, &self.book, Kind::Moves, &name, "After", "").await;
        }
    }

    /// Work comes in until the node says that its journal cannot be written; `meanwhile` is done in between.
    async fn until_it_is_noticed(&mut self, meanwhile: impl Fn()) -> String {
        loop {
            assert!(self.sent < MOST, "nobody notices: {:?}\n{}", status(&self.site)["journal"], self.site.logs());
            self.twenty_more().await;
            let status = status(&self.site);
            let problem = status["journal"]["problem"].as_str().unwrap_or_default();
            if !problem.is_empty() {
                println!("{} interactions; {problem}", self.sent);
                return problem.to_owned();
            }
            meanwhile();
        }
    }

    /// Nothing new is pulled, and what comes in is acknowledged and waits.
    async fn work_waits(&mut self) {
        until("pulls are held", || status(&self.site)["pulls"].to_string().contains("journal_down")).await;
        self.twenty_more().await;
        let client = self.auditor.up().await.expect("the link is open");
        assert!(Site::status(&client).await.interactions >= 20, "they wait");
        assert!(self.site.runs("node"), "{}", self.site.logs());
    }

    /// The cause is gone: everything comes to its end, and each decision had its effect once.
    async fn goes_on(mut self) {
        // Held open, the disk outlives the node.
        let disk = fs::File::open(self.disk.seen_by(self.site.pid("node"))).expect("a folder");
        until("the journal is written again", || status(&self.site)["journal"]["problem"] == "").await;
        let client = self.auditor.up().await.expect("the link is open");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (left, status) = (Site::status(&client).await.interactions, status(&self.site));
            if left == 0 && status["sessions"].as_array().is_some_and(Vec::is_empty) {
                break;
            }
            if Instant::now() > deadline {
                panic!("it does not come to rest: {left} interactions left, {status}\n{}", self.site.logs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(self.site.stop("node").success());
        let journal = self.site.path("journal.db");
        fs::copy(format!("/proc/self/fd/{}/journal.db", disk.as_raw_fd()), &journal).expect("the journal");
        let problems = self.book.note(|book| book.check(&finished(&journal), &self.site.path("outbox")));
        assert!(problems.is_empty(), "{}\n{}", problems.join("\n"), self.site.logs());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_holds_up_the_work_and_loses_none() {
    let Some(mut work) = AtWork::with_disk(|_, folder| Disk::small(folder, DISK_KIB)).await else { return };
    let filler = work.disk.seen_by(work.site.pid("node")).join("filler");
    fill(&filler);
    // What space the journal found for itself is taken too.
    let problem = work.until_it_is_noticed(|| fill(&filler)).await;
    assert!(problem.contains("is full: free some space"), "{problem}");
    work.work_waits().await;
    fs::remove_file(&filler).expect("there is room again");
    work.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_turns_read_only_holds_up_the_work_and_loses_none() {
    let made = AtWork::with_disk(|site, folder| Disk::breakable(folder, &site.path("image")));
    let Some(mut work) = made.await else { return };
    work.twenty_more().await;
    let node = work.site.pid("node");
    work.disk.breaks(node);
    // At first the system may only say that something went wrong.
    work.until_it_is_noticed(|| {}).await;
    let told = || status(&work.site)["journal"]["problem"].as_str().unwrap_or_default().to_owned();
    until("it is told what to do", || told().contains("is read-only: let jackfield's user write")).await;
    work.work_waits().await;
    work.disk.mended(node);
    work.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_disk_is_enough_for_far_more_than_fits_into_it() {
    let Some(mut work) = AtWork::with_disk(|_, folder| Disk::small(folder, DISK_KIB)).await else { return };
    // The log of all of it would be several times the disk.
    for _ in 0..15 {
        work.twenty_more().await;
    }
    work.goes_on().await;
}

#[test]
fn a_disk_too_small_for_a_journal_is_refused() {
    let site = Site::new();
    site.add_plugin("route_anyone");
    fs::create_dir(site.path("disk")).expect("a folder");
    site.configure("reconnect-first = 50", "reconnect-first = 50\njournal = \"../disk/journal.db\"");
    let disk = match Disk::small(&site.path("disk"), 2_048) {
        Ok(disk) => disk,
        Err(reason) => return println!("skipped: there can be no such disk here: {reason}"),
    };
    let output = site.command_by(disk.words(), &["run"]).stdin(Stdio::null()).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("has 2 MiB in all, and a store with its log needs 8 MiB: put it on a larger one"), "{text}");
}

/// Leaves no room.
fn fill(filler: &Path) {
    let mut file = fs::File::options().create(true).append(true).open(filler).expect("a file");
    for size in [64 << 10, 4 << 10, 1] {
        let block = vec![0; size];
        loop {
            match file.write_all(&block) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come about that {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A site whose journal was made by a node, and is then changed by this.
fn with_journal(change: impl FnOnce(&mut Vec<u8>)) -> (Site, Vec<u8>) {
    let mut site = Site::new();
    site.add_plugin("route_anyone");
    site.start_node();
    let deadline = Instant::now() + PATIENCE;
    while !site.path("var/node.sock").exists() {
        assert!(Instant::now() < deadline, "the node does not start\n{}", site.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(site.stop("node").success(), "{}", site.logs());
    let path = site.path("var/journal.db");
    let mut bytes = fs::read(&path).expect("the journal");
    change(&mut bytes);
    fs::write(&path, &bytes).expect("written");
    (site, bytes)
}

/// The node does not start, says this, and leaves the file as it is.
#[track_caller]
fn refuses((site, bytes): (Site, Vec<u8>), says: &str) {
    let output = site.command(&["run"]).stdin(Stdio::null()).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("error: the journal of the node: ") && text.contains(says), "{text}");
    assert!(fs::read(site.path("var/journal.db")).expect("the journal") == bytes, "the file was changed");
}

#[test]
fn a_journal_of_a_newer_format_is_left_alone() {
    // SQLite keeps a number for its user, in big-endian order, at this offset.
    refuses(
        with_journal(|bytes| bytes[60..64].copy_from_slice(&99_u32.to_be_bytes())),
        "has format 99, this jackfield knows formats up to",
    );
}

#[test]
fn a_damaged_journal_is_left_alone() {
    // All but the header, so that its first look shows it.
    refuses(with_journal(|bytes| bytes[100..].fill(0xa5)), "is damaged: keep a copy of it and of its -wal file");
}
