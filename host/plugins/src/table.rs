//! The plugins a node has, by name: what a node asks for every session, and tells of each that ends.
//!
//! Shared by the node and the folder ([`Folder`](crate::Folder)). Its lock is held for moments only.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jackfield_strategy::{Plugin, Policies};
use tokio::sync::watch;

use crate::choice::{Choice, Choices, Known};
use crate::command::{Command, CommandError};
use crate::deployment::{Comparison, Deployment, News, Rollout, short};
use crate::status::{PluginStatus, status};

/// How versions of each plugin follow each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollouts {
    /// Of a plugin that is not named.
    pub default: Rollout,
    /// By name.
    pub by_plugin: BTreeMap<String, Rollout>,
}

impl Rollouts {
    /// Of this plugin.
    pub fn of(&self, name: &str) -> &Rollout {
        self.by_plugin.get(name).unwrap_or(&self.default)
    }
}

/// The plugins, by the name in their manifest.
#[derive(Debug, Default)]
pub struct Plugins {
    table: Mutex<Table>,
    changed: Changed,
}

/// Tells that something has changed in which sessions get which plugin.
#[derive(Debug)]
struct Changed(watch::Sender<u64>);

impl Default for Changed {
    fn default() -> Self {
        Changed(watch::Sender::new(0))
    }
}

#[derive(Debug, Default)]
struct Table {
    by_name: BTreeMap<String, Deployment<Plugin>>,
    rollouts: Rollouts,
    /// Every plugin begins turned off.
    safe: bool,
}

impl Table {
    fn deployment(&mut self, name: &str) -> &mut Deployment<Plugin> {
        let safe = self.safe;
        self.by_name.entry(name.to_owned()).or_insert_with(|| Deployment::new(Choice::default(), safe))
    }
}

impl Plugins {
    /// As it was chosen before; no plugin is loaded. `safe`: every plugin begins turned off.
    pub fn new(choices: Choices, rollouts: Rollouts, safe: bool) -> Plugins {
        let by_name = choices.into_iter().map(|(name, choice)| (name, Deployment::new(choice, safe))).collect();
        Plugins { table: Mutex::new(Table { by_name, rollouts, safe }), changed: Changed::default() }
    }

    /// Takes in a plugin that is in no folder: it is current at once.
    pub fn insert(&self, plugin: Plugin) {
        let (name, file) = (plugin.name().to_owned(), plugin.origin().to_owned());
        self.tell(&name, |deployment, _| deployment.came(known(&plugin), plugin, &file, &Rollout::default()));
    }

    // ---- for the node ----

    /// The current version, where new sessions may begin.
    pub fn get(&self, name: &str) -> Option<Plugin> {
        self.table().by_name.get(name)?.serving(now()).cloned()
    }

    /// The version the next session gets; the session counts from here on.
    pub fn start(&self, name: &str) -> Option<Plugin> {
        let now = now();
        let (started, is_tried) = {
            let mut table = self.table();
            let deployment = table.by_name.get_mut(name)?;
            let started = deployment.start(now);
            (started, deployment.resting(now).is_some())
        };
        if is_tried {
            self.changed.0.send_modify(|changes| *changes += 1);
        }
        started
    }

    /// A session that was found in the journal goes on with this version.
    pub fn resumed(&self, plugin: &Plugin) {
        let mut table = self.table();
        let deployment = table.deployment(plugin.name());
        deployment.adopt(known(plugin), plugin.clone());
        deployment.resumed(plugin.digest());
    }

    /// A session has ended; why it failed, if it did.
    pub fn ended(&self, plugin: &Plugin, failed: Option<&str>) {
        let now = now();
        self.hear(plugin.name(), now, |deployment, rollout| deployment.ended(plugin.digest(), failed, now, rollout));
    }

    /// A session has no outcome on this node: it goes on elsewhere, or later.
    pub fn left(&self, plugin: &Plugin) {
        let now = now();
        self.hear(plugin.name(), now, |deployment, _| {
            deployment.left(plugin.digest(), now);
            Vec::new()
        });
    }

