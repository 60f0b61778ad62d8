//! `jackfield demo`: a whole site in processes of its own, a mailbox of real e-mails, and a table of where
//! everything went.
//!
//! The demo itself only watches: what it tells comes from the servers' reporting events (`ledger`), and is
//! compared with what was acknowledged to `submit` and with what the servers say is left.

mod children;
mod ledger;
mod report;
mod site;
mod swap;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use jackfield_link::{Client, Link, LinkEvent};
use jackfield_protocol::ORCHESTRATION_SYSTEM;
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::request::Message as Request;
use jackfield_protocol::v1::{ClientType, RequestStartReporting};
use jiff::tz::TimeZone;
use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStdout;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::children::{Part, Starter};
use self::ledger::Ledger;
use self::report::Report;
use self::site::DemoSite;
use self::swap::{Swap, Swapped};
use crate::cli::{Demo, Global};
use crate::commands::queues;
use crate::commands::report::waits::{Heard, Waits};
use crate::config::Server;
use crate::control::{self, Question};
use crate::exit::{Exit, Usage};
use crate::{connect, output, signals, text};

/// How long each part may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Time between two looks at something that is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Time between two lines of progress: on a terminal, and elsewhere.
const PROGRESS_EVERY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// Nothing may move for so long before the site counts as at rest.
const REST_FOR: Duration = Duration::from_millis(500);
/// An agent of this id is left to whoever watches the demo.
const YOU: &str = "you";
/// Invitations of a hundred that agents reject: enough for one or more in nearly every run.
const REJECT_PERCENT: &str = "8";
/// Service level of the waits that are shown, in milliseconds.
const WITHIN: i64 = 1_000;
/// Reporting events that wait to be entered.
const EVENTS_WAITING: usize = 4_096;

/// Run the demo.
///
/// # Errors
/// A part does not start, or ends too early; the configuration is wrong.
pub async fn demo(global: &Global, arguments: Demo) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let stop = signals::stop_token(global.with_parent)?;
    let sources = sources(&global.site)?;
    let demo = DemoSite::make(&global.site, &arguments.folder, arguments.plugins.as_deref())?;
    let mut parts = Vec::new();
    let outcome = tokio::select! {
        biased;
        () = stop.cancelled() => Err(Stopped.into()),
        outcome = play(global, &arguments, &demo, &sources, &mut parts, began) => outcome,
    };
    let exit = match outcome {
        Ok(report) => {
            report.show(global, &demo.folder, &demo.path)?;
            if arguments.keep {
                leave_chats_to_you(&demo, &mut parts).await?;
                keep(global, &demo, &stop).await?;
            }
            Ok(if report.adds_up() { Exit::Done } else { Exit::Failed })
        }
        Err(error) if error.is::<Stopped>() => {
            output::complain("stopped");
            Ok(Exit::Failed)
        }
        Err(error) => Err(error),
    };
    // The node comes to rest and the agents log out before the servers go.
    for part in parts.into_iter().rev() {
        part.stop().await;
    }
    exit
}

#[derive(Debug, thiserror::Error)]
#[error("stopped")]
struct Stopped;

/// What there is to submit beside the configuration: `mailbox`, and files of interactions.
struct Sources {
    /// Files of the mailbox, by name.
    mailbox: Vec<PathBuf>,
    lines: Vec<PathBuf>,
}

fn sources(site: &Path) -> anyhow::Result<Sources> {
    let folder = std::path::absolute(site)?.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut mailbox = Vec::new();
    for entry in std::fs::read_dir(folder.join("mailbox")).into_iter().flatten() {
        mailbox.push(entry?.path());
    }
    mailbox.sort_unstable();
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            lines.push(path);
        }
    }
    lines.sort_unstable();
    if mailbox.is_empty() && lines.is_empty() {
        let text = format!("there is neither a `mailbox` nor a .jsonl file in {} to submit", folder.display());
        return Err(Usage(text).into());
    }
    Ok(Sources { mailbox, lines })
}

