//! `jackfield scxml`: documents, checked and drawn.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").canonicalize().expect("examples")
}

/// The program, in the folder of the examples.
fn jackfield(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jackfield")).current_dir(examples()).args(words).output().expect("runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const START: &str = "composer/src-gen/IPD_default_Mail.scxml";
const MINIATURE: &str = "miniature/miniature.scxml";

/// A folder with a document that has one mistake, and one that does what is not supported.
fn mistakes() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let head = "<scxml xmlns='http://www.w3.org/2005/07/scxml' version='1.0' profile='ecmascript' \
                xmlns:dialog='www.genesyslab.com/modules/dialog'>\n";
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), format!("{head}{text}</scxml>")).expect("written");
    };
    write("lost.scxml", "<state id='a'>\n  <transition event='error' target='bb'/>\n</state>\n<final id='b'/>");
    write("voice.scxml", "<state id='a'><onentry><dialog:play/></onentry></state>");
    folder
}

#[test]
fn documents_that_are_right_say_what_they_are() {
    let output = jackfield(&["scxml", "check", START, MINIATURE]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let lines: Vec<String> = out(&output).lines().map(str::to_owned).collect();
    assert!(lines[0].starts_with(&format!("{START} is right: ")), "{lines:?}");
    assert!(lines[1].contains("(read as ors, for the functional module in <queue:submit>"), "{lines:?}");
    assert!(lines[0].contains("(read as ors, for ") && lines[0].contains(", 5 files; "), "{lines:?}");
    assert!(lines[1].ends_with(", 1 file; nothing is wrong"), "{lines:?}");
    // What has no effect is told with its place.
    assert!(error(&output).contains("composer/src-gen/IPD_default_Mail.scxml:6:85: note["), "{}", error(&output));
}

#[test]
fn a_mistake_is_told_with_its_place_and_what_to_do() {
    let folder = mistakes();
    let file = folder.path().join("lost.scxml");
    let output = jackfield(&["scxml", "check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{}", error(&output));
    let text = error(&output);
    for part in ["lost.scxml:3:37: error[unknown-target]", "there is no state bb", "cannot be loaded: 1 error"] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }

    let output = jackfield(&["scxml", "check", "--json", file.to_str().unwrap(), MINIATURE]);
    assert_eq!(output.status.code(), Some(2));
    let lines: Vec<Json> = out(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((lines[0]["right"].clone(), lines[1]["right"].clone()), (Json::Bool(false), Json::Bool(true)));
    let problem = &lines[0]["problems"][0];
    assert_eq!((problem["rule"].as_str(), problem["line"].as_u64()), (Some("unknown-target"), Some(3)));
    assert!(problem["file"].as_str().unwrap().ends_with("lost.scxml"));
}

#[test]
fn what_is_found_can_be_had_as_sarif() {
    let folder = mistakes();
    let (file, log) = (folder.path().join("lost.scxml"), folder.path().join("log.sarif"));
    let output = jackfield(&["scxml", "check", file.to_str().unwrap(), START, "--sarif", log.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{}", error(&output));
    let log: Json = serde_json::from_str(&std::fs::read_to_string(&log).expect("written")).expect("JSON");
    assert_eq!(log["version"], "2.1.0");
    let results = log["runs"][0]["results"].as_array().expect("results");
    let lost = results.iter().find(|result| result["ruleId"] == "unknown-target").expect("what is wrong");
    assert_eq!(lost["locations"][0]["physicalLocation"]["region"]["startLine"], 3);
    assert!(results.iter().any(|result| result["level"] == "note"));

    let output = jackfield(&["scxml", "check", START, "--sarif", "-"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(serde_json::from_str::<Json>(&out(&output)).is_ok(), "{}", out(&output));
}

#[test]
fn what_is_not_supported_is_refused_unless_it_is_allowed() {
    let folder = mistakes();
    let file = folder.path().join("voice.scxml");
    let file = file.to_str().unwrap();
    let refused = jackfield(&["scxml", "check", file]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(error(&refused).contains("dialog:play is not supported"), "{}", error(&refused));
    assert_eq!(jackfield(&["scxml", "check", "--allow-unsupported", file]).status.code(), Some(0));
}

#[test]
fn the_project_bounds_what_is_included() {
    let inner = jackfield(&["scxml", "check", "--project", "composer/src-gen", START]);
    assert_eq!(inner.status.code(), Some(2));
    assert!(error(&inner).contains("error[outside-project]"), "{}", error(&inner));
    let other = jackfield(&["scxml", "check", "--project", "miniature", START]);
    assert_eq!(other.status.code(), Some(2), "{}", error(&other));
    assert!(error(&other).contains("leads out of the project's folder"), "{}", error(&other));
    assert_eq!(jackfield(&["scxml", "check", "--project", ".", START]).status.code(), Some(0));
}

#[test]
fn a_chart_is_drawn_in_three_languages() {
    let folder = tempfile::tempdir().expect("a folder");
    let picture = folder.path().join("chart.dot");
    let output = jackfield(&["scxml", "graph", START, "-o", picture.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    assert!(std::fs::read_to_string(picture).expect("written").starts_with("digraph chart {"));
    let svg = out(&jackfield(&["scxml", "graph", MINIATURE]));
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
    let mermaid = out(&jackfield(&["scxml", "graph", MINIATURE, "--format", "mermaid"]));
    assert!(mermaid.starts_with("stateDiagram-v2\n"), "{mermaid}");
    let missing = jackfield(&["scxml", "graph", "miniature/none.scxml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(error(&missing).contains("there is no such file"), "{}", error(&missing));
}
