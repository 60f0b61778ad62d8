//! Conditions and orders of views.

use jackfield_server::store::{Entry, EntryKey, PropertyValue};
use jackfield_server::{CustomProperty, Limits, PropertyKind, Queue, Settings, Timers, View, ViewProblem, Views};

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600_000;

/// Half of them are no words that views know.
pub(crate) const WORDS: &[&str] = &[
    "priority",
    "id",
    "subject",
    "received_at",
    "MediaType",
    "age",
    "custom_0",
    "view_0",
    "rowid",
    "waiting",
    "sqlite_schema",
    "is_online",
    "'a'",
    "'x''y'",
    "'2026-01-01T00:00:00Z'",
    "''",
    "'%'",
    "1",
    "0",
    "-1",
    "9223372036854775807",
    "9223372036854775808",
    "1.5",
    "1e9",
    "x'41'",
    "null",
    "true",
    "now()",
    "current_timestamp",
    "and",
    "or",
    "not",
    "in",
    "between",
    "like",
    "escape",
    "is",
    "is null",
    "=",
    "<>",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "||",
    "(",
    ")",
    ",",
    ";",
    "--",
    "/*",
    "*/",
    "?",
    ":a",
    "@b",
    "$1",
    "select",
    "from",
    "union",
    "case",
    "when",
    "then",
    "end",
    "cast",
    "as",
    "lower(",
    "abs(",
    "min(",
    "max(",
    "substr(",
    "coalesce(",
    "length(",
    "load_extension(",
    "exists(",
    "asc",
    "desc",
    "nulls first",
    "collate",
    "\"id\"",
    "`id`",
    "[id]",
    "drop table waiting",
    "pragma",
    "\0",
    "😀",
    "\n",
    ".",
    "interval",
    "timestamp",
    "distinct",
];

/// Every word outside of literals that a translated query may hold.
const OURS: &[&str] = &[
    "state",
    "is_locked",
    "queue",
    "tenant_id",
    "is_held",
    "order",
    "by",
    "and",
    "or",
    "not",
    "in",
    "between",
    "like",
    "escape",
    "is",
    "null",
    "asc",
    "desc",
    "nulls",
    "first",
    "last",
    "lower",
    "upper",
    "length",
    "substr",
    "coalesce",
    "abs",
    "min",
    "max",
    "cast",
    "as",
    "integer",
    "id",
    "priority",
    "received_at",
    "media_type",
    "interaction_type",
    "interaction_subtype",
    "external_id",
    "parent_id",
    "submitted_at",
    "submitted_by",
    "placed_in_queue_at",
    "moved_to_queue_at",
    "delivered_at",
    "abandoned_at",
    "held_at",
    "service_objective",
    "is_online",
    "custom_0",
    "custom_1",
];

/// As a condition and as an order; with a zero character in it, a condition and then an order.
pub fn view_condition(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some((condition, order)) = text.split_once('\0') {
        let _ = view(condition, order);
    }
    let _ = view(text, "");
    let _ = view("", text);
}

/// A view is refused with a place in its text; or the database takes what it was translated to, there is no word in
/// that which is not ours, and what it does not show another view does.
///
/// # Errors
/// It was refused.
pub fn view(condition: &str, order: &str) -> Result<(), ViewProblem> {
    let (mut views, mut problems) =
        Views::new(&settings(&[("v", condition, order), ("all", "", "")])).expect("a table in memory");
    let Some(sql) = views.sql("v") else {
        assert_eq!(problems.len(), 1, "{problems:?}");
        let problem = problems.remove(0);
        assert_eq!(problem.view, "v");
        assert!(!problem.message.contains("the database does not take it"), "{problem}");
        let text = if problem.part == "condition" { condition } else { order };
        assert!(is_place(text, problem.line, problem.column), "{problem}, in {text:?}");
        return Err(problem);
    };
    assert!(problems.is_empty(), "{problems:?}");
    assert!(is_ours(&sql), "{sql}");
    for id in ["a", "b"] {
        views.insert(entry(id));
    }
    let taken = views.take("v", 1, true, NOW, &|_| false).expect("a query that runs");
    let left = views.take("all", 100, true, NOW, &|_| false).expect("a query that runs");
    assert_eq!(taken.len() + left.len(), 2, "{sql}");
    Ok(())
}

fn is_ours(sql: &str) -> bool {
    sql.chars().all(|character| character.is_ascii_alphanumeric() || "_ ?(),=<>+-*/%.".contains(character))
        && !sql.contains("--")
        && !sql.contains("/*")
        && sql
            .split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
            .filter(|word| word.starts_with(|first: char| !first.is_ascii_digit()))
            .all(|word| OURS.contains(&word))
}

/// Line and column count from 1, and the end of a line is a place; 0 is nowhere in particular.
fn is_place(text: &str, line: u64, column: u64) -> bool {
    if line == 0 {
        return column == 0;
    }
    let line = usize::try_from(line - 1).ok().and_then(|line| text.split('\n').nth(line));
    line.is_some_and(|line| (1..=line.chars().count() as u64 + 1).contains(&column))
}

fn settings(views: &[(&str, &str, &str)]) -> Settings {
    let property = |name: &str, kind| CustomProperty { name: name.into(), key: name.into(), kind };
    let view = |&(name, condition, order): &(&str, &str, &str)| View {
        name: name.into(),
        queue: "inbound".into(),
        condition: condition.into(),
        order: order.into(),
    };
    Settings {
        name: "server".into(),
        tenant_id: 1,
        media_types: Vec::new(),
        queues: vec![Queue { name: "inbound".into() }],
        views: views.iter().map(view).collect(),
        submitters: Vec::new(),
        strategies: Vec::new(),
        workbins: Vec::new(),
        agents: Vec::new(),
        places: Vec::new(),
        capacity: Default::default(),
        contacts: Default::default(),
        custom_properties: vec![property("subject", PropertyKind::Text), property("age", PropertyKind::Integer)],
        timers: Timers::default(),
        limits: Limits::default(),
    }
}

fn entry(id: &str) -> Entry {
    Entry {
        key: EntryKey { queue: "inbound".into(), priority: 0, received_at: NOW - 1_000, id: id.into() },
        workbin: None,
        tenant_id: 1,
        media_type: "email".into(),
        interaction_type: "Inbound".into(),
        interaction_subtype: "InboundNew".into(),
        external_id: String::new(),
        parent_id: String::new(),
        is_online: false,
        is_locked: false,
        is_held: false,
        submitted_at: NOW - 900,
        placed_in_queue_at: NOW - 900,
        moved_to_queue_at: NOW - 900,
        delivered_at: 0,
        abandoned_at: 0,
        held_at: 0,
        service_objective: 0,
        submitted_by: "mail".into(),
        custom: vec![Some(PropertyValue::Text("a%".into())), Some(PropertyValue::Integer(i32::MIN))],
    }
}
