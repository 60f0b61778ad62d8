//! `jackfield sessions --finished`: sessions that have ended, from the journal.

use jackfield_journal::{Filter, Summary};
use serde_json::{Value as Json, json};

use crate::cli::{Global, Sessions};
use crate::exit::Exit;
use crate::{journal, output, text};

/// Sessions looked through at most for those that failed.
const LOOKED_THROUGH: u64 = 100_000;

/// Show them, the last one first.
///
/// # Errors
/// The journal cannot be read.
pub fn sessions(global: &Global, arguments: &Sessions) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    let limit = u64::from(arguments.limit);
    let filter = Filter {
        finished: Some(true),
        since: arguments.since.map(journal::ago),
        strategy: arguments.strategy.clone(),
        limit: if arguments.failed { LOOKED_THROUGH.max(limit) } else { limit },
    };
    let mut sessions = journal::file(&site)?.sessions(&filter)?;
    if arguments.failed {
        sessions.retain(|session| session.end.as_ref().is_some_and(|end| end.failed));
        sessions.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    if global.json {
        for session in &sessions {
            output::line(as_json(session).to_string())?;
        }
        return Ok(Exit::Done);
    }
    if sessions.is_empty() {
        output::line("no finished sessions")?;
        return Ok(Exit::Done);
    }
    let headings = ["SESSION", "STRATEGY", "VERSION", "INTERACTION", "STARTED", "#TOOK", "#TURNS", "OUTCOME"];
    let table = output::table(&headings, sessions.iter().map(row));
    output::line(format!("{}, the last one first:\n{table}", text::count(sessions.len(), "finished session")))?;
    Ok(Exit::Done)
}

fn row(session: &Summary) -> Vec<String> {
    let row = &session.row;
    let (took, outcome) = match &session.end {
        Some(end) => (text::time(end.at - row.started_at), text::clip(&end.outcome, 80)),
        None => Default::default(),
    };
    vec![
        row.id.to_string(),
        text::clip(&row.strategy, 40),
        text::clip(&row.version, 20),
        row.interaction.clone(),
        text::moment(row.started_at),
        took,
        session.turns.to_string(),
        outcome,
    ]
}

fn as_json(session: &Summary) -> Json {
    let mut json = journal::row_as_json(&session.row);
    json.extend([
        ("endedAt".to_owned(), json!(session.end.as_ref().map(|end| end.at))),
        ("turns".to_owned(), json!(session.turns)),
        ("outcome".to_owned(), json!(session.end.as_ref().map(|end| &end.outcome))),
        ("failed".to_owned(), json!(session.end.as_ref().map(|end| end.failed))),
    ]);
    json.into()
}
