//! The properties that conditions and orders may name: how they are called, what they hold, and
//! where they come from.
//!
//! Each system property goes by its protocol name and by its column name, in any case (reference,
//! *Interaction attributes*). A time that is not there, and an empty ParentId or ExternalId, is null.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};

use crate::settings::{CustomProperty, PropertyKind};
use crate::store::{Entry, PropertyValue};

/// What an expression holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Text,
    /// Milliseconds since 1970-01-01T00:00:00Z, but no integer to the author of a view.
    Time,
    Boolean,
    Null,
}

impl Kind {
    /// For messages.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Kind::Integer => "a number",
            Kind::Text => "text",
            Kind::Time => "a time",
            Kind::Boolean => "true or false",
            Kind::Null => "null",
        }
    }

    fn column_type(self) -> &'static str {
        match self {
            Kind::Text => "text",
            _ => "integer",
        }
    }
}

/// Where the value of a property comes from.
#[derive(Clone, Copy)]
enum Source {
    System(for<'e> fn(&'e Entry) -> ToSqlOutput<'e>),
    Custom(usize),
}

/// A property: a column of the table of what waits.
#[derive(Clone)]
pub(super) struct Property {
    /// The column: our own word, never the author's.
    pub(super) column: String,
    pub(super) kind: Kind,
    /// Names it goes by, in any case.
    names: Vec<String>,
    source: Source,
}

impl Property {
    /// Its value in an entry.
    pub(super) fn value<'e>(&self, entry: &'e Entry) -> ToSqlOutput<'e> {
        match self.source {
            Source::System(value) => value(entry),
            Source::Custom(index) => match entry.custom.get(index) {
                Some(Some(PropertyValue::Text(value))) => text(value),
                Some(Some(PropertyValue::Integer(value))) => integer(*value),
                Some(None) | None => ToSqlOutput::Owned(Value::Null),
            },
        }
    }

    /// Its declaration as a column.
    pub(super) fn declaration(&self) -> String {
        format!("{} {}", self.column, self.kind.column_type())
    }
}

fn integer(value: impl Into<i64>) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(Value::Integer(value.into()))
}

fn text(value: &str) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes()))
}

fn text_or_null(value: &str) -> ToSqlOutput<'_> {
    if value.is_empty() { ToSqlOutput::Owned(Value::Null) } else { text(value) }
}

fn time(value: i64) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(if value == 0 { Value::Null } else { Value::Integer(value) })
}

/// A system property: names (the first is the column), what it holds, its value.
type SystemProperty = (&'static [&'static str], Kind, for<'e> fn(&'e Entry) -> ToSqlOutput<'e>);

/// All that an entry knows.
const SYSTEM: &[SystemProperty] = &[
    (&["queue"], Kind::Text, |entry| text(&entry.key.queue)),
    (&["priority"], Kind::Integer, |entry| integer(entry.key.priority)),
    (&["received_at", "ReceivedAt"], Kind::Time, |entry| integer(entry.key.received_at)),
    (&["id", "interaction_id", "InteractionId"], Kind::Text, |entry| text(&entry.key.id)),
    (&["tenant_id", "TenantId"], Kind::Integer, |entry| integer(entry.tenant_id)),
    // Only what is queued waits.
    (&["state", "interaction_state", "InteractionState"], Kind::Integer, |_| integer(0)),
    (&["is_locked", "IsLocked"], Kind::Integer, |entry| integer(entry.is_locked)),
    (&["is_held", "IsHeld"], Kind::Integer, |entry| integer(entry.is_held)),
    (&["is_online", "IsOnline"], Kind::Integer, |entry| integer(entry.is_online)),
    (&["media_type", "MediaType"], Kind::Text, |entry| text(&entry.media_type)),
    (&["type", "interaction_type", "InteractionType"], Kind::Text, |entry| text(&entry.interaction_type)),
    (&["subtype", "interaction_subtype", "InteractionSubtype"], Kind::Text, |entry| text(&entry.interaction_subtype)),
    (&["external_id", "ExternalId"], Kind::Text, |entry| text_or_null(&entry.external_id)),
    (&["parent_id", "ParentId"], Kind::Text, |entry| text_or_null(&entry.parent_id)),
    (&["service_objective", "ServiceObjective"], Kind::Integer, |entry| integer(entry.service_objective)),
    (&["submitted_by", "SubmittedBy"], Kind::Text, |entry| text(&entry.submitted_by)),
    (&["submitted_at", "SubmittedAt"], Kind::Time, |entry| time(entry.submitted_at)),
    (&["placed_in_queue_at", "PlacedInQueueAt"], Kind::Time, |entry| time(entry.placed_in_queue_at)),
    (&["moved_to_queue_at", "MovedToQueueAt"], Kind::Time, |entry| time(entry.moved_to_queue_at)),
    (&["delivered_at", "DeliveredAt"], Kind::Time, |entry| time(entry.delivered_at)),
    (&["abandoned_at", "AbandonedAt"], Kind::Time, |entry| time(entry.abandoned_at)),
    (&["held_at", "HeldAt"], Kind::Time, |entry| time(entry.held_at)),
];

/// Columns every table of what waits has: its key, and what every view asks.
const ALWAYS: [&str; 8] = ["queue", "priority", "received_at", "id", "tenant_id", "state", "is_locked", "is_held"];

/// All properties of one server.
pub(super) struct Properties(Vec<Property>);

impl Properties {
    /// The system properties, and these.
    pub(super) fn new(custom: &[CustomProperty]) -> Properties {
        let system = SYSTEM.iter().map(|(names, kind, value)| Property {
            column: names.first().copied().unwrap_or_default().into(),
            kind: *kind,
            names: names.iter().map(|name| (*name).into()).collect(),
            source: Source::System(*value),
        });
        let custom = custom.iter().enumerate().map(|(index, property)| Property {
            column: format!("custom_{index}"),
            kind: match property.kind {
                PropertyKind::Text => Kind::Text,
                PropertyKind::Integer => Kind::Integer,
            },
            names: vec![property.name.clone()],
            source: Source::Custom(index),
        });
        Properties(system.chain(custom).collect())
    }

    /// The property of that name.
    pub(super) fn find(&self, name: &str) -> Option<&Property> {
        self.0.iter().find(|property| property.names.iter().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// Those every table has, whatever its views say.
    pub(super) fn always(&self) -> impl Iterator<Item = &Property> {
        self.0.iter().filter(|property| ALWAYS.contains(&property.column.as_str()))
    }

    /// The name most like `name`, where one is at all.
    pub(super) fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.0.iter().flat_map(|property| &property.names).map(String::as_str))
    }
}

/// The candidate most like `name`, where one is at all.
pub(super) fn nearest<'n>(name: &str, candidates: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const ALIKE: f64 = 0.8;
    let name = name.to_lowercase();
    candidates
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}
