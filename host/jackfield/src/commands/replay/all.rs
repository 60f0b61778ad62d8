//! Many sessions replayed, and counted by strategy: the test before a release.

use std::collections::BTreeMap;

use jackfield_journal::{Filter, JournalFile};
use jackfield_strategy::{Difference, Plugin};
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use super::{Verdict, difference_as_json, is_empty, look};
use crate::cli::{Global, Replay};
use crate::commands::versions::{Versions, at_once};
use crate::exit::Exit;
use crate::journal::{self, Recorded};
use crate::{output, text};

/// Differing sessions that are shown; and as many that cannot be replayed.
const SHOWN: usize = 10;

/// Replay all that the arguments name.
///
/// # Errors
/// The journal cannot be read.
pub async fn all(
    global: &Global,
    arguments: &Replay,
    file: &JournalFile,
    mut versions: Versions,
    with: Option<Plugin>,
) -> anyhow::Result<Exit> {
    let filter = Filter {
        finished: None,
        since: arguments.since.map(journal::ago),
        strategy: arguments.strategy.clone(),
        limit: u64::from(arguments.limit),
    };
    // What a list holds of a session is not small: only what is needed is kept.
    let sessions: Vec<_> = file
        .sessions(&filter)?
        .into_iter()
        .filter(|session| with.as_ref().is_none_or(|with| session.row.plugin == with.name()))
        .map(|session| (session.row.id, session.row.strategy))
        .collect();
    let mut summary = Summary::default();
    let mut running = JoinSet::new();
    let mut progress = output::Progress::new("replayed", global.json);
    for (index, (id, strategy)) in sessions.iter().enumerate() {
        progress.at(index, sessions.len());
        match prepared(file, id, &with, &mut versions).await {
            Err(reason) => summary.cannot(id, strategy, reason),
            // It ended, and was removed, meanwhile.
            Ok(None) => {}
            Ok(Some((recorded, plugin))) => {
                let engine = versions.engine().clone();
                running.spawn(async move {
                    let looked = look(&engine, &plugin, &recorded).await;
                    let verdict = Verdict::of(&recorded, &looked);
                    (recorded.row.id, recorded.row.strategy, verdict)
                });
            }
        }
        if running.len() >= at_once()
            && let Some(replayed) = running.join_next().await
        {
            let (id, strategy, verdict) = replayed?;
            summary.replayed(&id, &strategy, verdict);
        }
    }
    while let Some(replayed) = running.join_next().await {
        let (id, strategy, verdict) = replayed?;
        summary.replayed(&id, &strategy, verdict);
    }
    if global.json {
        output::line(summary.as_json().to_string())?;
    } else {
        output::line(summary.to_string())?;
        if sessions.len() >= usize::try_from(arguments.limit)? {
            output::line(format!("\nonly the last {} were replayed; --limit sets how many", sessions.len()))?;
        }
    }
    Ok(summary.exit())
}

/// The session and the version to run; or why it cannot be replayed.
async fn prepared(
    file: &JournalFile,
    id: &str,
    with: &Option<Plugin>,
    versions: &mut Versions,
) -> Result<Option<(Recorded, Plugin)>, String> {
    let Some(stored) = file.session(id, true).map_err(|error| error.to_string())? else { return Ok(None) };
    let recorded = Recorded::decode(stored).map_err(|error| error.to_string())?;
    if is_empty(&recorded) {
        return Err("no turn is recorded since its checkpoint".into());
    }
    let plugin = match with {
        Some(plugin) => plugin.clone(),
        None => versions.of(file, &recorded.row).await?,
    };
    Ok(Some((recorded, plugin)))
}

/// What came out so far.
#[derive(Debug, Default)]
struct Summary {
    strategies: BTreeMap<String, Tally>,
    /// The first ones.
    different: Vec<(String, String, Difference)>,
    /// The first ones.
    not_replayable: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    same: usize,
    different: usize,
    failed_again: usize,
    not_replayable: usize,
}

impl Tally {
    fn sessions(self) -> usize {
        self.same + self.different + self.failed_again + self.not_replayable
    }
}

