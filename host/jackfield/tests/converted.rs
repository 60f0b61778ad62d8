//! SCXML documents as plugins: converted, loaded, and run in the sandbox by the program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use serde_json::{Value as Json, json};
use support::{jackfield, json_lines, output_text};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").canonicalize().expect("examples")
}

/// The program, with one cache of compiled code for all of these tests: the runtime is compiled once.
fn program(words: &[&str]) -> Output {
    static CACHE: OnceLock<tempfile::TempDir> = OnceLock::new();
    static COMPILED: OnceLock<()> = OnceLock::new();
    let cache = CACHE.get_or_init(|| tempfile::tempdir().expect("a folder"));
    let run = |words: &[&str]| {
        jackfield().current_dir(examples()).env("XDG_CACHE_HOME", cache.path()).args(words).output().expect("runs")
    };
    if words.contains(&"run") {
        COMPILED.get_or_init(|| {
            let first = run(&["scxml", "run", "miniature/miniature.scxml"]);
            assert!(first.status.success(), "{}", output_text(&first));
        });
    }
    run(words)
}

fn written(folder: &Path, name: &str, document: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, document).expect("written");
    path.display().to_string()
}

const SWITCH: &str = r#"<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" datamodel="ecmascript" name="switch">
  <datamodel><data id="flips" expr="0"/></datamodel>
  <state id="off">
    <transition event="flip" target="on"><assign location="flips" expr="flips + (_event.data ? _event.data.by : 1)"/></transition>
  </state>
  <state id="on">
    <onentry><send event="late" delay="10s" id="l"/><log label="on" expr="flips"/></onentry>
    <transition event="flip" target="off"/>
    <transition event="late" target="end"/>
  </state>
  <final id="end"/>
</scxml>"#;

/// Configuration, data and event of each line.
fn steps(output: &Output) -> Vec<Json> {
    let lines = json_lines(&output.stdout);
    lines.iter().map(|line| json!([line["event"], line["configuration"], line["data"]["flips"]])).collect()
}

#[test]
fn a_document_is_run_alone_event_by_event_on_a_clock_that_stands_still() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), "switch.scxml", SWITCH);
    let output = program(&["scxml", "run", &file, "--event", "flip", "--event", "flip", "--event", "flip={\"by\": 5}"]);
    assert_eq!(output.status.code(), Some(0), "{}", output_text(&output));
    assert_eq!(
        steps(&output),
        [
            json!(["(start)", ["off"], 0]),
            json!(["flip", ["on"], 1]),
            json!(["flip", ["off"], 1]),
            json!(["flip", ["on"], 6])
        ]
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("log: on: 6"), "{}", output_text(&output));

    // Ten seconds less a little change nothing; then the delayed event comes, at its time.
    let waits = program(&["scxml", "run", &file, "--event", "flip", "--advance", "9999ms"]);
    assert_eq!(steps(&waits).len(), 2, "{}", output_text(&waits));
    let ends = program(&["scxml", "run", &file, "--event", "flip", "--until-idle"]);
    let last = json_lines(&ends.stdout).pop().expect("a line");
    assert_eq!((&last["event"], &last["at"], &last["ended-in"]), (&json!("(delayed)"), &json!(10_000), &json!("end")));
}

