//! `cargo xtask test`: what continuous integration runs.
//!
//! Quick checks come first, tests over real processes last. Packages are always chosen by
//! `--workspace` and tests by their kind: choosing packages would change which features of the
//! dependencies are on, and build them again.

use anyhow::Result;

use crate::guests::{self, Guests};
use crate::packages;
use crate::steps::Steps;
use crate::wasm_target;
use crate::workspace::{GUEST_PROFILE, WASM_TARGET, Workspace};

/// The package whose integration tests start servers, nodes and agents as processes.
const PROGRAM: &str = "jackfield";
/// Of those this many at once: each starts several processes and waits for disks.
const PROCESS_TESTS_AT_ONCE: &str = "--test-threads=2";

/// The integration tests in which sessions run. They run again with no instance outliving its turn: whatever
/// a session does must not depend on one.
const OF_SESSIONS: &[&str] = &["all", "site", "sessions"];
/// What the tests' engines look for: how many instances they keep.
const NO_INSTANCE_KEPT: (&str, &str) = ("JACKFIELD_TEST_LIVE", "0");

/// Does every step, up to the first that fails.
pub fn run(workspace: &Workspace) -> Result<()> {
    let mut steps = Steps::default();
    let cargo = |arguments: &[&str]| workspace.cargo(arguments);

    steps.step("format", || cargo(&["fmt", "--all", "--check"]))?;
    steps.step("target wasm32-wasip2", wasm_target::ensure)?;
    steps.step("programs for tests", || {
        packages::ensure();
        Ok(())
    })?;
    steps.step("guests", || guests::build(workspace, Guests::All).map(drop))?;
    steps.step("clippy of the guests", || {
        let mut arguments = vec!["clippy", "--target", WASM_TARGET, "--profile", GUEST_PROFILE];
        for package in guests::EXAMPLES {
            arguments.extend(["--package", package]);
        }
        arguments.extend(["--package", guests::TEST_GUESTS, "--lib", "--examples", "--", "--deny", "warnings"]);
        cargo(&arguments)
    })?;
    steps.step("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    steps.step("unit tests", || cargo(&["test", "--workspace", "--lib", "--bins"]))?;
    steps.step("documentation tests", || cargo(&["test", "--workspace", "--doc"]))?;

    let (others, processes) = split(workspace);
    let selected = |names: &[&str], last: &[&str]| {
        let mut arguments = vec!["test", "--workspace"];
        for &name in names {
            arguments.extend(["--test", name]);
        }
        arguments.extend(last);
        cargo(&arguments)
    };
    if !others.is_empty() {
        steps.step("integration tests", || selected(&others, &[]))?;
    }
    if !processes.is_empty() {
        steps.step("tests over real processes", || selected(&processes, &["--", PROCESS_TESTS_AT_ONCE]))?;
    }
    steps.step("sessions, each turn with an instance of its own", || {
        let mut arguments = vec!["test", "--workspace"];
        for name in OF_SESSIONS {
            arguments.extend(["--test", name]);
        }
        arguments.extend(["--", PROCESS_TESTS_AT_ONCE]);
        workspace.cargo_with(&[NO_INSTANCE_KEPT], &arguments)
    })?;
    steps.summary("ok");
    Ok(())
}

/// Names of the integration tests of the other packages, and those that only the program has.
fn split(workspace: &Workspace) -> (Vec<&str>, Vec<&str>) {
    let of = |program: bool| {
        let packages = workspace.integration_tests.iter().filter(move |(package, _)| (*package == PROGRAM) == program);
        packages.flat_map(|(_, names)| names).map(String::as_str).collect::<Vec<_>>()
    };
    let (mut others, mut processes) = (of(false), of(true));
    others.sort_unstable();
    others.dedup();
    // A name that both have runs with the others.
    processes.retain(|name| !others.contains(name));
    (others, processes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_integration_test_is_run_once_the_programs_last() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let integration_tests = BTreeMap::from([
            ("jackfield".to_owned(), names(&["demo", "config"])),
            ("jackfield-node".to_owned(), names(&["routing", "config"])),
            ("jackfield-sdk".to_owned(), names(&["session"])),
        ]);
        let workspace = Workspace { root: "/".into(), target: "/".into(), integration_tests };
        let (others, processes) = split(&workspace);
        assert_eq!(others, ["config", "routing", "session"]);
        assert_eq!(processes, ["demo"]);
    }
}
