//! The node's journal: opened for writing by those who run sessions, and read by those who only look.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jackfield_journal::{
    Journal, JournalFile, JournalFileError, MessageRow, SessionRow, SqliteJournal, StoredEnd, StoredSession,
};
use jackfield_strategy::{Checkpoint, History, Origin, RecordError, Turn};
use serde_json::{Map, Value as Json, json};

use crate::config::{self, Site};
use crate::connect;
use crate::exit::Usage;

/// Opens the journal of the node and becomes its owner. None: the site keeps none.
///
/// # Errors
/// Another process is its owner; it cannot be read or written; it is damaged, newer, or something else.
pub async fn open(site: &Site) -> anyhow::Result<Option<Journal>> {
    let Some(path) = site.journal() else { return Ok(None) };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let settings = config::journal_settings(site);
    let opened = tokio::task::spawn_blocking(move || Journal::open(Box::new(SqliteJournal::new(path)), settings));
    Ok(Some(opened.await?.context("the journal of the node")?))
}

/// Opens the journal for reading; a node may be writing to it.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn file(site: &Site) -> anyhow::Result<JournalFile> {
    let path = path(site)?;
    if !path.exists() {
        anyhow::bail!("there is no journal at {}; `jackfield run` begins one", path.display());
    }
    JournalFile::open(&path).context("the journal of the node")
}

/// Where it is.
///
/// # Errors
/// [`Usage`] where the site keeps none.
pub fn path(site: &Site) -> Result<PathBuf, Usage> {
    site.journal().ok_or_else(|| {
        Usage(format!("the node of {} keeps no journal: its option `journal` is `off`", site.path.display()))
    })
}

/// What is recorded of the session whose id is, or begins with, `id`.
///
/// # Errors
/// [`Usage`] where there is no such session, or several; otherwise it cannot be read.
pub fn session(file: &JournalFile, id: &str) -> anyhow::Result<Recorded> {
    match file.session(id, true) {
        Ok(Some(stored)) => {
            let session = stored.row.id.clone();
            Recorded::decode(stored).with_context(|| format!("session {session}"))
        }
        Ok(None) => Err(Usage(format!(
            "the journal has no session `{id}`; `jackfield sessions --finished` lists those that have ended"
        ))
        .into()),
        Err(error @ JournalFileError::Ambiguous { .. }) => Err(Usage(error.to_string()).into()),
        Err(error) => Err(error.into()),
    }
}

/// So long ago, in milliseconds since 1970-01-01T00:00:00Z.
pub fn ago(since: Duration) -> i64 {
    connect::now_ms().saturating_sub(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Who a session is, for scripts.
pub fn row_as_json(row: &SessionRow) -> Map<String, Json> {
    Map::from_iter([
        ("id".to_owned(), json!(&*row.id)),
        ("strategy".to_owned(), json!(row.strategy)),
        ("plugin".to_owned(), json!(row.plugin)),
        ("pluginVersion".to_owned(), json!(row.version)),
        ("digest".to_owned(), json!(row.digest)),
        ("interaction".to_owned(), json!(row.interaction)),
        ("server".to_owned(), json!(row.server)),
        ("startedAt".to_owned(), json!(row.started_at)),
    ])
}

/// A session as it is recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its id, strategy, plugin and interaction.
    pub row: SessionRow,
    /// What it began with.
    pub origin: Origin,
    /// Turns that were recorded; the first ones may be kept no longer.
    pub turns: u64,
    /// Those that are kept, in order.
    pub kept: Vec<Turn>,
    /// Its last checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// When it goes on without an event.
    pub due_at: Option<i64>,
    /// Messages that wait for it.
    pub messages: Vec<MessageRow>,
    /// Its end, once it has ended.
    pub end: Option<StoredEnd>,
    /// The turn in which it failed, if it did.
    pub failed: Option<Turn>,
}

impl Recorded {
    /// From the rows of the journal.
    ///
    /// # Errors
    /// A record is damaged, or of a newer version.
    pub fn decode(stored: StoredSession) -> Result<Recorded, RecordError> {
        let StoredSession { row, turns, due_at, checkpoint, records, messages, end } = stored;
        let checkpoint = checkpoint.as_ref().map(|checkpoint| checkpoint.record.as_slice());
        let records = records.iter().map(|(_, record)| record.as_slice());
        let History { origin, checkpoint, turns: mut kept } = History::decode(&row.origin, checkpoint, records)?;
        let mut failed = end.as_ref().and_then(|end| end.last.as_deref()).map(Turn::decode).transpose()?;
        for turn in kept.iter_mut().chain(&mut failed) {
            turn.session = Arc::clone(&row.id);
        }
        Ok(Recorded { row, origin, turns, kept, checkpoint, due_at, messages, end, failed })
    }

    /// What it is rebuilt from: its last checkpoint, and the turns since.
    pub fn since_checkpoint(&self) -> History {
        let from = self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.turn);
        History {
            origin: self.origin.clone(),
            checkpoint: self.checkpoint.clone(),
            turns: self.kept.iter().filter(|turn| turn.number > from).cloned().collect(),
        }
    }

    /// As much of it as can happen again: all of it, or, where its first turns are kept no longer, what it is
    /// rebuilt from.
    pub fn replayable(&self) -> History {
        match self.kept.first().or(self.failed.as_ref()) {
            Some(first) if first.number == 1 => {
                History { origin: self.origin.clone(), checkpoint: None, turns: self.kept.clone() }
            }
            _ => self.since_checkpoint(),
        }
    }
}
