//! Compiled code, kept in a folder so that a start need not compile again what was compiled before.
//!
//! Compiled code runs outside of any sandbox: whoever could put some into this folder would be the node. So an
//! entry is run only when a keyed check over all of it holds, made with a key that this folder holds and that
//! nobody but us can read; and nothing that others could have written is looked at. The check also ties the
//! code to the plugin it was made from, and to the engine that made it, so that entries cannot be exchanged.
//!
//! An entry is named after the digest of its plugin and the engine's settings. It is written once, whole or not
//! at all, and never replaced. It ends when it is found to be damaged or foreign, or when room is needed: those
//! longest unused go first, and none that a loaded plugin came from. While another process uses the same folder
//! nothing is removed to make room, for what that one has loaded is not known here.
//!
//! Nothing that goes wrong here is an error for anybody: it costs a compile, and the log says it.

use std::collections::HashMap;
use std::fs::{DirBuilder, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;
use wasmtime::component::Component;

/// Bytes of all entries.
const BYTES: u64 = 1 << 30;
/// Entries.
const ENTRIES: usize = 4_096;
/// Bytes of one entry.
const ENTRY_BYTES: u64 = 256 << 20;
/// Entries written until what the folder holds is counted again: others may write there too.
const COUNT_AGAIN: usize = 64;
/// How an entry begins. Another layout gets another number.
const MAGIC: &[u8; 16] = b"jackfield code 1";
/// Bytes of the check, which follows.
const CHECK: usize = blake3::OUT_LEN;
/// The file of the key.
const KEY: &str = "key";
/// How names of files begin that are still being written.
const UNFINISHED: &str = "new-";
/// How names of entries end.
const FINISHED: &str = ".code";
/// Bits of a file's mode that let others write.
const WRITE_BY_OTHERS: u32 = 0o022;
/// Bits that let others do anything.
const ANYTHING_BY_OTHERS: u32 = 0o077;

/// One folder, for one engine.
#[derive(Debug)]
pub(crate) struct CodeCache {
    folder: PathBuf,
    /// What compiled code must have in common with the engine: its version, its settings, the processor.
    engine: u64,
    /// Most it may hold.
    most: Room,
    /// Names of the entries that loaded plugins came from, and how many each.
    in_use: Mutex<HashMap<String, usize>>,
    /// The folder, locked: tells other processes that somebody uses it.
    locked: Mutex<Option<File>>,
    /// Taken for as long as an entry is written.
    writing: Mutex<Counted>,
    /// The log has been told that it cannot be used.
    told: AtomicBool,
}

/// An amount of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Room {
    entries: usize,
    bytes: u64,
}

/// What the folder held when it was last counted, and what was written since.
#[derive(Debug, Default)]
struct Counted {
    held: Room,
    /// Entries that may be written until it is counted again.
    left: usize,
}

/// Keeps an entry from being removed, for as long as a plugin that came from it is there.
#[derive(Debug)]
pub(crate) struct InUse {
    cache: Arc<CodeCache>,
    name: String,
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut in_use = lock(&self.cache.in_use);
        if let Some(count) = in_use.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                in_use.remove(&self.name);
            }
        }
    }
}

/// Why an entry, or the folder, is of no use.
#[derive(Debug)]
enum Problem {
    /// There is no such entry.
    Missing,
    /// The entry is not what was written here.
    Bad(String),
    /// Nothing can be read or written.
    Folder(String),
}

impl From<Errno> for Problem {
    fn from(error: Errno) -> Problem {
        Problem::Folder(std::io::Error::from(error).to_string())
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Problem {
        Problem::Folder(error.to_string())
    }
}

/// The folder, open, and the key in it.
struct Open {
    folder: File,
    key: [u8; blake3::KEY_LEN],
}

impl CodeCache {
    /// In this folder, which is made when it is first needed.
    pub fn new(folder: PathBuf, engine: &wasmtime::Engine) -> CodeCache {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        CodeCache {
            folder,
            engine: hasher.finish(),
            most: Room { entries: ENTRIES, bytes: BYTES },
            in_use: Mutex::default(),
            locked: Mutex::default(),
            writing: Mutex::default(),
            told: AtomicBool::new(false),
        }
    }

