//! `jackfield journal`: what is recorded of one session.

use jackfield_strategy::Turn;
use serde_json::{Value as Json, json};

use super::turns::Turns;
use crate::cli::{Global, JournalArguments};
use crate::exit::Exit;
use crate::journal::{self, Recorded};
use crate::{connect, output, text};

/// Show it.
///
/// # Errors
/// There is no such session; it cannot be read.
pub fn journal(global: &Global, arguments: &JournalArguments) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    let recorded = journal::session(&journal::file(&site)?, &arguments.session)?;
    if global.json {
        output::line(as_json(&recorded)?.to_string())?;
        return Ok(Exit::Done);
    }
    output::line(heading(&recorded))?;
    let missing = recorded.kept.first().or(recorded.failed.as_ref()).map_or(0, |first| first.number - 1);
    if missing > 0 {
        output::line(format!("\n{} are kept no longer", text::count(missing.try_into()?, "turn")))?;
    }
    let mut turns = Turns::default();
    for turn in &recorded.kept {
        output::line(format!("\n{}", turns.write(turn, &[])))?;
        if recorded.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.turn == turn.number) {
            output::line("    checkpoint   it is rebuilt from here")?;
        }
    }
    if let Some(failed) = &recorded.failed {
        output::line(format!("\nthe turn that failed; nothing it asked for left:\n{}", turns.write(failed, &[])))?;
    }
    output::line(format!("\n{}", ending(&recorded, connect::now_ms())))?;
    Ok(Exit::Done)
}

/// Who it is.
pub fn heading(recorded: &Recorded) -> String {
    let row = &recorded.row;
    format!(
        "session {}: strategy {}, plugin {} {}\ninteraction {} from server {}, began {}",
        row.id,
        row.strategy,
        row.plugin,
        row.version,
        row.interaction,
        row.server,
        text::moment(row.started_at)
    )
}

/// How it ended, or what it waits for.
fn ending(recorded: &Recorded, now: i64) -> String {
    if let Some(end) = &recorded.end {
        let took = text::time(end.at - recorded.row.started_at);
        let how = if end.failed { "failed" } else { "ended" };
        return format!("{how} {} after {took}: {}", text::moment(end.at), text::printable(&end.outcome));
    }
    let mut lines = vec!["it goes on:".to_owned()];
    for (id, pending) in recorded.since_checkpoint().standing().waiting() {
        let age = now.saturating_sub(i64::try_from(pending.asked_at).unwrap_or(now));
        lines.push(format!("  request {id} has no outcome since {}: {}", text::time(age), pending.request));
    }
    for message in &recorded.messages {
        lines.push(format!("  message {} waits: {}", message.name, text::clip(&message.data, 80)));
    }
    match recorded.due_at {
        Some(due) if due > now => lines.push(format!("  it goes on by itself in {}", text::time(due - now))),
        Some(due) => lines.push(format!("  it has been due for {}", text::time(now - due))),
        None => lines.push("  it waits for an event, as long as it takes".into()),
    }
    lines.join("\n")
}

fn as_json(recorded: &Recorded) -> anyhow::Result<Json> {
    let turns = recorded.kept.iter().map(serde_json::to_value).collect::<Result<Vec<Json>, _>>()?;
    let failed = recorded.failed.as_ref().map(serde_json::to_value::<&Turn>).transpose()?;
    let standing = recorded.end.is_none().then(|| recorded.since_checkpoint().standing());
    let messages = recorded.messages.iter();
    let messages: Vec<Json> =
        messages.map(|message| json!({ "key": message.key, "name": message.name, "data": message.data })).collect();
    let mut json = journal::row_as_json(&recorded.row);
    json.extend([
        ("origin".to_owned(), serde_json::to_value(&recorded.origin)?),
        ("turns".to_owned(), json!(recorded.turns)),
        ("recorded".to_owned(), json!(turns)),
        ("checkpoint".to_owned(), recorded.checkpoint.as_ref().map(serde_json::to_value).transpose()?.into()),
        ("standing".to_owned(), standing.as_ref().map(serde_json::to_value).transpose()?.into()),
        ("dueAt".to_owned(), json!(recorded.due_at)),
        ("messages".to_owned(), json!(messages)),
        ("endedAt".to_owned(), json!(recorded.end.as_ref().map(|end| end.at))),
        ("outcome".to_owned(), json!(recorded.end.as_ref().map(|end| &end.outcome))),
        ("failed".to_owned(), json!(recorded.end.as_ref().map(|end| end.failed))),
        ("failedTurn".to_owned(), failed.into()),
    ]);
    Ok(json.into())
}
