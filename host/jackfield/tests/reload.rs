//! The configuration is edited while the program runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod support;

use serde_json::Value as Json;
use support::{Running, Site, output_text};

const LOG: &str = "node.log";

/// A node whose only pull rests: the server does not know its strategy (107).
fn resting() -> (Site, Running, Running, usize) {
    let site = Site::with(&[("in", "Waits", "waits")]);
    site.add_plugin("waits");
    let text = std::fs::read_to_string(site.path("jackfield.toml")).expect("the site");
    site.write("server.toml", &text.replace("\"Waits\"", "\"Another\""));
    let mut server =
        Running::start(site.command(&["server", "--name", "main", "--with-parent", "--site", "server.toml"]));
    server.wait_for_line("listens at");
    let mut node = site.logging(&["run"], LOG);
    node.wait_for_line("runs;");
    (site, server, node, 0)
}

/// Milliseconds that the pull still rests.
fn rest(status: &Json) -> Option<u64> {
    let pull = &status["pulls"][0];
    (pull["state"] == "resting").then(|| pull["restMs"].as_u64()).flatten()
}

#[test]
fn mcr_pull_after_error_timeout_changes_immediately_upon_notification() {
    let (site, server, node, mut from) = resting();
    let status = site.until_status(|status| rest(status).is_some());
    assert!(status["pulls"][0]["problem"].as_str().expect("text").contains("(107)"), "{status}");
    assert!(rest(&status).is_some_and(|rest| rest > 60_000), "{status}");

    // The rest that is under way ends by the new value.
    site.configure("reconnect-max = 500", "reconnect-max = 500\nmcr-pull-after-error-timeout = 60");
    let line = site.logged(LOG, &mut from, &["mcr-pull-after-error-timeout", "changed; it counts at once"]);
    assert!(line.contains("old=\"120\"") && line.contains("new=\"60\""), "{line}");
    site.until_status(|status| rest(status).is_some_and(|rest| rest <= 60_000));

    // A mistake changes nothing, and is told with its place; half of a file is one, too.
    site.configure("mcr-pull-after-error-timeout = 60", "mcr-pull-after-error-timeout = 3601\npull-count = 7");
    let line = site.logged(LOG, &mut from, &["ERROR", "`mcr-pull-after-error-timeout` is out of range"]);
    for part in ["jackfield.toml", "line=9", "column=32", "from 60 to 3600 seconds", "stays as it is"] {
        assert!(line.contains(part), "`{part}` is not in {line}");
    }
    let text = std::fs::read_to_string(site.path("jackfield.toml")).expect("the site");
    let text = text.replacen("mcr-pull-after-error-timeout = 3601\npull-count = 7\n", "", 1);
    site.write("jackfield.toml", &text[..text.len() / 2]);
    site.logged(LOG, &mut from, &["ERROR", "stays as it is"]);
    let status = site.until_status(|status| rest(status).is_some());
    assert!(rest(&status).is_some_and(|rest| rest <= 60_000), "{status}");

    // An editor that writes a new file and renames it: and all is as at the start.
    site.write("new.toml", &text);
    std::fs::rename(site.path("new.toml"), site.path("jackfield.toml")).expect("renamed");
    let line = site.logged(LOG, &mut from, &["mcr-pull-after-error-timeout", "changed; it counts at once"]);
    assert!(line.contains("old=\"60\"") && line.contains("new=\"120\""), "{line}");
    site.until_status(|status| rest(status).is_some_and(|rest| rest > 60_000));
    let log = std::fs::read_to_string(site.path(LOG)).expect("the log");
    assert!(!log.contains("pull-count"), "what came with a mistake was never taken:\n{log}");
    assert_eq!(log.matches("is out of range").count(), 1, "it is told once:\n{log}");
    assert!(node.stop().success());
    assert!(server.stop().success());
}

