//! A plugin: one strategy's component, checked, compiled, and asked who it is.
//!
//! Nothing a file holds can do harm here: what is not a component of this contract is refused with
//! what is wrong with it, and `describe` runs under the limits of a session.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::conduct::Conduct;
use crate::contract::{Manifest, Misfit, PACKAGE, StrategyPre, mismatch};
use crate::end::EndReason;
use crate::engine::Engine;
use crate::host::wasi;
use crate::session::{Shared, metered, shortened};
use crate::state::State;

/// Bytes of a plugin's file. One made from Python has 18 MB.
const PLUGIN_BYTES: u64 = 128 << 20;
/// Characters of a plugin's name (contract, `manifest`).
const NAME_LENGTH: usize = 64;

/// A strategy that can be run. Cheap to clone; clones are the same plugin.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
}

struct Inner {
    manifest: Manifest,
    digest: String,
    origin: String,
    bytes: Arc<[u8]>,
    capabilities: Vec<Capability>,
    component: StrategyPre<State>,
    /// How its sessions have behaved lately.
    conduct: Conduct,
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
    const ALL: &[Capability] =
        &[Capability::Messages, Capability::Routing, Capability::VirtualQueues, Capability::Http];

    pub fn name(self) -> &'static str {
        match self {
            Capability::Messages => "messages",
            Capability::Routing => "routing",
            Capability::VirtualQueues => "virtual-queues",
            Capability::Http => "http",
        }
    }
}

/// Why a plugin was refused. Each begins with where it came from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum LoadError {
    #[error("{origin}: could not be read: {reason}")]
    Read { origin: String, reason: String },
    #[error("{origin}: {bytes} bytes; a plugin has at most {PLUGIN_BYTES}")]
    TooLarge { origin: String, bytes: u64 },
    #[error("{origin}: not a Wasm file; build a component for the target wasm32-wasip2")]
    NotWasm { origin: String },
    #[error("{origin}: a core module and not a component; build it for the target wasm32-wasip2")]
    CoreModule { origin: String },
    #[error("{origin}: damaged, or written only in part: {reason}")]
    Invalid { origin: String, reason: String },
    #[error("{origin}: imports `{import}`, which strategies do not have; they have {PACKAGE} and WASI 0.2")]
    UnknownImport { origin: String, import: String },
    #[error("{origin}: {misfit}")]
    Misfit { origin: String, misfit: Misfit },
    #[error("{origin}: does not fit the contract: {reason}")]
    DoesNotFit { origin: String, reason: String },
    #[error("{origin}: `describe` failed: {reason}")]
    Describe { origin: String, reason: EndReason },
    #[error("{origin}: {reason}")]
    Manifest { origin: String, reason: String },
    #[error("{origin}: names itself `{name}`, as {other} does; give one another name, or take one away")]
    Duplicate { origin: String, name: String, other: String },
}

impl Plugin {
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

