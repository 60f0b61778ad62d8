//! Two nodes share the work of one server, and one of them is killed with SIGKILL under traffic with messages:
//! nothing is lost, nothing is doubled, and `orchestration_system` is empty in the end.
//!
//! There are two kinds of rounds. In most of them whoever is killed comes back soon, once or several times, and its
//! sessions go on: each decision has its effect once. In every third the node stays away until everything is done:
//! what it held comes back to its queue and is the other's, which begins anew with it, and what it left in
//! `orchestration_system` the other takes away; when it comes back it finds that it has lost all it had.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jackfield_journal::Summary;
use jackfield_link::{Client, LinkEvent};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::{Answer3rdServer, ClientType, Event3rdServerRequest, KeyValueList, RequestSubmit};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;

use super::site::{PATIENCE, Site, rounds, seed};
use super::survives::book::{Killed, Messages, made};
use super::survives::traffic::{self, Mix};
use super::survives::{Book, Kind, agents, finished};

/// What comes in: sessions that speak with each other would have to be on one node.
const MIX: Mix = &[(Kind::Moves, 16), (Kind::Waits, 8)];
const NODES: [&str; 2] = ["node", "other"];
/// How the outcome of a session begins that had to give up its interaction; see the guest `effects`.
const LOST: &str = "lost: ";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_is_doubled_and_orchestration_system_is_empty() {
    let first = seed("one_of_two_nodes_killed");
    for number in 0..rounds(3) {
        let (seed, began) = (first + number as u64, Instant::now());
        let mut site = Site::with(&[("in", "takes", "effects"), ("second", "settles", "effects")]);
        let comes_back = seed % 3 != 0;
        let problems = round(&mut site, seed, comes_back).await;
        assert!(
            problems.is_empty(),
            "JACKFIELD_FAULT_SEED={seed} JACKFIELD_FAULT_ROUNDS=1 fails:\n{}\n{}",
            problems.join("\n"),
            site.logs()
        );
        let how = if comes_back { "comes back" } else { "stays away" };
        println!("round {number}, seed {seed}, who is killed {how}: {:.1} s", began.elapsed().as_secs_f64());
    }
}

async fn round(site: &mut Site, seed: u64, comes_back: bool) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(seed);
    site.configure("name = \"node\"", "name = \"node\"\ncluster = \"east\"");
    site.configure("reconnect-first = 50", "reconnect-first = 50\ncleanup-takeover-timeout = 10");
    if !comes_back {
        let window = "store = \"sqlite:var/main.db\"\n[server.options.settings]\nreclaim-window = 1\n";
        site.configure("store = \"sqlite:var/main.db\"\n", window);
    }
    site.add_plugin("effects");
    let book = Book::default();
    site.start_server();
    let media_server = MediaServer::open(site);
    site.start_node();
    site.start_other_node();
    let _working = [agents::work(site, "ada", &book), agents::work(site, "ben", &book)];
    let _watching = agents::watch(site, &book);
    let (status, _events) = traffic::client(site, "auditor", ClientType::ReportingEngine);
    traffic::ready(&status).await;
    let journals = [site.path("var/journal.db"), site.path("other/journal.db")];
    let sending = random.random();
    let sending =
        traffic::send(site.endpoint(), MIX, journals[0].clone(), StdRng::seed_from_u64(sending), book.clone());
    let traffic = tokio::spawn(sending);

    let mut away = None;
    for _ in 0..if comes_back { random.random_range(1..=3) } else { 1 } {
        tokio::time::sleep(Duration::from_millis(random.random_range(20..1_000))).await;
        let who = *NODES.choose(&mut random).expect("there are two");
        site.kill(who);
        book.note(|book| book.killed.push(Killed::Node));
        if comes_back {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..500))).await;
            start(site, who);
        } else {
            book.note(|book| book.gone_for_good += 1);
            away = Some(who);
        }
    }
    let mut problems = Vec::new();
    match tokio::time::timeout(PATIENCE, traffic).await {
        Ok(sent) => sent.expect("it is sent"),
        Err(_) => problems.push("not everything was acknowledged in time".to_owned()),
    }
    // All of it, what is in orchestration_system included.
    problems.extend(traffic::nothing_left(&status).await.err());
    if let Some(who) = away {
        start(site, who);
    }
    for journal in &journals {
        problems.extend(traffic::rest(&status, journal).await.err());
    }
    for who in NODES.iter().chain(&["server"]) {
        if !site.runs(who) {
            problems.push(format!("the {who} has ended by itself"));
        } else if problems.is_empty() && !site.stop(who).success() {
            problems.push(format!("the {who} does not stop in good order"));
        }
    }
    let sessions = journals.iter().flat_map(|journal| finished(journal));
    let is_lost = |session: &Summary| session.end.as_ref().is_some_and(|end| end.outcome.contains(LOST));
    let (lost, sessions): (Vec<Summary>, Vec<Summary>) = sessions.partition(is_lost);
    if comes_back && !lost.is_empty() {
        problems.push(format!("{} sessions have lost their interaction", lost.len()));
    }
    let mut messages = media_server.sent(&mut problems);
    for Summary { row, .. } in lost {
        // Whatever it had sent, it had sent once.
        let of_it = messages.extract_if(.., |(_, session), _| *session == *row.id);
        problems.extend(of_it.filter(|(_, made)| made.len() > 1).map(|made| format!("a lost session: {made:?}")));
    }
    problems.extend(book.note(|book| book.check_with(&sessions, messages)));
    problems
}

