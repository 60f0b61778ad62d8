//! The plugins folder of a node, and the one task that looks after it.
//!
//! A file counts once it is whole: two looks a moment apart found the same bytes, and they are a component
//! from the first to the last. Until then, and when it is refused, everything stays as it was. The task also
//! carries out what operators want, loads versions that have a role and are in no file any more, and records
//! what was chosen. Loading is done beside it, so that a file that takes long holds up no other.
//!
//! A folder that cannot be read changes nothing: that a network folder is away does not drain every plugin.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jackfield_packages::Vouching;
use jackfield_strategy::{Engine, LoadError, Plugin};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::archive::Archive;
use crate::choice::{self, ChoiceError, Choices};
use crate::command::{Command, CommandError};
use crate::file::{self, Content, Kind, Stamp};
use crate::status::{FileState, FileStatus, PluginStatus};
use crate::table::{Plugins, Rollouts};
use crate::watch::Watch;

/// Between two looks at a file that has changed.
const SETTLE: Duration = Duration::from_millis(20);
/// A file to which nothing has happened for so long is looked at once.
const AT_REST: Duration = Duration::from_secs(2);
/// A file that ends too early, and to which nothing happens for so long, is refused.
const UNFINISHED: Duration = Duration::from_secs(5);
/// Files that are checked and compiled at once.
const LOADING: usize = 2;
/// Commands that wait.
const COMMANDS: usize = 16;
/// How often a long start tells how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// The start waits no longer for files that somebody is writing.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// Where plugins come from, and how they are taken.
#[derive(Clone, Debug)]
pub struct FolderSettings {
    /// The folder that files are dropped into.
    pub folder: PathBuf,
    /// A folder of the node's own, for what was chosen and for versions that may be wanted again.
    pub state: PathBuf,
    /// How versions follow each other.
    pub rollouts: Rollouts,
    /// Every plugin begins turned off.
    pub safe: bool,
    /// Whether the system's notifications are used; false for folders that they do not work for.
    pub notified: bool,
    /// How often the folder is looked at without them; with them, five times more seldom. Default 2 s.
    pub poll_every: Duration,
    /// Whose signatures files need, if any.
    pub vouching: Vouching,
    /// What makes plugins of documents (`.scxml`); none: they are refused.
    pub converter: Option<Converter>,
}

/// Makes the bytes of a plugin of a document: its path, and its bytes as they were read. The error is for people, and
/// says where it is.
#[derive(Clone)]
pub struct Converter(Arc<Convert>);

type Convert = dyn Fn(&Path, &[u8]) -> Result<Vec<u8>, String> + Send + Sync;

impl Converter {
    /// That does it so.
    pub fn new(convert: impl Fn(&Path, &[u8]) -> Result<Vec<u8>, String> + Send + Sync + 'static) -> Converter {
        Converter(Arc::new(convert))
    }
}

impl std::fmt::Debug for Converter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Converter")
    }
}

impl FolderSettings {
    /// These two folders, and for the rest the defaults: versions are current at once, notifications are used, and no
    /// signature is needed.
    pub fn new(folder: impl Into<PathBuf>, state: impl Into<PathBuf>) -> FolderSettings {
        FolderSettings {
            folder: folder.into(),
            state: state.into(),
            rollouts: Rollouts::default(),
            safe: false,
            notified: true,
            poll_every: Duration::from_secs(2),
            vouching: Vouching::default(),
            converter: None,
        }
    }
}

/// Why a folder cannot be looked after.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum FolderError {
    #[error("cannot read the folder of plugins {folder}: {reason}")]
    Unreadable { folder: PathBuf, reason: io::Error },
    #[error("cannot make the folder {folder}: {reason}")]
    State { folder: PathBuf, reason: io::Error },
    #[error(transparent)]
    Choices(#[from] ChoiceError),
}

