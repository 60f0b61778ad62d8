//! The table of what waits: in memory, one row an entry, with the columns that views name and an
//! index for each view.
//!
//! The parts of a condition that do not depend on the time are worked out when a row comes, into a
//! column of the view's own, and an index over the rows where it is true keeps the view's order. So
//! taking from a view costs what is taken, not what waits.

use std::collections::HashMap;

use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, params_from_iter};

use super::definition::{DEFAULT_ORDER, Definition};
use super::property::{Properties, Property};
use super::translate::{Bound, Rendered};
use crate::store::{Entry, EntryKey};

/// Views that get a column and an index; SQLite bounds the columns of a table. More are worked out
/// at each pull.
const VIEWS_INDEXED: usize = 1_000;
/// What every view asks, before its condition.
const OF_EVERY_VIEW: &str = "state = 0 and is_locked = 0 and queue = ? and tenant_id = ? and is_held <= ?";

/// The table.
pub(super) struct Waiting {
    connection: Connection,
    columns: Vec<Property>,
    /// How a row of a queue with views of its own comes in; the others come in by `plain`.
    inserts: HashMap<String, Rendered>,
    plain: Rendered,
}

/// A query over the table.
pub(super) struct Query {
    sql: String,
    /// After queue, tenant and hold.
    bound: Vec<Bound>,
}

/// A view's column, and the index over it.
struct Membership {
    queue: String,
    column: String,
    condition: Rendered,
}

impl Waiting {
    /// An empty table for these views, with a query or a refusal of SQLite for each.
    pub(super) fn new(
        properties: &Properties,
        views: &[&Definition],
    ) -> rusqlite::Result<(Waiting, Vec<Result<Query, rusqlite::Error>>)> {
        let mut columns: Vec<Property> = properties.always().cloned().collect();
        for property in views.iter().flat_map(|view| &view.used) {
            if !columns.iter().any(|column| column.column == property.column) {
                columns.push(property.clone());
            }
        }
        let connection = Connection::open_in_memory()?;
        // Nothing here outlives the process, and each statement is whole by itself.
        connection.pragma_update(None, "synchronous", "off")?;
        connection.pragma_update(None, "case_sensitive_like", true)?;
        connection.set_prepared_statement_cache_capacity(2 * views.len() + 16);
        let mut declarations: Vec<String> = columns.iter().map(Property::declaration).collect();
        for (number, view) in views.iter().enumerate() {
            if has_column(number, view) {
                declarations.push(format!("{} integer not null default 0", column_of(number)));
            }
        }
        connection.execute_batch(&format!(
            "create table waiting ({}, primary key (queue, priority desc, received_at, id)) without rowid",
            declarations.join(", ")
        ))?;

        let mut members = Vec::new();
        let mut queries = Vec::new();
        for (number, view) in views.iter().enumerate() {
            queries.push(add_view(&connection, number, view).map(|(query, member)| {
                members.extend(member);
                query
            }));
        }
        let plain = insert_statement(&columns, &[]);
        let mut by_queue: HashMap<String, Vec<Membership>> = HashMap::new();
        for member in members {
            by_queue.entry(member.queue.clone()).or_default().push(member);
        }
        let inserts =
            by_queue.into_iter().map(|(queue, members)| (queue, insert_statement(&columns, &members))).collect();
        Ok((Waiting { connection, columns, inserts, plain }, queries))
    }

    /// A row comes in.
    pub(super) fn insert(&self, entry: &Entry) -> rusqlite::Result<()> {
        let statement = self.inserts.get(&entry.key.queue).unwrap_or(&self.plain);
        match self.insert_by(statement, entry) {
            Err(error) if statement != &self.plain => {
                tracing::error!(interaction = %entry.key.id, %error, "no view with a condition will show it");
                self.insert_by(&self.plain, entry)
            }
            done => done,
        }
    }

    fn insert_by(&self, statement: &Rendered, entry: &Entry) -> rusqlite::Result<()> {
        let values = self.columns.iter().map(|column| column.value(entry));
        let bound = statement.bound.iter().map(|bound| bind(bound, 0));
        self.connection.prepare_cached(&statement.sql)?.execute(params_from_iter(values.chain(bound))).map(drop)
    }

