//! `jackfield submit`: e-mails and other interactions into interaction queues.
//!
//! Sources are read one by one as there is room (`source`), each becomes a request, and requests go
//! out many at once over one connection that is made again when it is lost (`send`). A request keeps
//! its key from the first attempt to the last, so that none takes effect twice.

mod send;
mod source;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use tokio::sync::mpsc;

use self::send::{Outcome, Submission, Target};
use self::source::Source;
use crate::cli::{self, Global};
use crate::config::{Site, nearest_word};
use crate::exit::{Exit, Unreachable, Usage};
use crate::{output, signals};

/// Requests on their way at once.
const IN_FLIGHT: usize = 256;
/// Submissions that are read ahead.
const READ_AHEAD: usize = 16;
/// Time between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Submit everything the arguments name.
///
/// # Errors
/// A source, queue or server is not there; or the server could not be reached and nothing was
/// submitted. What was refused alone shows in the exit code.
pub async fn submit(global: &Global, arguments: cli::Submit) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    let stop = signals::stop_token(global.with_parent)?;
    let run = arguments.run_id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().simple().to_string());
    let sources = Source::open(&arguments.sources, arguments.queue.as_deref())?;
    let mut targets = Targets::new(&site, &arguments)?;
    if let Some(queue) = &arguments.queue {
        targets.of_queue(queue)?;
    }
    let mut summary = Summary::new();
    let mut pace = Pace::new(arguments.rate);
    let mut under_way = FuturesUnordered::new();
    let mut progress = tokio::time::interval(PROGRESS_EVERY);
    progress.reset();
    let mut read = start_reading(sources, run, arguments.repeat);
    let mut more = true;
    while more || !under_way.is_empty() {
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                summary.interrupted = true;
                break;
            }
            Some((submission, outcome)) = under_way.next() => summary.count(global, &submission, outcome)?,
            _ = progress.tick() => summary.progress(global, under_way.len()),
            next = pace.next(&mut read), if more && under_way.len() < IN_FLIGHT => match next {
                None => more = false,
                Some(Err(error)) => return Err(error),
                Some(Ok(Err(unreadable))) => summary.unreadable(global, &unreadable)?,
                Some(Ok(Ok(submission))) => match targets.of_queue(&submission.request.queue) {
                    Ok(target) => under_way.push(async move {
                        let outcome = target.submit(&submission).await;
                        (submission, outcome)
                    }),
                    Err(error) => {
                        summary.count(global, &submission, Outcome::Refused { code: 0, text: error.to_string() })?;
                    }
                },
            },
        }
        if summary.unreachable.is_some() {
            break;
        }
    }
    summary.unanswered += under_way.len();
    summary.end(global)
}

/// What reading ahead yields: a submission, something unreadable, or the end of everything.
type Read = anyhow::Result<Result<Submission, source::Unreadable>>;

