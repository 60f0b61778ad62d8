//! What is remembered of a mailbox on an IMAP server, on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::spool::write_whole;

/// How far we are in a mailbox. Numbers of messages (UID) count within one `uid_validity` only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) uid_validity: u32,
    /// Every message with a smaller number is over.
    pub(super) next: u32,
    /// Of these, taken ones that may not be marked yet.
    pub(super) taken_unmarked: Vec<u32>,
    /// Of these, those put aside that may not be marked yet.
    pub(super) aside_unmarked: Vec<u32>,
}

/// The folder it is in: `place`, `aside/` and `taken/`, with an empty file for each message that was taken, named
/// by its bytes, so that it is known again when the server numbers its messages anew.
pub(super) struct Memory(PathBuf);

impl Memory {
    pub(super) fn open(folder: &Path) -> io::Result<Memory> {
        for part in ["aside", "taken"] {
            fs::create_dir_all(folder.join(part))?;
        }
        Ok(Memory(folder.to_owned()))
    }

    pub(super) fn place(&self) -> io::Result<Place> {
        match fs::read(self.0.join("place")) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| io::Error::other(format!("{}: {error}", self.0.join("place").display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Place { next: 1, ..Place::default() }),
            Err(error) => Err(error),
        }
    }

    pub(super) fn keep(&self, place: &Place) -> io::Result<()> {
        let bytes = serde_json::to_vec(place).map_err(io::Error::other)?;
        write_whole(&self.0.join("place.new"), &self.0.join("place"), &bytes)
    }

    pub(super) fn was_taken(&self, key: &str) -> bool {
        self.0.join("taken").join(key).exists()
    }

    pub(super) fn note_taken(&self, key: &str) -> io::Result<()> {
        fs::File::create(self.0.join("taken").join(key))?.sync_all()
    }

    pub(super) fn aside(&self) -> PathBuf {
        self.0.join("aside")
    }

    /// Forgets what was taken longer ago than `kept`.
    pub(super) fn forget(&self, now: SystemTime, kept: Duration) -> io::Result<()> {
        for entry in fs::read_dir(self.0.join("taken"))? {
            let entry = entry?;
            let at = entry.metadata()?.modified()?;
            if now.duration_since(at).is_ok_and(|age| age > kept) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_there_again_and_old_ones_are_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = Memory::open(folder.path()).expect("opened");
        assert_eq!(memory.place().expect("none yet").next, 1);
        let place = Place { uid_validity: 7, next: 12, taken_unmarked: vec![10], aside_unmarked: vec![11] };
        memory.keep(&place).expect("kept");
        assert_eq!(Memory::open(folder.path()).expect("opened").place().expect("read"), place);
        memory.note_taken("a").expect("noted");
        let kept = Duration::from_secs(50);
        memory.forget(SystemTime::now(), kept).expect("looked");
        assert!(memory.was_taken("a"));
        memory.forget(SystemTime::now() + Duration::from_secs(100), kept).expect("looked");
        assert!(!memory.was_taken("a"));
        fs::write(folder.path().join("place"), "{").expect("written");
        assert!(memory.place().is_err(), "it does not begin anew by itself");
    }
}
