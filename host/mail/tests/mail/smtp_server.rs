//! A real SMTP server for a test, where there is one.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use jackfield_mail::Security;
use serde_json::Value as Json;

use crate::Certificate;

/// The package of Debian and Ubuntu that has the library `aiosmtpd`.
const PACKAGE: &str = "python3-aiosmtpd";
pub const USER: &str = "mailer";
pub const PASSWORD: &str = "correct horse";

pub struct SmtpServer {
    child: Child,
    pub port: u16,
    pub folder: PathBuf,
}

pub struct Manner<'c> {
    pub security: Security,
    pub certificate: Option<&'c Certificate>,
    pub login: bool,
}

impl SmtpServer {
    /// At a port of its choice for 0. None where the library is not installed: then the test is passed over, and
    /// says so.
    pub fn start(folder: &Path, port: u16, manner: &Manner<'_>) -> Option<SmtpServer> {
        let has = |python: &&str| {
            let mut command = Command::new(python);
            command.args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let Some(python) = ["/usr/bin/python3", "python3"].into_iter().find(has) else {
            eprintln!("passed over: there is no aiosmtpd for Python (apt-get install {PACKAGE})");
            return None;
        };
        std::fs::create_dir_all(folder).expect("a folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail/smtp_server.py");
        let mut command = Command::new(python);
        let security = match manner.security {
            Security::None => "none",
            Security::StartTls => "starttls",
            Security::Implicit => "implicit",
        };
        command.arg(script).arg(port.to_string()).arg(folder).arg(security);
        if let Some(certificate) = manner.certificate {
            command.arg(&certificate.certificate).arg(&certificate.key);
            if manner.login {
                command.args([USER, PASSWORD]);
            }
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a port");
        let port = line.trim().parse().expect("a port");
        Some(SmtpServer { child, port, folder: folder.to_owned() })
    }

    /// What it took, in order.
    pub fn taken(&self) -> Vec<Json> {
        taken(&self.folder)
    }
}

pub fn taken(folder: &Path) -> Vec<Json> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("one").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.iter().map(|path| serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON")).collect()
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
