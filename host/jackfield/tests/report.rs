//! `jackfield report`: lines of a real server, over stops and restarts, and the report of a day.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod support;

use serde_json::{Value as Json, json};
use support::{Running, Site, json_lines, output_text, says};

const RESUME: [&str; 4] = ["report", "--resume", "position", "--with-parent"];

fn submit(site: &Site, subject: &str) {
    let line = json!({ "mediaType": "email", "queue": "in", "userData": { "Subject": subject } });
    site.write("one.jsonl", &format!("{line}\n"));
    let output = site.command(&["submit", "one.jsonl"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", output_text(&output));
}

/// It listens once it has noted where.
fn listening(site: &Site) -> Running {
    let _ = std::fs::remove_file(site.path("position"));
    let running = Running::start(site.command(&RESUME));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !site.path("position").exists() {
        assert!(std::time::Instant::now() < deadline, "nobody listens");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    running
}

fn submitted(report: &mut Running) -> Json {
    let line = report.wait_for_line("EventInteractionSubmitted");
    serde_json::from_str(&line).expect("JSON")
}

#[test]
fn stopped_and_started_again_it_says_everything_once_and_after_a_restart_of_the_server_that_something_is_lost() {
    let site = Site::new();
    let server = site.server();
    let mut report = listening(&site);
    submit(&site, "one");
    let first = submitted(&mut report);
    assert_eq!(
        (&first["server"], &first["queue"], &first["mediaType"]),
        (&json!("main"), &json!("in"), &json!("email"))
    );
    assert_eq!(first["data"], json!([["Subject", "one"]]));
    assert!(report.stop().success());

    submit(&site, "two");
    let mut report = Running::start(site.command(&RESUME));
    let second = submitted(&mut report);
    assert_eq!(second["data"], json!([["Subject", "two"]]));
    assert_eq!(second["sequence"].as_u64(), first["sequence"].as_u64().map(|first| first + 1));

    server.kill();
    let server = site.server();
    let lost: Json = serde_json::from_str(&report.wait_for_line("gap")).expect("JSON");
    assert_eq!((&lost["stream"], &lost["to"]), (&second["stream"], &Json::Null));
    assert_eq!(lost["from"].as_u64(), second["sequence"].as_u64().map(|second| second + 1));
    submit(&site, "three");
    let third = submitted(&mut report);
    assert_ne!(third["stream"], second["stream"]);
    assert_eq!(third["sequence"], json!(1));
    assert!(report.stop().success());
    assert!(server.stop().success());
}

fn wait(id: u32, at: i64, event: &str, reasons: Json) -> String {
    let at = 1_772_442_000_000 + at;
    let line = json!({ "server": "main", "stream": "1", "sequence": 1, "at": at, "event": event, "thisQueue": "VQ_Billing",
                       "extensions": [["VQID", id.to_string()]], "reasons": reasons });
    format!("{line}\n")
}

#[test]
fn the_report_of_a_day_counts_waits_and_says_when_something_is_missing() {
    let site = Site::new();
    let mut text = String::new();
    for id in 0..10 {
        text += &wait(id, 0, "EventQueued", json!([]));
        text += &match id {
            0 => wait(id, 9_000, "EventAbandoned", json!([["Reason", "timeout"]])),
            _ => wait(id, i64::from(id) * 3_000, "EventDiverted", json!([["RTR", 115]])),
        };
    }
    site.write("day.jsonl", &text);
    let report = |words: &[&str]| {
        let output = site.command(words).output().expect("runs");
        (output.status.code(), output_text(&output), output)
    };
    let (code, shown, _) = report(&["report", "day", "day.jsonl"]);
    assert_eq!(code, Some(0), "{shown}");
    says(&shown, &["from 2026-03-02 09:00:00 UTC", "WITHIN 20.0 s", "60.0 %", "timeout 1", "09:00     10"]);

    let (code, _, output) =
        report(&["report", "day", "day.jsonl", "--within", "9s", "--zone", "Europe/Vienna", "--json"]);
    let day = json_lines(&output.stdout).remove(0);
    let billing = &day["virtualQueues"][0];
    assert_eq!(
        (code, &billing["entered"], &billing["answered"], &billing["abandoned"]),
        (Some(0), &json!(10), &json!(9), &json!(1))
    );
    assert_eq!((&billing["p50"], &billing["p90"], &billing["p99"]), (&json!(15_000), &json!(27_000), &json!(27_000)));
    assert_eq!((&billing["serviceLevel"], &billing["hours"][0]["hour"]), (&json!(0.3), &json!(10)));

    // Cut off in the middle of a line, and with a gap.
    site.write(
        "rest.jsonl",
        "{\"server\":\"main\",\"at\":1772442000000,\"event\":\"gap\",\"from\":3,\"to\":null}\n{\"ser",
    );
    let (code, shown, _) = report(&["report", "day", "day.jsonl", "rest.jsonl"]);
    assert_eq!(code, Some(3), "{shown}");
    says(&shown, &["1 gap", "1 line cannot be read", "VQ_Billing"]);
    let (code, shown, _) = report(&["report", "day", "day.jsonl", "--date", "2026-03-03"]);
    assert_eq!(code, Some(0));
    says(&shown, &["Nothing waited"]);
    for (words, code) in [
        (&["report", "day", "none.jsonl"][..], 1),
        (&["report", "day", "day.jsonl", "--zone", "Nowhere"], 2),
        (&["report", "day", "day.jsonl", "--date", "monday"], 2),
        (&["report", "--server", "nobody"], 2),
    ] {
        let (found, shown, _) = report(words);
        assert_eq!(found, Some(code), "{words:?}: {shown}");
    }
}
