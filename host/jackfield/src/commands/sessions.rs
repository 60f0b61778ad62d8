//! `jackfield sessions`: what the running node says of itself.

use serde_json::Value as Json;

use crate::cli::{Global, Sessions};
use crate::control::{self, Question};
use crate::exit::Exit;
use crate::{connect, output, text};

/// Show the sessions.
///
/// # Errors
/// No node answers.
pub async fn sessions(global: &Global, arguments: Sessions) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    let status = control::ask(&site.control_socket(), Question::Status).await?;
    if global.json {
        output::line(status.to_string())?;
        return Ok(Exit::Done);
    }
    let now = connect::now_ms();
    let age = |row: &Json| {
        let at = row.get("startedAt").and_then(Json::as_i64).unwrap_or(now);
        text::time(now - at)
    };
    if arguments.all {
        show(
            &status,
            "links",
            &["LINK", "UP", "#CONNECTIONS", "#INTERACTIONS", "#WAITING", "#AGENTS", "PROBLEM"],
            |row| {
                let keys = ["server", "up", "connections", "interactions", "waitingForTarget", "agents", "problem"];
                keys.map(|key| field(row, key)).into()
            },
        )?;
        show(&status, "pulls", &["LINK", "STRATEGY", "STATE", "#ASKED", "REST", "PROBLEM"], |row| {
            let rest = row.get("restMs").and_then(Json::as_i64).unwrap_or(0);
            let rest = if rest > 0 { text::time(rest) } else { String::new() };
            let [server, strategy, state] = ["server", "strategy", "state"].map(|key| field(row, key));
            vec![server, strategy, state, field(row, "asked"), rest, field(row, "problem")]
        })?;
        if let Some(counters) = status.get("counters").and_then(Json::as_object) {
            let rows = counters.iter().map(|(name, value)| vec![name.clone(), value.to_string()]);
            output::line(output::table(&["COUNTER", "#VALUE"], rows))?;
        }
    }
    show(
        &status,
        "sessions",
        &["SESSION", "STRATEGY", "PLUGIN", "INTERACTION", "SERVER", "AGE", "#TURNS", "STATE"],
        |row| {
            let plugin = format!("{} {}", field(row, "plugin"), field(row, "pluginVersion"));
            let [id, strategy] = ["id", "strategy"].map(|key| field(row, key));
            let [interaction, server] = ["interaction", "server"].map(|key| field(row, key));
            vec![id, strategy, plugin, interaction, server, age(row), field(row, "turns"), field(row, "state")]
        },
    )?;
    Ok(Exit::Done)
}

fn field(row: &Json, key: &str) -> String {
    match row.get(key) {
        Some(Json::String(text)) => text::clip(text, 60),
        Some(Json::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn show(status: &Json, key: &str, headings: &[&str], row: impl Fn(&Json) -> Vec<String>) -> anyhow::Result<()> {
    let rows = status.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return output::line(format!("no {key}"));
    }
    output::line(output::table(headings, rows.iter().map(row)))
}
