//! The writing half: each commit is one transaction, synced, by the owner and nobody else.

use jackfield_store::sqlite::WriteConnection;
use jackfield_store::{Pruned, Writer};
use rusqlite::{OptionalExtension, Transaction};

use super::{fenced, owner};
use crate::{Entry, MessageRow, SessionRow, StoreError};

/// Rows that one pruning removes at most.
const PRUNE_CHUNK: u64 = 2_048;

/// The connection that writes.
pub(crate) struct SqliteWriter {
    connection: WriteConnection,
    epoch: u64,
    /// Turns kept from before a checkpoint.
    history_turns: u64,
}

impl SqliteWriter {
    pub(super) fn new(connection: WriteConnection, epoch: u64, history_turns: u64) -> SqliteWriter {
        SqliteWriter { connection, epoch, history_turns }
    }

    #[cfg(test)]
    pub(crate) fn connection(&self) -> &rusqlite::Connection {
        self.connection.connection()
    }

    /// Does `work` in one transaction, unless somebody else is the owner by now.
    fn transact<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let epoch = self.epoch;
        let done = self.connection.transact(|transaction| match owner(transaction)? {
            Some(owner) if owner.epoch.cast_unsigned() == epoch => work(transaction).map(Ok),
            owner => Ok(Err(owner)),
        })?;
        done.map_err(|owner| fenced(self.connection.path(), owner))
    }
}

impl Writer for SqliteWriter {
    type Write = Entry;

    fn commit(&mut self, writes: &[Entry]) -> Result<(), StoreError> {
        let history_turns = self.history_turns;
        self.transact(|transaction| writes.iter().try_for_each(|entry| apply(transaction, entry, history_turns)))
    }

    fn prune(&mut self, before: i64) -> Result<Pruned, StoreError> {
        self.transact(|transaction| remove_finished(transaction, before))
    }

    fn prune_chunk(&self) -> u64 {
        PRUNE_CHUNK
    }
}

fn apply(transaction: &Transaction<'_>, entry: &Entry, history_turns: u64) -> rusqlite::Result<()> {
    match entry {
        Entry::Component { digest, name, version, bytes } => transaction
            .prepare_cached("insert or ignore into component (digest, name, version, bytes) values (?, ?, ?, ?)")?
            .execute((digest, name, version, bytes))
            .map(drop),
        Entry::Begin(row) => begin(transaction, row),
        Entry::Turn { session, number, record, due_at, checkpoint, taken, sends } => {
            let changed = transaction
                .prepare_cached(
                    "insert into turn (session, number, due_at, record) values (?, ?, ?, ?) \
                     on conflict (session, number) do update set due_at = excluded.due_at \
                     where record = excluded.record",
                )?
                .execute((session, number.cast_signed(), due_at, record))?;
            one(changed, session, "the turn was recorded otherwise already")?;
            if let Some(checkpoint) = checkpoint {
                keep_checkpoint(transaction, session, *number, *due_at, checkpoint, history_turns)?;
            }
            if let Some(key) = taken {
                transaction
                    .prepare_cached("update message set taken_in = ? where session = ? and key = ?")?
                    .execute((number.cast_signed(), session, key))?;
            }
            sends.iter().try_for_each(|message| send(transaction, message))
        }
        Entry::Message(message) => send(transaction, message),
        Entry::End { session, at, outcome, failed, last } => {
            let changed = transaction
                .prepare_cached("update session set ended_at = ?, outcome = ?, failed = ?, last = ? where id = ?")?
                .execute((at, outcome, failed, last, session))?;
            one(changed, session, "a session ends that is not recorded")
        }
        Entry::Moved { session, digest, version } => {
            let changed = transaction
                .prepare_cached("update session set digest = ?, version = ? where id = ?")?
                .execute((digest, version, session))?;
            one(changed, session, "a session moves that is not recorded")
        }
    }
}

fn begin(transaction: &Transaction<'_>, row: &SessionRow) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "insert into session (id, strategy, plugin, version, digest, server, interaction, started_at, origin) \
             values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do nothing",
        )?
        .execute((
            &row.id,
            &row.strategy,
            &row.plugin,
            &row.version,
            &row.digest,
            &row.server,
            &row.interaction,
            row.started_at,
            &row.origin,
        ))
        .map(drop)
}

fn keep_checkpoint(
    transaction: &Transaction<'_>,
    session: &str,
    turn: u64,
    due_at: Option<i64>,
    record: &[u8],
    history_turns: u64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("insert or replace into checkpoint (session, turn, due_at, record) values (?, ?, ?, ?)")?
        .execute((session, turn.cast_signed(), due_at, record))?;
    let last_to_go = turn.saturating_sub(history_turns);
    if last_to_go > 0 {
        transaction
            .prepare_cached("delete from turn where session = ? and number <= ?")?
            .execute((session, last_to_go.cast_signed()))?;
    }
    Ok(())
}

fn send(transaction: &Transaction<'_>, message: &MessageRow) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "insert into message (session, key, name, data) \
             select id, ?2, ?3, ?4 from session where id = ?1 and ended_at is null \
             on conflict (session, key) do nothing",
        )?
        .execute((&message.session, &message.key, &message.name, &message.data))
        .map(drop)
}

/// Removes sessions that ended before that time, the oldest first, a chunk of rows at most.
fn remove_finished(transaction: &Transaction<'_>, before: i64) -> rusqlite::Result<Pruned> {
    let mut oldest =
        transaction.prepare_cached("select id from session where ended_at < ? order by ended_at limit 1")?;
    let mut turns = transaction.prepare_cached(
        "delete from turn where session = ?1 and number in \
         (select number from turn where session = ?1 order by number limit ?2)",
    )?;
    let mut messages = transaction.prepare_cached(
        "delete from message where number in (select number from message where session = ?1 limit ?2)",
    )?;
    let mut checkpoint = transaction.prepare_cached("delete from checkpoint where session = ?")?;
    let mut session = transaction.prepare_cached("delete from session where id = ?")?;
    let mut removed = 0;
    loop {
        let Some(id) = oldest.query_row([before], |row| row.get::<_, String>(0)).optional()? else {
            return Ok(Pruned { removed, more: false });
        };
        for rows in [&mut turns, &mut messages] {
            let left = PRUNE_CHUNK - removed;
            removed += rows.execute((&id, left.cast_signed()))? as u64;
            if removed >= PRUNE_CHUNK {
                return Ok(Pruned { removed, more: true });
            }
        }
        // A session's own row is the last to go: until then it is found again. It has at most one
        // checkpoint, which does not count.
        checkpoint.execute([&id])?;
        removed += session.execute([&id])? as u64;
        if removed >= PRUNE_CHUNK {
            return Ok(Pruned { removed, more: true });
        }
    }
}

/// A change that finds nothing to change means that memory and disk disagree: nothing more may be
/// built on either.
fn one(changed: usize, session: &str, otherwise: &str) -> rusqlite::Result<()> {
    if changed == 1 {
        return Ok(());
    }
    tracing::error!(session, "{otherwise}");
    Err(rusqlite::Error::StatementChangedRows(changed))
}
