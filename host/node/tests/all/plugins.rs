//! Strategies are replaced while interactions come in: whatever is dropped into the plugins folder, no
//! interaction is lost or fails because of it, and each session ends on the version it began with.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jackfield_plugins::{
    Arrival, BreakerSettings, Command, Folder, FolderSettings, PluginState, Rollout, Rollouts, VersionStatus,
};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Ask;
use jackfield_protocol::v1::{ClientType, KeyValueList, ReportingName, RequestStartReporting};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::support::{Site, Started, engine, guest, of_another_contract, settings, start, until, version, versioned};

/// Replacements of one `cargo test`; others with `JACKFIELD_REPLACEMENTS`.
const REPLACEMENTS: u32 = 40;

/// A plugins folder that is looked after, a node, and a server.
struct Place {
    home: tempfile::TempDir,
    folder: Folder,
    site: Site,
    node: Started,
}

impl Place {
    async fn open(rollout: Rollout) -> Place {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(home.path().join("plugins")).expect("a folder");
        let folder_settings = FolderSettings {
            rollouts: Rollouts { default: rollout, ..Rollouts::default() },
            ..FolderSettings::new(home.path().join("plugins"), home.path().join("data"))
        };
        let engine = engine();
        let folder = Folder::open(engine.clone(), folder_settings).await.expect("a folder");
        let site = Site::open("email", &["versioned"], true);
        let node = start(settings(&[&site], &["versioned"]), engine, folder.plugins().clone()).await;
        Place { home, folder, site, node }
    }

    fn path(&self) -> std::path::PathBuf {
        self.home.path().join("plugins/v.wasm")
    }

    /// The file holds this from one moment to the next.
    fn move_in(&self, bytes: &[u8]) {
        std::fs::write(self.home.path().join("part"), bytes).expect("a file");
        std::fs::rename(self.home.path().join("part"), self.path()).expect("renamed");
    }

    async fn serves(&self, number: u32) {
        until(&format!("version {number} serves"), async || {
            self.folder.plugins().get("versioned").filter(|plugin| plugin.version() == version(number)).map(drop)
        })
        .await;
    }

    fn version(&self, number: u32) -> Option<VersionStatus> {
        let versions = self.folder.status().0.into_iter().flat_map(|plugin| plugin.versions);
        versions.into_iter().find(|status| status.version == version(number))
    }

    async fn command(&self, command: Command) {
        self.folder.command("versioned", command).await.expect("it is done");
    }

    async fn submit(&self, wait: i32) -> String {
        self.site.submit_into("inbound.versioned", KeyValueList::default().with("Wait", wait)).await
    }
}

/// What became of each interaction, as the server reports it.
#[derive(Default)]
struct Book {
    began: HashMap<String, Vec<String>>,
    stopped: HashMap<String, Vec<String>>,
    /// The first session on each version, by the moment it was heard of.
    first: HashMap<String, Instant>,
}

async fn keep_book(site: &Site) -> Arc<Mutex<Book>> {
    let (client, mut events) = site.client(ClientType::ReportingEngine).await;
    let ask = RequestStartReporting { interactions: true, agents: false, ..Default::default() };
    client.request(Ask::StartReporting(ask)).await.expect("reporting");
    let book = Arc::new(Mutex::new(Book::default()));
    let written = book.clone();
    tokio::spawn(async move {
        // Its connection lasts as long as this.
        let _client = client;
        while let Some(event) = events.recv().await {
            let Event::Reporting(event) = event else { continue };
            let mut book = written.lock().expect("nobody panics");
            match event.name() {
                ReportingName::PropertiesChanged => {
                    if let Some(version) = event.data.as_ref().and_then(|data| data.text("Began")) {
                        book.first.entry(version.to_owned()).or_insert_with(Instant::now);
                        book.began.entry(event.interaction_id).or_default().push(version.to_owned());
                    }
                }
                ReportingName::ProcessingStopped => {
                    book.stopped.entry(event.interaction_id).or_default().push(event.reason);
                }
                _ => {}
            }
        }
    });
    book
}

