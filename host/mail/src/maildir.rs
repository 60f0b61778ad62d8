//! A Maildir that takes each message once.
//!
//! Beside `tmp`, `new` and `cur` it owns `.jackfield/drafts` (messages not yet sent) and
//! `.jackfield/done` (one small file for each thing done, named after its key). A message is written as
//! a draft; then that it is done is written down; then the draft is moved into `new`, which happens
//! once however often it is tried. So after a crash at any point, doing it again finishes what was begun
//! and sends nothing twice. Everything is on disk when a call returns. Calls block.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Keys are told apart by this many locks: one key is never worked on twice at once.
const LOCKS: usize = 64;

/// The folder, and who works in it.
pub(crate) struct Maildir {
    root: PathBuf,
    locks: Vec<Mutex<()>>,
}

impl Maildir {
    /// The folder is made when it is first written to.
    pub(crate) fn new(root: &Path) -> Maildir {
        Maildir { root: root.to_owned(), locks: (0..LOCKS).map(|_| Mutex::new(())).collect() }
    }

    fn make_folders(&self) -> io::Result<()> {
        for folder in ["tmp", "new", "cur", ".jackfield/drafts", ".jackfield/done"] {
            fs::create_dir_all(self.root.join(folder))?;
        }
        Ok(())
    }

    /// Holds a key; no other call with it goes on meanwhile. Keys are hexadecimal.
    fn hold(&self, key: &str) -> Option<MutexGuard<'_, ()>> {
        let sum = key.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        self.locks.get(sum % LOCKS).map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was written down as the outcome of `key`.
    pub(crate) fn outcome(&self, key: &str) -> io::Result<Option<String>> {
        match fs::read_to_string(self.done(key)) {
            Ok(outcome) => Ok(Some(outcome)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends `bytes` once for this key. True: now; false: before.
    pub(crate) fn send_once(&self, key: &str, bytes: &[u8]) -> io::Result<bool> {
        let _held = self.hold(key);
        let is_new = self.outcome(key)?.is_none();
        if is_new {
            self.write(&self.draft(key), bytes)?;
            self.write(&self.done(key), b"")?;
        }
        self.finish(key)?;
        Ok(is_new)
    }

    /// Keeps `bytes` as the draft `draft`, and `outcome` as what came of `key`.
    pub(crate) fn keep_draft(&self, key: &str, draft: &str, bytes: &[u8], outcome: &str) -> io::Result<()> {
        {
            let _held = self.hold(draft);
            // Somebody else may have sent it by now.
            if self.outcome(draft)?.is_none() {
                self.write(&self.draft(draft), bytes)?;
            }
        }
        let _held = self.hold(key);
        self.write(&self.done(key), outcome.as_bytes())
    }

    /// Sends a draft; again is no harm. False: there is none, and never was.
    pub(crate) fn send_draft(&self, draft: &str) -> io::Result<bool> {
        let _held = self.hold(draft);
        if self.outcome(draft)?.is_none() {
            if !fs::exists(self.draft(draft))? {
                return Ok(false);
            }
            self.write(&self.done(draft), b"")?;
        }
        self.finish(draft)?;
        Ok(true)
    }

    /// Forgets what was done longer ago than `kept`; returns how many. Drafts stay.
    pub(crate) fn forget(&self, now: SystemTime, kept: Duration) -> io::Result<usize> {
        self.make_folders()?;
        let mut forgotten = 0;
        for entry in fs::read_dir(self.root.join(".jackfield/done"))? {
            let entry = entry?;
            let name = entry.file_name();
            let unfinished = name.to_str().is_none_or(|key| self.draft(key).exists());
            let age = entry.metadata()?.modified().ok().and_then(|at| now.duration_since(at).ok());
            if !unfinished && age.is_some_and(|age| age > kept) {
                fs::remove_file(entry.path())?;
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }

    /// Moves a draft into `new`, where there is one.
    fn finish(&self, key: &str) -> io::Result<()> {
        match fs::rename(self.draft(key), self.root.join("new").join(format!("{key}.jackfield"))) {
            Ok(()) => sync_folder(&self.root.join("new")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// All of it, on disk, or nothing.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::other("a file needs a name"));
        };
        self.make_folders()?;
        let temporary = self.root.join("tmp").join(name);
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_folder(folder)
    }

    fn draft(&self, key: &str) -> PathBuf {
        self.root.join(".jackfield/drafts").join(key)
    }

    fn done(&self, key: &str) -> PathBuf {
        self.root.join(".jackfield/done").join(key)
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(root: &Path) -> Vec<String> {
        let mut texts: Vec<_> = fs::read_dir(root.join("new"))
            .expect("readable")
            .map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("text"))
            .collect();
        texts.sort();
        texts
    }

    #[test]
    fn the_same_key_sends_once_even_when_the_message_was_taken_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let maildir = Maildir::new(folder.path());
        assert!(maildir.send_once("a1", b"one").expect("sent"));
        assert!(!maildir.send_once("a1", b"two").expect("known"));
        assert_eq!(sent(folder.path()), ["one"]);
        fs::remove_file(folder.path().join("new/a1.jackfield")).expect("there");
        assert!(!Maildir::new(folder.path()).send_once("a1", b"three").expect("known"));
        assert!(sent(folder.path()).is_empty());
    }

    #[test]
    fn what_was_begun_before_a_crash_is_finished_not_repeated() {
        let folder = tempfile::tempdir().expect("a folder");
        let maildir = Maildir::new(folder.path());
        // A crash after the outcome was written down, before the move.
        maildir.write(&maildir.draft("a1"), b"one").expect("written");
        maildir.write(&maildir.done("a1"), b"").expect("written");
        assert!(!maildir.send_once("a1", b"other").expect("finished"));
        assert_eq!(sent(folder.path()), ["one"]);
        // A crash after the draft, before the outcome.
        maildir.write(&maildir.draft("b2"), b"old").expect("written");
        assert!(maildir.send_once("b2", b"new").expect("sent"));
        assert_eq!(sent(folder.path()), ["new", "one"]);
    }

    #[test]
    fn drafts_wait_until_they_are_sent_and_are_sent_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let maildir = Maildir::new(folder.path());
        assert!(!maildir.send_draft("d1").expect("looked"));
        maildir.keep_draft("k1", "d1", b"draft", "0001").expect("kept");
        assert_eq!(maildir.outcome("k1").expect("read").as_deref(), Some("0001"));
        assert!(sent(folder.path()).is_empty());
        assert!(maildir.send_draft("d1").expect("sent") && maildir.send_draft("d1").expect("again"));
        maildir.keep_draft("k1", "d1", b"again", "0001").expect("kept");
        assert!(maildir.send_draft("d1").expect("again"));
        assert_eq!(sent(folder.path()), ["draft"]);
    }

    #[test]
    fn what_is_old_is_forgotten_unless_it_is_unfinished() {
        let folder = tempfile::tempdir().expect("a folder");
        let maildir = Maildir::new(folder.path());
        maildir.send_once("a1", b"one").expect("sent");
        maildir.write(&maildir.draft("b2"), b"two").expect("written");
        maildir.write(&maildir.done("b2"), b"").expect("written");
        let later = SystemTime::now() + Duration::from_secs(100);
        assert_eq!(maildir.forget(later, Duration::from_secs(1_000)).expect("looked"), 0);
        assert_eq!(maildir.forget(later, Duration::from_secs(10)).expect("looked"), 1);
        assert_eq!(maildir.outcome("a1").expect("read"), None);
        assert!(maildir.outcome("b2").expect("read").is_some());
    }
}
