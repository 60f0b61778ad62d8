//! Builds the components: the strategies of `examples/` and the guests of the tests.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::{GUEST_PROFILE, WASM_TARGET, Workspace};

/// Which components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guests {
    /// The strategies of `examples/`.
    Examples,
    /// Those, and the misbehaving ones of the tests.
    All,
}

/// Packages of `examples/`, each one strategy.
pub const EXAMPLES: [&str; 4] = ["acknowledge", "chat", "follow-up", "triage"];
/// The package whose examples are the guests of the tests.
pub const TEST_GUESTS: &str = "test-guests";

/// The example there is a next version of, under its feature `next`: the demo swaps it in.
const SWAPPED: &str = "triage";

/// Builds the version that the demo swaps in, and says where it is. To be called before [`build`]: cargo has one
/// place for both.
pub fn build_next(workspace: &Workspace) -> Result<PathBuf> {
    let feature = format!("{SWAPPED}/next");
    let arguments = ["build", "--target", WASM_TARGET, "--profile", GUEST_PROFILE, "--package", SWAPPED];
    workspace.cargo(&[&arguments[..], &["--features", &feature]].concat())?;
    let folder = workspace.guest_output().join("next");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let file = format!("{SWAPPED}.wasm");
    let (built, next) = (workspace.guest_output().join(&file), folder.join(&file));
    replace(&built, &next).with_context(|| format!("{} cannot be copied", built.display()))?;
    Ok(next)
}

/// Builds them in one call of cargo, copies the strategies into the plugins folder, and says where
/// they are.
pub fn build(workspace: &Workspace, guests: Guests) -> Result<Vec<PathBuf>> {
    let mut arguments = vec!["build", "--target", WASM_TARGET, "--profile", GUEST_PROFILE];
    for package in EXAMPLES {
        arguments.extend(["--package", package]);
    }
    if guests == Guests::All {
        arguments.extend(["--package", TEST_GUESTS, "--lib", "--examples"]);
    }
    workspace.cargo(&arguments)?;
    let plugins = workspace.plugins();
    fs::create_dir_all(&plugins).with_context(|| format!("{} cannot be made", plugins.display()))?;
    let copy = |package: &&str| {
        // As rustc names what it makes of a package.
        let name = package.replace('-', "_");
        let built = workspace.guest_output().join(format!("{name}.wasm"));
        let plugin = plugins.join(format!("{name}.wasm"));
        replace(&built, &plugin).with_context(|| format!("{} cannot be copied", built.display()))?;
        Ok(plugin)
    };
    EXAMPLES.iter().map(copy).collect()
}

/// Copies a file where it differs. A node that watches the folder sees the old file or the new one,
/// never half of it.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    let bytes = fs::read(from)?;
    if fs::read(to).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let part = to.with_extension("part");
    fs::write(&part, bytes)?;
    fs::rename(part, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_where_it_differs_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("built.wasm"), folder.path().join("plugin.wasm"));
        for content in ["one", "one", "two"] {
            fs::write(&from, content).unwrap();
            replace(&from, &to).unwrap();
            assert_eq!(fs::read_to_string(&to).unwrap(), content);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
