//! The bytes of versions that may be wanted again, after their file was replaced.
//!
//! A folder of the node's own: one file a version, named by its digest, written once, and removed when no
//! choice knows the version any more. What does not have the digest in its name is not used.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use jackfield_strategy::{Plugin, digest_of};

use crate::choice::replace;

#[derive(Clone, Debug)]
pub(crate) struct Archive {
    folder: PathBuf,
}

impl Archive {
    pub fn open(folder: &Path) -> io::Result<Archive> {
        std::fs::create_dir_all(folder)?;
        Ok(Archive { folder: folder.to_owned() })
    }

    /// Where this version is.
    pub fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(digest).with_extension("wasm")
    }

    pub fn has(&self, digest: &str) -> bool {
        self.path(digest).is_file()
    }

    /// Keeps it, if it is not kept already.
    pub fn keep(&self, plugin: &Plugin) -> io::Result<()> {
        if self.has(plugin.digest()) { Ok(()) } else { replace(&self.path(plugin.digest()), plugin.bytes()) }
    }

    /// Its bytes.
    pub fn read(&self, digest: &str) -> io::Result<Vec<u8>> {
        let bytes = std::fs::read(self.path(digest))?;
        if digest_of(&bytes) == digest {
            Ok(bytes)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged: its content is not what its name says"))
        }
    }

    /// Removes all others.
    pub fn keep_only(&self, known: &BTreeSet<&str>) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let digest = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if path.extension().is_some_and(|extension| extension == "wasm") && !known.contains(digest) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}
