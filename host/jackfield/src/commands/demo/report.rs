//! What the demo shows: a line while it runs, tables at its end.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::Book;
use super::ledger::{Ledger, Place};
use super::swap::Swapped;
use crate::cli::Global;
use crate::figures::percentile;
use crate::{output, text};

/// Unreadable files that are named; more are counted only.
const UNREADABLE_SHOWN: usize = 5;

/// One line about where things are.
pub fn progress(ledger: &Ledger, acknowledged: &HashSet<String>, elapsed: Duration) -> String {
    let (mut strategies, mut agents, mut done, mut stopped, mut waiting) = (0, 0, 0, 0, 0);
    for (place, count) in ledger.places(acknowledged) {
        match place {
            Place::Strategy(_) => strategies += count,
            Place::Agent(_) => agents += count,
            Place::DoneByAgent(_) => done += count,
            Place::StoppedByStrategy(_) | Place::Stopped => stopped += count,
            Place::Queue(_) | Place::Workbin(_) => waiting += count,
        }
    }
    format!(
        "{:5.1} s  submitted {}  in queues {waiting}  with strategies {strategies}  with agents {agents}  done {done}  stopped {stopped}",
        elapsed.as_secs_f64(),
        acknowledged.len()
    )
}

/// The end of a demo.
pub struct Report {
    book: Book,
    places: BTreeMap<Place, u64>,
    /// What the servers say they still have.
    left: u64,
    failed_sessions: u64,
    versions: Versions,
    /// Messages in each Maildir.
    sent: Vec<(PathBuf, usize)>,
    ready_after: Duration,
    took: Duration,
}

impl Report {
    /// `left`: interactions the servers say they have; `status` and `versions`: the node's; `maildirs`: where media servers put
    /// what they send.
    pub fn new(
        mut book: Book,
        left: u64,
        status: &Json,
        versions: Versions,
        maildirs: impl Iterator<Item = PathBuf>,
        ready_after: Duration,
    ) -> Report {
        book.ledger.count_waiting();
        let places = book.ledger.places(&book.acknowledged);
        let counter = |name: &str| status.pointer(&format!("/counters/{name}")).and_then(Json::as_u64).unwrap_or(0);
        let took = book.began.elapsed();
        let sent = maildirs.map(|maildir| (messages_in(&maildir), maildir)).map(|(count, maildir)| (maildir, count));
        Report {
            places,
            left,
            failed_sessions: counter("failed"),
            versions,
            sent: sent.collect(),
            ready_after,
            took,
            book,
        }
    }

    /// Whether each acknowledged interaction is accounted for once, the servers agree on what is left,
    /// and everything came to rest.
    pub fn adds_up(&self) -> bool {
        self.problems().is_empty()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let submitted = self.book.acknowledged.len() as u64;
        let found: u64 = self.places.values().sum();
        if submitted == 0 {
            problems.push("nothing was submitted".to_owned());
        }
        if found != submitted {
            problems.push(format!("{submitted} were submitted, but {found} are accounted for"));
        }
        let present = self.book.ledger.present();
        if present != self.left {
            problems
                .push(format!("by their events {present} interactions are left, but the servers have {}", self.left));
        }
        let waiting = self.book.waits.open();
        if waiting > 0 {
            problems.push(format!("by their events {waiting} still wait in virtual queues"));
        }
        let sent: usize = self.sent.iter().map(|(_, count)| count).sum();
        let reported: u64 = self.book.ledger.messages.values().sum();
        if reported != sent as u64 {
            problems.push(format!("by their events {reported} messages were sent, but {sent} are in the Maildirs"));
        }
        if let Some(swapped) = &self.versions.swapped
            && !self.versions.began(swapped)
        {
            problems.push(format!("no session began on {} {}", swapped.plugin, swapped.version));
        }
        if !self.book.came_to_rest {
            problems.push("it did not come to rest in time".to_owned());
        }
        problems
    }

