//! `jackfield plugins`, and what may become of a plugin: `rollback`, `pin`, `unpin`, `disable`, `enable`,
//! `canary`, `shadow`, `promote`. All of them ask the running node.

use anyhow::bail;
use jackfield_plugins::Command as Change;
use serde_json::Value as Json;

use crate::cli::{Global, Plugins};
use crate::control::{self, Question};
use crate::exit::{Exit, Usage};
use crate::{connect, output, text};

/// Characters of a digest that are shown.
const DIGEST: usize = 12;

/// Show the plugins.
///
/// # Errors
/// No node answers, or it has no plugin of this name.
pub async fn plugins(global: &Global, arguments: &Plugins) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    let mut status = control::ask(&site.control_socket(), Question::Plugins).await?;
    if let Some(name) = &arguments.name {
        only(&mut status, name)?;
    }
    let refused = rows(&status, "files").iter().any(|file| text_of(file, "state") == "refused");
    if global.json {
        output::line(status.to_string())?;
    } else {
        show(&status, arguments.name.is_some())?;
    }
    Ok(if refused { Exit::Partly } else { Exit::Done })
}

/// Have something done with a plugin, and show it.
///
/// # Errors
/// No node answers, or it cannot be done.
pub async fn change(global: &Global, name: &str, change: Change) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    let question = Question::Plugin { name: name.to_owned(), change };
    let mut status = control::ask(&site.control_socket(), question).await?;
    if let Some(error) = status.get("error").and_then(Json::as_str) {
        bail!("{error}");
    }
    only(&mut status, name)?;
    if global.json {
        output::line(status.to_string())?
    } else {
        show(&status, false)?
    }
    Ok(Exit::Done)
}

/// Leaves only this plugin, and its files.
fn only(status: &mut Json, name: &str) -> Result<(), Usage> {
    let names: Vec<String> = rows(status, "plugins").iter().map(|plugin| text_of(plugin, "name")).collect();
    if !names.iter().any(|known| known == name) {
        let nearest = crate::config::nearest_word(name, names.iter().map(String::as_str));
        return Err(Usage(format!("there is no plugin `{name}`; {nearest}")));
    }
    for (key, of) in [("plugins", "name"), ("files", "plugin")] {
        if let Some(rows) = status.get_mut(key).and_then(Json::as_array_mut) {
            rows.retain(|row| row.get(of).and_then(Json::as_str) == Some(name));
        }
    }
    Ok(())
}

fn show(status: &Json, is_detailed: bool) -> anyhow::Result<()> {
    let plugins = rows(status, "plugins");
    if plugins.is_empty() {
        output::line("no plugins; put a .wasm file into the plugins folder")?;
    } else {
        let headings = [
            "PLUGIN",
            "STATE",
            "VERSION",
            "DIGEST",
            "ROLE",
            "#SESSIONS",
            "#STARTED",
            "#FINISHED",
            "#FAILED",
            "LAST ERROR",
        ];
        output::line(output::table(&headings, plugins.iter().flat_map(versions)))?;
    }
    let refused: Vec<&Json> =
        rows(status, "files").iter().filter(|file| !text_of(file, "problem").is_empty()).collect();
    if !refused.is_empty() {
        output::line("\nfiles that are not taken:")?;
    }
    for file in refused {
        output::line(format!("  {}", text_of(file, "problem")))?;
    }
    if is_detailed {
        for plugin in plugins {
            detail(plugin)?;
        }
    }
    Ok(())
}

/// One row for each version; what they share stands in the first.
fn versions(plugin: &Json) -> Vec<Vec<String>> {
    let state = match (text_of(plugin, "state").as_str(), plugin.get("restMs").and_then(Json::as_i64)) {
        ("resting", Some(rest)) if rest > 0 => format!("resting, {} left", text::time(rest)),
        ("resting", _) => "one session is tried".to_owned(),
        (state, _) if plugin.get("pinned") == Some(&Json::Bool(true)) => format!("{state}, pinned"),
        (state, _) => state.to_owned(),
    };
    let rows = rows(plugin, "versions").iter().enumerate().map(|(index, version)| {
        let shared = if index == 0 { [text_of(plugin, "name"), state.clone()] } else { Default::default() };
        let digest = text_of(version, "digest").chars().take(DIGEST).collect();
        let named = [text_of(version, "version"), digest, text::clip(&text_of(version, "role"), 40)];
        let counts = ["sessions", "started", "finished", "failed"].map(|key| text_of(version, key));
        let error = text::clip(&text_of(version, "lastError"), 50);
        shared.into_iter().chain(named).chain(counts).chain([error]).collect()
    });
    rows.collect()
}

/// Files, times, whole errors, and what a shadow has shown.
fn detail(plugin: &Json) -> anyhow::Result<()> {
    let now = connect::now_ms();
    for version in rows(plugin, "versions") {
        let taken = version.get("takenAt").and_then(Json::as_i64).unwrap_or(now);
        output::line(format!("\n{} ({})", text_of(version, "version"), text_of(version, "digest")))?;
        output::line(format!("  taken {} ago; {}", text::time(now - taken), text_of(version, "role")))?;
        for (key, words) in [("file", "file"), ("lastError", "last error")] {
            let value = text_of(version, key);
            if !value.is_empty() {
                output::line(format!("  {words}: {value}"))?;
            }
        }
        let Some(compared) = version.get("compared").filter(|compared| !compared.is_null()) else { continue };
        let [same, differed, skipped] = ["same", "differed", "skipped"].map(|key| text_of(compared, key));
        output::line(format!("  as a shadow: {same} sessions the same, {differed} otherwise, {skipped} not compared"))?;
        for difference in rows(compared, "differences") {
            let [session, what] = ["session", "difference"].map(|key| text_of(difference, key));
            output::line(format!("    {session} {}", text::clip(&what, 160)))?;
        }
    }
    Ok(())
}

fn rows<'a>(of: &'a Json, key: &str) -> &'a [Json] {
    of.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text_of(row: &Json, key: &str) -> String {
    match row.get(key) {
        Some(Json::String(text)) => text.clone(),
        Some(Json::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_versions_share_is_said_once() {
        let version = |version: &str, role: &str| {
            json!({ "version": version, "digest": "0123456789abcdef", "role": role, "sessions": 2, "started": 5,
                    "finished": 3, "failed": 0, "lastError": null })
        };
        let plugin = json!({ "name": "triage", "state": "resting", "restMs": 61_000, "pinned": false,
                             "versions": [version("1", "before"), version("2", "current")] });
        let rows = versions(&plugin);
        let first: Vec<&str> = rows.first().unwrap().iter().map(String::as_str).collect();
        assert_eq!(first, ["triage", "resting, 1 min left", "1", "0123456789ab", "before", "2", "5", "3", "0", ""]);
        assert_eq!(rows.get(1).unwrap().get(..3).unwrap(), ["", "", "2"]);
    }

    #[test]
    fn a_name_that_is_not_there_gets_the_nearest() {
        let mut status = json!({ "plugins": [{ "name": "triage" }, { "name": "chat" }], "files": [] });
        let error = only(&mut status, "triagge").unwrap_err().to_string();
        assert!(error.contains("`triagge`") && error.contains("triage"), "{error}");
        only(&mut status, "chat").unwrap();
        assert_eq!(rows(&status, "plugins").len(), 1);
    }
}