async fn play(
    global: &Global,
    arguments: &Demo,
    demo: &DemoSite,
    sources: &Sources,
    parts: &mut Vec<Part>,
    began: Instant,
) -> anyhow::Result<Report> {
    let starter = Starter { folder: &demo.folder, site: &demo.path };
    let say = |text: &str| if global.json { Ok(()) } else { output::line(text) };
    let (events_sender, mut events) = mpsc::channel(EVENTS_WAITING);

    say("starting the Interaction Servers")?;
    for server in &demo.site.servers {
        let name = server.name.get_ref();
        parts.push(starter.start(name, &["server", "--name", name])?);
    }
    let mut watching = Vec::new();
    for server in &demo.site.servers {
        watching.push(watch(server, parts, events_sender.clone()).await?);
    }
    drop(events_sender);

    say("starting the node with its strategies, and the agents")?;
    parts.push(starter.start("node", &["run"])?);
    for id in agents(demo) {
        let arguments = ["agent", "--id", id, "--auto", "--handle-time", "0.1s..0.5s", "--reject", REJECT_PERCENT];
        parts.push(starter.start(&format!("agent {id}"), &arguments)?);
    }
    wait_for_node(demo, parts).await?;
    wait_for_agents(demo, parts).await?;
    let ready_after = began.elapsed();

    say("submitting")?;
    let swap = arguments.swap.as_deref().map(|file| Swap::new(file, &demo.site.application.plugins)).transpose()?;
    // What is swapped is swapped in the middle of the mailbox.
    let (first, second) = sources.mailbox.split_at(if swap.is_some() { sources.mailbox.len() / 2 } else { 0 });
    let mut book = Book::new(global, began);
    let (acknowledged_sender, mut acknowledged) = mpsc::channel(EVENTS_WAITING);
    let repeat = arguments.repeat.to_string();
    let mut submitting = Vec::new();
    let mut submit = |name: &str, files: &[PathBuf], more: &[&str]| -> anyhow::Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let words: Vec<&str> = [&["submit", "--repeat", &repeat], more].concat();
        let words: Vec<&str> = words.into_iter().chain(files.iter().map(String::as_str)).collect();
        let (part, results) = starter.start_reading(name, &words)?;
        tokio::spawn(read_results(results, acknowledged_sender.clone()));
        submitting.push(part);
        Ok(())
    };
    let to_queue = ["--queue", arguments.queue.as_str()];
    submit("submit mailbox", first, &to_queue)?;
    submit("submit interactions", &sources.lines, &[])?;
    let mut swapped = None;
    if let Some(swap) = swap {
        let made: Swapped = swap.make(&demo.site.control_socket()).await?;
        say(&format!(
            "swapped: new sessions get {} {}, {:.1?} after its file was there",
            made.plugin, made.version, made.took
        ))?;
        swapped = Some(made);
    }
    submit("submit mailbox, second half", second, &to_queue)?;
    drop(acknowledged_sender);

    let limit = Instant::now() + arguments.limit;
    let rests = |queue: &str| {
        let views = demo.site.views.iter().filter(|view| view.queue.get_ref() == queue);
        let mut views = views.map(|view| view.name.get_ref());
        // The node takes away what was made for messages that are sent.
        queue != ORCHESTRATION_SYSTEM
            && !views.any(|view| demo.site.submitters.iter().any(|submitter| submitter.view.get_ref() == view))
    };
    let mut all_submitted = false;
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            result = acknowledged.recv(), if !all_submitted => match result {
                Some(result) => book.submitted(&result),
                None => all_submitted = true,
            },
            Some((server, event)) = events.recv() => match event {
                Ok(event) => book.enter(&server, &event),
                Err(reason) => anyhow::bail!("server `{server}` is gone: {reason}"),
            },
            _ = look.tick() => {
                book.progress()?;
                for part in &mut *parts {
                    part.must_run()?;
                }
                if all_submitted && book.at_rest(rests) {
                    break;
                }
                if Instant::now() > limit {
                    book.came_to_rest = false;
                    break;
                }
            }
        }
    }
    for mut part in submitting {
        let status = part.ended().await?;
        // Code 3: the mailbox holds what cannot be read, on purpose.
        if !matches!(status.code(), Some(0 | 3)) {
            anyhow::bail!("{} failed ({status}):\n{}", part.name, part.log_tail());
        }
    }
    book.progress_ended()?;
    let status = control::ask(&demo.site.control_socket(), Question::Status).await?;
    let plugins = control::ask(&demo.site.control_socket(), Question::Plugins).await?;
    let mut left = 0;
    for server in &demo.site.servers {
        left += queues::status(server).await?.interactions;
    }
    for link in watching {
        link.close().await;
    }
    let maildirs = demo.site.media_servers.iter().filter_map(|media_server| media_server.maildir());
    Ok(Report::new(
        book,
        left,
        &status,
        report::Versions::new(&plugins, swapped),
        maildirs.map(Path::to_path_buf),
        ready_after,
    ))
}