    /// The compiled code of the plugin with this digest, where it is there and as it was written.
    pub fn get(self: &Arc<Self>, engine: &wasmtime::Engine, digest: &str) -> Option<(Component, InUse)> {
        let name = self.name(digest);
        // Before it is read, so that it is not removed meanwhile.
        let in_use = self.mark(&name);
        let loaded = self.open().and_then(|open| self.load(&open, engine, &name, digest));
        match loaded {
            Ok(component) => Some((component, in_use)),
            Err(Problem::Missing) => None,
            Err(Problem::Folder(reason)) => {
                self.tell(&reason);
                None
            }
            Err(Problem::Bad(reason)) => {
                tracing::warn!(
                    entry = %self.folder.join(&name).display(),
                    "compiled code is thrown away, and compiled anew: {reason}"
                );
                if let Err(Problem::Folder(reason)) = self.remove(&name) {
                    self.tell(&format!("{name} cannot be removed: {reason}"));
                }
                None
            }
        }
    }

    /// Keeps the compiled code of the plugin with this digest, for the next time.
    pub fn put(self: &Arc<Self>, component: &Component, digest: &str) -> InUse {
        let name = self.name(digest);
        let in_use = self.mark(&name);
        match self.write(component, &name, digest) {
            Ok(()) => self.told.store(false, Ordering::Relaxed),
            Err(Problem::Folder(reason) | Problem::Bad(reason)) => self.tell(&reason),
            Err(Problem::Missing) => self.tell("its folder has gone"),
        }
        in_use
    }

    fn load(&self, open: &Open, engine: &wasmtime::Engine, name: &str, digest: &str) -> Result<Component, Problem> {
        let (file, entry) = read_entry(&open.folder, name)?;
        let rest = entry.strip_prefix(MAGIC).ok_or_else(|| Problem::Bad("it does not begin like one".into()))?;
        let (found, code) = rest.split_at_checked(CHECK).ok_or_else(|| Problem::Bad("it is too short".into()))?;
        // Comparing hashes takes the same time wherever they differ.
        let holds = blake3::Hash::from_slice(found).is_ok_and(|found| found == self.check(&open.key, digest, code));
        if !holds {
            return Err(Problem::Bad("it is damaged, or not from here".into()));
        }
        // SAFETY: code that is run must be what `Component::serialize` gave, unchanged. It is: the check over all
        // of these very bytes holds, with a key that only we can read; we make that check in `write` only, over what
        // `serialize` gave. They are in our memory, where nobody changes them after the check. What an engine of
        // another version or with other settings gave has another check, and is refused by wasmtime as well.
        let component = unsafe { Component::deserialize(engine, code) }
            .map_err(|error| Problem::Bad(format!("it does not fit this engine: {error:#}")))?;
        // Those longest unused go first. Where it cannot be marked it only seems to be older.
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let _ = rustix::fs::futimens(&file, &Timestamps { last_access: omit, last_modification: now });
        Ok(component)
    }

