//! One plugin: its versions, and which of them a new session gets.
//!
//! Pure: what comes into the folder, what sessions come to, what an operator wants and the time are told to
//! it. It is generic over what a version is run with, so that its rules can be tested without an engine.
//!
//! A version *comes* when a file with it is taken, becomes *current* at once or in the way the
//! [`Rollout`] says, and is *let go* when it has no role, no file and no session any more. One that failed
//! too often, or from which an operator rolled back, is *held back*: it does not become current by itself
//! again. Sessions keep the version they began with in all of this.

use std::time::{Duration, Instant};

use crate::breaker::{Breaker, BreakerSettings};
use crate::choice::{Canary, Choice, KNOWN_MOST, Known};
use crate::command::{Command, CommandError};

/// Versions that were current before and are remembered in order.
const PAST_MOST: usize = 20;
/// Differences of a shadow that are kept.
const DIFFERENCES_MOST: usize = 10;

/// How a version that comes into the folder begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrival {
    /// It is current at once.
    #[default]
    AtOnce,
    /// It gets a part of the new sessions.
    Canary,
    /// It is run beside the current one, without effects.
    Shadow,
    /// It waits until an operator says what it is to be.
    Waits,
}

/// How versions of a plugin follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// How a new one begins. The first there is always is current at once.
    pub arrival: Arrival,
    /// Of a hundred new sessions, those a canary gets that came by itself. 1 to 100, default 10.
    pub canary_percent: u8,
    /// When a version that fails is taken back.
    pub breaker: BreakerSettings,
}

impl Default for Rollout {
    fn default() -> Self {
        Rollout { arrival: Arrival::AtOnce, canary_percent: 10, breaker: BreakerSettings::default() }
    }
}

/// Sessions of one version on this node since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub running: u64,
    pub started: u64,
    pub finished: u64,
    pub failed: u64,
}

/// What a shadow has shown so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    pub same: u64,
    pub differed: u64,
    /// Not compared: too many ended at once, or they could not be read.
    pub skipped: u64,
    /// Session and first difference, the latest last.
    pub differences: Vec<(String, String)>,
}

/// How a comparison with the shadow came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It would have done the same.
    Same,
    /// It would have done something else.
    Differed(String),
    /// It could not be compared.
    Skipped,
}

#[derive(Clone, Debug)]
pub struct Version<P> {
    pub known: Known,
    /// None: it is not loaded.
    pub plugin: Option<P>,
    /// Files of the folder that hold it.
    pub files: Vec<String>,
    pub counts: Counts,
    pub last_error: Option<String>,
    pub compared: Compared,
    breaker: Breaker,
}

impl<P> Version<P> {
    fn new(known: Known) -> Version<P> {
        Version {
            known,
            plugin: None,
            files: Vec::new(),
            counts: Counts::default(),
            last_error: None,
            compared: Compared::default(),
            breaker: Breaker::default(),
        }
    }
}

/// What follows from an event, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// New sessions get another version.
    Current { version: String, digest: String },
    /// A version gets a part of the new sessions.
    Canary { version: String, percent: u8 },
    /// A version is run without effects.
    Shadow { version: String },
    /// A version came and has no role yet, for this reason.
    Waits { version: String, why: String },
    /// The last file is gone: running sessions finish.
    Drains,
    /// A version failed too often, and this one has taken its place.
    TakenBack { version: String, failures: u32, now: String },
    /// A canary failed too often.
    CanaryTakenBack { version: String, failures: u32 },
    /// A version failed too often, and there is no other: no new sessions for a while.
    Rests { version: String, rest: Duration },
}

#[derive(Clone, Debug)]
pub struct Deployment<P> {
    pub versions: Vec<Version<P>>,
    pub choice: Choice,
    /// Of the canary: when it has a hundred, the next session is its.
    credit: u32,
    /// Off in this run, until an operator turns it on.
    pub safe: bool,
}

impl<P: Clone> Deployment<P> {
    /// As it was chosen; nothing is loaded and no file is there.
    pub fn new(choice: Choice, safe: bool) -> Deployment<P> {
        let versions = choice.known.iter().cloned().map(Version::new).collect();
        Deployment { versions, choice, credit: 0, safe }
    }

    // ---- what there is ----

    pub fn version(&self, digest: &str) -> Option<&Version<P>> {
        self.versions.iter().find(|version| version.known.digest == digest)
    }

