//! The main job and the demo, with real strategies. The plugins are made by `cargo xtask guests`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use support::{Site, jackfield, json_lines, output_text};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn number(json: &Json, key: &str) -> u64 {
    json[key].as_u64().unwrap_or_else(|| panic!("no number `{key}` in {json}"))
}

#[test]
fn the_demo_adds_up_and_leaves_nothing_running() {
    let plugins = root().join("plugins");
    assert!(plugins.join("triage.wasm").exists(), "the plugins are missing; `cargo xtask guests` makes them");
    let folder = tempfile::tempdir().expect("a folder");
    let output = jackfield()
        .args(["demo", "--json", "--site"])
        .arg(root().join("examples/site/jackfield.toml"))
        .arg("--plugins")
        .arg(&plugins)
        .arg("--folder")
        .arg(folder.path().join("demo"))
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", output_text(&output));
    let result = json_lines(&output.stdout).remove(0);
    assert_eq!(result["addsUp"], true, "{result}");
    assert!(number(&result, "submitted") >= 60, "{result}");
    let fates: u64 = result["fates"].as_object().expect("fates").values().filter_map(Json::as_u64).sum();
    assert_eq!(fates, number(&result, "submitted"), "{result}");
    let sum = |list: &str, key: &str| -> u64 {
        result[list].as_array().expect("a list").iter().map(|row| number(row, key)).sum()
    };
    assert_eq!(sum("queues", "waiting"), number(&result, "left"), "{result}");
    assert_eq!(sum("agents", "accepted"), sum("strategies", "delivered"), "{result}");
    assert!(sum("agents", "done") > 0, "{result}");
    // Whoever got to an agent was waited for in a virtual queue, and nobody waits there any more.
    assert_eq!(sum("virtualQueues", "answered"), sum("strategies", "delivered"), "{result}");
    assert_eq!(sum("virtualQueues", "waiting"), 0, "{result}");
    for row in result["queues"].as_array().expect("a list") {
        let came = number(row, "submitted") + number(row, "placed") + number(row, "returned");
        assert_eq!(came, number(row, "taken") + number(row, "waiting"), "{row}");
    }
    for row in result["strategies"].as_array().expect("a list") {
        let went = ["placed", "delivered", "stopped", "returned"].map(|key| number(row, key)).iter().sum::<u64>();
        assert_eq!(went, number(row, "taken"), "{row}");
    }
    // Each message without a queue was made there, and cleaned up by the node.
    let made = result["queues"].as_array().expect("a list").iter().find(|row| row["queue"] == "orchestration_system");
    let cleaned_up = number(made.expect("messages were made"), "taken");
    assert_eq!(cleaned_up, sum("messages", "count"), "{result}");
    assert_eq!(sum("strategies", "taken") + cleaned_up, sum("queues", "taken"), "{result}");
    assert_eq!(sum("strategies", "messages"), sum("messages", "count"), "{result}");
    assert!(sum("messages", "count") > 0, "{result}");
    assert!(result["unreadable"].as_array().is_some_and(|files| files.len() == 2), "{result}");

    let site = result["site"].as_str().expect("the site");
    for command in ["queues", "sessions"] {
        let output = jackfield().args([command, "--site", site]).output().expect("runs");
        assert_eq!(output.status.code(), Some(4), "something still runs: {}", output_text(&output));
    }
}

#[test]
fn the_demo_removes_nothing_that_is_not_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("letter.txt"), "dear").expect("written");
    let output = jackfield()
        .args(["demo", "--site"])
        .arg(root().join("examples/site/jackfield.toml"))
        .arg("--folder")
        .arg(folder.path())
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(2), "{}", output_text(&output));
    assert!(folder.path().join("letter.txt").exists());
}

#[test]
fn run_answers_at_its_socket_and_stops_in_good_order() {
    let site = Site::new();
    site.configure("embedded = false", "embedded = true");
    std::fs::create_dir(site.path("plugins")).expect("a folder");
    let running = site.node();
    let output = site.command(&["sessions", "--json"]).output().expect("runs");
    let status = json_lines(&output.stdout).remove(0);
    assert_eq!((&status["name"], &status["sessions"]), (&"node".into(), &Json::Array(Vec::new())));
    let all = site.command(&["sessions", "--all"]).output().expect("runs");
    assert!(output_text(&all).contains("Triage") && output_text(&all).contains("no sessions"), "{}", output_text(&all));

    let second = site.command(&["run", "--node-only"]).output().expect("runs");
    assert_eq!(second.status.code(), Some(1));
    assert!(output_text(&second).contains("runs already"), "{}", output_text(&second));

    assert!(running.terminate().success());
    assert!(!site.path("var/node.sock").exists());
}
