//! Sessions that are moved to another version of their plugin while they work: those of the example
//! `follow-up`, which checkpoint in each turn and wait for days.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use jackfield_journal::{Filter, JournalFile, Summary};
use jackfield_link::{Link, Reconnect};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::{ClientType, KeyValueList, RequestChangeProperties, RequestRegisterClient, RequestSubmit};
use serde_json::Value as Json;

use super::site::{PATIENCE, Site};

/// E-mails whose sessions wait when the first move begins, and such as come in meanwhile.
const SOME: usize = 12;
/// Instances that live: most sessions are passive, some are not.
const LIVE: &str = "[application.options.strategy]\nlive-sessions = 8\n[[tenant]]";
/// What the strategy is told.
const PARAMETERS: &str = "[strategy.parameters]\nspecialist = \"lab@example.com\"\nanswered-queue = \"out\"";

fn site() -> Site {
    let mut site = Site::with(&[("in", "follows", "follow-up")]);
    let plugin = "plugin = \"follow-up\"\n";
    site.configure(plugin, &format!("{plugin}{PARAMETERS}\n"));
    site.configure("[[tenant]]", LIVE);
    site.add_plugin("follow_up");
    let mut next = fs::read(site.path("plugins/follow_up.wasm")).expect("the plugin");
    // A section that says nothing: the same strategy, and another version by its digest.
    next.extend(b"\x00\x05\x04next");
    fs::write(site.path("next.wasm"), next).expect("written");
    site.start_server();
    site.start_outbox();
    site.start_node();
    site
}

/// Until it is acknowledged; its id.
async fn submit(link: &Link, number: usize) -> String {
    // From nobody who could be told anything: the specialist is asked, and that is all.
    let user_data = KeyValueList::default().with("Subject", format!("number {number}.")).with("Text", "How?");
    let email = RequestSubmit {
        media_type: "email".into(),
        interaction_type: "Inbound".into(),
        interaction_subtype: "InboundNew".into(),
        queue: "in".into(),
        user_data: Some(user_data.with("FromAddress", "ann").with("Mailbox", "desk@example.com")),
        ..Default::default()
    };
    loop {
        let client = link.up().await.expect("the link is open");
        match client.request_once(email.clone(), format!("submit {number}")).await {
            Ok(Event::Ack(ack)) => return ack.interaction_id,
            Ok(other) => panic!("{other:?} is no answer to a submit"),
            Err(error) => assert!(error.is_retriable(), "{number} was refused: {error}"),
        }
    }
}

/// The specialist's answer is there, which its session hears of.
async fn answer(link: &Link, id: &str) {
    let changed = Some(KeyValueList::default().with("Answer", "so"));
    let change = RequestChangeProperties { interaction_id: id.to_owned(), changed, ..Default::default() };
    loop {
        let client = link.up().await.expect("the link is open");
        match client.request_once(change.clone(), format!("answer {id}")).await {
            Ok(_) => return,
            Err(error) => assert!(error.is_retriable(), "{id} cannot be changed: {error}"),
        }
    }
}

fn sessions(journal: &Path, finished: Option<bool>) -> Vec<Summary> {
    let filter = Filter { finished, limit: 10_000, ..Filter::default() };
    JournalFile::open(journal).and_then(|file| file.sessions(&filter)).unwrap_or_default()
}

#[track_caller]
fn until(site: &Site, what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come about that {what}\n{}", site.logs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn moves(site: &Site) -> Output {
    let next = site.path("next.wasm");
    site.command(&["move", "follows", "--to", next.to_str().expect("UTF-8"), "--json"]).output().expect("runs")
}

