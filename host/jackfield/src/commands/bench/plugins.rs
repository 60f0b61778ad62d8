//! A start with many plugins: with nothing in the cache of compiled code, and with all of them in it.
//!
//! Each start is a process of its own, so that nothing is there from the one before. The plugins are one guest
//! under as many names: each has another digest, and is compiled and kept for itself.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jackfield_strategy::{Engine, Settings};
use serde_json::{Value as Json, json};

use super::Figure;
use super::measure::resident_kib;
use crate::cli::Bench;
use crate::output;

/// What the guest calls itself: so many characters are put in the place of its name.
const NAME: &[u8] = b"numbered-0000";
/// Plugins that are loaded at once.
const AT_ONCE: usize = 2;

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

/// What that process does: loads all of a folder as a node does at its start, and says what it took.
///
/// # Errors
/// One is refused, or two have one name.
pub async fn load(folder: &Path) -> anyhow::Result<()> {
    let before = resident_kib();
    let begins = Instant::now();
    let code_cache = Some(folder.join("code-cache"));
    let engine = Engine::new(Settings { code_cache, ..Settings::default() })?;
    let files: Vec<PathBuf> = std::fs::read_dir(folder)?.map(|file| Ok(file?.path())).collect::<anyhow::Result<_>>()?;
    let files = files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    let loading = files.map(|file| {
        let engine = engine.clone();
        // A task of its own, so that `describe` runs on another thread too.
        async move { anyhow::Ok(tokio::spawn(async move { engine.load(&file).await }).await??) }
    });
    let plugins: Vec<_> = stream::iter(loading).buffer_unordered(AT_ONCE).try_collect().await?;
    let seconds = begins.elapsed().as_secs_f64();
    let kib = resident_kib() - before;
    let mut names: Vec<&str> = plugins.iter().map(jackfield_strategy::Plugin::name).collect();
    names.sort_unstable();
    names.dedup();
    ensure!(names.len() == plugins.len(), "two plugins have one name");
    let bytes: usize = plugins.iter().map(|plugin| plugin.bytes().len()).sum();
    output::line(
        json!({
            "plugins": plugins.len(), "seconds": seconds, "kib": kib, "compiled": engine.compiled(), "bytes": bytes,
        })
        .to_string(),
    )
}