/// How one file comes.
#[derive(Clone, Copy, Debug)]
enum Way {
    Renamed,
    InPlace,
    Slowly,
    Rubbish,
    Truncated,
    Core,
    Loops,
    Imports,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replacing_a_strategy_again_and_again_costs_no_interaction() {
    let replacements = std::env::var("JACKFIELD_REPLACEMENTS")
        .map_or(REPLACEMENTS, |count| count.parse().expect("JACKFIELD_REPLACEMENTS is a number"));
    let seed: u64 =
        std::env::var("JACKFIELD_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a seed"));
    println!("{replacements} replacements, JACKFIELD_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let place = Place::open(Rollout::default()).await;
    let book = keep_book(&place.site).await;
    place.move_in(&versioned(0, "good"));
    place.serves(0).await;

    // Steady traffic: some sessions are over at once, others outlive a few versions.
    let mut submitted = Vec::new();
    let (mut number, mut took) = (0, Vec::new());
    for _ in 0..replacements {
        for _ in 0..chance.random_range(2..6) {
            submitted.push(place.submit(chance.random_range(0..400)).await);
        }
        let ways = [
            Way::Renamed,
            Way::InPlace,
            Way::Slowly,
            Way::Rubbish,
            Way::Truncated,
            Way::Core,
            Way::Loops,
            Way::Imports,
        ];
        // As many good files as bad ones.
        let way =
            if chance.random_bool(0.5) { ways[chance.random_range(0..3)] } else { ways[chance.random_range(3..8)] };
        let good = versioned(number + 1, "good");
        match way {
            Way::Renamed => place.move_in(&good),
            Way::InPlace => std::fs::write(place.path(), &good).expect("written"),
            Way::Slowly => {
                let mut file = std::fs::File::create(place.path()).expect("a file");
                for piece in good.chunks(good.len() / 4 + 1) {
                    file.write_all(piece).expect("written");
                    submitted.push(place.submit(0).await);
                }
            }
            Way::Rubbish => place.move_in(b"this is no plugin"),
            Way::Truncated => {
                std::fs::write(place.path(), &good[..chance.random_range(1..good.len())]).expect("written");
            }
            Way::Core => place.move_in(b"\0asm\x01\0\0\0"),
            Way::Loops => place.move_in(&std::fs::read(guest("describe_loops")).expect("a guest")),
            Way::Imports => place.move_in(&of_another_contract()),
        }
        let whole = Instant::now();
        if matches!(way, Way::Renamed | Way::InPlace | Way::Slowly) {
            number += 1;
            let name = version(number);
            // Somebody writes, and waits for whoever gets it first.
            let first = until(&format!("a session on {name} ({way:?})"), async || {
                submitted.push(place.submit(chance.random_range(0..50)).await);
                book.lock().expect("nobody panics").first.get(&name).copied()
            })
            .await;
            took.push(first.duration_since(whole));
        } else {
            for _ in 0..3 {
                submitted.push(place.submit(chance.random_range(0..50)).await);
            }
            let serving = place.folder.plugins().get("versioned").expect("it serves all the same");
            assert_eq!(serving.version(), version(number), "{way:?}");
        }
    }
    until("everything has ended", async || {
        let book = book.lock().expect("nobody panics");
        submitted.iter().all(|interaction| book.stopped.contains_key(interaction)).then_some(())
    })
    .await;
    let book = book.lock().expect("nobody panics");
    for interaction in &submitted {
        let (began, stopped) = (&book.began[interaction], &book.stopped[interaction]);
        assert_eq!((began.len(), stopped.len()), (1, 1), "{interaction} once");
        assert_eq!(began, stopped, "{interaction} ends on the version it began with");
    }
    let counters = place.node.status().counters;
    assert_eq!((counters.failed, counters.poisoned), (0, 0));
    took.sort_unstable();
    let at = |part: usize| {
        took.get((took.len() * part / 100).min(took.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    println!(
        "{} interactions on {number} versions; from a whole file to the first session on it: p50 {:?}, p99 {:?}",
        submitted.len(),
        at(50),
        at(99)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_fails_is_taken_back_and_its_interactions_are_not_lost() {
    let breaker = BreakerSettings { failures: 2, ..BreakerSettings::default() };
    let place = Place::open(Rollout { breaker, ..Rollout::default() }).await;
    place.move_in(&versioned(1, "good"));
    place.serves(1).await;
    place.move_in(&versioned(2, "trap"));
    place.serves(2).await;
    let book = keep_book(&place.site).await;
    let mut submitted = Vec::new();
    for _ in 0..5 {
        submitted.push(place.submit(0).await);
    }
    place.serves(1).await;
    until("those that can end have ended", async || {
        let poisoned = place.node.status().counters.poisoned;
        let stopped = book.lock().expect("nobody panics").stopped.len();
        (stopped + usize::try_from(poisoned).expect("few") == submitted.len()).then_some(())
    })
    .await;
    let bad = place.version(2).expect("its file is there");
    assert!(bad.role.starts_with("held back: 2 of its last 20 sessions failed"), "{}", bad.role);
    assert!(bad.last_error.is_some_and(|error| error.contains("it is in no mood for this")));
    // One that was pulled meanwhile may have failed twice; none is anywhere else.
    assert!(book.lock().expect("nobody panics").stopped.values().flatten().all(|reason| *reason == version(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_another_version_it_rests_and_one_session_tries() {
    let breaker = BreakerSettings { failures: 1, window: 1, rest: Duration::from_millis(200) };
    let place = Place::open(Rollout { breaker, ..Rollout::default() }).await;
    place.move_in(&versioned(1, "fail"));
    place.serves(1).await;
    place.submit(0).await;
    let state = async || place.folder.status().0.first().map(|plugin| plugin.state);
    until("it rests", async || state().await.filter(|state| *state == PluginState::Resting)).await;
    // It fails again when it is tried; the interaction is put aside then, and nothing is pulled.
    place.site.waiting("poison", 1).await;
    let waiting = place.submit(0).await;
    place.move_in(&versioned(2, "good"));
    place.serves(2).await;
    let book = keep_book(&place.site).await;
    until("what waited is done", async || {
        book.lock().expect("nobody panics").stopped.contains_key(&waiting).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_gets_a_part_and_a_removed_file_drains() {
    let rollout = Rollout { arrival: Arrival::Canary, canary_percent: 50, ..Rollout::default() };
    let place = Place::open(rollout).await;
    place.move_in(&versioned(1, "good"));
    place.serves(1).await;
    place.move_in(&versioned(2, "good"));
    until("a canary", async || place.version(2).filter(|version| version.role == "canary 50 %")).await;
    for _ in 0..10 {
        place.submit(0).await;
    }
    until("half of them each", async || {
        let finished = [1, 2].map(|number| place.version(number).map(|version| version.finished));
        (finished == [Some(5), Some(5)]).then_some(())
    })
    .await;
    // One session goes on while its file is removed; what comes then waits.
    let running = place.submit(2_000).await;
    until("it runs", async || {
        (place.node.status().sessions.iter().any(|session| session.interaction == running)).then_some(())
    })
    .await;
    std::fs::remove_file(place.path()).expect("removed");
    until("it drains", async || {
        let plugins = place.folder.status().0;
        plugins.iter().any(|plugin| plugin.state == PluginState::Draining).then_some(())
    })
    .await;
    place.submit(0).await;
    until("the running one ends", async || place.node.status().sessions.is_empty().then_some(())).await;
    assert_eq!(place.site.queue("inbound.versioned").await.waiting, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_is_compared_and_has_no_effect() {
    let place = Place::open(Rollout { arrival: Arrival::Shadow, ..Rollout::default() }).await;
    let book = keep_book(&place.site).await;
    place.move_in(&versioned(1, "good"));
    place.serves(1).await;
    // It decides otherwise at the very end.
    place.move_in(&versioned(1, "else"));
    let shadow = async || {
        let versions = place.folder.status().0.into_iter().flat_map(|plugin| plugin.versions);
        versions.into_iter().find(|version| version.role == "shadow")
    };
    until("a shadow", shadow).await;
    for _ in 0..3 {
        place.submit(0).await;
    }
    let compared = until("three are compared", async || {
        shadow().await.and_then(|shadow| shadow.compared).filter(|compared| compared.differed == 3)
    })
    .await;
    let difference = &compared.differences[0].difference;
    assert!(difference.contains("stop-processing") && difference.contains("place-in-queue"), "{difference}");
    assert_eq!(book.lock().expect("nobody panics").stopped.len(), 3, "nothing went elsewhere");
    place.command(Command::ShadowOff).await;
    assert!(shadow().await.is_none());
}
