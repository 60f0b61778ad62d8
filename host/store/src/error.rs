//! What can be wrong with a store, and what to do about it.

use std::path::PathBuf;

/// Why a store cannot be opened, read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk.
    #[error("the disk of {path} is full: free some space, jackfield goes on by itself ({detail})", path = .path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// The database's own words.
        detail: String,
    },
    /// The file, or the disk it is on, does not take writes.
    #[error("{path} is read-only: let jackfield's user write to the file, its folder and its disk; jackfield goes on by itself ({detail})", path = .path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// The database's own words.
        detail: String,
    },
    /// The disk the file is on is too small for it, even with nothing else on it.
    #[error("the disk of {path} has {mib} MiB in all, and a store with its log needs {least_mib} MiB: put it on a larger one", path = .path.display())]
    TooSmall {
        /// The file.
        path: PathBuf,
        /// Size of the disk, in MiB.
        mib: u64,
        /// The smallest that will do, in MiB.
        least_mib: u64,
    },
    /// The file is damaged.
    #[error("{path} is damaged: keep a copy of it and of its -wal file, then restore a backup ({detail})", path = .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file is of something else.
    #[error("{path} is not a jackfield store: name another file ({detail})", path = .path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// A newer jackfield wrote the file.
    #[error("{path} has format {found}, this jackfield knows formats up to {known}: run the newer version", path = .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format this build knows.
        known: i64,
    },
    /// An older jackfield wrote the file, and nobody has brought it up to date yet.
    #[error("{path} has format {found}, this jackfield reads format {known}: start its node once, which brings it up to date", path = .path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format this build reads.
        known: i64,
    },
    /// Another process has it.
    #[error("{path} belongs to another process: {detail}", path = .path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// Who, and what to do.
        detail: String,
    },
    /// Somebody else became the owner since: nothing more may be written from here.
    #[error("{path} has been taken over: {detail}; this process writes nothing more to it", path = .path.display())]
    Fenced {
        /// The file, or the name of the database.
        path: PathBuf,
        /// By whom.
        detail: String,
    },
    /// Opening, reading, writing or syncing the file failed.
    #[error("{path} cannot be used: {detail}; check the disk and the folder's permissions", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        detail: String,
    },
    /// The database refused a statement: a mistake in jackfield.
    #[error("{path}: the database refused a statement: {detail}; please report it", path = .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The database's own words.
        detail: String,
    },
}

impl StoreError {
    /// Whether it may pass by itself, so that opening the store again later is worth it. The others
    /// need a person.
    pub fn is_retriable(&self) -> bool {
        match self {
            StoreError::Full { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::Locked { .. }
            | StoreError::Io { .. } => true,
            StoreError::TooSmall { .. }
            | StoreError::Corrupt { .. }
            | StoreError::NotOurs { .. }
            | StoreError::Newer { .. }
            | StoreError::Older { .. }
            | StoreError::Fenced { .. }
            | StoreError::Refused { .. } => false,
        }
    }
}
