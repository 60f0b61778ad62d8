//! Sessions survive: node, server and media server are killed with traffic under way, and each decision
//! of a strategy has its effect once.
//!
//! A round is a site of its own. Its seed decides what comes in when, what is killed when, and how long
//! it is away; `JACKFIELD_FAULT_ROUNDS=1` with the seed of a round repeats that one, as far as processes
//! let themselves be repeated. A round that fails leaves its folder behind: stores, journal, logs.

pub mod agents;
pub mod book;
pub mod traffic;

use std::fmt::Write;
use std::time::{Duration, Instant};

use jackfield_journal::{Filter, JournalFile, Summary};
use jackfield_protocol::v1::ClientType;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use self::book::Killed;
pub use self::book::{Book, Kind};
use self::traffic::Mix;
use super::site::{PATIENCE, Site, rounds, seed};

/// What can be killed, each as often as it stands here.
const VICTIMS: [&[&str]; 8] =
    [&["node"], &["node"], &["node"], &["node"], &["server"], &["server"], &["outbox"], &["node", "server"]];
/// What comes in.
const MIX: Mix = &[(Kind::Moves, 12), (Kind::Waits, 8), (Kind::Listens, 4)];
/// Kills in a round at the most: each after the first falls into the recovery from the one before.
const KILLS: usize = 3;

/// Something is killed.
#[derive(Debug)]
struct Kill {
    /// After the restart before it, or after the first interaction.
    after: Duration,
    what: &'static [&'static str],
    /// Until it is started again.
    away: Duration,
}

fn plan(random: &mut StdRng) -> Vec<Kill> {
    let mut kills = vec![Kill {
        after: Duration::from_millis(random.random_range(20..1_000)),
        what: VICTIMS.choose(random).expect("there are some"),
        away: Duration::from_millis(random.random_range(0..600)),
    }];
    while kills.len() < KILLS && random.random_ratio(2, 5) {
        kills.push(Kill {
            after: Duration::from_millis(random.random_range(5..700)),
            what: VICTIMS.choose(random).expect("there are some"),
            away: Duration::from_millis(random.random_range(0..300)),
        });
    }
    kills
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_decision_has_its_effect_once() {
    let first = seed("survives");
    let rounds = rounds(3);
    for number in 0..rounds {
        let (seed, began) = (first + number as u64, Instant::now());
        let mut site = Site::with(&[("in", "takes", "effects"), ("second", "settles", "effects")]);
        let mut told = String::new();
        let problems = round(&mut site, seed, &mut told).await;
        if !problems.is_empty() {
            panic!(
                "JACKFIELD_FAULT_SEED={seed} JACKFIELD_FAULT_ROUNDS=1 fails:\n{told}\n{}\n{}",
                problems.join("\n"),
                site.logs()
            );
        }
        println!("round {number}, seed {seed}: {:.1} s\n{told}", began.elapsed().as_secs_f64());
    }
}

/// One site: what is wrong in the end. `told` gets what was done to it.
async fn round(site: &mut Site, seed: u64, told: &mut String) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(seed);
    let live = [0, 0, 3, 5_000].choose(&mut random).expect("there are some");
    let options = "reconnect-first = 50\nrequest-timeout = 30";
    site.configure("reconnect-first = 50", options);
    site.configure("[[tenant]]", &format!("[application.options.strategy]\nlive-sessions = {live}\n[[tenant]]"));
    site.add_plugin("effects");
    let plan = plan(&mut random);
    writeln!(told, "  live sessions {live}").expect("a string takes it");

    let book = Book::default();
    site.start_server();
    site.start_outbox();
    site.start_node();
    let _working = [agents::work(site, "ada", &book), agents::work(site, "ben", &book)];
    let _watching = agents::watch(site, &book);
    let journal = site.path("var/journal.db");
    // With all of them up, the faults fall into work and not into the start.
    let (status, _events) = traffic::client(site, "auditor", ClientType::ReportingEngine);
    traffic::ready(&status).await;
    let traffic = tokio::spawn(traffic::send(site.endpoint(), MIX, journal.clone(), random, book.clone()));

    let began = Instant::now();
    for kill in &plan {
        tokio::time::sleep(kill.after).await;
        let at = began.elapsed();
        for what in kill.what {
            site.kill(what);
        }
        tokio::time::sleep(kill.away).await;
        for what in kill.what {
            match *what {
                "server" => {
                    book.note(|book| book.killed.push(Killed::Server));
                    site.start_server();
                }
                "node" => {
                    book.note(|book| book.killed.push(Killed::Node));
                    site.start_node();
                }
                _ => {
                    book.note(|book| book.killed.push(Killed::Outbox));
                    site.start_outbox();
                }
            }
        }
        let up = began.elapsed();
        writeln!(told, "  {} killed at {} ms, up at {} ms", kill.what.join(" and "), at.as_millis(), up.as_millis())
            .expect("a string takes it");
    }

    let mut problems = Vec::new();
    match tokio::time::timeout(PATIENCE, traffic).await {
        Ok(Ok(())) => {}
        Ok(Err(failed)) => problems.push(failed.to_string()),
        Err(_) => problems.push("not everything was acknowledged in time".to_owned()),
    }
    if let Err(why) = traffic::rest(&status, &journal).await {
        problems.push(why);
    }
    for what in ["node", "outbox", "server"] {
        if !site.runs(what) {
            problems.push(format!("the {what} has ended by itself"));
        } else if what == "node" {
            problems.extend(lists(site));
        }
        // Whatever it still had in mind is done now, or never.
        if problems.is_empty() && !site.stop(what).success() {
            problems.push(format!("the {what} does not stop in good order"));
        }
    }
    let finished = finished(&journal);
    problems.extend(book.note(|book| book.check(&finished, &site.path("outbox"))));
    writeln!(told, "  {} sessions", finished.len()).expect("a string takes it");
    problems
}

/// Sessions in the journal that have ended.
pub fn finished(journal: &std::path::Path) -> Vec<Summary> {
    let file = JournalFile::open(journal).expect("the journal can be read");
    let filter = Filter { finished: Some(true), limit: 10_000, ..Filter::default() };
    file.sessions(&filter).expect("the journal can be read")
}

/// What the program says of its sessions is what the journal holds.
fn lists(site: &Site) -> Option<String> {
    let deadline = Instant::now() + PATIENCE;
    let output = loop {
        let output = site.command(&["sessions", "--json"]).output().expect("runs");
        // A node that was only just started does not answer yet.
        if output.status.code() != Some(4) || Instant::now() > deadline {
            break output;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let status: serde_json::Value = serde_json::from_str(text.trim()).unwrap_or_default();
    let empty = status["sessions"].as_array().is_some_and(Vec::is_empty);
    if !empty {
        return Some(format!("`jackfield sessions` is not empty: {text}{}", String::from_utf8_lossy(&output.stderr)));
    }
    let output = site.command(&["sessions", "--finished", "--limit", "10000", "--json"]).output().expect("runs");
    let listed = String::from_utf8_lossy(&output.stdout).lines().count();
    let recorded = finished(&site.path("var/journal.db")).len();
    (listed != recorded)
        .then(|| format!("`jackfield sessions --finished` has {listed} sessions, the journal {recorded}"))
}