    pub(crate) fn component(&self) -> &StrategyPre<State> {
        &self.inner.component
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

impl Engine {
    /// Loads a plugin from its file.
    ///
    /// # Errors
    /// Says what is wrong with the file, and what to do.
    pub async fn load(&self, path: &Path) -> Result<Plugin, LoadError> {
        let origin = path.display().to_string();
        let (path, file): (PathBuf, String) = (path.into(), origin.clone());
        let bytes = tokio::task::spawn_blocking(move || read(&path, &file))
            .await
            .unwrap_or_else(|error| Err(LoadError::Read { origin: origin.clone(), reason: error.to_string() }))?;
        self.load_bytes(&origin, &bytes).await
    }

    /// Loads a plugin from its bytes; `origin` names it in errors. Compiles on other threads.
    ///
    /// # Errors
    /// Says what is wrong with it, and what to do.
    pub async fn load_bytes(&self, origin: &str, bytes: &[u8]) -> Result<Plugin, LoadError> {
        check_is_component(origin, bytes)?;
        let digest = Sha256::digest(bytes).iter().fold(String::new(), |mut digest, byte| {
            let _ = write!(digest, "{byte:02x}");
            digest
        });
        let invalid = |reason: String| LoadError::Invalid { origin: origin.into(), reason };
        let bytes: Arc<[u8]> = bytes.into();
        let (engine, file) = (self.wasm().clone(), Arc::clone(&bytes));
        let component = tokio::task::spawn_blocking(move || Component::new(&engine, file))
            .await
            .map_err(|error| invalid(error.to_string()))?
            .map_err(|error| invalid(error.root_cause().to_string()))?;
        let component = self.link(origin, &component)?;
        let manifest = self.describe(origin, &component).await?;
        let capabilities =
            check_manifest(&manifest).map_err(|reason| LoadError::Manifest { origin: origin.into(), reason })?;
        Ok(Plugin {
            inner: Arc::new(Inner {
                manifest,
                digest,
                origin: origin.into(),
                bytes,
                capabilities,
                component,
                conduct: Conduct::default(),
            }),
        })
    }

    /// Checks what it imports and exports, and joins it to the host's functions.
    fn link(&self, origin: &str, component: &Component) -> Result<StrategyPre<State>, LoadError> {
        let misfit = |error: wasmtime::Error| LoadError::DoesNotFit { origin: origin.into(), reason: chain(&error) };
        let ty = component.component_type();
        let mut linker = self.linker().clone();
        for (import, item) in ty.imports(self.wasm()) {
            if mismatch::interface_of(import).is_some() {
                // Looked at below.
            } else if wasi::is_known(import) && matches!(item.ty, ComponentItem::ComponentInstance(_)) {
                wasi::define(&mut linker, import).map_err(misfit)?;
            } else {
                return Err(LoadError::UnknownImport { origin: origin.into(), import: import.into() });
            }
        }
        mismatch::check(self.wasm(), &ty).map_err(|misfit| LoadError::Misfit { origin: origin.into(), misfit })?;
        linker.define_unknown_imports_as_traps(component).map_err(misfit)?;
        linker.instantiate_pre(component).and_then(StrategyPre::new).map_err(misfit)
    }

    /// Asks it who it is, in an instance of its own.
    async fn describe(&self, origin: &str, component: &StrategyPre<State>) -> Result<Manifest, LoadError> {
        let failed = |reason| LoadError::Describe { origin: origin.into(), reason };
        let _place = self.describing().acquire().await.map_err(|error| failed(EndReason::Killed(error.to_string())))?;
        let shared = Arc::new(Shared::new("describe".into(), 0));
        let mut store = self.store(State::of_description(self, origin, Arc::clone(&shared)));
        let described = metered(Arc::clone(&shared), async {
            let strategy = component.instantiate_async(&mut store).await?;
            strategy.call_describe(&mut store).await
        })
        .await;
        described.map_err(|error| failed(store.data_mut().reason_of(error)))
    }
}

fn read(path: &Path, origin: &str) -> Result<Vec<u8>, LoadError> {
    let unreadable = |error: std::io::Error| LoadError::Read { origin: origin.into(), reason: error.to_string() };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > PLUGIN_BYTES {
        return Err(LoadError::TooLarge { origin: origin.into(), bytes });
    }
    std::fs::read(path).map_err(unreadable)
}

/// The first eight bytes of a Wasm file say which kind it is.
fn check_is_component(origin: &str, bytes: &[u8]) -> Result<(), LoadError> {
    let origin = || origin.to_owned();
    match bytes {
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(LoadError::CoreModule { origin: origin() }),
        _ => Err(LoadError::NotWasm { origin: origin() }),
    }
}

/// The manifest's capabilities, when it is in order.
fn check_manifest(manifest: &Manifest) -> Result<Vec<Capability>, String> {
    let Manifest { name, capabilities, .. } = manifest;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if name.is_empty() || name.len() > NAME_LENGTH || !name.chars().all(allowed) {
        let name = shortened(name.clone());
        return Err(format!("its name is {name:?}; it must be 1 to {NAME_LENGTH} of A-Z a-z 0-9 _ . -"));
    }
    capabilities
        .iter()
        .map(|named| {
            Capability::ALL.iter().copied().find(|capability| capability.name() == named).ok_or_else(|| {
                let known: Vec<_> = Capability::ALL.iter().map(|capability| capability.name()).collect();
                format!("names the capability {:?}; there are {}", shortened(named.clone()), known.join(", "))
            })
        })
        .collect()
}

/// An error with its causes.
fn chain(error: &wasmtime::Error) -> String {
    shortened(format!("{error:#}"))
}
