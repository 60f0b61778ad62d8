//! What views show, what they refuse, and that nothing gets through.

use jackfield_protocol::v1::Workbin;

use super::*;
use crate::settings::{CustomProperty, Limits, PropertyKind, Queue, Timers, View as ViewSettings};
use crate::store::{EntryKey, PropertyValue};

/// 2026-01-01T00:00:00Z.
pub(super) const NOW: i64 = 1_767_225_600_000;

pub(super) fn settings(views: &[(&str, &str, &str)]) -> Settings {
    let property = |name: &str, kind| CustomProperty { name: name.into(), key: name.into(), kind };
    Settings {
        name: "test".into(),
        tenant_id: 1,
        media_types: vec![],
        queues: vec![Queue { name: "inbound".into() }, Queue { name: "other".into() }],
        views: views
            .iter()
            .map(|(name, condition, order)| ViewSettings {
                name: (*name).into(),
                queue: "inbound".into(),
                condition: (*condition).into(),
                order: (*order).into(),
            })
            .collect(),
        submitters: vec![],
        strategies: vec![],
        workbins: vec![],
        agents: vec![],
        places: vec![],
        capacity: Default::default(),
        contacts: Default::default(),
        custom_properties: vec![property("subject", PropertyKind::Text), property("age", PropertyKind::Integer)],
        timers: Timers::default(),
        limits: Limits::default(),
    }
}

pub(super) fn entry(id: &str) -> Entry {
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
        custom: vec![None, None],
    }
}

fn with(id: &str, change: impl FnOnce(&mut Entry)) -> Entry {
    let mut entry = entry(id);
    change(&mut entry);
    entry
}

fn views(of: &[(&str, &str, &str)], entries: Vec<Entry>) -> Views {
    let (mut views, problems) = Views::new(&settings(of)).unwrap();
    assert_eq!(problems, []);
    for entry in entries {
        views.insert(entry);
    }
    views
}

pub(super) fn take(views: &mut Views, view: &str) -> Vec<String> {
    let taken = views.take(view, 100, false, NOW, &|_| false).unwrap();
    taken.into_iter().map(|entry| entry.key.id).collect()
}

/// What a view with that condition shows of some entries.
fn shown(condition: &str, entries: Vec<Entry>) -> String {
    take(&mut views(&[("v", condition, "id")], entries), "v").join(" ")
}

pub(super) fn problem(condition: &str, order: &str) -> ViewProblem {
    let (_, mut problems) = Views::new(&settings(&[("v", condition, order)])).unwrap();
    assert_eq!(problems.len(), 1, "accepted: {condition:?} {order:?}");
    problems.pop().unwrap()
}

#[test]
fn the_default_order_is_priority_then_age_then_id() {
    let at = |id: &str, priority, received_at| {
        with(id, |entry| {
            entry.key.priority = priority;
            entry.key.received_at = received_at;
        })
    };
    let entries = vec![at("e", -1, 1), at("d", 0, 7), at("c", 0, 5), at("b", 0, 5), at("a", 9, 99)];
    assert_eq!(take(&mut views(&[("v", "", "")], entries.clone()), "v"), ["a", "b", "c", "d", "e"]);
    // With a condition, another index keeps the same order.
    assert_eq!(take(&mut views(&[("v", "state = 0", "")], entries), "v"), ["a", "b", "c", "d", "e"]);
}

#[test]
fn an_explicit_order_replaces_the_default_and_ends_with_the_id() {
    let at = |id: &str, priority, subject: Option<&str>| {
        with(id, |entry| {
            entry.key.priority = priority;
            entry.custom[0] = subject.map(|subject| PropertyValue::Text(subject.into()));
        })
    };
    let entries = vec![at("b", 9, Some("x")), at("a", 0, Some("x")), at("c", 5, Some("y")), at("d", 1, None)];
    let order = |order: &str| take(&mut views(&[("v", "", order)], entries.clone()), "v").join("");
    assert_eq!(order("Subject desc"), "cabd");
    assert_eq!(order("subject nulls last, priority desc"), "bacd");
    assert_eq!(order("abs(priority - 5), id desc"), "cdba");
    assert_eq!(order("priority"), "adcb");
}

