//! Loading a plugin: its file is read, its compiled code taken from the cache, or it is checked and compiled;
//! then it is joined to the host's functions, and asked who it is.
//!
//! Nothing a file holds can do harm here: what is not a component of this contract is refused with
//! what is wrong with it, and `describe` runs under the limits of a session.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::code_cache::InUse;
use crate::codes::Code;
use crate::component::{self, Kind};
use crate::conduct::Conduct;
use crate::contract::{Manifest, Misfit, PACKAGE, StrategyPre, mismatch};
use crate::end::EndReason;
use crate::engine::Engine;
use crate::files::{self, Files};
use crate::host::wasi;
use crate::plugin::{Capability, Inner, Plugin};
use crate::policy::Policy;
use crate::session::{Shared, metered, shortened};
use crate::state::State;

/// Bytes of a plugin's file. One made from Python has 18 MB.
const PLUGIN_BYTES: u64 = 128 << 20;
/// Characters of a plugin's name (contract, `manifest`).
const NAME_LENGTH: usize = 64;

/// Why a plugin was refused. Each begins with where it came from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum LoadError {
    #[error("{origin}: could not be read: {reason}")]
    Read { origin: String, reason: String },
    #[error("{origin}: {bytes} bytes; a plugin of its kind has at most {most}")]
    TooLarge { origin: String, bytes: u64, most: u64 },
    #[error("{origin}: damaged, or written only in part: {reason}; copy it again")]
    Incomplete { origin: String, reason: String },
    #[error("{origin}: not a Wasm file; build a component for the target wasm32-wasip2")]
    NotWasm { origin: String },
    #[error("{origin}: a core module and not a component; build it for the target wasm32-wasip2")]
    CoreModule { origin: String },
    #[error("{origin}: line {line}, column {column}: {reason}")]
    Text { origin: String, line: usize, column: usize, reason: String, at_end: bool },
    #[error("{origin}: damaged, or built wrongly: {reason}, at byte {at}; build it again")]
    Invalid { origin: String, reason: String, at: u64 },
    #[error(
        "{origin}: uses a part of Wasm that strategies do not have: {reason}; build it for the target wasm32-wasip2"
    )]
    Unsupported { origin: String, reason: String },
    #[error("{origin}: cannot be compiled for this host: {reason}")]
    Compile { origin: String, reason: String },
    #[error("{origin}: imports `{import}`, which strategies do not have; they have {PACKAGE} and WASI 0.2")]
    UnknownImport { origin: String, import: String },
    #[error("{origin} cannot be converted:\n{reason}")]
    Document { origin: String, reason: String },
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
    #[error(
        "{origin}: plugin `{plugin}` {uses}, which its policy does not allow; to allow it, add \"{capability}\" to \
         `capabilities` of [[plugin]] `{plugin}`, or of [application.options.strategy] where it has none of its own"
    )]
    Forbidden { origin: String, plugin: String, uses: String, capability: String },
}

impl LoadError {
    /// Whether the file may only not be whole yet: somebody may still be writing it, and it is worth another
    /// look when it has changed. Exports come last: cut between two sections a component lacks them.
    pub fn is_incomplete(&self) -> bool {
        use LoadError::{Incomplete, Text};
        let lacks_exports = matches!(self, LoadError::Misfit { misfit: Misfit::Export { .. }, .. });
        lacks_exports || matches!(self, Incomplete { .. } | Text { at_end: true, .. })
    }
}

/// A plugin's bytes, taken apart.
struct Parts {
    digest: String,
    code: Arc<[u8]>,
    code_digest: String,
    files: Files,
}

/// What can be linked.
struct Compiled {
    component: Component,
    /// How long compiling took; none: it came out of the cache.
    took: Option<Duration>,
    kept: Option<InUse>,
}

impl Engine {
    /// Loads a plugin from its file: a component, or one written as text.
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

    /// Loads a plugin from its bytes; `origin` names it in errors. Compiles on other threads, a few plugins at
    /// a time.
    ///
    /// # Errors
    /// Says what is wrong with it, and what to do.
    pub async fn load_bytes(&self, origin: &str, bytes: &[u8]) -> Result<Plugin, LoadError> {
        let kind = component::kind_of(origin, bytes)?;
        let bytes: Arc<[u8]> = bytes.into();
        let parts = self.take_apart(origin, &bytes).await?;
        let (code, compile_time) = self.code(origin, &parts, kind).await?;
        let ty = code.component.component_type();
        let imports = ty.imports(self.wasm()).map(|(import, _)| import.to_owned()).collect();
        let manifest = self.describe(origin, &code.linked, parts.files.clone()).await?;
        let capabilities =
            check_manifest(&manifest).map_err(|reason| LoadError::Manifest { origin: origin.into(), reason })?;
        let policy = self.policies().of(&manifest.name).clone();
        self.check_policy(origin, &manifest, &code.component, &policy)?;
        Ok(Plugin::new(Inner {
            manifest,
            digest: parts.digest,
            origin: origin.into(),
            bytes,
            imports,
            capabilities,
            code,
            files: parts.files,
            policy: RwLock::new(Arc::new(policy)),
            compile_time,
            conduct: Conduct::default(),
        }))
    }

    /// What is compiled of it and what it carries, with their digests.
    async fn take_apart(&self, origin: &str, bytes: &Arc<[u8]>) -> Result<Parts, LoadError> {
        let failed = |reason: String| LoadError::Compile { origin: origin.into(), reason };
        let place = self.compiler().place_to_look().await.map_err(failed)?;
        let bytes = Arc::clone(bytes);
        let take_apart = move || {
            let _place = place;
            let digest = digest_of(&bytes);
            let (code, files) = files::split(&bytes);
            let (code, code_digest) = match code {
                Cow::Borrowed(_) => (Arc::clone(&bytes), digest.clone()),
                Cow::Owned(code) => {
                    let code_digest = digest_of(&code);
                    (code.into(), code_digest)
                }
            };
            Parts { digest, code, code_digest, files }
        };
        tokio::task::spawn_blocking(take_apart).await.map_err(|error| failed(error.to_string()))
    }

