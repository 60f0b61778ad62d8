//! `jackfield install`: plugins from registries into the folder, each checked before it is there.
//!
//! Nothing in the folder changes until a plugin has come whole, is what its digest and the lock file say, is
//! vouched for as the site wants it, and has been loaded as the node would load it. Then its file is replaced
//! in one step. Of several, each succeeds or fails by itself.

use anyhow::{Context, bail};
use jackfield_packages::oci::{Found, Progress, Purpose, Reference, Registry};
use jackfield_packages::{Locked, PluginsFolder, Signed, Vouching, sha256, signature};
use jackfield_strategy::Plugin;
use serde_json::{Value as Json, json};

use super::registry::{connect, failed, kibibytes, shown};
use super::versions::Versions;
use crate::cli::{Global, Install};
use crate::config;
use crate::exit::{self, Exit, Usage};
use crate::{output, text};

/// Install what is named, or what the lock file names.
///
/// # Errors
/// The one plugin could not be installed, or nothing was to be done. Of several, each error is shown.
pub async fn install(global: &Global, arguments: Install) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    let path = arguments.plugins.clone().unwrap_or_else(|| site.application.plugins.clone());
    let folder = PluginsFolder::open(&path)?;
    let wanted = wanted(&arguments, folder.lock().all())?;
    if wanted.is_empty() {
        let shown = text::path(&path);
        return Err(Usage(format!("nothing was installed in {shown} so far; name a plugin, oci://…")).into());
    }
    let (versions, vouching) = (Versions::new(&site)?, config::vouching(&site));
    let mut installer = Installer { versions, vouching, folder, arguments: &arguments };
    let mut failures = Vec::new();
    for one in &wanted {
        match installer.install(one).await {
            Ok(outcome) => {
                output::line(if global.json { outcome.as_json().to_string() } else { outcome.as_text() })?;
            }
            Err(error) if wanted.len() == 1 => return Err(error),
            Err(error) => failures.push(exit::explain(&error, global.json)),
        }
    }
    Ok(match failures.as_slice() {
        [] => Exit::Done,
        some if some.len() < wanted.len() => Exit::Partly,
        all if all.iter().all(|exit| *exit == Exit::Unreachable) => Exit::Unreachable,
        _ => Exit::Failed,
    })
}

/// A plugin that is to be in the folder.
struct Wanted {
    /// How it is asked for.
    reference: Reference,
    /// What the lock file says of it, where it is to be as that says, or as its tag says now.
    locked: Option<Locked>,
}

fn wanted(arguments: &Install, locked: &[Locked]) -> anyhow::Result<Vec<Wanted>> {
    if !arguments.references.is_empty() {
        let named = arguments.references.iter().cloned();
        return Ok(named.map(|reference| Wanted { reference, locked: None }).collect());
    }
    let from_lock = |locked: &Locked| {
        let recorded = locked.reference()?;
        let moves = arguments.update && recorded.digest().is_none();
        let reference = if moves { recorded } else { recorded.pinned(&locked.manifest) };
        Ok(Wanted { reference, locked: Some(locked.clone()) })
    };
    locked.iter().map(from_lock).collect()
}

/// Refuses another file than the lock file has for the manifest it names.
fn as_locked(reference: &Reference, locked: &Locked, found: &Found) -> anyhow::Result<()> {
    if locked.manifest != found.manifest || locked.content == found.content {
        return Ok(());
    }
    bail!(
        "{reference}: its file is {}, but the lock file says {}; one of them was changed: find out which, then \
         install it by its reference",
        found.content,
        locked.content,
    );
}

struct Installer<'a> {
    versions: Versions,
    vouching: Vouching,
    folder: PluginsFolder,
    arguments: &'a Install,
}