#[test]
fn what_is_taken_no_longer_waits() {
    let mut views = views(&[("v", "", ""), ("w", "priority < 5", "")], vec![entry("a"), entry("b"), entry("c")]);
    assert_eq!(views.counts().collect::<Vec<_>>(), [("inbound", 3)]);
    let taken = views.take("v", 2, false, NOW, &|id| id == "a").unwrap();
    assert_eq!(taken, [entry("b"), entry("c")]);
    assert_eq!((views.len(), views.get("a"), views.get("b")), (1, Some(&entry("a")), None));
    assert_eq!(take(&mut views, "w"), ["a"]);
    assert!(views.is_empty());
    assert_eq!(views.counts().count(), 0);
}

#[test]
fn an_entry_that_changes_moves_between_views() {
    let mut views = views(&[("low", "priority < 5", ""), ("high", "priority >= 5", "")], vec![entry("a")]);
    views.insert(with("a", |entry| entry.key.priority = 7));
    assert_eq!(views.len(), 1);
    assert_eq!(take(&mut views, "low"), [""; 0]);
    assert_eq!(take(&mut views, "high"), ["a"]);
    assert_eq!(views.remove("a"), None);
}

#[test]
fn no_view_shows_what_is_locked_held_elsewhere_or_in_a_workbin() {
    let entries = vec![
        with("locked", |entry| entry.is_locked = true),
        with("held", |entry| entry.is_held = true),
        with("other", |entry| entry.key.queue = "other".into()),
        with("tenant", |entry| entry.tenant_id = 2),
        with("workbin", |entry| entry.workbin = Some(Workbin::default())),
        entry("plain"),
    ];
    for condition in ["", "priority = 0", "received_at < now()"] {
        let mut views = views(&[("v", condition, "id")], entries.clone());
        assert_eq!(take(&mut views, "v"), ["plain"], "{condition}");
        let taken = views.take("v", 100, true, NOW, &|_| false).unwrap();
        assert_eq!(taken.iter().map(|entry| entry.key.id.as_str()).collect::<Vec<_>>(), ["held"], "{condition}");
        assert_eq!(views.get("workbin").map(|entry| entry.workbin.is_some()), Some(true));
        let counts: HashMap<&str, usize> = views.counts().collect();
        assert_eq!(counts, HashMap::from([("inbound", 2), ("other", 1)]));
    }
}

#[test]
fn properties_go_by_column_and_protocol_name_in_any_case() {
    for condition in ["media_type = 'email'", "MediaType = 'email'", "MEDIATYPE = 'email'", "\"mediatype\" = 'email'"] {
        assert_eq!(shown(condition, vec![entry("a")]), "a", "{condition}");
    }
    for names in [
        ["queue", "Queue"],
        ["received_at", "ReceivedAt"],
        ["id", "InteractionId"],
        ["tenant_id", "TenantId"],
        ["state", "InteractionState"],
        ["is_locked", "IsLocked"],
        ["is_held", "IsHeld"],
        ["is_online", "IsOnline"],
        ["type", "InteractionType"],
        ["subtype", "InteractionSubtype"],
        ["external_id", "ExternalId"],
        ["parent_id", "ParentId"],
        ["service_objective", "ServiceObjective"],
        ["submitted_by", "SubmittedBy"],
        ["submitted_at", "SubmittedAt"],
        ["placed_in_queue_at", "PlacedInQueueAt"],
        ["priority", "Priority"],
        ["moved_to_queue_at", "MovedToQueueAt"],
        ["delivered_at", "DeliveredAt"],
        ["abandoned_at", "AbandonedAt"],
        ["held_at", "HeldAt"],
        ["subject", "SUBJECT"],
    ] {
        let sql = names.map(|name| views(&[("v", &format!("{name} is null"), name)], vec![]).sql("v").unwrap());
        assert_eq!(sql[0], sql[1]);
    }
}

