//! A journal in memory, for simulations and tests: it keeps what the embedded database keeps, and passes
//! the same tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jackfield_store::{Pruned, Writer};

use crate::{
    Entry, JournalReader, JournalSettings, JournalStore, MessageRow, Opened, SessionRow, StoreError, StoredCheckpoint,
    StoredEnd, StoredSession,
};

/// Rows that one pruning removes at most.
const PRUNE_CHUNK: u64 = 2_048;

/// A place in memory; clones are the same. It outlives its owners, as a file does.
#[derive(Clone, Default)]
pub struct MemoryJournal(Arc<Mutex<Tables>>);

#[derive(Clone, Default)]
struct Tables {
    epoch: u64,
    last_number: u64,
    components: BTreeMap<String, Arc<[u8]>>,
    sessions: BTreeMap<Arc<str>, Arc<Session>>,
}

/// All rows that name one session.
#[derive(Clone, Default)]
struct Session {
    /// Its own; the number tells in which order they began.
    row: Option<(u64, SessionRow)>,
    end: Option<StoredEnd>,
    turns: BTreeMap<u64, (Option<i64>, Vec<u8>)>,
    checkpoint: Option<(Option<i64>, StoredCheckpoint)>,
    /// Whether a turn has taken it.
    messages: Vec<(MessageRow, bool)>,
}

impl MemoryJournal {
    /// An empty one.
    pub fn new() -> MemoryJournal {
        MemoryJournal::default()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // A commit that fails puts back what was there.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JournalStore for MemoryJournal {
    fn name(&self) -> String {
        "memory".into()
    }

    fn open(&mut self, settings: &JournalSettings, held: Option<u64>) -> Result<Opened, StoreError> {
        let mut tables = self.tables();
        match held {
            Some(epoch) => tables.owned_by(epoch)?,
            None => {
                tables.epoch += 1;
                let rows = tables.sessions.values().filter_map(|session| session.row.as_ref());
                let used: BTreeSet<String> = rows.map(|(_, row)| row.digest.clone()).collect();
                tables.components.retain(|digest, _| used.contains(digest));
            }
        }
        let epoch = tables.epoch;
        let writer = MemoryWriter { journal: self.clone(), epoch, history_turns: settings.history_turns };
        Ok(Opened { writer: Box::new(writer), reader: Box::new(MemoryReader(self.clone())), epoch })
    }
}

struct MemoryWriter {
    journal: MemoryJournal,
    epoch: u64,
    history_turns: u64,
}

impl Writer for MemoryWriter {
    type Write = Entry;

    fn commit(&mut self, writes: &[Entry]) -> Result<(), StoreError> {
        let mut tables = self.journal.tables();
        tables.owned_by(self.epoch)?;
        let before = tables.clone();
        let done = writes.iter().try_for_each(|entry| tables.apply(entry, self.history_turns));
        if done.is_err() {
            *tables = before;
        }
        done
    }

    fn prune(&mut self, before: i64) -> Result<Pruned, StoreError> {
        let mut tables = self.journal.tables();
        tables.owned_by(self.epoch)?;
        Ok(tables.prune(before))
    }

    fn prune_chunk(&self) -> u64 {
        PRUNE_CHUNK
    }
}

impl Tables {
    fn owned_by(&self, epoch: u64) -> Result<(), StoreError> {
        if self.epoch == epoch {
            return Ok(());
        }
        Err(StoreError::Fenced { path: path(), detail: format!("its owner is in epoch {}", self.epoch) })
    }

    fn session(&mut self, id: &Arc<str>) -> &mut Session {
        Arc::make_mut(self.sessions.entry(id.clone()).or_default())
    }

    /// One that has begun.
    fn begun(&mut self, id: &Arc<str>) -> Result<&mut Session, StoreError> {
        let session = self.session(id);
        if session.row.is_some() { Ok(session) } else { Err(refused(format!("session {id} has not begun"))) }
    }

