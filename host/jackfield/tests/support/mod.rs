//! What the tests of the program share: starting it, and reading what it says.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::process::{Command, Output};

/// The program, quiet and with no settings from the environment of the tests.
pub fn jackfield() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jackfield"));
    command.env_remove("JACKFIELD_SITE").env_remove("JACKFIELD_LOG").env("NO_COLOR", "1");
    command
}

/// Standard output, then standard error.
pub fn output_text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