#[test]
fn conditions_mean_what_they_say() {
    let entries = || {
        vec![
            with("a", |entry| {
                entry.key.priority = 3;
                entry.custom = vec![Some(PropertyValue::Text("Lost card".into())), Some(PropertyValue::Integer(40))];
            }),
            with("b", |entry| {
                entry.media_type = "chat".into();
                entry.is_online = true;
                entry.key.priority = -2;
                entry.custom = vec![Some(PropertyValue::Text("50% off_".into())), None];
            }),
            with("c", |entry| entry.parent_id = "a".into()),
        ]
    };
    for (condition, expected) in [
        ("", "a b c"),
        ("priority > 0", "a"),
        ("priority >= 0 and media_type <> 'chat'", "a c"),
        ("priority != 0", "a b"),
        ("not (priority = 0)", "a b"),
        ("is_online", "b"),
        ("not is_online", "a c"),
        ("is_online = true or parent_id = 'a'", "b c"),
        ("parent_id is null", "a b"),
        ("ParentId is not null", "c"),
        ("age is null", "b c"),
        ("age / 7 = 5 and age % 7 = 5", "a"),
        ("age * 2 - 10 = 70", "a"),
        ("-priority = 2", "b"),
        ("abs(priority) between 2 and 3", "a b"),
        ("priority not between -1 and 1", "a b"),
        ("media_type in ('chat', 'voice')", "b"),
        ("media_type not in ('chat', 'voice')", "a c"),
        ("subject like 'Lost%'", "a"),
        ("subject like 'lost%'", ""),
        ("lower(subject) like 'lost%'", "a"),
        ("subject like '%!%%' escape '!'", "b"),
        ("subject not like '%card'", "b"),
        ("length(subject) = 9", "a"),
        ("substr(subject, 1, 4) = 'Lost'", "a"),
        ("substring(subject from 6 for 4) = 'card'", "a"),
        ("upper(media_type) = 'CHAT'", "b"),
        ("coalesce(age, 7) = 7", "b c"),
        ("max(priority, 1) = 1 and min(priority, 0) = 0", "c"),
        ("priority > 0 or priority < 0 and media_type = 'chat'", "a b"),
        ("1 = 1", "a b c"),
        ("null", ""),
        ("queue = 'inbound' and tenant_id = 1 and state = 0", "a b c"),
    ] {
        assert_eq!(shown(condition, entries()), expected, "{condition}");
    }
}

#[test]
fn times_take_seconds_and_literals() {
    let at = |id: &str, seconds: i64| with(id, |entry| entry.key.received_at = NOW - seconds * 1_000);
    let entries = || {
        let mut entries = vec![at("a", 7_200), at("b", 1_800), at("c", 0)];
        entries[0].delivered_at = NOW - 7_000_000;
        entries
    };
    for (condition, expected) in [
        ("received_at < current_timestamp - 3600", "a"),
        ("received_at + 3600 >= now()", "b c"),
        ("3600 + received_at >= now()", "b c"),
        ("current_timestamp - received_at between 1800 and 7199", "b"),
        ("received_at = '2026-01-01T00:00:00Z'", "c"),
        ("received_at < '2025-12-31 23:00:00'", "a"),
        ("received_at between timestamp '2025-12-31T23:00:00Z' and current_timestamp", "b c"),
        ("received_at in ('2025-12-31T22:00:00Z', '2025-12-31T23:30:00Z')", "a b"),
        ("delivered_at is null", "b c"),
        ("delivered_at - received_at = 200", "a"),
        ("'2026-01-01T00:00:00Z' - received_at = 1800", "b"),
        ("priority = 0 and received_at < now() - 1", "a b"),
    ] {
        assert_eq!(shown(condition, entries()), expected, "{condition}");
    }
}

#[test]
fn a_time_is_that_of_the_pull() {
    let mut views = views(&[("v", "received_at < current_timestamp - 60", "")], vec![entry("a")]);
    assert_eq!(views.take("v", 1, false, NOW, &|_| false).unwrap(), []);
    assert_eq!(views.take("v", 1, false, NOW + 59_001, &|_| false).unwrap(), [entry("a")]);
}