    /// Print it.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn show(&self, global: &Global, folder: &Path, site: &Path) -> anyhow::Result<()> {
        if global.json {
            return output::line(self.as_json(folder, site).to_string());
        }
        self.tables()?;
        self.sum()?;
        self.remarks()?;
        output::line(format!(
            "\nReady after {:.1} s, at rest after {:.1} s. The site, its stores and its logs are in {}.",
            self.ready_after.as_secs_f64(),
            self.took.as_secs_f64(),
            text::path(folder)
        ))
    }

    fn tables(&self) -> anyhow::Result<()> {
        let ledger = &self.book.ledger;
        let texts = |counts: &[u64]| counts.iter().map(u64::to_string).collect::<Vec<_>>();
        let rows = ledger.queues.iter().map(|((server, queue), counts)| {
            let numbers = texts(&[counts.submitted, counts.placed, counts.returned, counts.taken, counts.waiting]);
            [vec![queue.clone(), server.clone()], numbers].concat()
        });
        let headings = ["QUEUE", "SERVER", "#SUBMITTED", "#PLACED", "#CAME BACK", "#TAKEN", "#WAITING"];
        section("Queues: what came in, and what waits there now", &headings, rows.collect(), true)?;
        let rows = ledger.strategies.iter().map(|(strategy, counts)| {
            let numbers =
                [counts.messages, counts.taken, counts.placed, counts.delivered, counts.stopped, counts.returned];
            [vec![strategy.clone()], texts(&numbers)].concat()
        });
        let headings = ["STRATEGY", "#MESSAGES SENT", "#TAKEN", "#PLACED", "#DELIVERED", "#STOPPED", "#CAME BACK"];
        section("Strategies: what they decided", &headings, rows.collect(), true)?;
        let rows = ledger.agents.iter().map(|(agent, counts)| {
            let numbers = [counts.invited, counts.not_accepted, counts.accepted, counts.done, counts.transferred];
            [vec![agent.clone()], texts(&numbers)].concat()
        });
        let headings = ["AGENT", "#INVITED", "#NOT ACCEPTED", "#ACCEPTED", "#DONE", "#TRANSFERRED"];
        section("Agents: what they did", &headings, rows.collect(), true)?;
        output::line("\nVirtual queues: what waited there for an agent")?;
        output::line(self.book.waits.table())?;
        self.versions.show()?;
        let rows = ledger.media().into_iter().map(|media| {
            let times = ledger.submit_to_accept(&media);
            let time = |percent| percentile(&times, percent).map(text::time).unwrap_or_default();
            vec![media, times.len().to_string(), time(50), time(90), time(100)]
        });
        let headings = ["MEDIA", "#ACCEPTED", "#HALF WITHIN", "#90 % WITHIN", "#ALL WITHIN"];
        section("Time from submit to accept", &headings, rows.collect(), false)
    }

    /// Where everything that was submitted is now.
    fn sum(&self) -> anyhow::Result<()> {
        let parts: Vec<String> = self.by_fate().into_iter().map(|(fate, count)| format!("{count} {fate}")).collect();
        output::line(format!("\n{} submitted = {}", self.book.acknowledged.len(), parts.join(" + ")))?;
        let problems = self.problems();
        for problem in &problems {
            output::line(format!("WRONG: {problem}"))?;
        }
        if problems.is_empty() { output::line("The counts add up.\n") } else { output::line("") }
    }

    /// What went out, what never came in, and what failed.
    fn remarks(&self) -> anyhow::Result<()> {
        let book = &self.book;
        let maildirs: Vec<String> = self.sent.iter().map(|(maildir, _)| text::path(&maildir.join("new"))).collect();
        for ((strategy, kind), count) in &book.ledger.messages {
            let kind = if kind == "emailout" { "e-mail".to_owned() } else { kind.replace('_', " ") };
            let count = text::count(usize::try_from(*count).unwrap_or(usize::MAX), &kind);
            output::line(format!("{count} sent by {strategy}, in {}", maildirs.join(" and ")))?;
        }
        if !book.unreadable.is_empty() {
            output::line(format!("{} could not be read:", text::count(book.unreadable.len(), "file")))?;
        }
        for (name, reason) in book.unreadable.iter().take(UNREADABLE_SHOWN) {
            let what = reason.split(';').next().unwrap_or_default();
            output::line(format!("  {}: {}", text::path(Path::new(name)), text::clip(what, 100)))?;
        }
        if book.unreadable.len() > UNREADABLE_SHOWN {
            output::line(format!("  and {} more", book.unreadable.len() - UNREADABLE_SHOWN))?;
        }
        if book.refused > 0 {
            output::line(format!("{} refused by the servers", book.refused))?;
        }
        if self.failed_sessions > 0 {
            output::line(format!("{} sessions failed; log/node.log says why", self.failed_sessions))?;
        }
        Ok(())
    }

    fn by_fate(&self) -> BTreeMap<String, u64> {
        let mut fates = BTreeMap::new();
        for (place, count) in &self.places {
            let fate = match place {
                Place::Queue(queue) => format!("waiting in {queue}"),
                Place::Workbin(name) => format!("in workbin {name}"),
                Place::Strategy(name) => format!("with strategy {name}"),
                Place::Agent(_) => "with agents".into(),
                Place::StoppedByStrategy(name) => format!("stopped by {name}"),
                Place::DoneByAgent(_) => "done by agents".into(),
                Place::Stopped => "stopped".into(),
            };
            *fates.entry(fate).or_default() += count;
        }
        fates
    }

    fn as_json(&self, folder: &Path, site: &Path) -> Json {
        let (book, ledger) = (&self.book, &self.book.ledger);
        let queues: Vec<Json> = ledger
            .queues
            .iter()
            .map(|((server, queue), counts)| {
                json!({
                    "server": server, "queue": queue, "submitted": counts.submitted, "placed": counts.placed,
                    "returned": counts.returned, "taken": counts.taken, "waiting": counts.waiting,
                })
            })
            .collect();
        let strategies: Vec<Json> = ledger
            .strategies
            .iter()
            .map(|(name, counts)| {
                json!({
                    "strategy": name, "taken": counts.taken, "stopped": counts.stopped, "placed": counts.placed,
                    "delivered": counts.delivered, "returned": counts.returned,
                    "messages": counts.messages,
                })
            })
            .collect();
        let agents: Vec<Json> = ledger
            .agents
            .iter()
            .map(|(name, counts)| {
                json!({
                    "agent": name, "invited": counts.invited, "notAccepted": counts.not_accepted,
                    "accepted": counts.accepted, "done": counts.done, "transferred": counts.transferred,
                })
            })
            .collect();
        let times: Vec<Json> = ledger
            .media()
            .into_iter()
            .map(|media| {
                let times = ledger.submit_to_accept(&media);
                let time = |percent| percentile(&times, percent);
                json!({
                    "mediaType": media, "accepted": times.len(), "p50Ms": time(50), "p90Ms": time(90), "maxMs": time(100),
                })
            })
            .collect();
        let messages: Vec<Json> = ledger
            .messages
            .iter()
            .map(|((strategy, kind), count)| json!({ "strategy": strategy, "type": kind, "count": count }))
            .collect();
        let unreadable: Vec<Json> =
            book.unreadable.iter().map(|(name, reason)| json!({ "source": name, "error": reason })).collect();
        json!({
            "submitted": book.acknowledged.len(),
            "unreadable": unreadable,
            "refused": book.refused,
            "made": ledger.made(&book.acknowledged),
            "left": self.left,
            "failedSessions": self.failed_sessions,
            "fates": self.by_fate(),
            "queues": queues,
            "virtualQueues": book.waits.as_json(),
            "strategies": strategies,
            "agents": agents,
            "versions": self.versions.rows,
            "swapped": self.versions.swapped.as_ref().map(|swapped| json!({
                "plugin": swapped.plugin, "version": swapped.version, "seconds": swapped.took.as_secs_f64(),
            })),
            "messages": messages,
            "submitToAccept": times,
            "readySeconds": self.ready_after.as_secs_f64(),
            "seconds": self.took.as_secs_f64(),
            "addsUp": self.adds_up(),
            "problems": self.problems(),
            "folder": folder.display().to_string(),
            "site": site.display().to_string(),
        })
    }
}

