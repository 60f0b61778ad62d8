//! Takes over what has changed in the configuration file while the program runs.
//!
//! The file is watched, and looked at when SIGHUP comes. Once it has stopped changing it is read and checked whole: with
//! an error everything stays as it is, and it is told once. Otherwise each change is told, with its old and its new
//! value and when it counts, and whoever can go on with it at once is given the new settings: node, servers, plugins
//! folder, journal. They take what they can; what they cannot is told to need a restart.
//!
//! Owns one task, which ends by [`Reload::close`]; what is in force then is its answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jackfield_journal::Journal;
use jackfield_link::Endpoint;
use jackfield_node::Node;
use jackfield_plugins::{Folder, Watch};
use jackfield_strategy::Engine;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::options::TakesEffect;
use crate::config::{self, Change, ConfigurationError, Problems, Site};

/// Between two looks at the file without notifications of the system; with them, five times more seldom.
const POLL_EVERY: Duration = Duration::from_secs(2);
/// A file counts once two looks so far apart find the same: editors write in several steps.
const SETTLE: Duration = Duration::from_millis(50);
/// Looks at a file that goes on changing; then the next notification, or poll, is waited for.
const LOOKS: usize = 40;

/// Everybody who may be told of a change.
pub struct Owners {
    /// Interaction Servers of this process, by name.
    pub servers: Vec<(String, jackfield_server::Server)>,
    /// What a node consists of, where one runs here.
    pub node: Option<NodeOwners>,
}

/// The parts of a node.
pub struct NodeOwners {
    /// Sessions, links, pulls.
    pub node: Arc<Node>,
    /// Policies of plugins.
    pub engine: Engine,
    /// Versions of plugins.
    pub folder: Arc<Folder>,
    /// Where sessions are recorded.
    pub journal: Option<Journal>,
}

impl Owners {
    /// Gives each its settings.
    async fn tell(&self, site: &Site) {
        for (name, server) in &self.servers {
            if let Some(of) = site.server(name) {
                server.set_settings(config::server_settings(site, of)).await;
            }
        }
        if let Some(NodeOwners { node, engine, folder, journal }) = &self.node {
            engine.set_policies(config::policies(site));
            // A plugin that was turned off for a safe start stays so: that is no setting of a running folder.
            folder.set_settings(config::folder_settings(site, false));
            if let Some(journal) = journal {
                journal.set_retention(config::journal_settings(site).retention);
            }
            // Its links stay as they are.
            node.set_settings(&config::node_settings(site, |server| Endpoint::Tcp(server.address())));
        }
    }

    /// Whether it is about something that runs here.
    fn concerns(&self, change: &Change) -> bool {
        let is_here = self.servers.iter().any(|(name, _)| change.concerns_server(name));
        is_here || (self.node.is_some() && change.kind != "server")
    }
}

/// The task.
pub struct Reload {
    stop: CancellationToken,
    task: JoinHandle<Site>,
}

impl Reload {
    /// Watches the file that `site` was read from. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The operating system does not let us have SIGHUP.
    pub fn start(site: Site, owners: Owners) -> anyhow::Result<Reload> {
        let hangup = signal(SignalKind::hangup())?;
        let watch = Watch::file(&site.path, POLL_EVERY);
        let stop = CancellationToken::new();
        let keeper = Keeper {
            judged: Ok(site.text.clone()),
            started: site.text.clone(),
            said: Vec::new(),
            memory_bytes: config::policies(&site).memory_bytes(),
            site,
            owners,
        };
        let task = tokio::spawn(keeper.run(watch, hangup, stop.clone()));
        Ok(Reload { stop, task })
    }

    /// Ends it; the configuration that is in force.
    ///
    /// # Errors
    /// The task broke.
    pub async fn close(self) -> anyhow::Result<Site> {
        self.stop.cancel();
        Ok(self.task.await?)
    }
}

struct Keeper {
    /// What is in force, as far as it needs no restart.
    site: Site,
    /// What the file said when the program was started.
    started: String,
    /// What was looked at last, or why it could not be: it is told once.
    judged: Result<String, String>,
    /// Warnings that were told.
    said: Vec<String>,
    /// Memory there is room for in a session: the engine's pools do not grow.
    memory_bytes: usize,
    owners: Owners,
}