#[test]
fn the_translated_query_begins_with_what_every_view_asks() {
    let views = views(
        &[("all", "", ""), ("v", "MediaType = 'x' and (priority > 3 or received_at < now() - 60)", "Subject desc")],
        vec![],
    );
    assert_eq!(
        views.sql("all").unwrap(),
        "state = 0 and is_locked = 0 and queue = ? and tenant_id = ? and is_held <= ? \
         order by priority desc, received_at, id"
    );
    assert_eq!(
        views.sql("v").unwrap(),
        "state = 0 and is_locked = 0 and queue = ? and tenant_id = ? and is_held <= ? and (media_type = ?) \
         and ((priority > ?) or (received_at < (? - (? * 1000)))) order by custom_0 desc, id"
    );
    assert_eq!((views.queue_of("v"), views.queue_of("x"), views.sql("x")), (Some("inbound"), None, None));
}

#[test]
fn a_bad_view_answers_83_an_unknown_one_42_and_the_others_work() {
    let of = [("good", "", ""), ("bad", "priority >", ""), ("worse", "", "nonsense desc")];
    let mut settings = settings(&of);
    settings.views.push(ViewSettings {
        name: "lost".into(),
        queue: "inbond".into(),
        condition: String::new(),
        order: String::new(),
    });
    let (mut views, problems) = Views::new(&settings).unwrap();
    let parts: Vec<_> = problems.iter().map(|problem| (problem.view.as_str(), problem.part)).collect();
    assert_eq!(parts, [("bad", "condition"), ("worse", "order"), ("lost", "queue")]);
    assert_eq!(problems[2].to_string(), "view `lost`, queue: there is no queue `inbond`; did you mean `inbound`?");
    views.insert(entry("a"));
    for bad in ["bad", "worse", "lost"] {
        let error = views.take(bad, 1, false, NOW, &|_| false).unwrap_err();
        assert_eq!(error.known(), Some(ErrorCode::ViewDefinitionInvalid));
        assert!(error.description.contains(bad), "{error}");
        assert_eq!(views.sql(bad), None);
    }
    let error = views.take("god", 1, false, NOW, &|_| false).unwrap_err();
    assert_eq!((error.known(), error.code), (Some(ErrorCode::UnknownView), 42));
    assert!(error.description.contains("did you mean `good`?"), "{error}");
    assert_eq!(take(&mut views, "good"), ["a"]);
}

#[test]
fn problems_point_at_their_place_and_name_the_nearest_word() {
    for (condition, line, column, words) in [
        ("priority > 3 and\n  MediaTyp = 'x'", 2, 3, "unknown property `MediaTyp`; did you mean `MediaType`?"),
        ("priority >", 1, 11, "expected"),
        ("priority\n >\n  ", 3, 3, "expected"),
        ("priority > 3 priority", 1, 14, "expected the end of the text, found priority"),
        ("priority = 'high'", 1, 12, "cannot compare a number with text"),
        ("received_at > 5", 1, 15, "cannot compare a time with a number; write a time as"),
        ("received_at > 'yesterday'", 1, 15, "'yesterday' is not a time"),
        ("subject like media_type", 1, 14, "must be text in quotes"),
        ("subject = 'it''s", 1, 11, "unterminated string literal"),
        ("priority + subject = 1", 1, 1, "cannot work out a number + text"),
        ("lowr(subject) = 'x'", 1, 1, "unknown function `lowr`; did you mean `lower`?"),
        ("priority = 1.5", 1, 12, "`1.5` is not a whole number"),
        ("priority = 9223372036854775808", 1, 12, "is not a whole number"),
        ("subject", 1, 1, "expected a condition, this is text"),
        ("max(priority) = 1", 1, 1, "`max` takes two arguments or more, here are 1"),
        ("subject like 'a' escape 'xy'", 1, 25, "must be one character"),
    ] {
        let problem = problem(condition, "");
        assert!(problem.message.contains(words), "{condition}: {}", problem.message);
        assert_eq!((problem.line, problem.column), (line, column), "{condition}: {problem}");
    }
}

