//! The plugins as people and scripts see them.

use std::time::Instant;

use jackfield_strategy::Plugin;
use serde::Serialize;

use crate::deployment::{Deployment, Version};

/// What a plugin is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginState {
    /// New sessions begin.
    Serving,
    /// An operator has turned it off.
    Disabled,
    /// The node was started with `--safe`, and nobody has turned it on since.
    Safe,
    /// Too many of its sessions failed; it is tried again after a while.
    Resting,
    /// Its file is gone; running sessions finish.
    Draining,
    /// Its current version is not loaded (yet).
    Loading,
    /// None of its versions is current: those there are wait, or are held back.
    Waiting,
}

/// One plugin.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginStatus {
    /// Name in its manifest.
    pub name: String,
    /// What it is doing.
    pub state: PluginState,
    /// While it rests: how long still, in milliseconds.
    pub rest_ms: Option<u64>,
    /// Its current version stays, whatever comes.
    pub pinned: bool,
    /// The oldest first.
    pub versions: Vec<VersionStatus>,
}

/// One version of a plugin.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionStatus {
    /// What its manifest says.
    pub version: String,
    /// SHA-256 of its file.
    pub digest: String,
    /// `current`, `canary 10 %`, `shadow`, `held back: …`, `waits`, or `before`.
    pub role: String,
    /// Its file in the folder.
    pub file: Option<String>,
    /// Whether it is ready to run.
    pub loaded: bool,
    /// When it was first taken, in milliseconds since 1970-01-01T00:00:00Z.
    pub taken_at: u64,
    /// Sessions that run on it now.
    pub sessions: u64,
    /// Sessions begun on it since the node started, and how they ended.
    pub started: u64,
    /// See `started`.
    pub finished: u64,
    /// See `started`.
    pub failed: u64,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// What it has shown as a shadow.
    pub compared: Option<ComparedStatus>,
}

/// What a shadow would have done in the sessions of the current version.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparedStatus {
    /// Sessions in which it would have done the same.
    pub same: u64,
    /// Sessions in which it would have done something else.
    pub differed: u64,
    /// Sessions that were not compared.
    pub skipped: u64,
    /// The last of those that differed, and how.
    pub differences: Vec<DifferenceStatus>,
}

/// A session in which a shadow would have done something else.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DifferenceStatus {
    /// Its id.
    pub session: String,
    /// The first thing that differs.
    pub difference: String,
}

/// A file of the plugins folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileStatus {
    /// Its path.
    pub file: String,
    /// What became of it.
    pub state: FileState,
    /// Of a taken file: the plugin's name.
    pub plugin: Option<String>,
    /// Of a taken file: the plugin's version.
    pub version: Option<String>,
    /// Of a file that is not taken: what is wrong with it and what to do.
    pub problem: Option<String>,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// It is being written, read or compiled.
    Loading,
    /// It is a plugin.
    Taken,
    /// It is none, or not this one.
    Refused,
}

pub(crate) fn status(name: &str, deployment: &Deployment<Plugin>, now: Instant) -> PluginStatus {
    let rest = deployment.resting(now);
    let state = match () {
        () if !deployment.is_there() => PluginState::Draining,
        () if deployment.choice.disabled => PluginState::Disabled,
        () if deployment.safe => PluginState::Safe,
        () if deployment.choice.current.is_none() => PluginState::Waiting,
        () if rest.is_some() => PluginState::Resting,
        () if deployment.serving(now).is_none() => PluginState::Loading,
        () => PluginState::Serving,
    };
    PluginStatus {
        name: name.to_owned(),
        state,
        rest_ms: rest.map(|rest| u64::try_from(rest.as_millis()).unwrap_or(u64::MAX)),
        pinned: deployment.choice.pinned,
        versions: deployment.versions.iter().map(|version| version_status(deployment, version)).collect(),
    }
}

fn version_status(deployment: &Deployment<Plugin>, version: &Version<Plugin>) -> VersionStatus {
    let choice = &deployment.choice;
    let digest = version.known.digest.as_str();
    let is_shadow = choice.shadow.as_deref() == Some(digest);
    let role = match &choice.canary {
        _ if choice.current.as_deref() == Some(digest) => "current".to_owned(),
        Some(canary) if canary.digest == digest => format!("canary {} %", canary.percent),
        _ if is_shadow => "shadow".to_owned(),
        _ => match choice.held_back.get(digest) {
            Some(reason) => format!("held back: {reason}"),
            None if !version.files.is_empty() => "waits".to_owned(),
            None => "before".to_owned(),
        },
    };
    let compared = &version.compared;
    let has_compared = is_shadow || compared.same + compared.differed + compared.skipped > 0;
    VersionStatus {
        version: version.known.version.clone(),
        digest: digest.to_owned(),
        role,
        file: version.files.first().cloned(),
        loaded: version.plugin.is_some(),
        taken_at: version.known.taken_at,
        sessions: version.counts.running,
        started: version.counts.started,
        finished: version.counts.finished,
        failed: version.counts.failed,
        last_error: version.last_error.clone(),
        compared: has_compared.then(|| ComparedStatus {
            same: compared.same,
            differed: compared.differed,
            skipped: compared.skipped,
            differences: compared
                .differences
                .iter()
                .map(|(session, difference)| DifferenceStatus {
                    session: session.clone(),
                    difference: difference.clone(),
                })
                .collect(),
        }),
    }
}
