//! Where submissions come from: e-mail files and folders, and lines of JSON.
//!
//! E-mails are read when it is their turn, so a mailbox may be larger than memory; lines are read as
//! they arrive. With `--repeat` files are gone through again; standard input cannot be.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jackfield_protocol::v1::{KeyValueList, RequestSubmit};
use serde::Deserialize;
use serde_json::Value as Json;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};

use super::send::Submission;
use crate::connect;
use crate::exit::Usage;

/// Longest line of JSON, in bytes: what fits in a frame.
const LINE_BYTES: u64 = jackfield_protocol::limits::FRAME_BYTES as u64;
/// Largest e-mail file, in bytes.
const MESSAGE_BYTES: u64 = 64 << 20;

/// A file or a line that cannot be submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Which.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

enum Piece {
    Message(PathBuf),
    Lines(PathBuf),
    StandardInput,
}

/// All sources, in order.
pub struct Source {
    pieces: Vec<Piece>,
    queue: Option<String>,
    next_piece: usize,
    /// How many times everything was gone through.
    round: u32,
    lines: Option<Lines>,
    ready: VecDeque<Result<Submission, Unreadable>>,
}

struct Lines {
    name: String,
    number: u64,
    reader: Box<dyn AsyncBufRead + Send + Unpin>,
}

impl Source {
    /// Finds what `paths` name. `queue` is for e-mails, and for lines that name none.
    ///
    /// # Errors
    /// A path is not there, a folder holds no message, or e-mails have no queue to go to.
    pub fn open(paths: &[PathBuf], queue: Option<&str>) -> anyhow::Result<Source> {
        let mut pieces = Vec::new();
        for path in paths {
            if path == Path::new("-") {
                pieces.push(Piece::StandardInput);
            } else if path.extension().is_some_and(|extension| extension == "json" || extension == "jsonl") {
                std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
                pieces.push(Piece::Lines(path.clone()));
            } else {
                let found =
                    jackfield_mail::message_files(path).with_context(|| format!("cannot read {}", path.display()))?;
                if found.is_empty() {
                    return Err(Usage(format!("there is no message in {}", path.display())).into());
                }
                if queue.is_none() {
                    return Err(Usage("e-mails need a queue; name it with --queue".into()).into());
                }
                pieces.extend(found.into_iter().map(Piece::Message));
            }
        }
        let queue = queue.map(str::to_owned);
        Ok(Source { pieces, queue, next_piece: 0, round: 0, lines: None, ready: VecDeque::new() })
    }

    /// The next submission; none at the end. `run` begins the keys.
    ///
    /// # Errors
    /// A file that was there before cannot be opened.
    pub async fn next(&mut self, run: &str, repeat: u32) -> anyhow::Result<Option<Result<Submission, Unreadable>>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Some(ready));
            }
            if let Some(lines) = &mut self.lines {
                match read_line(lines).await? {
                    None => self.lines = None,
                    Some(line) if line.iter().all(u8::is_ascii_whitespace) => {}
                    Some(line) => {
                        let name = format!("{}:{}", lines.name, lines.number);
                        let key = format!("{run}:{}:{name}", self.round);
                        return Ok(Some(parse_line(&line, self.queue.as_deref()).map_or_else(
                            |reason| Err(Unreadable { name: name.clone(), reason }),
                            |request| Ok(Submission { name: name.clone(), key: short_key(&key), request }),
                        )));
                    }
                }
                continue;
            }
            let Some(piece) = self.pieces.get(self.next_piece) else {
                self.round += 1;
                if self.round >= repeat || self.pieces.is_empty() {
                    return Ok(None);
                }
                self.next_piece = 0;
                // What was read to its end gives nothing the second time.
                self.pieces.retain(|piece| !matches!(piece, Piece::StandardInput));
                continue;
            };
            self.next_piece += 1;
            match piece {
                Piece::StandardInput => {
                    let reader = Box::new(BufReader::new(tokio::io::stdin()));
                    self.lines = Some(Lines { name: "-".into(), number: 0, reader });
                }
                Piece::Lines(path) => {
                    let file = tokio::fs::File::open(path).await;
                    let file = file.with_context(|| format!("cannot read {}", path.display()))?;
                    let name = path.display().to_string();
                    self.lines = Some(Lines { name, number: 0, reader: Box::new(BufReader::new(file)) });
                }
                Piece::Message(path) => {
                    let name = path.display().to_string();
                    let key = short_key(&format!("{run}:{}:{name}", self.round));
                    let read = read_message(path, self.queue.as_deref().unwrap_or_default()).await;
                    self.ready.push_back(match read {
                        Ok(request) => Ok(Submission { name, key, request }),
                        Err(error) => Err(Unreadable { name, reason: format!("{error:#}") }),
                    });
                }
            }
        }
    }
}