#[test]
fn the_steps_of_the_engine_are_named_as_ors_names_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), "switch.scxml", SWITCH);
    let output = program(&["scxml", "run", &file, "--event", "flip", "--trace"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in
        ["METRIC <state_enter sid='run' name='on'", "METRIC <state_exit sid='run' name='off'", "METRIC <transition"]
    {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    assert!(text.lines().any(|line| line.contains("name='on'") && line.contains("switch.scxml:")), "{text}");
}

#[test]
fn a_document_that_fails_says_why_and_one_that_is_wrong_where() {
    let folder = tempfile::tempdir().expect("a folder");
    let endless = r#"<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" datamodel="ecmascript">
        <state id="a"><transition target="b"/></state><state id="b"><transition cond="true" target="a"/></state></scxml>"#;
    let failed = program(&["scxml", "run", &written(folder.path(), "endless.scxml", endless)]);
    assert_eq!(failed.status.code(), Some(3), "{}", output_text(&failed));
    assert!(output_text(&failed).contains("microsteps"), "{}", output_text(&failed));
    let wrong = endless.replace("target=\"b\"", "target=\"c\"");
    let refused = program(&["scxml", "run", &written(folder.path(), "wrong.scxml", &wrong)]);
    assert_eq!(refused.status.code(), Some(2), "{}", output_text(&refused));
    assert!(output_text(&refused).contains("wrong.scxml:2:"), "{}", output_text(&refused));
}

#[test]
fn what_is_converted_is_a_plugin_like_any_other_and_the_same_each_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let to = |name: &str| folder.path().join(name).display().to_string();
    let documents = ["composer/src-gen/IPD_default_Mail.scxml", "miniature/miniature.scxml"];
    for (number, document) in documents.into_iter().enumerate() {
        let (first, second) = (to(&format!("{number}.wasm")), to(&format!("{number}-again.wasm")));
        for plugin in [&first, &second] {
            let output = program(&["convert", document, "-o", plugin, "--json"]);
            assert_eq!(output.status.code(), Some(0), "{}", output_text(&output));
        }
        assert_eq!(std::fs::read(&first).expect("a file"), std::fs::read(&second).expect("a file"));
    }
    let checked = program(&["check", &to("0.wasm"), &to("1.wasm"), "miniature/miniature.scxml", "--json"]);
    let lines = json_lines(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{}", output_text(&checked));
    let said: Vec<_> = lines.iter().map(|line| (line["right"].clone(), line["name"].clone())).collect();
    assert_eq!(said[1], said[2], "converted, or as it is: the same plugin");
    assert!(said.iter().all(|(right, _)| *right == json!(true)), "{said:?}");
}

#[test]
fn an_application_as_composer_makes_them_routes_a_mailbox_on_a_node() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).expect("a folder");
    for name in ["acknowledge", "chat"] {
        std::fs::copy(support::guest(name), plugins.join(name).with_extension("wasm")).expect("a plugin");
    }
    // In the place of the example that the site's strategy is.
    let to = plugins.join("mail.wasm").display().to_string();
    let converted = program(&["convert", "composer/src-gen/IPD_default_Mail.scxml", "--name", "triage", "-o", &to]);
    assert!(converted.status.success(), "{}", output_text(&converted));
    let (plugins, demo) = (plugins.display().to_string(), folder.path().join("demo").display().to_string());
    let words = ["demo", "--json", "--site", "site/jackfield.toml", "--plugins", &plugins, "--folder", &demo];
    let output = program(&words);
    assert_eq!(output.status.code(), Some(0), "{}", output_text(&output));
    let report = json_lines(&output.stdout).pop().expect("a report");
    let versions = report["versions"].as_array().expect("versions");
    let triage = versions.iter().find(|version| version["plugin"] == "triage").expect("it ran");
    assert_eq!((&triage["finished"], &triage["failed"]), (&json!(46), &json!(0)), "{report}");
    let strategies = report["strategies"].as_array().expect("strategies");
    let triage = strategies.iter().find(|strategy| strategy["strategy"] == "Triage").expect("it decided");
    for count in ["placed", "delivered", "stopped"] {
        assert!(triage[count].as_u64().is_some_and(|count| count > 0), "{count}: {triage}");
    }
}

/// Where W3C's tests are: beside the repository, or where the environment says.
fn w3c() -> Option<PathBuf> {
    let named = std::env::var_os("JACKFIELD_W3C").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/w3c-irp"));
    folder.join("ecma").is_dir().then_some(folder)
}

#[test]
fn documents_of_the_w3c_come_to_their_state_pass_as_converted_components() {
    let Some(folder) = w3c() else {
        println!("skipped: W3C's tests of SCXML are not there; JACKFIELD_W3C names their folder");
        return;
    };
    let index: Json =
        serde_json::from_slice(&std::fs::read(folder.join("tests.json")).expect("an index")).expect("JSON");
    let all = index.as_array().expect("a list");
    let mut documents = Vec::new();
    // What talks to itself over HTTP needs an HTTP interface of the host.
    let counts = |test: &&Json| {
        test["in_final_manifest"] == true && test["manual"] == false && test["needs_basic_http"] == false
    };
    for test in all.iter().filter(counts) {
        documents.extend(
            test["start"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Json::as_str)
                .map(|name| folder.join("ecma").join(name)),
        );
    }
    assert!(documents.len() > 150, "{} documents", documents.len());
    let mut failed = Vec::new();
    for file in &documents {
        let output = program(&["scxml", "run", &file.display().to_string(), "--until-idle", "--json"]);
        let last = json_lines(&output.stdout).pop().unwrap_or_default();
        if last["ended-in"] != json!("pass") {
            failed.push(format!("{}: {last}\n{}", file.display(), String::from_utf8_lossy(&output.stderr)));
        }
    }
    println!("{} of {} documents passed", documents.len() - failed.len(), documents.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
