//! What was said in one chat: in memory, and in a file that has each line before anybody is shown it.
//!
//! The file has one JSON object a line; half of one at its end, as a crash leaves it, counts as nothing. It can
//! be read by anybody who may read the folder; the customer's key to the chat is not in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Lines of one chat; then only its end is written.
pub(crate) const LINES: usize = 1_000;
/// Bytes of all lines of one chat, about.
pub(crate) const CHAT_BYTES: usize = 256 << 10;
/// Bytes of one line.
pub(crate) const LINE_BYTES: usize = 8_000;

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum From {
    Customer,
    Agent,
    /// The media server tells of something.
    System,
}

/// One thing that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) from: From,
    pub(crate) text: String,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    /// What it was asked for under; the same again is not said again. Empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) key: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Record {
    Began {
        name: String,
    },
    Said(Line),
    Submitted(String),
    Ended,
    /// The Interaction Server knows that it has ended.
    OffLine,
}

/// What is known of a chat.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) interaction: Option<String>,
    bytes: usize,
    pub(crate) ended: bool,
    pub(crate) off_line: bool,
}

/// Why a line was not said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSaid {
    #[error("the chat has ended")]
    Ended,
    #[error("there is nothing in it")]
    Empty,
    #[error("it is longer than {LINE_BYTES} bytes")]
    TooLong,
    #[error("the chat has become too long, and takes no more")]
    Full,
    #[error("it cannot be written down: {0}")]
    NotStored(String),
}

pub(crate) struct Transcript {
    path: PathBuf,
    state: Mutex<State>,
    /// Held while something is written; what is known changes only under it.
    file: Mutex<Option<File>>,
    changes: watch::Sender<()>,
}

impl Transcript {
    /// A new one. Its file begins with its first line.
    pub(crate) fn new(path: PathBuf, name: String) -> Transcript {
        Transcript::with(path, State { name, ..State::default() })
    }

    fn with(path: PathBuf, state: State) -> Transcript {
        Transcript { path, state: Mutex::new(state), file: Mutex::new(None), changes: watch::channel(()).0 }
    }

    /// One that was begun before.
    pub(crate) fn read(path: &Path) -> io::Result<Transcript> {
        let bytes = fs::read(path)?;
        let mut state = State::default();
        let mut whole = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !line.ends_with(b"\n") {
                break;
            }
            let Ok(record) = serde_json::from_slice(line) else {
                return Err(io::Error::other(format!("{}: byte {whole} begins no record", path.display())));
            };
            whole += line.len();
            state.apply(record);
        }
        if whole < bytes.len() {
            OpenOptions::new().write(true).open(path)?.set_len(whole as u64)?;
        }
        Ok(Transcript::with(path.to_owned(), state))
    }

    /// What is known now.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells whenever something has changed.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Says a line; returns how many there are then. Blocks.
    pub(crate) fn say(&self, line: Line) -> Result<usize, NotSaid> {
        let mut file = self.file();
        let known = self.look(|state| {
            if !line.key.is_empty()
                && let Some(at) = state.lines.iter().position(|said| said.key == line.key)
            {
                return Ok(Some(at + 1));
            }
            match () {
                () if state.ended => Err(NotSaid::Ended),
                () if line.text.trim().is_empty() => Err(NotSaid::Empty),
                () if line.text.len() > LINE_BYTES => Err(NotSaid::TooLong),
                () if state.lines.len() >= LINES || state.bytes + line.text.len() > CHAT_BYTES => Err(NotSaid::Full),
                () => Ok(None),
            }
        })?;
        match known {
            Some(number) => Ok(number),
            None => {
                self.write(&mut file, Record::Said(line)).map_err(|error| NotSaid::NotStored(error.to_string()))?;
                Ok(self.look(|state| state.lines.len()))
            }
        }
    }

    /// The interaction it is. Blocks.
    pub(crate) fn submitted(&self, interaction: String) -> io::Result<()> {
        let mut file = self.file();
        self.write(&mut file, Record::Submitted(interaction))
    }

    /// Ends it, with a last line; whether it went on until now. Blocks.
    pub(crate) fn end(&self, why: &str, at: i64) -> io::Result<bool> {
        let mut file = self.file();
        let (ended, begun) = self.look(|state| (state.ended, !state.lines.is_empty()));
        if ended {
            return Ok(false);
        }
        if begun {
            self.write(&mut file, Record::Said(Line { from: From::System, text: why.into(), at, key: String::new() }))?;
            self.write(&mut file, Record::Ended)?;
        } else {
            // Nothing was said, and nothing is kept.
            self.apply(Record::Ended);
        }
        Ok(true)
    }

    /// The Interaction Server knows that it has ended. Blocks.
    pub(crate) fn off_line(&self) -> io::Result<()> {
        let mut file = self.file();
        self.write(&mut file, Record::OffLine)
    }

    fn file(&self) -> MutexGuard<'_, Option<File>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, file: &mut Option<File>, record: Record) -> io::Result<()> {
        let mut bytes = Vec::new();
        let open = match file {
            Some(open) => open,
            None => {
                let is_new = !self.path.exists();
                let opened = OpenOptions::new().create(true).append(true).open(&self.path)?;
                if is_new {
                    let began = Record::Began { name: self.look(|state| state.name.clone()) };
                    append(&mut bytes, &began)?;
                    File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
                }
                file.insert(opened)
            }
        };
        append(&mut bytes, &record)?;
        let before = open.metadata()?.len();
        if let Err(error) = open.write_all(&bytes).and_then(|()| open.sync_data()) {
            // What is half there would spoil what comes after it.
            open.set_len(before)?;
            return Err(error);
        }
        self.apply(record);
        Ok(())
    }

    fn apply(&self, record: Record) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).apply(record);
        self.changes.send_replace(());
    }
}

