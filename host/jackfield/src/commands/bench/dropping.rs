//! From a whole file in the plugins folder to new sessions getting it: compiled, and out of the cache of compiled
//! code. The folder is watched as a node watches it; another file is moved over the one that is there.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jackfield_plugins::{Folder, FolderSettings};
use jackfield_strategy::{Engine, Settings};

use super::measure::percentile;
use super::{Aim, Figure};
use crate::cli::Bench;

/// What the guest says of its version: other versions have other digits in its place.
const VERSION: &[u8] = b"0.0.000000";
/// Versions that are dropped, one after the other.
const VERSIONS: u32 = 40;
/// A version that does not come within so long is an error.
const WITHIN: Duration = Duration::from_secs(60);

/// The same versions twice: compiled, then not.
pub async fn dropping(arguments: &Bench) -> anyhow::Result<Vec<Figure>> {
    let home = tempfile::tempdir_in(&arguments.folder)?;
    let guest = arguments.guests.join("versioned.wasm");
    let guest = std::fs::read(&guest).with_context(|| format!("{}; `cargo xtask guests` makes it", guest.display()))?;
    let mut compiled = drop_all(home.path(), "first", &guest).await?;
    let mut cached = drop_all(home.path(), "second", &guest).await?;
    let figure = |name, value, aim| Figure { name, value, unit: "ms", aim };
    Ok(vec![
        figure("from a file to new sessions on it, p50", percentile(&mut compiled, 50), Some(Aim::Under(300.0))),
        figure("the same, p99", percentile(&mut compiled, 99), Some(Aim::Under(300.0))),
        figure("the same out of the cache, p50", percentile(&mut cached, 50), Some(Aim::Under(50.0))),
        figure("the same out of the cache, p99", percentile(&mut cached, 99), Some(Aim::Under(50.0))),
    ])
}

/// Drops every version into a folder of this name; milliseconds of each.
async fn drop_all(home: &Path, name: &str, guest: &[u8]) -> anyhow::Result<Vec<f64>> {
    let engine = Engine::new(Settings { code_cache: Some(home.join("code-cache")), ..Settings::default() })?;
    let settings = FolderSettings::new(home.join(name), home.join(format!("{name}-state")));
    std::fs::create_dir(&settings.folder)?;
    let (part, file) = (home.join("part"), settings.folder.join("versioned.wasm"));
    let folder = Folder::open(engine, settings).await?;
    let mut changes = folder.plugins().changes();
    let mut times = Vec::new();
    for number in 1..=VERSIONS {
        let version = format!("0.0.{number:06}");
        std::fs::write(&part, in_version(guest, &version)?)?;
        let begins = Instant::now();
        std::fs::rename(&part, &file)?;
        let serves = async {
            while folder.plugins().get("versioned").is_none_or(|plugin| plugin.version() != version) {
                changes.changed().await?;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(WITHIN, serves).await.with_context(|| format!("version {version} does not come"))??;
        times.push(begins.elapsed().as_secs_f64() * 1e3);
    }
    folder.close().await;
    Ok(times)
}

fn in_version(guest: &[u8], version: &str) -> anyhow::Result<Vec<u8>> {
    let Some(at) = guest.windows(VERSION.len()).position(|text| text == VERSION) else {
        bail!("the guest does not hold its version");
    };
    let (before, after) = (guest.get(..at).unwrap_or_default(), guest.get(at + VERSION.len()..).unwrap_or_default());
    Ok([before, version.as_bytes(), after].concat())
}
