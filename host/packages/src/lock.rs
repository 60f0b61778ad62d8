//! `jackfield.lock`: what was installed into a folder of plugins, and exactly which contents that were.
//!
//! It is a file of its own format in the folder it is about, so that it is copied and reverted with it. It
//! is only ever written whole.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::digest::is_sha256;
use crate::oci::Reference;

/// Its name.
pub const LOCK_FILE: &str = "jackfield.lock";
/// The format that is written, and the only one that is read.
const FORMAT: u32 = 1;
/// Bytes that are read: some ten thousand plugins.
const FILE_BYTES: u64 = 4 << 20;
/// What stands above, for whoever opens it.
const HEAD: &str = "\
# What `jackfield install` has put here, by digest. `jackfield install` alone makes the folder so again, and
# `jackfield install --update` follows the tags. To take a plugin out, remove its table here, and its file.
";

/// One plugin that was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// The file, in this folder.
    pub file: String,
    /// What was asked for, `oci://…`.
    pub reference: String,
    /// `sha256:…` of the manifest: what is asked for again.
    pub manifest: String,
    /// `sha256:…` of the file.
    pub content: String,
    /// When, in UTC.
    pub installed: String,
}

impl Locked {
    /// Installed now.
    pub fn new(file: String, reference: &Reference, manifest: String, content: String) -> Locked {
        let installed = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Locked { file, reference: reference.to_string(), manifest, content, installed }
    }

    /// What was asked for.
    ///
    /// # Errors
    /// Somebody has changed the file by hand.
    pub fn reference(&self) -> Result<Reference, LockError> {
        self.reference.parse().map_err(|error| LockError::Wrong { reason: format!("{}: {error}", self.file) })
    }

    fn check(&self) -> Result<(), LockError> {
        let wrong = |reason: String| LockError::Wrong { reason };
        if !is_plugin_file(&self.file) {
            return Err(wrong(format!("{:?} is no name of a plugin's file", self.file)));
        }
        for digest in [&self.manifest, &self.content] {
            if !is_sha256(digest) {
                return Err(wrong(format!("{}: {digest:?} is no digest of SHA-256", self.file)));
            }
        }
        self.reference().map(drop)
    }
}

/// Whether this names a file directly in the folder, which the node would take for a plugin.
pub(crate) fn is_plugin_file(name: &str) -> bool {
    let visible = |character: char| !character.is_control() && !matches!(character, '/' | '\\');
    name.len() <= 255 && !name.starts_with('.') && name.ends_with(".wasm") && name.chars().all(visible)
}

/// Why there is no lock file that can be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It cannot be read.
    #[error("{LOCK_FILE} cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// It is of a newer program.
    #[error("{LOCK_FILE} has format {found}; this program knows {FORMAT}: use the version that wrote it")]
    OtherFormat {
        /// What it says.
        found: u32,
    },
    /// It was not written so by this program.
    #[error("{LOCK_FILE} is wrong: {reason}; put back the last good one, or remove it and install again")]
    Wrong {
        /// What, and where.
        reason: String,
    },
}

/// All that was installed into one folder, by file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockFile {
    plugins: Vec<Locked>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    #[serde(default, rename = "plugin")]
    plugins: Vec<Locked>,
}

impl LockFile {
    /// That of `folder`; empty where there is none.
    ///
    /// # Errors
    /// There is one, and it cannot be used.
    pub fn read(folder: &Path) -> Result<LockFile, LockError> {
        let mut text = String::new();
        match std::fs::File::open(LockFile::path(folder)) {
            Ok(file) => file.take(FILE_BYTES).read_to_string(&mut text).map_err(LockError::Unreadable)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LockFile::default()),
            Err(error) => return Err(LockError::Unreadable(error)),
        };
        LockFile::parse(&text)
    }

    /// From its text.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn parse(text: &str) -> Result<LockFile, LockError> {
        /// What later formats say, too.
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let wrong = |error: toml::de::Error| LockError::Wrong { reason: error.message().to_owned() };
        let Version { version } = toml::from_str(text).map_err(wrong)?;
        if version != FORMAT {
            return Err(LockError::OtherFormat { found: version });
        }
        let written: Written = toml::from_str(text).map_err(wrong)?;
        let mut lock = LockFile::default();
        for plugin in written.plugins {
            plugin.check()?;
            if lock.get(&plugin.file).is_some() {
                return Err(LockError::Wrong { reason: format!("{} is in it twice", plugin.file) });
            }
            lock.set(plugin);
        }
        Ok(lock)
    }

    /// As it is written.
    pub fn to_text(&self) -> String {
        let written = Written { version: FORMAT, plugins: self.plugins.clone() };
        // Numbers and texts in tables can always be written.
        format!("{HEAD}{}", toml::to_string(&written).unwrap_or_default())
    }

    /// Where that of `folder` is.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(LOCK_FILE)
    }

    /// All of them, by the name of the file.
    pub fn all(&self) -> &[Locked] {
        &self.plugins
    }

    /// What this file is.
    pub fn get(&self, file: &str) -> Option<&Locked> {
        self.plugins.iter().find(|plugin| plugin.file == file)
    }

    /// Takes in what was installed, in place of what this file was before.
    pub fn set(&mut self, plugin: Locked) {
        self.plugins.retain(|other| other.file != plugin.file);
        let place = self.plugins.partition_point(|other| other.file < plugin.file);
        self.plugins.insert(place, plugin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(file: &str, content: &str) -> Locked {
        let reference = "oci://ghcr.io/acme/triage:1".parse().unwrap();
        Locked::new(file.into(), &reference, crate::sha256(b"manifest"), crate::sha256(content.as_bytes()))
    }

    #[test]
    fn what_is_written_is_read() {
        let mut lock = LockFile::default();
        for (file, content) in [("b.wasm", "1"), ("a.wasm", "1"), ("b.wasm", "2"), ("c d.wasm", "1")] {
            lock.set(locked(file, content));
        }
        assert_eq!(
            lock.all().iter().map(|plugin| plugin.file.as_str()).collect::<Vec<_>>(),
            ["a.wasm", "b.wasm", "c d.wasm"]
        );
        assert_eq!(lock.get("b.wasm").unwrap().content, crate::sha256(b"2"));
        assert_eq!(LockFile::parse(&lock.to_text()).unwrap(), lock);
        assert_eq!(LockFile::parse(&LockFile::default().to_text()).unwrap(), LockFile::default());
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(LockFile::read(folder.path()).unwrap(), LockFile::default());
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let mut lock = LockFile::default();
        lock.set(locked("a.wasm", "1"));
        let right = lock.to_text();
        let twice = format!("{right}{}", right.split_once("\n\n").unwrap().1);
        for (text, why) in [
            (String::new(), "missing field `version`"),
            ("version = ".into(), "is wrong"),
            (right.replace("version = 1", "version = 2"), "has format 2; this program knows 1"),
            (right.replace("a.wasm", "../a.wasm"), "no name of a plugin's file"),
            (right.replace("a.wasm", ".a.wasm"), "no name of a plugin's file"),
            (right.replace("a.wasm", "a.wat"), "no name of a plugin's file"),
            (right.replace("content = \"sha256:", "content = \"sha512:"), "is no digest"),
            (right.replace("oci://", "http://"), "does not begin with oci://"),
            (right.replace("installed", "instaled"), "unknown field `instaled`"),
            (twice, "a.wasm is in it twice"),
        ] {
            let error = LockFile::parse(&text).expect_err(&text).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