/// What became of each session.
#[track_caller]
fn fates(output: &Output) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let sessions = text.lines().map(|line| serde_json::from_str::<Json>(line).expect("JSON"));
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    sessions.map(|session| (text(&session["session"]), text(&session["fate"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_move_through_the_running_node_and_lose_nothing() {
    let mut site = site();
    let journal = site.path("var/journal.db");
    // Of another media, so that nobody asks it to send e-mail.
    let register = RequestRegisterClient {
        client_name: "submitter".into(),
        client_type: ClientType::MediaServer.into(),
        media_type: "work".into(),
        ..Default::default()
    };
    let (submitter, _events) = Link::open(site.endpoint(), register, Reconnect::default());
    let (client, _others) = site.client("auditor", ClientType::ReportingEngine).await;
    loop {
        let clients = Site::status(&client).await.clients;
        if ["node", "outbox"].iter().all(|name| clients.iter().any(|client| client.client_name == *name)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut ids = Vec::new();
    for number in 0..SOME {
        ids.push(submit(&submitter, number).await);
    }
    // All have asked the specialist, and wait for a day.
    let day = Duration::from_secs(3_600).as_millis() as i64;
    let is_asked = |session: &Summary| session.due_at.is_some_and(|due| due > session.row.started_at + day);
    let wait = |count: usize| {
        let waiting = sessions(&journal, Some(false));
        waiting.len() == count && waiting.iter().all(is_asked)
    };
    until(&site, "all wait", || wait(SOME));
    let before: Vec<Summary> = sessions(&journal, Some(false));
    let old = before[0].row.digest.clone();

    // Some are answered, and others come in, while they are moved.
    let (link, first) = (submitter.clone(), ids.clone());
    let meanwhile = tokio::spawn(async move {
        let mut more = Vec::new();
        for (number, waits) in first.iter().enumerate().take(SOME) {
            more.push(submit(&link, SOME + number).await);
            if number % 3 == 0 {
                answer(&link, waits).await;
            }
        }
        more
    });
    let output = tokio::task::block_in_place(|| moves(&site));
    let first_fates = fates(&output);
    ids.extend(meanwhile.await.expect("it is sent"));
    let moved = first_fates.values().filter(|fate| *fate == "moved").count();
    assert!(moved > SOME / 2, "{first_fates:?}");
    println!("{moved} of {} moved at first", first_fates.len());
    for session in sessions(&journal, None) {
        let fate = first_fates.get(&*session.row.id).map_or("not there yet", String::as_str);
        assert_eq!(session.row.digest == old, fate != "moved", "{fate}: {session:?}");
    }
    let answered = SOME.div_ceil(3);
    until(&site, "the rest wait", || wait(2 * SOME - answered));

    // Those that began meanwhile follow; there is nothing left to move then.
    let output = tokio::task::block_in_place(|| moves(&site));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(fates(&output).values().all(|fate| fate == "moved" || fate == "has-it-already"));
    let again = fates(&tokio::task::block_in_place(|| moves(&site)));
    assert_eq!(again.len(), 2 * SOME - answered);
    assert!(again.values().all(|fate| fate == "has-it-already"), "{again:?}");
    // Another plugin, and a file that is none.
    let other = site.path("jackfield.toml");
    let output = site.command(&["move", "follows", "--to", other.to_str().expect("UTF-8")]).output().expect("runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");

    // The version is not in the folder of plugins, and yet they go on with it after a crash.
    site.kill("node");
    site.start_node();
    for id in &ids {
        answer(&submitter, id).await;
    }
    until(&site, "all come to their end", || {
        sessions(&journal, Some(false)).is_empty() && sessions(&journal, None).len() >= 2 * SOME
    });

    let ended = sessions(&journal, None);
    assert_eq!(ended.len(), ids.len(), "each e-mail had one session");
    for id in &ids {
        let of: Vec<&Summary> = ended.iter().filter(|session| session.row.interaction == *id).collect();
        let [session] = of.as_slice() else { panic!("{id} had {} sessions", of.len()) };
        let end = session.end.as_ref().expect("it has ended");
        assert!(!end.failed, "{session:?}\n{}", site.logs());
        assert_eq!(
            session.row.digest != old,
            again.contains_key(&*session.row.id)
                || first_fates.get(&*session.row.id).is_some_and(|fate| fate == "moved")
        );
    }
    let status = Site::status(&client).await;
    let out = status.queues.iter().find(|queue| queue.queue == "out").map(|queue| queue.waiting);
    assert_eq!(out, Some(ids.len() as u64), "{:?}", status.queues);
    let mails = fs::read_dir(site.path("outbox/new")).expect("a maildir");
    let mails: Vec<String> =
        mails.map(|mail| fs::read_to_string(mail.expect("a mail").path()).expect("text")).collect();
    for number in 0..ids.len() {
        let asked = format!("Subject: Please answer: number {number}.");
        let count = mails.iter().filter(|mail| mail.lines().any(|line| line.trim_end() == asked)).count();
        assert_eq!(count, 1, "the specialist was asked about number {number}");
    }
}