    fn version_mut(&mut self, digest: &str) -> Option<&mut Version<P>> {
        self.versions.iter_mut().find(|version| version.known.digest == digest)
    }

    pub fn current(&self) -> Option<&Version<P>> {
        self.version(self.choice.current.as_deref()?)
    }

    fn named(&self, digest: &str) -> String {
        self.version(digest).map(|version| version.known.version.clone()).unwrap_or_default()
    }

    /// Whether the folder has a file of it.
    pub fn is_there(&self) -> bool {
        self.versions.iter().any(|version| !version.files.is_empty())
    }

    /// How long it rests, when it does.
    pub fn resting(&self, now: Instant) -> Option<Duration> {
        self.current()?.breaker.resting(now)
    }

    /// The version new sessions get at this moment, canary aside.
    pub fn serving(&self, now: Instant) -> Option<&P> {
        if self.choice.disabled || self.safe || !self.is_there() {
            return None;
        }
        let current = self.current()?;
        if current.breaker.resting(now).is_some() {
            return None;
        }
        current.plugin.as_ref()
    }

    /// Versions that have a role and are not loaded.
    pub fn wanted(&self) -> Vec<String> {
        let Choice { current, canary, shadow, .. } = &self.choice;
        let roles = [current.as_ref(), canary.as_ref().map(|canary| &canary.digest), shadow.as_ref()];
        let missing = roles
            .into_iter()
            .flatten()
            .filter(|digest| self.is_there() && self.version(digest).is_some_and(|version| version.plugin.is_none()));
        missing.cloned().collect()
    }

    // ---- files ----

    /// A file with this version is in the folder.
    pub fn came(&mut self, known: Known, plugin: P, file: &str, rollout: &Rollout) -> Vec<News> {
        let digest = known.digest.clone();
        for version in &mut self.versions {
            version.files.retain(|other| other != file);
        }
        self.adopt(known, plugin);
        if let Some(version) = self.version_mut(&digest) {
            version.files.push(file.to_owned());
        }
        let is_news = self.choice.seen.as_ref() != Some(&digest);
        self.choice.seen = Some(digest.clone());
        let news = if is_news || self.choice.current.is_none() { self.place(&digest, rollout) } else { Vec::new() };
        self.forget();
        news
    }

    /// A version is loaded: from a file, or because a session or a role needs it.
    pub fn adopt(&mut self, known: Known, plugin: P) {
        match self.version_mut(&known.digest) {
            Some(version) => {
                version.plugin.get_or_insert(plugin);
            }
            None => {
                let mut version = Version::new(known);
                version.plugin = Some(plugin);
                self.versions.push(version);
            }
        }
    }

    /// A version with a role cannot be loaded any more.
    pub fn lost(&mut self, digest: &str) -> Vec<News> {
        let choice = &mut self.choice;
        choice.known.retain(|known| known.digest != digest);
        choice.past.retain(|past| past != digest);
        choice.canary.take_if(|canary| canary.digest == digest);
        choice.shadow.take_if(|shadow| shadow == digest);
        if choice.current.take_if(|current| current == digest).is_none() {
            return Vec::new();
        }
        choice.pinned = false;
        // Held back or not: that nothing serves would be worse.
        let newest = self.versions.iter().rev().find(|version| !version.files.is_empty());
        match newest.map(|version| version.known.digest.clone()) {
            Some(newest) => self.make_current(&newest),
            None => Vec::new(),
        }
    }

    /// Decides what a version in the folder is.
    fn place(&mut self, digest: &str, rollout: &Rollout) -> Vec<News> {
        let choice = &self.choice;
        if choice.has_role(digest) {
            return Vec::new();
        }
        let version = self.named(digest);
        if choice.pinned {
            let why = format!("the plugin is pinned to {}", self.current_name());
            return vec![News::Waits { version, why }];
        }
        if let Some(reason) = choice.held_back.get(digest) {
            return vec![News::Waits { version, why: format!("it is held back: {reason}") }];
        }
        match rollout.arrival {
            _ if self.choice.current.is_none() => self.make_current(digest),
            Arrival::AtOnce => self.make_current(digest),
            Arrival::Canary => self.make_canary(digest, rollout.canary_percent.clamp(1, 100)),
            Arrival::Shadow => self.make_shadow(digest),
            Arrival::Waits => {
                let why = "new versions of it wait for `canary`, `shadow` or `pin`".to_owned();
                vec![News::Waits { version, why }]
            }
        }
    }