impl Installer<'_> {
    async fn install(&mut self, wanted: &Wanted) -> anyhow::Result<Outcome> {
        let reference = &wanted.reference;
        // What is there by digest needs no registry.
        if let Some(locked) = &wanted.locked
            && reference.digest().is_some()
            && let Some(outcome) = self.in_place(locked)
        {
            return Ok(outcome);
        }
        let registry = connect(reference, self.arguments.insecure, Purpose::Fetch).await?;
        let found = shown("looking up", reference, &Progress::default(), registry.find()).await.map_err(failed)?;
        if let Some(locked) = self.same(wanted, &found)
            && let Some(outcome) = self.in_place(&locked)
        {
            return Ok(outcome);
        }
        if let Some(locked) = &wanted.locked {
            as_locked(reference, locked, &found)?;
        }
        let (bytes, signed) = self.fetch(reference, &registry, &found).await?;
        let plugin = self.versions.engine().load_bytes(&reference.to_string(), &bytes).await?;
        let file = self.file(wanted, &plugin, &found)?;
        let was = self.folder.lock().get(&file).cloned();
        let asked = match &wanted.locked {
            Some(locked) => locked.reference()?,
            None => reference.clone(),
        };
        let locked = Locked::new(file, &asked, found.manifest.clone(), found.content.clone());
        if !self.arguments.dry_run {
            let signature = found.signature.as_deref().filter(|text| signature::is_signature(text));
            self.folder.put(locked.clone(), &bytes, signature)?;
        }
        let state = match &was {
            Some(was) if was.content != locked.content => State::Updated,
            _ => State::Installed,
        };
        let plugin = Some((plugin.name().to_owned(), plugin.version().to_owned()));
        Ok(Outcome {
            state,
            dry_run: self.arguments.dry_run,
            path: text::path(&self.folder.path(&locked.file)),
            plugin,
            bytes: bytes.len() as u64,
            signed,
            was: was.filter(|was| was.manifest != locked.manifest),
            locked,
        })
    }

    /// What the lock file says, where that is what was found; and that it is, where it must be.
    fn same(&self, wanted: &Wanted, found: &Found) -> Option<Locked> {
        let asked = wanted.reference.to_string();
        let mut all = self.folder.lock().all().iter();
        let recorded = wanted.locked.clone().or_else(|| all.find(|locked| locked.reference == asked).cloned());
        recorded.filter(|locked| locked.manifest == found.manifest && locked.content == found.content)
    }

    /// The plugin as it is in the folder, where that is what the lock file says, and vouched for.
    fn in_place(&self, locked: &Locked) -> Option<Outcome> {
        let bytes = self.folder.read(&locked.file).filter(|bytes| sha256(bytes) == locked.content)?;
        let path = self.folder.path(&locked.file);
        let signed = self.vouching.check(&path, &bytes).ok()?;
        Some(Outcome {
            state: State::Unchanged,
            dry_run: self.arguments.dry_run,
            path: text::path(&path),
            plugin: None,
            bytes: bytes.len() as u64,
            signed,
            was: None,
            locked: locked.clone(),
        })
    }

    /// Its file, and who vouches for it. A stranger's file is not run, not even to ask what it is.
    async fn fetch(
        &self,
        reference: &Reference,
        registry: &Registry,
        found: &Found,
    ) -> anyhow::Result<(Vec<u8>, Option<Signed>)> {
        let progress = Progress::default();
        let fetching = shown("fetching", reference, &progress, registry.fetch(found, &progress));
        let bytes = fetching.await.map_err(failed)?;
        let name = format!("{}.wasm", reference.name().rsplit('/').next().unwrap_or_default());
        let signed = self.vouching.check_text(&name, &bytes, found.signature.as_deref());
        Ok((bytes, signed.with_context(|| reference.to_string())?))
    }

    /// The file it is to be: that of its name.
    fn file(&self, wanted: &Wanted, plugin: &Plugin, found: &Found) -> anyhow::Result<String> {
        let (reference, file) = (&wanted.reference, format!("{}.wasm", plugin.name()));
        if let Some(locked) = wanted.locked.as_ref().filter(|locked| locked.file != file) {
            bail!(
                "{reference}: it names itself `{}` now, and would no longer be {}; take that out of the lock file, \
                 and install this one by its reference",
                plugin.name(),
                locked.file,
            );
        }
        if file.starts_with('.') {
            bail!("{reference}: it names itself `{}`; a file of that name would be hidden", plugin.name());
        }
        let path = self.folder.path(&file);
        let own = self.folder.lock().get(&file).is_some() || self.arguments.replace;
        let same = || self.folder.read(&file).is_some_and(|bytes| sha256(&bytes) == found.content);
        if !own && path.symlink_metadata().is_ok() && !same() {
            bail!(
                "{reference}: {} is there already, and was not installed; move it away, or add --replace",
                text::path(&path)
            );
        }
        Ok(file)
    }
}

/// What has become of one plugin.
struct Outcome {
    state: State,
    dry_run: bool,
    /// Its file, for people.
    path: String,
    /// Its name and version, where it was looked at.
    plugin: Option<(String, String)>,
    bytes: u64,
    signed: Option<Signed>,
    /// What the lock file said, where that was something else.
    was: Option<Locked>,
    locked: Locked,
}

#[derive(Clone, Copy)]
enum State {
    Installed,
    Updated,
    Unchanged,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Installed => "installed",
            State::Updated => "updated",
            State::Unchanged => "unchanged",
        }
    }
}

impl Outcome {
    fn as_text(&self) -> String {
        let Locked { reference, manifest, content, .. } = &self.locked;
        let signed = self.signed.as_ref().map_or_else(|| "not vouched for".into(), ToString::to_string);
        let Some((plugin, version)) = &self.plugin else {
            return format!("{} is as the lock file says: {reference}, {content}, {signed}", self.path);
        };
        let done = if self.dry_run { format!("would be {}", self.state.word()) } else { self.state.word().into() };
        let was = self.was.as_ref().map(|was| format!("\n  was {}, {}", was.reference, was.manifest));
        format!(
            "{plugin} {version} {done} as {}\n  {reference} is {manifest}\n  file {content}, {}, {signed}{}",
            self.path,
            kibibytes(self.bytes),
            was.unwrap_or_default(),
        )
    }

    fn as_json(&self) -> Json {
        let signed = self.signed.as_ref().map(|signed| {
            json!({
                "key": signed.key_name,
                "keyId": signed.key_id.to_string(),
                "comment": signed.trusted_comment,
            })
        });
        json!({
            "state": self.state.word(),
            "dryRun": self.dry_run,
            "file": self.locked.file,
            "plugin": self.plugin.as_ref().map(|(name, _)| name),
            "version": self.plugin.as_ref().map(|(_, version)| version),
            "reference": self.locked.reference,
            "manifest": self.locked.manifest,
            "content": self.locked.content,
            "bytes": self.bytes,
            "signed": signed,
            "was": self.was.as_ref().map(|was| was.manifest.clone()),
        })
    }
}
