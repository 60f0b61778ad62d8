//! What is chosen for each plugin, by an operator or by a breaker, and survives a restart.
//!
//! One small JSON file in the node's data folder, written whole: a temporary file, synced, renamed. The
//! plugins folder says which files there are; this says which version of them serves.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Versions of one plugin that are remembered, and whose bytes are kept for a rollback.
pub const KNOWN_MOST: usize = 10;
/// The format of the file.
const FORMAT: u32 = 1;
/// Bytes of a file that is read.
const FILE_BYTES: u64 = 16 << 20;

/// A version of a plugin, by what its file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    /// SHA-256 of the file.
    pub digest: String,
    /// What its manifest says.
    pub version: String,
    /// When it was first taken, in milliseconds since 1970-01-01T00:00:00Z.
    pub taken_at: u64,
}

/// A version that gets a part of the new sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// Which.
    pub digest: String,
    /// Of a hundred new sessions, 1 to 100.
    pub percent: u8,
}

/// What is chosen for one plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Choice {
    /// No new sessions.
    pub disabled: bool,
    /// The current version stays, whatever comes into the folder.
    pub pinned: bool,
    /// The version that came into the folder last: there again, after a restart too, it is no news.
    pub seen: Option<String>,
    /// The version that new sessions get.
    pub current: Option<String>,
    /// Those that were current before, the latest last.
    pub past: Vec<String>,
    /// A version that is tried on some of the new sessions.
    pub canary: Option<Canary>,
    /// A version that is run beside the current one, without effects.
    pub shadow: Option<String>,
    /// Versions that do not become current by themselves again, and why.
    pub held_back: BTreeMap<String, String>,
    /// Versions whose bytes are kept, the oldest first.
    pub known: Vec<Known>,
}

impl Choice {
    /// Whether it is current, a canary, or a shadow.
    pub fn has_role(&self, digest: &str) -> bool {
        self.current.as_deref() == Some(digest)
            || self.shadow.as_deref() == Some(digest)
            || self.canary.as_ref().is_some_and(|canary| canary.digest == digest)
    }

    /// Whether its bytes are kept.
    pub fn knows(&self, digest: &str) -> bool {
        self.known.iter().any(|known| known.digest == digest)
    }
}

/// Of all plugins, by name.
pub type Choices = BTreeMap<String, Choice>;

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    plugins: Choices,
}

/// Why choices cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum ChoiceError {
    #[error("cannot read {path}: {reason}")]
    Read { path: String, reason: String },
    #[error("{path} is damaged: {reason}; remove it to let every plugin run the version that is in the plugins folder")]
    Damaged { path: String, reason: String },
    #[error("{path} was written by a newer version (format {format}; this one reads {FORMAT})")]
    Newer { path: String, format: u32 },
    #[error("cannot write {path}: {reason}")]
    Write { path: String, reason: String },
}

/// Reads them; none where there is no file.
///
/// # Errors
/// The file cannot be read, is damaged, or of a newer format.
pub fn load(path: &Path) -> Result<Choices, ChoiceError> {
    let name = || path.display().to_string();
    let unreadable = |reason: std::io::Error| ChoiceError::Read { path: name(), reason: reason.to_string() };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Choices::new()),
        Err(error) => return Err(unreadable(error)),
        Ok(metadata) if metadata.len() > FILE_BYTES => {
            return Err(ChoiceError::Damaged { path: name(), reason: format!("it has {} bytes", metadata.len()) });
        }
        Ok(_) => {}
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let damaged = |error: serde_json::Error| ChoiceError::Damaged { path: name(), reason: error.to_string() };
    let Format { format } = serde_json::from_slice(&bytes).map_err(damaged)?;
    if format > FORMAT {
        return Err(ChoiceError::Newer { path: name(), format });
    }
    serde_json::from_slice::<File>(&bytes).map(|file| file.plugins).map_err(damaged)
}

/// Writes them; when this returns they are on disk.
///
/// # Errors
/// The file cannot be written; the one that is there stays as it was.
pub fn save(path: &Path, choices: &Choices) -> Result<(), ChoiceError> {
    let file = File { format: FORMAT, plugins: choices.clone() };
    let written =
        serde_json::to_vec_pretty(&file).map_err(std::io::Error::from).and_then(|bytes| replace(path, &bytes));
    written.map_err(|error| ChoiceError::Write { path: path.display().to_string(), reason: error.to_string() })
}

/// Replaces a file by one with this content, at once and for good.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = path.with_extension("part");
    let mut file = std::fs::File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&part, path)?;
    match path.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_back_as_they_went() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("choices.json");
        assert_eq!(load(&path).unwrap(), Choices::new());
        let choice = Choice {
            pinned: true,
            current: Some("a".into()),
            canary: Some(Canary { digest: "b".into(), percent: 10 }),
            held_back: [("c".to_owned(), "rolled back".to_owned())].into(),
            known: vec![Known { digest: "a".into(), version: "1".into(), taken_at: 5 }],
            ..Choice::default()
        };
        let choices = Choices::from([("triage".to_owned(), choice)]);
        save(&path, &choices).unwrap();
        save(&path, &choices).unwrap();
        assert_eq!(load(&path).unwrap(), choices);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn what_cannot_be_read_is_named_and_said_how_to_get_rid_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("choices.json");
        for (text, expected) in [
            ("", "is damaged: EOF while parsing"),
            (
                "{\"format\":1,\"plugins\":3}",
                "remove it to let every plugin run the version that is in the plugins folder",
            ),
            ("{\"format\":2}", "was written by a newer version (format 2; this one reads 1)"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = load(&path).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("choices.json"), "{error}");
        }
        let error = save(&folder.path().join("none/choices.json"), &Choices::new()).unwrap_err();
        assert!(error.to_string().starts_with("cannot write "), "{error}");
    }
}
