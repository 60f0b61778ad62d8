//! Messages on their way out, on disk, each sent once for its key.
//!
//! A message is a *draft* until somebody asks for it to be sent, then it is *outgoing*, and at its end there is
//! a note of how it ended. Each step is one file renamed or written, on disk when a call returns, so that after
//! a crash at any point doing it again finishes what was begun:
//!
//! * `drafts/<key>`: made, not yet to be sent;
//! * `outgoing/<key>`: to be sent; its time of change is when that began;
//! * `done/<key>`: what came of a key; for a message `sent`, or `failed` with the reason. Written before the
//!   message leaves `outgoing`;
//! * `failed/<key>`: a message that could not be sent, for somebody to look at.
//!
//! Where what was sent goes to a Maildir, the last step is one rename into its `new`, so it is there exactly
//! once. Where it goes to another machine, that machine may have it before the note is written: see
//! [`MailServer`](crate::MailServer). Keys are hexadecimal. Calls block.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Keys are told apart by this many locks: one key is never worked on twice at once.
const LOCKS: usize = 64;

/// Bytes of a reason that are written down.
const REASON_BYTES: usize = 2_000;

/// The folders, and who works in them.
pub(crate) struct Spool {
    root: PathBuf,
    /// Where messages go that were sent; none: they are removed.
    maildir: Option<PathBuf>,
    locks: Vec<Mutex<()>>,
}

/// How a message ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Whoever it was handed to has it.
    Sent,
    /// It was given up, for this reason.
    Failed(String),
}

/// What asking for a draft to be sent has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// There is no such draft, and was none for as long as is remembered.
    Unknown,
    /// It waits in `outgoing` since then.
    Outgoing(SystemTime),
    /// It is over already.
    Ended(Ended),
}

impl Spool {
    /// One that sends into a Maildir, and keeps what is its own in a hidden folder there. Folders are made when
    /// they are first written to.
    pub(crate) fn into_maildir(maildir: &Path) -> Spool {
        Spool::new(maildir.join(".jackfield"), Some(maildir.to_owned()))
    }

    /// One whose messages somebody else sends.
    pub(crate) fn to_be_sent(root: &Path) -> Spool {
        Spool::new(root.to_owned(), None)
    }

    fn new(root: PathBuf, maildir: Option<PathBuf>) -> Spool {
        Spool { root, maildir, locks: (0..LOCKS).map(|_| Mutex::new(())).collect() }
    }

    /// Makes the folders where they are missing.
    pub(crate) fn make_folders(&self) -> io::Result<()> {
        for folder in ["tmp", "drafts", "done", "outgoing", "failed"] {
            fs::create_dir_all(self.root.join(folder))?;
        }
        for folder in ["tmp", "new", "cur"] {
            if let Some(maildir) = &self.maildir {
                fs::create_dir_all(maildir.join(folder))?;
            }
        }
        Ok(())
    }

