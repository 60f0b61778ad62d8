//! Whatever is thrown at views is refused or runs: no panic, no error of the database, no word that
//! is not ours.

use proptest::prelude::*;

use super::tests::{NOW, entry, problem, settings, take};
use super::*;
use crate::store::PropertyValue;

/// SQL, half of it broken: words that are known, words that are not, and marks.
fn sqlish() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
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
    ]);
    prop::collection::vec(prop_oneof![9 => word.prop_map(String::from), 1 => ".{0,5}"], 0..24)
        .prop_map(|words| words.join(" "))
}

/// Expressions that are mostly right, so that much is accepted.
fn expression() -> impl Strategy<Value = String> {
    let number = prop::sample::select(vec!["priority", "age", "1", "0", "-3", "9223372036854775807", "IsHeld"]);
    let text =
        prop::sample::select(vec!["id", "subject", "MediaType", "'a'", "'%_'", "''''", "'; drop table waiting'"]);
    let time = prop::sample::select(vec!["received_at", "delivered_at", "now()", "'2026-01-01T00:00:00Z'"]);
    let compare = || prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let number = number.prop_map(String::from).prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%"]), inner.clone())
                .prop_map(|(left, sign, right)| format!("({left} {sign} {right})")),
            inner.clone().prop_map(|inner| format!("abs({inner})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("max({left}, {right})")),
            inner.prop_map(|inner| format!("length(substr(subject, {inner}, {inner}))")),
        ]
    });
    let time = (time, number.clone()).prop_map(|(time, number)| format!("{time} - {number}"));
    let leaf = prop_oneof![
        (number.clone(), compare(), number.clone()).prop_map(|(left, sign, right)| format!("{left} {sign} {right}")),
        (text.clone(), compare(), text.clone()).prop_map(|(left, sign, right)| format!("{left} {sign} lower({right})")),
        (time.clone(), compare()).prop_map(|(time, sign)| format!("received_at {sign} {time}")),
        text.prop_map(|text| format!("{text} like '%a!%' escape '!' or {text} in ('a', subject)")),
        number.prop_map(|number| format!("coalesce({number}, 2) between 1 and 5 or {number} is null")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["and", "or"]), inner.clone())
                .prop_map(|(left, word, right)| format!("({left}) {word} {right}")),
            inner.prop_map(|inner| format!("not ({inner})")),
        ]
    })
}

/// Every word outside of literals that a translated query may hold.
fn is_ours(sql: &str) -> bool {
    const WORDS: &[&str] = &[
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
        "delivered_at",
        "is_online",
        "custom_0",
        "custom_1",
    ];
    sql.chars().all(|character| character.is_ascii_alphanumeric() || "_ ?(),=<>+-*/%.".contains(character))
        && !sql.contains("--")
        && !sql.contains("/*")
        && sql
            .split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
            .filter(|word| word.starts_with(|first: char| !first.is_ascii_digit()))
            .all(|word| WORDS.contains(&word))
}

fn check(condition: &str, order: &str) -> bool {
    let (mut views, problems) = Views::new(&settings(&[("v", condition, order), ("all", "", "")])).unwrap();
    let Some(sql) = views.sql("v") else {
        assert_eq!(problems.len(), 1);
        assert!(!problems[0].message.contains("the database does not take it"), "{}", problems[0]);
        return false;
    };
    assert!(is_ours(&sql), "{sql}");
    for id in ["a", "b"] {
        let mut entry = entry(id);
        entry.custom = vec![Some(PropertyValue::Text("a%".into())), Some(PropertyValue::Integer(i32::MIN))];
        views.insert(entry);
    }
    let taken = views.take("v", 1, true, NOW, &|_| false).unwrap();
    let left = take(&mut views, "all");
    assert_eq!(taken.len() + left.len(), 2);
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_is_refused_or_runs(condition in sqlish(), order in sqlish()) {
        check(&condition, "");
        check("", &order);
    }

    #[test]
    fn whatever_is_right_runs(condition in expression()) {
        prop_assert!(check(&condition, ""), "{} is refused: {}", condition, problem(&condition, ""));
        prop_assert!(check("", &condition), "{} is refused", condition);
    }

    #[test]
    fn any_characters_do(condition in "\\PC{0,60}", quoted in "[^']{0,30}") {
        check(&condition, &condition);
        prop_assert!(check(&format!("id <> '{quoted}'"), ""), "{quoted:?}");
    }
}
