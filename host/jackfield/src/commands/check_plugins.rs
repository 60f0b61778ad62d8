//! `jackfield check FILE`: plugins, loaded as the node would load them; nothing of them runs but `describe`.

use std::path::Path;

use jackfield_strategy::{Engine, LoadError, Plugin, Settings};
use serde_json::{Value as Json, json};

use crate::cli::{Check, Global};
use crate::config;
use crate::documents;
use crate::exit::Exit;
use crate::output;

/// The configuration that is looked for when none is named: without it the limits are those by default.
const UNNAMED: &str = "jackfield.toml";

/// Check plugins, one after the other.
///
/// # Errors
/// The configuration is wrong, or the engine cannot be set up. A plugin that is refused is a result.
pub async fn check(global: &Global, arguments: &Check) -> anyhow::Result<Exit> {
    let engine = engine(global)?;
    let mut exit = Exit::Done;
    for (index, file) in arguments.files.iter().enumerate() {
        let loaded = documents::load(&engine, file).await;
        if loaded.is_err() {
            exit = Exit::Configuration;
        }
        if global.json {
            output::line(as_json(file, &loaded).to_string())?;
            continue;
        }
        match loaded {
            Ok(plugin) => output::line(format!("{}{}", if index == 0 { "" } else { "\n" }, describe(&plugin)))?,
            Err(error) => output::complain(&format!("error: {error}")),
        }
    }
    Ok(exit)
}

/// With the limits and policies of the site, where there is one.
fn engine(global: &Global) -> anyhow::Result<Engine> {
    if global.site == Path::new(UNNAMED) && !global.site.exists() {
        return Ok(Engine::new(Settings { live: 1, ..Settings::default() })?);
    }
    let site = super::load(global)?;
    Ok(config::engine_beside(&site, 1)?)
}

fn describe(plugin: &Plugin) -> String {
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let compiled = match plugin.compile_time() {
        Some(time) => format!("in {:.1} ms", time.as_secs_f64() * 1e3),
        None => "before: taken from the cache".into(),
    };
    let rows = [
        ("name", plugin.name().to_owned()),
        ("version", plugin.version().to_owned()),
        ("description", plugin.description().to_owned()),
        ("digest", plugin.digest().to_owned()),
        ("contract", plugin.contract_version().unwrap_or("any").to_owned()),
        ("imports", list(plugin.imports())),
        ("capabilities", list(plugin.capabilities())),
        ("states", list(plugin.states())),
        ("size", format!("{} bytes", plugin.bytes().len())),
        ("compiled", compiled),
    ];
    let mut text = format!("{} is right", plugin.origin());
    for (name, value) in rows {
        text.push_str(&format!("\n  {name:<14}{value}"));
    }
    text
}

fn as_json(file: &Path, loaded: &Result<Plugin, LoadError>) -> Json {
    let file = file.display().to_string();
    match loaded {
        Ok(plugin) => json!({
            "file": file,
            "right": true,
            "name": plugin.name(),
            "version": plugin.version(),
            "description": plugin.description(),
            "digest": plugin.digest(),
            "contract": plugin.contract_version(),
            "imports": plugin.imports(),
            "capabilities": plugin.capabilities(),
            "states": plugin.states(),
            "bytes": plugin.bytes().len(),
            "compileMilliseconds": plugin.compile_time().map(|time| time.as_secs_f64() * 1e3),
            "fromCache": plugin.compile_time().is_none(),
        }),
        Err(error) => json!({
            "file": file,
            "right": false,
            "error": error.to_string(),
            "incomplete": error.is_incomplete(),
        }),
    }
}
