//! What a guest writes, as lines in the host's log: `log.write`, standard output, standard error.
//!
//! Bounded for each second of the session's time, and so for each turn, and for each line; what is beyond
//! that is dropped, and said to be. Control characters do not reach the log.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::contract::Level;
use crate::record::Clock;
use crate::second::Second;

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
    bytes_per_second: usize,
    /// Bytes of the second, those that were dropped included.
    second: Second,
    /// The time of the turn.
    clock: Clock,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    last_words: VecDeque<String>,
    /// The turn happens again: its lines are in the log already.
    again: bool,
    /// Lines of the turn, for somebody who only looks.
    kept: Option<Vec<(Level, String)>>,
}

impl Output {
    pub fn new(strategy: &str, session: &Arc<str>, bytes_per_second: usize) -> Output {
        Output {
            strategy: strategy.into(),
            session: Arc::clone(session),
            bytes_per_second,
            second: Second::default(),
            clock: Clock::default(),
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

    /// A turn begins. `again`: what it writes is in the log already.
    pub fn begin_turn(&mut self, clock: Clock, again: bool) {
        self.clock = clock;
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

    /// Unfinished lines are finished. Returns the lines of the turn, where they are kept.
    pub fn end_turn(&mut self) -> Vec<(Level, String)> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.line(stream).is_empty() {
                self.end_line(stream);
            }
        }
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

    /// Whether there is room for this much more in this second. The first that is dropped in it is told.
    fn charge(&mut self, bytes: usize) -> bool {
        // An empty line costs a line too.
        let bytes = bytes.max(1);
        let written = self.second.add(self.clock.monotonic, bytes);
        let most = self.bytes_per_second;
        if written > most && written - bytes <= most {
            let text =
                format!("it writes more than {most} bytes of log in a second (`log-limit`); the rest is dropped");
            self.emit(Level::Warn, &text);
        }
        written <= most
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

#[cfg(test)]
mod tests {
    use super::*;

    fn output(bytes_per_second: usize) -> Output {
        let mut output = Output::new("test", &"session".into(), bytes_per_second);
        output.keep();
        output
    }

    fn at(milliseconds: u64) -> Clock {
        Clock { wall: 0, monotonic: milliseconds * 1_000_000 }
    }

    fn texts(output: &mut Output) -> Vec<String> {
        output.end_turn().into_iter().map(|(_, text)| text).collect()
    }

    const DROPPED: &str = "it writes more than 10 bytes of log in a second (`log-limit`); the rest is dropped";

    #[test]
    fn what_is_beyond_a_second_is_dropped_and_that_is_told_once() {
        let mut output = output(10);
        output.log(Level::Info, "12345\n12345\n1\n1");
        assert_eq!(texts(&mut output), ["12345", "12345", DROPPED]);
        output.begin_turn(at(999), false);
        output.write(Stream::Stdout, b"1\nunfinished");
        assert_eq!(texts(&mut output), [""; 0], "more turns do not make more room");
        output.begin_turn(at(1_000), false);
        output.write(Stream::Stderr, b"unfinished");
        output.log(Level::Info, "1");
        assert_eq!(texts(&mut output), ["1", DROPPED]);
        assert_eq!(output.last_words().as_deref(), Some("unfinished"), "why it trapped is known all the same");
    }
}
