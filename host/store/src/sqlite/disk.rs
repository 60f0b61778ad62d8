//! The disk a store is on: whether it is large enough, how long the log may get there, whether it takes writes.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

use super::lock::lock_path;
use crate::StoreError;

/// Bytes of a page of the database.
pub(super) const PAGE_BYTES: u64 = 4_096;
/// The smallest disk for a store: its log, what a checkpoint makes of that before the log is given up, and
/// room for something to wait in it.
const LEAST_BYTES: u64 = 8 << 20;
/// Pages in the log after which the writer copies them into the file (16 MiB), where there is room.
const LOG_PAGES: u32 = 4_096;
/// The same on the smallest disk: with less, small commits would be checkpoints before anything else.
const LOG_PAGES_LEAST: u32 = 64;
/// Of the room there is the log takes such a part: a checkpoint needs as much again in the file, and one
/// large commit may be several times as long.
const LOG_PART: u64 = 8;

/// After how many pages in its log the store at `path` copies them into the file: early where room is short,
/// so that the log alone does not fill the disk.
///
/// # Errors
/// [`StoreError::TooSmall`] where no room anybody makes will do.
pub(super) fn log_pages(path: &Path) -> Result<u32, StoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Where the system does not tell, the disk shows by itself when it is full.
    let Ok(disk) = rustix::fs::statvfs(folder) else { return Ok(LOG_PAGES) };
    let total = disk.f_blocks.saturating_mul(disk.f_frsize);
    // Some file systems have no size to tell.
    if total > 0 && total < LEAST_BYTES {
        return Err(StoreError::TooSmall { path: path.into(), mib: total >> 20, least_mib: LEAST_BYTES >> 20 });
    }
    if total == 0 {
        return Ok(LOG_PAGES);
    }
    let log = std::fs::metadata(log_of(path)).map_or(0, |log| log.len());
    let room = disk.f_bavail.saturating_mul(disk.f_frsize).saturating_add(log);
    let pages = u32::try_from(room / LOG_PART / PAGE_BYTES).unwrap_or(LOG_PAGES);
    Ok(pages.clamp(LOG_PAGES_LEAST, LOG_PAGES))
}

fn log_of(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Whether the file system takes no writes, as one does not that was mounted so, or has met an error. A write
/// to a file that is open already may be refused there with something else.
///
/// The lock file beside the store is asked: to open and close the store's own file would drop the locks that
/// SQLite holds on it.
pub(super) fn is_read_only(path: &Path) -> bool {
    let opened = OpenOptions::new().append(true).open(lock_path(path));
    opened.is_err_and(|error| error.kind() == ErrorKind::ReadOnlyFilesystem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_room_has_a_long_log_and_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        assert_eq!(log_pages(&path), Ok(LOG_PAGES));
        assert!(!is_read_only(&path), "there is no lock file yet");
        std::fs::write(lock_path(&path), "").unwrap();
        assert!(!is_read_only(&path));
    }
}