    /// A row goes.
    pub(super) fn remove(&self, key: &EntryKey) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("delete from waiting where queue = ? and priority = ? and received_at = ? and id = ?")?
            .execute((&key.queue, key.priority, key.received_at, &key.id))
            .map(drop)
    }

    /// Ids of up to `limit` rows a query finds, in its order, without those `skip` says.
    pub(super) fn find(
        &self,
        query: &Query,
        (queue, tenant): (&str, u32),
        limit: usize,
        ignore_hold: bool,
        now: i64,
        skip: &dyn Fn(&str) -> bool,
    ) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.connection.prepare_cached(&query.sql)?;
        let every = [
            ToSqlOutput::from(queue),
            ToSqlOutput::Owned(Value::Integer(tenant.into())),
            ToSqlOutput::Owned(Value::Integer(ignore_hold.into())),
        ];
        let own = query.bound.iter().map(|bound| bind(bound, now));
        let mut rows = statement.query(params_from_iter(every.into_iter().chain(own)))?;
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(row) = rows.next()?
        {
            let id = row.get_ref(0)?.as_str()?;
            if !skip(id) {
                found.push(id.into());
            }
        }
        Ok(found)
    }

    /// Ids of up to `limit` rows of a queue, in their order, from the first after `after`.
    pub(super) fn ids_in(&self, queue: &str, after: &str, limit: usize) -> rusqlite::Result<Vec<String>> {
        let text = "select id from waiting where queue = ? and id > ? order by id limit ?";
        let mut statement = self.connection.prepare_cached(text)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        statement.query_map((queue, after, limit), |row| row.get(0))?.collect()
    }

    /// How SQLite means to run a query.
    #[cfg(test)]
    pub(super) fn plan(&self, query: &Query) -> String {
        let mut statement = self.connection.prepare(&format!("explain query plan {}", query.sql)).unwrap();
        let parameters = vec![Value::Null; statement.parameter_count()];
        let steps = statement.query_map(params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }
}

fn has_column(number: usize, view: &Definition) -> bool {
    number < VIEWS_INDEXED && !(view.lasting.is_empty() && view.is_default_order)
}

fn column_of(number: usize) -> String {
    format!("view_{number}")
}

fn add_view(
    connection: &Connection,
    number: usize,
    view: &Definition,
) -> rusqlite::Result<(Query, Option<Membership>)> {
    let order = &view.order.sql;
    let mut bound = Vec::new();
    let mut parts = vec![OF_EVERY_VIEW.to_owned()];
    let mut from = String::from("waiting");
    let mut member = None;
    let mut at_pull: Vec<&Rendered> = Vec::new();
    if has_column(number, view) {
        let column = column_of(number);
        let index_order = match &view.index_order {
            Some(order) => format!(", {order}"),
            None => String::new(),
        };
        connection
            .execute_batch(&format!("create index by_{column} on waiting (queue{index_order}) where {column} = 1"))?;
        let condition = all(&view.lasting);
        connection.prepare(&format!("select {} from waiting", condition.sql))?;
        from = format!("waiting indexed by by_{column}");
        parts.push(format!("{column} = 1"));
        member = Some(Membership { queue: view.queue.clone(), column, condition });
    } else {
        at_pull.extend(&view.lasting);
    }
    at_pull.extend(&view.timed);
    for part in at_pull {
        parts.push(part.sql.clone());
        bound.extend(part.bound.iter().cloned());
    }
    bound.extend(view.order.bound.iter().cloned());
    let sql = format!("select id from {from} where {} order by {order}", parts.join(" and "));
    debug_assert!(!view.is_default_order || order == DEFAULT_ORDER);
    connection.prepare_cached(&sql)?;
    Ok((Query { sql, bound }, member))
}

fn all(parts: &[Rendered]) -> Rendered {
    if parts.is_empty() {
        return Rendered { sql: "1".into(), bound: Vec::new() };
    }
    let sql: Vec<&str> = parts.iter().map(|part| part.sql.as_str()).collect();
    Rendered { sql: sql.join(" and "), bound: parts.iter().flat_map(|part| part.bound.clone()).collect() }
}

/// Puts a row in, and works out which views it belongs to on the way.
fn insert_statement(columns: &[Property], members: &[Membership]) -> Rendered {
    let names: Vec<&str> = columns.iter().map(|column| column.column.as_str()).collect();
    let names = names.join(", ");
    let places = vec!["?"; columns.len()].join(", ");
    let mut into = names.clone();
    let mut values = names.clone();
    let mut bound = Vec::new();
    for member in members {
        into.push_str(", ");
        into.push_str(&member.column);
        values.push_str(&format!(", ({}) is true", member.condition.sql));
        bound.extend(member.condition.bound.iter().cloned());
    }
    let sql =
        format!("with entry ({names}) as (values ({places})) insert into waiting ({into}) select {values} from entry");
    Rendered { sql, bound }
}

fn bind(bound: &Bound, now: i64) -> ToSqlOutput<'_> {
    match bound {
        Bound::Text(text) => ToSqlOutput::from(text.as_str()),
        Bound::Integer(integer) => ToSqlOutput::Owned(Value::Integer(*integer)),
        Bound::Now => ToSqlOutput::Owned(Value::Integer(now)),
    }
}
