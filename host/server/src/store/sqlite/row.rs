//! Entries and interactions as rows.

use jackfield_protocol::v1::{Interaction, KeyValue, KeyValueList, Workbin, key_value::Value};
use prost::Message;
use rusqlite::{CachedStatement, Connection, Row, Transaction, named_params};

use crate::settings::CustomProperty;
use crate::store::{Entry, EntryKey, PropertyValue, custom_values};

const ONLINE: i64 = 1;
const LOCKED: i64 = 2;
const HELD: i64 = 4;

/// The columns of an entry, in the order [`read`] expects.
pub(super) const SELECT_ENTRIES: &str = "select queue, priority, received_at, id, tenant_id, media_type, \
     interaction_type, interaction_subtype, external_id, parent_id, flags, submitted_at, placed_in_queue_at, \
     moved_to_queue_at, delivered_at, abandoned_at, held_at, service_objective, submitted_by, workbin, custom \
     from queue_entry order by queue, priority desc, received_at, id";

pub(super) const INSERT_ENTRY: &str = "insert into queue_entry (queue, priority, received_at, id, tenant_id, \
     media_type, interaction_type, interaction_subtype, external_id, parent_id, flags, submitted_at, \
     placed_in_queue_at, moved_to_queue_at, delivered_at, abandoned_at, held_at, service_objective, submitted_by, \
     workbin, custom) values (:queue, :priority, :received_at, :id, :tenant_id, :media_type, :interaction_type, \
     :interaction_subtype, :external_id, :parent_id, :flags, :submitted_at, :placed_in_queue_at, \
     :moved_to_queue_at, :delivered_at, :abandoned_at, :held_at, :service_objective, :submitted_by, :workbin, \
     :custom)";

/// Binds an entry to [`INSERT_ENTRY`] and runs it.
pub(super) fn insert(statement: &mut CachedStatement<'_>, entry: &Entry) -> rusqlite::Result<usize> {
    let flag = |set: bool, bit: i64| if set { bit } else { 0 };
    statement.execute(named_params! {
        ":queue": entry.key.queue,
        ":priority": entry.key.priority,
        ":received_at": entry.key.received_at,
        ":id": entry.key.id,
        ":tenant_id": entry.tenant_id,
        ":media_type": entry.media_type,
        ":interaction_type": entry.interaction_type,
        ":interaction_subtype": entry.interaction_subtype,
        ":external_id": entry.external_id,
        ":parent_id": entry.parent_id,
        ":flags": flag(entry.is_online, ONLINE) | flag(entry.is_locked, LOCKED) | flag(entry.is_held, HELD),
        ":submitted_at": entry.submitted_at,
        ":placed_in_queue_at": entry.placed_in_queue_at,
        ":moved_to_queue_at": entry.moved_to_queue_at,
        ":delivered_at": entry.delivered_at,
        ":abandoned_at": entry.abandoned_at,
        ":held_at": entry.held_at,
        ":service_objective": entry.service_objective,
        ":submitted_by": entry.submitted_by,
        ":workbin": entry.workbin.as_ref().map(Message::encode_to_vec),
        ":custom": encode_custom(&entry.custom),
    })
}

/// Reads a row of [`SELECT_ENTRIES`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let flags: i64 = row.get(10)?;
    let workbin: Option<Workbin> =
        row.get_ref(19)?.as_blob_or_null()?.map(Workbin::decode).transpose().map_err(|error| malformed(19, error))?;
    Ok(Entry {
        key: EntryKey { queue: row.get(0)?, priority: row.get(1)?, received_at: row.get(2)?, id: row.get(3)? },
        tenant_id: row.get(4)?,
        media_type: row.get(5)?,
        interaction_type: row.get(6)?,
        interaction_subtype: row.get(7)?,
        external_id: row.get(8)?,
        parent_id: row.get(9)?,
        is_online: flags & ONLINE != 0,
        is_locked: flags & LOCKED != 0,
        is_held: flags & HELD != 0,
        submitted_at: row.get(11)?,
        placed_in_queue_at: row.get(12)?,
        moved_to_queue_at: row.get(13)?,
        delivered_at: row.get(14)?,
        abandoned_at: row.get(15)?,
        held_at: row.get(16)?,
        service_objective: row.get(17)?,
        submitted_by: row.get(18)?,
        workbin,
        custom: decode_custom(row.get_ref(20)?.as_blob_or_null()?)?,
    })
}

/// Reads an interaction from column `column`.
pub(super) fn read_interaction(row: &Row<'_>, column: usize) -> rusqlite::Result<Interaction> {
    Interaction::decode(row.get_ref(column)?.as_blob()?).map_err(|error| malformed(column, error))
}

fn malformed(column: usize, error: prost::DecodeError) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, Box::new(error))
}

/// A key-value list without keys; a value that is not there is a pair without a value.
fn encode_custom(custom: &[Option<PropertyValue>]) -> Option<Vec<u8>> {
    if custom.is_empty() {
        return None;
    }
    let pairs = custom.iter().map(|value| KeyValue {
        key: String::new(),
        value: value.as_ref().map(|value| match value {
            PropertyValue::Text(text) => Value::Text(text.clone()),
            PropertyValue::Integer(integer) => Value::Integer(*integer),
        }),
    });
    Some(KeyValueList { pairs: pairs.collect() }.encode_to_vec())
}

fn decode_custom(blob: Option<&[u8]>) -> rusqlite::Result<Vec<Option<PropertyValue>>> {
    let Some(blob) = blob else { return Ok(Vec::new()) };
    let list = KeyValueList::decode(blob).map_err(|error| malformed(20, error))?;
    Ok(list
        .pairs
        .into_iter()
        .map(|pair| match pair.value {
            Some(Value::Text(text)) => Some(PropertyValue::Text(text)),
            Some(Value::Integer(integer)) => Some(PropertyValue::Integer(integer)),
            _ => None,
        })
        .collect())
}

/// Works out the custom properties of every entry from its interaction.
pub(super) fn rewrite_custom(
    transaction: &Transaction<'_>,
    custom_properties: &[CustomProperty],
) -> rusqlite::Result<()> {
    /// Interactions read at a time, which bounds the memory it takes.
    const CHUNK: u32 = 256;
    // Entries are in the order of a pull and interactions in that of ids; only here are they joined.
    transaction.execute_batch("create index queue_entry_by_id on queue_entry (id)")?;
    let mut after = String::new();
    loop {
        let chunk = bodies_after(transaction, &after, CHUNK)?;
        let Some((last, _)) = chunk.last() else { break };
        after.clone_from(last);
        let mut update = transaction.prepare_cached("update queue_entry set custom = ?2 where id = ?1")?;
        for (id, interaction) in &chunk {
            let values = custom_values(custom_properties, interaction.user_data.as_ref());
            update.execute((id, encode_custom(&values)))?;
        }
    }
    transaction.execute_batch("drop index queue_entry_by_id")
}

fn bodies_after(connection: &Connection, after: &str, limit: u32) -> rusqlite::Result<Vec<(String, Interaction)>> {
    let mut statement =
        connection.prepare_cached("select id, body from interaction where id > ? order by id limit ?")?;
    let rows = statement.query_map((after, limit), |row| Ok((row.get(0)?, read_interaction(row, 1)?)))?;
    rows.collect()
}
