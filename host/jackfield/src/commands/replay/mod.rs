//! `jackfield replay`: recorded sessions run again, with no effect, with the version they ran or with
//! another one. One is shown step by step, many are counted (`all`).

mod all;

use jackfield_strategy::{Difference, Engine, Look, Looked, Plugin};
use serde_json::{Value as Json, json};

use super::journal::heading;
use super::turns::{Turns, level_word};
use super::versions::Versions;
use crate::cli::{Global, Replay};
use crate::exit::Exit;
use crate::journal::{self, Recorded};
use crate::{documents, output, text};

/// Replay one session, or many.
///
/// # Errors
/// There is no such session; it, or the version to run, cannot be read.
pub async fn replay(global: &Global, arguments: Replay) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    let file = journal::file(&site)?;
    let mut versions = Versions::new(&site)?;
    let with = match &arguments.with {
        Some(path) => Some(documents::load(versions.engine(), path).await?),
        None => None,
    };
    let Some(session) = &arguments.session else {
        return all::all(global, &arguments, &file, versions, with).await;
    };
    let recorded = journal::session(&file, session)?;
    let plugin = match with {
        Some(plugin) => plugin,
        None => versions.of(&file, &recorded.row).await.map_err(anyhow::Error::msg)?,
    };
    if is_empty(&recorded) {
        anyhow::bail!(
            "of session {} no turn is recorded since its checkpoint: there is nothing to replay",
            recorded.row.id
        );
    }
    let looked = look(versions.engine(), &plugin, &recorded).await;
    let verdict = Verdict::of(&recorded, &looked);
    if global.json {
        output::line(as_json(&recorded, &plugin, &looked, &verdict).to_string())?;
    } else {
        show(&recorded, &plugin, &looked, &verdict)?;
    }
    Ok(if matches!(verdict, Verdict::Different(_)) { Exit::Different } else { Exit::Done })
}

/// Whether there is nothing that could happen again.
fn is_empty(recorded: &Recorded) -> bool {
    recorded.failed.is_none() && recorded.replayable().turns.is_empty()
}

/// Has it happen again with this version.
pub async fn look(engine: &Engine, plugin: &Plugin, recorded: &Recorded) -> Looked {
    let look = Look {
        session: recorded.row.id.to_string(),
        plugin: plugin.clone(),
        history: recorded.replayable(),
        failed: recorded.failed.clone(),
    };
    engine.look(look).await
}

/// How a replay came out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// It did what it did then.
    Same,
    /// It failed where it did then, for this reason.
    FailedAgain(String),
    /// This is the first difference.
    Different(Difference),
}

impl Verdict {
    fn of(recorded: &Recorded, looked: &Looked) -> Verdict {
        match (&looked.difference, &looked.failure) {
            (Some(difference), _) => Verdict::Different(difference.clone()),
            (None, Some(failure)) if recorded.failed.is_some() => Verdict::FailedAgain(failure.to_string()),
            // It did not come as far as the first turn: its checkpoint does not suit it.
            (None, Some(failure)) => Verdict::Different(Difference {
                turn: looked.steps.last().map_or(0, |step| step.turn.number) + 1,
                then: "it went on".into(),
                now: failure.to_string(),
            }),
            (None, None) => Verdict::Same,
        }
    }
}

fn show(recorded: &Recorded, plugin: &Plugin, looked: &Looked, verdict: &Verdict) -> anyhow::Result<()> {
    output::line(heading(recorded))?;
    output::line(format!("replayed with {} {} from {}", plugin.name(), plugin.version(), plugin.origin()))?;
    let mut turns = Turns::default();
    for step in &looked.steps {
        output::line(format!("\n{}", turns.write(&step.turn, &step.log)))?;
    }
    let count = text::count(looked.steps.len(), "turn");
    output::line(match verdict {
        Verdict::Same => format!("\nsame as recorded: {count}"),
        Verdict::FailedAgain(reason) => {
            format!("\nsame as recorded: {count}, and then it fails again: {}", text::printable(reason))
        }
        Verdict::Different(difference) => format!(
            "\nDIFFERENT in turn {}, after {count} as recorded\n    then         {}\n    now          {}",
            difference.turn,
            said(&difference.then),
            said(&difference.now)
        ),
    })
}

/// What a difference says of one side.
fn said(what: &str) -> String {
    if what.is_empty() { "nothing more".into() } else { text::printable(what) }
}

fn as_json(recorded: &Recorded, plugin: &Plugin, looked: &Looked, verdict: &Verdict) -> Json {
    let steps: Vec<Json> = looked
        .steps
        .iter()
        .map(|step| {
            let log = step.log.iter();
            let log: Vec<Json> =
                log.map(|(level, text)| json!({ "level": level_word(*level), "text": text })).collect();
            json!({ "turn": step.turn, "log": log })
        })
        .collect();
    let (difference, failure) = match verdict {
        Verdict::Same => (Json::Null, None),
        Verdict::FailedAgain(reason) => (Json::Null, Some(reason)),
        Verdict::Different(difference) => (difference_as_json(difference), None),
    };
    json!({
        "session": &*recorded.row.id,
        "strategy": recorded.row.strategy,
        "plugin": plugin.name(),
        "pluginVersion": plugin.version(),
        "digest": plugin.digest(),
        "same": !matches!(verdict, Verdict::Different(_)),
        "difference": difference,
        "failure": failure,
        "steps": steps,
    })
}

fn difference_as_json(difference: &Difference) -> Json {
    json!({ "turn": difference.turn, "then": difference.then, "now": difference.now })
}
