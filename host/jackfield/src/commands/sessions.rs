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
            &["LINK", "STATE", "#CONNECTIONS", "#INTERACTIONS", "#WAITING FOR TARGET", "#AGENTS"],
            |row| {
                let lacks = row.get("lacksOrchestrationSystem").and_then(Json::as_bool) == Some(true);
                let state = match (row.get("up").and_then(Json::as_bool), field(row, "problem")) {
                    (Some(true), _) if lacks => "up, without orchestration_system".to_owned(),
                    (Some(true), _) => "up".to_owned(),
                    (_, problem) => format!("down {problem}").trim_end().to_owned(),
                };
                let counts = ["connections", "interactions", "waitingForTarget", "agents"].map(|key| field(row, key));
                [vec![field(row, "server"), state], counts.into()].concat()
            },
        )?;
        // A strategy that is pulled by its own name has no queue here: which ones, submitters say.
        show(
            &status,
            "pulls",
            &["STRATEGY", "LINK", "QUEUE", "VIEW", "STATE", "#ASKED FOR", "#RESTS FOR", "PROBLEM"],
            |row| {
                let rest = row.get("restMs").and_then(Json::as_i64).unwrap_or(0);
                let rest = if rest > 0 { text::time(rest) } else { String::new() };
                let names = ["strategy", "server", "queue", "view"].map(|key| field(row, key));
                let state = field(row, "state").replace('_', " ");
                [names.as_slice(), &[state, field(row, "asked"), rest, field(row, "problem")]].concat()
            },
        )?;
        if let Some(journal) = status.get("journal").filter(|journal| !journal.is_null()) {
            let problem = field(journal, "problem");
            let state = if problem.is_empty() { "records".to_owned() } else { format!("WAITS: {problem}") };
            let (turns, recovered) = (field(journal, "turns"), field(journal, "recovered"));
            output::line(format!("journal: {state}; {turns} turns recorded, {recovered} sessions recovered\n"))?;
        }
        if let Some(counters) = status.get("counters").and_then(Json::as_object) {
            let counted: Vec<String> =
                counters.iter().map(|(name, value)| format!("{value} {}", words(name))).collect();
            output::line(format!("since the start: {}\n", counted.join(", ")))?;
        }
    }
    show(
        &status,
        "sessions",
        &["SESSION", "STRATEGY", "PLUGIN", "INTERACTION", "SERVER", "#AGE", "#TURNS", "STATE", "WAITS FOR"],
        |row| {
            let plugin = format!("{} {}", field(row, "plugin"), field(row, "pluginVersion"));
            let [id, strategy] = ["id", "strategy"].map(|key| field(row, key));
            let [interaction, server] = ["interaction", "server"].map(|key| field(row, key));
            let [turns, state] = ["turns", "state"].map(|key| field(row, key));
            let waits = match row.get("dueAt").and_then(Json::as_i64) {
                Some(due) if due > now => format!("{}, at most {}", field(row, "waitsFor"), text::time(due - now)),
                _ => field(row, "waitsFor"),
            };
            vec![id, strategy, plugin, interaction, server, age(row), turns, state, waits]
        },
    )?;
    Ok(Exit::Done)
}

/// `givenBack` as `given back`.
fn words(name: &str) -> String {
    let spaced =
        |letter: char| if letter.is_uppercase() { format!(" {}", letter.to_lowercase()) } else { letter.into() };
    name.chars().map(spaced).collect()
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
    let table = output::table(headings, rows.iter().map(row));
    output::line(format!("{}:\n{table}\n", text::count(rows.len(), key.trim_end_matches('s'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_counters_become_words() {
        assert_eq!(words("endedByNode"), "ended by node");
        assert_eq!(words("pulled"), "pulled");
    }
}