    /// A file is gone.
    pub fn gone(&mut self, file: &str) -> Vec<News> {
        let was_there = self.is_there();
        for version in &mut self.versions {
            version.files.retain(|other| other != file);
        }
        if was_there && !self.is_there() { vec![News::Drains] } else { Vec::new() }
    }

    // ---- sessions ----

    /// The version the next session gets, and that it begins.
    pub fn start(&mut self, now: Instant) -> Option<P> {
        let current = self.serving(now)?.clone();
        let canary = self.choice.canary.as_ref().and_then(|canary| {
            let is_loaded = self.version(&canary.digest).is_some_and(|version| version.plugin.is_some());
            is_loaded.then(|| canary.clone())
        });
        let digest = match canary {
            Some(Canary { digest, percent }) => {
                self.credit += u32::from(percent);
                if self.credit >= 100 {
                    self.credit -= 100;
                    Some(digest)
                } else {
                    None
                }
            }
            None => None,
        };
        let digest = digest.or_else(|| self.choice.current.clone())?;
        let version = self.version_mut(&digest)?;
        version.counts.started += 1;
        version.counts.running += 1;
        version.breaker.started();
        Some(version.plugin.clone().unwrap_or(current))
    }

    /// A session of the time before goes on.
    pub fn resumed(&mut self, digest: &str) {
        if let Some(version) = self.version_mut(digest) {
            version.counts.running += 1;
        }
    }

    /// A session is over for this node without an outcome.
    pub fn left(&mut self, digest: &str, now: Instant) {
        if let Some(version) = self.version_mut(digest) {
            version.counts.running = version.counts.running.saturating_sub(1);
            version.breaker.left(now);
        }
        self.forget();
    }

    /// A session has ended; why it failed, if it did.
    pub fn ended(&mut self, digest: &str, failed: Option<&str>, now: Instant, rollout: &Rollout) -> Vec<News> {
        let Some(version) = self.version_mut(digest) else { return Vec::new() };
        version.counts.running = version.counts.running.saturating_sub(1);
        match failed {
            Some(reason) => {
                version.counts.failed += 1;
                version.last_error = Some(reason.to_owned());
            }
            None => version.counts.finished += 1,
        }
        let opens = version.breaker.ended(failed.is_some(), &rollout.breaker);
        let is_last = version.counts.running == 0;
        let news = if opens { self.opened(digest, now, &rollout.breaker) } else { Vec::new() };
        if is_last {
            self.forget();
        }
        news
    }

    /// The breaker of a version opens.
    fn opened(&mut self, digest: &str, now: Instant, settings: &BreakerSettings) -> Vec<News> {
        let version = self.named(digest);
        let failures = settings.failures;
        let reason = format!("{failures} of its last {} sessions failed", settings.window);
        if self.choice.canary.take_if(|canary| canary.digest == digest).is_some() {
            self.choice.held_back.insert(digest.to_owned(), reason);
            return vec![News::CanaryTakenBack { version, failures }];
        }
        if self.choice.current.as_deref() != Some(digest) {
            return Vec::new();
        }
        let before = if self.choice.pinned { None } else { self.before() };
        match before {
            Some(before) => {
                self.choice.held_back.insert(digest.to_owned(), reason);
                let now = self.named(&before);
                self.make_current(&before);
                vec![News::TakenBack { version, failures, now }]
            }
            None => match self.version_mut(digest) {
                Some(current) => {
                    let rest = current.breaker.rest(now, settings);
                    vec![News::Rests { version, rest }]
                }
                None => Vec::new(),
            },
        }
    }

    /// What the shadow would have done in a session.
    pub fn compared(&mut self, digest: &str, session: &str, comparison: Comparison) {
        let Some(version) = self.version_mut(digest) else { return };
        let compared = &mut version.compared;
        match comparison {
            Comparison::Same => compared.same += 1,
            Comparison::Skipped => compared.skipped += 1,
            Comparison::Differed(difference) => {
                compared.differed += 1;
                if compared.differences.len() >= DIFFERENCES_MOST {
                    compared.differences.remove(0);
                }
                compared.differences.push((session.to_owned(), difference));
            }
        }
    }

    /// The shadow beside sessions of this version, where it is loaded.
    pub fn shadow_of(&self, digest: &str) -> Option<&P> {
        let shadow = self.choice.shadow.as_deref()?;
        if self.choice.current.as_deref() != Some(digest) {
            return None;
        }
        self.version(shadow)?.plugin.as_ref()
    }

    // ---- what an operator wants ----