impl Summary {
    fn replayed(&mut self, id: &str, strategy: &str, verdict: Verdict) {
        let tally = self.strategies.entry(strategy.to_owned()).or_default();
        match verdict {
            Verdict::Same => tally.same += 1,
            Verdict::FailedAgain(_) => tally.failed_again += 1,
            Verdict::Different(difference) => {
                tally.different += 1;
                if self.different.len() < SHOWN {
                    self.different.push((id.to_owned(), strategy.to_owned(), difference));
                }
            }
        }
    }

    fn cannot(&mut self, id: &str, strategy: &str, reason: String) {
        self.strategies.entry(strategy.to_owned()).or_default().not_replayable += 1;
        if self.not_replayable.len() < SHOWN {
            self.not_replayable.push((id.to_owned(), reason));
        }
    }

    fn exit(&self) -> Exit {
        if !self.different.is_empty() {
            Exit::Different
        } else if !self.not_replayable.is_empty() {
            Exit::Partly
        } else {
            Exit::Done
        }
    }

    fn as_json(&self) -> Json {
        let strategies = self.strategies.iter().map(|(name, tally)| {
            json!({
                "strategy": name,
                "sessions": tally.sessions(),
                "same": tally.same,
                "different": tally.different,
                "failedAgain": tally.failed_again,
                "notReplayable": tally.not_replayable,
            })
        });
        let different = self.different.iter().map(|(id, strategy, difference)| {
            json!({ "session": id, "strategy": strategy, "difference": difference_as_json(difference) })
        });
        let not_replayable = self.not_replayable.iter().map(|(id, reason)| json!({ "session": id, "reason": reason }));
        json!({
            "strategies": strategies.collect::<Vec<_>>(),
            "firstDifferent": different.collect::<Vec<_>>(),
            "firstNotReplayable": not_replayable.collect::<Vec<_>>(),
        })
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.strategies.is_empty() {
            return formatter.write_str("no sessions to replay");
        }
        let headings = ["STRATEGY", "#SESSIONS", "#SAME", "#DIFFERENT", "#FAILED AGAIN", "#NOT REPLAYABLE"];
        let rows = self.strategies.iter().map(|(name, tally)| {
            let counts = [tally.sessions(), tally.same, tally.different, tally.failed_again, tally.not_replayable];
            std::iter::once(text::clip(name, 40)).chain(counts.map(|count| count.to_string())).collect()
        });
        formatter.write_str(&output::table_with_totals(&headings, rows.collect()))?;
        if !self.different.is_empty() {
            formatter.write_str("\n\nthe first that differ:")?;
        }
        for (id, strategy, difference) in &self.different {
            write!(formatter, "\n  {id} ({strategy}) {}", text::clip(&difference.to_string(), 200))?;
        }
        if !self.not_replayable.is_empty() {
            formatter.write_str("\n\nthe first that cannot be replayed:")?;
        }
        for (id, reason) in &self.not_replayable {
            write!(formatter, "\n  {id} {}", text::clip(reason, 200))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_by_strategy_and_shows_the_first_differences() {
        let mut summary = Summary::default();
        assert_eq!((summary.exit(), summary.to_string().as_str()), (Exit::Done, "no sessions to replay"));
        summary.replayed("a", "Triage", Verdict::Same);
        summary.replayed("b", "Chat", Verdict::FailedAgain("a trap".into()));
        assert_eq!(summary.exit(), Exit::Done);
        summary.cannot("c", "Triage", "it is damaged".into());
        assert_eq!(summary.exit(), Exit::Partly);
        let difference = Difference { turn: 2, then: "place-in-queue i: a".into(), now: String::new() };
        summary.replayed("d", "Triage", Verdict::Different(difference));
        assert_eq!(summary.exit(), Exit::Different);
        let expected = [
            " STRATEGY   SESSIONS   SAME   DIFFERENT   FAILED AGAIN   NOT REPLAYABLE",
            "────────────────────────────────────────────────────────────────────────",
            " Chat              1      0           0              1                0",
            " Triage            3      1           1              0                1",
            "────────────────────────────────────────────────────────────────────────",
            " total             4      1           1              1                1",
            "",
            "the first that differ:",
            "  d (Triage) turn 2: then `place-in-queue i: a`, now nothing more",
            "",
            "the first that cannot be replayed:",
            "  c it is damaged",
        ];
        assert_eq!(summary.to_string().lines().collect::<Vec<_>>(), expected);
    }
}
