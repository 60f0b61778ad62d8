//! A start with many plugins: with nothing in the cache of compiled code, and with all of them in it.
//!
//! Each start is a process of its own, so that nothing is there from the one before. The plugins are one guest
//! under as many names: each has another digest, and is compiled and kept for itself.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use jackfield_plugins::{Folder, FolderSettings};
use jackfield_strategy::{Engine, Settings};
use serde_json::{Value as Json, json};

use super::Figure;
use super::measure::resident_kib;
use crate::cli::Bench;
use crate::output;

/// What the guest calls itself: so many characters are put in the place of its name.
const NAME: &[u8] = b"numbered-0000";

/// Both starts.
pub async fn plugins(arguments: &Bench) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir_in(&arguments.folder)?;
    let count = usize::try_from(arguments.plugins)?;
    make(&arguments.guests.join("numbered.wasm"), folder.path(), count)?;
    let cold = start(folder.path(), count).await?;
    ensure!(cold.compiled == count, "{} of {count} were compiled at the first start", cold.compiled);
    let warm = start(folder.path(), count).await?;
    ensure!(warm.compiled == 0, "{} were compiled though the cache holds them", warm.compiled);
    let figure = |name, value, unit| Figure { name, value, unit, aim: None };
    Ok(vec![
        figure("plugins in the folder", count as f64, "plugins"),
        figure("start with all of them, cold cache", cold.seconds, "s"),
        figure("start with all of them, warm cache", warm.seconds, "s"),
        figure("a plugin at a start with a warm cache", warm.seconds * 1e3 / count as f64, "ms"),
        figure("resident memory of a plugin, warm cache", warm.kib / count as f64, "KiB"),
        figure("resident memory of a plugin, cold cache", cold.kib / count as f64, "KiB"),
        figure("its file", warm.bytes / 1024.0 / count as f64, "KiB"),
    ])
}

/// Writes the guest so many times, each with a name of its own.
fn make(guest: &Path, folder: &Path, count: usize) -> anyhow::Result<()> {
    let bytes = std::fs::read(guest).with_context(|| format!("{}; `cargo xtask guests` makes it", guest.display()))?;
    let mut found = bytes.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME).map(|(at, _)| at);
    let (Some(at), None) = (found.next(), found.next()) else {
        bail!("{} does not hold its name once", guest.display());
    };
    let (before, after) = (bytes.get(..at).unwrap_or_default(), bytes.get(at + NAME.len()..).unwrap_or_default());
    for number in 0..count {
        let name = format!("numbered-{number:04}");
        std::fs::write(folder.join(format!("{name}.wasm")), [before, name.as_bytes(), after].concat())?;
    }
    Ok(())
}

struct Start {
    seconds: f64,
    kib: f64,
    compiled: usize,
    bytes: f64,
}

/// A process that loads them all.
async fn start(folder: &Path, count: usize) -> anyhow::Result<Start> {
    let program = std::env::current_exe()?;
    let output = tokio::process::Command::new(program).args(["bench", "--load"]).arg(folder).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    let said: Json = serde_json::from_slice(&output.stdout)?;
    let number = |name: &str| said.get(name).and_then(Json::as_f64).with_context(|| format!("no {name} in {said}"));
    ensure!(number("plugins")? == count as f64, "not all of {count} were loaded: {said}");
    let compiled = said.get("compiled").and_then(Json::as_u64).context("how many were compiled")?;
    Ok(Start {
        seconds: number("seconds")?,
        kib: number("kib")?,
        compiled: usize::try_from(compiled)?,
        bytes: number("bytes")?,
    })
}

/// What that process does: opens a folder as a node does at its start, and says what it took.
///
/// # Errors
/// The folder cannot be read.
pub async fn load(folder: &Path) -> anyhow::Result<()> {
    let before = resident_kib();
    let begins = Instant::now();
    let state = folder.join("state");
    let engine = Engine::new(Settings { code_cache: Some(state.join("code-cache")), ..Settings::default() })?;
    let settings = FolderSettings::new(folder, state);
    let opened = Folder::open(engine.clone(), settings).await?;
    let plugins = opened.plugins().all();
    let seconds = begins.elapsed().as_secs_f64();
    let kib = resident_kib() - before;
    let bytes: usize = plugins.iter().map(|plugin| plugin.bytes().len()).sum();
    output::line(
        json!({
            "plugins": plugins.len(), "seconds": seconds, "kib": kib, "compiled": engine.compiled(), "bytes": bytes,
        })
        .to_string(),
    )
}