    fn write(&self, component: &Component, name: &str, digest: &str) -> Result<(), Problem> {
        let code = component.serialize().map_err(|error| Problem::Folder(format!("{error:#}")))?;
        let mut counted = lock(&self.writing);
        let open = self.open()?;
        let bytes = len(MAGIC.len() + CHECK + code.len());
        self.make_room(&open, &mut counted, bytes)?;
        let check = self.check(&open.key, digest, &code);
        let written = write_new(&open.folder, name, &[MAGIC, check.as_bytes(), &code])?;
        if written {
            counted.held.entries += 1;
            counted.held.bytes += bytes;
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), Problem> {
        Ok(rustix::fs::unlinkat(open_folder(&self.folder)?, name, AtFlags::empty())?)
    }

    fn check(&self, key: &[u8; blake3::KEY_LEN], digest: &str, code: &[u8]) -> blake3::Hash {
        // What precedes the code has one length.
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(MAGIC).update(blake3::hash(digest.as_bytes()).as_bytes());
        hasher.update(&self.engine.to_be_bytes()).update(code);
        hasher.finalize()
    }

    fn name(&self, digest: &str) -> String {
        format!("{digest}-{:016x}{FINISHED}", self.engine)
    }

    fn mark(self: &Arc<Self>, name: &str) -> InUse {
        *lock(&self.in_use).entry(name.to_owned()).or_default() += 1;
        InUse { cache: Arc::clone(self), name: name.to_owned() }
    }

    /// Says once that it cannot be used, until it can again.
    fn tell(&self, reason: &str) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                folder = %self.folder.display(),
                "compiled code cannot be kept, and plugins are compiled each time: {reason}"
            );
        }
    }

    /// Opens the folder anew each time: it may have been removed, or exchanged.
    fn open(&self) -> Result<Open, Problem> {
        let folder = open_folder(&self.folder)?;
        self.lock_shared(&folder)?;
        let key = read_key(&folder)?;
        Ok(Open { folder, key })
    }

    /// Others see that it is used, for as long as this engine lives.
    fn lock_shared(&self, folder: &File) -> Result<(), Problem> {
        let identity = |file: &File| file.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
        let mut locked = lock(&self.locked);
        let is_same = match &*locked {
            Some(held) => identity(held)? == identity(folder)?,
            None => false,
        };
        if !is_same {
            let held = folder.try_clone()?;
            // Some network folders have no locks: then nothing there is removed to make room.
            let _ = rustix::fs::flock(&held, FlockOperation::LockShared);
            *locked = Some(held);
        }
        Ok(())
    }

    /// Does this while nobody else uses the folder; not at all when somebody does.
    fn alone<T>(&self, then: impl FnOnce() -> T) -> Option<T> {
        let locked = lock(&self.locked);
        let held = locked.as_ref()?;
        let alone = rustix::fs::flock(held, FlockOperation::NonBlockingLockExclusive).is_ok();
        let done = alone.then(then);
        // A lock that is not had for all others may be lost too.
        let _ = rustix::fs::flock(held, FlockOperation::LockShared);
        done
    }

    /// Removes what has not been used for longest, until so many bytes more have room.
    fn make_room(&self, open: &Open, counted: &mut Counted, bytes: u64) -> Result<(), Problem> {
        if bytes > ENTRY_BYTES {
            return Err(Problem::Folder(format!("an entry has at most {ENTRY_BYTES} bytes, and not {bytes}")));
        }
        let wanted = |held: Room| Room { entries: held.entries + 1, bytes: held.bytes.saturating_add(bytes) };
        if counted.left > 0 && self.has_room(wanted(counted.held)) {
            counted.left -= 1;
            return Ok(());
        }
        let mut entries = self.entries(open)?;
        let mut held = Room { entries: entries.len(), bytes: entries.iter().map(|entry| entry.bytes).sum() };
        if !self.has_room(wanted(held)) {
            self.alone(|| {
                entries.sort_unstable_by_key(|entry| entry.used);
                let in_use = lock(&self.in_use);
                for entry in entries.iter().filter(|entry| !in_use.contains_key(&entry.name)) {
                    if self.has_room(wanted(held)) {
                        break;
                    }
                    if rustix::fs::unlinkat(&open.folder, &entry.name, AtFlags::empty()).is_ok() {
                        held.entries -= 1;
                        held.bytes -= entry.bytes;
                    }
                }
            });
        }
        *counted = Counted { held, left: COUNT_AGAIN };
        if self.has_room(wanted(held)) {
            return Ok(());
        }
        let Room { entries, bytes: full } = held;
        Err(Problem::Folder(format!("{entries} entries of {full} bytes leave no room, and are all in use")))
    }

    fn has_room(&self, wanted: Room) -> bool {
        wanted.entries <= self.most.entries && wanted.bytes <= self.most.bytes
    }

    /// All entries. What somebody began to write and never finished is removed.
    fn entries(&self, open: &Open) -> Result<Vec<Entry>, Problem> {
        let (mut entries, mut unfinished) = (Vec::new(), Vec::new());
        for file in rustix::fs::Dir::read_from(&open.folder)? {
            let file = file?;
            let Ok(name) = file.file_name().to_str() else { continue };
            if name.starts_with(UNFINISHED) {
                unfinished.push(name.to_owned());
            } else if name.ends_with(FINISHED)
                && let Ok(stat) = rustix::fs::statat(&open.folder, name, AtFlags::SYMLINK_NOFOLLOW)
            {
                let bytes = u64::try_from(stat.st_size).unwrap_or(0);
                entries.push(Entry { name: name.to_owned(), bytes, used: (stat.st_mtime, stat.st_mtime_nsec) });
            }
        }
        if !unfinished.is_empty() {
            // None of ours: only one is written at a time.
            self.alone(|| {
                for name in unfinished {
                    let _ = rustix::fs::unlinkat(&open.folder, name, AtFlags::empty());
                }
            });
        }
        Ok(entries)
    }
}

struct Entry {
    name: String,
    bytes: u64,
    /// When it was last used: seconds and nanoseconds.
    used: (i64, u64),
}