/// Reads in a task of its own, so that answers are taken in while standard input is waited for.
fn start_reading(mut sources: Source, run: String, repeat: u32) -> mpsc::Receiver<Read> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::spawn(async move {
        while let Some(next) = sources.next(&run, repeat).await.transpose() {
            let failed = next.is_err();
            if sender.send(next).await.is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// The servers submitted to, by queue. A connection is opened for each server when it is first needed.
struct Targets<'s> {
    site: &'s Site,
    server: Option<&'s str>,
    retry_for: Duration,
    open: HashMap<&'s str, Target>,
}

impl<'s> Targets<'s> {
    fn new(site: &'s Site, arguments: &'s cli::Submit) -> Result<Targets<'s>, Usage> {
        if let Some(name) = &arguments.server {
            crate::connect::server(site, name)?;
        }
        let server = arguments.server.as_deref();
        Ok(Targets { site, server, retry_for: arguments.retry_for, open: HashMap::new() })
    }

    fn of_queue(&mut self, queue: &str) -> Result<Target, Usage> {
        let having: Vec<_> = self.site.servers_of_queue(queue);
        let chosen = match (self.server, having.as_slice()) {
            (_, []) => {
                let help = nearest_word(queue, self.site.queues.iter().map(|queue| queue.name.get_ref().as_str()));
                return Err(Usage(format!("there is no queue `{queue}`; {help}")));
            }
            (None, [only]) => only,
            (None, [first, second, ..]) => {
                let (first, second) = (first.name.get_ref(), second.name.get_ref());
                return Err(Usage(format!(
                    "several servers have queue `{queue}` (`{first}`, `{second}`); choose one with --server"
                )));
            }
            (Some(name), having) => having
                .iter()
                .find(|server| server.name.get_ref() == name)
                .ok_or_else(|| Usage(format!("server `{name}` has no queue `{queue}`; name another one")))?,
        };
        let target = self.open.entry(chosen.name.get_ref()).or_insert_with(|| Target::open(chosen, self.retry_for));
        Ok(target.clone())
    }
}

/// Not more than so many a second.
struct Pace {
    ticks: Option<tokio::time::Interval>,
}

impl Pace {
    fn new(rate: Option<u32>) -> Pace {
        let ticks = rate.map(|rate| tokio::time::interval(Duration::from_secs(1) / rate.max(1)));
        Pace { ticks }
    }

    /// Cancel-safe: nothing that was read is lost.
    async fn next<T>(&mut self, read: &mut mpsc::Receiver<T>) -> Option<T> {
        if let Some(ticks) = &mut self.ticks {
            ticks.tick().await;
        }
        read.recv().await
    }
}

/// Counts, and lines about what happened.
struct Summary {
    began: Instant,
    submitted: usize,
    refused: usize,
    unreadable: usize,
    unanswered: usize,
    unreachable: Option<String>,
    interrupted: bool,
}

impl Summary {
    fn new() -> Summary {
        Summary {
            began: Instant::now(),
            submitted: 0,
            refused: 0,
            unreadable: 0,
            unanswered: 0,
            unreachable: None,
            interrupted: false,
        }
    }

    fn count(&mut self, global: &Global, submission: &Submission, outcome: Outcome) -> anyhow::Result<()> {
        let (name, queue) = (&submission.name, &submission.request.queue);
        match outcome {
            Outcome::Submitted { interaction, server } => {
                self.submitted += 1;
                if global.json {
                    let shown = json!({
                        "result": "submitted", "source": name, "interaction": interaction,
                        "server": server, "queue": queue, "mediaType": submission.request.media_type,
                    });
                    output::line(shown.to_string())
                } else {
                    output::line(format!("{interaction}  {queue}  {name}"))
                }
            }
            Outcome::Refused { code, text } => {
                self.refused += 1;
                if global.json {
                    let shown = json!({
                        "result": "refused", "source": name, "queue": queue, "code": code, "error": text,
                    });
                    output::line(shown.to_string())
                } else {
                    output::line(format!("refused           {queue}  {name}: {text}"))
                }
            }
            Outcome::Unreachable(reason) => {
                self.unanswered += 1;
                self.unreachable = Some(reason);
                Ok(())
            }
        }
    }

    fn unreadable(&mut self, global: &Global, unreadable: &source::Unreadable) -> anyhow::Result<()> {
        self.unreadable += 1;
        if global.json {
            let (name, reason) = (&unreadable.name, &unreadable.reason);
            output::line(json!({ "result": "unreadable", "source": name, "error": reason }).to_string())
        } else {
            output::line(format!("not readable      {unreadable}"))
        }
    }

    fn progress(&self, global: &Global, under_way: usize) {
        if !global.json {
            output::complain(&format!("{} submitted, {under_way} under way", self.submitted));
        }
    }

    fn end(self, global: &Global) -> anyhow::Result<Exit> {
        let elapsed = self.began.elapsed();
        let per_second = self.submitted as f64 / elapsed.as_secs_f64().max(0.001);
        if global.json {
            let shown = json!({
                "result": "summary",
                "submitted": self.submitted,
                "refused": self.refused,
                "unreadable": self.unreadable,
                "unanswered": self.unanswered,
                "seconds": elapsed.as_secs_f64(),
            });
            output::line(shown.to_string())?;
        } else {
            output::line(format!(
                "{} submitted, {} refused, {} not readable, {} not answered; {:.2} s, {per_second:.0} a second",
                self.submitted,
                self.refused,
                self.unreadable,
                self.unanswered,
                elapsed.as_secs_f64(),
            ))?;
        }
        if let Some(reason) = self.unreachable {
            return Err(Unreachable(reason).into());
        }
        if self.interrupted {
            return Ok(if self.submitted > 0 { Exit::Partly } else { Exit::Failed });
        }
        let all_well = self.refused + self.unreadable + self.unanswered == 0;
        Ok(match (all_well, self.submitted) {
            (true, _) => Exit::Done,
            (false, 0) => Exit::Failed,
            (false, _) => Exit::Partly,
        })
    }
}