/// A folder that is looked after. Dropping it ends that; plugins that were taken stay.
#[derive(Debug)]
pub struct Folder {
    plugins: Arc<Plugins>,
    files: watch::Receiver<Vec<FileStatus>>,
    commands: mpsc::Sender<Asked>,
    settings: watch::Sender<FolderSettings>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Asked {
    plugin: String,
    command: Command,
    answer: oneshot::Sender<Result<(), CommandError>>,
}

impl Folder {
    /// Takes what is there, and looks after it from then on. When this returns, every file that is not being
    /// written at this moment is taken or refused.
    ///
    /// # Errors
    /// The folder cannot be read, or what was chosen before cannot.
    pub async fn open(engine: Engine, settings: FolderSettings) -> Result<Folder, FolderError> {
        let versions = settings.state.join("versions");
        let archive =
            Archive::open(&versions).map_err(|reason| FolderError::State { folder: versions.clone(), reason })?;
        let choices = choice::load(&settings.state.join("choices.json"))?;
        if let Err(reason) = std::fs::read_dir(&settings.folder) {
            return Err(FolderError::Unreadable { folder: settings.folder.clone(), reason });
        }
        // Before the first look: what happens from here on is noticed.
        let watch = Watch::start(&settings.folder, settings.notified, settings.poll_every);
        let plugins = Arc::new(Plugins::new(choices.clone(), settings.rollouts.clone(), settings.safe));
        let (files_sender, files) = watch::channel(Vec::new());
        let mut keeper = Keeper {
            engine,
            plugins: plugins.clone(),
            archive,
            recorded: choices,
            troubled: false,
            files: BTreeMap::new(),
            unreadable: false,
            loading: JoinSet::new(),
            wanted: HashSet::new(),
            room: Arc::new(Semaphore::new(LOADING)),
            shown: files_sender,
            settings,
        };
        keeper.begin().await;
        let (commands, asked) = mpsc::channel(COMMANDS);
        let (settings, told) = watch::channel(keeper.settings.clone());
        let stop = CancellationToken::new();
        let task = tokio::spawn(keeper.run(watch, asked, told, stop.clone()));
        Ok(Folder { plugins, files, commands, settings, stop, task })
    }

    /// Goes on with other settings: how versions follow each other, how the folder is watched, whose signatures are
    /// needed; and with the policies the engine has now. Both folders stay, and versions that were taken. Files that
    /// were refused are looked at again.
    pub fn set_settings(&self, settings: FolderSettings) {
        self.settings.send_replace(settings);
    }

    /// What is in it, for the node.
    pub fn plugins(&self) -> &Arc<Plugins> {
        &self.plugins
    }

    /// Plugins and files, for people.
    pub fn status(&self) -> (Vec<PluginStatus>, Vec<FileStatus>) {
        (self.plugins.status(), self.files.borrow().clone())
    }

    /// Does something with a plugin. When this returns it is done, and recorded.
    ///
    /// # Errors
    /// It cannot be done, or not be recorded; see [`CommandError`].
    pub async fn command(&self, plugin: &str, command: Command) -> Result<(), CommandError> {
        let (answer, answered) = oneshot::channel();
        let asked = Asked { plugin: plugin.to_owned(), command, answer };
        self.commands.send(asked).await.map_err(|_| CommandError::Stopping)?;
        answered.await.unwrap_or(Err(CommandError::Stopping))
    }

    /// Ends it; what was chosen is recorded.
    pub async fn close(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the task that looks after the plugins folder broke");
        }
    }
}

/// A file that counts.
struct Tracked {
    kind: Kind,
    stamp: Stamp,
    changed_at: Instant,
    phase: Phase,
}

enum Phase {
    /// It is read at `due`, and once more where it was not read yet.
    Settling {
        digest: Option<String>,
        due: Instant,
    },
    Loading {
        digest: String,
    },
    Taken {
        plugin: String,
        version: String,
    },
    /// It ends too early; it is refused at `due`.
    Unfinished {
        problem: String,
        due: Instant,
    },
    Refused {
        problem: String,
        is_duplicate: bool,
    },
}

impl Phase {
    fn due(&self) -> Option<Instant> {
        match self {
            Phase::Settling { due, .. } | Phase::Unfinished { due, .. } => Some(*due),
            _ => None,
        }
    }
}

/// What was loaded beside the task.
enum Loaded {
    File { path: PathBuf, digest: String, result: Box<Result<Plugin, Refusal>> },
    Wanted { name: String, digest: String, result: Box<Result<Plugin, String>> },
}