impl Keeper {
    async fn run(mut self, mut watch: Watch, mut hangup: Signal, stop: CancellationToken) -> Site {
        // It may have changed between being read and being watched.
        self.look(false).await;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.site,
                Some(()) = hangup.recv() => self.look(true).await,
                () = watch.changed() => self.look(false).await,
            }
        }
    }

    /// `asked`: somebody wants it to be read again, whether or not it has changed.
    async fn look(&mut self, asked: bool) {
        let Some(read) = settled(&self.site.path, &self.judged).await else { return };
        if read == self.judged && !asked {
            return;
        }
        self.judged.clone_from(&read);
        let text = match read {
            Ok(text) => text,
            Err(reason) => {
                tracing::error!("{reason}: the configuration stays as it is");
                return;
            }
        };
        let path = self.site.path.clone();
        let parsed = tokio::task::spawn_blocking(move || config::parse(&path, &text)).await;
        match parsed {
            Ok(Ok((site, warnings))) => self.take(site, &warnings).await,
            Ok(Err(ConfigurationError::Invalid(problems))) => refuse(&problems),
            Ok(Err(error)) => tracing::error!("{error}: the configuration stays as it is"),
            // Nothing in it panics; were it so, the next change is looked at all the same.
            Err(error) => tracing::error!(%error, "the configuration could not be read: it stays as it is"),
        }
    }

    async fn take(&mut self, site: Site, warnings: &Problems) {
        let changes = config::changes(&self.site.text, &site.text);
        let since_start = config::changes(&self.started, &site.text);
        for change in changes.iter().filter(|change| self.owners.concerns(change)) {
            let (what, old, new) = (change.what(), value(&change.old), value(&change.new));
            let is_same =
                |other: &Change| (&other.kind, &other.name, &other.key) == (&change.kind, &change.name, &change.key);
            match change.takes_effect {
                TakesEffect::Restart if !since_start.iter().any(is_same) => {
                    tracing::info!(what, old, new, "changed back to what it was at the start; no restart is needed");
                }
                TakesEffect::Restart => tracing::warn!(what, old, new, "changed; it counts after a restart"),
                takes_effect => tracing::info!(what, old, new, "changed; it counts {}", takes_effect.words()),
            }
        }
        let (most, wanted) = (self.memory_bytes >> 20, config::policies(&site).memory_bytes() >> 20);
        if wanted > most && self.owners.node.is_some() {
            tracing::warn!(
                wanted,
                most,
                "until a restart `memory-limit` gives a session no more MiB than at the start"
            );
        }
        let file = self.site.path.display().to_string();
        let mut said = Vec::new();
        for warning in warnings.all() {
            if !self.said.contains(&warning.message) {
                let (line, column) = warnings.position(warning.span.start);
                tracing::warn!(file, line, column, "{}", warning.with_help());
            }
            said.push(warning.message.clone());
        }
        self.said = said;
        self.site = site;
        self.owners.tell(&self.site).await;
        tracing::info!(file, changes = changes.len(), "the configuration was read again");
    }
}

fn value(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("not there")
}

fn refuse(problems: &Problems) {
    for problem in problems.all().iter().filter(|problem| !problem.is_warning) {
        let (line, column) = problems.position(problem.span.start);
        let file = problems.path().display();
        tracing::error!(%file, line, column, "{}: the configuration stays as it is", problem.with_help());
    }
}

/// What the file says, or why it cannot be read, once that stays so; none: it goes on changing. What is known already
/// needs no second look.
async fn settled(path: &Path, known: &Result<String, String>) -> Option<Result<String, String>> {
    let mut before = read(path.to_owned()).await;
    if before == *known {
        return Some(before);
    }
    for _ in 0..LOOKS {
        tokio::time::sleep(SETTLE).await;
        let now = read(path.to_owned()).await;
        if now == before {
            return Some(now);
        }
        before = now;
    }
    None
}

async fn read(path: PathBuf) -> Result<String, String> {
    let read = tokio::task::spawn_blocking(move || config::read(&path).map_err(|error| error.to_string())).await;
    read.unwrap_or_else(|error| Err(error.to_string()))
}
