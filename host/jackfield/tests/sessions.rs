//! Sessions that outlive their node, and the commands that read the journal. The guests are made by
//! `cargo xtask guests`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod support;

use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use support::{Running, Site, guest, json_lines, output_text};

/// How long anything that is awaited may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Automatic, so that `triage` stops it.
const AUTOMATIC: &str = r#"{"mediaType":"email","interactionType":"Inbound","interactionSubtype":"InboundNew","queue":"in","userData":{"Subject":"Automatic reply: your order","FromAddress":"kim@example.com","Text":"I am out of the office","_AutoReplyCount":1}}"#;

/// A strategy that ends by itself, and one that waits with a checkpoint.
fn site() -> Site {
    let site = Site::with(&[("in", "Triage", "triage"), ("later", "Later", "reduces")]);
    site.configure("reconnect-first = 50", "reconnect-first = 50\nshutdown-grace = 2");
    site.add_plugin("triage");
    site.add_plugin("reduces");
    site.write("automatic.jsonl", AUTOMATIC);
    site.write("later.jsonl", &AUTOMATIC.replace("\"queue\":\"in\"", "\"queue\":\"later\""));
    site
}

fn run(site: &Site, words: &[&str]) -> Output {
    site.command(words).output().expect("runs")
}

/// What it says on standard output, when it ends with this code.
#[track_caller]
fn said(site: &Site, words: &[&str], code: i32) -> String {
    let output = run(site, words);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", output_text(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

fn submit(site: &Site, file: &str) {
    said(site, &["submit", file], 0);
}

/// What `look` finds, as soon as it does.
#[track_caller]
fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it does not come about that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The one session that runs, as soon as it waits with a checkpoint that is on disk.
fn waiting(site: &Site) -> Json {
    until("a session waits", || {
        let status = json_lines(&run(site, &["sessions", "--json"]).stdout).into_iter().next()?;
        let session = status["sessions"].as_array()?.first()?.clone();
        let recorded = run(site, &["journal", session["id"].as_str()?, "--json"]);
        let recorded = json_lines(&recorded.stdout).into_iter().next()?;
        (recorded["turns"].as_u64()? >= 2).then_some(session)
    })
}

fn finished(site: &Site) -> Vec<Json> {
    json_lines(&run(site, &["sessions", "--finished", "--json"]).stdout)
}

/// `text` without what differs from run to run: ids, times.
fn steady(text: &str, session: &str, interaction: &str) -> String {
    let text = text.replace(session, "<session>").replace(interaction, "<interaction>");
    let lines = text.lines().map(|line| match line.split_once(" after ") {
        Some((turn, rest)) if turn.starts_with("turn ") => {
            // The time takes at least seven characters, a number and its unit.
            let words: Vec<&str> = rest.split_whitespace().skip(2).collect();
            format!("{} {}", turn.trim_end(), words.join(" "))
        }
        _ => line.split(", began ").next().unwrap_or_default().to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_session_survives_its_node_and_the_journal_tells_of_it() {
    let site = site();
    // Each turn runs in an instance made from the journal.
    site.keep_instances("0");
    let _server = site.server();
    let node = site.node();
    submit(&site, "automatic.jsonl");
    let ended = until("a session ends", || finished(&site).into_iter().next());
    assert_eq!((&ended["strategy"], &ended["failed"]), (&"Triage".into(), &false.into()));
    submit(&site, "later.jsonl");
    let session = waiting(&site);
    says(&said(&site, &["sessions"], 0), &["WAITS FOR", "Later", "event"]);
    node.kill();

    // Everything is told without the node.
    let listed = said(&site, &["sessions", "--finished"], 0);
    says(&listed, &["1 finished session", "Triage", "finished", ended["id"].as_str().unwrap()]);
    assert_eq!(said(&site, &["sessions", "--finished", "--failed"], 0), "no finished sessions\n");
    let id = session["id"].as_str().expect("an id");
    let interaction = session["interaction"].as_str().expect("an interaction");
    let told = said(&site, &["journal", id], 0);
    assert_eq!(
        steady(&told, id, interaction),
        "session <session>: strategy Later, plugin reduces 1\n\
         interaction <interaction> from server main\n\
         \n\
         turn 1 it began\n    \
         waits        for an event\n\
         \n\
         turn 2 interaction <interaction> is here\n    \
         waits        for an event\n    \
         checkpoint   it is rebuilt from here\n\
         \n\
         it goes on:\n  \
         it waits for an event, as long as it takes"
    );
    let all = json_lines(said(&site, &["journal", id, "--json"], 0).as_bytes()).remove(0);
    assert_eq!((all["recorded"].as_array().map(Vec::len), &all["checkpoint"]["turn"]), (Some(2), &2.into()), "{all}");

    // With the next node it goes on: the same session, of the same interaction.
    let node = site.node();
    let again = waiting(&site);
    assert_eq!((&again["id"], &again["interaction"]), (&session["id"], &session["interaction"]));
    // Nothing but a signal: it is suspended, and goes on again.
    assert!(node.terminate().success());
    let node = site.node();
    assert_eq!(waiting(&site)["id"], session["id"]);
    assert!(node.terminate().success());

    // Where the site wants that, sessions end with the node.
    site.configure("shutdown-grace = 2", "shutdown-grace = 1\non-shutdown = \"drain\"");
    let node = site.node();
    waiting(&site);
    assert!(node.terminate().success());
    assert!(finished(&site).iter().any(|ended| ended["id"] == session["id"]), "it has ended");
}

#[test]
fn a_replay_tells_what_another_version_would_do() {
    let site = site();
    let _server = site.server();
    let node = site.node();
    submit(&site, "automatic.jsonl");
    let ended = until("a session ends", || finished(&site).into_iter().next());
    let id = ended["id"].as_str().expect("an id");
    // Also while the node runs.
    says(&said(&site, &["replay", id], 0), &["turn 1", "stop-processing", "same as recorded"]);
    node.kill();
    let replayed = json_lines(said(&site, &["replay", &id[..30], "--json"], 0).as_bytes()).remove(0);
    assert_eq!((&replayed["same"], &replayed["difference"]), (&true.into(), &Json::Null), "{replayed}");

    let other = guest("waits");
    let other = other.to_str().expect("UTF-8");
    says(&said(&site, &["replay", id, "--with", other], 5), &["DIFFERENT in turn", "then         ", "now          "]);
    let different = json_lines(said(&site, &["replay", id, "--with", other, "--json"], 5).as_bytes()).remove(0);
    assert_eq!(different["same"], false, "{different}");

    says(&said(&site, &["replay", "--all", "--since", "1h"], 0), &["STRATEGY", "Triage", "total"]);
    let summary = json_lines(said(&site, &["replay", "--all", "--json"], 0).as_bytes()).remove(0);
    assert_eq!(summary["strategies"][0]["same"], 1, "{summary}");
    // No session of this plugin is recorded.
    says(&said(&site, &["replay", "--all", "--with", other], 0), &["no sessions to replay"]);

    for (words, part) in [
        (["replay", "nobody"].as_slice(), "no session `nobody`"),
        (&["journal", "nobody"], "no session `nobody`"),
        (&["replay"], "--all"),
        (&["replay", id, "--all"], "cannot be used with"),
    ] {
        let output = run(&site, words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", output_text(&output));
        says(&output_text(&output), &[part]);
    }
}

#[test]
fn sessions_with_a_checkpoint_move_to_the_next_version() {
    let site = site();
    let _server = site.server();
    let node = site.node();
    submit(&site, "later.jsonl");
    let session = waiting(&site);
    assert_eq!(session["pluginVersion"], "1");
    let (next, other) = (guest("reduces_next"), guest("waits"));
    let (next, other) = (next.to_str().expect("UTF-8"), other.to_str().expect("UTF-8"));
    says(&said(&site, &["move", "Later", "--to", next, "--dry-run"], 0), &["1 session can go on with reduces 2"]);
    let refused = said(&site, &["move", "Later", "--to", other, "--dry-run"], 3);
    says(&refused, &["0 sessions can go on", "it runs plugin `reduces`, and this one is `waits`"]);
    assert!(node.terminate().success());

    let moved = json_lines(said(&site, &["move", "Later", "--to", next, "--json"], 0).as_bytes()).remove(0);
    assert_eq!((&moved["session"], &moved["fate"]), (&session["id"], &"moved".into()), "{moved}");
    says(&said(&site, &["move", "Later", "--to", next], 0), &["1 have it already"]);
    let _node = site.node();
    let again = waiting(&site);
    assert_eq!((&again["id"], &again["pluginVersion"]), (&session["id"], &"2".into()), "{again}");

    // One that begins has the version of the folder; the node that runs moves it.
    submit(&site, "later.jsonl");
    let versions = || -> Vec<(u64, Json)> {
        let status = json_lines(&run(&site, &["sessions", "--json"]).stdout).remove(0);
        let sessions = status["sessions"].as_array().cloned().unwrap_or_default();
        sessions.iter().map(|one| (one["turns"].as_u64().unwrap_or(0), one["pluginVersion"].clone())).collect()
    };
    until("both wait", || {
        let all = versions();
        (all.len() == 2 && all.iter().all(|(turns, _)| *turns >= 2)).then_some(())
    });
    let moved = json_lines(said(&site, &["move", "Later", "--to", next, "--json"], 0).as_bytes());
    let fates: Vec<&Json> = moved.iter().map(|session| &session["fate"]).collect();
    assert_eq!(fates, ["has-it-already", "moved"], "{moved:?}");
    assert!(versions().iter().all(|(_, version)| version == "2"), "{:?}", versions());

    let output = run(&site, &["move", "Latter", "--to", next, "--dry-run"]);
    assert_eq!(output.status.code(), Some(2), "{}", output_text(&output));
    says(&output_text(&output), &["did you mean `Later`?"]);
}

#[test]
fn a_journal_that_cannot_be_had_keeps_the_node_from_starting() {
    let site = site();
    site.write("var/journal.db", "this is no database, but long enough to be taken for one at first sight of it");
    let output = run(&site, &["run"]);
    assert_eq!(output.status.code(), Some(1), "{}", output_text(&output));
    says(&output_text(&output), &["the journal of the node", "journal.db", "name another file"]);

    // Two nodes in one data folder.
    std::fs::remove_file(site.path("var/journal.db")).expect("removed");
    let _node = site.node();
    let other = site.path("other.toml");
    let text = std::fs::read_to_string(site.path("jackfield.toml")).expect("the site");
    std::fs::write(&other, text.replacen("name = \"node\"", "name = \"second\"", 1)).expect("written");
    let output = run(&site, &["run", "--site", "other.toml"]);
    assert_eq!(output.status.code(), Some(1), "{}", output_text(&output));
    says(&output_text(&output), &["belongs to another process", "stop that one (`kill -9 ", "or name another file"]);
}

#[test]
fn without_a_journal_there_is_nothing_to_tell() {
    let site = site();
    let output = run(&site, &["sessions", "--finished"]);
    assert_eq!(output.status.code(), Some(1), "{}", output_text(&output));
    says(&output_text(&output), &["there is no journal at", "`jackfield run` begins one"]);
    site.configure("shutdown-grace = 2", "shutdown-grace = 2\njournal = \"off\"");
    for words in [["sessions", "--finished"].as_slice(), &["replay", "--all"], &["journal", "a"]] {
        let output = run(&site, words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", output_text(&output));
        says(&output_text(&output), &["keeps no journal"]);
    }
    let node = site.node();
    assert!(!site.path("var/journal.db").exists());
    assert!(node.terminate().success());
}

#[test]
fn both_forms_of_pulling_and_what_is_refused_are_shown_and_told_once() {
    let site = site();
    // `in` names its strategy itself. `Later` has a submitter, and the account of the server does not see it.
    let submitter = "[[submitter]]\nname = \"Triage from in\"\nview = \"all of in\"\nstrategy = \"Triage\"\n";
    site.configure(submitter, "");
    let application = "[queue.orchestration]\napplication = \"script:Triage\"\n";
    site.configure("name = \"in\"\n", &format!("name = \"in\"\n{application}"));
    site.configure("plugin = \"reduces\"\n", "plugin = \"reduces\"\naccess = [\"others\"]\n");
    site.configure("[[tenant]]", "[[access-group]]\nname = \"others\"\n[[tenant]]");
    assert!(said(&site, &["check", "--strict"], 0).contains("0 warnings"));

    let _server = site.server();
    let mut command = site.command(&["run", "--with-parent"]);
    command.stderr(std::fs::File::create(site.path("node.log")).expect("a log"));
    let mut node = Running::start(command);
    node.wait_for_line("runs;");
    submit(&site, "automatic.jsonl");
    submit(&site, "automatic.jsonl");
    let ended = until("both sessions end", || Some(finished(&site)).filter(|ended| ended.len() == 2));
    assert!(ended.iter().all(|session| session["strategy"] == "Triage"), "{ended:?}");

    let pulls = until("the other strategy rests", || {
        let status = json_lines(&run(&site, &["sessions", "--json"]).stdout).into_iter().next()?;
        let pulls = status["pulls"].as_array()?.clone();
        pulls.iter().any(|pull| pull["state"] == "resting").then_some(pulls)
    });
    let later = pulls.iter().find(|pull| pull["strategy"] == "Later").expect("a pull");
    let problem = "__we_error_strategy_does_not_exist (107)";
    assert_eq!((&later["problem"], &later["queue"]), (&problem.into(), &"".into()));
    let triage = pulls.iter().find(|pull| pull["strategy"] == "Triage").expect("a pull");
    assert_eq!((&triage["queue"], &triage["view"]), (&"in".into(), &"all of in".into()));
    says(&said(&site, &["sessions", "--all"], 0), &["QUEUE", "VIEW", "all of in", problem]);
    says(&said(&site, &["queues"], 0), &["PULLED FOR", "Triage (legacy)", "Later"]);

    assert!(node.stop().success());
    let log = std::fs::read_to_string(site.path("node.log")).expect("the log");
    assert_eq!(log.matches("a pull was refused").count(), 1, "{log}");
    says(&log, &["server=\"main\"", "strategy=\"Later\"", "add the strategy to this server's configuration"]);
}
