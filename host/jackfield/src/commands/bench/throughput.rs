//! Interactions a second, everything on disk: the bare store, the server alone, and the whole way.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jackfield_journal::{Journal, JournalFile, JournalSettings, SqliteJournal};
use jackfield_link::{Client, Endpoint, InProcess};
use jackfield_node::Node;
use jackfield_plugins::Plugins;
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::{
    ClientType, KeyValueList, RequestPull, RequestServerStatus, RequestStopProcessing, RequestSubmit, request_pull,
};
use jackfield_server::{Server, SqliteStore};
use jackfield_strategy::Engine;
use tokio::sync::mpsc;

use super::engine::{engine, guest};
use super::{Aim, Figure};
use crate::cli::Bench;
use crate::config::{self, Site};
use crate::connect::registration;
use crate::small_site::small_site;

/// Interactions in one commit of the store's floor.
const FLOOR_BATCH: usize = 100;
/// Submits, and stops, on their way at once.
const IN_FLIGHT: usize = 512;
/// Interactions of one pull.
const PULL_COUNT: u32 = 100;
/// Times the whole way is measured with a journal, and without.
const ROUNDS: u32 = 3;
/// How long the last interactions may take.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The e-mails: short, and automatic, so that the strategy stops them in its first turn.
const TEXT: &str = "Good morning, I am out of the office until Monday. Kind regards";

/// A server in this process is not connected to by its port.
pub const NO_PORT: u16 = 1;
/// The queue of the e-mails, with its strategy.
pub const TRIAGE: (&str, &str, &str) = ("in", "Triage", "triage");

/// The store with no host around: what the disk and SQLite allow.
pub async fn floor(arguments: &Bench) -> anyhow::Result<Vec<Figure>> {
    let path = fresh(&arguments.folder, "floor.db")?;
    let count = usize::try_from(arguments.interactions)?;
    let measured =
        tokio::task::spawn_blocking(move || jackfield_server::store::floor::store_floor(&path, count, FLOOR_BATCH));
    let floor = measured.await??;
    Ok(vec![
        Figure {
            name: "store floor: insert and delete",
            value: floor.interactions_per_second,
            unit: "interactions/s",
            aim: None,
        },
        Figure { name: "store floor: commits", value: floor.commits_per_second, unit: "commits/s", aim: None },
    ])
}

/// Submit, pull and stop against the server, with no strategy.
pub async fn server_alone(arguments: &Bench) -> anyhow::Result<Vec<Figure>> {
    let (_, server) = open(arguments, "server.db", &small_site(NO_PORT, &[TRIAGE])).await?;
    let endpoint = Endpoint::InProcess(InProcess::new(server.in_process()));
    let (submitter, _) = Client::connect(&endpoint, registration("submit", ClientType::Proxy)).await?;
    let (router, _) = Client::connect(&endpoint, registration("router", ClientType::RoutingEngine)).await?;
    let count = arguments.interactions;
    let began = Instant::now();
    let (submitted, stopped) = tokio::join!(submit_all(&submitter, count), pull_and_stop(&router, count));
    submitted?;
    stopped?;
    let value = f64::from(count) / began.elapsed().as_secs_f64();
    server.shutdown().await;
    Ok(vec![Figure {
        name: "server alone: submit, pull, stop",
        value,
        unit: "interactions/s",
        aim: Some(Aim::Over(8_000.0)),
    }])
}

/// Submit, a session of a real strategy for each, stop; with a journal of all that, and without.
///
/// The two take turns, so that neither has the warmer machine; the first pair warms up and does not count.
pub async fn end_to_end(arguments: &Bench) -> anyhow::Result<Vec<Figure>> {
    let (mut without, mut with) = (Duration::ZERO, Duration::ZERO);
    for round in 0..=ROUNDS {
        let path = fresh(&arguments.folder, "end-to-end-journal.db")?;
        let alone = whole_way(arguments, None).await?;
        let journal = open_journal(&path).await?;
        let recorded = whole_way(arguments, Some(journal.clone())).await;
        journal.close().await;
        let recorded = recorded?;
        // What was not recorded was not measured.
        let finished = JournalFile::open(&path)?.state()?.finished;
        anyhow::ensure!(finished == u64::from(arguments.interactions), "{finished} sessions were recorded");
        if round > 0 {
            without += alone;
            with += recorded;
        }
    }
    let each_second = |took: Duration| f64::from(arguments.interactions * ROUNDS) / took.as_secs_f64();
    Ok(vec![
        Figure {
            name: "end to end: submit to stop, no journal",
            value: each_second(without),
            unit: "interactions/s",
            aim: Some(Aim::Over(3_000.0)),
        },
        Figure {
            name: "end to end: submit to stop, journal",
            value: each_second(with),
            unit: "interactions/s",
            aim: None,
        },
        Figure {
            name: "end to end: with the journal, of that without",
            value: without.as_secs_f64() / with.as_secs_f64().max(f64::EPSILON) * 100.0,
            unit: "%",
            aim: Some(Aim::Over(60.0)),
        },
    ])
}

