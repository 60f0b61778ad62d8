//! A journal on a disk under the test's control.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use jackfield_store::{Pruned, Writer};
use tempfile::TempDir;

use crate::sqlite::SqliteJournal;
use crate::suite::settings;
use crate::{Entry, Journal, JournalSettings, JournalStore, Opened, StoreError};

/// What is wrong with the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Fault {
    /// Opening and writing fail with this.
    pub(super) error: Option<StoreError>,
    /// The commit takes place, and then fails with this, once.
    pub(super) after_commit: Option<StoreError>,
    /// The commit does not take place, and says that it did, once.
    pub(super) lies: bool,
    /// Pages the file may have; a real limit of the database's.
    pub(super) max_pages: Option<u32>,
}

/// The disk, as the test holds it: its fault, and what was committed, by commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    fault: Arc<Mutex<Fault>>,
    commits: Arc<Mutex<Vec<usize>>>,
    /// Whether commits wait.
    is_held: Arc<(Mutex<bool>, Condvar)>,
}

/// As long as it lives, commits wait.
pub(super) struct Hold(Disk);

impl Drop for Hold {
    fn drop(&mut self) {
        *self.0.is_held.0.lock().unwrap() = false;
        self.0.is_held.1.notify_all();
    }
}

impl Disk {
    pub(super) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Makes commits wait.
    pub(super) fn hold(&self) -> Hold {
        *self.is_held.0.lock().unwrap() = true;
        Hold(self.clone())
    }

    fn wait_while_held(&self) {
        let (is_held, changed) = &*self.is_held;
        drop(changed.wait_while(is_held.lock().unwrap(), |is_held| *is_held).unwrap());
    }

    fn fault(&self) -> Fault {
        self.fault.lock().unwrap().clone()
    }

    /// How many entries each commit had.
    pub(super) fn commits(&self) -> Vec<usize> {
        self.commits.lock().unwrap().clone()
    }
}

pub(super) fn error(kind: &str) -> StoreError {
    let (path, detail) = (PathBuf::from("/journal.db"), String::from("on purpose"));
    match kind {
        "full" => StoreError::Full { path, detail },
        "read-only" => StoreError::ReadOnly { path, detail },
        "corrupt" => StoreError::Corrupt { path, detail },
        _ => StoreError::Io { path, detail },
    }
}

/// A SQLite journal on such a disk.
struct Faulty(SqliteJournal, Disk);

struct FaultyWriter(crate::sqlite::writer::SqliteWriter, Disk);

impl JournalStore for Faulty {
    fn name(&self) -> String {
        self.0.name()
    }

    fn open(&mut self, settings: &JournalSettings, held: Option<u64>) -> Result<Opened, StoreError> {
        if let Some(error) = self.1.fault().error {
            return Err(error);
        }
        let (writer, reader, epoch) = self.0.open_halves(settings, held)?;
        Ok(Opened { writer: Box::new(FaultyWriter(writer, self.1.clone())), reader: Box::new(reader), epoch })
    }
}

impl Writer for FaultyWriter {
    type Write = Entry;

    fn commit(&mut self, writes: &[Entry]) -> Result<(), StoreError> {
        self.1.wait_while_held();
        let fault = self.1.fault();
        if let Some(error) = fault.error {
            return Err(error);
        }
        if std::mem::take(&mut self.1.fault.lock().unwrap().lies) {
            return Ok(());
        }
        let pages = fault.max_pages.unwrap_or(u32::MAX - 1);
        self.0.connection().query_row(&format!("pragma max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        self.0.commit(writes)?;
        self.1.commits.lock().unwrap().push(writes.len());
        match self.1.fault.lock().unwrap().after_commit.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn prune(&mut self, before: i64) -> Result<Pruned, StoreError> {
        self.0.prune(before)
    }

    fn prune_chunk(&self) -> u64 {
        self.0.prune_chunk()
    }
}

/// A folder with a journal, and its disk.
pub(super) struct Place {
    folder: TempDir,
    pub(super) disk: Disk,
}

impl Place {
    pub(super) fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap(), disk: Disk::default() }
    }

    pub(super) fn path(&self) -> PathBuf {
        Path::join(self.folder.path(), "journal.db")
    }

    pub(super) fn open(&self) -> Journal {
        self.open_with(settings())
    }

    pub(super) fn open_with(&self, settings: JournalSettings) -> Journal {
        let store = Faulty(SqliteJournal::new(self.path()), self.disk.clone());
        Journal::open(Box::new(store), settings).unwrap()
    }
}
