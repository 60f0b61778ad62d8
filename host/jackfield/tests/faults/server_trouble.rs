//! A store that cannot be written: what the server says, and what becomes of what comes in.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jackfield_link::Link;
use jackfield_protocol::v1::ClientType;
use jackfield_protocol::v1::event::Message as Event;

use super::disks::Disk;
use super::server_killed::everything_waiting;
use super::site::{PATIENCE, Site, email};
use super::survives::traffic;

/// How many come in before the disk breaks; as many while it is broken.
const SOME: usize = 100;

/// Until it is acknowledged; its id.
async fn submit(link: &Link, key: &str) -> String {
    loop {
        let client = link.up().await.expect("the link is open");
        match client.request_once(email(key), key).await {
            Ok(Event::Ack(ack)) => return ack.interaction_id,
            Ok(other) => panic!("{other:?} is no answer to a submit"),
            Err(error) => assert!(error.is_retriable(), "{key} was refused: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_turns_read_only_holds_up_what_comes_in_and_loses_none() {
    let mut site = Site::new();
    fs::create_dir(site.path("disk")).expect("a folder");
    let disk = match Disk::breakable(&site.path("disk"), &site.path("image")) {
        Ok(disk) => disk,
        Err(reason) => return println!("skipped: there can be no such disk here: {reason}"),
    };
    site.configure("store = \"sqlite:var/main.db\"", "store = \"sqlite:disk/main.db\"");
    site.start_server_by(disk.words());
    let (submitter, _events) = traffic::client(&site, "submitter", ClientType::MediaServer);
    let mut acknowledged = HashMap::new();
    for number in 0..SOME {
        let key = format!("before-{number}");
        acknowledged.insert(key.clone(), submit(&submitter, &key).await);
    }

    let server = site.pid("server");
    disk.breaks(server);
    let came_through = std::sync::Arc::new(AtomicUsize::new(0));
    let (link, count) = (submitter.clone(), came_through.clone());
    let meanwhile = tokio::spawn(async move {
        let mut acknowledged = HashMap::new();
        for number in 0..SOME {
            let key = format!("broken-{number}");
            acknowledged.insert(key.clone(), submit(&link, &key).await);
            count.fetch_add(1, Ordering::Relaxed);
        }
        acknowledged
    });
    let log = site.path("server.log");
    let deadline = Instant::now() + PATIENCE;
    while !fs::read_to_string(&log).expect("a log").contains("is read-only: let jackfield's user write") {
        assert!(Instant::now() < deadline, "nothing is said\n{}", site.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(came_through.load(Ordering::Relaxed), 0, "nothing is acknowledged that is not on disk");
    assert!(site.runs("server"), "{}", site.logs());

    disk.mended(server);
    let meanwhile = tokio::time::timeout(PATIENCE, meanwhile).await;
    let Ok(meanwhile) = meanwhile else { panic!("it does not go on\n{}", site.logs()) };
    acknowledged.extend(meanwhile.expect("a submitter"));
    let found = everything_waiting(&site, acknowledged.len()).await;
    assert_eq!(found, acknowledged, "what was acknowledged is there, once, and nothing else");
}
