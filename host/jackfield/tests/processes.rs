//! Commands end to end, over real processes: a server, and clients that come and go.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod support;

use std::time::{Duration, Instant};

use serde_json::Value as Json;
use support::{Running, Site, jackfield, json_lines, output_text};

const LETTER: &str = "From: Kim <kim@example.com>\r\nTo: help@example.org\r\nSubject: My invoice\r\n\
                      Message-ID: <1@example.com>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n\r\nHello\r\n";

fn queues(site: &Site) -> Json {
    let output = site.command(&["queues", "--json"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", output_text(&output));
    json_lines(&output.stdout).remove(0)
}

fn count(queues: &Json, queue: &str, what: &str) -> u64 {
    let rows = queues["queues"].as_array().expect("queues");
    let row = rows.iter().find(|row| row["queue"] == queue).expect("the queue");
    row[what].as_u64().expect("a count")
}

#[test]
fn submitted_mail_is_there_after_a_restart_and_a_named_run_is_not_repeated() {
    let site = Site::new();
    site.write("mail/a.eml", LETTER);
    site.write("mail/b.eml", &LETTER.replace("<1@", "<2@"));
    let submit = || {
        let output = site.command(&["submit", "mail", "--queue", "in", "--run-id", "one", "--json"]).output();
        let output = output.expect("runs");
        assert_eq!(output.status.code(), Some(0), "{}", output_text(&output));
        json_lines(&output.stdout)
    };
    let server = site.server();
    let first = submit();
    assert_eq!(first.len(), 3);
    assert_eq!(first[2]["submitted"], 2);
    server.kill();
    let server = site.server();
    let ids = |lines: &[Json]| -> Vec<String> {
        let mut ids: Vec<String> =
            lines.iter().filter_map(|line| line["interaction"].as_str().map(Into::into)).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(&submit()), ids(&first), "the same run again gives the first answers");
    assert_eq!(count(&queues(&site), "in", "waiting"), 2);
    assert!(server.stop().success());
}

#[test]
fn a_part_that_is_refused_ends_with_code_3() {
    let site = Site::new();
    let _server = site.server();
    site.write(
        "some.jsonl",
        "{\"mediaType\":\"email\",\"queue\":\"in\"}\n{\"mediaType\":\"pigeon\",\"queue\":\"in\"}\n{]\n",
    );
    let output = site.command(&["submit", "some.jsonl", "--json"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(3), "{}", output_text(&output));
    let lines = json_lines(&output.stdout);
    let summary = lines.last().expect("a summary");
    assert_eq!((&summary["submitted"], &summary["refused"], &summary["unreadable"]), (&1.into(), &1.into(), &1.into()));
    assert!(lines.iter().any(|line| line["code"] == 1018), "{lines:?}");
}

#[test]
fn json_from_standard_input_by_rate_and_repeat() {
    use std::io::Write;
    let site = Site::new();
    let _server = site.server();
    let mut child = site
        .command(&["submit", "-", "--queue", "in", "--rate", "1000"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("starts");
    child
        .stdin
        .take()
        .expect("input")
        .write_all(b"{\"mediaType\":\"email\"}\n{\"mediaType\":\"email\"}\n")
        .expect("written");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success() && output_text(&output).contains("2 submitted"), "{}", output_text(&output));
    site.write("one.json", "{\"mediaType\":\"email\"}");
    let output = site.command(&["submit", "one.json", "--queue", "in", "--repeat", "5"]).output().expect("runs");
    assert!(output_text(&output).contains("5 submitted"), "{}", output_text(&output));
    assert_eq!(count(&queues(&site), "in", "waiting"), 7);
}

#[test]
fn a_server_that_is_away_for_a_moment_is_waited_for() {
    let site = Site::new();
    site.write("a.eml", LETTER);
    let child = site
        .command(&["submit", "a.eml", "--queue", "in", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("starts");
    let _server = site.server();
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(0), "{}", output_text(&output));
}

#[test]
fn nobody_there_is_code_4() {
    let site = Site::new();
    site.write("a.eml", LETTER);
    for words in [["queues"].as_slice(), &["sessions"], &["submit", "a.eml", "--queue", "in", "--retry-for", "200ms"]] {
        let output = site.command(words).output().expect("runs");
        assert_eq!(output.status.code(), Some(4), "{words:?}: {}", output_text(&output));
        assert!(output_text(&output).contains("start it with"), "{}", output_text(&output));
    }
}

#[test]
fn mistakes_on_the_command_line_are_code_2_and_name_the_nearest_word() {
    let site = Site::new();
    site.write("a.eml", LETTER);
    for (words, part) in [
        (["submit", "a.eml", "--queue", "inn"].as_slice(), "did you mean `in`?"),
        (&["submit", "a.eml"], "--queue"),
        (&["server", "--name", "maim"], "did you mean `main`?"),
        (&["agent", "--id", "kin", "--auto"], "did you mean `kim`?"),
        (&["queues", "--server", "mian"], "did you mean `main`?"),
        (&["agent", "--id", "kim", "--handle-time", "2s..1s"], "backwards"),
        (&["queue"], "queues"),
    ] {
        let output = site.command(words).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", output_text(&output));
        assert!(output_text(&output).contains(part), "{words:?}: {}", output_text(&output));
    }
}

#[test]
fn an_agent_logs_in_and_out_and_its_prompt_answers() {
    let site = Site::new();
    let _server = site.server();
    let mut agent = Running::start(site.command(&["agent", "--id", "kim"]));
    agent.wait_for_line("logged in");
    agent.say("list");
    agent.wait_for_line("nothing is on the desk");
    agent.say("accept 3");
    agent.say("bin drafts");
    agent.say("break");
    agent.wait_for_line("not ready");
    let deadline = Instant::now() + Duration::from_secs(10);
    let agents = |site: &Site| queues(site)["agents"].as_array().expect("agents").len();
    assert_eq!(agents(&site), 1);
    agent.say("quit");
    assert!(agent.ended().success());
    while agents(&site) > 0 {
        assert!(Instant::now() < deadline, "still logged in");
    }
}

#[test]
fn the_server_stops_in_good_order_on_sigterm() {
    let site = Site::new();
    let server = site.server();
    assert!(server.terminate().success());
}

#[test]
fn help_documents_the_exit_codes_and_has_examples() {
    let output = jackfield().arg("--help").output().expect("runs");
    let text = output_text(&output);
    for code in
        ["0  done", "1  failed", "2  the command line", "3  partly done", "4  the Interaction Server", "5  a replay"]
    {
        assert!(text.contains(code), "{text}");
    }
    for command in [
        "run", "server", "submit", "agent", "queues", "sessions", "why", "journal", "replay", "move", "check", "demo",
        "bench",
    ] {
        let output = jackfield().args([command, "--help"]).output().expect("runs");
        assert!(output.status.success() && output_text(&output).contains("xample"), "{}", output_text(&output));
    }
}

#[test]
fn options_are_listed_from_the_table_that_checks_them() {
    let output = jackfield().args(["options", "--json"]).output().expect("runs");
    let options = json_lines(&output.stdout);
    let option = options.iter().find(|option| option["name"] == "mcr-pull-after-error-timeout").expect("the option");
    assert_eq!((&option["default"], &option["min"], &option["max"]), (&120.into(), &60.into(), &3600.into()));
    assert_eq!((&option["unit"], &option["takesEffect"]), (&"seconds".into(), &"at once".into()));
    let option = options.iter().find(|option| option["name"] == "switch-multi-links-enabled").expect("the option");
    assert_eq!((&option["default"], &option["takesEffect"]), (&false.into(), &"after a restart".into()));
    let option = options.iter().find(|option| option["name"] == "capabilities").expect("the option");
    assert_eq!((&option["default"], &option["perPlugin"]), (&option["words"], &true.into()));
    assert!(option["words"].as_array().is_some_and(|words| words.contains(&"messages".into())), "{option}");
    let text = output_text(&jackfield().arg("options").output().expect("runs"));
    for part in [
        "capabilities = [\"messages\", ",
        "    1 to 4096 MiB; a change counts for new sessions; a [[plugin]] may have its own\n",
        "http-hosts = []\n",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}