/// Everything that was heard of so far.
struct Book {
    ledger: Ledger,
    waits: Waits,
    acknowledged: HashSet<String>,
    refused: u64,
    /// Sources that could not be read, and why.
    unreadable: Vec<(String, String)>,
    came_to_rest: bool,
    last_event: Instant,
    began: Instant,
    json: bool,
    last_progress: Instant,
    drawn: bool,
}

impl Book {
    fn new(global: &Global, began: Instant) -> Book {
        Book {
            ledger: Ledger::default(),
            waits: Waits::new(WITHIN, TimeZone::UTC),
            acknowledged: HashSet::new(),
            refused: 0,
            unreadable: Vec::new(),
            came_to_rest: true,
            last_event: Instant::now(),
            began,
            json: global.json,
            last_progress: Instant::now(),
            drawn: false,
        }
    }

    fn submitted(&mut self, result: &Json) {
        match (result.get("result").and_then(Json::as_str), result.get("interaction").and_then(Json::as_str)) {
            (Some("submitted"), Some(id)) => {
                self.acknowledged.insert(id.to_owned());
            }
            (Some("refused"), _) => self.refused += 1,
            (Some("unreadable"), _) => {
                let text = |key: &str| result.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
                // With --repeat each comes again.
                let unreadable = (text("source"), text("error"));
                if !self.unreadable.contains(&unreadable) {
                    self.unreadable.push(unreadable);
                }
            }
            _ => {}
        }
    }

    fn enter(&mut self, server: &str, event: &jackfield_protocol::v1::EventReporting) {
        if !event.interaction_id.is_empty() {
            self.last_event = Instant::now();
        }
        self.ledger.enter(server, event);
        if let Some(heard) = Heard::of(event) {
            self.waits.enter(heard);
        }
    }

    fn at_rest(&self, rests: impl Fn(&str) -> bool) -> bool {
        self.last_event.elapsed() >= REST_FOR && self.ledger.at_rest(rests)
    }

    fn progress(&mut self) -> anyhow::Result<()> {
        let terminal = output::is_terminal();
        let every = if terminal { PROGRESS_EVERY.0 } else { PROGRESS_EVERY.1 };
        if self.json || self.last_progress.elapsed() < every {
            return Ok(());
        }
        self.last_progress = Instant::now();
        let text = report::progress(&self.ledger, &self.acknowledged, self.began.elapsed());
        self.drawn = terminal;
        // Back to the beginning of the line, and clear what was on it.
        if terminal { output::part(&format!("\r\x1b[K{text}")) } else { output::line(text) }
    }

    fn progress_ended(&mut self) -> anyhow::Result<()> {
        if std::mem::take(&mut self.drawn) { output::line("") } else { Ok(()) }
    }
}

/// Subscribes to the reporting of a server, as soon as it answers.
async fn watch(
    server: &Server,
    parts: &mut [Part],
    events: mpsc::Sender<(String, Result<jackfield_protocol::v1::EventReporting, String>)>,
) -> anyhow::Result<Link> {
    let (link, mut happens) = connect::link(server, connect::registration("demo", ClientType::ReportingEngine));
    let name = server.name.get_ref().clone();
    let client: Client = waiting_for(&name, parts, async || link.client()).await?;
    let start = RequestStartReporting { interactions: true, agents: false, ..Default::default() };
    client.request(Request::StartReporting(start)).await.with_context(|| format!("server `{name}`"))?;
    tokio::spawn(async move {
        while let Some(happening) = happens.recv().await {
            let event = match happening {
                LinkEvent::Event(Event::Reporting(event)) => Ok(event),
                // Before the first `Up` the server is only not there yet.
                LinkEvent::Down { reason, .. } if client.is_closed() => Err(reason),
                _ => continue,
            };
            if events.send((name.clone(), event)).await.is_err() {
                return;
            }
        }
    });
    Ok(link)
}

