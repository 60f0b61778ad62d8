//! `jackfield simulate`: a day of a site in a moment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod support;

use std::path::Path;

use support::{Site, jackfield, json_lines, output_text};

/// The sample site and its day.
fn sample(words: &[&str]) -> std::process::Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = jackfield();
    command.args(["simulate", "--site", "examples/site/jackfield.toml", "examples/site/day.toml"]).args(words);
    command.current_dir(root).output().expect("runs")
}

#[test]
fn the_day_of_the_sample_site_adds_up_and_is_the_same_each_time() {
    let output = sample(&[]);
    let text = output_text(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for told in ["invoices", "complaints", "chats", "SERVICE LEVEL", "amelia", "08:00", "█"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let days = |words: &[&str]| json_lines(&sample(words).stdout).pop().expect("a line");
    let one = days(&["--json"]);
    assert_eq!(one, days(&["--json"]));
    assert_ne!(one, days(&["--json", "--seed", "2"]));
    let ten = days(&["--json", "--days", "10"]);
    let mut answered = 0;
    for kind in ten["kinds"].as_array().expect("kinds") {
        let count = |key: &str| kind[key].as_u64().expect("a number");
        assert_eq!(count("entered"), count("answered") + count("gaveUp") + count("moved") + count("left"), "{kind}");
        answered += count("answered");
    }
    let agents = ten["agents"].as_array().expect("agents");
    assert_eq!(agents.iter().map(|agent| agent["handled"].as_u64().expect("a number")).sum::<u64>(), answered);
    assert!(ten["kinds"][2]["entered"].as_u64() > one["kinds"][2]["entered"].as_u64());
}

#[test]
fn a_day_that_is_wrong_is_refused_with_each_place() {
    let site = Site::new();
    site.write(
        "day.toml",
        r#"[[kind]]
name = "bills"
media = "email"
arrivals = { 25 = 3, 8 = 2 }
handling = "fast"
targets = "?:Billing >@.GA"
[[kind]]
name = "late"
media = "email"
targets = [{ after = "5m", to = "kim@.A" }, { after = "9m", to = "[5]everyone@.GA" }]
[[shift]]
agents = ["kym"]
from = "12:00"
to = "10:00"
[[shift]]
agents = ["kym"]
from = "9"
to = "10:00"
[[shift]]
agents = ["kym", "ada"]
from = "08:00"
to = "10:00"
[[shift]]
agents = ["ada"]
from = "09:59"
to = "24:00"
"#,
    );
    let output = site.command(&["simulate", "day.toml"]).output().expect("runs");
    let text = output_text(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for told in [
        "day.toml:4:14: error",
        "`25` is no hour of the day",
        "day.toml:5:12: error",
        "`handling` is no time",
        "day.toml:6:23: error",
        "expected an integer, found the end",
        "there are no targets from the arrival on",
        "a shift ends before it begins",
        "`from` is no time of the day",
        "there is no agent `kym` in the site",
        "did you mean `kim`?",
        "`ada` works at that time already",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let output = site.command(&["simulate", "nothing.toml"]).output().expect("runs");
    assert!(output_text(&output).contains("cannot read nothing.toml"), "{}", output_text(&output));
}

#[test]
fn a_group_nobody_is_in_is_told_when_the_day_begins() {
    let site = Site::new();
    site.write(
        "day.toml",
        "[[kind]]\nname = \"a\"\nmedia = \"email\"\narrivals = { 8 = 60 }\ntargets = \"Nobody@.GA\"\n",
    );
    let output = site.command(&["simulate", "day.toml"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    let text = output_text(&output);
    assert!(text.contains("the targets of `a`: agent group `Nobody` has no configured agent in it"), "{text}");
}
