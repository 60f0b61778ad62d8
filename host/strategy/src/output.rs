//! What a guest writes, as lines in the host's log: `log.write`, standard output, standard error.
//!
//! Bounded for each turn and each line; control characters do not reach the log.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::contract::Level;

/// Bytes of one line that are kept (contract, `log.write`).
const LINE_BYTES: usize = 8 << 10;
/// Lines of standard error that are remembered, to tell why a guest trapped.
const LAST_WORDS: usize = 3;
/// What Rust adds to a panic, which helps nobody here.
const BACKTRACE_HINT: &str = "note: run with `RUST_BACKTRACE";

#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

pub(crate) struct Output {
    strategy: String,
    session: Arc<str>,
    bytes_per_turn: usize,
    left: usize,
    dropped: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    last_words: VecDeque<String>,
    /// The turn happens again: its lines are in the log already.
    again: bool,
    /// Lines of the turn, for somebody who only looks.
    kept: Option<Vec<(Level, String)>>,
}

impl Output {
    pub fn new(strategy: &str, session: &Arc<str>, bytes_per_turn: usize) -> Output {
        Output {
            strategy: strategy.into(),
            session: Arc::clone(session),
            bytes_per_turn,
            left: bytes_per_turn,
            dropped: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            last_words: VecDeque::new(),
            again: false,
            kept: None,
        }
    }

    /// From here on lines are kept, and do not go to the log.
    pub fn keep(&mut self) {
        self.kept = Some(Vec::new());
    }

    /// Whether what is written is in the log already.
    pub fn set_again(&mut self, again: bool) {
        self.again = again;
    }

    /// Each line of the text becomes a line in the log.
    pub fn log(&mut self, level: Level, text: &str) {
        for line in text.lines() {
            if self.charge(line.len()) {
                self.emit(level, line);
            }
        }
    }

    /// Bytes of a stream; they become a line in the log when one is complete.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let line = self.line(stream);
            let room = LINE_BYTES.saturating_sub(line.len());
            line.extend(piece.iter().take(room));
            if piece.ends_with(b"\n") {
                self.end_line(stream);
            }
        }
    }

    /// Unfinished lines are finished, and the next turn may write again. Returns the lines of the turn,
    /// where they are kept.
    pub fn end_turn(&mut self) -> Vec<(Level, String)> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.line(stream).is_empty() {
                self.end_line(stream);
            }
        }
        if self.dropped > 0 {
            let text = format!("{} more bytes of log in this turn were dropped", self.dropped);
            self.emit(Level::Warn, &text);
        }
        self.left = self.bytes_per_turn;
        self.dropped = 0;
        self.kept.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The last it wrote to standard error.
    pub fn last_words(&self) -> Option<String> {
        let words: Vec<&str> = self.last_words.iter().map(String::as_str).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    fn line(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn end_line(&mut self, stream: Stream) {
        let bytes = std::mem::take(self.line(stream));
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_end();
        if matches!(stream, Stream::Stderr) && !text.is_empty() && !text.starts_with(BACKTRACE_HINT) {
            if self.last_words.len() == LAST_WORDS {
                self.last_words.pop_front();
            }
            self.last_words.push_back(crate::session::shortened(text.into()));
        }
        if !text.is_empty() && self.charge(bytes.len()) {
            let level = match stream {
                Stream::Stdout => Level::Info,
                Stream::Stderr => Level::Warn,
            };
            self.emit(level, text);
        }
    }

    /// Whether there is room for this much more in this turn.
    fn charge(&mut self, bytes: usize) -> bool {
        // An empty line costs a line too.
        let bytes = bytes.max(1);
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.left = 0;
                self.dropped = self.dropped.saturating_add(bytes);
                false
            }
        }
    }

    fn emit(&mut self, level: Level, line: &str) {
        let line = line.get(..line.floor_char_boundary(LINE_BYTES)).unwrap_or(line);
        let line: std::borrow::Cow<'_, str> = if line.chars().any(|c| c.is_control() && c != '\t') {
            line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect::<String>().into()
        } else {
            line.into()
        };
        if let Some(kept) = &mut self.kept {
            kept.push((level, line.into_owned()));
            return;
        }
        if self.again {
            return;
        }
        let (session, strategy) = (&*self.session, self.strategy.as_str());
        match level {
            Level::Error => tracing::error!(target: "strategy", session, strategy, "{line}"),
            Level::Warn => tracing::warn!(target: "strategy", session, strategy, "{line}"),
            Level::Info => tracing::info!(target: "strategy", session, strategy, "{line}"),
            Level::Debug => tracing::debug!(target: "strategy", session, strategy, "{line}"),
            Level::Trace => tracing::trace!(target: "strategy", session, strategy, "{line}"),
        }
    }
}
