//! A site in a folder of its own, and the processes that run it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use jackfield_link::{Client, Endpoint};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::{
    ClientType, EventServerStatus, KeyValueList, RequestRegisterClient, RequestServerStatus, RequestSubmit,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc;

use super::port::Port;
use super::small_site::small_site;

/// Longest anything here may take to come about.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The e-mails that strategies have made end up in `outbox` beside the site.
const OUTBOX: &str = r#"
[[media-server]]
name = "outbox"
kind = "email"
server = "main"
media = "email"
maildir = "outbox"
"#;

/// The seed of this run, printed so that it can be repeated.
pub fn seed(test: &str) -> u64 {
    let seed = std::env::var("JACKFIELD_FAULT_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| rand::rng().random::<u32>().into());
    println!("{test}: JACKFIELD_FAULT_SEED={seed}");
    seed
}

/// Chance from the seed of this run.
pub fn seeded(test: &str) -> StdRng {
    StdRng::seed_from_u64(seed(test))
}

/// How many rounds to run: what is asked for, or the few that every test run can afford.
pub fn rounds(usually: usize) -> usize {
    std::env::var("JACKFIELD_FAULT_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usually)
}

/// An e-mail for `in`, known by this name.
pub fn email(external_id: impl Into<String>) -> Request {
    Request::Submit(RequestSubmit {
        external_id: external_id.into(),
        media_type: "email".into(),
        interaction_type: "Inbound".into(),
        interaction_subtype: "InboundNew".into(),
        queue: "in".into(),
        user_data: Some(KeyValueList::default().with("Subject", "a question")),
        ..Default::default()
    })
}

/// A folder with a `jackfield.toml`, and the processes started on it; all end with it. Where a test fails, the
/// folder stays.
pub struct Site {
    folder: tempfile::TempDir,
    port: Port,
    running: BTreeMap<&'static str, Child>,
}

impl Site {
    /// The small site, with the strategy `route` (plugin `route_anyone`) for the queue `in`.
    pub fn new() -> Site {
        Site::with(&[("in", "route", "route_anyone")])
    }

    /// The small site with these: queue, strategy, and plugin.
    pub fn with(strategies: &[(&str, &str, &str)]) -> Site {
        let folder = tempfile::tempdir().expect("a folder");
        let port = Port::free();
        fs::create_dir(folder.path().join("plugins")).expect("a folder for plugins");
        let site = Site { folder, port, running: BTreeMap::new() };
        site.write("jackfield.toml", &small_site(site.port(), strategies));
        site
    }

    /// Something in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    /// Changes what the configuration says; `from` must be there.
    pub fn configure(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("jackfield.toml")).expect("the site");
        assert!(text.contains(from), "`{from}` is not in the configuration");
        self.write("jackfield.toml", &text.replacen(from, to, 1));
    }

    /// Copies a test guest, or an example, into the plugins folder.
    pub fn add_plugin(&self, name: &str) {
        let (guests, file) = (target_folder().join("wasm32-wasip2/guest"), format!("{name}.wasm"));
        let built = [guests.join("examples").join(&file), guests.join(&file)].into_iter().find(|path| path.is_file());
        let Some(built) = built else { panic!("{file} is not in {}; `cargo xtask guests` makes it", guests.display()) };
        fs::copy(&built, self.folder.path().join("plugins").join(file)).expect("copy a plugin");
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    pub fn start_server(&mut self) {
        self.start_server_by(&[]);
    }

    /// The server, started as [`start_node_by`](Self::start_node_by) starts the node.
    pub fn start_server_by(&mut self, words: &[String]) {
        self.start("server", words, "jackfield.toml", &["server", "--name", "main"]);
    }

    pub fn start_node(&mut self) {
        self.start_node_by(&[]);
    }

    /// The node, started by these words: a program that runs what follows as the process it is.
    pub fn start_node_by(&mut self, words: &[String]) {
        self.start("node", words, "jackfield.toml", &["run"]);
    }

    /// Another node, as the first one is configured but for its name: it has a data folder of its own.
    pub fn start_other_node(&mut self) {
        let text = fs::read_to_string(self.path("jackfield.toml")).expect("the site");
        let other = text.replacen("name = \"node\"", "name = \"other\"\ndata = \"other\"", 1);
        assert_ne!(text, other, "the node has another name");
        self.write("other.toml", &other);
        self.start("other", &[], "other.toml", &["run"]);
    }

    /// The media server `outbox` in a process of its own, which is that of a node with nothing to do.
    pub fn start_outbox(&mut self) {
        if !self.path("media.toml").exists() {
            fs::create_dir(self.path("none")).expect("a folder without plugins");
            let site = small_site(self.port(), &[]).replacen(
                "name = \"node\"",
                "name = \"media\"\ndata = \"media\"\nplugins = \"none\"",
                1,
            );
            let no_journal = "[application.options.orchestration]\njournal = \"off\"";
            let site = site.replacen("[application.options.orchestration]", no_journal, 1);
            self.write("media.toml", &format!("{site}{OUTBOX}"));
        }
        self.start("outbox", &[], "media.toml", &["run"]);
    }

    /// `jackfield <words>` on this site.
    pub fn command(&self, words: &[&str]) -> Command {
        self.command_by(&[], words)
    }

    /// The same, started by these words: a program that runs what follows as the process it is.
    pub fn command_by(&self, by: &[String], words: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_jackfield").to_owned();
        let mut all = by.iter().chain([&program]);
        let mut command = Command::new(all.next().expect("a program"));
        command.args(all).args(words).arg("--site").arg(self.path("jackfield.toml"));
        command
    }

    fn start(&mut self, what: &'static str, by: &[String], site: &str, arguments: &[&str]) {
        let log =
            fs::File::options().create(true).append(true).open(self.path(&format!("{what}.log"))).expect("a log file");
        let program = env!("CARGO_BIN_EXE_jackfield").to_owned();
        let words: Vec<&String> = by.iter().chain([&program]).collect();
        let (first, rest) = words.split_first().expect("a program");
        let child = Command::new(first)
            .args(rest)
            .args(arguments)
            .arg("--site")
            .arg(self.path(site))
            // Should the test itself be killed, the end of this pipe ends the process.
            .arg("--with-parent")
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("the same log"))
            .stderr(log)
            .spawn()
            .expect("start jackfield");
        assert!(self.running.insert(what, child).is_none(), "{what} runs already");
    }

    /// What runs is known by another name from here on, and another one can be started in its place.
    pub fn rename(&mut self, what: &str, to: &'static str) {
        let child = self.running.remove(what).expect("it runs");
        assert!(self.running.insert(to, child).is_none(), "{to} runs already");
    }

    /// SIGKILL: no time to say anything.
    pub fn kill(&mut self, what: &str) {
        let mut child = self.running.remove(what).expect("it runs");
        child.kill().expect("kill it");
        child.wait().expect("it is gone");
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(&mut self, what: &str) -> ExitStatus {
        let mut child = self.running.remove(what).expect("it runs");
        drop(child.stdin.take());
        child.wait().expect("it is gone")
    }

    /// Process id of what runs.
    pub fn pid(&self, what: &str) -> u32 {
        self.running.get(what).expect("it runs").id()
    }

    /// Whether the process is still there.
    pub fn runs(&mut self, what: &str) -> bool {
        self.running.get_mut(what).is_some_and(|child| child.try_wait().expect("ask for it").is_none())
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Tcp(format!("127.0.0.1:{}", self.port()))
    }

    /// Registers a client, as soon as the server lets it.
    pub async fn client(&self, name: &str, client_type: ClientType) -> (Client, mpsc::Receiver<Event>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let register = RequestRegisterClient {
                client_name: name.into(),
                client_type: client_type.into(),
                media_type: "email".into(),
                ..Default::default()
            };
            match Client::connect(&self.endpoint(), register).await {
                Ok(connected) => return connected,
                Err(error) => assert!(Instant::now() < deadline, "{name} cannot connect: {error}\n{}", self.logs()),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The server's own account of itself.
    pub async fn status(client: &Client) -> EventServerStatus {
        match client.request(Request::ServerStatus(RequestServerStatus::default())).await {
            Ok(Event::ServerStatus(status)) => status,
            other => panic!("no status: {other:?}"),
        }
    }

    /// What the processes logged last, for the message of a failed assertion.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for what in ["server", "node", "other", "outbox"] {
            let path = self.folder.path().join(format!("{what}.log"));
            let log = fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default();
            text.push_str(&format!("--- {what}\n{}\n", last.join("\n")));
        }
        text
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            println!("stores and logs stay in {}", self.folder.path().display());
        }
    }
}

/// Where this test's program was built.
fn target_folder() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_jackfield"));
    program.ancestors().nth(2).expect("target/<profile>/jackfield").to_owned()
}
