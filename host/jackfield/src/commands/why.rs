//! `jackfield why`: why target selection decided so.

use serde_json::Value as Json;

use crate::cli::{Global, Why};
use crate::control::{self, Question};
use crate::exit::Exit;
use crate::{connect, output, text};

/// Explain a decision, or a wait.
///
/// # Errors
/// No node answers, or it remembers nothing of this interaction.
pub async fn why(global: &Global, arguments: &Why) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    let question = Question::Why { interaction: arguments.interaction.clone() };
    let why = control::ask(&site.control_socket(), question).await?;
    if why.is_null() {
        anyhow::bail!(
            "the node remembers no decision about interaction `{}`, and it does not wait for a target; `jackfield \
             sessions` shows what is under way",
            arguments.interaction
        );
    }
    if global.json {
        output::line(why.to_string())?;
        return Ok(Exit::Done);
    }
    let now = connect::now_ms();
    let received = now - why.get("receivedAt").and_then(Json::as_i64).unwrap_or(now);
    let [server, media, because] = ["server", "mediaType", "because"].map(|key| field(&why, key));
    let when = match why.get("decidedAt").and_then(Json::as_i64) {
        Some(at) => format!("decided {} ago", text::time(now - at)),
        None => "waits".to_owned(),
    };
    output::line(format!(
        "{} ({media}, from {server}), priority {}, received {} ago: {when}",
        arguments.interaction,
        field(&why, "priority"),
        text::time(received)
    ))?;
    output::line(format!("{because}.\n"))?;
    let [order, statistic] = ["order", "statistic"].map(|key| field(&why, key));
    output::line(format!("Targets, in the order `{order}` by {statistic}"))?;
    let rows = rows(&why, "targets").into_iter().map(|target| {
        let chosen = if target.get("chosen").and_then(Json::as_bool) == Some(true) { "chosen" } else { "" };
        let [name, value, threshold] = ["target", "value", "threshold"].map(|key| field(&target, key));
        vec![name, value, threshold, chosen.to_owned()]
    });
    output::line(output::table(&["TARGET", "#VALUE", "#THRESHOLD NOW", ""], rows))?;
    let candidates = self::rows(&why, "candidates");
    if candidates.is_empty() {
        return output::line("\nIt lies too far back to say who else there was.").map(|()| Exit::Done);
    }
    let counts = why.get("verdicts").and_then(Json::as_object).into_iter().flatten();
    let counts: Vec<String> = counts.map(|(verdict, count)| format!("{count} {verdict}")).collect();
    output::line(format!("\nAgents: {}", counts.join(", ")))?;
    let rows = candidates.into_iter().map(|one| {
        let load = format!("{} of {}", field(&one, "load"), field(&one, "capacity"));
        let [agent, place, verdict, value, detail] =
            ["agent", "place", "verdict", "value", "detail"].map(|key| field(&one, key));
        vec![agent, place, load, value, verdict, detail]
    });
    let value = format!("#{}", statistic.to_uppercase());
    output::line(output::table(&["AGENT", "PLACE", "HAS", &value, "VERDICT", ""], rows))?;
    Ok(Exit::Done)
}

fn rows(of: &Json, key: &str) -> Vec<Json> {
    of.get(key).and_then(Json::as_array).cloned().unwrap_or_default()
}

fn field(row: &Json, key: &str) -> String {
    match row.get(key) {
        Some(Json::String(text)) => text::printable(text),
        Some(Json::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}