struct Keeper {
    settings: FolderSettings,
    engine: Engine,
    plugins: Arc<Plugins>,
    archive: Archive,
    recorded: Choices,
    /// What was chosen cannot be recorded at the moment.
    troubled: bool,
    files: BTreeMap<PathBuf, Tracked>,
    /// The folder cannot be read at the moment.
    unreadable: bool,
    loading: JoinSet<Loaded>,
    /// Digests that are being loaded for a role.
    wanted: HashSet<String>,
    room: Arc<Semaphore>,
    shown: watch::Sender<Vec<FileStatus>>,
}

impl Keeper {
    /// Until everything that is there is taken or refused.
    async fn begin(&mut self) {
        let (began, mut told) = (Instant::now(), Instant::now());
        let mut loaded = Vec::new();
        let mut is_due = true;
        loop {
            // Not for each file that is loaded: what comes meanwhile is noticed by the watch.
            if is_due {
                self.scan().await;
            }
            if self.loading.is_empty() {
                self.finish_in_order(std::mem::take(&mut loaded));
            }
            self.load_wanted();
            let settles = self.files.values().any(|file| matches!(file.phase, Phase::Settling { .. }));
            if self.loading.is_empty() && !(settles && began.elapsed() < START_PATIENCE) {
                break;
            }
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                let done = self.files.len() - self.loading.len().min(self.files.len());
                tracing::info!(done, total = self.files.len(), "loading the plugins");
            }
            let due = self.next_due().unwrap_or_else(|| Instant::now() + TELL_EVERY).min(told + TELL_EVERY);
            is_due = tokio::select! {
                Some(one) = self.loading.join_next() => {
                    loaded.push(one);
                    false
                }
                () = tokio::time::sleep_until(due) => true,
            };
        }
        self.record().await;
        self.show();
    }

    /// Of files with one plugin the one is taken that was taken before, or else the first by its name, whichever
    /// was loaded first.
    fn finish_in_order(&mut self, mut loaded: Vec<Result<Loaded, tokio::task::JoinError>>) {
        loaded.sort_by_cached_key(|one| match one {
            Ok(Loaded::File { path, digest, result }) => {
                let seen = result.as_ref().as_ref().ok().and_then(|plugin| self.plugins.seen(plugin.name()));
                (seen.as_ref() != Some(digest), path.clone())
            }
            _ => (false, PathBuf::new()),
        });
        for one in loaded {
            self.finish(one);
        }
    }

    async fn run(
        mut self,
        mut watch: Watch,
        mut asked: mpsc::Receiver<Asked>,
        mut told: watch::Receiver<FolderSettings>,
        stop: CancellationToken,
    ) {
        let mut changes = self.plugins.changes();
        loop {
            let due = self.next_due();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(asked) = asked.recv() => self.carry_out(asked).await,
                Ok(()) = told.changed() => {
                    let settings = told.borrow_and_update().clone();
                    watch = self.go_on_with(settings, watch);
                    self.scan().await;
                }
                Some(loaded) = self.loading.join_next() => self.finish(loaded),
                _ = changes.changed() => {}
                () = sleep_until(due) => self.scan().await,
                () = watch.changed() => self.scan().await,
            }
            changes.mark_unchanged();
            self.load_wanted();
            self.record().await;
            self.show();
        }
        self.record().await;
    }

    fn next_due(&self) -> Option<Instant> {
        self.files.values().filter_map(|file| file.phase.due()).min()
    }

    fn go_on_with(&mut self, new: FolderSettings, watch: Watch) -> Watch {
        self.plugins.set_rules(new.rollouts.clone(), &self.engine.policies());
        let own = &mut self.settings;
        let is_watched_so = (own.notified, own.poll_every) == (new.notified, new.poll_every);
        (own.rollouts, own.vouching) = (new.rollouts, new.vouching);
        (own.notified, own.poll_every) = (new.notified, new.poll_every);
        // What was forbidden may be allowed now.
        let now = Instant::now();
        for file in self.files.values_mut() {
            if let Phase::Refused { .. } = file.phase {
                file.phase = Phase::Settling { digest: None, due: now };
            }
        }
        if is_watched_so { watch } else { Watch::start(&own.folder, own.notified, own.poll_every) }
    }

    // ---- files ----

    async fn scan(&mut self) {
        let folder = self.settings.folder.clone();
        let listed = blocking(move || file::list(&folder)).await;
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                if !std::mem::replace(&mut self.unreadable, true) {
                    let folder = self.settings.folder.display();
                    tracing::error!(%folder, %error, "the plugins folder cannot be read: everything stays as it is");
                }
                return;
            }
        };
        if std::mem::take(&mut self.unreadable) {
            tracing::info!(folder = %self.settings.folder.display(), "the plugins folder can be read again");
        }
        let now = Instant::now();
        self.forget_gone(&listed, now);
        for (path, kind, stamp) in listed {
            match self.files.get_mut(&path) {
                Some(file) if file.stamp == stamp => {}
                Some(file) => {
                    // While it is being written, reading it again and again is of no use.
                    let due = if now.duration_since(file.changed_at) < SETTLE { now + SETTLE } else { now };
                    (file.stamp, file.changed_at) = (stamp, now);
                    file.phase = Phase::Settling { digest: None, due };
                }
                None => {
                    let phase = Phase::Settling { digest: None, due: now };
                    self.files.insert(path, Tracked { kind, stamp, changed_at: now, phase });
                }
            }
        }
        let due: Vec<PathBuf> = self
            .files
            .iter()
            .filter(|(_, file)| file.phase.due().is_some_and(|due| due <= now))
            .map(|(path, _)| path.clone())
            .collect();
        for path in due {
            self.look_at(path).await;
        }
    }

    fn forget_gone(&mut self, listed: &[(PathBuf, Kind, Stamp)], now: Instant) {
        let there: HashSet<&PathBuf> = listed.iter().map(|(path, ..)| path).collect();
        let gone: Vec<PathBuf> = self.files.keys().filter(|path| !there.contains(path)).cloned().collect();
        for path in &gone {
            self.files.remove(path);
            self.plugins.gone(&text(path), None);
        }
        if !gone.is_empty() {
            // It may have been in the way of another.
            for file in self.files.values_mut() {
                if let Phase::Refused { is_duplicate: true, .. } = file.phase {
                    file.phase = Phase::Settling { digest: None, due: now };
                }
            }
        }
    }

    /// Its time has come.
    async fn look_at(&mut self, path: PathBuf) {
        let Some(file) = self.files.get_mut(&path) else { return };
        let seen = match &file.phase {
            Phase::Settling { digest, .. } => digest.clone(),
            Phase::Unfinished { problem, .. } => {
                let problem = problem.clone();
                return self.refuse(&path, problem, false);
            }
            _ => return,
        };
        if file.kind == Kind::Document && self.settings.converter.is_none() {
            let problem = "an SCXML document, and there is nothing here to convert it; `jackfield convert` does";
            return self.refuse(&path, format!("{}: {problem}", text(&path)), false);
        }
        let of = path.clone();
        let read = blocking(move || file::read(&of)).await;
        let Some(file) = self.files.get_mut(&path) else { return };
        let due = Instant::now() + SETTLE;
        match read {
            Ok(Some(content)) => {
                file.stamp = content.stamp;
                let is_whole = seen.as_ref() == Some(&content.digest) || content.stamp.is_older_than(AT_REST);
                if is_whole {
                    self.load(path, content);
                } else {
                    file.phase = Phase::Settling { digest: Some(content.digest), due };
                }
            }
            Ok(None) => file.phase = Phase::Settling { digest: None, due },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                file.phase = Phase::Settling { digest: None, due };
            }
            Err(error) => self.refuse(&path, format!("{}: could not be read: {error}", text(&path)), false),
        }
    }

    /// The file is whole.
    fn load(&mut self, path: PathBuf, content: Content) {
        let digest = content.digest;
        let Some(file) = self.files.get_mut(&path) else { return };
        file.phase = Phase::Loading { digest: digest.clone() };
        let converter = self.settings.converter.clone().filter(|_| file.kind == Kind::Document);
        let (engine, room, vouching) = (self.engine.clone(), self.room.clone(), self.settings.vouching.clone());
        let known = self.plugins.version(&digest);
        self.loading.spawn(async move {
            let result = Box::new(load(engine, room, vouching, known, converter, &path, content.bytes).await);
            Loaded::File { path, digest, result }
        });
    }

    fn finish(&mut self, loaded: Result<Loaded, tokio::task::JoinError>) {
        match loaded {
            Ok(Loaded::File { path, digest, result }) => self.loaded(&path, &digest, *result),
            Ok(Loaded::Wanted { name, digest, result }) => {
                self.wanted.remove(&digest);
                match *result {
                    Ok(plugin) => self.plugins.adopt(&plugin),
                    Err(problem) => {
                        tracing::error!(
                            plugin = name,
                            problem,
                            "a version that was chosen cannot be loaded; the one in the folder is used"
                        );
                        self.plugins.lost(&name, &digest);
                    }
                }
            }
            // Nothing in it panics; were it so, the next change of the file would try again.
            Err(error) => tracing::error!(%error, "a plugin could not be loaded"),
        }
    }

    fn loaded(&mut self, path: &Path, digest: &str, result: Result<Plugin, Refusal>) {
        let is_current = self
            .files
            .get(path)
            .is_some_and(|file| matches!(&file.phase, Phase::Loading { digest: of } if of == digest));
        if !is_current {
            // The file has changed since.
            return;
        }
        match result {
            Ok(plugin) => self.take(path, &plugin),
            Err(Refusal { problem, is_incomplete: true }) => {
                if let Some(file) = self.files.get_mut(path) {
                    file.phase = Phase::Unfinished { problem, due: file.changed_at + UNFINISHED };
                }
            }
            Err(Refusal { problem, .. }) => self.refuse(path, problem, false),
        }
    }

    fn take(&mut self, path: &Path, plugin: &Plugin) {
        let origin = text(path);
        self.plugins.gone(&origin, Some(plugin.name()));
        match self.plugins.came(plugin, &origin) {
            Ok(()) => {
                tracing::info!(plugin = plugin.name(), version = plugin.version(), file = origin, "plugin taken");
                if let Some(file) = self.files.get_mut(path) {
                    file.phase =
                        Phase::Taken { plugin: plugin.name().to_owned(), version: plugin.version().to_owned() };
                }
            }
            Err(other) => {
                let name = plugin.name().to_owned();
                let error = LoadError::Duplicate { origin, name, other };
                self.refuse(path, error.to_string(), true);
            }
        }
    }

    /// It is not taken, and changes nothing.
    fn refuse(&mut self, path: &Path, problem: String, is_duplicate: bool) {
        tracing::error!("{problem}");
        if let Some(file) = self.files.get_mut(path) {
            file.phase = Phase::Refused { problem, is_duplicate };
        }
    }

    fn show(&self) {
        let files = self.files.iter().map(|(path, file)| file.status(path)).collect();
        self.shown.send_if_modified(|shown| {
            let is_new = *shown != files;
            *shown = files;
            is_new
        });
    }

    // ---- versions that are in no file ----

    fn load_wanted(&mut self) {
        for (name, digest) in self.plugins.wanted() {
            if !self.wanted.insert(digest.clone()) {
                continue;
            }
            let loading = from_archive(self.engine.clone(), self.archive.clone(), self.room.clone(), digest.clone());
            self.loading.spawn(async move {
                let result = Box::new(loading.await);
                Loaded::Wanted { name, digest, result }
            });
        }
    }

    // ---- what operators want ----

    async fn carry_out(&mut self, asked: Asked) {
        let Asked { plugin, command, answer } = asked;
        let done = self.command(&plugin, &command).await;
        // Whoever asked may be gone; it is done all the same.
        let _ = answer.send(done);
    }

    async fn command(&mut self, name: &str, command: &Command) -> Result<(), CommandError> {
        let target = self.plugins.target(name, command)?;
        if let Some(digest) = &target
            && self.plugins.version(digest).is_none()
        {
            let loading = from_archive(self.engine.clone(), self.archive.clone(), self.room.clone(), digest.clone());
            let plugin = loading.await.map_err(CommandError::NotLoaded)?;
            self.plugins.adopt(&plugin);
        }
        tracing::info!(plugin = name, ?command, "an operator's command");
        self.plugins.command(name, command, target.as_deref());
        self.try_record().await.map_err(CommandError::NotRecorded)
    }

    // ---- what was chosen ----

    /// Records what has changed since; where that fails it is tried again with the next change, or look.
    async fn record(&mut self) {
        match self.try_record().await {
            Ok(()) if std::mem::take(&mut self.troubled) => {
                tracing::info!("the choices of plugin versions are recorded again");
            }
            Ok(()) => {}
            Err(problem) => {
                if !std::mem::replace(&mut self.troubled, true) {
                    tracing::error!(problem, "the choices of plugin versions are not recorded");
                }
            }
        }
    }

    async fn try_record(&mut self) -> Result<(), String> {
        let choices = self.plugins.choices();
        if choices == self.recorded {
            return Ok(());
        }
        let known = || choices.values().flat_map(|choice| &choice.known).map(|known| known.digest.as_str());
        let missing: Vec<Plugin> = known()
            .filter(|digest| !self.archive.has(digest))
            .filter_map(|digest| self.plugins.version(digest))
            .collect();
        let (archive, file, new) = (self.archive.clone(), self.settings.state.join("choices.json"), choices.clone());
        let written = blocking(move || {
            let archived = || -> io::Result<()> {
                missing.iter().try_for_each(|plugin| archive.keep(plugin))?;
                let known: BTreeSet<&str> =
                    new.values().flat_map(|choice| &choice.known).map(|known| known.digest.as_str()).collect();
                archive.keep_only(&known)
            };
            archived().map_err(|error| format!("a version cannot be kept for a rollback: {error}"))?;
            choice::save(&file, &new).map_err(|error| error.to_string())
        });
        written.await?;
        self.recorded = choices;
        Ok(())
    }
}