    /// What sessions of this version are to be compared with.
    pub fn shadow_of(&self, plugin: &Plugin) -> Option<Plugin> {
        self.table().by_name.get(plugin.name())?.shadow_of(plugin.digest()).cloned()
    }

    /// How a comparison with a shadow came out.
    pub fn compared(&self, shadow: &Plugin, session: &str, comparison: Comparison) {
        if let Some(deployment) = self.table().by_name.get_mut(shadow.name()) {
            deployment.compared(shadow.digest(), session, comparison);
        }
    }

    /// The loaded version with this digest, whatever its role.
    pub fn version(&self, digest: &str) -> Option<Plugin> {
        let table = self.table();
        table.by_name.values().find_map(|deployment| deployment.version(digest)?.plugin.clone())
    }

    /// Those that new sessions get, by name.
    pub fn all(&self) -> Vec<Plugin> {
        let now = now();
        self.table().by_name.values().filter_map(|deployment| deployment.serving(now).cloned()).collect()
    }

    /// Tells of changes in which sessions may begin, and with what. Some are late: the end of a rest is not told.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.0.subscribe()
    }

    /// All plugins and their versions, for people.
    pub fn status(&self) -> Vec<PluginStatus> {
        let now = now();
        let table = self.table();
        let known = table.by_name.iter().filter(|(_, deployment)| !deployment.versions.is_empty());
        known.map(|(name, deployment)| status(name, deployment, now)).collect()
    }

    // ---- for the folder ----

    /// Versions follow each other like this from here on, and what sessions may is said by these policies.
    pub(crate) fn set_rules(&self, rollouts: Rollouts, policies: &Policies) {
        {
            let mut table = self.table();
            table.rollouts = rollouts;
            let versions = table.by_name.values().flat_map(|deployment| &deployment.versions);
            versions.filter_map(|version| version.plugin.as_ref()).for_each(|plugin| plugin.set_policies(policies));
        }
        self.changed.0.send_modify(|changes| *changes += 1);
    }

    /// A file of the folder holds this plugin. An error where another file has another plugin of that name.
    pub(crate) fn came(&self, plugin: &Plugin, file: &str) -> Result<(), String> {
        {
            let table = self.table();
            let others = table.by_name.get(plugin.name()).into_iter().flat_map(|deployment| &deployment.versions);
            if let Some(other) = others.flat_map(|version| &version.files).find(|other| *other != file) {
                return Err(other.clone());
            }
        }
        self.tell(plugin.name(), |deployment, rollout| deployment.came(known(plugin), plugin.clone(), file, rollout));
        Ok(())
    }

    /// The version of this plugin that came into the folder last.
    pub(crate) fn seen(&self, name: &str) -> Option<String> {
        self.table().by_name.get(name)?.choice.seen.clone()
    }

    /// A file of the folder is gone, or holds another plugin. Whether it had held one.
    pub(crate) fn gone(&self, file: &str, but: Option<&str>) -> bool {
        let has =
            |deployment: &Deployment<Plugin>| deployment.versions.iter().any(|v| v.files.iter().any(|f| f == file));
        let names: Vec<String> = {
            let table = self.table();
            let named = table.by_name.iter().filter(|(name, deployment)| Some(name.as_str()) != but && has(deployment));
            named.map(|(name, _)| name.clone()).collect()
        };
        for name in &names {
            self.tell(name, |deployment, _| deployment.gone(file));
        }
        !names.is_empty()
    }

    /// Versions that have a role and are not loaded: name and digest.
    pub(crate) fn wanted(&self) -> Vec<(String, String)> {
        let table = self.table();
        let wanted = table
            .by_name
            .iter()
            .flat_map(|(name, deployment)| deployment.wanted().into_iter().map(move |digest| (name.clone(), digest)));
        wanted.collect()
    }

    /// A version that was wanted is loaded.
    pub(crate) fn adopt(&self, plugin: &Plugin) {
        self.tell(plugin.name(), |deployment, _| {
            deployment.adopt(known(plugin), plugin.clone());
            Vec::new()
        });
    }

    /// A version that was wanted cannot be loaded any more.
    pub(crate) fn lost(&self, name: &str, digest: &str) {
        self.tell(name, |deployment, _| deployment.lost(digest));
    }

    /// The version a command is about.
    pub(crate) fn target(&self, name: &str, command: &Command) -> Result<Option<String>, CommandError> {
        let table = self.table();
        match table.by_name.get(name) {
            Some(deployment) => deployment.target(command),
            None => {
                let known: Vec<&str> = table.by_name.keys().map(String::as_str).collect();
                Err(CommandError::UnknownPlugin { name: name.to_owned(), known: known.join(", ") })
            }
        }
    }

    /// Carries out a command whose target is loaded.
    pub(crate) fn command(&self, name: &str, command: &Command, target: Option<&str>) {
        self.tell(name, |deployment, rollout| deployment.command(command, target, rollout));
    }

    /// What is to be recorded.
    pub(crate) fn choices(&self) -> Choices {
        let table = self.table();
        let choices = table.by_name.iter().map(|(name, deployment)| (name.clone(), deployment.choice.clone()));
        choices.filter(|(_, choice)| *choice != Choice::default()).collect()
    }

    /// What happens to the versions of a plugin: it may change everything.
    fn tell(&self, name: &str, tell: impl FnOnce(&mut Deployment<Plugin>, &Rollout) -> Vec<News>) {
        let news = {
            let mut table = self.table();
            let rollout = *table.rollouts.of(name);
            tell(table.deployment(name), &rollout)
        };
        for news in &news {
            log(name, news);
        }
        self.changed.0.send_modify(|changes| *changes += 1);
    }

    /// What happens to its sessions: it seldom changes anything.
    fn hear(&self, name: &str, now: Instant, hear: impl FnOnce(&mut Deployment<Plugin>, &Rollout) -> Vec<News>) {
        let (news, rested_or_rests) = {
            let mut table = self.table();
            let rollout = *table.rollouts.of(name);
            let deployment = table.deployment(name);
            let rested = deployment.resting(now).is_some();
            let news = hear(deployment, &rollout);
            (news, rested || deployment.resting(now).is_some())
        };
        for news in &news {
            log(name, news);
        }
        if rested_or_rests || !news.is_empty() {
            self.changed.0.send_modify(|changes| *changes += 1);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing in it panics half-way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// tokio's clock, so that tests can stop it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn known(plugin: &Plugin) -> Known {
    Known {
        digest: plugin.digest().to_owned(),
        version: plugin.version().to_owned(),
        taken_at: jackfield_world::wall_ms(),
    }
}

fn log(plugin: &str, news: &News) {
    match news {
        News::Current { version, digest } => {
            tracing::info!(plugin, version, digest = short(digest), "new sessions get this version");
        }
        News::Canary { version, percent } => {
            tracing::info!(plugin, version, percent, "this version is tried on a part of the new sessions");
        }
        News::Shadow { version } => {
            tracing::info!(plugin, version, "this version is run beside the current one, without effects");
        }
        News::Waits { version, why } => tracing::info!(plugin, version, why, "this version is not used yet"),
        News::Drains => {
            tracing::info!(plugin, "its last file is gone: no new sessions begin, running ones finish");
        }
        News::TakenBack { version, failures, now } => tracing::error!(
            plugin,
            version,
            failures,
            now,
            "too many sessions of this version failed: it is held back, and new sessions get the one before"
        ),
        News::CanaryTakenBack { version, failures } => tracing::error!(
            plugin,
            version,
            failures,
            "too many sessions of the canary failed: it is held back, and new sessions get the current version"
        ),
        News::Rests { version, rest } => tracing::error!(
            plugin,
            version,
            ?rest,
            "too many sessions failed, and no other version can take over: nothing is pulled for it meanwhile"
        ),
    }
}