#[test]
fn what_needs_a_restart_is_told_and_what_is_changed_back_needs_none() {
    let (site, server, node, mut from) = resting();
    site.configure("reconnect-max = 500", "reconnect-max = 500\nswitch-multi-links-enabled = true");
    site.configure("[[workbin]]", "[[queue]]\nname = \"later\"\n[[workbin]]");
    site.logged(LOG, &mut from, &["WARN", "switch-multi-links-enabled", "it counts after a restart"]);
    // They may be told of one after the other.
    site.logged(LOG, &mut 0, &["WARN", "[[queue]] `later`", "it counts after a restart"]);
    site.configure("switch-multi-links-enabled = true", "");
    site.logged(LOG, &mut from, &["INFO", "switch-multi-links-enabled", "no restart is needed"]);
    // Without the file everything goes on.
    std::fs::rename(site.path("jackfield.toml"), site.path("away.toml")).expect("renamed");
    site.logged(LOG, &mut from, &["ERROR", "cannot read", "stays as it is"]);
    std::fs::rename(site.path("away.toml"), site.path("jackfield.toml")).expect("renamed");
    site.logged(LOG, &mut from, &["the configuration was read again", "changes=0"]);
    node.signal("-HUP");
    site.logged(LOG, &mut from, &["the configuration was read again", "changes=0"]);
    assert!(node.stop().success());
    assert!(server.stop().success());
}

#[test]
fn a_strategy_that_is_switched_on_is_pulled_at_once_and_one_that_is_switched_off_is_not() {
    let site = Site::with(&[("in", "Waits", "waits")]);
    site.add_plugin("waits");
    site.configure("embedded = false", "embedded = true");
    site.configure("plugin = \"waits\"", "plugin = \"waits\"\nenabled = false");
    let mut from = 0;
    let mut node = site.logging(&["run"], LOG);
    node.wait_for_line("runs;");
    site.write("a.json", "{\"mediaType\":\"email\"}");
    let submit = || {
        let output = site.command(&["submit", "a.json", "--queue", "in"]).output().expect("runs");
        assert!(output.status.success(), "{}", output_text(&output));
    };
    submit();
    site.until_status(|status| status["pulls"][0]["state"] == "disabled");
    site.configure("enabled = false", "enabled = true");
    site.logged(LOG, &mut from, &["`enabled` of [[strategy]] `Waits`", "it counts at once"]);
    site.until_status(|status| status["sessions"].as_array().is_some_and(|sessions| sessions.len() == 1));
    site.configure("enabled = true", "enabled = false");
    let status = site.until_status(|status| status["pulls"][0]["state"] == "disabled");
    submit();
    assert_eq!(status["sessions"].as_array().map(Vec::len), Some(1), "a session that runs goes on: {status}");
    // One session at once: switched on again, the other has to wait for room.
    site.configure("enabled = false", "max-sessions = 1");
    site.until_status(|status| status["pulls"][0]["state"] == "full");
    site.configure("max-sessions = 1", "max-sessions = 2");
    site.until_status(|status| status["sessions"].as_array().is_some_and(|sessions| sessions.len() == 2));
    assert!(node.stop().success());
}

#[test]
fn a_server_in_a_process_of_its_own_takes_over_what_concerns_it() {
    let site = Site::new();
    let mut server = site.logging(&["server", "--name", "main"], "server.log");
    server.wait_for_line("listens at");
    let mut from = 0;
    site.configure("[[workbin]]\nname = \"drafts\"", "[[workbin]]\nname = \"later\"");
    site.logged("server.log", &mut from, &["[[workbin]] `later`", "it counts at once"]);
    site.configure("store = ", "options.settings.delivering-timeout = 5\nstore = ");
    let line = site.logged("server.log", &mut from, &["delivering-timeout", "for what begins from then on"]);
    assert!(line.contains("old=\"30\"") && line.contains("new=\"5\""), "{line}");
    site.configure("reconnect-max = 500", "reconnect-max = 600");
    site.logged("server.log", &mut from, &["the configuration was read again", "changes=1"]);
    let log = std::fs::read_to_string(site.path("server.log")).expect("the log");
    assert!(!log.contains("reconnect-max"), "that is the node's:\n{log}");
    assert!(server.stop().success());
}
