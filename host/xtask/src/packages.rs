//! Programs of the system that some tests start, where they can be had.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

/// A package of Debian and Ubuntu, and how it is known that what it has is there.
struct Needed {
    package: &'static str,
    is_there: fn() -> bool,
    /// The tests that are passed over without it.
    tests: &'static str,
}

const NEEDED: [Needed; 3] = [
    Needed {
        package: "docker-registry",
        is_there: || is_program("docker-registry"),
        tests: "installing plugins from a registry",
    },
    Needed {
        package: "dovecot-imapd",
        is_there: || Path::new("/usr/sbin/dovecot").is_file(),
        tests: "taking e-mail from an IMAP server",
    },
    Needed {
        package: "python3-aiosmtpd",
        is_there: || ["/usr/bin/python3", "python3"].iter().any(|python| succeeds(python, &["-c", "import aiosmtpd"])),
        tests: "sending e-mail to an SMTP server",
    },
];

/// In continuous integration, as root, installs what is missing. Elsewhere, and where that does not work, the
/// tests that need it say that they were passed over.
pub fn ensure() {
    let missing = || NEEDED.iter().filter(|needed| !(needed.is_there)()).collect::<Vec<_>>();
    let before = missing();
    if before.is_empty() {
        return;
    }
    if env::var("CI").is_ok_and(|ci| ci == "true") && is_root() && is_program("apt-get") {
        let packages: Vec<&str> = before.iter().map(|needed| needed.package).collect();
        eprintln!("missing: {}; installing with apt-get", packages.join(" "));
        if succeeds("apt-get", &["update"]) {
            succeeds("apt-get", &[&["install", "-y", "--no-install-recommends"], packages.as_slice()].concat());
        }
    }
    for Needed { package, tests, .. } in missing() {
        eprintln!("there is no {package}; tests of {tests} are passed over (apt-get install {package})");
    }
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn is_program(name: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