fn start(site: &mut Site, who: &str) {
    match who {
        "node" => site.start_node(),
        _ => site.start_other_node(),
    }
}

/// The media server `outbox`, which submits the interaction of a message where it is told to, and remembers what it
/// made by the keys it was asked with.
struct MediaServer {
    outbox: Arc<Mutex<Outbox>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Outbox {
    /// Subject by id.
    made: BTreeMap<String, String>,
    /// Keys they were sent with, by id.
    sent: BTreeMap<String, Vec<String>>,
}

impl MediaServer {
    fn open(site: &Site) -> MediaServer {
        let (link, mut events) = traffic::client(site, "outbox", ClientType::MediaServer);
        let outbox = Arc::<Mutex<Outbox>>::default();
        let shared = outbox.clone();
        let task = tokio::spawn(async move {
            let _link = link;
            let mut up: Option<Client> = None;
            while let Some(event) = events.recv().await {
                match event {
                    LinkEvent::Up(client) => up = Some(client),
                    LinkEvent::Event(Event::ThirdServerRequest(request)) => {
                        let client = up.clone().expect("who is asked is connected");
                        tokio::spawn(serve(client, request, shared.clone()));
                    }
                    _ => {}
                }
            }
        });
        MediaServer { outbox, task }
    }

    /// What was sent.
    fn sent(self, problems: &mut Vec<String>) -> Messages {
        self.task.abort();
        let outbox = self.outbox.lock().expect("nobody panics");
        let mut messages = Messages::new();
        for (id, keys) in &outbox.sent {
            let subject = outbox.made.get(id).expect("what is sent was made");
            made(&mut messages, subject);
            if keys.iter().any(|key| key != &keys[0]) {
                problems.push(format!("`{subject}` was sent with {keys:?}"));
            }
        }
        messages
    }
}

async fn serve(client: Client, request: Event3rdServerRequest, outbox: Arc<Mutex<Outbox>>) {
    let asked = request.parameters.clone().unwrap_or_default();
    let text = |key: &str| asked.text(key).unwrap_or_default().to_owned();
    let key = request.idempotency_key.clone();
    let parameters = if request.method == "Send" {
        outbox.lock().expect("nobody panics").sent.entry(text("InteractionId")).or_default().push(key);
        KeyValueList::default()
    } else {
        let submit = RequestSubmit {
            media_type: "email".into(),
            interaction_type: "Outbound".into(),
            parent_id: text("ParentInteractionId"),
            queue: text("Queue"),
            user_data: request.user_data.clone(),
            ..Default::default()
        };
        // The server remembers the key: asked again, it is the same interaction.
        let Ok(Event::Ack(ack)) = client.request_once(submit, format!("made {key}")).await else { return };
        outbox.lock().expect("nobody panics").made.insert(ack.interaction_id.clone(), text("Subject"));
        KeyValueList::default().with("InteractionId", ack.interaction_id)
    };
    let server_reference_id = request.server_reference_id;
    let answer = Answer3rdServer { server_reference_id, parameters: Some(parameters), ..Default::default() };
    // Whoever asked may be dead.
    let _ = client.request(Request::ThirdServerAnswer(answer)).await;
}