impl State {
    fn apply(&mut self, record: Record) {
        match record {
            Record::Began { name } => self.name = name,
            Record::Said(line) => {
                self.bytes += line.text.len();
                self.lines.push(line);
            }
            Record::Submitted(interaction) => self.interaction = Some(interaction),
            Record::Ended => self.ended = true,
            Record::OffLine => self.off_line = true,
        }
    }
}

fn append(bytes: &mut Vec<u8>, record: &Record) -> io::Result<()> {
    serde_json::to_writer(&mut *bytes, record).map_err(io::Error::other)?;
    bytes.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, key: &str) -> Line {
        Line { from: From::Agent, text: text.into(), at: 7, key: key.into() }
    }

    #[test]
    fn what_was_said_is_there_after_a_restart_and_half_a_line_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.jsonl");
        let transcript = Transcript::new(path.clone(), "Ann".into());
        assert!(!path.exists(), "nothing was said");
        assert_eq!(transcript.say(line("one\n<b>", "")), Ok(1));
        transcript.submitted("0001".into()).expect("written");
        let mut file = OpenOptions::new().append(true).open(&path).expect("there");
        file.write_all(b"{\"said\":{\"fr").expect("written");
        let again = Transcript::read(&path).expect("read");
        again.look(|state| {
            assert_eq!((state.name.as_str(), state.interaction.as_deref()), ("Ann", Some("0001")));
            assert_eq!(state.lines, [line("one\n<b>", "")]);
        });
        assert_eq!(again.say(line("two", "")), Ok(2));
        assert_eq!(Transcript::read(&path).expect("read").look(|state| state.lines.len()), 2);
        fs::write(&path, "{}\n").expect("written");
        assert!(Transcript::read(&path).is_err());
    }

    #[test]
    fn the_same_key_says_once_and_bounds_hold() {
        let folder = tempfile::tempdir().expect("a folder");
        let transcript = Transcript::new(folder.path().join("a.jsonl"), String::new());
        assert_eq!(transcript.say(line("one", "k1")), Ok(1));
        assert_eq!(transcript.say(line("two", "k2")), Ok(2));
        assert_eq!(transcript.say(line("one", "k1")), Ok(1));
        assert_eq!(transcript.say(line(" \n", "")), Err(NotSaid::Empty));
        assert_eq!(transcript.say(line(&"x".repeat(LINE_BYTES + 1), "")), Err(NotSaid::TooLong));
        transcript.state.lock().expect("not poisoned").lines.resize(LINES, line("x", ""));
        assert_eq!(transcript.say(line("one more", "")), Err(NotSaid::Full));
        assert!(transcript.end("over", 8).expect("written"), "its end is always written");
        assert!(!transcript.end("over", 8).expect("known"));
        assert_eq!(transcript.say(line("late", "")), Err(NotSaid::Ended));
        assert_eq!(transcript.say(line("one", "k1")), Ok(1), "what was said was said");
    }
}