/// A key that fits the protocol's names however long a path is: its end is replaced by a digest.
fn short_key(key: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    const ROOM: usize = jackfield_protocol::limits::NAME_BYTES - 17;
    if key.len() <= ROOM {
        return key.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let cut = (0..=ROOM).rev().find(|at| key.is_char_boundary(*at)).unwrap_or(0);
    format!("{}-{:016x}", key.get(..cut).unwrap_or_default(), hasher.finish())
}

async fn read_line(lines: &mut Lines) -> anyhow::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let count = (&mut lines.reader).take(LINE_BYTES).read_until(b'\n', &mut line).await;
    let count = count.with_context(|| format!("cannot read {}", lines.name))?;
    lines.number += 1;
    if count as u64 == LINE_BYTES && !line.ends_with(b"\n") {
        anyhow::bail!("{}:{} is longer than {LINE_BYTES} bytes", lines.name, lines.number);
    }
    Ok((count > 0).then_some(line))
}

async fn read_message(path: &Path, queue: &str) -> anyhow::Result<RequestSubmit> {
    let size = tokio::fs::metadata(path).await?.len();
    if size > MESSAGE_BYTES {
        anyhow::bail!("{size} bytes are more than the {MESSAGE_BYTES} a message may have");
    }
    let bytes = tokio::fs::read(path).await?;
    let mut request = jackfield_mail::parse(&bytes, connect::now_ms())?;
    request.queue = queue.to_owned();
    Ok(request)
}

/// One interaction as a line of JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Line {
    interaction_id: String,
    external_id: String,
    parent_id: String,
    media_type: String,
    interaction_type: String,
    interaction_subtype: String,
    queue: String,
    is_online: bool,
    received_at: i64,
    priority: i32,
    service_objective: i32,
    in_queues: Vec<String>,
    out_queues: Vec<String>,
    user_data: Json,
}

fn parse_line(line: &[u8], queue: Option<&str>) -> Result<RequestSubmit, String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| format!("not an interaction: {error}"))?;
    let queue = if line.queue.is_empty() { queue.unwrap_or_default().to_owned() } else { line.queue };
    if queue.is_empty() {
        return Err("no `queue`; name it in the line, or with --queue".into());
    }
    if line.media_type.is_empty() {
        return Err("no `mediaType`, such as \"chat\"".into());
    }
    let user_data = match line.user_data {
        Json::Null => None,
        other => Some(KeyValueList::from_json(&other).map_err(|error| format!("`userData`: {error}"))?),
    };
    Ok(RequestSubmit {
        interaction_id: line.interaction_id,
        external_id: line.external_id,
        parent_id: line.parent_id,
        media_type: line.media_type,
        interaction_type: line.interaction_type,
        interaction_subtype: line.interaction_subtype,
        queue,
        is_online: line.is_online,
        received_at: line.received_at,
        priority: line.priority,
        service_objective: line.service_objective,
        in_queues: line.in_queues,
        out_queues: line.out_queues,
        user_data,
        ..RequestSubmit::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_request() {
        let line =
            br#"{"mediaType":"chat","queue":"chat.inbound","isOnline":true,"userData":{"Subject":"hello","Age":7}}"#;
        let request = parse_line(line, Some("other")).expect("a request");
        assert_eq!((request.queue.as_str(), request.is_online), ("chat.inbound", true));
        let data = request.user_data.expect("user data");
        assert_eq!((data.text("Subject"), data.integer("Age")), (Some("hello"), Some(7)));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_named() {
        let error = |line: &str| parse_line(line.as_bytes(), None).expect_err("an error");
        assert!(error("{").contains("not an interaction"));
        assert!(error(r#"{"mediaTyp":"chat"}"#).contains("mediaTyp"));
        assert!(error(r#"{"mediaType":"chat"}"#).contains("`queue`"));
        assert!(error(r#"{"queue":"q"}"#).contains("`mediaType`"));
        assert!(error(r#"{"queue":"q","mediaType":"chat","userData":{"a":1.5}}"#).contains("`a`"));
    }

    #[test]
    fn keys_stay_short_and_different() {
        let long = "ä".repeat(400);
        let (first, second) = (short_key(&format!("{long}1")), short_key(&format!("{long}2")));
        assert!(first.len() <= jackfield_protocol::limits::NAME_BYTES && first != second);
        assert_eq!(short_key("short"), "short");
    }

    #[tokio::test]
    async fn lines_are_repeated_with_other_keys() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("chats.jsonl");
        let text = "{\"mediaType\":\"chat\",\"queue\":\"q\"}\n\n{\"mediaType\":\"chat\",\"queue\":\"q\"}";
        std::fs::write(&path, text).expect("written");
        let mut source = Source::open(&[path], None).expect("opens");
        let mut keys = Vec::new();
        while let Some(next) = source.next("run", 2).await.expect("reads") {
            keys.push(next.expect("a submission").key);
        }
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 4);
    }
}
