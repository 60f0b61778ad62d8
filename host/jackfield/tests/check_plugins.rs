//! `jackfield check FILE`, and the compiled code that processes share through a folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;
use support::{Site, guest, json_lines, output_text};

/// Bytes of a disk on which no entry has room.
const SMALL_DISK: &str = "16k";

/// A site whose node has a folder for compiled code already.
fn site_with_cache() -> (Site, PathBuf) {
    let site = Site::new();
    let folder = site.path("code");
    std::fs::create_dir(&folder).expect("a folder");
    let option = format!("[application.options.plugins]\ncode-cache = \"{}\"\n[[tenant]]", folder.display());
    site.configure("[[tenant]]", &option);
    (site, folder)
}

fn check(site: &Site, words: &[&str]) -> Output {
    site.command(&["check"]).args(words).output().expect("runs")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Names in the folder, without the key.
fn entries(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("a folder");
    let names = files.map(|file| file.expect("a file").file_name().into_string().expect("text"));
    names.filter(|name| name != "key").collect()
}

#[test]
fn a_plugin_says_what_it_is_and_a_bad_file_what_is_wrong() {
    let site = Site::new();
    site.write("bad.wat", "(component\n  (core modul))");
    let output = check(&site, &[path(&guest("driver")), "bad.wat", path(&guest("reduces"))]);
    let text = output_text(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for part in [
        "driver.wasm is right\n  name          driver\n  version       1\n",
        "  contract      0.3.0\n",
        "  imports       jackfield:strategy/types@0.3.0, ",
        "  capabilities  routing\n",
        "  states        none\n",
        "  states        reduces-1\n",
        "error: bad.wat: line 2, column 4: ",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    assert_eq!(check(&site, &[path(&guest("driver"))]).status.code(), Some(0));
}

#[test]
fn the_same_for_programs() {
    let site = Site::new();
    site.write("half.wat", "(component\n  (core module");
    let output = check(&site, &["--json", "half.wat", path(&guest("driver")), "none.wasm"]);
    assert_eq!(output.status.code(), Some(2), "{}", output_text(&output));
    let lines = json_lines(&output.stdout);
    assert_eq!((&lines[0]["right"], &lines[0]["incomplete"]), (&Json::Bool(false), &Json::Bool(true)));
    assert_eq!((&lines[1]["right"], &lines[1]["name"]), (&Json::Bool(true), &Json::from("driver")));
    assert_eq!(lines[1]["digest"].as_str().map(str::len), Some(64));
    assert!(lines[1]["compileMilliseconds"].is_number(), "{lines:?}");
    let error = lines[2]["error"].as_str().expect("an error");
    assert!(error.starts_with("none.wasm: could not be read: No such file"), "{error}");
}

#[test]
fn the_limits_are_those_of_the_site() {
    let site = Site::new();
    site.write("large.wat", "(component (core module $m (memory 300)) (core instance (instantiate $m)))");
    let text = output_text(&check(&site, &["large.wat"]));
    assert!(text.contains("does not export `describe`"), "it is loaded as far as that: {text}");
    site.configure("[[tenant]]", "[application.options.strategy]\nmemory-limit = 16\n[[tenant]]");
    let text = output_text(&check(&site, &["large.wat"]));
    assert!(text.contains("cannot be compiled for this host"), "{text}");
    std::fs::write(site.path("jackfield.toml"), "[oops]\n").expect("written");
    let output = check(&site, &["large.wat"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output_text(&output).contains("oops"), "a site that is wrong is told: {}", output_text(&output));
}

#[test]
fn what_the_policy_of_the_site_forbids_is_refused_as_the_node_refuses_it() {
    let site = Site::new();
    let driver = guest("driver").display().to_string();
    assert_eq!(check(&site, &[&driver]).status.code(), Some(0));
    site.configure("[[tenant]]", "[[plugin]]\nname = \"driver\"\ncapabilities = [\"messages\"]\n[[tenant]]");
    let output = check(&site, &[&driver]);
    let text = output_text(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("plugin `driver` ") && text.contains("which its policy does not allow"), "{text}");
}

#[test]
fn without_a_site_the_limits_are_those_by_default() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = support::jackfield();
    let output = command.arg("check").arg(guest("driver")).current_dir(folder.path()).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{}", output_text(&output));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "and nothing is left behind");
}

#[test]
fn processes_at_once_write_one_entry_and_the_next_compiles_nothing() {
    let (site, folder) = site_with_cache();
    let start = || {
        let mut command = site.command(&["check", "--json", path(&guest("driver"))]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
    };
    let both = [start(), start(), start(), start()];
    for child in both {
        let output = child.wait_with_output().expect("ends");
        assert_eq!(output.status.code(), Some(0), "{}", output_text(&output));
        assert_eq!(json_lines(&output.stdout)[0]["right"], true);
        assert!(output.stderr.is_empty(), "nothing to say: {}", output_text(&output));
    }
    assert_eq!(entries(&folder).len(), 1, "{:?}", entries(&folder));
    let again = check(&site, &["--json", path(&guest("driver"))]);
    assert_eq!(json_lines(&again.stdout)[0]["fromCache"], true);
}

#[test]
fn a_node_keeps_what_it_compiled() {
    let site = Site::new();
    site.add_plugin("triage");
    let folder = site.path("var/code-cache");
    let triage = site.path("plugins/triage.wasm");
    let before = check(&site, &["--json", path(&triage)]);
    assert_eq!(json_lines(&before.stdout)[0]["fromCache"], false);
    assert!(!folder.exists(), "to check makes no folder");
    assert_eq!(site.node().terminate().code(), Some(0));
    assert_eq!(entries(&folder).len(), 1);
    let after = check(&site, &["--json", path(&triage)]);
    assert_eq!(json_lines(&after.stdout)[0]["fromCache"], true);
    site.configure("[[tenant]]", "[application.options.plugins]\ncode-cache = \"off\"\n[[tenant]]");
    let off = check(&site, &["--json", path(&triage)]);
    assert_eq!(json_lines(&off.stdout)[0]["fromCache"], false);
}

/// It costs two compiles, and the log says it once.
#[test]
fn a_full_disk_fails_no_load() {
    let (site, folder) = site_with_cache();
    let mount = r#"mount -t tmpfs -o mode=700,size="$1" tmpfs "$2" && shift 2 && exec "$@""#;
    let on_small_disk = |program: &Path, words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", mount, "sh", SMALL_DISK, path(&folder)]);
        command.arg(program).args(words).current_dir(site.path("")).env("JACKFIELD_LOG", "warn").stdin(Stdio::null());
        command.output()
    };
    match on_small_disk(Path::new("true"), &[]) {
        Ok(output) if output.status.success() => {}
        other => {
            println!("skipped: there can be no small disk here: {other:?}");
            return;
        }
    }
    let program = Path::new(env!("CARGO_BIN_EXE_jackfield"));
    let words = ["check", "--json", path(&guest("driver")), path(&guest("echo"))].map(str::to_owned);
    let output = on_small_disk(program, &words.each_ref().map(String::as_str)).expect("runs");
    let text = output_text(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let lines = json_lines(&output.stdout);
    assert!(lines.iter().all(|line| line["right"] == true && line["fromCache"] == false), "{text}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.matches("compiled code cannot be kept, and plugins are compiled each time").count(), 1, "{text}");
    assert!(said.contains("No space left on device"), "{text}");
}
