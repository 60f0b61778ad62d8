//! What a session costs that waits for days: memory of a node that has recovered many, disk of each, and
//! how long the recovery takes. The memory is all that the process has more than before: what the database
//! caches, and what the allocator keeps of the recovery itself, counts too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use jackfield_journal::{Entry, Journal, JournalFile, SessionRow, Urgency};
use jackfield_link::Endpoint;
use jackfield_node::Node;
use jackfield_protocol::v1;
use jackfield_strategy::{Clock, Input, Origin, Plugin, Turn, contract};

use super::engine::engine;
use super::measure::resident_kib;
use super::throughput::{NO_PORT, email, fresh, open_journal, plugins};
use super::{Aim, Figure};
use crate::cli::Bench;
use crate::config;
use crate::small_site::small_site;

/// The strategy, and its plugin.
const WAITS: &str = "waits";
/// Sessions of one commit, few enough that making them leaves no memory worth counting.
const AT_ONCE: u32 = 500;

/// Fills a journal, and starts a node on it whose server is away: all its sessions wait.
pub async fn waiting(arguments: &Bench) -> anyhow::Result<Vec<Figure>> {
    let path = fresh(&arguments.folder, "waiting-journal.db")?;
    let count = arguments.waiting;
    let engine = engine(1_000)?;
    let plugins = plugins(arguments, &engine, &[WAITS]).await?;
    let plugin = plugins.get(WAITS).context("the guest has another name")?;
    let journal = open_journal(&path).await?;
    fill(&journal, &plugin, count).await?;
    journal.close().await;
    let disk = JournalFile::open(&path)?.state()?.bytes;

    let journal = open_journal(&path).await?;
    let (site, _) = config::parse(std::path::Path::new("bench.toml"), &small_site(NO_PORT, &[(WAITS, WAITS, WAITS)]))?;
    let nowhere = Endpoint::Tcp(format!("127.0.0.1:{NO_PORT}"));
    let settings = config::node_settings(&site, |_| nowhere.clone());
    let before = resident_kib();
    let began = Instant::now();
    let node = Node::start(settings, engine, plugins, Some(journal.clone())).await?;
    let took = began.elapsed();
    let memory = (resident_kib() - before) * 1_024.0;
    let sessions = node.status().sessions.len();
    node.suspend(Duration::from_secs(1)).await;
    journal.close().await;
    anyhow::ensure!(sessions == usize::try_from(count)?, "{sessions} of {count} sessions were recovered");
    let each = |value: f64| value / f64::from(count);
    Ok(vec![
        Figure {
            name: "resident memory of a passive session",
            value: each(memory),
            unit: "B",
            aim: Some(Aim::Under(1_024.0)),
        },
        Figure { name: "disk of a passive session, two turns", value: each(disk as f64), unit: "B", aim: None },
        Figure {
            name: "recovery at a start",
            value: f64::from(count) / took.as_secs_f64(),
            unit: "sessions/s",
            aim: None,
        },
    ])
}

async fn fill(journal: &Journal, plugin: &Plugin, count: u32) -> anyhow::Result<()> {
    let mut numbers = 0..count;
    loop {
        let some: Vec<Entry> =
            numbers.by_ref().take(AT_ONCE.try_into()?).flat_map(|number| session(plugin, number)).collect();
        if some.is_empty() {
            return Ok(());
        }
        journal.append(some, Urgency::Now).await.await.context("the journal of the benchmark")?;
    }
}

/// One that has been told of its interaction, and waits.
fn session(plugin: &Plugin, number: u32) -> [Entry; 3] {
    let submit = email(WAITS);
    let interaction = v1::Interaction {
        interaction_id: format!("{number:016}"),
        media_type: submit.media_type,
        interaction_type: submit.interaction_type,
        interaction_subtype: submit.interaction_subtype,
        queue: submit.queue,
        user_data: submit.user_data,
        ..v1::Interaction::default()
    };
    let interaction = contract::interaction(interaction, Some(WAITS.into()));
    let id: Arc<str> = uuid::Uuid::now_v7().simple().to_string().into();
    let held = Input::Held(interaction.id.clone());
    let row = |origin: &Origin, interaction: &str| SessionRow {
        id: id.clone(),
        strategy: WAITS.into(),
        plugin: plugin.name().into(),
        version: plugin.version().into(),
        digest: plugin.digest().into(),
        server: "main".into(),
        interaction: interaction.into(),
        started_at: i64::try_from(origin.started_at).unwrap_or(0),
        origin: origin.encode(),
    };
    let interaction_id = interaction.id.clone();
    let origin = Origin::new(Vec::new(), vec![interaction]);
    let clock = Clock { wall: origin.started_at * 1_000_000, monotonic: 0 };
    let turn = |number: u64, input: Input| Entry::Turn {
        session: id.clone(),
        number,
        record: Turn { number, input, clock, ..Turn::default() }.encode(),
        due_at: None,
        checkpoint: None,
        taken: None,
        sends: Vec::new(),
    };
    [Entry::Begin(row(&origin, &interaction_id)), turn(1, Input::Start), turn(2, held)]
}