    fn apply(&mut self, entry: &Entry, history_turns: u64) -> Result<(), StoreError> {
        match entry {
            Entry::Component { digest, bytes, .. } => {
                self.components.entry(digest.clone()).or_insert_with(|| bytes.as_slice().into());
            }
            Entry::Begin(row) => {
                let number = self.last_number + 1;
                let session = self.session(&row.id);
                if session.row.is_none() {
                    session.row = Some((number, row.clone()));
                    self.last_number = number;
                }
            }
            Entry::Turn { session: id, number, record, due_at, checkpoint, taken, sends } => {
                let session = self.session(id);
                let known = session.turns.entry(*number).or_insert_with(|| (*due_at, record.clone()));
                if known.1 != *record {
                    return Err(refused(format!("turn {number} of session {id} is another one")));
                }
                known.0 = *due_at;
                if let Some(record) = checkpoint {
                    let checkpoint = StoredCheckpoint { turn: *number, record: record.clone() };
                    session.checkpoint = Some((*due_at, checkpoint));
                    session.turns = session.turns.split_off(&(number.saturating_sub(history_turns) + 1));
                }
                if let Some(key) = taken {
                    let of_key = session.messages.iter_mut().filter(|(message, _)| message.key == *key);
                    of_key.for_each(|(_, is_taken)| *is_taken = true);
                }
                sends.iter().for_each(|message| self.send(message));
            }
            Entry::Message(message) => self.send(message),
            Entry::End { session, at, outcome, failed, last } => {
                let end = StoredEnd { at: *at, outcome: outcome.clone(), failed: *failed, last: last.clone() };
                self.begun(session)?.end = Some(end);
            }
            Entry::Moved { session, digest, version } => {
                if let Some((_, row)) = &mut self.begun(session)?.row {
                    (row.digest, row.version) = (digest.clone(), version.clone());
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, message: &MessageRow) {
        let session = self.session(&message.session.as_str().into());
        let is_known = session.messages.iter().any(|(known, _)| known.key == message.key);
        if session.row.is_some() && session.end.is_none() && !is_known {
            session.messages.push((message.clone(), false));
        }
    }

    fn prune(&mut self, before: i64) -> Pruned {
        let ended = |session: &Session| session.row.as_ref().and(session.end.as_ref()).map(|end| end.at);
        let mut old: Vec<(i64, Arc<str>)> = self
            .sessions
            .iter()
            .filter_map(|(id, session)| Some((ended(session).filter(|at| *at < before)?, id.clone())))
            .collect();
        old.sort_unstable();
        let mut removed = 0;
        for (_, id) in old {
            let session = self.session(&id);
            while removed < PRUNE_CHUNK && (session.turns.pop_first().is_some() || session.messages.pop().is_some()) {
                removed += 1;
            }
            if removed < PRUNE_CHUNK {
                self.sessions.remove(&id);
                removed += 1;
            }
            if removed >= PRUNE_CHUNK {
                return Pruned { removed, more: true };
            }
        }
        Pruned { removed, more: false }
    }
}

struct MemoryReader(MemoryJournal);

impl JournalReader for MemoryReader {
    fn session(&mut self, id: &str) -> Result<Option<StoredSession>, StoreError> {
        Ok(self.0.tables().sessions.get(id).and_then(|session| session.stored()))
    }

    fn unfinished(&mut self) -> Result<Vec<Arc<str>>, StoreError> {
        let tables = self.0.tables();
        let open = tables.sessions.values().filter(|session| session.end.is_none());
        let mut rows: Vec<_> = open.filter_map(|session| session.row.as_ref()).collect();
        rows.sort_unstable_by_key(|(number, _)| *number);
        Ok(rows.into_iter().map(|(_, row)| row.id.clone()).collect())
    }

    fn component(&mut self, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.tables().components.get(digest).map(|bytes| bytes.to_vec()))
    }

    fn has_component(&mut self, digest: &str) -> Result<bool, StoreError> {
        Ok(self.0.tables().components.contains_key(digest))
    }
}

impl Session {
    fn stored(&self) -> Option<StoredSession> {
        let (_, row) = self.row.clone()?;
        let (checkpoint_due, checkpoint) = self.checkpoint.clone().unzip();
        let since = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.turn);
        let after = || self.turns.range(since + 1..);
        let last = after().next_back();
        Some(StoredSession {
            row,
            turns: last.map_or(since, |(number, _)| *number),
            due_at: last.map_or(checkpoint_due.flatten(), |(_, (due_at, _))| *due_at),
            checkpoint,
            records: after().map(|(number, (_, record))| (*number, record.clone())).collect(),
            messages: self.messages.iter().filter(|(_, taken)| !taken).map(|(message, _)| message.clone()).collect(),
            end: self.end.clone(),
        })
    }
}

fn path() -> PathBuf {
    PathBuf::from("memory")
}

fn refused(detail: String) -> StoreError {
    StoreError::Refused { path: path(), detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{self, journal_suite};

    journal_suite!(|| suite::over(MemoryJournal::new(), |journal| Box::new(journal.clone())));
}
