//! What the demo shows: a line while it runs, tables at its end.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::Book;
use super::ledger::{Ledger, Place, percentile};
use crate::cli::Global;
use crate::{output, text};

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
    ready_after: Duration,
    took: Duration,
}

impl Report {
    /// `left`: interactions the servers say they have; `status`: the node's.
    pub fn new(mut book: Book, left: u64, status: &Json, ready_after: Duration) -> Report {
        book.ledger.count_waiting();
        let places = book.ledger.places(&book.acknowledged);
        let counter = |name: &str| status.pointer(&format!("/counters/{name}")).and_then(Json::as_u64).unwrap_or(0);
        let took = book.began.elapsed();
        Report { places, left, failed_sessions: counter("failed"), ready_after, took, book }
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
        let ledger = &self.book.ledger;
        let rows = ledger.queues.iter().map(|((server, queue), counts)| {
            let numbers =
                [counts.submitted, counts.placed, counts.taken, counts.waiting].map(|count| count.to_string());
            [vec![server.clone(), queue.clone()], numbers.into()].concat()
        });
        output::line(output::table(&["SERVER", "QUEUE", "#SUBMITTED", "#PLACED", "#TAKEN", "#WAITING"], rows))?;
        let rows = ledger.strategies.iter().map(|(strategy, counts)| {
            let numbers =
                [counts.taken, counts.stopped, counts.placed, counts.delivered].map(|count| count.to_string());
            [vec![strategy.clone()], numbers.into()].concat()
        });
        output::line(output::table(&["STRATEGY", "#TAKEN", "#STOPPED", "#PLACED", "#DELIVERED"], rows))?;
        let rows = ledger.agents.iter().map(|(agent, counts)| {
            let numbers = [counts.invited, counts.not_accepted, counts.accepted, counts.done, counts.transferred];
            [vec![agent.clone()], numbers.map(|count| count.to_string()).into()].concat()
        });
        let headings = ["AGENT", "#INVITED", "#NOT ACCEPTED", "#ACCEPTED", "#DONE", "#TRANSFERRED"];
        output::line(output::table(&headings, rows))?;
        let rows = ledger.media().into_iter().map(|media| {
            let times = ledger.submit_to_accept(&media);
            let time = |percent| percentile(&times, percent).map(text::time).unwrap_or_default();
            vec![media, times.len().to_string(), time(50), time(90), time(100)]
        });
        output::line(output::table(&["SUBMIT TO ACCEPT", "#ACCEPTED", "#P50", "#P90", "#MAX"], rows))?;
        self.sum()?;
        output::line(format!(
            "\nSite {}, logs and stores beside it in {}; the README tells how it works.",
            site.display(),
            folder.display()
        ))
    }

    fn sum(&self) -> anyhow::Result<()> {
        let book = &self.book;
        output::line(format!(
            "\n{} submitted ({} not readable, {} refused), {} made by strategies, {} sessions failed; ready after {:.1} s, {:.1} s in all",
            book.acknowledged.len(),
            book.unreadable,
            book.refused,
            book.ledger.made(&book.acknowledged),
            self.failed_sessions,
            self.ready_after.as_secs_f64(),
            self.took.as_secs_f64(),
        ))?;
        let parts: Vec<String> = self.by_fate().into_iter().map(|(fate, count)| format!("{count} {fate}")).collect();
        let total: u64 = self.places.values().sum();
        output::line(format!("{total} = {}", parts.join(" + ")))?;
        let problems = self.problems();
        for problem in &problems {
            output::line(format!("WRONG: {problem}"))?;
        }
        if problems.is_empty() { output::line("the counts add up") } else { Ok(()) }
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
                    "taken": counts.taken, "waiting": counts.waiting,
                })
            })
            .collect();
        let strategies: Vec<Json> = ledger
            .strategies
            .iter()
            .map(|(name, counts)| {
                json!({
                    "strategy": name, "taken": counts.taken, "stopped": counts.stopped, "placed": counts.placed,
                    "delivered": counts.delivered,
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
        json!({
            "submitted": book.acknowledged.len(),
            "unreadable": book.unreadable,
            "refused": book.refused,
            "made": ledger.made(&book.acknowledged),
            "left": self.left,
            "failedSessions": self.failed_sessions,
            "fates": self.by_fate(),
            "queues": queues,
            "strategies": strategies,
            "agents": agents,
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