impl Tracked {
    fn status(&self, path: &Path) -> FileStatus {
        let (state, plugin, version, problem) = match &self.phase {
            Phase::Settling { .. } | Phase::Loading { .. } => (FileState::Loading, None, None, None),
            Phase::Unfinished { problem, .. } => (FileState::Loading, None, None, Some(problem.clone())),
            Phase::Taken { plugin, version } => (FileState::Taken, Some(plugin.clone()), Some(version.clone()), None),
            Phase::Refused { problem, .. } => (FileState::Refused, None, None, Some(problem.clone())),
        };
        FileStatus { file: text(path), state, plugin, version, problem }
    }
}

/// Why a file is not taken.
struct Refusal {
    problem: String,
    /// More of it may come.
    is_incomplete: bool,
}

/// Whether the file is vouched for, and what is in it; `known`: the same bytes, loaded before.
async fn load(
    engine: Engine,
    room: Arc<Semaphore>,
    vouching: Vouching,
    known: Option<Plugin>,
    converter: Option<Converter>,
    path: &Path,
    bytes: Vec<u8>,
) -> Result<Plugin, Refusal> {
    let origin = text(path);
    let (of, bytes) = (path.to_owned(), Arc::<[u8]>::from(bytes));
    let signed = bytes.clone();
    let vouched = blocking(move || vouching.check(&of, &signed).map(drop).map_err(|error| error.to_string())).await;
    vouched.map_err(|error| Refusal { problem: format!("{origin}: {error}"), is_incomplete: false })?;
    if let Some(plugin) = known {
        return Ok(plugin);
    }
    let _room = room.acquire_owned().await;
    let bytes = match converter {
        None => bytes,
        Some(Converter(convert)) => {
            let of = path.to_owned();
            let converted = blocking(move || convert(&of, &bytes)).await;
            converted.map_err(|problem| Refusal { problem, is_incomplete: false })?.into()
        }
    };
    let loaded = engine.load_bytes(&origin, &bytes).await;
    loaded.map_err(|error| Refusal { problem: error.to_string(), is_incomplete: error.is_incomplete() })
}

async fn from_archive(
    engine: Engine,
    archive: Archive,
    room: Arc<Semaphore>,
    digest: String,
) -> Result<Plugin, String> {
    let path = text(&archive.path(&digest));
    let bytes = blocking(move || archive.read(&digest)).await.map_err(|error| format!("{path}: {error}"))?;
    let _room = room.acquire_owned().await;
    engine.load_bytes(&path, &bytes).await.map_err(|error| error.to_string())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

async fn blocking<T: Send + 'static, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    E: Send + From<Broken> + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Broken(error.to_string()).into()))
}

/// The thread that did the work is gone.
struct Broken(String);

impl From<Broken> for io::Error {
    fn from(Broken(reason): Broken) -> Self {
        io::Error::other(reason)
    }
}

impl From<Broken> for String {
    fn from(Broken(reason): Broken) -> Self {
        reason
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
