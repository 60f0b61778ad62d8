//! SIGKILL of the server in a storm of submits: every acknowledged interaction is there after the
//! restart, exactly once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::request_pull::What;
use jackfield_protocol::v1::{ClientType, RequestPull};
use rand::RngExt;
use tokio::sync::Mutex;

use super::site::{PATIENCE, Site, email, rounds, seeded};

const SUBMITTERS: usize = 4;
const IN_FLIGHT: usize = 64;

/// What media servers of the test know: which message was acknowledged under which id.
#[derive(Default)]
struct Acknowledged(HashMap<String, String>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_exactly_once() {
    let mut random = seeded("server_killed");
    let mut site = Site::new();
    site.start_server();

    let next = Arc::new(AtomicUsize::new(0));
    let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
    let rounds = rounds(4);
    for round in 0..rounds {
        let before = acknowledged.lock().await.0.len();
        let mut storm = tokio::task::JoinSet::new();
        for submitter in 0..SUBMITTERS {
            let (client, _events) = site.client(&format!("storm {submitter}"), ClientType::MediaServer).await;
            let (next, acknowledged) = (next.clone(), acknowledged.clone());
            storm.spawn(async move {
                // Until the server is gone; what got no answer then is for the next round to repeat.
                let mut unanswered = Vec::new();
                'storm: loop {
                    let mut waiting = Vec::with_capacity(IN_FLIGHT);
                    for _ in 0..IN_FLIGHT {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        match client.send(email(key(number)), key(number)).await {
                            Ok(reply) => waiting.push((number, reply)),
                            Err(_) => {
                                unanswered.push(number);
                                unanswered.extend(waiting.into_iter().map(|(number, _)| number));
                                break 'storm;
                            }
                        }
                    }
                    for (number, reply) in waiting {
                        match reply.await {
                            Ok(Event::Ack(ack)) => {
                                let known = acknowledged.lock().await.0.insert(key(number), ack.interaction_id);
                                assert_eq!(known, None, "{number} was acknowledged already");
                            }
                            Ok(other) => panic!("{other:?} is no answer to a submit"),
                            Err(error) if error.is_retriable() => unanswered.push(number),
                            Err(error) => panic!("{number} was refused: {error}"),
                        }
                    }
                }
                unanswered
            });
        }

        tokio::time::sleep(Duration::from_millis(random.random_range(50..600))).await;
        site.kill("server");
        let mut unanswered = Vec::new();
        while let Some(ended) = storm.join_next().await {
            unanswered.extend(ended.expect("a submitter"));
        }
        let after = acknowledged.lock().await.0.len();
        println!("round {round}: {} acknowledged, {} without an answer", after - before, unanswered.len());

        site.start_server();
        let (client, _events) = site.client("again", ClientType::MediaServer).await;
        for number in unanswered {
            match client.request_once(email(key(number)), key(number)).await {
                Ok(Event::Ack(ack)) => {
                    acknowledged.lock().await.0.insert(key(number), ack.interaction_id);
                }
                other => panic!("{number} cannot be submitted again: {other:?}"),
            }
        }
    }

    let acknowledged = acknowledged.lock().await;
    assert!(acknowledged.0.len() > rounds * IN_FLIGHT, "the storm was a breeze: {}", acknowledged.0.len());
    let found = everything_waiting(&site, acknowledged.0.len()).await;
    assert_eq!(found.len(), acknowledged.0.len(), "as many wait as were acknowledged");
    for (key, id) in &acknowledged.0 {
        assert_eq!(found.get(key), Some(id), "{key} is there under its id");
    }
}

/// Pulls until nothing waits, and at least until so many have come: a server that has just started gives none
/// to anybody for a moment. External id and interaction id. Fails when one comes twice.
pub async fn everything_waiting(site: &Site, expected: usize) -> HashMap<String, String> {
    let (client, _events) = site.client("auditor", ClientType::RoutingEngine).await;
    let mut found = HashMap::new();
    let mut ids = HashSet::new();
    let mut deadline = std::time::Instant::now() + PATIENCE;
    loop {
        assert!(std::time::Instant::now() < deadline, "{} of {expected} are there", found.len());
        let pull = RequestPull { what: Some(What::View("all of in".into())), count: 1_000, ..Default::default() };
        let Ok(Event::PulledInteractions(pulled)) = client.request(Request::Pull(pull)).await else {
            panic!("a pull by view is answered with interactions\n{}", site.logs());
        };
        if pulled.interactions.is_empty() {
            if found.len() >= expected {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if !pulled.interactions.is_empty() {
            // As long as some come, more may.
            deadline = std::time::Instant::now() + PATIENCE;
        }
        for pulled in pulled.interactions {
            let interaction = pulled.interaction.expect("an interaction");
            let twice = found.insert(interaction.external_id.clone(), interaction.interaction_id.clone());
            assert_eq!(twice, None, "{} is there twice", interaction.external_id);
            assert!(ids.insert(interaction.interaction_id.clone()), "{} is there twice", interaction.interaction_id);
        }
    }
}

fn key(number: usize) -> String {
    format!("storm-{number:08}")
}
