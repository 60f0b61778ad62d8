//! A plugin: one strategy's component, ready to be run. `load` is how it comes about.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::codes::Code;
use crate::conduct::Conduct;
use crate::contract::{Manifest, StrategyPre, mismatch};
use crate::files::Files;
use crate::policy::{Policies, Policy};
use crate::state::State;

/// A strategy that can be run. Cheap to clone; clones are the same plugin.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
}

/// What loading has found out.
pub(crate) struct Inner {
    pub manifest: Manifest,
    pub digest: String,
    pub origin: String,
    pub bytes: Arc<[u8]>,
    pub imports: Vec<String>,
    pub capabilities: Vec<Capability>,
    pub code: Arc<Code>,
    pub files: Files,
    pub policy: RwLock<Arc<Policy>>,
    /// None: its code was compiled already.
    pub compile_time: Option<Duration>,
    /// How its sessions have behaved lately.
    pub conduct: Conduct,
}

/// What a strategy may use beyond what every one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capability {
    Messages,
    Routing,
    VirtualQueues,
    Http,
}

impl Capability {
    pub const ALL: &[Capability] =
        &[Capability::Messages, Capability::Routing, Capability::VirtualQueues, Capability::Http];

    pub const fn name(self) -> &'static str {
        match self {
            Capability::Messages => "messages",
            Capability::Routing => "routing",
            Capability::VirtualQueues => "virtual-queues",
            Capability::Http => "http",
        }
    }
}

impl Plugin {
    pub(crate) fn new(inner: Inner) -> Plugin {
        Plugin { inner: Arc::new(inner) }
    }

    /// What routing scripts call it.
    pub fn name(&self) -> &str {
        &self.inner.manifest.name
    }

    /// For people.
    pub fn version(&self) -> &str {
        &self.inner.manifest.version
    }

    /// For people.
    pub fn description(&self) -> &str {
        &self.inner.manifest.description
    }

    /// SHA-256 of its file, in hexadecimal: what tells versions apart.
    pub fn digest(&self) -> &str {
        &self.inner.digest
    }

    /// Names of the interfaces it may use beyond those that all may.
    pub fn capabilities(&self) -> &[String] {
        &self.inner.manifest.capabilities
    }

    /// Formats of checkpoints it can go on from, the one it writes first.
    pub fn states(&self) -> &[String] {
        &self.inner.manifest.states
    }

    /// Where it came from: its path.
    pub fn origin(&self) -> &str {
        &self.inner.origin
    }

    /// The file, as it was when it was loaded: what a session is rebuilt with after the file was replaced.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.inner.bytes
    }

    /// The interfaces it imports, as it names them.
    pub fn imports(&self) -> &[String] {
        &self.inner.imports
    }

    /// The version of the contract it was built for; none where it imports nothing of it.
    pub fn contract_version(&self) -> Option<&str> {
        self.imports().iter().find_map(|import| mismatch::interface_of(import)).map(|(_, version)| version)
    }

    /// How long it took to compile; none: its code came out of the cache, or another plugin has the same.
    pub fn compile_time(&self) -> Option<Duration> {
        self.inner.compile_time
    }

    /// What its sessions may that begin, or are rebuilt, now.
    pub fn policy(&self) -> Arc<Policy> {
        self.inner.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives it the policy it has among these, from here on. Which capabilities it may have was decided when it was
    /// loaded, and stays so.
    pub fn set_policies(&self, policies: &Policies) {
        let policy = policies.of(self.name());
        if *self.policy() != *policy {
            *self.inner.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy.clone());
        }
    }

    pub(crate) fn may(&self, capability: Capability) -> bool {
        self.inner.capabilities.contains(&capability)
    }

    /// Whether its sessions fail, or have turns that take long, again and again: then they run apart from
    /// those of other plugins. Changes with how they end.
    pub fn misbehaves(&self) -> bool {
        self.conduct().is_bad()
    }

    pub(crate) fn conduct(&self) -> &Conduct {
        &self.inner.conduct
    }

    /// What it carries beside its code.
    pub(crate) fn files(&self) -> &Files {
        &self.inner.files
    }

    pub(crate) fn component(&self) -> &StrategyPre<State> {
        &self.inner.code.linked
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Plugin")
            .field("name", &self.name())
            .field("version", &self.version())
            .field("digest", &self.digest())
            .field("origin", &self.origin())
            .finish_non_exhaustive()
    }
}
