//! The plugins folder of a running node, as an operator treats it: files come, and commands choose between versions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

#[path = "../../strategy/tests/guest/mod.rs"]
mod guest;
mod support;
#[path = "../../strategy/tests/guest/versioned.rs"]
mod versioned;

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use support::{Running, Site, json_lines, output_text};
use versioned::{version, versioned};

/// Longest a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);

fn site() -> Site {
    let site = Site::with(&[("in", "Versioned", "versioned")]);
    std::fs::create_dir_all(site.path("plugins")).expect("a folder");
    site
}

/// The file from one moment to the next.
fn move_in(site: &Site, name: &str, bytes: &[u8]) {
    std::fs::write(site.path("part"), bytes).expect("a file");
    std::fs::rename(site.path("part"), site.path("plugins").join(name)).expect("renamed");
}

#[track_caller]
fn run(site: &Site, words: &[&str], code: i32) -> Output {
    let output = site.command(words).output().expect("runs");
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", output_text(&output));
    output
}

fn status(site: &Site) -> Json {
    let output = site.command(&["plugins", "--json"]).output().expect("runs");
    json_lines(&output.stdout).pop().expect("a line")
}

/// Version and role, the oldest first.
fn versions(status: &Json) -> Vec<(String, String)> {
    let plugin = status["plugins"].as_array().and_then(|plugins| plugins.first()).cloned().unwrap_or_default();
    let versions = plugin["versions"].as_array().cloned().unwrap_or_default();
    let text = |version: &Json, key: &str| version[key].as_str().unwrap_or_default().to_owned();
    versions.iter().map(|version| (text(version, "version"), text(version, "role"))).collect()
}

#[track_caller]
fn until(site: &Site, what: &str, is_so: impl Fn(&Json) -> bool) -> Json {
    let began = Instant::now();
    loop {
        let status = status(site);
        if is_so(&status) {
            return status;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: {status}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn current(number: u32) -> impl Fn(&Json) -> bool {
    move |status| versions(status).contains(&(version(number), "current".to_owned()))
}

fn state(status: &Json) -> String {
    status["plugins"][0]["state"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn versions_come_and_an_operator_chooses_between_them() {
    let site = site();
    let _server = site.server();
    move_in(&site, "v.wasm", &versioned(1, "good"));
    let node = site.node();
    until(&site, "version 1", current(1));
    move_in(&site, "v.wasm", &versioned(2, "good"));
    until(&site, "version 2", current(2));

    let output = output_text(&run(&site, &["rollback", "versioned"], 0));
    assert!(output.contains("held back: an operator rolled it back"), "{output}");
    until(&site, "version 1 again", current(1));
    run(&site, &["pin", "versioned", &version(2)], 0);
    move_in(&site, "v.wasm", &versioned(3, "good"));
    until(&site, "version 3 waits", |status| versions(status).contains(&(version(3), "waits".to_owned())));
    run(&site, &["canary", "versioned", "--percent", "20"], 0);
    let chosen = status(&site);
    assert!(versions(&chosen).contains(&(version(3), "canary 20 %".to_owned())), "{chosen}");
    run(&site, &["disable", "versioned"], 0);
    assert_eq!(state(&status(&site)), "disabled");
    assert!(node.terminate().success());

    // All of it is so after a restart, also without the file's compiled code.
    std::fs::remove_dir_all(site.path("var/code-cache")).expect("the cache");
    let node = site.node();
    let status = until(&site, "it is loaded", current(2));
    assert_eq!(state(&status), "disabled");
    assert!(status["plugins"][0]["pinned"] == true && versions(&status).contains(&(version(3), "canary 20 %".into())));
    run(&site, &["enable", "versioned"], 0);
    run(&site, &["promote", "versioned"], 0);
    until(&site, "version 3", |status| current(3)(status) && state(status) == "serving");
    let text = output_text(&run(&site, &["plugins", "versioned"], 0));
    assert!(text.contains("PLUGIN") && text.contains(&version(3)) && text.contains("v.wasm"), "{text}");
    assert!(node.terminate().success());
}

#[test]
fn a_file_that_is_refused_is_shown_with_its_reason() {
    let site = site();
    let _server = site.server();
    move_in(&site, "v.wasm", &versioned(1, "good"));
    move_in(&site, "core.wasm", b"\0asm\x01\0\0\0");
    let _node = site.node();
    let text = output_text(&run(&site, &["plugins"], 3));
    assert!(text.contains("core.wasm: a core module and not a component"), "{text}");
    std::fs::remove_file(site.path("plugins/core.wasm")).expect("removed");
    until(&site, "it is forgotten", |status| status["files"].as_array().is_some_and(|files| files.len() == 1));
    run(&site, &["plugins"], 0);
}

#[test]
fn what_cannot_be_done_says_why_and_ends_with_the_right_code() {
    let site = site();
    let _server = site.server();
    let silent = output_text(&run(&site, &["plugins"], 4));
    assert!(silent.contains("start it with `jackfield run`"), "{silent}");
    move_in(&site, "v.wasm", &versioned(1, "good"));
    let _node = site.node();
    until(&site, "version 1", current(1));
    let text = output_text(&run(&site, &["rollback", "versioned"], 1));
    assert!(text.contains("plugin `versioned`: there is no version before the current one"), "{text}");
    let text = output_text(&run(&site, &["disable", "versoined"], 1));
    assert!(text.contains("there is no plugin `versoined`; there are versioned"), "{text}");
    let text = output_text(&run(&site, &["plugins", "versoined"], 2));
    assert!(text.contains("versioned"), "{text}");
    run(&site, &["canary", "versioned", "--percent", "0"], 2);
}

#[test]
fn with_safe_nothing_runs_until_it_is_turned_on() {
    let site = site();
    let _server = site.server();
    move_in(&site, "v.wasm", &versioned(1, "good"));
    let mut node = Running::start(site.command(&["run", "--safe", "--with-parent"]));
    node.wait_for_line("runs;");
    assert_eq!(state(&status(&site)), "safe");
    run(&site, &["enable", "versioned"], 0);
    assert_eq!(state(&status(&site)), "serving");
    assert!(node.terminate().success());
    assert!(Path::new(&site.path("var/plugins/choices.json")).is_file());
}
