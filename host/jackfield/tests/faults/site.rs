//! A site in a folder of its own, and the processes that run it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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

/// Longest anything here may take to come about.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The seed of this run, printed so that it can be repeated.
pub fn seeded(test: &str) -> StdRng {
    let seed = std::env::var("JACKFIELD_FAULT_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| rand::rng().random::<u32>().into());
    println!("{test}: JACKFIELD_FAULT_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// How many rounds to run: what is asked for, or the few that every test run can afford.
pub fn rounds(usually: usize) -> usize {
    std::env::var("JACKFIELD_FAULT_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usually)
}

/// An e-mail for `inbound`, known by this name.
pub fn email(external_id: impl Into<String>) -> Request {
    Request::Submit(RequestSubmit {
        external_id: external_id.into(),
        media_type: "email".into(),
        interaction_type: "Inbound".into(),
        interaction_subtype: "InboundNew".into(),
        queue: "inbound".into(),
        user_data: Some(KeyValueList::default().with("Subject", "a question")),
        ..Default::default()
    })
}

/// A folder with a `jackfield.toml`, and the processes started on it; all end with it.
pub struct Site {
    folder: tempfile::TempDir,
    port: Port,
    running: BTreeMap<&'static str, Child>,
}

impl Site {
    /// One server `server` with the queue `inbound`, the view `waiting`, the strategy `route` (plugin
    /// `route_anyone`) and two agents; one node `node`.
    pub fn new() -> Site {
        let folder = tempfile::tempdir().expect("a folder");
        let port = Port::free();
        fs::create_dir(folder.path().join("plugins")).expect("a folder for plugins");
        let text = format!(
            r#"
[application]
name = "node"
tenant = "Environment"
connections = ["server"]
data = "var"
plugins = "plugins"

[application.options.orchestration]
reconnect-first = 50
reconnect-max = 500

[[tenant]]
name = "Environment"
id = 1

[[switch]]
name = "multimedia"
tenant = "Environment"
type = "multimedia"

[[server]]
name = "server"
tenant = "Environment"
host = "127.0.0.1"
port = {}
embedded = false
store = "sqlite:server.db"

[[media-type]]
name = "email"

[[queue]]
name = "inbound"
[[queue]]
name = "poison"
[[queue]]
name = "orchestration_system"

[[view]]
name = "waiting"
queue = "inbound"

[[submitter]]
name = "waiting to route"
view = "waiting"
strategy = "route"

[[strategy]]
name = "route"
plugin = "route_anyone"

[[agent-group]]
name = "everyone"

[[agent]]
id = "ada"
groups = ["everyone"]
capacity = {{ email = 4 }}

[[agent]]
id = "ben"
groups = ["everyone"]
capacity = {{ email = 4 }}
"#,
            port.number()
        );
        fs::write(folder.path().join("jackfield.toml"), text).expect("the site file");
        Site { folder, port, running: BTreeMap::new() }
    }

    /// Copies a test guest into the plugins folder.
    pub fn add_plugin(&self, name: &str) {
        let built = target_folder().join("wasm32-wasip2/guest/examples").join(format!("{name}.wasm"));
        assert!(built.is_file(), "{} is missing; `cargo xtask guests` makes it", built.display());
        fs::copy(&built, self.folder.path().join("plugins").join(format!("{name}.wasm"))).expect("copy a plugin");
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    pub fn start_server(&mut self) {
        self.start("server", &["server", "--name", "server"]);
    }

    pub fn start_node(&mut self) {
        self.start("node", &["run"]);
    }

    fn start(&mut self, what: &'static str, arguments: &[&str]) {
        let site = self.folder.path().join("jackfield.toml");
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join(format!("{what}.log")))
            .expect("a log file");
        let (command, rest) = arguments.split_first().expect("a command");
        let child = Command::new(env!("CARGO_BIN_EXE_jackfield"))
            .arg(command)
            .arg("--site")
            .arg(site)
            .args(rest)
            // Should the test itself be killed, the end of this pipe ends the process.
            .arg("--with-parent")
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("the same log"))
            .stderr(log)
            .spawn()
            .expect("start jackfield");
        assert!(self.running.insert(what, child).is_none(), "{what} runs already");
    }

    /// SIGKILL: no time to say anything.
    pub fn kill(&mut self, what: &str) {
        let mut child = self.running.remove(what).expect("it runs");
        child.kill().expect("kill it");
        child.wait().expect("it is gone");
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
        match client.request(Request::ServerStatus(RequestServerStatus {})).await {
            Ok(Event::ServerStatus(status)) => status,
            other => panic!("no status: {other:?}"),
        }
    }

    /// What the processes logged last, for the message of a failed assertion.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for what in ["server", "node"] {
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
    }
}

/// Where this test's program was built.
fn target_folder() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_jackfield"));
    program.ancestors().nth(2).expect("target/<profile>/jackfield").to_owned()
}
