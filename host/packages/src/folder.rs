//! The folder of plugins, while something is installed into it.
//!
//! A node may watch the folder. So a file appears under its name only when it is whole and on disk: it is
//! written beside, under a name that begins with a dot and ends in `.tmp`, and renamed. Two installations at
//! once would overwrite each other's lock file; so whoever holds a [`PluginsFolder`] is the only one, until it
//! is dropped or its process ends.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::lock::{LockError, LockFile, Locked, is_plugin_file};
use crate::{PLUGIN_BYTES, signature};

/// Who may read what is installed: as any file that is made, which is then held against the user's mask.
#[cfg(unix)]
const MODE: u32 = 0o666;

/// Why nothing can be installed into a folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be used at all.
    #[error("{} cannot be used as a folder of plugins: {source}", folder.display())]
    Unusable {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else is at it.
    #[error("another `jackfield install` is at work in {}; wait for its end", folder.display())]
    Busy {
        /// Which.
        folder: PathBuf,
    },
    /// Its lock file cannot be used.
    #[error("{}: {source}", folder.display())]
    Lock {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: LockError,
    },
    /// A file cannot be written.
    #[error("{} cannot be written: {source}", file.display())]
    Unwritable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The folder, and its lock file, held by nobody else.
#[derive(Debug)]
pub struct PluginsFolder {
    path: PathBuf,
    lock: LockFile,
    /// Open, and locked, as long as this lives; none while there is no folder.
    handle: Option<File>,
}

impl PluginsFolder {
    /// Takes hold of the folder at `path`. There may be none: then it is made when something is put into it.
    ///
    /// # Errors
    /// It cannot be used, or somebody else is at it.
    pub fn open(path: &Path) -> Result<PluginsFolder, FolderError> {
        let folder = || path.to_owned();
        let handle = match File::open(path) {
            Ok(handle) => handle,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(PluginsFolder { path: folder(), lock: LockFile::default(), handle: None });
            }
            Err(source) => return Err(FolderError::Unusable { folder: folder(), source }),
        };
        match handle.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::Busy { folder: folder() }),
            Err(TryLockError::Error(source)) => return Err(FolderError::Unusable { folder: folder(), source }),
        }
        let lock = LockFile::read(path).map_err(|source| FolderError::Lock { folder: folder(), source })?;
        Ok(PluginsFolder { path: folder(), lock, handle: Some(handle) })
    }

    /// What was installed here.
    pub fn lock(&self) -> &LockFile {
        &self.lock
    }

    /// Where `file` is, or would be.
    pub fn path(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }

    /// The contents of `file`; none where there is no file, or one larger than any plugin.
    pub fn read(&self, file: &str) -> Option<Vec<u8>> {
        let path = self.path(file);
        let metadata = fs::metadata(&path).ok()?;
        if metadata.is_file() && metadata.len() <= PLUGIN_BYTES { fs::read(path).ok() } else { None }
    }

    /// Writes a plugin's file with its signature, and records it. Whoever looks meanwhile sees the old file or
    /// the new one, and with the new one its signature.
    ///
    /// # Errors
    /// Something cannot be written; the file is then the old one, or already the new one but not recorded.
    pub fn put(&mut self, plugin: Locked, bytes: &[u8], signature: Option<&str>) -> Result<(), FolderError> {
        let path = self.path(&plugin.file);
        let unwritable = |file: &Path, source| FolderError::Unwritable { file: file.to_owned(), source };
        if !is_plugin_file(&plugin.file) {
            let source = io::Error::new(io::ErrorKind::InvalidFilename, "not the name of a plugin's file");
            return Err(unwritable(&path, source));
        }
        if self.handle.is_none() {
            fs::create_dir_all(&self.path).map_err(|source| unwritable(&self.path, source))?;
            *self = PluginsFolder::open(&self.path)?;
        }
        let beside = signature::beside(&path);
        // The signature first: it is the file that is looked at when it changes.
        if let Some(signature) = signature {
            self.replace(&beside, signature.as_bytes()).map_err(|source| unwritable(&beside, source))?;
        }
        self.replace(&path, bytes).map_err(|source| unwritable(&path, source))?;
        if signature.is_none() {
            remove(&beside).map_err(|source| unwritable(&beside, source))?;
        }
        let mut lock = self.lock.clone();
        lock.set(plugin);
        let file = LockFile::path(&self.path);
        self.replace(&file, lock.to_text().as_bytes()).map_err(|source| unwritable(&file, source))?;
        self.lock = lock;
        Ok(())
    }

    /// Replaces a file by one that is whole and on disk.
    fn replace(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".install-").suffix(".tmp");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(MODE));
        let mut part = builder.tempfile_in(&self.path)?;
        part.write_all(bytes)?;
        part.as_file().sync_all()?;
        part.persist(file).map_err(|error| error.error)?;
        // The new name must outlive a loss of power as the contents do.
        self.handle.as_ref().map_or(Ok(()), File::sync_all)
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sha256;

    fn locked(file: &str, bytes: &[u8]) -> Locked {
        let reference = "oci://ghcr.io/acme/triage:1".parse().unwrap();
        Locked::new(file.into(), &reference, sha256(b"manifest"), sha256(bytes))
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_put_is_there_and_recorded_and_nothing_else_is() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("plugins");
        let mut folder = PluginsFolder::open(&path).unwrap();
        folder.put(locked("a.wasm", b"one"), b"one", Some("by kim")).unwrap();
        assert_eq!(names(&path), ["a.wasm", "a.wasm.minisig", "jackfield.lock"]);
        assert_eq!(folder.read("a.wasm").unwrap(), b"one");
        assert_eq!(signature::read_beside(&folder.path("a.wasm")).unwrap().as_deref(), Some("by kim"));

        // A signature of what was there before would only mislead.
        folder.put(locked("a.wasm", b"two"), b"two", None).unwrap();
        assert_eq!(names(&path), ["a.wasm", "jackfield.lock"]);
        assert_eq!(folder.lock().get("a.wasm").unwrap().content, sha256(b"two"));
        assert_eq!(folder.lock(), &LockFile::read(&path).unwrap());
        assert_eq!(folder.read("b.wasm"), None);

        let error = folder.put(locked("../a.wasm", b"two"), b"two", None).unwrap_err().to_string();
        assert!(error.contains("cannot be written"), "{error}");
    }

    #[test]
    fn only_one_installs_at_a_time() {
        let temporary = tempfile::tempdir().unwrap();
        let first = PluginsFolder::open(temporary.path()).unwrap();
        let error = PluginsFolder::open(temporary.path()).unwrap_err().to_string();
        assert!(error.contains("is at work in"), "{error}");
        drop(first);
        PluginsFolder::open(temporary.path()).unwrap();
    }

    #[test]
    fn a_lock_file_that_is_wrong_is_left_alone() {
        let temporary = tempfile::tempdir().unwrap();
        fs::write(LockFile::path(temporary.path()), "version = 7\n").unwrap();
        let error = PluginsFolder::open(temporary.path()).unwrap_err().to_string();
        assert!(error.contains("has format 7"), "{error}");
        assert_eq!(fs::read_to_string(LockFile::path(temporary.path())).unwrap(), "version = 7\n");
    }

    #[test]
    #[cfg(unix)]
    fn others_may_read_what_is_installed() {
        use std::os::unix::fs::PermissionsExt as _;
        let temporary = tempfile::tempdir().unwrap();
        let mut folder = PluginsFolder::open(temporary.path()).unwrap();
        folder.put(locked("a.wasm", b"one"), b"one", None).unwrap();
        fs::write(temporary.path().join("plain"), "").unwrap();
        let mode = |name| fs::metadata(temporary.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("a.wasm"), mode("plain"));
    }
}