async fn wait_for_node(demo: &DemoSite, parts: &mut [Part]) -> anyhow::Result<()> {
    let socket = demo.site.control_socket();
    waiting_for("the node", parts, async || {
        let status = control::ask(&socket, Question::Status).await.ok()?;
        let links = status.get("links")?.as_array()?;
        links.iter().all(|link| link.get("up") == Some(&Json::Bool(true))).then_some(())
    })
    .await
}

async fn wait_for_agents(demo: &DemoSite, parts: &mut [Part]) -> anyhow::Result<()> {
    for server in &demo.site.servers {
        waiting_for("the agents", parts, async || {
            let status = queues::status(server).await.ok()?;
            (status.agents.len() >= agents(demo).count()).then_some(())
        })
        .await?;
    }
    Ok(())
}

/// The agents who work by themselves.
fn agents(demo: &DemoSite) -> impl Iterator<Item = &str> {
    demo.site.agents.iter().map(|agent| agent.id.get_ref().as_str()).filter(|id| *id != YOU)
}

/// Looks until `look` finds something; fails when a part ends or it takes too long.
async fn waiting_for<T>(what: &str, parts: &mut [Part], look: impl AsyncFn() -> Option<T>) -> anyhow::Result<T> {
    let limit = Instant::now() + READY_WITHIN;
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        for part in &mut *parts {
            part.must_run()?;
        }
        if Instant::now() > limit {
            anyhow::bail!("{what} did not get ready within {READY_WITHIN:?}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn read_results(results: ChildStdout, sender: mpsc::Sender<Json>) {
    let mut lines = BufReader::new(results).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(result) = serde_json::from_str(&line)
            && sender.send(result).await.is_err()
        {
            return;
        }
    }
}

/// Where customers can write, agents who work by themselves take no more chats: they would answer nothing.
async fn leave_chats_to_you(demo: &DemoSite, parts: &mut Vec<Part>) -> anyhow::Result<()> {
    let starter = Starter { folder: &demo.folder, site: &demo.path };
    let chats: Vec<&str> = demo
        .site
        .media_servers
        .iter()
        .filter(|media_server| media_server.page().is_some())
        .map(|media_server| media_server.media.get_ref().as_str())
        .collect();
    for agent in demo.site.agents.iter().filter(|agent| agent.id.get_ref() != YOU) {
        let media: Vec<&str> = agent.capacity.iter().map(|(media, _)| media.get_ref().as_str()).collect();
        let others: Vec<&str> = media.iter().copied().filter(|media| !chats.contains(media)).collect();
        if others.len() == media.len() {
            continue;
        }
        let name = format!("agent {}", agent.id.get_ref());
        if let Some(at) = parts.iter().position(|part| part.name == name) {
            parts.remove(at).stop().await;
        }
        if !others.is_empty() {
            let media = others.iter().flat_map(|media| ["--media", media]);
            let words = ["agent", "--id", agent.id.get_ref(), "--auto", "--handle-time", "0.1s..0.5s"];
            let words: Vec<&str> = words.into_iter().chain(media).collect();
            parts.push(starter.start(&name, &words)?);
        }
    }
    Ok(())
}

async fn keep(global: &Global, demo: &DemoSite, stop: &CancellationToken) -> anyhow::Result<()> {
    if !global.json {
        let program = std::env::current_exe().map_or_else(|_| "jackfield".into(), |path| text::path(&path));
        let site = text::path(&demo.path);
        output::line("\nIt goes on running; Ctrl-C stops it. In another terminal:")?;
        let you = format!("agent --id {YOU}");
        for command in ["queues --watch", "sessions --all", &you, "submit letter.eml --queue email.inbound"] {
            output::line(format!("  {program} {command} --site {site}"))?;
        }
        for page in demo.site.media_servers.iter().filter_map(|media_server| media_server.page()) {
            output::line(format!("\nWrite to `{YOU}` as a customer would, in a browser: {page}"))?;
        }
    }
    stop.cancelled().await;
    Ok(())
}