    /// The version a word means: the beginning of its digest, or what its manifest says.
    ///
    /// # Errors
    /// None is meant, or several are.
    pub fn resolve(&self, word: &str) -> Result<String, CommandError> {
        let by_version = |version: &&Version<P>| version.known.version == word;
        let by_digest = |version: &&Version<P>| word.len() >= 4 && version.known.digest.starts_with(word);
        let mut found: Vec<&Known> = self
            .versions
            .iter()
            .filter(|version| by_version(version) || by_digest(version))
            .map(|v| &v.known)
            .collect();
        // A rebuilt file often keeps its version: what is in use now is not what is meant by it.
        if found.len() > 1 {
            found.retain(|known| self.choice.current.as_deref() != Some(known.digest.as_str()));
        }
        let names = |versions: &mut dyn Iterator<Item = &Known>| {
            versions.map(|known| format!("{} ({})", known.version, short(&known.digest))).collect::<Vec<_>>().join(", ")
        };
        match found.as_slice() {
            [one] => Ok(one.digest.clone()),
            [] => Err(CommandError::UnknownVersion {
                word: word.to_owned(),
                known: names(&mut self.versions.iter().map(|version| &version.known)),
            }),
            several => {
                Err(CommandError::Ambiguous { word: word.to_owned(), found: names(&mut several.iter().copied()) })
            }
        }
    }

    /// The version a command is about, which must be loaded before it is carried out.
    ///
    /// # Errors
    /// There is none.
    pub fn target(&self, command: &Command) -> Result<Option<String>, CommandError> {
        let word = |word: &Option<String>| word.as_deref().map(|word| self.resolve(word)).transpose();
        match command {
            Command::Rollback { version } => match word(version)? {
                Some(digest) => Ok(Some(digest)),
                None => self.before().map(Some).ok_or(CommandError::NothingBefore),
            },
            Command::Pin { version } => match word(version)? {
                Some(digest) => Ok(Some(digest)),
                None => Ok(self.choice.current.clone()),
            },
            Command::Canary { version, .. } | Command::Shadow { version } => match word(version)? {
                Some(digest) => Ok(Some(digest)),
                None => self.newcomer().map(Some),
            },
            Command::Promote => match &self.choice.canary {
                Some(canary) => Ok(Some(canary.digest.clone())),
                None => match &self.choice.shadow {
                    Some(shadow) => Ok(Some(shadow.clone())),
                    None => self.newcomer().map(Some),
                },
            },
            Command::CanaryOff | Command::ShadowOff | Command::Unpin | Command::Disable | Command::Enable => Ok(None),
        }
    }

