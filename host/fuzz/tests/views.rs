//! Whatever is thrown at views is refused or runs: no panic, no error of the database, no word that
//! is not ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

use jackfield_fuzz::{TARGETS, view};
use proptest::prelude::*;

/// SQL, half of it broken: words that are known, words that are not, and marks.
fn sqlish() -> impl Strategy<Value = String> {
    let words = TARGETS.iter().find(|target| target.name == "view_condition").unwrap().words;
    let word = prop::sample::select(words);
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_is_refused_or_runs(condition in sqlish(), order in sqlish()) {
        let _ = view(&condition, "");
        let _ = view("", &order);
    }

    #[test]
    fn whatever_is_right_runs(condition in expression()) {
        prop_assert_eq!(view(&condition, ""), Ok(()), "{} is refused", condition);
        prop_assert_eq!(view("", &condition), Ok(()), "{} is refused", condition);
    }

    #[test]
    fn any_characters_do(condition in "\\PC{0,60}", quoted in "[^']{0,30}") {
        let _ = view(&condition, &condition);
        prop_assert_eq!(view(&format!("id <> '{quoted}'"), ""), Ok(()));
    }
}
