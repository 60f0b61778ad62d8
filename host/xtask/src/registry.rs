//! A real registry for the tests of installing, where one can be had.

use std::env;
use std::process::{Command, Stdio};

/// The program that the tests start, and the package of Debian and Ubuntu that has it.
const REGISTRY: &str = "docker-registry";

/// In continuous integration, as root, installs it where it is missing. Elsewhere, and where that does not
/// work, the tests that need it say that they were passed over.
pub fn ensure() {
    if is_there(REGISTRY) {
        return;
    }
    if env::var("CI").is_ok_and(|ci| ci == "true") && is_root() && is_there("apt-get") {
        eprintln!("{REGISTRY} is missing; installing it with apt-get");
        let apt_get = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        if apt_get(&["update"]) && apt_get(&["install", "-y", "--no-install-recommends", REGISTRY]) {
            return;
        }
    }
    eprintln!("there is no {REGISTRY}; tests that need a registry are passed over (apt-get install {REGISTRY})");
}

fn is_there(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