/// The folder, made when it is missing, when nobody but us can write to it.
fn open_folder(path: &Path) -> Result<File, Problem> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::LOOP | Errno::NOTDIR) => {
            return Err(Problem::Folder(
                "it is not a folder, or a symbolic link to one; name the folder itself".into(),
            ));
        }
        opened => File::from(opened?),
    };
    let metadata = folder.metadata()?;
    if !is_ours(&metadata) {
        return Err(Problem::Folder(format!("the folder belongs to the user {}; name another", metadata.uid())));
    }
    if metadata.mode() & WRITE_BY_OTHERS != 0 {
        return Err(Problem::Folder("others may write to the folder; empty it, and `chmod 700` it".into()));
    }
    Ok(folder)
}

fn is_ours(metadata: &std::fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}

/// Opens a file for reading, and nothing that leads elsewhere or waits for somebody.
fn open_file(folder: &File, name: &str) -> Result<File, Problem> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Ok(file) => Ok(File::from(file)),
        Err(Errno::NOENT) => Err(Problem::Missing),
        Err(Errno::LOOP) => Err(Problem::Bad("it is a symbolic link".into())),
        Err(error @ (Errno::ACCESS | Errno::PERM | Errno::NXIO)) => {
            Err(Problem::Bad(std::io::Error::from(error).to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

/// All of an entry, when nobody but us can have written it.
fn read_entry(folder: &File, name: &str) -> Result<(File, Vec<u8>), Problem> {
    let bad = |reason: &str| Problem::Bad(reason.into());
    let mut file = open_file(folder, name)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(bad("it is not a file"));
    }
    if !is_ours(&metadata) || metadata.mode() & WRITE_BY_OTHERS != 0 {
        return Err(bad("others may have written it"));
    }
    if metadata.len() > ENTRY_BYTES {
        return Err(bad("it is too large"));
    }
    let mut entry = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    (&mut file).take(ENTRY_BYTES).read_to_end(&mut entry).map_err(|error| Problem::Bad(error.to_string()))?;
    Ok((file, entry))
}

/// The key, made when there is none. One that others may know is thrown away, and with it all entries.
fn read_key(folder: &File) -> Result<[u8; blake3::KEY_LEN], Problem> {
    // A second time when somebody else made one meanwhile, and a third when that was thrown away.
    for _ in 0..3 {
        match read_key_file(folder) {
            Ok(key) => return Ok(key),
            Err(Problem::Missing) => {
                write_new(folder, KEY, &[&rand::random::<[u8; blake3::KEY_LEN]>()])?;
            }
            Err(Problem::Bad(reason)) => {
                rustix::fs::unlinkat(folder, KEY, AtFlags::empty())?;
                tracing::warn!("the key of compiled code is thrown away, and with it what it was made for: {reason}");
            }
            Err(problem) => return Err(problem),
        }
    }
    Err(Problem::Folder("its key does not stay".into()))
}

fn read_key_file(folder: &File) -> Result<[u8; blake3::KEY_LEN], Problem> {
    let file = open_file(folder, KEY)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || !is_ours(&metadata) || metadata.mode() & ANYTHING_BY_OTHERS != 0 {
        return Err(Problem::Bad("others may know it".into()));
    }
    let mut key = Vec::new();
    file.take(len(blake3::KEY_LEN) + 1).read_to_end(&mut key)?;
    key.try_into().map_err(|_| Problem::Bad("it has another length".into()))
}

/// Writes a file, whole or not at all; false: there is one of that name, which stays.
fn write_new(folder: &File, name: &str, parts: &[&[u8]]) -> Result<bool, Problem> {
    let unfinished = format!("{UNFINISHED}{:032x}", rand::random::<u128>());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(folder, &unfinished, flags, Mode::RUSR | Mode::WUSR)?);
    let mut write = || {
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_all()?;
        // Unlike a renaming, this never replaces anything.
        match rustix::fs::linkat(folder, &unfinished, folder, name, AtFlags::empty()) {
            Err(Errno::EXIST) => Ok(false),
            linked => linked.map(|()| true).map_err(std::io::Error::from),
        }
    };
    let written = write();
    let _ = rustix::fs::unlinkat(folder, &unfinished, AtFlags::empty());
    written.map_err(|error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Problem::Missing,
        _ => Problem::from(error),
    })
}

fn len(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// A panic elsewhere leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
