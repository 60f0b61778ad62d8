//! A strategy is replaced while the demo runs: the new file goes into the plugins folder of the demo, as a user
//! would put it there, once some sessions run on the old one, and the second half of the mailbox is submitted once new sessions get it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value as Json;

use crate::control::{self, Question};

/// Time between two questions to the node.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// So many sessions are to begin on the version that will be replaced, and how long they are waited for.
const BEGUN: u64 = 10;
const WAIT_FOR_BEGUN: Duration = Duration::from_secs(10);

/// A file that will take the place of another.
pub struct Swap {
    from: PathBuf,
    to: PathBuf,
}

/// The swap, once it was made.
pub struct Swapped {
    /// The plugin.
    pub plugin: String,
    /// Its new version.
    pub version: String,
    /// From the file to new sessions getting it.
    pub took: Duration,
}

impl Swap {
    /// `from` goes into the folder under its own name.
    ///
    /// # Errors
    /// It is no file.
    pub fn new(from: &Path, folder: &Path) -> anyhow::Result<Swap> {
        anyhow::ensure!(from.is_file(), "{} is not there", from.display());
        let name = from.file_name().context("the file to swap in has no name")?;
        Ok(Swap { from: from.to_owned(), to: folder.join(name) })
    }

    /// Puts the file there, and waits until new sessions get what is in it.
    ///
    /// # Errors
    /// The file cannot be put there, or is refused; no node answers.
    pub async fn make(&self, socket: &Path) -> anyhow::Result<Swapped> {
        let limit = Instant::now() + WAIT_FOR_BEGUN;
        let before = loop {
            let status = control::ask(socket, Question::Plugins).await?;
            if self.begun(&status) >= BEGUN || Instant::now() > limit {
                break current_versions(&status);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let part = self.to.with_extension("part");
        std::fs::copy(&self.from, &part).with_context(|| format!("cannot copy {}", self.from.display()))?;
        std::fs::rename(&part, &self.to).with_context(|| format!("cannot write {}", self.to.display()))?;
        let began = Instant::now();
        loop {
            let status = control::ask(socket, Question::Plugins).await?;
            let mut new = current_versions(&status).into_iter().filter(|version| !before.contains(version));
            if let Some((plugin, version, _)) = new.next() {
                return Ok(Swapped { plugin, version, took: began.elapsed() });
            }
            let files = status.get("files").and_then(Json::as_array).into_iter().flatten();
            let mut refused = files.filter(|file| file.get("state").and_then(Json::as_str) == Some("refused"));
            if let Some(problem) = refused.find_map(|file| file.get("problem")?.as_str()) {
                anyhow::bail!("the new version is refused: {problem}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Sessions that have begun on the version whose file is replaced.
    fn begun(&self, status: &Json) -> u64 {
        let name = self.to.file_name();
        let is_there = |version: &&Json| Path::new(&text(version, "file")).file_name() == name;
        let plugins = status.get("plugins").and_then(Json::as_array).into_iter().flatten();
        let mut versions = plugins.filter_map(|plugin| plugin.get("versions")?.as_array()).flatten();
        versions.find(is_there).and_then(|version| version.get("started")?.as_u64()).unwrap_or(0)
    }
}

/// Name, version and digest of what new sessions get.
fn current_versions(status: &Json) -> HashSet<(String, String, String)> {
    let plugins = status.get("plugins").and_then(Json::as_array).into_iter().flatten();
    let versions = plugins.flat_map(|plugin| {
        let versions = plugin.get("versions").and_then(Json::as_array).into_iter().flatten();
        versions
            .filter(|version| text(version, "role") == "current")
            .map(|version| (text(plugin, "name"), text(version, "version"), text(version, "digest")))
    });
    versions.collect()
}

fn text(row: &Json, key: &str) -> String {
    row.get(key).and_then(Json::as_str).unwrap_or_default().to_owned()
}