    /// Carries it out; `target` is loaded. Says what is so from here on.
    pub fn command(&mut self, command: &Command, target: Option<&str>, rollout: &Rollout) -> Vec<News> {
        match (command, target) {
            (Command::Rollback { .. }, Some(digest)) => {
                if let Some(current) = self.choice.current.clone().filter(|current| current != digest) {
                    self.choice.held_back.insert(current, "an operator rolled it back".to_owned());
                }
                self.make_current(digest)
            }
            (Command::Pin { .. }, Some(digest)) => {
                self.choice.pinned = true;
                self.make_current(digest)
            }
            (Command::Promote, Some(digest)) => self.make_current(digest),
            (Command::Canary { percent, .. }, Some(digest)) => self.make_canary(digest, (*percent).clamp(1, 100)),
            (Command::Shadow { .. }, Some(digest)) => self.make_shadow(digest),
            (Command::CanaryOff, _) => {
                if let Some(Canary { digest, .. }) = self.choice.canary.take() {
                    self.choice.held_back.insert(digest, "an operator ended its trial".to_owned());
                }
                Vec::new()
            }
            (Command::ShadowOff, _) => {
                if let Some(digest) = self.choice.shadow.take() {
                    self.choice.held_back.insert(digest, "an operator ended its trial".to_owned());
                }
                Vec::new()
            }
            (Command::Unpin, _) => {
                self.choice.pinned = false;
                // What the folder has is taken now.
                let newest = self.versions.iter().rev().find(|version| !version.files.is_empty());
                match newest.map(|version| version.known.digest.clone()) {
                    Some(newest) => self.place(&newest, rollout),
                    None => Vec::new(),
                }
            }
            (Command::Disable, _) => {
                self.choice.disabled = true;
                Vec::new()
            }
            (Command::Enable, _) => {
                self.choice.disabled = false;
                self.safe = false;
                let current = self.choice.current.clone();
                if let Some(version) = current.and_then(|current| self.version_mut(&current)) {
                    version.breaker = Breaker::default();
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// The version that was current before this one and is not held back.
    fn before(&self) -> Option<String> {
        let Choice { past, current, held_back, .. } = &self.choice;
        let is_it = |digest: &&String| {
            current.as_ref() != Some(*digest) && !held_back.contains_key(*digest) && self.version(digest).is_some()
        };
        past.iter().rev().find(is_it).cloned()
    }

    /// The latest version in the folder that is not current.
    fn newcomer(&self) -> Result<String, CommandError> {
        let mut rest = self.versions.iter().rev().filter(|version| !version.files.is_empty());
        rest.find(|version| self.choice.current.as_deref() != Some(version.known.digest.as_str()))
            .map(|version| version.known.digest.clone())
            .ok_or(CommandError::NothingNew)
    }

    fn current_name(&self) -> String {
        self.current().map(|current| current.known.version.clone()).unwrap_or_default()
    }

    // ---- roles ----

    fn make_current(&mut self, digest: &str) -> Vec<News> {
        self.take_roles(digest);
        if self.choice.current.as_deref() == Some(digest) {
            return Vec::new();
        }
        if let Some(before) = self.choice.current.replace(digest.to_owned()) {
            self.choice.past.retain(|past| *past != before);
            self.choice.past.push(before);
            let surplus = self.choice.past.len().saturating_sub(PAST_MOST);
            self.choice.past.drain(..surplus);
        }
        self.choice.past.retain(|past| past != digest);
        self.remember(digest);
        vec![News::Current { version: self.named(digest), digest: digest.to_owned() }]
    }

    fn make_canary(&mut self, digest: &str, percent: u8) -> Vec<News> {
        if self.choice.current.as_deref() == Some(digest) {
            return Vec::new();
        }
        self.take_roles(digest);
        self.choice.canary = Some(Canary { digest: digest.to_owned(), percent });
        self.credit = 0;
        self.remember(digest);
        vec![News::Canary { version: self.named(digest), percent }]
    }

    fn make_shadow(&mut self, digest: &str) -> Vec<News> {
        if self.choice.current.as_deref() == Some(digest) {
            return Vec::new();
        }
        self.take_roles(digest);
        self.choice.shadow = Some(digest.to_owned());
        self.remember(digest);
        if let Some(version) = self.version_mut(digest) {
            version.compared = Compared::default();
        }
        vec![News::Shadow { version: self.named(digest) }]
    }

    /// It gets a new role; what was said against it counts no more.
    fn take_roles(&mut self, digest: &str) {
        self.choice.canary.take_if(|canary| canary.digest == digest);
        self.choice.shadow.take_if(|shadow| shadow == digest);
        self.choice.held_back.remove(digest);
        if let Some(version) = self.version_mut(digest) {
            version.breaker = Breaker::default();
        }
    }

    /// Its bytes are worth keeping.
    fn remember(&mut self, digest: &str) {
        let Some(known) = self.version(digest).map(|version| version.known.clone()) else { return };
        if !self.choice.known.iter().any(|other| other.digest == digest) {
            self.choice.known.push(known);
        }
        let choice = &mut self.choice;
        while choice.known.len() > KNOWN_MOST {
            let Some(oldest) = choice.known.iter().position(|known| !choice.has_role(&known.digest)) else { break };
            let oldest = choice.known.remove(oldest);
            choice.past.retain(|past| *past != oldest.digest);
        }
        let versions = &self.versions;
        let is_there = |digest: &str| versions.iter().any(|version| version.known.digest == digest);
        let known = &choice.known;
        choice.held_back.retain(|digest, _| known.iter().any(|known| known.digest == *digest) || is_there(digest));
    }

    /// Lets go of what nobody needs: plugins that are neither in the folder, nor have a role or sessions, nor
    /// would be next at a rollback; and versions that are not remembered either.
    fn forget(&mut self) {
        let before = self.before();
        let choice = &self.choice;
        self.versions.retain_mut(|version| {
            let digest = version.known.digest.as_str();
            let is_used = choice.has_role(digest)
                || !version.files.is_empty()
                || version.counts.running > 0
                || before.as_deref() == Some(digest);
            if !is_used {
                version.plugin = None;
            }
            is_used || choice.knows(digest)
        });
    }
}

/// A digest for people.
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
#[path = "deployment_tests.rs"]
mod tests;
