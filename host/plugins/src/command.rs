//! What an operator may want of a plugin.

use serde::{Deserialize, Serialize};

/// What is to become of one plugin. Versions are named by what their manifest says, or by the beginning of
/// their digest, four characters or more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// New sessions get this version, or the one before; the one they got is held back.
    Rollback {
        /// Which; none: the one that was current before.
        version: Option<String>,
    },
    /// New sessions get this version, or the current one, whatever comes into the folder.
    Pin {
        /// Which; none: the current one.
        version: Option<String>,
    },
    /// New versions are taken again.
    Unpin,
    /// No new sessions.
    Disable,
    /// New sessions again; also after `--safe`, and while it rests because it failed.
    Enable,
    /// A part of the new sessions gets this version.
    Canary {
        /// Of a hundred, 1 to 100.
        percent: u8,
        /// Which; none: the latest in the folder.
        version: Option<String>,
    },
    /// The canary gets no more sessions.
    CanaryOff,
    /// The canary, the shadow, or the version that waits becomes current.
    Promote,
    /// Sessions that end are run again with this version, without effects, and compared.
    Shadow {
        /// Which; none: the latest in the folder.
        version: Option<String>,
    },
    /// Nothing is compared any more.
    ShadowOff,
}

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum CommandError {
    #[error("there is no plugin `{name}`{}", if .known.is_empty() { String::new() } else { format!("; there are {known}") })]
    UnknownPlugin { name: String, known: String },
    #[error("no version is called `{word}`, or has a digest that begins so; there are {known}")]
    UnknownVersion { word: String, known: String },
    #[error("`{word}` may mean {found}; give more of the digest")]
    Ambiguous { word: String, found: String },
    #[error("there is no version before the current one that is not held back; name one")]
    NothingBefore,
    #[error("the folder has no version beside the current one; put its file there first")]
    NothingNew,
    #[error("it cannot be loaded: {0}")]
    NotLoaded(String),
    #[error("it is so from now on, but could not be recorded, and is forgotten at the next start: {0}")]
    NotRecorded(String),
    #[error("nothing is recorded on this node, so sessions cannot be run again; a shadow needs the journal")]
    NoJournal,
    #[error("the node is stopping")]
    Stopping,
}
