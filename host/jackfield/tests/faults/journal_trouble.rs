//! A journal that cannot be written, or read: what the node says, and what becomes of the work.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jackfield_protocol::v1::ClientType;
use serde_json::Value as Json;

use super::site::{PATIENCE, Site};
use super::survives::{Book, Kind, agents, finished, traffic};

/// Room on the disk: for the journal with its log, which is folded into it every few megabytes.
const DISK_KIB: usize = 16_384;
/// Interactions at most until the disk is found to be full.
const MOST: usize = 2_000;

/// Runs a program with a small disk of its own at a folder. It needs no rights, where the system lets
/// anybody have name spaces.
const SMALL_DISK: &str = r#"mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@""#;

fn with_small_disk(folder: &Path) -> Vec<String> {
    let size = format!("{DISK_KIB}k");
    let folder = folder.display().to_string();
    ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, "sh", &size, &folder].map(String::from).to_vec()
}

/// Why there can be no small disk here.
fn no_small_disk(folder: &Path) -> Option<String> {
    let words = with_small_disk(folder);
    let (program, rest) = words.split_first().expect("a program");
    match Command::new(program).args(rest).arg("true").stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

fn status(site: &Site) -> Json {
    let output = site.command(&["sessions", "--all", "--json"]).output().expect("runs");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_holds_up_the_work_and_loses_none() {
    let mut site = Site::with(&[("in", "takes", "effects"), ("second", "settles", "effects")]);
    fs::create_dir(site.path("small")).expect("a folder");
    if let Some(reason) = no_small_disk(&site.path("small")) {
        println!("skipped: there can be no small disk here: {reason}");
        return;
    }
    site.configure("reconnect-first = 50", "reconnect-first = 50\njournal = \"../small/journal.db\"");
    site.add_plugin("effects");
    let book = Book::default();
    site.start_server();
    site.start_outbox();
    site.start_node_by(&with_small_disk(&site.path("small")));
    let _working = [agents::work(&site, "ada", &book), agents::work(&site, "ben", &book)];
    let _watching = agents::watch(&site, &book);
    let (auditor, _events) = traffic::client(&site, "auditor", ClientType::ReportingEngine);
    let (submitter, _others) = traffic::client(&site, "submitter", ClientType::MediaServer);
    traffic::ready(&auditor).await;

    // The folder as the node sees it.
    let small = PathBuf::from(format!("/proc/{}/root{}", site.pid("node"), site.path("small").display()));
    let filler = small.join("filler");
    fill(&filler);
    let mut sent = 0;
    let problem = loop {
        assert!(sent < MOST, "the disk is full, and nobody notices: {:?}", status(&site)["journal"]);
        for _ in 0..20 {
            sent += 1;
            traffic::submit(&submitter, &book, Kind::Moves, &format!("moves-{sent}"), "After", "").await;
        }
        let status = status(&site);
        let problem = status["journal"]["problem"].as_str().unwrap_or_default().to_owned();
        if !problem.is_empty() {
            break problem;
        }
        // What space the journal found for itself is taken too.
        fill(&filler);
    };
    assert!(problem.contains("is full: free some space"), "{problem}");

    // Nothing new is pulled, and what comes in is acknowledged and waits.
    until("pulls are held", || status(&site)["pulls"].to_string().contains("journal_down")).await;
    for _ in 0..20 {
        sent += 1;
        traffic::submit(&submitter, &book, Kind::Moves, &format!("moves-{sent}"), "After", "").await;
    }
    let client = auditor.up().await.expect("the link is open");
    assert!(Site::status(&client).await.interactions >= 20, "they wait");
    assert!(site.runs("node"), "{}", site.logs());
    println!("{sent} interactions; {problem}");

    // Held open, the disk outlives the node.
    let disk = fs::File::open(&small).expect("a folder");
    fs::remove_file(&filler).expect("there is room again");
    until("the journal is written again", || status(&site)["journal"]["problem"] == "").await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (left, status) = (Site::status(&client).await.interactions, status(&site));
        if left == 0 && status["sessions"].as_array().is_some_and(Vec::is_empty) {
            break;
        }
        if Instant::now() > deadline {
            panic!("it does not come to rest: {left} interactions left, {status}\n{}", site.logs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(site.stop("node").success());
    let journal = site.path("journal.db");
    fs::copy(format!("/proc/self/fd/{}/journal.db", disk.as_raw_fd()), &journal).expect("the journal");
    let problems = book.note(|book| book.check(&finished(&journal), &site.path("outbox")));
    assert!(problems.is_empty(), "{}\n{}", problems.join("\n"), site.logs());
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