/// Versions of plugins, and the sessions on each.
pub struct Versions {
    rows: Vec<Json>,
    swapped: Option<Swapped>,
}

impl Versions {
    /// From what the node says of its plugins.
    pub fn new(plugins: &Json, swapped: Option<Swapped>) -> Versions {
        let rows = |of: &Json, key: &str| of.get(key).and_then(Json::as_array).cloned().unwrap_or_default();
        let mut all = Vec::new();
        for plugin in rows(plugins, "plugins") {
            for version in rows(&plugin, "versions") {
                let of = |key: &str| version.get(key).cloned().unwrap_or_default();
                all.push(json!({
                    "plugin": plugin.get("name"), "version": of("version"), "role": of("role"),
                    "started": of("started"), "finished": of("finished"), "failed": of("failed"),
                }));
            }
        }
        Versions { rows: all, swapped }
    }

    /// Whether a session began on it.
    fn began(&self, swapped: &Swapped) -> bool {
        self.rows.iter().any(|row| {
            row.get("plugin").and_then(Json::as_str) == Some(swapped.plugin.as_str())
                && row.get("version").and_then(Json::as_str) == Some(swapped.version.as_str())
                && row.get("started").and_then(Json::as_u64).is_some_and(|started| started > 0)
        })
    }

    fn show(&self) -> anyhow::Result<()> {
        let text = |row: &Json, key: &str| match row.get(key) {
            Some(Json::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let keys = ["plugin", "version", "role", "started", "finished", "failed"];
        let rows = self.rows.iter().map(|row| keys.iter().map(|key| text(row, key)).collect());
        let headings = ["PLUGIN", "VERSION", "ROLE", "#STARTED", "#FINISHED", "#FAILED"];
        section("Versions: the sessions on each", &headings, rows.collect(), true)
    }
}

/// A table with a title over it.
fn section(title: &str, headings: &[&str], rows: Vec<Vec<String>>, has_totals: bool) -> anyhow::Result<()> {
    let table = if has_totals { output::table_with_totals(headings, rows) } else { output::table(headings, rows) };
    output::line(format!("\n{title}\n{table}"))
}

/// How many messages were put into a Maildir; none where there is none yet.
fn messages_in(maildir: &Path) -> usize {
    let count = |folder| std::fs::read_dir(maildir.join(folder)).map_or(0, Iterator::count);
    count("new") + count("cur")
}
