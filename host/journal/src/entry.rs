//! What is recorded, and what is read back.
//!
//! Times are wall-clock milliseconds since 1970. Records, checkpoints and origins are bytes to the
//! journal.

use std::sync::Arc;

use jackfield_store::GroupedWrite;

/// One thing to record. Recording the same again changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A plugin's bytes. Each is stored once; components that no session refers to are removed when
    /// the journal is opened, so hand over the component of a session before or with its `Begin`.
    Component {
        /// What names it: the digest of its bytes.
        digest: String,
        /// Of the plugin, for people.
        name: String,
        /// Of the plugin, for people.
        version: String,
        /// The `.wasm` file.
        bytes: Vec<u8>,
    },
    /// A session begins.
    Begin(SessionRow),
    /// A turn of a session that has begun. Another record under the same number is refused, and the
    /// journal closed: two tasks take themselves for the same session.
    Turn {
        /// Its session.
        session: Arc<str>,
        /// From 1, without gaps.
        number: u64,
        /// The turn, encoded.
        record: Vec<u8>,
        /// When the session's next timer or time-out is due.
        due_at: Option<i64>,
        /// The encoded checkpoint as of this turn: from here on the session is rebuilt from it.
        checkpoint: Option<Vec<u8>>,
        /// Key of the message it took: that one waits no longer.
        taken: Option<String>,
        /// Messages it sends to sessions of this journal.
        sends: Vec<MessageRow>,
    },
    /// A message from another session or from outside.
    Message(MessageRow),
    /// A session has ended.
    End {
        /// The session.
        session: Arc<str>,
        /// When.
        at: i64,
        /// How, for people.
        outcome: String,
        /// Whether it ended other than by returning.
        failed: bool,
        /// Record of the turn that failed, where one did: it is no turn, its requests never left.
        last: Option<Vec<u8>>,
    },
    /// A session goes on with another version of its plugin.
    Moved {
        /// The session.
        session: Arc<str>,
        /// Of the component it goes on with.
        digest: String,
        /// Of the plugin it goes on with.
        version: String,
    },
}

/// A session as it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Unique over all journals.
    pub id: Arc<str>,
    /// The strategy it runs.
    pub strategy: String,
    /// Name of the plugin.
    pub plugin: String,
    /// Version of the plugin.
    pub version: String,
    /// Digest of the plugin's component.
    pub digest: String,
    /// Interaction Server the interaction was pulled from.
    pub server: String,
    /// Id of the interaction.
    pub interaction: String,
    /// When it began.
    pub started_at: i64,
    /// What it began with, encoded.
    pub origin: Vec<u8>,
}

/// A message to a session. A key seen before changes nothing, and neither does a message to a session
/// that has ended or never began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// To which session.
    pub session: String,
    /// Tells a repeat from another message.
    pub key: String,
    /// Of the message.
    pub name: String,
    /// Of the message.
    pub data: String,
}

/// A session read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// As it began, or was moved to since.
    pub row: SessionRow,
    /// Turns recorded in all.
    pub turns: u64,
    /// When its next timer or time-out is due, as of its last turn.
    pub due_at: Option<i64>,
    /// The last one.
    pub checkpoint: Option<StoredCheckpoint>,
    /// Turns after the checkpoint by number, in order.
    pub records: Vec<(u64, Vec<u8>)>,
    /// Messages no turn has taken, in the order they came.
    pub messages: Vec<MessageRow>,
    /// Its end, once it has ended.
    pub end: Option<StoredEnd>,
}

/// A session's state as it handed it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// The turn it was made in.
    pub turn: u64,
    /// The checkpoint, encoded.
    pub record: Vec<u8>,
}

/// How a session ended; see [`Entry::End`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEnd {
    /// When.
    pub at: i64,
    /// How, for people.
    pub outcome: String,
    /// Whether it ended other than by returning.
    pub failed: bool,
    /// Record of the turn that failed, where one did.
    pub last: Option<Vec<u8>>,
}

impl Entry {
    /// The session whose history it changes, where it is one.
    pub(crate) fn changes(&self) -> Changes<'_> {
        match self {
            Entry::Component { .. } => Changes::Nothing,
            Entry::Begin(row) => Changes::Session(&row.id),
            Entry::Turn { session, sends, .. } if sends.is_empty() => Changes::Session(session),
            Entry::Turn { .. } => Changes::Several,
            Entry::Message(message) => Changes::Session(&message.session),
            Entry::End { session, .. } | Entry::Moved { session, .. } => Changes::Session(session),
        }
    }
}

/// Whose histories an entry changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changes<'a> {
    /// Nobody's.
    Nothing,
    /// This session's.
    Session(&'a str),
    /// Those of several sessions.
    Several,
}

impl GroupedWrite for Entry {
    fn bytes(&self) -> usize {
        /// What a row counts beside its bytes.
        const ROW: usize = 256;
        let message = |message: &MessageRow| {
            ROW + message.session.len() + message.key.len() + message.name.len() + message.data.len()
        };
        let rest = match self {
            Entry::Component { bytes, .. } => bytes.len(),
            Entry::Begin(row) => row.origin.len(),
            Entry::Turn { record, checkpoint, sends, .. } => {
                let sends: usize = sends.iter().map(message).sum();
                record.len() + checkpoint.as_ref().map_or(0, Vec::len) + sends
            }
            Entry::Message(row) => message(row),
            Entry::End { outcome, last, .. } => outcome.len() + last.as_ref().map_or(0, Vec::len),
            Entry::Moved { .. } => 0,
        };
        ROW + rest
    }

    fn is_pruned_later(&self) -> bool {
        !matches!(self, Entry::Component { .. } | Entry::Moved { .. })
    }
}
