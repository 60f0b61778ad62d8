//! `jackfield report`: what servers report, as lines of JSON.
//!
//! One task a server listens, over a connection that comes back, and goes on after the event it heard last; all
//! write through one channel, in the order of each server. With `--resume` the place in each stream is written down
//! once a second, after the lines up to it, and at the end: stopped in any way, it goes on without a gap, and at
//! worst says some lines again. A restart of a server begins another stream: what it had told nobody then is lost,
//! and a line says so.

pub mod day;
mod line;
pub mod waits;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use jackfield_link::{Client, LinkEvent};
use jackfield_protocol::v1::event::Message as Event;
use jackfield_protocol::v1::{ClientType, EventAgentStates, ReportingPosition, RequestStartReporting};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use crate::cli::{Global, Report};
use crate::exit::Exit;
use crate::{connect, output, signals, text};

/// Lines that wait to be written.
const LINES_WAITING: usize = 4_096;
/// Time between two notes of where the streams are.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// Write what is reported until Ctrl-C.
///
/// # Errors
/// A server that is none of the site's; the file of `--resume` cannot be read or written; a server refuses.
pub async fn report(global: &Global, arguments: Report) -> anyhow::Result<Exit> {
    let site = super::load(global)?;
    let stop = signals::stop_token(global.with_parent)?;
    let mut positions = arguments.resume.map(Positions::read).transpose()?;
    let (lines, mut written) = mpsc::channel(LINES_WAITING);
    for server in connect::servers(&site, &arguments.servers)? {
        let name = server.name.get_ref().clone();
        let register = connect::registration("jackfield report", ClientType::ReportingEngine);
        let (link, events) = connect::link(server, register);
        let position = positions.as_ref().and_then(|positions| positions.of(&name));
        let listener = Listener { server: name, queues: arguments.queues.clone(), position, lines: lines.clone() };
        tokio::spawn(async move {
            let reason = listener.listen(events).await;
            link.close().await;
            reason
        });
    }
    drop(lines);
    let mut note = tokio::time::interval(NOTE_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = note.tick() => {
                if let Some(positions) = &mut positions {
                    positions.write()?;
                }
            }
            line = written.recv() => match line {
                Some(Ok(Line { server, position, text })) => {
                    if let Some(text) = text {
                        output::line(text.to_string())?;
                    }
                    if let Some(positions) = &mut positions {
                        positions.note(server, position);
                    }
                }
                Some(Err(refusal)) => return Err(refusal),
                None => break,
            },
        }
    }
    if let Some(positions) = &mut positions {
        positions.write()?;
    }
    Ok(Exit::Done)
}

/// Something to be written, and where the stream of the server is then.
struct Line {
    server: String,
    position: ReportingPosition,
    /// None: only that.
    text: Option<Json>,
}

struct Listener {
    server: String,
    /// Empty: all.
    queues: Vec<String>,
    position: Option<ReportingPosition>,
    lines: mpsc::Sender<anyhow::Result<Line>>,
}

impl Listener {
    /// Until nobody writes any more, or the server refuses.
    async fn listen(mut self, mut events: mpsc::Receiver<LinkEvent>) {
        let mut was_up = true;
        while let Some(event) = events.recv().await {
            let goes_on = match event {
                LinkEvent::Up(client) => {
                    was_up = true;
                    self.start(&client).await
                }
                LinkEvent::Event(Event::Reporting(event)) => {
                    let Some(position) = &mut self.position else { continue };
                    position.sequence = event.sequence;
                    let text = line::event(&self.server, &position.stream_id, &event);
                    self.write(Some(text)).await
                }
                LinkEvent::Event(_) => true,
                LinkEvent::Down { reason, .. } => {
                    if std::mem::take(&mut was_up) {
                        output::complain(&format!("server `{}` is not there; trying on: {reason}", self.server));
                    }
                    true
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    async fn start(&mut self, client: &Client) -> bool {
        let start = RequestStartReporting {
            interactions: true,
            agents: self.queues.is_empty(),
            queues: self.queues.clone(),
            resumable: true,
            resume_after: self.position.clone(),
        };
        let EventAgentStates { position, gap, .. } = match client.request(start).await {
            Ok(Event::AgentStates(states)) => states,
            Ok(_) => return true,
            // The next connection tries again.
            Err(error) if error.is_retriable() => return true,
            Err(error) => {
                let refusal = anyhow::anyhow!(
                    "server `{}`: {error}; where the file of --resume belongs to another server, begin a new one",
                    self.server
                );
                let _ = self.lines.send(Err(refusal)).await;
                return false;
            }
        };
        let position = position.unwrap_or_default();
        let before = self.position.as_ref().map(|before| (before.stream_id.as_str(), before.sequence));
        let gaps = line::gaps(&self.server, connect::now_ms(), before, &position.stream_id, gap);
        self.position = Some(position);
        for gap in gaps {
            if !self.write(Some(gap)).await {
                return false;
            }
        }
        self.write(None).await
    }

    async fn write(&self, text: Option<Json>) -> bool {
        let position = self.position.clone().unwrap_or_default();
        self.lines.send(Ok(Line { server: self.server.clone(), position, text })).await.is_ok()
    }
}

/// Where the stream of each server is, in a file.
struct Positions {
    file: PathBuf,
    by_server: BTreeMap<String, ReportingPosition>,
    is_written: bool,
}

impl Positions {
    /// A file that is not there is begun.
    fn read(file: PathBuf) -> anyhow::Result<Positions> {
        let shown = text::path(&file);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "{}".to_owned(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        };
        let not_ours = || format!("{shown} is no file of `jackfield report --resume`; name another one");
        let json: BTreeMap<String, Json> = serde_json::from_str(&text).with_context(not_ours)?;
        let position = |(server, json): (String, Json)| {
            let stream_id = json.get("stream")?.as_str()?.to_owned();
            Some((server, ReportingPosition { stream_id, sequence: json.get("sequence")?.as_u64()? }))
        };
        let by_server = json.into_iter().map(position).collect::<Option<_>>().with_context(not_ours)?;
        Ok(Positions { file, by_server, is_written: true })
    }

    fn of(&self, server: &str) -> Option<ReportingPosition> {
        self.by_server.get(server).cloned()
    }

    fn note(&mut self, server: String, position: ReportingPosition) {
        self.is_written &= self.by_server.get(&server) == Some(&position);
        self.by_server.insert(server, position);
    }

    /// As a whole or not at all.
    fn write(&mut self) -> anyhow::Result<()> {
        if self.is_written {
            return Ok(());
        }
        let json: BTreeMap<&String, Json> = self
            .by_server
            .iter()
            .map(|(server, at)| (server, json!({ "stream": at.stream_id, "sequence": at.sequence })))
            .collect();
        let beside = beside(&self.file);
        let written = std::fs::write(&beside, serde_json::to_string(&json)?);
        written
            .and_then(|()| std::fs::rename(&beside, &self.file))
            .with_context(|| format!("cannot write {}", text::path(&self.file)))?;
        self.is_written = true;
        Ok(())
    }
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    file.with_file_name(name)
}