    /// Holds a key; no other call with it goes on meanwhile.
    fn hold(&self, key: &str) -> Option<MutexGuard<'_, ()>> {
        let sum = key.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        self.locks.get(sum % LOCKS).map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was written down as the outcome of `key`.
    pub(crate) fn outcome(&self, key: &str) -> io::Result<Option<String>> {
        match fs::read_to_string(self.path("done", key)) {
            Ok(outcome) => Ok(Some(outcome)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps `bytes` as the draft `draft`, and `outcome` as what came of `key`; again is no harm. Whatever draft
    /// of that name there was before belonged to an Interaction Server that has begun anew since, and is forgotten.
    pub(crate) fn keep_draft(&self, key: &str, draft: &str, bytes: &[u8], outcome: &str) -> io::Result<()> {
        let _held = self.hold(draft);
        if self.outcome(key)?.is_some() {
            return Ok(());
        }
        if fs::exists(self.path("outgoing", draft))? {
            return Err(io::Error::other("an older message of this interaction is still to be sent"));
        }
        if self.outcome(draft)?.is_some() {
            fs::remove_file(self.path("done", draft))?;
            sync_folder(&self.root.join("done"))?;
        }
        self.write("drafts", draft, bytes)?;
        self.write("done", key, outcome.as_bytes())
    }

    /// A draft shall be sent, from `now` on; again is no harm.
    pub(crate) fn begin(&self, draft: &str, now: SystemTime) -> io::Result<Begun> {
        let _held = self.hold(draft);
        if let Some(outcome) = self.outcome(draft)? {
            self.leave_outgoing(draft, &outcome)?;
            return Ok(Begun::Ended(ended(&outcome)));
        }
        let outgoing = self.path("outgoing", draft);
        match fs::metadata(&outgoing) {
            Ok(metadata) => return Ok(Begun::Outgoing(metadata.modified()?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = match File::options().append(true).open(self.path("drafts", draft)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Begun::Unknown),
            Err(error) => return Err(error),
        };
        file.set_modified(now)?;
        file.sync_all()?;
        fs::rename(self.path("drafts", draft), &outgoing)?;
        sync_folder(&self.root.join("outgoing"))?;
        Ok(Begun::Outgoing(now))
    }

    /// What waits in `outgoing`, and since when. What ended there before a crash leaves now.
    pub(crate) fn outgoing(&self) -> io::Result<Vec<(String, SystemTime)>> {
        self.make_folders()?;
        let mut waiting = Vec::new();
        for entry in fs::read_dir(self.root.join("outgoing"))? {
            let entry = entry?;
            let Ok(draft) = entry.file_name().into_string() else { continue };
            match self.begin(&draft, SystemTime::now())? {
                Begun::Outgoing(since) => waiting.push((draft, since)),
                Begun::Ended(_) | Begun::Unknown => {}
            }
        }
        waiting.sort_by_key(|(_, since)| *since);
        Ok(waiting)
    }

    /// An outgoing message.
    pub(crate) fn read(&self, draft: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path("outgoing", draft))
    }

    /// An outgoing message has ended.
    pub(crate) fn end(&self, draft: &str, ended: &Ended) -> io::Result<()> {
        let _held = self.hold(draft);
        let outcome = match ended {
            Ended::Sent => "sent".to_owned(),
            Ended::Failed(reason) => {
                format!("failed {}", reason.get(..reason.floor_char_boundary(REASON_BYTES)).unwrap_or_default())
            }
        };
        self.write("done", draft, outcome.as_bytes())?;
        self.leave_outgoing(draft, &outcome)
    }

    /// Forgets what was done longer ago than `kept`; returns how many. Drafts stay.
    pub(crate) fn forget(&self, now: SystemTime, kept: Duration) -> io::Result<usize> {
        self.make_folders()?;
        let mut forgotten = 0;
        for folder in ["done", "failed"] {
            for entry in fs::read_dir(self.root.join(folder))? {
                let entry = entry?;
                let name = entry.file_name();
                let unfinished = name.to_str().is_none_or(|key| self.path("outgoing", key).exists());
                let age = entry.metadata()?.modified().ok().and_then(|at| now.duration_since(at).ok());
                if !unfinished && age.is_some_and(|age| age > kept) {
                    fs::remove_file(entry.path())?;
                    forgotten += 1;
                }
            }
        }
        Ok(forgotten)
    }

    /// The note is written: what it is about goes where it belongs, if it has not gone there before.
    fn leave_outgoing(&self, draft: &str, outcome: &str) -> io::Result<()> {
        let from = self.path("outgoing", draft);
        let (moved, folder) = match (ended(outcome), &self.maildir) {
            (Ended::Sent, Some(maildir)) => {
                let new = maildir.join("new");
                (fs::rename(from, new.join(format!("{draft}.jackfield"))), new)
            }
            (Ended::Sent, None) => (fs::remove_file(from), self.root.join("outgoing")),
            (Ended::Failed(_), _) => (fs::rename(from, self.path("failed", draft)), self.root.join("failed")),
        };
        match moved {
            Ok(()) => sync_folder(&folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// All of it, on disk, or nothing.
    fn write(&self, folder: &str, key: &str, bytes: &[u8]) -> io::Result<()> {
        self.make_folders()?;
        write_whole(&self.root.join("tmp").join(format!("{folder}-{key}")), &self.path(folder, key), bytes)
    }

    fn path(&self, folder: &str, key: &str) -> PathBuf {
        self.root.join(folder).join(key)
    }
}

fn ended(outcome: &str) -> Ended {
    match outcome.strip_prefix("failed ") {
        Some(reason) => Ended::Failed(reason.to_owned()),
        None => Ended::Sent,
    }
}

/// Writes a file by way of another name, so that all of it is on disk under its own name, or nothing.
pub(crate) fn write_whole(temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn sent(root: &Path) -> Vec<String> {
        let mut texts: Vec<_> = fs::read_dir(root.join("new"))
            .expect("readable")
            .map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("text"))
            .collect();
        texts.sort();
        texts
    }

    #[test]
    fn a_draft_waits_until_it_is_sent_and_is_sent_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::into_maildir(folder.path());
        assert_eq!(spool.begin("d1", NOW).expect("looked"), Begun::Unknown);
        spool.keep_draft("k1", "d1", b"draft", "0001").expect("kept");
        assert_eq!(spool.outcome("k1").expect("read").as_deref(), Some("0001"));
        assert!(sent(folder.path()).is_empty());
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(77);
        assert_eq!(spool.begin("d1", since).expect("begun"), Begun::Outgoing(since));
        assert_eq!(spool.begin("d1", NOW).expect("again"), Begun::Outgoing(since), "it counts from the first time");
        // Made again while it is on its way, and after it has left.
        spool.keep_draft("k1", "d1", b"again", "0001").expect("kept");
        spool.end("d1", &Ended::Sent).expect("sent");
        spool.keep_draft("k1", "d1", b"again", "0001").expect("kept");
        assert_eq!(spool.begin("d1", NOW).expect("again"), Begun::Ended(Ended::Sent));
        assert_eq!(sent(folder.path()), ["draft"]);
        assert!(spool.keep_draft("k2", "d2", b"x", "2").is_ok() && spool.begin("d2", NOW).is_ok());
        assert!(spool.keep_draft("k3", "d2", b"y", "2").is_err(), "the other one is still to be sent");
        fs::remove_file(folder.path().join("new/d1.jackfield")).expect("taken away");
        assert_eq!(Spool::into_maildir(folder.path()).begin("d1", NOW).expect("known"), Begun::Ended(Ended::Sent));
        assert!(sent(folder.path()).is_empty());
    }

    #[test]
    fn an_id_that_a_new_server_gives_again_is_another_message() {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::into_maildir(folder.path());
        for (key, text) in [("k1", "old"), ("k2", "new")] {
            spool.keep_draft(key, "d1", text.as_bytes(), "0001").expect("kept");
            assert_eq!(spool.begin("d1", NOW).expect("begun"), Begun::Outgoing(NOW));
            spool.end("d1", &Ended::Sent).expect("sent");
            fs::rename(folder.path().join("new/d1.jackfield"), folder.path().join("new").join(key)).expect("read");
        }
        assert_eq!(sent(folder.path()), ["new", "old"]);
    }

    #[test]
    fn what_was_begun_before_a_crash_is_finished_not_repeated() {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::into_maildir(folder.path());
        for draft in ["a1", "b2"] {
            spool.keep_draft(&format!("k{draft}"), draft, draft.as_bytes(), "1").expect("kept");
            spool.begin(draft, NOW).expect("begun");
        }
        // A crash after the note, before the move; and one before the note.
        spool.write("done", "a1", b"sent").expect("written");
        let waiting = Spool::into_maildir(folder.path()).outgoing().expect("looked");
        assert_eq!(waiting.into_iter().map(|(draft, _)| draft).collect::<Vec<_>>(), ["b2"]);
        assert_eq!(sent(folder.path()), ["a1"]);
    }

    #[test]
    fn what_failed_is_kept_and_its_reason_is_told_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::to_be_sent(folder.path());
        spool.keep_draft("k1", "d1", b"draft", "1").expect("kept");
        spool.begin("d1", NOW).expect("begun");
        let failed = Ended::Failed("550 nobody here".to_owned());
        spool.end("d1", &failed).expect("noted");
        assert_eq!(spool.begin("d1", NOW).expect("known"), Begun::Ended(failed));
        assert_eq!(fs::read(folder.path().join("failed/d1")).expect("there"), b"draft");
        assert!(spool.outgoing().expect("looked").is_empty());
    }

    #[test]
    fn what_is_old_is_forgotten_unless_it_is_unfinished() {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::to_be_sent(folder.path());
        spool.write("done", "a1", b"1").expect("noted");
        spool.keep_draft("k", "b2", b"two", "2").expect("kept");
        spool.begin("b2", NOW).expect("begun");
        spool.write("done", "b2", b"sent").expect("written");
        let later = SystemTime::now() + Duration::from_secs(100);
        assert_eq!(spool.forget(later, Duration::from_secs(1_000)).expect("looked"), 0);
        assert_eq!(spool.forget(later, Duration::from_secs(10)).expect("looked"), 2, "a1 and k");
        assert_eq!(spool.outcome("a1").expect("read"), None);
        assert!(spool.outcome("b2").expect("read").is_some());
    }
}
