//! Files of the plugins folder: which ones count, and what tells that one has changed.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jackfield_packages::signature::beside;
use jackfield_strategy::digest_of;

/// Bytes of a file that is read: one more than a plugin may have is enough to refuse it.
const BYTES_MOST: u64 = (128 << 20) + 1;
/// Endings of names that programs give to files they are still writing.
const UNFINISHED: &[&str] = &["~", ".part", ".partial", ".tmp", ".temp", ".swp", ".crdownload", ".filepart"];

/// What kind of plugin a file would be, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `.wasm`, or `.wat`.
    Component,
    /// `.scxml`
    Document,
}

/// The kind of a file that counts. Others are nobody's business: notes, signatures, and what a copying
/// program has not finished (`.triage.wasm.Xy12Zz` of rsync, `triage.wasm.part`, `triage.wasm~`).
pub(crate) fn kind(name: &str) -> Option<Kind> {
    if name.starts_with('.') || UNFINISHED.iter().any(|ending| name.ends_with(ending)) {
        return None;
    }
    match Path::new(name).extension()?.to_str()? {
        "wasm" | "wat" => Some(Kind::Component),
        "scxml" => Some(Kind::Document),
        _ => None,
    }
}

/// What changes when a file is written, replaced, or when its signature is. The change time cannot be set by
/// programs, as the modification time can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    file: One,
    signature: Option<One>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct One {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub fn of(path: &Path) -> io::Result<Stamp> {
        let signature = one(&beside(path)).ok();
        Ok(Stamp { file: one(path)?, signature })
    }

    /// Whether nothing has happened to it for so long.
    pub fn is_older_than(&self, age: Duration) -> bool {
        let last = [Some(self.file), self.signature].into_iter().flatten().map(|one| one.changed).max();
        let Some((seconds, nanoseconds)) = last else { return false };
        let at =
            UNIX_EPOCH + Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanoseconds).unwrap_or(0));
        // A clock that was set back tells nothing.
        SystemTime::now().duration_since(at).is_ok_and(|passed| passed >= age)
    }
}

fn one(path: &Path) -> io::Result<One> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    Ok(One {
        device: metadata.dev(),
        inode: metadata.ino(),
        bytes: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

/// Files of a folder that count, by name.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<(PathBuf, Kind, Stamp)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(kind) = path.file_name().and_then(|name| name.to_str()).and_then(kind) else { continue };
        // One that is gone again, or is a folder, is none.
        if let Ok(stamp) = Stamp::of(&path) {
            files.push((path, kind, stamp));
        }
    }
    files.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    Ok(files)
}

/// A file as it was read.
pub(crate) struct Content {
    pub bytes: Vec<u8>,
    pub digest: String,
    /// What it was before and after: nobody changed it meanwhile.
    pub stamp: Stamp,
}

/// Reads a file; none where it changed meanwhile.
pub(crate) fn read(path: &Path) -> io::Result<Option<Content>> {
    use std::io::Read as _;
    let stamp = Stamp::of(path)?;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(BYTES_MOST).read_to_end(&mut bytes)?;
    if Stamp::of(path)? != stamp {
        return Ok(None);
    }
    Ok(Some(Content { digest: digest_of(&bytes), bytes, stamp }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finished_files_of_known_kinds_count() {
        for name in ["triage.wasm", "a b.wasm", "triage.1.2.wat"] {
            assert_eq!(kind(name), Some(Kind::Component), "{name}");
        }
        assert_eq!(kind("flow.scxml"), Some(Kind::Document));
        for name in [
            ".triage.wasm",
            ".triage.wasm.Xy12Zz",
            "triage.wasm.part",
            "triage.wasm~",
            "triage.wasm.minisig",
            "jackfield.lock",
            "README.md",
            "wasm",
            ".wasm",
            "triage.WASM.tmp",
        ] {
            assert_eq!(kind(name), None, "{name}");
        }
    }

    #[test]
    fn a_stamp_changes_with_the_file_and_with_its_signature() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        std::fs::write(&path, "one").unwrap();
        let first = Stamp::of(&path).unwrap();
        assert_eq!(Stamp::of(&path).unwrap(), first);
        std::fs::write(beside(&path), "signed").unwrap();
        let signed = Stamp::of(&path).unwrap();
        assert_ne!(signed, first);
        std::fs::write(folder.path().join("b.wasm"), "one").unwrap();
        std::fs::rename(folder.path().join("b.wasm"), &path).unwrap();
        assert_ne!(Stamp::of(&path).unwrap(), signed);
        assert!(!signed.is_older_than(Duration::from_secs(3_600)));
        std::fs::create_dir(folder.path().join("c.wasm")).unwrap();
        let names: Vec<_> = list(folder.path()).unwrap().into_iter().map(|(path, ..)| path).collect();
        assert_eq!(names, [path]);
    }
}
