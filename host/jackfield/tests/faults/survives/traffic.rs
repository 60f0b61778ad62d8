//! What comes in: e-mails of several kinds, each sent with its key until it is acknowledged; and when all
//! of it is done.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jackfield_journal::{Filter, JournalFile, Summary};
use jackfield_link::{Client, Endpoint, Link, LinkEvent, Reconnect};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::{
    ClientType, EventServerStatus, KeyValueList, RequestRegisterClient, RequestServerStatus, RequestSubmit,
};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::site::{PATIENCE, Site};
use super::book::{Book, Kind};

/// How many of each kind come in; each that listens is told by one more.
pub type Mix = &'static [(Kind, usize)];
/// The longest pause between two of them, in milliseconds.
const PAUSE: u64 = 60;
/// The longest that one waits for its timer, in milliseconds.
const AFTER: u64 = 2_500;

/// A client that comes back soon.
pub fn client(site: &Site, name: &str, client_type: ClientType) -> (Link, mpsc::Receiver<LinkEvent>) {
    link(site.endpoint(), name, client_type)
}

fn link(endpoint: Endpoint, name: &str, client_type: ClientType) -> (Link, mpsc::Receiver<LinkEvent>) {
    let register = RequestRegisterClient {
        client_name: name.into(),
        client_type: client_type.into(),
        media_type: "email".into(),
        ..Default::default()
    };
    let reconnect = Reconnect { first: Duration::from_millis(20), max: Duration::from_millis(200) };
    Link::open(endpoint, register, reconnect)
}

/// None while the server cannot be asked.
pub async fn status(client: &Client) -> Option<EventServerStatus> {
    match client.request(Request::ServerStatus(RequestServerStatus::default())).await {
        Ok(Event::ServerStatus(status)) => Some(status),
        _ => None,
    }
}

/// Sends everything; ends when all of it is acknowledged.
pub async fn send(endpoint: Endpoint, mix: Mix, journal: PathBuf, mut random: StdRng, book: Book) {
    let (link, _events) = link(endpoint, "submitter", ClientType::MediaServer);
    let mut kinds: Vec<Kind> = mix.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count)).collect();
    kinds.shuffle(&mut random);
    let mut sending = JoinSet::new();
    for (number, kind) in kinds.into_iter().enumerate() {
        let after = random.random_range(1..AFTER).to_string();
        let (link, journal, book) = (link.clone(), journal.clone(), book.clone());
        sending.spawn(async move {
            let name = format!("{kind:?}-{number}").to_lowercase();
            let interaction = submit(&link, &book, kind, &name, "After", &after).await;
            if kind == Kind::Listens {
                let session = session_of(&journal, &interaction).await;
                submit(&link, &book, Kind::Tells, &format!("tells-{number}"), "Peer", &session).await;
            }
        });
        tokio::time::sleep(Duration::from_millis(random.random_range(0..PAUSE))).await;
    }
    while let Some(sent) = sending.join_next().await {
        sent.expect("it is sent");
    }
}

/// Until it is acknowledged; returns the id it got.
pub async fn submit(link: &Link, book: &Book, kind: Kind, name: &str, key: &str, value: &str) -> String {
    let does = format!("{kind:?}").to_lowercase();
    let email = RequestSubmit {
        external_id: name.into(),
        media_type: "email".into(),
        interaction_type: "Inbound".into(),
        interaction_subtype: "InboundNew".into(),
        queue: "in".into(),
        user_data: Some(KeyValueList::default().with("Does", does).with(key, value)),
        ..Default::default()
    };
    loop {
        let client = link.up().await.expect("the link is open");
        match client.request_once(email.clone(), name.to_owned()).await {
            Ok(Event::Ack(ack)) => {
                book.note(|book| book.acknowledged(kind, name, &ack.interaction_id));
                return ack.interaction_id;
            }
            Ok(other) => panic!("{other:?} is no answer to a submit"),
            Err(error) => assert!(error.is_retriable(), "{name} was refused: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The session that has this interaction, as soon as it is recorded.
async fn session_of(journal: &Path, interaction: &str) -> String {
    loop {
        // The node may be about to make it, or be dead.
        let sessions = unfinished(journal).unwrap_or_default();
        if let Some(session) = sessions.iter().find(|session| session.row.interaction == interaction) {
            return session.row.id.to_string();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for the outbox, the node and both agents.
pub async fn ready(auditor: &Link) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let client = auditor.up().await.expect("the link is open");
        let status = Site::status(&client).await;
        let known = |name: &str| status.clients.iter().any(|client| client.client_name == name);
        if known("outbox") && known("node") && status.agents.len() == 2 {
            return;
        }
        assert!(Instant::now() < deadline, "the site does not come up: {:?}", status.clients);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until nothing is left on the server.
pub async fn nothing_left(auditor: &Link) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = match auditor.client() {
            Some(client) => status(&client).await,
            None => None,
        };
        match status {
            Some(status) if status.interactions == 0 => return Ok(()),
            status if Instant::now() > deadline => {
                let queues = status.map(|status| status.queues);
                return Err(format!("it does not come to rest: {queues:?}"));
            }
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Waits until nothing is left, on the server or in the journal.
pub async fn rest(auditor: &Link, journal: &Path) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = match auditor.client() {
            Some(client) => status(&client).await.map(|status| status.interactions),
            None => None,
        };
        let sessions = unfinished(journal);
        if left == Some(0) && sessions.as_ref().is_ok_and(Vec::is_empty) {
            return Ok(());
        }
        if Instant::now() > deadline {
            let sessions = sessions.map(|sessions| {
                let about = |one: &Summary| format!("{} of {} in turn {}", one.row.id, one.row.interaction, one.turns);
                sessions.iter().map(about).collect::<Vec<_>>()
            });
            return Err(format!("it does not come to rest: {left:?} interactions left, sessions {sessions:?}"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sessions in the journal that have not ended.
fn unfinished(journal: &Path) -> Result<Vec<Summary>, String> {
    let file = JournalFile::open(journal).map_err(|error| error.to_string())?;
    let filter = Filter { finished: Some(false), limit: 10_000, ..Filter::default() };
    file.sessions(&filter).map_err(|error| error.to_string())
}
