//! A real registry, in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The program: a package of Debian and Ubuntu.
const PROGRAM: &str = "docker-registry";
/// Who may log in where a login is wanted.
pub const USER: &str = "kim";
pub const PASSWORD: &str = "open sesame";
/// The same as `htpasswd -B` writes it.
const HTPASSWD: &str = "kim:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";

/// How it is to be.
#[derive(Default)]
pub struct Options<'a> {
    /// Whether it wants a login.
    pub login: bool,
    /// It speaks TLS, with this certificate and key (PEM).
    pub tls: Option<(&'a Path, &'a Path)>,
}

/// It listens on a port of this machine, keeps what it is given in memory, and ends when this is dropped.
pub struct RealRegistry {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl RealRegistry {
    /// None where the program is not installed: then the test is passed over, and says so.
    pub fn start(options: &Options<'_>) -> Option<RealRegistry> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut text = "version: 0.1\nlog: { level: info, accesslog: { disabled: true } }\n\
                        storage: { inmemory: {} }\nhttp:\n  addr: '127.0.0.1:0'\n"
            .to_owned();
        if let Some((certificate, key)) = options.tls {
            text += &format!("  tls: {{ certificate: '{}', key: '{}' }}\n", certificate.display(), key.display());
        }
        if options.login {
            let file = folder.path().join("htpasswd");
            std::fs::write(&file, HTPASSWD).expect("written");
            text += &format!("auth: {{ htpasswd: {{ realm: tests, path: '{}' }} }}\n", file.display());
        }
        let configuration = folder.path().join("config.yml");
        std::fs::write(&configuration, text).expect("written");
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg(&configuration).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("passed over: there is no {PROGRAM} (apt-get install {PROGRAM})");
                return None;
            }
            Err(error) => panic!("{PROGRAM} does not start: {error}"),
        };
        let mut log = BufReader::new(child.stderr.take().expect("its log"));
        let mut seen = String::new();
        let port = loop {
            let from = seen.len();
            assert!(log.read_line(&mut seen).expect("its log") > 0, "{PROGRAM} does not listen:\n{seen}");
            let address = seen[from..].split_once("listening on 127.0.0.1:").map(|(_, rest)| rest);
            if let Some(rest) = address {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                break digits.parse().expect("a port");
            }
        };
        // What is never read would stop it once the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Some(RealRegistry { child, port, _folder: folder })
    }

    /// `oci://<it>/<name>`
    pub fn reference(&self, name: &str) -> String {
        format!("oci://127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