/// How long all interactions take.
async fn whole_way(arguments: &Bench, journal: Option<Journal>) -> anyhow::Result<Duration> {
    let (site, server) = open(arguments, "end-to-end.db", &small_site(NO_PORT, &[TRIAGE])).await?;
    let endpoint = Endpoint::InProcess(InProcess::new(server.in_process()));
    let node = start_node(arguments, &site, &endpoint, &[], journal).await?;
    let (submitter, _) = Client::connect(&endpoint, registration("submit", ClientType::Proxy)).await?;
    let count = arguments.interactions;
    let began = Instant::now();
    submit_all(&submitter, count).await?;
    let limit = Instant::now() + PATIENCE;
    while left(&submitter).await? > 0 {
        anyhow::ensure!(Instant::now() < limit, "{} interactions were not stopped in time", left(&submitter).await?);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let took = began.elapsed();
    node.shutdown(Duration::from_secs(1)).await;
    server.shutdown().await;
    Ok(took)
}

/// A journal in that file.
pub async fn open_journal(path: &Path) -> anyhow::Result<Journal> {
    let store = Box::new(SqliteJournal::new(path));
    Ok(tokio::task::spawn_blocking(move || Journal::open(store, JournalSettings::new("bench"))).await??)
}

/// No file of that name, from an earlier run.
pub fn fresh(folder: &Path, name: &str) -> anyhow::Result<std::path::PathBuf> {
    for suffix in ["", "-wal", "-shm", ".lock"] {
        match std::fs::remove_file(folder.join(format!("{name}{suffix}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(folder.join(name))
}

/// A node on that server, with the plugin `triage` and these guests.
pub async fn start_node(
    arguments: &Bench,
    site: &Site,
    endpoint: &Endpoint,
    guests: &[&str],
    journal: Option<Journal>,
) -> anyhow::Result<Node> {
    let engine = engine(1_000)?;
    let plugins = plugins(arguments, &engine, guests).await?;
    let settings = config::node_settings(site, |_| endpoint.clone());
    Ok(Node::start(settings, engine, plugins, journal).await?)
}

/// The plugin `triage`, and these guests.
pub async fn plugins(arguments: &Bench, engine: &Engine, guests: &[&str]) -> anyhow::Result<Arc<Plugins>> {
    let plugins = Plugins::default();
    let triage = arguments.guests.parent().unwrap_or(&arguments.guests).join("triage.wasm");
    plugins.insert(engine.load(&triage).await.with_context(|| format!("{}", triage.display()))?);
    for name in guests {
        plugins.insert(guest(engine, arguments, name).await?);
    }
    Ok(Arc::new(plugins))
}

/// A server of that site, with a fresh store of that name.
pub async fn open(arguments: &Bench, name: &str, site: &str) -> anyhow::Result<(Site, Server)> {
    let (site, _) = config::parse(Path::new("bench.toml"), site)?;
    let path = fresh(&arguments.folder, name)?;
    let of = site.servers.first().context("the site has a server")?;
    let settings = config::server_settings(&site, of);
    let opened =
        tokio::task::spawn_blocking(move || anyhow::Ok(Server::open(settings, Box::new(SqliteStore::open(&path)?))?));
    let (server, _warnings) = opened.await??;
    Ok((site, server))
}

/// An e-mail for that queue.
pub fn email(queue: &str) -> RequestSubmit {
    let data = KeyValueList::default()
        .with("Subject", "Automatic reply: your order")
        .with("FromAddress", "kim@example.com")
        .with("Text", TEXT)
        .with("_AutoReplyCount", 1);
    RequestSubmit {
        media_type: "email".into(),
        interaction_type: "Inbound".into(),
        interaction_subtype: "InboundNew".into(),
        queue: queue.into(),
        user_data: Some(data),
        ..RequestSubmit::default()
    }
}

async fn submit_all(client: &Client, count: u32) -> anyhow::Result<()> {
    let request = email("in");
    let mut under_way = FuturesUnordered::new();
    for _ in 0..count {
        if under_way.len() >= IN_FLIGHT
            && let Some(answer) = under_way.next().await
        {
            answer?;
        }
        under_way.push(client.send(Request::Submit(request.clone()), "").await?);
    }
    while let Some(answer) = under_way.next().await {
        answer?;
    }
    Ok(())
}

async fn pull_and_stop(client: &Client, count: u32) -> anyhow::Result<()> {
    let (replies_sender, mut replies) = mpsc::channel(IN_FLIGHT);
    let pulling = async move {
        let mut pulled = 0;
        while pulled < count {
            let what = Some(request_pull::What::Strategy("Triage".into()));
            let pull = RequestPull { what, count: PULL_COUNT, ..RequestPull::default() };
            let Event::PulledInteractions(answer) = client.request(Request::Pull(pull)).await? else {
                anyhow::bail!("the server answered a pull with something else");
            };
            for interaction in answer.interactions.into_iter().filter_map(|pulled| pulled.interaction) {
                let stop = RequestStopProcessing { interaction_id: interaction.interaction_id, reason: String::new() };
                let reply = client.send(Request::StopProcessing(stop), "").await?;
                replies_sender.send(reply).await.context("nobody waits for the stops")?;
                pulled += 1;
            }
        }
        anyhow::Ok(())
    };
    let stopping = async {
        while let Some(reply) = replies.recv().await {
            reply.await?;
        }
        anyhow::Ok(())
    };
    let (pulled, stopped) = tokio::join!(pulling, stopping);
    pulled?;
    stopped
}

async fn left(client: &Client) -> anyhow::Result<u64> {
    match client.request(Request::ServerStatus(RequestServerStatus::default())).await? {
        Event::ServerStatus(status) => Ok(status.interactions),
        _ => anyhow::bail!("the server answered with something else"),
    }
}