#[test]
fn what_is_not_on_the_list_is_refused() {
    for condition in [
        "(select 1) = 1",
        "exists (select 1 from sqlite_schema)",
        "id in (select id from waiting)",
        "load_extension('x') = 1",
        "randomblob(1000000000) = 'x'",
        "zeroblob(10) = 'x'",
        "random() = 1",
        "count(*) = 1",
        "max(priority, 1) over () = 1",
        "max(distinct priority, 1) = 1",
        "waiting.id = 'a'",
        "main.waiting.id = 'a'",
        "rowid = 1",
        "custom_0 = 'x'",
        "view_0 = 1",
        "case when 1 = 1 then 1 else 0 end = 1",
        "cast(id as integer) = 1",
        "id || 'x' = 'ax'",
        "id = ?",
        "id = ?1",
        "id = :id",
        "id = $1",
        "id = x'41'",
        "id = 'a'; drop table waiting",
        "1 = 1 union select 1",
        "1 = 1) or (1 = 1",
        "id = 'a' collate nocase",
        "id ~ 'a'",
        "id glob 'a*'",
        "id ilike 'a'",
        "id similar to 'a'",
        "id regexp 'a'",
        "(id, id) = ('a', 'a')",
        "id is distinct from 'a'",
        "extract(year from received_at) = 2026",
        "received_at at time zone 'UTC' = now()",
        "priority & 1 = 1",
        "priority << 1 = 1",
        "priority = any (1)",
        "id = e'a'",
        "id like 'a' or id like lower('A')",
        "id in ()",
        "interval '1' hour = 1",
        "trim(id) = 'a'",
        "*",
        "order by id",
    ] {
        problem(condition, "");
    }
    for order in ["id; delete from waiting", "id using <", "(select 1)", "random()", "id,", "id desc limit 1"] {
        problem("", order);
    }
}

#[test]
fn long_and_deep_texts_are_refused_and_not_followed() {
    for condition in [
        format!("{}1=1{}", "(".repeat(5_000), ")".repeat(5_000)),
        format!("{} is_online", "not ".repeat(3_000)),
        format!("priority = {}1", "1+".repeat(4_000)),
        format!("1=1{}", " or 1=1".repeat(2_000)),
        format!("id = '{}'", "x".repeat(20_000)),
        format!("subject like '{}'", "%".repeat(2_000)),
    ] {
        problem(&condition, "");
    }
    let many = vec!["'x'"; 2_000].join(",");
    assert_eq!(shown(&format!("id in ({many}, 'a')"), vec![entry("a")]), "a");
    // Each of them an `=` and an `or`.
    let chain = vec!["subject = 'a'"; 249].join(" or ") + " or id = 'a'";
    assert_eq!(shown(&chain, vec![entry("a")]), "a");
}

#[test]
fn values_that_overflow_are_no_error() {
    for condition in [
        "abs(-2147483648 * 2147483648 * 2) > 0",
        "abs(-9223372036854775807 - 1) > 0",
        "9223372036854775807 + 9223372036854775807 > 0",
        "priority / 0 is null and priority % 0 is null",
        "received_at + 9223372036854775807 > now()",
        "substr(id, -9223372036854775807, 9223372036854775807) is not null",
    ] {
        assert_eq!(shown(condition, vec![entry("a")]), "a", "{condition}");
    }
}

#[test]
fn an_index_keeps_the_order_of_every_view_that_orders_by_columns() {
    let of = [
        ("plain", "", ""),
        ("condition", "media_type = 'email' and age > 3", ""),
        ("order", "", "subject desc, priority"),
        ("both", "priority > 3", "id desc"),
        ("timed", "priority > 3 and received_at < now()", ""),
    ];
    let settings = settings(&of);
    let properties = Properties::new(&settings.custom_properties);
    let read: Vec<_> = settings.views.iter().map(|view| Definition::read(view, &properties).unwrap()).collect();
    let (waiting, queries) = Waiting::new(&properties, &read.iter().collect::<Vec<_>>()).unwrap();
    for (query, (name, ..)) in queries.iter().zip(of) {
        let plan = waiting.plan(query.as_ref().unwrap());
        assert!(plan.contains("SEARCH") && !plan.contains("TEMP B-TREE"), "{name}: {plan}");
    }
}
