//! What the tests of the program share: starting it, and reading what it says.

// Each test file uses its own part of this.
#![allow(dead_code)]

mod port;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value as Json;

use self::port::Port;

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

/// Each line as JSON.
pub fn json_lines(bytes: &[u8]) -> Vec<Json> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// A small site of its own: one server `main`, queues `in` and `out`, agent `kim`.
pub struct Site {
    folder: tempfile::TempDir,
    port: Port,
}

impl Site {
    pub fn new() -> Site {
        let folder = tempfile::tempdir().expect("a folder");
        let port = Port::free();
        let text = format!(
            r#"
[application]
name = "node"
connections = ["main"]
[application.options.orchestration]
poison-queue = "out"
[[tenant]]
name = "Environment"
id = 1
[[server]]
name = "main"
port = {}
store = "sqlite:var/main.db"
[[queue]]
name = "in"
[[queue]]
name = "out"
[[queue]]
name = "orchestration_system"
[[view]]
name = "all"
queue = "in"
[[submitter]]
name = "triage"
view = "all"
strategy = "Triage"
[[strategy]]
name = "Triage"
plugin = "triage"
[[media-type]]
name = "email"
[[place]]
name = "desk"
[[workbin]]
name = "drafts"
[[agent]]
id = "kim"
place = "desk"
capacity = {{ email = 2 }}
"#,
            port.number()
        );
        let site = Site { folder, port };
        site.write("jackfield.toml", &text);
        site
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

    /// The server `main`, listening.
    pub fn server(&self) -> Running {
        let mut running = Running::start(self.command(&["server", "--name", "main", "--with-parent"]));
        running.wait_for_line("listens at");
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
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
        self.child.wait().expect("ends")
    }

    /// SIGKILL.
    pub fn kill(mut self) {
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