    /// Its code: that of another plugin, what the cache has, or compiled, and how long that took.
    async fn code(&self, origin: &str, parts: &Parts, kind: Kind) -> Result<(Arc<Code>, Option<Duration>), LoadError> {
        let place = self.codes().place(&parts.code_digest);
        let mut place = place.lock().await;
        if let Some(code) = place.upgrade() {
            return Ok((code, None));
        }
        let compiled = match self.look_up(origin, &parts.code_digest).await? {
            Some(compiled) => compiled,
            None => self.compile(origin, &parts.code, &parts.code_digest, kind).await?,
        };
        let linked = self.link(origin, &compiled.component)?;
        let code = Arc::new(Code { component: compiled.component, linked, _kept: compiled.kept });
        *place = Arc::downgrade(&code);
        Ok((code, compiled.took))
    }

    /// What the cache has of this code: it was checked when it was compiled.
    async fn look_up(&self, origin: &str, digest: &str) -> Result<Option<Compiled>, LoadError> {
        let failed = |reason: String| LoadError::Compile { origin: origin.into(), reason };
        let place = self.compiler().place_to_look().await.map_err(failed)?;
        let (engine, cache, digest) = (self.wasm().clone(), self.code_cache().cloned(), digest.to_owned());
        let look = move || {
            let _place = place;
            let found = cache.and_then(|cache| cache.get(&engine, &digest));
            found.map(|(component, kept)| Compiled { component, took: None, kept: Some(kept) })
        };
        tokio::task::spawn_blocking(look).await.map_err(|error| failed(error.to_string()))
    }

    /// Checks all of it, compiles it, and keeps its code for the next time.
    async fn compile(&self, origin: &str, bytes: &Arc<[u8]>, digest: &str, kind: Kind) -> Result<Compiled, LoadError> {
        let failed = |reason: String| LoadError::Compile { origin: origin.into(), reason };
        let (engine, cache, counter) = (self.wasm().clone(), self.code_cache().cloned(), self.compiler().counter());
        let (bytes, digest, file) = (Arc::clone(bytes), digest.to_owned(), origin.to_owned());
        let compile = move || {
            let binary = component::checked(&file, &bytes, kind, engine.get_wasm_features())?;
            counter.fetch_add(1, Ordering::Relaxed);
            let begins = Instant::now();
            let component = Component::from_binary(&engine, &binary)
                .map_err(|error| LoadError::Compile { origin: file, reason: chain(&error) })?;
            let took = Some(begins.elapsed());
            let kept = cache.map(|cache| cache.put(&component, &digest));
            Ok(Compiled { component, took, kept })
        };
        self.compiler().run(compile).await.map_err(failed)?
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
                return Err(LoadError::UnknownImport { origin: origin.into(), import: component::shown(import) });
            }
        }
        mismatch::check(self.wasm(), &ty).map_err(|misfit| LoadError::Misfit { origin: origin.into(), misfit })?;
        linker.define_unknown_imports_as_traps(component).map_err(misfit)?;
        linker.instantiate_pre(component).and_then(StrategyPre::new).map_err(misfit)
    }

    /// Whether its policy allows what it imports, and what its manifest names.
    fn check_policy(
        &self,
        origin: &str,
        manifest: &Manifest,
        component: &Component,
        policy: &Policy,
    ) -> Result<(), LoadError> {
        let forbidden = |uses: String, capability: &str| LoadError::Forbidden {
            origin: origin.into(),
            plugin: manifest.name.clone(),
            uses,
            capability: capability.into(),
        };
        for (import, item) in component.component_type().imports(self.wasm()) {
            if let Some((interface, _)) = mismatch::interface_of(import)
                && !policy.allows(interface)
                && self.has_functions(&item.ty)
            {
                return Err(forbidden(format!("imports `{import}`"), interface));
            }
        }
        match manifest.capabilities.iter().find(|named| !policy.allows(named)) {
            Some(named) => Err(forbidden(format!("names the capability `{named}`"), named)),
            None => Ok(()),
        }
    }

    /// Whether something can be called in an interface: one that is imported for its types does nothing.
    fn has_functions(&self, import: &ComponentItem) -> bool {
        match import {
            ComponentItem::ComponentInstance(interface) => {
                interface.exports(self.wasm()).any(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)))
            }
            _ => true,
        }
    }

    /// Asks it who it is, in an instance of its own.
    async fn describe(
        &self,
        origin: &str,
        component: &StrategyPre<State>,
        files: Files,
    ) -> Result<Manifest, LoadError> {
        let failed = |reason| LoadError::Describe { origin: origin.into(), reason };
        let _place = self.describing().acquire().await.map_err(|error| failed(EndReason::Killed(error.to_string())))?;
        let shared = Arc::new(Shared::new("describe".into(), 0));
        let mut store = self.store(State::of_description(self, origin, files, Arc::clone(&shared)));
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
        return Err(LoadError::TooLarge { origin: origin.into(), bytes, most: PLUGIN_BYTES });
    }
    std::fs::read(path).map_err(unreadable)
}

/// What tells versions apart: SHA-256 in hexadecimal, as [`Plugin::digest`] has it.
pub fn digest_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut digest, byte| {
        let _ = write!(digest, "{byte:02x}");
        digest
    })
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
    component::shown(&format!("{error:#}"))
}
