//! What the tests of the program share: starting it, and reading what it says.

// Each test file uses its own part of this.
#![allow(dead_code)]

mod port;
#[path = "../../src/small_site.rs"]
mod small_site;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value as Json;

use self::port::Port;
use self::small_site::small_site;

/// How long anything that is awaited may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program, with no settings from the environment of the tests.
pub fn jackfield() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jackfield"));
    command.env_remove("JACKFIELD_SITE").env("JACKFIELD_LOG", "warn").env("NO_COLOR", "1");
    command
}

/// Standard output, then standard error.
pub fn output_text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What `jackfield check` says of this configuration, in this folder; its exit code first.
pub fn check(folder: &Path, text: &str, arguments: &[&str]) -> (i32, String) {
    let path = folder.join("jackfield.toml");
    std::fs::write(&path, text).expect("written");
    let output = jackfield().arg("check").arg("--site").arg(&path).args(arguments).output().expect("runs");
    (output.status.code().expect("a code"), output_text(&output))
}

/// Whether all of these are in it.
#[track_caller]
pub fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

/// Each line as JSON.
pub fn json_lines(bytes: &[u8]) -> Vec<Json> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// A strategy as it was built: one of the tests' guests, or of the examples.
pub fn guest(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_jackfield"));
    let built = program.ancestors().nth(2).expect("target/<profile>/jackfield").join("wasm32-wasip2/guest");
    let file = format!("{name}.wasm");
    let found = [built.join("examples").join(&file), built.join(&file)].into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{file} is missing in {}; `cargo xtask guests` makes it", built.display()))
}

/// A small site of its own, in a folder: see `small_site`.
pub struct Site {
    folder: tempfile::TempDir,
    port: Port,
}

impl Site {
    /// With the strategy `Triage` for the queue `in`.
    pub fn new() -> Site {
        Site::with(&[("in", "Triage", "triage")])
    }

    /// With these: queue, strategy, and plugin.
    pub fn with(strategies: &[(&str, &str, &str)]) -> Site {
        let folder = tempfile::tempdir().expect("a folder");
        let port = Port::free();
        let site = Site { folder, port };
        site.write("jackfield.toml", &small_site(site.port.number(), strategies));
        if let Ok(live) = std::env::var("JACKFIELD_TEST_LIVE") {
            site.keep_instances(&live);
        }
        site
    }

    /// Keeps so many instances at once, unless the whole run of tests says how many.
    pub fn keep_instances(&self, live: &str) {
        let text = std::fs::read_to_string(self.path("jackfield.toml")).expect("the site");
        if !text.contains("live-sessions") {
            self.configure(
                "[[tenant]]",
                &format!("[application.options.strategy]\nlive-sessions = {live}\n[[tenant]]"),
            );
        }
    }

    /// Changes what the configuration says; `from` must be there.
    pub fn configure(&self, from: &str, to: &str) {
        let path = self.path("jackfield.toml");
        let text = std::fs::read_to_string(path).expect("the site");
        assert!(text.contains(from), "`{from}` is not in the configuration");
        self.write("jackfield.toml", &text.replacen(from, to, 1));
    }

    /// Copies a guest of the tests, or of the examples, into the folder of plugins.
    pub fn add_plugin(&self, name: &str) {
        std::fs::create_dir_all(self.path("plugins")).expect("a folder");
        std::fs::copy(guest(name), self.path("plugins").join(format!("{name}.wasm"))).expect("copied");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    /// Where the server `main` listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }

    /// `jackfield <words>` in the folder of the site.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = jackfield();
        command.args(words).current_dir(self.folder.path());
        command
    }

    /// `jackfield <words>`, with what it logs going to this file of the folder.
    pub fn logging(&self, words: &[&str], log: &str) -> Running {
        let file = std::fs::File::create(self.path(log)).expect("a file");
        let mut command = self.command(words);
        command.arg("--with-parent").env("JACKFIELD_LOG", "info").stderr(file);
        Running::start(command)
    }

    /// Waits until the log has a line with all of these, and returns it. Lines before `from` are passed over; it is set
    /// behind the line that was found.
    pub fn logged(&self, log: &str, from: &mut usize, parts: &[&str]) -> String {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(self.path(log)).expect("the log");
            let lines: Vec<&str> = text.lines().collect();
            let has_all = |line: &&str| parts.iter().all(|part| line.contains(part));
            if let Some(at) = lines.iter().skip(*from).position(has_all) {
                *from += at + 1;
                return lines[*from - 1].to_owned();
            }
            assert!(std::time::Instant::now() < deadline, "no line with {parts:?} in:\n{text}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the node says of itself what is looked for.
    pub fn until_status(&self, is_it: impl Fn(&Json) -> bool) -> Json {
        let deadline = std::time::Instant::now() + PATIENCE;
        if !self.path("look.toml").exists() {
            std::fs::copy(self.path("jackfield.toml"), self.path("look.toml")).expect("copied");
        }
        loop {
            // The file itself may be wrong, or away, at this moment.
            let output = self.command(&["sessions", "--json", "--site", "look.toml"]).output().expect("runs");
            let status = json_lines(&output.stdout).pop().unwrap_or_default();
            if is_it(&status) {
                return status;
            }
            assert!(std::time::Instant::now() < deadline, "{status}\n{}", output_text(&output));
        }
    }

    /// The server `main`, listening.
    pub fn server(&self) -> Running {
        let mut running = Running::start(self.command(&["server", "--name", "main", "--with-parent"]));
        running.wait_for_line("listens at");
        running
    }

    /// The node, running; its server may be away.
    pub fn node(&self) -> Running {
        let mut running = Running::start(self.command(&["run", "--with-parent"]));
        running.wait_for_line("runs;");
        running
    }
}

/// A process; killed when it is dropped.
pub struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    pub fn start(mut command: Command) -> Running {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let output = child.stdout.take().expect("its output");
        let (sender, lines) = mpsc::sync_channel(10_000);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Running { child, lines }
    }

    /// The next line that holds `part`; those before it are passed over.
    pub fn wait_for_line(&mut self, part: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no line `{part}`: {error}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    pub fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().expect("its input"), "{line}").expect("written");
    }

    /// Waits for its end, with its input closed.
    pub fn ended(mut self) -> ExitStatus {
        drop(self.child.stdin.take());
        self.child.wait().expect("ends")
    }

    /// Waits for the end of what it says.
    pub fn wait_for_end(&mut self) {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not end"),
            }
        }
    }

    /// Ends it through the end of its input.
    pub fn stop(self) -> ExitStatus {
        self.ended()
    }

    /// SIGTERM.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal("-TERM");
        self.child.wait().expect("ends")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill runs").success());
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.kill_now();
    }

    /// The same, of one that is replaced.
    pub fn kill_now(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ends");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
