//! The writing half: each commit is one transaction, synced.

use jackfield_store::Pruned;
use jackfield_store::sqlite::WriteConnection;
use prost::Message;
use rusqlite::Transaction;

use super::row;
use crate::store::{Answer, Entry, EntryKey, PRUNE_CHUNK, StoreError, Write, Writer};

/// The connection that writes.
pub(super) struct SqliteWriter {
    connection: WriteConnection,
}

impl SqliteWriter {
    pub(super) fn new(connection: WriteConnection) -> SqliteWriter {
        SqliteWriter { connection }
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &rusqlite::Connection {
        self.connection.connection()
    }
}

impl Writer for SqliteWriter {
    type Write = Write;

    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        self.connection.transact(|transaction| writes.iter().try_for_each(|write| apply(transaction, write)))
    }

    fn prune(&mut self, idempotency_before: i64) -> Result<Pruned, StoreError> {
        let limit = PRUNE_CHUNK.cast_signed();
        let (answers, contacts) = self.connection.transact(|transaction| {
            let answers = transaction
                .prepare_cached(
                    "delete from answer where key in (select key from answer where at < ? order by at limit ?)",
                )?
                .execute((idempotency_before, limit))?;
            let contacts = transaction
                .prepare_cached(
                    "delete from contact where key in \
                     (select key from contact where kept_until < ? order by kept_until limit ?)",
                )?
                .execute((idempotency_before, limit))?;
            Ok((answers, contacts))
        })?;
        let chunk = usize::try_from(PRUNE_CHUNK).unwrap_or(usize::MAX);
        let more = answers >= chunk || contacts >= chunk;
        let removed = u64::try_from(answers + contacts).unwrap_or(u64::MAX);
        Ok(Pruned { removed, more })
    }

    fn prune_chunk(&self) -> u64 {
        PRUNE_CHUNK
    }
}

fn apply(transaction: &Transaction<'_>, write: &Write) -> rusqlite::Result<()> {
    match write {
        Write::Insert(interaction, entry) => {
            transaction
                .prepare_cached("insert into interaction (id, body) values (?, ?)")?
                .execute((&entry.key.id, interaction.encode_to_vec()))?;
            insert_entry(transaction, entry)
        }
        Write::Move { from, to } => {
            delete_entry(transaction, from)?;
            insert_entry(transaction, to)
        }
        Write::Update { interaction, from, to } => {
            one(transaction
                .prepare_cached("update interaction set body = ?2 where id = ?1")?
                .execute((&to.key.id, interaction.encode_to_vec()))?)?;
            delete_entry(transaction, from)?;
            insert_entry(transaction, to)
        }
        Write::Delete { key } => {
            one(transaction.prepare_cached("delete from interaction where id = ?")?.execute([&key.id])?)?;
            delete_entry(transaction, key)
        }
        Write::Remember { key, answer } => remember(transaction, key, answer),
        Write::Handled { contact, last, kept_until } => transaction
            .prepare_cached("insert or replace into contact (key, agent, at, kept_until) values (?, ?, ?, ?)")?
            .execute((contact, &last.agent, last.at, kept_until))
            .map(drop),
    }
}

fn insert_entry(transaction: &Transaction<'_>, entry: &Entry) -> rusqlite::Result<()> {
    row::insert(&mut transaction.prepare_cached(row::INSERT_ENTRY)?, entry).map(drop)
}

fn delete_entry(transaction: &Transaction<'_>, key: &EntryKey) -> rusqlite::Result<()> {
    one(transaction
        .prepare_cached("delete from queue_entry where queue = ? and priority = ? and received_at = ? and id = ?")?
        .execute((&key.queue, key.priority, key.received_at, &key.id))?)
}

fn remember(transaction: &Transaction<'_>, key: &str, answer: &Answer) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("insert or replace into answer (key, fingerprint, at, interaction_id) values (?, ?, ?, ?)")?
        .execute((key, answer.fingerprint.cast_signed(), answer.at, &answer.interaction_id))
        .map(drop)
}

/// A change that finds nothing to change means that memory and disk disagree: nothing more may be
/// built on either.
fn one(changed: usize) -> rusqlite::Result<()> {
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}
