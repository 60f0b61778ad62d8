//! Where things are, and cargo called on them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The target strategies are built for.
pub const WASM_TARGET: &str = "wasm32-wasip2";
/// The profile they are built with; see the workspace's `Cargo.toml`.
pub const GUEST_PROFILE: &str = "guest";

/// The workspace this program was built from.
pub struct Workspace {
    /// Folder of the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Where cargo puts what it builds (`CARGO_TARGET_DIR` and configuration included).
    pub target: PathBuf,
    /// Names of the integration tests of each package.
    pub integration_tests: BTreeMap<String, Vec<String>>,
}

impl Workspace {
    /// Asks cargo where everything is.
    pub fn find() -> Result<Workspace> {
        let output = Command::new(cargo())
            .args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .stderr(Stdio::inherit())
            .output()
            .context("`cargo metadata` cannot be started")?;
        if !output.status.success() {
            bail!("`cargo metadata` failed");
        }
        let metadata: Value = serde_json::from_slice(&output.stdout).context("`cargo metadata` cannot be read")?;
        Workspace::read(&metadata).context("`cargo metadata` lacks what is needed")
    }

    fn read(metadata: &Value) -> Option<Workspace> {
        let path = |key: &str| metadata.get(key)?.as_str().map(PathBuf::from);
        let text = |value: &Value, key: &str| Some(value.get(key)?.as_str()?.to_owned());
        let mut integration_tests = BTreeMap::new();
        for package in metadata.get("packages")?.as_array()? {
            let is_test = |target: &&Value| target.pointer("/kind/0").and_then(Value::as_str) == Some("test");
            let targets = package.get("targets")?.as_array()?;
            let names: Vec<String> = targets.iter().filter(is_test).filter_map(|target| text(target, "name")).collect();
            integration_tests.insert(text(package, "name")?, names);
        }
        Some(Workspace { root: path("workspace_root")?, target: path("target_directory")?, integration_tests })
    }

    /// Where strategies are dropped.
    pub fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    /// Where cargo puts the guests it builds.
    pub fn guest_output(&self) -> PathBuf {
        self.target.join(WASM_TARGET).join(GUEST_PROFILE)
    }

    /// The program, as built with the profile whose folder this is.
    pub fn program(&self, profile: &str) -> PathBuf {
        self.target.join(profile).join(format!("jackfield{}", std::env::consts::EXE_SUFFIX))
    }

    /// Calls cargo in the workspace, with its output shown.
    pub fn cargo<A: AsRef<str>>(&self, arguments: &[A]) -> Result<()> {
        self.cargo_with(&[], arguments)
    }

    /// The same with these in its environment.
    pub fn cargo_with<A: AsRef<str>>(&self, environment: &[(&str, &str)], arguments: &[A]) -> Result<()> {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let status = Command::new(cargo())
            .args(&arguments)
            .current_dir(&self.root)
            .envs(environment.iter().copied())
            // Snapshots are compared, never written, and never asked about.
            .env("INSTA_UPDATE", "no")
            .status()
            .context("cargo cannot be started")?;
        if !status.success() {
            bail!("`cargo {}` failed ({status})", arguments.join(" "));
        }
        Ok(())
    }
}

/// The cargo that called us, or the one in the path.
fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_things_are_and_which_tests_there_are() {
        let workspace = Workspace::find().unwrap();
        assert!(workspace.root.join("wit/since-0.3.0/strategy.wit").is_file());
        assert!(workspace.integration_tests["jackfield-sdk"].contains(&"session".to_owned()));
        assert!(workspace.integration_tests.contains_key("jackfield"));
    }
}
