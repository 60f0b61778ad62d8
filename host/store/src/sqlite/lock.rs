//! One owner for a store: a lock file beside it, held as long as the owner lives.
//!
//! The kernel drops the lock when the process ends, however it ends; the file itself stays, because
//! removing it would let two owners lock two files of one name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::StoreError;

/// Bytes of the lock file worth reading.
const OWNER_BYTES: u64 = 64;

/// Being the owner of a store, until it is dropped or the process ends.
#[derive(Debug)]
pub struct OwnerLock {
    _file: File,
}

impl OwnerLock {
    /// Locks the store at `path`, which need not be there yet; its folder must be.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another process has it; [`StoreError::ReadOnly`],
    /// [`StoreError::Full`] and [`StoreError::Io`] where the lock file beside it cannot be made.
    pub fn take(path: &Path) -> Result<OwnerLock, StoreError> {
        let lock_path = lock_path(path);
        let failed = |error: std::io::Error| {
            let detail = format!("lock file {}: {error}", lock_path.display());
            match error.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                    StoreError::ReadOnly { path: path.into(), detail }
                }
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full { path: path.into(), detail },
                _ => StoreError::Io { path: path.into(), detail },
            }
        };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock_path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Who it is only helps the message.
                let _ = file.take(OWNER_BYTES).read_to_string(&mut owner);
                let owner = owner.trim();
                let (who, ends) = if owner.is_empty() {
                    ("another process".into(), String::new())
                } else {
                    (
                        format!("the one with process id {owner}"),
                        format!(" (`kill -9 {owner}` where it does not react)"),
                    )
                };
                // Whoever takes over raises the epoch, so that one that wakes without its lock writes nothing.
                let detail = format!(
                    "{who} uses it; stop that one{ends}, or name another file; where it can be neither stopped nor \
                     waited for, remove {}: it writes nothing more once another has taken over",
                    lock_path.display()
                );
                return Err(StoreError::Locked { path: path.into(), detail });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        // On a full disk the lock holds without the process id.
        let _ = writeln!(file, "{}", std::process::id());
        Ok(OwnerLock { _file: file })
    }
}

pub(super) fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
